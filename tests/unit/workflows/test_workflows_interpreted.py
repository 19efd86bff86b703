"""Whatever is in a setting, a path or `.env` stays a value: no interpreter behind runs it.

Each is refused with its place, or reaches every file and command that is made of it as it is. The
settings are those of the model: a new one is tried without a word here.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import interpreters
import jinja2
import pytest
import yaml
from builders import DESKTOP, SANDBOX, place, reach, three
from hypothesis import HealthCheck, Phase, assume, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from interpreters import CANARY, HOSTILE, SETTINGS, sh, structure

from kubeup.application.overlay import Overlay
from kubeup.cluster.providers.minikube import command
from kubeup.cluster.providers.vagrant import files
from kubeup.cluster.provision import inventory as inventories
from kubeup.cluster.provision import play
from kubeup.cluster.provision.inventory import ANSIBLE, InventoryInputs
from kubeup.cluster.release import source
from kubeup.core import shell
from kubeup.core import state as states
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.state import State
from kubeup.database import server
from kubeup.database.machine import DatabaseVm
from kubeup.facts import proxies, registries
from kubeup.images.catalog import AppImage
from kubeup.inspect.verify import probes
from kubeup.settings import Settings, load
from kubeup.settings.nodes import created_nodes
from kubeup.system import secrets, ssh
from kubeup.system.ssh import SshTarget

pytestmark = pytest.mark.real  # ssh(1) reads what is written for it
bounded = profile(
    derandomize=True,  # the same in every run
    max_examples=20,
    phases=(Phase.generate,),  # what fails is large: a smaller one takes minutes to find
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to work in, where nothing has been run at the end."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    require_no_canary(tmp_path)


def require_no_canary(here: Path) -> None:
    assert not [*here.rglob(CANARY), *states.PROJECT.glob(CANARY), *ANSIBLE.glob(CANARY)]


def taken(here: Path, keys: dict[str, Any]) -> Settings:
    """The settings without what is refused: each of that has to be told with its place."""
    file = here / "settings.yaml"
    for _ in range(8):
        profiles = {"settings": {"env": "dev", "users": {"dev": keys}}}
        file.write_text(yaml.safe_dump(profiles), encoding="utf-8")
        loaded = load(file, environ={})
        if not loaded.errors:
            return loaded.require()
        for problem in loaded.errors:
            assert problem.line or problem.file, problem
            for key in (problem.key, *problem.related):
                leave_out(keys, key.split("."))
    raise AssertionError(loaded.errors)


def leave_out(keys: Any, path: list[str]) -> None:
    """A value, or the list or the mapping of names that it is in."""
    name, *below = path
    if name not in keys:
        return
    if below and isinstance(keys[name], dict) and name != "mirrors":
        leave_out(keys[name], below)
    else:
        del keys[name]


@bounded
@given(keys=SETTINGS)
def test_every_setting(here: Path, keys: dict[str, Any]) -> None:
    chosen = taken(here, keys)
    state = states.of(chosen)
    state = State(here / state.folder.name, state.private_key, state.public_key)
    for renderer in (
        *(ansible, kubeadm, openssh, kustomize, compose, vagrant, minikube, mirrors, probe_pods),
    ):
        renderer(here, chosen, state)
    require_no_canary(here)


@bounded
@given(name=HOSTILE | st.from_regex(r"[A-Za-z][\w-]{0,45}", fullmatch=True))
def test_every_name_of_a_profile(here: Path, name: str) -> None:
    """Nodes, containers, contexts and folders are named after it (RFC 1123)."""
    file = here / "settings.yaml"
    file.write_text(yaml.safe_dump({"settings": {"env": name, "users": {name: {}}}}), "utf-8")
    loaded = load(file, environ={})
    if not loaded.errors:
        for node in loaded.require().machines_list():
            assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", node.name) and len(node.name) < 64


@bounded
@given(name=HOSTILE.filter(lambda name: "\0" not in name and name.strip("/.")))
def test_every_path(here: Path, name: str) -> None:
    """Of the clone, of the state in it, and of a key: the file system takes any."""
    chosen = plain()[0].model_copy(update={"state_dir": f"{here}/{name}"})
    with contextlib.suppress(Refused):
        state = states.of(chosen)
        for renderer in (ansible, openssh, vagrant):
            renderer(here, chosen, state)
        assert shlex.split(shell.shown(play.Provision(state, "").argv())) == [
            *("ansible-playbook", "-i", str(state.inventory), str(ANSIBLE / "site.yml"))
        ]
    require_no_canary(here)


@bounded
@given(root=HOSTILE, user=HOSTILE)
def test_every_password(here: Path, root: str, user: str) -> None:
    """As they are in `.env`: the database's machine, the Secret and SQL have the same."""
    assume("\0" not in root + user)
    chosen = plain()[0]
    secret = {"ROOT_PASSWORD": root, "MYSQL_PASSWORD": user}
    secret |= {"MYSQL_DATABASE": "api", "MYSQL_USER": "api"}
    there = machine_of(chosen, lambda: secret)
    (here / "env").write_text(there.env_text(), encoding="utf-8", newline="")
    printed = sh('. ./env; printf "%s\\n" "$MYSQL_ROOT_PASSWORD$MYSQL_PASSWORD"', here)
    assert printed == f"{root}{user}\n"
    for password in (root, user):
        with contextlib.suppress(KubeupError):
            assert unquoted(server.literal(password)) == password
    require_no_canary(here)


