"""A database's files on their node, by the real scripts in folders of this machine: packed, put
back, and cut off everywhere.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from builders import DATA, error_of, place, settings, state

from kubeup.application import archives, data, saved_data
from kubeup.application.overlay import Overlay
from kubeup.application.saved_data import Files, RestoreData, SaveData
from kubeup.core.errors import KubeupError, Refused
from kubeup.core.record import CLUSTER, VM
from kubeup.core.shell import Output
from kubeup.facts import datafolder
from kubeup.system import secrets, ssh
from kubeup.system.ssh import SshTarget

pytestmark = pytest.mark.real

NAMES = ("mysql", "mysql.passwords")
MARK = "sha-0123456789abcdef\n"
ROWS = {"ibdata1": b"x" * 300_000, "api/products.ibd": os.urandom(200_000), "undo_001": b""}
# a tool that cuts its script off, before or after it did its work, at the call that is asked for
CUTTING = """#!/bin/sh
read -r n <"$CUT/calls"; n=$((n + 1)); echo $n >"$CUT/calls"
test "$n.before" = "$CUT_AT" && kill -9 0
PATH=$REAL_PATH {name} "$@"; end=$?
test "$n.after" = "$CUT_AT" && kill -9 0
exit $end
"""
# install(1) for an ordinary user, who can give files to nobody
INSTALL_WITHOUT_OWNER = """#!/bin/sh
left=$#
while [ $left -gt 0 ]; do
  case $1 in
    -o | -g) shift 2; left=$((left - 2)) ;;
    *) set -- "$@" "$1"; shift; left=$((left - 1)) ;;
  esac
