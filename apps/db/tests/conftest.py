"""Runs the database image for real, in containers, for each flavour of it.

An image that is there already is used with KUBEUP_TEST_DB_IMAGE=name. Otherwise
the images are built: root file systems by mmdebstrap (kept as tarballs in
$XDG_CACHE_HOME/kubeup/tests), the images by buildah.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

APP = Path(__file__).resolve().parents[1]
PREFIX = f"kubeup-test-db-{os.getpid()}"
GIVEN = os.environ.get("KUBEUP_TEST_DB_IMAGE")

# As the project makes them: suite, packages, more options, paths left out.
ROOTFS = {
    "mysql": (
        "sid",
        "mysql-server-core,mysql-client-core",
        [],
        [
            "/usr/share/perl/*",
            "/usr/lib/*-linux-gnu/perl/*",
            "/usr/lib/*-linux-gnu/libperl.so*",
            "/usr/bin/myisam*",
            "/usr/bin/mysql_migrate_keyring",
            "/usr/bin/mysql_config_editor",
            "/usr/bin/mysql_secure_installation",
            "/usr/bin/mysqlslap",
            "/usr/bin/mysqlimport",
            "/usr/bin/mysqlshow",
            "/usr/bin/mysqlbinlog",
            "/usr/bin/ibd2sdi",
            "/usr/bin/innochecksum",
            "/usr/bin/perror",
            "/usr/lib/mysql/plugin/*telemetry*",
            "/usr/lib/mysql/plugin/authentication_*_client.so",
            "/usr/lib/mysql/plugin/group_replication.so",
        ],
    ),
    # With usr-is-merged nothing needs perl's modules (through usrmerge).
    "mariadb": (
        "bookworm",
        "usr-is-merged,mariadb-server-core,mariadb-client-core",
        ["--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"],
        [],
    ),
}
APT = ['--aptopt=Acquire::Check-Valid-Until "false"', '--aptopt=Apt::Install-Recommends "false"']
NO_DOCS = ["/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*", "/usr/share/lintian/*"]

SYSTEMD = Path("/run/systemd/system").is_dir()
PODMAN = ["podman"]
if shutil.which("runc"):
    PODMAN += ["--runtime", shutil.which("runc")]
if not SYSTEMD:
    PODMAN += ["--cgroup-manager", "cgroupfs"]

ROOT_PASSWORD = "root-pass-1"
USER_PASSWORD = "user-pass-1"
ENV = {
    "MYSQL_ROOT_PASSWORD": ROOT_PASSWORD,
    "MYSQL_DATABASE": "kube_up",
    "MYSQL_USER": "app",
    "MYSQL_PASSWORD": USER_PASSWORD,
}


def pytest_configure(config):
    config.addinivalue_line("markers", "real: runs the real thing, in containers")


def sh(*command, check=True, env=None, timeout=120):
    done = subprocess.run(
        [str(c) for c in command],
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
        env={**os.environ, **(env or {})},
    )
    if check and done.returncode:
        raise AssertionError(f"{command[0]} exited {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def until(condition, what, seconds=60.0, pause=0.1):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(pause)
    raise AssertionError(f"not within {seconds:.0f} s: {what}")


# held as a pod's container is in the cluster
LOCKED_DOWN = (
    "--network",
    "none",
    "--ulimit",
    "nofile=1024:1024",
    "--ulimit",
    "nproc=1000:1000",
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop",
    "all",
    "--security-opt",
    "no-new-privileges",
    "--log-driver",
    "k8s-file",
    "--tmpfs",
    "/tmp:rw,mode=1777",
    "--tmpfs",
    "/run/mysqld:rw,U",
)


class Box:
    """A database container and its data volume; both can outlive each other."""

    def __init__(self, name, image):
        self.name, self.image, self.volume = name, image, f"{name}-data"
        self.binds = []
        sh(*PODMAN, "volume", "create", self.volume)

    @property
    def data(self) -> Path:
        """The data folder, as the host sees it."""
        return Path(
            sh(*PODMAN, "volume", "inspect", "-f", "{{.Mountpoint}}", self.volume).stdout.strip()
        )

    def start(self, env=ENV, *, args=(), options=()):
        """A new container on the volume, as locked down as in the cluster.

        Values go through podman's own environment, so that no command line of
        the test has them.
        """
        self.remove_container()
        names = [part for name in env for part in ("--env", name)]
        binds = [part for bind in self.binds for part in ("--volume", bind)]
        sh(
            *PODMAN,
            "run",
            "--detach",
            "--name",
            self.name,
            *LOCKED_DOWN,
            "--volume",
            f"{self.volume}:/var/lib/mysql",
            *binds,
            *names,
            *options,
            self.image,
            *args,
            env=env,
        )

    def exec(self, *command, check=True, env=None):
        names = [part for name in env or {} for part in ("--env", name)]
        return sh(*PODMAN, "exec", *names, self.name, *command, check=check, env=env)

    def sql(self, text, user="root", password=ROOT_PASSWORD, check=True):
        """Over TCP, as other pods come in."""
        return self.exec(
            "mysql",
            "--protocol=tcp",
            "--host=127.0.0.1",
            f"--user={user}",
            "--batch",
            "--skip-column-names",
            "--execute",
            text,
            check=check,
            env={"MYSQL_PWD": password},
        )

    def query(self, text, **more):
        return self.sql(text, **more).stdout.strip()

    def log(self) -> str:
        done = sh(*PODMAN, "logs", self.name, check=False)
        return done.stdout + done.stderr

    def state(self):
        status, code = sh(
            *PODMAN, "inspect", "-f", "{{.State.Status}} {{.State.ExitCode}}", self.name
        ).stdout.split()
        return status, int(code)

    def wait_log(self, text, seconds=60):
        def there():
            log = self.log()
            if text not in log and self.state()[0] == "exited":
                raise AssertionError(f"ended before {text!r}:\n{log}")
            return text in log

        until(there, f"{text!r} in the log", seconds)

    def wait_ready(self, user="root", password=ROOT_PASSWORD, seconds=60):
        def ready():
            if self.state()[0] == "exited":
                raise AssertionError(f"ended early:\n{self.log()}")
            return self.sql("SELECT 1", user, password, check=False).returncode == 0

        until(ready, "an answer to SELECT 1", seconds, 0.2)

    def wait_exit(self, seconds=60):
        until(lambda: self.state()[0] == "exited", "the end of the container", seconds)
        return self.state()[1]

    def stop(self):
        """SIGTERM; the seconds that it took and the exit code."""
        begin = time.monotonic()
        sh(*PODMAN, "kill", "--signal", "TERM", self.name)
        code = self.wait_exit(30)
        return time.monotonic() - begin, code

    def kill(self):
        sh(*PODMAN, "kill", "--signal", "KILL", self.name, check=False)
        self.wait_exit(10)

    def remove_container(self):
        sh(*PODMAN, "rm", "--force", "--ignore", "--time", "0", self.name, check=False)

    def remove(self):
        self.remove_container()
        sh(*PODMAN, "volume", "rm", "--force", self.volume, check=False)


def make_rootfs(flavour) -> Path:
    if not shutil.which("mmdebstrap"):
        pytest.fail("needs mmdebstrap, or an image in KUBEUP_TEST_DB_IMAGE")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubeup" / "tests"
    cache.mkdir(parents=True, exist_ok=True)
    tarball = cache / f"db-rootfs-{flavour}.tar"
    if not tarball.exists():
        suite, packages, options, excluded = ROOTFS[flavour]
        dpkg = ["/usr/share/doc/*", *NO_DOCS, *excluded]
        dpkg = [f"--dpkgopt=path-exclude={path}" for path in dpkg]
        dpkg.append("--dpkgopt=path-include=/usr/share/doc/*/copyright")
        part = cache / f"{tarball.stem}-{os.getpid()}.part.tar"
        try:
            sh(
                "mmdebstrap",
                "--variant=minbase",
                f"--include={packages}",
                *options,
                *APT,
                *dpkg,
                suite,
                part,
                timeout=900,
            )
            part.rename(tarball)
        finally:
            part.unlink(missing_ok=True)
    return tarball


@pytest.fixture(scope="session", params=["given"] if GIVEN else list(ROOTFS))
def image(request):
    if not shutil.which("podman"):
        pytest.fail("needs podman")
    if GIVEN:
        yield GIVEN
        return
    if not shutil.which("buildah"):
        pytest.fail("needs buildah, or an image in KUBEUP_TEST_DB_IMAGE")
    base = f"localhost/{PREFIX}-rootfs:{request.param}"
    name = f"localhost/{PREFIX}:{request.param}"
    try:
        sh(*PODMAN, "import", make_rootfs(request.param), base, timeout=300)
        sh(
            "buildah",
            "bud",
            "--isolation",
            "chroot",
            "--build-arg",
            f"BASE={base}",
            "--tag",
            name,
            APP,
            timeout=300,
        )
        yield name
    finally:
        sh(*PODMAN, "rmi", "--force", name, base, check=False)


@pytest.fixture(scope="session")
def flavour(image):
    version = sh(
        *PODMAN,
        "run",
        "--rm",
        "--network",
        "none",
        "--name",
        f"{PREFIX}-version",
        "--ulimit",
        "nofile=1024:1024",
        "--ulimit",
        "nproc=1000:1000",
        image,
        "--version",
    ).stdout
    return "mariadb" if "MariaDB" in version else "mysql"


numbers = itertools.count(1)


@pytest.fixture
def box(image):
    box = Box(f"{PREFIX}-{next(numbers)}", image)
    yield box
    box.remove()


@pytest.fixture(scope="module")
def running(image):
    """A server which several tests only look at."""
    box = Box(f"{PREFIX}-{next(numbers)}", image)
    try:
        box.start()
        box.wait_ready()
        yield box
    finally:
        box.remove()