@bounded
@given(root=HOSTILE, user=HOSTILE)
def test_every_value_of_the_file_of_passwords(here: Path, root: str, user: str) -> None:
    env = here / ".env"
    env.unlink(missing_ok=True)
    written = {"MYSQL_ROOT_PASSWORD": root, "MYSQL_PASSWORD": user}
    try:
        secrets.replace(env, written)
        read = secrets.read(env)
        overlay = Overlay(plain()[0], IMAGES, env, place(), here)
        secret = overlay.secret()
    except KubeupError:
        return
    assert secret["ROOT_PASSWORD"] == read["MYSQL_ROOT_PASSWORD"]
    rendered = overlay.files()
    for key, value in secret.items():
        assert rendered[f"secret/{key}"] == value
    assert structure(yaml.safe_load(rendered["kustomization.yaml"])) == plain()[1]
    require_no_canary(here)


@bounded
@given(named=st.dictionaries(st.sampled_from((*proxies.PROXIES, proxies.EXCEPT)), HOSTILE))
def test_every_proxy(named: dict[str, str]) -> None:
    """Of the environment, in the files of apt and of containerd's service on a node."""
    found = proxies.on_nodes(named, [])
    unit = rendered("containerd/templates/proxy.conf.j2", kubeup_proxies=found)
    head, *lines = unit.splitlines()
    assert head == "[Service]" and len(lines) == len(found)
    assert all(re.fullmatch(r'Environment="\w+=[^"\\\s]*"', line) for line in lines)
    apt = rendered("base/templates/apt.conf.j2", kubeup_proxies=found)
    assert all(
        re.fullmatch(r'Acquire::https?::Proxy "[^"\\\s]*";', line) for line in apt.splitlines()
    )


def rendered(template: str, **variables: object) -> str:
    """As Ansible's module `template` does it."""
    text = (ANSIBLE / "roles" / template).read_text(encoding="utf-8")
    environment = jinja2.Environment(trim_blocks=True, keep_trailing_newline=True, autoescape=False)  # noqa: S701 - no HTML
    return environment.from_string(text).render(**variables)


def targets(chosen: Settings, state: State) -> list[SshTarget]:
    user, key, known = chosen.ssh.user, state.private_key, state.known_hosts
    return [
        SshTarget(one.name, one.role, one.address, user, key, known)
        for one in created_nodes(chosen)
    ]