done
exec /usr/bin/install "$@"
"""
# what changes something; the rest looks
CUTS = ("install", "rm", "mkdir", "cat", "tar", "sync", "mv", "rmdir")


@dataclass
class Node:
    """A folder that stands in for a node, and what its shell finds on PATH."""

    folder: Path
    tools: Path
    cut_at: str = ""
    cuts: bool = False  # its tools are there to cut

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def usual(self) -> str:
        found = os.environ["PATH"]
        if os.geteuid() == 0:
            return found
        own = self.tools.with_name("own")
        own.mkdir(exist_ok=True)
        (own / "install").write_text(INSTALL_WITHOUT_OWNER)
        (own / "install").chmod(0o755)
        return f"{own}:{found}"

    def run(self, _: SshTarget, *command: str, stdin: Any = None, **__: Any) -> Output:
        (self.tools / "calls").write_text("0")
        usual = self.usual
        path = f"{self.tools}:{usual}" if self.cut_at or not self.cuts else usual
        env = {"PATH": path, "REAL_PATH": usual, "CUT": str(self.tools), "CUT_AT": self.cut_at}
        done = subprocess.run(
            command,
            stdin=stdin or subprocess.DEVNULL,
            env=env,
            capture_output=True,
            text=True,
            start_new_session=True,
            check=False,
        )
        return Output(done.returncode, done.stdout, done.stderr)

    def feed(self, reach: SshTarget, source: Path, *command: str, **_: Any) -> Output:
        with source.open("rb") as file:
            return self.run(reach, *command, stdin=file)

    @property
    def calls(self) -> int:
        return int((self.tools / "calls").read_text())

    def fill(self, rows: dict[str, bytes], mark: str = MARK) -> None:
        for name, content in rows.items():
            path = self.data / "mysql" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if mark:
            (self.data / "mysql.passwords").write_text(mark)

    @property
    def rows(self) -> dict[str, bytes]:
        found = self.data / "mysql"
        return {
            str(path.relative_to(found)): path.read_bytes()
            for path in sorted(found.rglob("*"))
            if path.is_file()
        }

    @property
    def mark(self) -> str:
        path = self.data / "mysql.passwords"
        return path.read_text() if path.exists() else ""

    def lose(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)

    def replace(self, tool: str, script: str) -> None:
        (self.tools / tool).write_text(f"#!/bin/sh\n{script}\n")
        (self.tools / tool).chmod(0o755)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    made = Node(tmp_path / "node", tmp_path / "tools")
    for folder in (made.folder, made.tools):
        folder.mkdir()
    monkeypatch.setattr(ssh, "run", made.run)
    monkeypatch.setattr(ssh, "feed", made.feed)
    monkeypatch.setattr(ssh, "get", lambda _, source, target: shutil.copyfile(source, target))
    monkeypatch.setattr(Files, "remote", property(lambda self: str(made.folder / "packed.tar.gz")))
    return made


@pytest.fixture
def files(tmp_path: Path, node: Node, held_profile: None) -> Files:
    reach = SshTarget(
        "dev-worker-1",
        "worker",
        "192.168.60.11",
        str(os.getuid()),
        tmp_path / "key",
        tmp_path / "hosts",
    )
    return Files(
        place(folder=str(node.data), ssh_targets=lambda: (reach,)), state(tmp_path), CLUSTER, NAMES
    )


@dataclass(frozen=True)
class Stopped:
    def run(self, log: data.Log) -> None:
        log("stopped")


@pytest.fixture
def saved(node: Node, files: Files) -> Files:
    """Files that were saved, from a node that is gone."""
    node.fill(ROWS)
    save(files)
    node.lose()
    return files


def save(files: Files) -> list[str]:
    lines = list[str]()
    SaveData(files, Stopped()).run(lines.append)
    return lines


def restore(files: Files) -> None:
    action = RestoreData(files)
    if not action.already():
        action.run(print)


def left(node: Node) -> set[str]:
    return {path.name for path in node.data.iterdir()} - set(NAMES) if node.data.exists() else set()


def test_saved_and_put_back_are_the_same_files(node: Node, saved: Files) -> None:
    archive = saved.archive
    assert (
        archive.stat().st_mode & 0o077 == 0 and archives.sum_of(archive).stat().st_mode & 0o077 == 0
    )
    assert (
        archives.sum_of(archive).read_text()
        == f"{hashlib.sha256(archive.read_bytes()).hexdigest()}  data.tar.gz\n"
    )
    restore(saved)
    assert node.rows == ROWS and node.mark == MARK and left(node) == set()
    assert sorted(path.name for path in archive.parent.glob("*data*")) == [
        "restored-data.tar.gz",
        "restored-data.tar.gz.sha256",
    ]
    assert RestoreData(saved).already() == "there are none"


def test_those_of_a_machine_have_no_mark(node: Node, files: Files) -> None:
    own = replace(files, names=("mysql-vm",), side=VM)
    (node.data / "mysql-vm").mkdir(parents=True)
    (node.data / "mysql-vm" / "ibdata1").write_bytes(b"rows")
    save(own)
    node.lose()
    restore(own)
    assert (node.data / "mysql-vm" / "ibdata1").read_bytes() == b"rows" and [
        path.name for path in node.data.iterdir()
    ] == ["mysql-vm"]


def test_backups_that_were_made_beside_them_come_along(node: Node, files: Files) -> None:
    node.fill(ROWS)
    made = node.data / "backups"
    made.mkdir()
    for name in ("a.sql.zst", "a.sql.zst.json", "b.sql.zst"):
        (made / name).write_text(f"saved {name}")
    save(files)
    node.lose()
    made.mkdir(parents=True)
    (made / "b.sql.zst").write_text("of the new machine")
    restore(files)
    assert node.rows == ROWS and left(node) == {"backups"}
    assert {path.name: path.read_text() for path in made.iterdir()} == {
        "a.sql.zst": "saved a.sql.zst",
        "a.sql.zst.json": "saved a.sql.zst.json",
        "b.sql.zst": "of the new machine",
    }


def as_looked_at(node: Node) -> None:
    """As a look at an empty folder leaves it."""
    node.lose()
    (node.data / "mysql").mkdir(parents=True)
    (node.data / "mysql.passwords").write_text("sha-of-another\n")


def moments(node: Node, files: Files) -> Iterator[str]:
    """Every moment at which the script can end: before and after each program that it starts."""
    for name in CUTS:
        node.replace(name, CUTTING.partition("\n")[2].format(name=name))
    as_looked_at(node)
    node.cuts, node.cut_at = True, "never"
    words = (
        "sh",
        "-c",
        saved_data.UNPACK,
        "unpack",
        str(node.data),
        archives.check(files.archive),
        *files.names,
    )
    assert node.feed(files.place.reach(), files.archive, *words).ok
    count = node.calls
    assert count > 12
    yield from (
        f"{number}.{when}" for number in range(1, count + 1) for when in ("before", "after")
    )


def test_cut_off_anywhere_there_is_nothing_or_all_and_the_next_run_ends_it(
    node: Node, saved: Files
) -> None:
    content = saved.archive.read_bytes()
    for moment in list(moments(node, saved)):
        as_looked_at(node)
        node.cut_at = moment
        error = error_of(RestoreData(saved).run, print)
        assert "run the same again" in error.next and not isinstance(error, Refused), moment
        assert saved.archive.read_bytes() == content, moment
        assert node.rows in ({}, ROWS), moment
        if node.rows:
            assert node.mark == MARK, f"{moment}: a mark that does not belong to these data"
        node.cut_at = ""
        restore(saved)
        assert node.rows == ROWS and node.mark == MARK and left(node) == set(), moment
        assert not saved.archive.exists()
        (saved.archive.parent / "restored-data.tar.gz").rename(saved.archive)
        (saved.archive.parent / "restored-data.tar.gz.sha256").rename(
            archives.sum_of(saved.archive)
        )


def test_kubeup_cut_off_before_it_could_tell_finds_them_there(
    node: Node, saved: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as cut:
        cut.setattr(archives, "put_away", killed)
        with pytest.raises(KeyboardInterrupt):
            restore(saved)
    (node.data / "mysql" / "ibdata1").write_bytes(b"the database has run meanwhile")
    restore(saved)
    assert node.rows["ibdata1"] == b"the database has run meanwhile" and not saved.archive.exists()


def test_a_full_disk_leaves_nothing_and_says_so(node: Node, saved: Files) -> None:
    node.replace(
        "tar",
        'PATH=$REAL_PATH tar "$@"; echo "tar: mysql/api: No space left on device" >&2; exit 2',
    )
    error = error_of(RestoreData(saved).run, print)
    assert "No space left on device" in error.why and node.rows == {} and node.mark == ""
    (node.tools / "tar").unlink()
    restore(saved)
    assert node.rows == ROWS and left(node) == set()


def test_what_does_not_arrive_whole_is_not_put_there(node: Node, saved: Files) -> None:
    node.replace("cat", "head -c 100000")
    error = error_of(RestoreData(saved).run, print)
    assert error.why == "they did not arrive as they were sent" and node.rows == {}


@pytest.mark.parametrize("damage", ["cut off", "a bit", "empty", "another"])
@pytest.mark.parametrize("has_sum", [True, False])
def test_a_damaged_archive_is_refused_before_anything_is_touched(
    node: Node, saved: Files, damage: str, has_sum: bool
) -> None:
    content, calls = saved.archive.read_bytes(), node.calls
    damaged = {
        "cut off": content[:-5000],
        "a bit": content[:9000] + bytes([content[9000] ^ 1]) + content[9001:],
        "empty": b"",
        "another": b"no archive at all",
    }[damage]
    saved.archive.write_bytes(damaged)
    if not has_sum:
        archives.sum_of(saved.archive).unlink()
    error = error_of(RestoreData(saved).already)
    assert (
        isinstance(error, Refused)
        and "nothing was touched" in error.why
        and "put back that file" in error.next
    )
    assert node.calls == calls and not node.data.exists() and saved.archive.read_bytes() == damaged


def test_an_archive_of_an_older_kubeup_has_no_sum_and_is_read_to_its_end(
    node: Node, saved: Files
) -> None:
    archives.sum_of(saved.archive).unlink()
    restore(saved)
    assert node.rows == ROWS and node.mark == MARK


def test_data_of_the_nodes_own_stay_and_the_archive_too(node: Node, saved: Files) -> None:
    """As an older kubeup left half of them there."""
    node.fill({"ibdata1": b"half"}, mark="")
    error = error_of(RestoreData(saved).run, print)
    assert (
        isinstance(error, Refused) and node.rows == {"ibdata1": b"half"} and saved.archive.exists()
    )
    assert "rename it there" in error.next and str(saved.archive) not in error.next
    (node.data / "mysql").rename(node.data / "mysql.half")  # what is advised
    restore(saved)
    assert node.rows == ROWS


def test_a_mark_never_vouches_for_data_that_came_without_one(node: Node, files: Files) -> None:
    node.fill(ROWS, mark="")
    save(files)
    node.lose()
    (node.data / "mysql").mkdir(parents=True)
    (node.data / "mysql.passwords").write_text(MARK)  # of an empty folder
    restore(files)
    assert node.rows == ROWS and node.mark == ""


def test_an_archive_that_was_not_put_back_yet_is_kept_when_more_is_saved(
    node: Node, saved: Files
) -> None:
    first = saved.archive.read_bytes()
    node.fill({"ibdata1": b"a database that somebody started meanwhile"})
    save(saved)
    (kept,) = saved.archive.parent.glob("earlier-*-data.tar.gz")
    assert (
        kept.read_bytes() == first and archives.check(kept) and saved.archive.read_bytes() != first
    )
    archives.forget(saved.archive)
    assert not list(saved.archive.parent.glob("*data*"))


@pytest.mark.parametrize("folder", [True, False])
def test_where_there_are_no_data_nothing_is_saved(node: Node, files: Files, folder: bool) -> None:
    if folder:
        (node.data / "mysql").mkdir(parents=True)
    assert save(files) == ["stopped", "there are none"] and not files.archive.exists()


@pytest.mark.parametrize("unreadable", ["mysql", "mysql.passwords"])
def test_what_can_not_be_read_is_not_none(node: Node, files: Files, unreadable: str) -> None:
    """As on a disk that has failed, or is not mounted: its machine would go next."""
    node.fill(ROWS)
    node.replace(
        "ls",
        f'case "$*" in *{unreadable}) echo "ls: cannot access: Input/output error" >&2; exit '
        '2;; esac; PATH=$REAL_PATH ls "$@"',
    )
    error = error_of(SaveData(files, Stopped()).run, print)
    assert (
        "can't pack the database's data" in error.what
        and "Input/output error" in error.why
        and not files.archive.exists()
    )


@pytest.fixture
def overlay(tmp_path: Path, files: Files) -> Overlay:
    (tmp_path / ".env").write_text("MYSQL_ROOT_PASSWORD=rrrrrrrr\nMYSQL_PASSWORD=pppppppp\n")
    return Overlay(settings(tmp_path), (), tmp_path / ".env", files.place, tmp_path)


def test_an_empty_folder_gets_the_mark_of_those_who_come(node: Node, overlay: Overlay) -> None:
    look = data.CheckData(overlay)
    look.run(print)
    own = secrets.fingerprint(overlay.secret())
    assert node.mark == f"{own}\n" and (node.data / "mysql").stat().st_mode & 0o777 == 0o700
    made = (node.data / "backups").stat()  # a volume of backups is a folder that has to be there
    uid = 999 if os.geteuid() == 0 else os.geteuid()  # of others only root makes folders
    assert (made.st_mode & 0o777, made.st_uid) == (0o700, uid)
    node.fill({"ibdata1": b"rows"}, mark="")
    look.run(print)
    (overlay.env.parent / ".env").write_text(
        "MYSQL_ROOT_PASSWORD=other-root\nMYSQL_PASSWORD=other-api\n"
    )
    assert (
        "was made with other passwords" in error_of(look.run, print).what
        and node.mark == f"{own}\n"
    )


@pytest.mark.parametrize("mark", ["none", "", "\n"])
def test_data_without_a_mark_take_no_secret_for_theirs(
    node: Node, overlay: Overlay, mark: str
) -> None:
    node.fill(ROWS, mark="")
    if mark != "none":
        (node.data / "mysql.passwords").write_text(mark)
    error = error_of(data.CheckData(overlay).run, print)
    assert isinstance(error, Refused) and "are unknown" in error.what
    assert node.mark == ("" if mark == "none" else mark), "as it was"
    typed = error.next.partition("then type: ")[2]  # what is advised
    subprocess.run(["sh", "-c", typed], check=True)
    data.CheckData(overlay).run(print)
    (node.data / "mysql.passwords").unlink()
    data.accept(overlay)  # as new passwords do, where the database runs
    data.CheckData(overlay).run(print)


def test_whoever_admits_data_is_told_what_they_tell(node: Node, overlay: Overlay) -> None:
    asked = list[tuple[str, str | None]]()
    look = data.CheckData(overlay, lambda *told: asked.append(told))
    look.run(print)
    assert asked == [("dev-worker-1", None)], "a new folder"
    node.fill({"mysql.ibd": (DATA / "db/folders/mysql-9.7.4/mysql.ibd").read_bytes()}, mark="")
    look.run(print)
    node.fill({"ibdata1": b"rows"}, mark="")
    (node.data / "mysql" / "mysql.ibd").unlink()
    look.run(print)
    assert [datafolder.server(told or "") for _, told in asked[1:]] == ["mysql 9.7", ""]
    (node.data / "mysql.passwords").write_text("sha-of-others\n")
    assert isinstance(error_of(look.run, print), Refused) and len(asked) == 3, (
        "nobody's word is taken for data of others"
    )


def test_a_mark_that_can_not_be_read_is_an_error(node: Node, overlay: Overlay) -> None:
    node.fill(ROWS)
    node.replace("cat", 'echo "cat: Input/output error" >&2; exit 1')
    also = {"MYSQL_ROOT_PASSWORD": "next-root", "MYSQL_PASSWORD": "next"}
    for call in (lambda: data.CheckData(overlay).run(print), lambda: data.accept(overlay, also)):
        assert "Input/output error" in error_of(call).why
    assert node.mark == MARK


def test_what_arrives_altered_is_not_kept(
    node: Node, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.fill(ROWS)
    monkeypatch.setattr(
        ssh, "get", lambda _, source, target: target.write_bytes(Path(source).read_bytes()[:-1])
    )
    with pytest.raises(KubeupError, match="not what was packed"):
        save(files)
    assert not files.archive.exists()
