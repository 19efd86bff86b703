"""Machines that are containers of this one: packages, users, engines and packet filters are
their own, the kernel is not.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kubeup.core import shell
from kubeup.core.plan import Log, todo
from kubeup.images.rootfs import Rootfs
from kubeup.images.rootfs import step as rootfs_step
from kubeup.system import cache, packages
from kubeup.workflows.loading import load
from kubeup.workflows.project import Project
from tests.beds.machine.kinds import KINDS, SERVER, Kind
from tests.beds.ran import Ran

HERE = Path(__file__).parent
CERTIFICATES = Path("/usr/local/share/ca-certificates")
LABEL = "kubeup.bed=machine"
UP_SECONDS = 120
# not the engine's default one: the engine in the machine has that
NETWORK, SUBNET = "kubeup-bed", "10.87.0.0/24"
# below this machine's own, as without CAP_SYS_RESOURCE a container can't raise its own again
OPEN_FILES = 16384


@dataclass(frozen=True)
class ContainerMachine:
    """See `tests.beds.machine.Machine`."""

    name: str
    kind: Kind
    podman: tuple[str, ...]

    def run(
        self,
        script: str,
        user: str = "dev",
        code: int | None = 0,
        timeout: float = 600,
        stdin: str = "",
    ) -> Ran:
        login = (
            ("runuser", "--login", user, "--command", script)
            if user != "root"
            else ("bash", "-lc", script)
        )
        argv = (*self.podman, "exec", "--interactive", self.name, *login)
        began = time.monotonic()
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, timeout=timeout, check=False
        )
        ran = Ran(
            (f"{user}@{self.name}$", script),
            done.returncode,
            done.stdout,
            done.stderr,
            time.monotonic() - began,
        )
        assert code is None or ran.code == code, str(ran)
        return ran

    def copy(self, source: Path, target: str, user: str = "dev") -> None:
        unpack = f"mkdir -p {shlex.quote(target)} && tar -C {shlex.quote(target)} -xf -"
        parent, what = (source, ".") if source.is_dir() else (source.parent, source.name)
        pack = subprocess.Popen(
            ("tar", "-C", str(parent), "-cf", "-", what), stdout=subprocess.PIPE
        )
        argv = (
            *self.podman,
            "exec",
            "--interactive",
            self.name,
            "runuser",
            "--login",
            user,
            "--command",
            unpack,
        )
        subprocess.run(argv, stdin=pack.stdout, check=True)
        assert pack.wait() == 0, f"{source} can't be read"

    def reboot(self) -> None:
        self._podman("restart", "--time", "60", self.name)
        self.wait_until_up()

    def facts(self) -> dict[str, str]:
        script = (
            '. /etc/os-release; echo "distribution=$PRETTY_NAME"; echo "kernel=$(uname -r)"; '
            'echo "podman=$(podman --version 2>/dev/null)"; echo "python=$(python3 --version)"; '
            'echo "cgroups=$(stat -fc %T /sys/fs/cgroup)"; echo "systemd=$(systemctl --version '
            '| head -n 1)"'
        )
        return dict(line.split("=", 1) for line in self.run(script).out.splitlines())

    def remove(self) -> None:
        self._podman("rm", "--force", "--time", "0", "--volumes", self.name)
        self._podman("volume", "rm", "--force", f"{self.name}-var")

    def wait_until_up(self) -> None:
        """Until systemd is done with its start; a unit that a container can't have may have
        failed ("degraded").
        """
        end = time.monotonic() + UP_SECONDS
        while True:
            state = self.run(
                "systemctl is-system-running || true", user="root", code=None
            ).out.strip()
            if state in ("running", "degraded"):
                return
            assert time.monotonic() < end, (
                f"{self.name} is {state or 'not there'} after {UP_SECONDS} s"
            )
            time.sleep(0.5)

    def _podman(self, *words: str) -> str:
        done = subprocess.run((*self.podman, *words), capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"podman {' '.join(words)}: {done.stderr}"
        return done.stdout


@contextlib.contextmanager
def machine(kind: str, name: str, log: Log, memory: int = 12288) -> Iterator[ContainerMachine]:
    """A machine of that kind, gone at the end. `memory` in MiB."""
    made = start(kind, name, log, memory)
    try:
        yield made
    finally:
        made.remove()


def start(kind: str, name: str, log: Log, memory: int = 12288) -> ContainerMachine:
    """Make and start a machine; one of that name that an earlier, killed run left goes first."""
    project = load(strict=False)
    image = _image(project, KINDS[kind], log)
    podman = project.engine.command
    made = ContainerMachine(f"kubeup-bed-{name}", KINDS[kind], podman)
    if made.name in made._podman("ps", "--all", "--format", "{{.Names}}").split():
        made.remove()
    if NETWORK not in made._podman("network", "ls", "--format", "{{.Name}}").split():
        made._podman(
            "network", "create", "--subnet", SUBNET, "--disable-dns", "--label", LABEL, NETWORK
        )
    made._podman(
        "run",
        "--detach",
        "--network",
        NETWORK,
        "--name",
        made.name,
        "--hostname",
        name,
        "--label",
        LABEL,
        "--privileged",
        "--systemd=false",
        "--cgroupns=private",
        "--memory",
        f"{memory}m",
        "--pids-limit",
        "-1",
        "--stop-signal",
        "SIGRTMIN+3",
        "--ulimit",
        f"nofile={OPEN_FILES}:{OPEN_FILES}",
        "--ulimit",
        f"nproc={_processes()}:{_processes()}",
        "--tmpfs",
        "/run",
        "--tmpfs",
        "/tmp",
        "--volume",
        f"{made.name}-var:/var",
        "--env",
        "container=oci",
        image,
        "/sbin/init",
        *KINDS[kind].init,
    )
    made.wait_until_up()
    return made


def _processes() -> int:
    hard = resource.getrlimit(resource.RLIMIT_NPROC)[1]
    return 32768 if hard < 0 else min(32768, hard)


def _image(project: Project, kind: Kind, log: Log) -> str:
    """The image that machines of a kind are made from, built where it is not there yet."""
    root = Rootfs(f"bed-{kind.name}", kind.suite, SERVER, 60, project.root_origin)
    files = {path.name: path.read_bytes() for path in sorted(CERTIFICATES.glob("*.crt"))}
    settings = _settings_of_this_machine()
    content = cache.digest(
        root.path.parent.name,
        (HERE / "Containerfile").read_text(),
        json.dumps(settings),
        *files.values(),
    )
    image = f"localhost/kubeup/bed-{kind.name}:{content}"
    if shell.read(*project.engine.argv("image", "inspect", image), ok=None).ok:
        return image
    missing = packages.missing((*project.engine.packages, "mmdebstrap"))
    steps = [
        *packages.plan(missing, project.host),
        *([] if root.path.exists() else [rootfs_step(root)]),
    ]
    for step in todo(steps):
        log(f"{step.title}: {step.reason}")
        step.action.run(log)
    base = f"localhost/kubeup/bed-root:{root.path.parent.name.rsplit('-', 1)[-1]}"
    log(f"build {image}")
    shell.write(*project.engine.argv("import", str(root.path), base), log=log)
    with tempfile.TemporaryDirectory() as context:
        _fill(Path(context), files, settings)
        build = (
            "build",
            *project.engine.build_options,
            "--build-arg",
            f"BASE={base}",
            "--tag",
            image,
        )
        shell.write(
            *project.engine.argv(*build, "-f", str(HERE / "Containerfile"), context), log=log
        )
    return image


def _settings_of_this_machine() -> dict[str, str]:
    """How this machine's own administrator told pip, npm, Go and apt where packages come from:
    file in /etc -> its text.
    """
    found = {"environment": _environment(), "kubeup-passwords": "ana:correct horse\n"}
    pip = Path("/etc/pip.conf")
    if pip.exists():
        found["pip.conf"] = pip.read_text()
    if (
        'Acquire::Check-Valid-Until "false"'
        in subprocess.run(("apt-config", "dump"), capture_output=True, text=True, check=True).stdout
    ):
        found["apt/apt.conf.d/90frozen"] = 'Acquire::Check-Valid-Until "false";\n'
    return found


def _environment() -> str:
    """Variables of package clients and of a proxy, for every login (pam_env(8))."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name.upper().startswith(("PIP_", "NPM_CONFIG", "GOPROXY", "GOSUMDB", "GONOSUM"))
        or name.lower() in ("http_proxy", "https_proxy", "no_proxy")
        or name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS")
    }
    kept.pop("PIP_FIND_LINKS", None)  # a folder of this machine
    go = (
        subprocess.run(
            ("go", "env", "GOPROXY", "GOSUMDB"), capture_output=True, text=True, check=False
        ).stdout.split()
        if shutil.which("go")
        else []
    )
    kept |= dict(zip(("GOPROXY", "GOSUMDB"), go, strict=False))
    return "".join(f'{name}="{value}"\n' for name, value in sorted(kept.items()))


def _fill(context: Path, certificates: dict[str, bytes], settings: dict[str, str]) -> None:
    (context / "certificates").mkdir()
    for name, data in certificates.items():
        (context / "certificates" / name).write_bytes(data)
    for name, text in settings.items():
        target = context / "etc" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