def inventory(chosen: Settings, state: State) -> dict[str, Any]:
    nodes, images = targets(chosen, state), Path("/cache/images.tar")
    release = source.choose("auto", SANDBOX)
    inputs = InventoryInputs(chosen, state, SANDBOX, three(), release, nodes, images)
    specs = created_nodes(chosen)
    made = inventories.inventory(inputs) if chosen.provider != "hosts" else {}
    assert not made or list(made["nodes"]["hosts"]) == [spec.name for spec in specs]
    return made


def ansible(here: Path, chosen: Settings, state: State) -> None:
    if made := inventory(chosen, state):
        file = here / "inventory.yml"
        file.write_text(play.text(made), encoding="utf-8")
        nodes = made["nodes"]
        wanted = {name: nodes["vars"] | own for name, own in nodes["hosts"].items()}
        assert interpreters.ansible(file) == wanted


def kubeadm(here: Path, chosen: Settings, state: State) -> None:
    def documents(made: Mapping[str, Any]) -> Any:
        variables = made["nodes"]["vars"] | next(iter(made["nodes"]["hosts"].values()))
        return list(
            yaml.safe_load_all(rendered("control_plane/templates/kubeadm.yaml.j2", **variables))
        )

    if made := inventory(chosen, state):
        documented = documents(made)
        names = [document["kind"] for document in documented]
        assert len(names) == 4 and documented[1]["clusterName"] == chosen.context


