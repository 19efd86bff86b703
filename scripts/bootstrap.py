"""Makes the project's virtual environment: `bootstrap.py LOCK STAMP`. Called by `inv`.

Runs with the Python that the environment is made from, and with nothing but its standard library.
"""

import contextlib
import hashlib
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
IDENTITY = "import sys; print(sys.version, sys.base_prefix)"
PIP = (str(PYTHON), "-m", "pip", "--disable-pip-version-check")
EXACTLY = ("--require-hashes", "--no-deps")
RUN = "requirements.lock"
APT = (("update",), ("install", "-y", "--no-install-recommends"))


def stop(what: str, why: str, then: str) -> NoReturn:
    sys.exit(f"error: {what}\n  why:  {why}\n  next: {then}")


def say(text: str) -> None:
    print(f"inv: {text}", file=sys.stderr)


def interpreter() -> Path:
    """The Python that runs this, outside of any environment, by a name that tells its version.

    What is called python3 alone may be another one after an upgrade of the distribution; the name
    of one that has gone leads nowhere, which `inv` notices.
    """
    found = Path(getattr(sys, "_base_executable", "") or sys.executable)
    named = found.with_name(f"python3.{sys.version_info[1]}")
    return named if named.exists() else found.resolve()


def has_venv_module() -> bool:
    """Whether ensurepip is there: an import here would remember the answer."""
    asked = [str(interpreter()), "-c", "import ensurepip"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def venv_package() -> str:
    """Debian's package of ensurepip: that of its own python3, or of another one.

    Debian keeps it apart from Python.
    """
    name = f"python3.{sys.version_info[1]}"
    return "python3-venv" if Path("/usr/bin/python3").resolve().name == name else f"{name}-venv"


def install_venv_module() -> None:
    """Install Debian's package where nobody has to be asked for it. Ends the program elsewhere."""
    package = venv_package()
    if not shutil.which("apt-get"):
        stop(
            f"{interpreter()} can't make virtual environments",
            "its ensurepip module is missing",
            "install it, or another Python that has it",
        )
    before = as_root()
    if before is None:
        stop(
            f"{interpreter()} can't make virtual environments",
            "Debian keeps what it takes apart",
            f"sudo apt-get update; sudo apt-get install {package}",
        )
    say(f"installing {package} {'with sudo ' if before else ''}as {interpreter()} lacks it")
    # named here and not in the environment, which sudo does not hand on
    apt = (*before, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq")
    for words in APT:
        command = [*apt, *words, *([package] if "install" in words else [])]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            why = done.stderr.strip() or f"{' '.join(command)} ended with {done.returncode}"
            stop(f"{package} can't be installed", why, "mend that, and run the same again")


def as_root() -> Sequence[str] | None:
    """What goes before a command to run it as root without a question; None where that can't be."""
    if os.geteuid() == 0:
        return ()
    if not (sudo := shutil.which("sudo")):
        return None
    asked = subprocess.run([sudo, "-n", "true"], capture_output=True, check=False)
    return (sudo, "-n") if asked.returncode == 0 else None


def digest(lock: Path) -> str:
    """Of what an environment is made of: the locked packages and the Python."""
    made_of = f"{sys.version}{interpreter()}"
    return hashlib.sha256(lock.read_bytes() + made_of.encode()).hexdigest()


def made_from(stamp: Path) -> str:
    return stamp.read_text() if stamp.exists() else ""


def make(lock: Path, stamp: Path) -> None:
    """Install what `lock` names, unless `stamp` says that this has been done.

    Both locks hold the same versions.
    """
    wanted = digest(lock)
    if made_from(stamp) != wanted or not works():
        say(f"installing {lock.name} into {VENV.name} (once)")
        stamp.unlink(missing_ok=True)  # what fails half-way is no longer what it was
        if not works():
            make_environment()
        install(lock)
    for each, mark in {ROOT / RUN: VENV / ".stamp", lock: stamp}.items():
        mark.write_text(digest(each))
    hand_over()


def works() -> bool:
    """False for an environment whose Python has gone, or is another one than this."""
    if not PYTHON.exists() or not (VENV / "bin" / "pip").exists():
        return False
    answers = [
        subprocess.run([str(python), "-c", IDENTITY], capture_output=True, check=False).stdout
        for python in (PYTHON, interpreter())
    ]
    return answers[0] == answers[1]


def make_environment() -> None:
    python, uv = str(interpreter()), shutil.which("uv")
    maker = [python, "-m", "venv"]
    if not has_venv_module() and uv:
        maker = [uv, "-q", "venv", "--seed", "--python", python]
    elif not has_venv_module():
        install_venv_module()
    subprocess.run([*maker, "--clear", str(VENV)], check=True)


def install(lock: Path) -> None:
    """Install what the commands take (RUN), then what else `lock` names.

    Only the former is compiled at once: nobody starts most of the tests' packages. A lock names all
    there is, so nothing has to be worked out.
    """
    uv = find_uv(lock)
    for each in dict.fromkeys((ROOT / RUN, lock)):
        if not uv or not by_uv(uv, each):
            more = [] if each.name == RUN else ["--no-compile"]
            subprocess.run([*PIP, "-q", "install", *EXACTLY, *more, "-r", str(each)], check=True)
    # uv lets everybody write to the file that it locks, whatever the umask
    with contextlib.suppress(FileNotFoundError):
        (VENV / ".lock").chmod(0o644)


def find_uv(lock: Path) -> str:
    """uv is many times as fast as pip, which weighs every file of every release of a package.

    The machine's own, else one that `lock` names; '' where pip has been told where to get packages,
    as uv does not know of that.
    """
    told = subprocess.run([*PIP, "config", "list"], capture_output=True, text=True, check=False)
    if re.search(r"index|proxy|client.cert", told.stdout):
        return ""
    named = re.search(r"^uv==(?:.*\\\n)*.*\n", lock.read_text(), re.MULTILINE)
    if (found := shutil.which("uv")) or not named:
        return found or ""
    alone = [*PIP, "-q", "install", *EXACTLY, "-r", "/dev/stdin"]
    subprocess.run(alone, check=True, input=named[0], text=True)
    return str(VENV / "bin" / "uv")


def by_uv(uv: str, lock: Path) -> bool:
    """Whether uv could install what `lock` names; pip tells the reason where neither can."""
    more = ["--compile-bytecode"] if lock.name == RUN else []
    told = {**os.environ, "UV_SYSTEM_CERTS": "1", "UV_NATIVE_TLS": "1"}  # as Debian's pip; old name
    command = [
        uv,
        "-q",
        "pip",
        "install",
        "--python",
        str(PYTHON),
        *EXACTLY,
        *more,
        "-r",
        str(lock),
    ]
    return subprocess.run(command, env=told, capture_output=True, check=False).returncode == 0


def hand_over() -> None:
    """What root makes in somebody else's checkout (`sudo ./inv ...`) is theirs like the rest."""
    owner = ROOT.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    for path in (VENV, *VENV.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Of two first commands at once the second waits, and finds the environment made."""
    import fcntl

    with Path(__file__).open() as own:
        fcntl.flock(own, fcntl.LOCK_EX)
        yield


def main() -> None:
    if platform.system() == "Windows":
        stop(
            "kubeup does not run on Windows itself",
            "it needs a Unix: locks, process groups and ssh as Linux and macOS have them",
            "run it in WSL 2 (https://learn.microsoft.com/windows/wsl/install), from a folder "
            "inside it",
        )
    lock, stamp = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        with alone():
            make(lock, stamp)
    except KeyboardInterrupt:
        sys.exit(130)
    except (subprocess.CalledProcessError, OSError) as error:
        stop(
            "the virtual environment could not be made",
            str(error),
            "look at the lines above; when the network was away, run the same command again; "
            f"{VENV} holds nothing of yours and may be removed",
        )


if __name__ == "__main__":
    main()
