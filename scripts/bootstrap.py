"""Makes the project's virtual environment from a lock file with hashes: `bootstrap.py LOCK STAMP`. Called by `inv`."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
OLDEST = (3, 11)


def stop(what: str, why: str, then: str) -> None:
    sys.exit(f"error: {what}\n  why:  {why}\n  next: {then}")


def install_venv_module() -> None:
    """Debian and Ubuntu ship python3 without ensurepip; root can mend that at once."""
    package = "python3-venv"
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        stop(f"this python3 cannot make virtual environments ({sys.executable})", "its ensurepip module is missing",
             f"install {package} (sudo apt-get install {package}), then run this again")
    print(f"inv: installing {package} (python3 here has no ensurepip)", file=sys.stderr)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "-qq", "update"], ["apt-get", "-qq", "install", "-y", "--no-install-recommends", package]):
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


def can_make_environments() -> bool:
    """Whether ensurepip is there; another process is asked, as an import here would remember the answer."""
    return subprocess.run([sys.executable, "-c", "import ensurepip"], capture_output=True, check=False).returncode == 0


def digest(lock: Path) -> str:
    return hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()


def made_from(stamp: Path) -> str:
    return stamp.read_text() if stamp.exists() else ""


def make(lock: Path, stamp: Path) -> None:
    """Install what `lock` names, unless `stamp` says that this has been done; both locks hold the same versions."""
    wanted = digest(lock)
    if made_from(stamp) != wanted:
        print(f"inv: installing {lock.name} into {VENV.name} (once)", file=sys.stderr)
        if not can_make_environments():
            install_venv_module()
        if not (VENV / "bin" / "pip").exists() or not works(VENV / "bin" / "python"):
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
        pip = [str(VENV / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q", "install"]
        subprocess.run([*pip, "--require-hashes", "-r", str(lock)], check=True)
    stamp.write_text(wanted)


def works(python: Path) -> bool:
    """False for an environment whose interpreter has gone, or has another version than this one."""
    if not python.exists():
        return False
    asked = subprocess.run([str(python), "-c", "import sys; print(sys.version)"], capture_output=True, text=True, check=False)
    return asked.stdout.strip() == sys.version.strip()


def main() -> None:
    if platform.system() == "Windows":
        stop("kubeup does not run on Windows itself", "it needs a Unix: locks, process groups and ssh as Linux and macOS have them",
             "run it in WSL 2 (https://learn.microsoft.com/windows/wsl/install), from a folder inside it")
    if sys.version_info < OLDEST:
        stop(f"python {sys.version.split()[0]} is too old", "kubeup needs 3.11 or newer",
             "run it with a newer python3, for example on Debian 12 or Ubuntu 24.04")
    lock, stamp = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        make(lock, stamp)
    except (subprocess.CalledProcessError, OSError) as error:
        stop("the virtual environment could not be made", str(error),
             "look at the lines above; when the network was away, run the same command again; "
             f"{VENV} holds nothing of yours and may be removed")


if __name__ == "__main__":
    main()