def openssh(here: Path, chosen: Settings, state: State) -> None:
    file, nodes = here / "ssh_config", targets(chosen, state)
    file.write_text(ssh.config_text(nodes), encoding="utf-8")
    argv = ("ssh", "-G", "-F", str(file), nodes[0].name)
    done = subprocess.run(argv, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    lines = dict(line.partition(" ")[::2] for line in done.stdout.decode().splitlines())
    assert lines["user"] == chosen.ssh.user and lines["hostname"] == nodes[0].address
    assert lines["userknownhostsfile"] == str(state.known_hosts)
    # (printed before what a % stands for is filled in)
    key = str(state.private_key)
    assert not key.startswith("/") or lines["identityfile"] == key.replace("%", "%%")
    assert "proxycommand" not in lines


def images_of(chosen: Settings) -> tuple[AppImage, ...]:
    return tuple(
        AppImage(part, f"{chosen.images.repository(name)}:sha-1", Path("/src"), ())
        for part, name in (("db", "kubeup-mysql"), *chosen.images.names.items())
    )


IMAGES = tuple(AppImage(part, f"localhost/{part}:sha-1", None, ()) for part in ("db", "api", "ui"))


@cache
def plain() -> tuple[Settings, Any, Any]:
    """The defaults, and the structure of an overlay and of a compose file that are made of them."""
    with tempfile.TemporaryDirectory() as name:
        chosen, env = taken(Path(name), {}), passwords(Path(name))
        overlay = Overlay(chosen, IMAGES, env, place(), Path(name)).files()["kustomization.yaml"]
        composed = machine_of(chosen, dict).compose()
    return chosen, structure(yaml.safe_load(overlay)), structure(yaml.safe_load(composed))


def passwords(here: Path) -> Path:
    """An `.env` as it is mostly."""
    env = here / "plain.env"
    env.write_text("MYSQL_ROOT_PASSWORD=rrrrrrrr\nMYSQL_PASSWORD=pppppppp\n")
    return env


def kustomize(here: Path, chosen: Settings, state: State) -> None:
    made = Overlay(chosen, images_of(chosen), passwords(here), place(), here).files()
    read = yaml.safe_load(made["kustomization.yaml"])
    assert structure(read) == plain()[1]
    for image, row in zip(images_of(chosen), read["images"], strict=True):
        assert f"{row['newName']}:{row['newTag']}" == image.reference
    for row in read["patches"]:
        assert all(set(one) == {"op", "path", "value"} for one in yaml.safe_load(row["patch"]))
    assert re.fullmatch(r"CREATE DATABASE IF NOT EXISTS `\w+`;\n", made["init.sql"])


def machine_of(chosen: Settings, secret: Callable[[], Mapping[str, str]]) -> DatabaseVm:
    where = place(ssh_targets=lambda: (reach(),))
    env, certificates = Path("/p/.env"), Path("/p/tls")
    return DatabaseVm(where, images_of(chosen)[0], secret, env, certificates, tuple)


def compose(here: Path, chosen: Settings, state: State) -> None:
    read = yaml.safe_load(machine_of(chosen, dict).compose())
    assert structure(read) == plain()[2]
    (service,) = read["services"].values()
    assert service["image"].replace("$$", "$") == images_of(chosen)[0].reference


def vagrant(here: Path, chosen: Settings, state: State) -> None:
    try:
        machines = files.machines(chosen, state, DESKTOP, False)
    except Refused:
        return
    read = json.loads(files.texts(machines)[files.MACHINES])
    assert read == machines
    for folder in read["shared_folders"]:
        # as Vagrant asks the guest for what a path of it is (shell_expand_guest_path.rb)
        path = folder["guest"].replace(" ", "\\ ")
        assert sh(f"printf {path}", here) == folder["guest"]
        # and as /etc/exports and docker's --volume have it
        assert not set(folder["host"]) & set('":\n')


def minikube(here: Path, chosen: Settings, state: State) -> None:
    words = command.start(chosen, command.HOWTO, DESKTOP)
    assert words[0] == "start"
    flags = [word for word in words[1:] if not word.startswith("-")]
    assert flags == [chosen.minikube.profile], "no value is an argument or another flag"
    # minikube writes a unit into double quotes of a node's shell (pkg/provision/provision.go);
    # cni is the name of a file here, which is no part of one
    quoted = " ".join(word for word in words if not word.startswith("--cni="))
    assert sh(f'printf %s "{quoted}"', here) == quoted


def mirrors(here: Path, chosen: Settings, state: State) -> None:
    known = registries.registries(chosen.images.mirrors, chosen.images.plain_registries)
    for registry in known:
        read = tomllib.loads(registries.hosts_toml(registry))
        assert set(read) == {"server", "host"} and read["server"] == registry.server
        assert len(read["host"]) == len(set(registry.mirrors)) or not registry.mirrors
    tomllib.loads(registries.registries_conf(known, ""))
    script = registries.script(known).replace("/etc/", f"{here}/etc/")
    for folder in ("containerd", "containers/registries.conf.d"):
        (here / "etc" / folder).mkdir(parents=True, exist_ok=True)
    sh(script, here)
    for registry in known:
        if registry.mirrors:
            file = here / "etc/containerd/certs.d" / registry.name / "hosts.toml"
            assert file.read_text() == registries.hosts_toml(registry)


def probe_pods(here: Path, chosen: Settings, state: State) -> None:
    name, image = created_nodes(chosen)[0].name, images_of(chosen)[1].reference
    pod = probes.manifest(probes.Probe(name, f"probe-{name}"), image, "run")
    assert structure(pod) == structure(probes.manifest(probes.Probe("a", "b"), "c", "d"))
    assert pod["spec"]["containers"][0]["image"] == image


def unquoted(literal: str) -> str:
    """A string of SQL as the server reads it, where it is one and nothing else."""
    # https://dev.mysql.com/doc/refman/8.4/en/string-literals.html
    inside = re.fullmatch(r"'((?:[^'\\]|\\.|'')*)'", literal, re.DOTALL)
    without_escapes = re.fullmatch(r"'(?:[^']|'')*'", literal)  # NO_BACKSLASH_ESCAPES
    assert inside and without_escapes, literal
    return re.sub(r"\\(.)|'(')", r"\1\2", inside[1], flags=re.DOTALL)
