"""Where a profile keeps what it makes: keys, known hosts, kubeconfig, inventory, journal.

One folder a profile.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeup.core.errors import Refused

if TYPE_CHECKING:
    from kubeup.settings import Settings

OWNER = "profile"  # the file with the name of the profile whose folder it is
RECORD = "state.json"  # the name of the file with what is known of a profile
PROJECT = Path(__file__).resolve().parents[2]


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

    def saved_data(self, side: str) -> Path:
        """The database's files in the cluster or on a machine (vm), where they can't outlive it;
        put back by the next `up`.
        """
        return self.folder / ("data-vm.tar.gz" if side == "vm" else "data.tar.gz")

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    @property
    def secrets(self) -> Path:
        """The one source of passwords, in python-dotenv's syntax, beside the project's own files
        and ignored by git.
        """
        return PROJECT / ".env"


def owner(state: State) -> str:
    """The profile that has changed something by this folder, as its name is written; '' where
    none has.
    """
    try:
        return (state.folder / OWNER).read_text(
            encoding="utf-8", errors="replace"
        ).strip() or "(its name is missing)"
    except FileNotFoundError:
        return ""


def require_own(state: State, profile: str) -> None:
    """Raises Refused where the folder is of another profile, whose name differs in letters' case
    or - and _ alone.
    """
    if (other := owner(state)) not in ("", profile):
        raise Refused(
            f"the profiles {other} and {profile} would share nodes, data and state",
            f"{state.folder / OWNER} says that it is {other}'s",
            f"name the profile {other} as before, or give {profile} another name; where it is "
            "the same profile under a new name, "
            f"write {profile} into that file",
        )


def claim(state: State, profile: str) -> None:
    """Write down whose folder it is, before something is made by it."""
    require_own(state, profile)
    if not owner(state):
        write_private(state.folder / OWNER, f"{profile}\n")


def of(settings: Settings) -> State:
    """The state of a profile; nothing is made by asking."""
    folder = PROJECT / str(settings.state_dir) / settings.slug
    private = (
        Path(settings.ssh.private_key_path).expanduser()
        if settings.ssh.private_key_path
        else folder / "id_rsa"
    )
    public = (
        Path(settings.ssh.public_key_path).expanduser()
        if settings.ssh.public_key_path
        else private.with_name(f"{private.name}.pub")
    )
    return State(folder, private, public)


def read_json(path: Path, way_out: str) -> dict[str, Any]:
    """The object in a file that decides something; {} where there is no such file.

    Raises Refused for what is no object.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Refused(f"{path} can't be understood", str(error), way_out) from None
    if not isinstance(found, dict):
        raise Refused(f"{path} can't be understood", f"it holds {found!r:.60}", way_out)
    return found


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Write a file whole or not at all, and onto the disk; nobody else can read it at any
    moment.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(part).chmod(mode)
        Path(part).replace(path)
        flush(path.parent)
    finally:
        Path(part).unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Onto the disk with a file, or with the names in a folder: one may be gone after a crash,
    while its file is there (fsync(2)).
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
