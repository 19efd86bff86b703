"""All tasks on a Mac, as far as a Linux can show it: without what only Linux has, under the other
system's name.

Not seen: a real Mac.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from kubeup.core.state import PROJECT
from kubeup.facts.host import Kernel
from tasks import namespace

pytestmark = pytest.mark.real
HERE, DATA = Path(__file__).parent, Path(__file__).parents[1] / "data" / "minikube"
EVERY_HELP = """
import contextlib, io, sys
from invoke.main import program
from tasks import namespace

for name in sorted(namespace.task_names):
    with contextlib.redirect_stdout(io.StringIO()) as out:
        program.run(["inv", "--help", name], exit=False)
    print(name, "Usage: inv" in out.getvalue())
"""
MINIKUBE = f"""#!/bin/sh
case "$*" in
  version*) cat {DATA}/version_1.36.0.rc0.json ;;
  profile*) cat {DATA}/profiles_none.rc0.json ;;
  status*) cat {DATA}/status_none.rc85.json; exit 85 ;;
  start*--dry-run*) cat {DATA}/dry_run_vm.json.rc55.txt; exit 55 ;;
  *) echo "not recorded: $*" >&2; exit 1 ;;
esac
"""


class Mac:
    """Runs Python as on a Mac whose user has nothing of kubeup's yet."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin = folder, folder / "bin"
        self.bin.mkdir()

    def settings(self, keys: str) -> None:
        own = {"state_dir": f"{self.folder}/state", **yaml.safe_load(keys)}
        (self.folder / "settings.yaml").write_text(
            yaml.safe_dump({"settings": {"env": "mac", "users": {"mac": own}}})
        )

    def has(self, name: str, script: str) -> None:
        (self.bin / name).write_text(script)
        (self.bin / name).chmod(0o755)

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        told = {
            "PYTHONPATH": str(HERE / "macos"),
            "HOME": str(self.folder),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "KUBEUP_SETTINGS": str(self.folder / "settings.yaml"),
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
        }
        ran = subprocess.run(
            (sys.executable, *words),
            cwd=PROJECT,
            env=told,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in ran.stderr + ran.stdout, ran.stderr
        return ran

    def inv(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        ran = self.python("-m", "invoke", *words)
        assert ran.returncode == code, ran.stderr
        return ran


@pytest.fixture
def mac(tmp_path: Path) -> Mac:
    return Mac(tmp_path)


def findings(ran: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return {row["name"]: row for row in json.loads(ran.stdout)}


def test_it_is_no_linux_any_more(mac: Mac) -> None:
    script = """
import fcntl, os, platform
from pathlib import Path
from kubeup.system import machine
assert not hasattr(os, "sched_getaffinity") and not hasattr(fcntl, "F_SETPIPE_SZ")
assert not Path("/proc/meminfo").exists()
found = machine.observe()
assert machine.listening() is None, "only root is told"
assert found.cpus and 0 < found.memory_available < found.memory
assert found.cache_disk.free and found.routes
print(found.system_name, found.arch, found.storage, found.kernel, found.distribution.id or "-")
"""
    assert mac.python("-c", script).stdout.strip() == f"macOS arm64 {{}} {Kernel()} -"


def test_every_task_has_its_help(mac: Mac) -> None:
    rows = mac.python("-c", EVERY_HELP).stdout.split()
    assert rows[::2] == sorted(namespace.task_names) and set(rows[1::2]) == {"True"}


def test_a_pipe_is_as_wide_as_it_comes(mac: Mac) -> None:
    script = (
        "from kubeup.core import shell; print(shell.chain(('printf', 'a%.0s', '1', "
        "'2'), ('tr', 'a', 'b')))"
    )
    assert (
        mac.python(
            "-c",
            f"import shutil, sitecustomize; sitecustomize.TOOLS |= {{'printf', 'tr'}}; {script}",
        ).stdout.strip()
        == "bb"
    )


@pytest.mark.parametrize("words", [("doctor",), ("plan",), ("status",)])
def test_without_any_provider_it_says_which_there_are(mac: Mac, words: tuple[str, ...]) -> None:
    mac.settings("environment: test")
    ran = mac.inv(*words, "--json", code=1 if words == ("doctor",) else 2)
    told = ran.stdout if words == ("doctor",) else ran.stderr
    assert (
        "local: the provider local does not work on macOS: its nodes are privileged containers "
        "of a Linux machine" in told
    )
    assert "brew install vfkit" in told and "vagrant: " in told


def test_local_by_name_says_why_not(mac: Mac) -> None:
    mac.settings("provider: local")
    assert mac.inv("plan", "--json", code=3).stderr.splitlines() == [
        "error: the provider local does not work on macOS",
        "  why:  its nodes are privileged containers of a Linux machine",
        "  next: choose one that makes virtual machines: `--set provider=minikube` or `--set "
        "provider=vagrant`",
    ]
    assert findings(mac.inv("doctor", "--json", code=1))["provider"]["ok"] is False


def test_minikube_is_planned_with_this_systems_kubectl(mac: Mac) -> None:
    mac.has("podman", "#!/bin/sh\n")  # images are built by it
    mac.has("minikube", MINIKUBE)
    mac.settings("minikube: {driver: vfkit}")
    steps = {step["id"]: step for step in json.loads(mac.inv("plan", "--json").stdout)}
    assert {
        "node/test-1.26-2nodes",
        "node/kubectl",
        "image/db",
        "image/api",
        "image/ui",
        "deploy/db",
    } <= steps.keys()
    assert not any(name.startswith(("release/", "rootfs/", "host/packages")) for name in steps), (
        "minikube brings Kubernetes, Docker Hub the bases"
    )
    told = findings(mac.inv("doctor", "--json", code=1))
    assert told["provider"]["what"].startswith("minikube: v1.36.0 at") and "memory" in told
    assert not {"inotify", "kernel"} & told.keys(), "nodes are not on its kernel"


def test_minikube_without_a_hypervisor_is_told_what_to_install(mac: Mac) -> None:
    mac.has("minikube", MINIKUBE)
    mac.settings("provider: minikube")
    ran = mac.inv("plan", "--json", code=3)
    assert (
        "error: minikube has no hypervisor on this macOS" in ran.stderr
        and "brew install vfkit" in ran.stderr
    )


def test_vagrant_gets_linux_for_nodes_and_a_kubectl_for_here(mac: Mac) -> None:
    mac.has("podman", "#!/bin/sh\n")  # images are built by it
    mac.has("vagrant", "#!/bin/sh\necho Vagrant 2.4.1\n")
    mac.has("VBoxManage", '#!/bin/sh\ntest "$1" = --version && echo 7.0.20r163906\n')
    mac.settings("{provider: vagrant, network: {control_ip: 192.168.177.10}}")
    steps = {step["id"]: step for step in json.loads(mac.inv("plan", "--json").stdout)}
    urls = {
        name: line.split()[-1]
        for name, step in steps.items()
        for line in step.get("commands", ())
        if name.startswith("release/") and line.startswith("curl ")
    }
    assert urls["release/kubectl"].endswith("/bin/linux/arm64/kubectl") and urls[
        "release/own-kubectl"
    ].endswith("/bin/darwin/arm64/kubectl")


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ("release: {source: build}", "Kubernetes can't be compiled on macOS"),
        ("images: {bases: debian}", "root file systems of Debian packages can't be made on macOS"),
    ],
)
def test_what_takes_a_linux_is_refused_by_name(mac: Mac, keys: str, what: str) -> None:
    mac.settings(f"provider: vagrant\n{keys}")
    assert f"error: {what}" in mac.inv("plan", "--json", code=2).stderr


def test_windows_means_wsl(mac: Mac) -> None:
    mac.settings("environment: test")
    script = (
        "import platform, sys; platform.system = lambda: 'Windows'; sys.argv[0] = "
        "'inv'; from invoke.main import program; program.run()"
    )
    ran = mac.python("-c", script, "plan")
    assert (
        ran.returncode == 2
        and ran.stderr.splitlines()[0] == "error: kubeup does not run on Windows itself"
    )
    assert "WSL 2" in ran.stderr
    boot = (
        "import platform, runpy; platform.system = lambda: 'Windows'; "
        "runpy.run_path('scripts/bootstrap.py', run_name='__main__')"
    )
    ran = mac.python("-c", boot, "requirements.lock", str(mac.folder / "stamp"))
    assert (
        ran.returncode == 1
        and ran.stderr.startswith("error: kubeup does not run on Windows itself")
        and "WSL 2" in ran.stderr
    )
