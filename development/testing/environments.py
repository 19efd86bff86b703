"""What the applications' own tests run in: a virtual environment, and npm's packages."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kubeup.core import shell
from kubeup.core.plan import Log
from kubeup.core.state import PROJECT

API = PROJECT / "apps" / "api"
UI = PROJECT / "apps" / "ui"
API_VENV = PROJECT / ".venv" / "api"
API_PYTHON = str(API_VENV / "bin" / "python")
PIP = ("-m", "pip", "--disable-pip-version-check", "-q", "install", "--require-hashes", "--no-deps")
NPM_CI = ("npm", "ci", "--no-audit", "--no-fund", "--no-update-notifier")


def make_api_environment(log: Log) -> None:
    """The API's own virtual environment, from its lock file with hashes."""
    lock = API / "requirements-test.lock"
    with _stamped(lock, API_VENV / ".stamp") as up_to_date:
        if not up_to_date:
            shell.write(sys.executable, "-m", "venv", "--clear", str(API_VENV), log=log)
            shell.write(API_PYTHON, *PIP, "-r", str(lock), log=log)


def install_ui_packages(log: Log) -> None:
    with _stamped(UI / "package-lock.json", UI / "node_modules" / ".stamp") as up_to_date:
        if not up_to_date:
            shell.write(*NPM_CI, log=log, cwd=str(UI))


@contextmanager
def _stamped(lock: Path, stamp: Path) -> Iterator[bool]:
    """Whether `stamp` was left for this content of `lock`; it is left when the block ends well."""
    wanted = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()
    yield stamp.exists() and stamp.read_text(encoding="utf-8") == wanted
    stamp.write_text(wanted, encoding="utf-8")
