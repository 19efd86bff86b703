"""Where a profile keeps what it makes: keys, known hosts, kubeconfig, inventory, journal."""

from __future__ import annotations

import errno
import glob
import json
import os
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubeup.core import paths, private
from kubeup.core.errors import Refused, UsageError

if TYPE_CHECKING:
    from kubeup.settings import Settings

OWNER = "profile"  # the file with the name of the profile whose folder it is
RECORD = "state.json"  # the name of the file with what is known of a profile
JOURNAL = "journal.jsonl"
LOCK = "lock"
MARKS = (OWNER, RECORD, LOCK, "known_hosts")  # of a folder that a profile had before
# git ignores what is not whole yet, and could be left by `kill -9`
PART = ".part"
FOLDER = ".kubeup"  # of all profiles of a checkout, where state_dir names no other
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

    @property
    def baseline(self) -> Path:
        """How Kubernetes' own parts of the cluster were made."""
        return self.folder / "baseline.json"

    @property
    def tls(self) -> Path:
        """The folder of the database's certificate and of the authority that vouches for it."""
        return self.folder / "tls"

    def saved_data(self, side: str) -> Path:
        """The database's files of a side (cluster or vm) that they can't outlive.

        The next `up` puts them back.
        """
        return self.folder / ("data-vm.tar.gz" if side == "vm" else "data.tar.gz")

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    @property
    def secrets(self) -> Path:
        """The one source of passwords, in python-dotenv's syntax; git ignores it."""
        return PROJECT / ".env"


def gone(checkout: Path) -> bool:
    """Whether a checkout's folder is not there any more.

    One that can't be looked at, such as another user's, is there: nothing of it is to be taken.
    """
    try:
        checkout.stat()
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.ENOTDIR)
    return False


def owner(state: State) -> str:
    """The name of the profile that has changed something by this folder; '' where none has."""
    try:
        name = (state.folder / OWNER).read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return name.strip() or "(its name is missing)"


def require_own(state: State, profile: str) -> None:
    """Raises Refused where the folder is another profile's.

    Its name differs in letters' case or - and _ alone.
    """
    if not _may_be_ours(state.folder):
        raise Refused(
            f"{state.folder} is not kubeup's",
            f"it has files in it, and none of {', '.join(MARKS)}",
            "name another folder in state_dir",
        )
    if (other := owner(state)) not in ("", profile):
        raise Refused(
            f"the profiles {other} and {profile} would share nodes, data and state",
            f"{state.folder / OWNER} says that it is {other}'s",
            f"name the profile {other} as before, or give {profile} another name; where it is "
            f"the same profile under a new name, write {profile} into that file",
        )


def _may_be_ours(folder: Path) -> bool:
    """False for somebody else's: a setting names it, and what is written there has fixed names."""
    own = folder.is_relative_to(PROJECT) or not folder.is_dir() or not any(folder.iterdir())
    return own or any((folder / mark).exists() for mark in MARKS)


def claim(state: State, profile: str) -> None:
    """Write down whose folder it is, before something is made by it."""
    require_own(state, profile)
    if not owner(state):
        write_private(state.folder / OWNER, f"{profile}\n")


def of(settings: Settings) -> State:
    """The state of a profile; nothing is made by asking.

    Raises Refused where programs can't be given its paths.
    """
    folder = PROJECT / settings.state_dir / settings.slug
    private = Path(settings.ssh.private_key_path or folder / "id_rsa").expanduser()
    public_name = private.with_name(f"{private.name}.pub")
    public = Path(settings.ssh.public_key_path or public_name).expanduser()
    for path in (PROJECT, folder, private, public):
        if not paths.usable(path) or (":" in str(path) and path in (PROJECT, folder)):
            raise Refused(
                f"{str(path)!r} can't be given to ssh, Ansible and kubectl",
                f"it takes {paths.ALLOWED}: {paths.WHY}; a colon is a path's end in KUBECONFIG",
                "rename that folder, or name others in state_dir and ssh.private_key_path",
            )
    return State(folder, private, public)


def require_private(state: State, tell: private.Tell) -> None:
    """Let nobody else into a profile's folder; `tell` where an earlier kubeup let others in.

    Raises Refused where it, or what is in it, may be somebody else's doing.
    """
    private.protect(state.folder.parent, tell)
    way_out = (
        "look whether it is as you left it: it says where data are, and whom nodes are; then "
        f"`chmod -R go-w {shlex.quote(str(state.folder))}`, and `chown` what is not yours"
    )
    # both are made by commands, and say nothing that a later one goes by
    private.close(state.folder, tell, way_out, (LOCK, JOURNAL))


def read_json(path: Path, way_out: str) -> dict[str, Any]:
    """The object in a file that decides something; {} where there is no such file.

    Raises Refused for what is no object.
    """
    what = f"{path} can't be understood"
    try:
        text = private.read(path)
        content = json.loads(text) if text is not None else {}
    except UsageError as error:
        raise Refused(what, error.why, way_out) from None
    except ValueError as error:
        raise Refused(what, str(error), way_out) from None
    if not isinstance(content, dict):
        raise Refused(what, f"it holds {content!r:.60}", way_out)
    return content


def write_private(path: Path, text: str | bytes, mode: int = 0o600) -> None:
    """Write a file whole or not at all, and onto the disk; no other user can read it meanwhile.

    Where a link of the user's is in its place, what it leads to is written.
    """
    target = private.real(path)
    private.make_folder(target.parent)
    _remove_parts(target)
    # beside it, as a rename is atomic on one file system alone (rename(2)); 0600 by mkstemp(3)
    descriptor, name = tempfile.mkstemp(PART, f"{_begin(target)}{os.getpid()}-", target.parent)
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
            file.flush()
            os.fsync(descriptor)
        part.chmod(mode)
        part.replace(target)
        flush(target.parent)
    finally:
        part.unlink(missing_ok=True)


def _remove_parts(target: Path) -> None:
    """Remove what a process that was killed has left of that file."""
    begin = _begin(target)
    for part in target.parent.glob(f"{glob.escape(begin)}*{PART}"):
        process = part.name.removeprefix(begin).partition("-")[0]
        if process.isdigit() and not _lives(int(process)):
            part.unlink(missing_ok=True)


def _begin(target: Path) -> str:
    """How names of what is to become that file begin; the process that writes it comes next."""
    return f"{target.name}.kubeup-"


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another user's
        pass
    return True


def flush(path: Path) -> None:
    """Put a file onto the disk, or the names in a folder."""
    # after a crash a name may be gone while its file is there (fsync(2))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
