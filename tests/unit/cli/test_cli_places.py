"""The tasks, for real, in a checkout that was cloned where others' scripts break: spaces and
more in its path, a strict umask. Whatever is named in it, nothing of it is run.
"""

from __future__ import annotations

import os
import shlex
import shutil
import socket
import stat
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from builders import reach

from kubeup.application import overlay
from kubeup.cluster.provision import play
from kubeup.core import shell
from kubeup.core.shell import Output
from kubeup.core.state import PROJECT

pytestmark = pytest.mark.real
CANARY = "canary"  # a file that is made where a part of a name is run
NAME = (
    f"my projects (ü) 100% \"a\" 'b' \\ $(touch {CANARY}) `touch {CANARY}` #{{c}} & ; |"
    f" {{{{ lookup('pipe', 'touch {CANARY}') }}}}"
)
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv*", ".kubeup", ".env", "node_modules", "tests", "__pycache__", ".*_cache"
)
SETTINGS = """
settings:
  env: places
  users:
    places:
        {network: {control_ip: 10.213.7.10}, provider: local, release: {source: build},
         images: {bases: debian}}
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    before = os.umask(0o077)
    folder = tmp_path / NAME
    folder.mkdir()
    yield folder
    os.umask(before)
    found = [*tmp_path.rglob(CANARY), *Path().glob(CANARY), *play.ANSIBLE.glob(CANARY)]
    assert not found


@pytest.fixture
def checkout(place: Path) -> Path:
    """As `git clone` makes one under that umask."""

    def copy(source: str, target: str) -> None:
        shutil.copyfile(source, target)
        Path(target).chmod(0o700 if os.access(source, os.X_OK) else 0o600)

    made = Path(shutil.copytree(PROJECT, place / "kubeup", ignore=LEFT_OUT, copy_function=copy))
    for folder in (made, *(path for path in made.rglob("*") if path.is_dir())):
        folder.chmod(0o700)
    (made / "my settings.yaml").write_text(SETTINGS)
    return made


def inv(checkout: Path, *words: str) -> Output:
    home = checkout.parent / "home, of ana"
    home.mkdir(exist_ok=True)
    env = {
        "HOME": str(home),
        "XDG_CACHE_HOME": "",
        "KUBEUP_SETTINGS": str(checkout / "my settings.yaml"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    output = shell.read(
        sys.executable, "-m", "invoke", *words, cwd=str(checkout), env=env, ok=None, timeout=300
    )
    assert output.ok, output.stdout + output.stderr
    return output


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_settings_are_read_and_a_plan_is_made_of_commands_that_can_be_pasted(
    checkout: Path,
) -> None:
    assert "my settings.yaml" in inv(checkout, "config.check").stdout
    # an engine may have the nodes' disk with these very images: then `up` builds none
    tasks = (("up", "--force"), ("images.build",))
    shown = "".join(inv(checkout, *task, "--dry", "--commands").stdout for task in tasks)
    lines = [line.strip().removeprefix("$ ") for line in shown.splitlines()]
    rootfs = [shlex.split(line) for line in lines if line.startswith("mmdebstrap ")]
    cache = checkout.parent / "home, of ana" / ".cache" / "kubeup"
    assert {Path(words[-1]).parents[2] for words in rootfs} == {cache}
    build = next(shlex.split(line) for line in lines if " build " in line and "apps/ui" in line)
    assert build[-1] == str(checkout / "apps" / "ui")
    assert not cache.exists(), "a dry run makes nothing"


def test_keys_are_made_private_wherever_they_are(checkout: Path) -> None:
    made = Path(inv(checkout, "ssh.keys").stdout.splitlines()[-1])
    assert made == checkout / ".kubeup" / "places" / "id_rsa"
    assert (mode(made), mode(made.parent)) == (0o600, 0o700)
    other = checkout.parent / "keys of mine"
    inv(
        checkout,
        "ssh.keys",
        "--set",
        f"ssh.private_key_path={other}/private",
        "--set",
        f"ssh.public_key_path={other}/public half",
    )
    assert sorted(path.name for path in other.iterdir()) == ["private", "public half"]
    config = inv(checkout, "ssh.config").stdout.splitlines()[-1]
    assert config == str(checkout / ".kubeup" / "places" / "ssh_config")
    read = shell.read("ssh", "-G", "-F", config, "places-control").stdout.splitlines()
    # (it prints the name of a key before what a % stands for is filled in)
    escaped = str(made).replace("%", "%%")
    assert f"userknownhostsfile {made.parent / 'known_hosts'}" in read
    assert f"identityfile {escaped}" in read


def test_ssh_is_told_paths_as_they_are(place: Path) -> None:
    folder = place / "100% of it"
    with socket.create_server(("127.0.0.1", 0)) as server:
        # it names its files once it is connected
        threading.Thread(target=lambda: server.accept()[0].close(), daemon=True).start()
        told = reach(folder=folder, address="127.0.0.1", port=server.getsockname()[1]).argv("true")
        said = shell.read("ssh", "-v", *told[1:], ok=None).stderr
    assert "/100% of it/id_rsa type" in said  # (what comes before is in another spelling there)


def test_ansible_reads_play_and_inventory(checkout: Path) -> None:
    # what the play does on this machine: it keeps the kubeconfig beside the profile's state
    kept, playbook = checkout / "kubeconfig", checkout / "ansible" / "kept.yml"
    variables = {"ansible_connection": "local", "kubeup_kubeconfig": str(kept)}
    hosts = {"hosts": {"localhost": variables}}
    copy = {"dest": "{{ kubeup_kubeconfig }}", "content": "{{ kubeup_kubeconfig }}"}
    tasks = [{"name": "keep", "ansible.builtin.copy": {**copy, "mode": "0600"}}]
    playbook.write_text(yaml.safe_dump([{"hosts": "nodes", "gather_facts": False, "tasks": tasks}]))
    file = checkout / ".kubeup" / "inventory.yml"
    file.parent.mkdir()
    file.write_text(play.text({"nodes": hosts, "control": hosts, "workers": {"hosts": {}}}))
    env = {**play.environment(), "ANSIBLE_CONFIG": str(checkout / "ansible" / "ansible.cfg")}
    site = checkout / "ansible" / "site.yml"
    for words in (("--list-tasks", str(site)), (str(playbook),)):
        argv = play.started(["ansible-playbook", "-i", str(file), *words])
        said = shell.read(*argv, cwd=str(site.parent), env=env, timeout=120).stdout
        assert "control_plane : " in said or "changed=1" in said
    assert kept.read_text() == str(kept)


def test_kustomize_finds_the_bases(checkout: Path, real_kubectl: Path) -> None:
    folder = checkout.parent / "a temporary folder"
    folder.mkdir()
    (folder / "base").symlink_to(checkout / overlay.BASE.relative_to(PROJECT))
    (folder / "kustomization.yaml").write_text(
        yaml.safe_dump({"resources": ["base"], "secretGenerator": [{"name": "mysecret"}]})
    )
    assert "kind: StatefulSet" in shell.read(str(real_kubectl), "kustomize", str(folder)).stdout


def test_a_socket_of_ssh_fits_into_a_long_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANSIBLE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/" + 61 * "a")
    assert play.environment()["ANSIBLE_SSH_ARGS"] == "-o ControlMaster=auto -o ControlPersist=60s"
    monkeypatch.setenv("HOME", "/home/" + 31 * "ü")
    assert play.environment()["ANSIBLE_SSH_ARGS"] == "-o ControlMaster=no"
