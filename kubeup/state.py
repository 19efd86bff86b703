"""Where a profile keeps what it makes: keys, known hosts, kubeconfig, inventory, journal. One folder a profile."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kubeup.settings import Settings

RECORD = "state.json"  # the name of the file with what is known of a profile
PROJECT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class State:
    """The paths of one profile. `ours` is the project's folder: it tells two checkouts apart."""

    folder: Path
    private_key: Path
    public_key: Path
    ours: str = str(PROJECT)
    record: str = RECORD

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def inventory(self) -> Path:
        return self.folder / "inventory.yml"

    @property
    def ssh_config(self) -> Path:
        return self.folder / "ssh_config"

    @property
    def overlay(self) -> Path:
        return self.folder / "deploy"

    def saved_data(self, side: str) -> Path:
        """The database's files in the cluster or on a machine (vm), where they can't outlive it; put back by the next `up`."""
        return self.folder / ("data-vm.tar.gz" if side == "vm" else "data.tar.gz")

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    @property
    def secrets(self) -> Path:
        """The one source of passwords, in python-dotenv's syntax, beside the project's own files and ignored by git."""
        return PROJECT / ".env"


def of(settings: Settings) -> State:
    """The state of a profile; nothing is made by asking."""
    folder = PROJECT / str(settings.state_dir) / settings.slug
    private = Path(settings.ssh.private_key_path).expanduser() if settings.ssh.private_key_path else folder / "id_rsa"
    public = Path(settings.ssh.public_key_path).expanduser() if settings.ssh.public_key_path else private.with_name(f"{private.name}.pub")
    return State(folder, private, public)


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file whole or not at all, and onto the disk; nobody else can read it at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(part).chmod(mode)
        Path(part).replace(path)
        _flush(path.parent)
    finally:
        Path(part).unlink(missing_ok=True)


def _flush(folder: Path) -> None:
    """A name that was given may else be gone after a crash, while its file is there (fsync(2))."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
