"""Backups as files: what is whole, what is refused, and that no password gets into a command
line.
"""

from __future__ import annotations

import json
import subprocess
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders import error_of, sids

from kubeup.core.errors import CommandError, Refused, UsageError
from kubeup.core.shell import Output
from kubeup.database import backups, compression, move, restore, schema, scripts
from kubeup.database import server as servers
from kubeup.database.backups import Backup, BackupManifest, Dumped
from kubeup.database.compression import Compression
from kubeup.database.server import Server
from kubeup.database.version import Version
from kubeup.system import cache
from kubeup.system.kubectl import Kubectl
from kubeup.workflows import database


class Transport:
    """A way to a server that is only ever looked at."""

    def argv(self, *command: str, terminal: bool = False) -> tuple[str, ...]:
        return ("kubectl", "exec", "-i", "mysql-0", "--", *command)

    def __str__(self) -> str:
        return "pod mysql-0"


@pytest.fixture
def server(tmp_path: Path) -> Server:
    env = tmp_path / ".env"
    env.write_text("MYSQL_ROOT_PASSWORD=root-secret\nMYSQL_PASSWORD=api-secret\n")
    return Server(Transport(), "api", "api", env)


def write(file: Path, **more: Any) -> BackupManifest:
    file.write_bytes(b"a backup")
    found = BackupManifest(
        file.name,
        cache.sha256(file),
        file.stat().st_size,
        99,
        "2026-01-02T03:04:05Z",
        "dev",
        "api",
        "8.4.3",
        "0002",
        {"products": 3},
    )
    backups.manifest_of(file).write_text(json.dumps({**asdict(found), **more}))
    return found


def test_a_whole_backup_is_what_its_description_says(tmp_path: Path) -> None:
    found = write(tmp_path / "one.sql.zst")
    assert backups.check(tmp_path / "one.sql.zst") == found
    assert [one.wrong for one in backups.listed(tmp_path)] == [""]


def test_what_is_altered_cut_off_or_unexplained_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "one.sql.zst"
    write(file)
    file.write_bytes(b"a backuP")
    assert "one.sql.zst was altered" in error_of(backups.check, file).what
    file.write_bytes(b"a back")
    assert "6 of 8 bytes" in error_of(backups.check, file).why
    assert [one.wrong for one in backups.listed(tmp_path)] == ["6 of 8 bytes"]
    write(file, format=9)
    assert "newer kubeup" in error_of(backups.check, file).what
    backups.manifest_of(file).write_text("[]")
    assert "can't be read" in error_of(backups.check, file).what
    backups.manifest_of(file).unlink()
    error = error_of(backups.check, file)
    assert isinstance(error, Refused) and "one.sql.zst.json is missing" in error.what
    assert isinstance(error_of(backups.check, tmp_path / "none"), UsageError)


def test_one_that_was_never_restored_says_so_and_one_that_failed_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "one.sql.zst"
    write(file)
    path = backups.manifest_of(file)
    new = {"scheduled", "restored", "wrong"}
    earlier = {key: value for key, value in json.loads(path.read_text()).items() if key not in new}
    path.write_text(json.dumps({**earlier, "format": 1}))  # as an earlier kubeup has it
    found = backups.check(file)
    assert (found.restored, found.format) == ("", 1)
    backups.mark_restored(file, found)
    assert backups.check(file).restored.endswith("Z") and backups.check(file).format == 2
    write(file, wrong="other rows")
    assert [one.wrong for one in backups.listed(tmp_path)] == ["other rows"]
    assert "failed its test" in error_of(backups.check, file).what


def test_a_backup_is_never_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "one.sql.zst")
    assert (
        "there already"
        in error_of(backups.target, tmp_path, "dev", "api", str(tmp_path / "one.sql.zst")).what
    )
    assert backups.target(tmp_path, "dev", "api", "").parent == tmp_path
    assert backups.target(tmp_path / "x", "dev", "api", str(tmp_path)).name.startswith("dev-api-20")


def test_another_compression_is_a_row_and_old_backups_stay_good(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    xz = Compression(".sql.xz", ("xz-utils",), ("xz", "--stdout"), ("xz", "-dc"))
    monkeypatch.setattr(compression, "COMPRESSIONS", (*compression.COMPRESSIONS, xz))
    monkeypatch.setattr(compression, "DEFAULT", xz)
    old, new = tmp_path / "a.sql.zst", backups.target(tmp_path, "dev", "api", "")
    assert new.name.endswith(".sql.xz") and " | xz --stdout > " in commands(server, new)
    for file in (old, new):
        write(file)
        (tmp_path / f".{file.name}{backups.PART}x").touch()
    with backups.unfinished(new) as part:
        assert part.name.startswith(f".{new.name}{backups.PART}")
    assert [one.file for one in backups.listed(tmp_path)] == [old, new]
    assert not list(tmp_path.glob(f".*{backups.PART}*")), "what was left of both is gone"
    assert [compression.of(file).decompress[0] for file in (old, new)] == ["zstd", "xz"]
    # a name without a suffix: whatever is made by it now, it was zstd when it was written
    assert " | zstd --quiet --stdout > " in commands(server, tmp_path / "mine")


def commands(server: Server, file: Path) -> str:
    (line,) = Backup(server, file, "dev").commands()
    return line


def test_what_a_killed_run_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "one.sql.zst")
    (tmp_path / ".two.sql.zst.part-abc").touch()
    with backups.unfinished(tmp_path / "three.sql.zst") as part:
        assert part.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.sql.zst", "one.sql.zst.json"]


def test_a_dump_without_its_last_line_is_not_whole() -> None:
    begun: list[bool] = []
    dumped = Dumped(begun=lambda: begun.append(True))
    for piece in (b"-- MySQL dump\nCREATE TA", b"BLE `products` (", b"-- Dump comp"):
        assert dumped.see(piece) == b""
    assert begun == [True] and "not whole" in error_of(dumped.require_whole).what
    assert dumped.see(b"leted on 2026-01-02\n") == scripts.RECEIVED
    assert dumped.see(b"\n") == b""
    dumped.require_whole()


@pytest.mark.real
@pytest.mark.parametrize(
    ("dumps", "told", "input_ends", "code"),
    [
        ("echo $MYSQL_PWD", "received\n", False, 0),
        ("echo $MYSQL_PWD; sleep 1", "received\n", True, 0),  # it is told while it ends
        ("exit 3", "", False, 3),
        ("exec sleep 60", "", True, 143),
    ],
)
def test_a_dump_ends_with_its_input_and_tells_how_it_went(
    tmp_path: Path, dumps: str, told: str, input_ends: bool, code: int
) -> None:
    tool = tmp_path / "mysqldump"
    tool.write_text(f"#!/bin/sh\n{dumps}\n")
    tool.chmod(0o755)
    process = subprocess.Popen(
        ["sh", "-c", scripts.DUMP, "dump", "root", "api"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    assert process.stdin and process.stdout
    process.stdin.write(f"password\n{told}")
    process.stdin.flush()
    if input_ends:
        process.stdin.close()
    assert process.wait(10) == code
    assert process.stdout.read() == ("password\n" if code == 0 else "")


@pytest.mark.real
def test_a_dump_stays_until_it_was_received(tmp_path: Path) -> None:
    """`kubectl exec` drops what is on its way when a command ends."""
    tool = tmp_path / "mysqldump"
    tool.write_text("#!/bin/sh\necho all\n")
    tool.chmod(0o755)
    with subprocess.Popen(
        ["sh", "-c", scripts.DUMP, "dump", "root", "api"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    ) as process:
        assert process.stdin and process.stdout
        process.stdin.write("password\n")
        process.stdin.flush()
        assert process.stdout.readline() == "all\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(1)
        process.stdin.write("received\n")
        process.stdin.flush()
        assert process.wait(10) == 0


def test_no_command_line_holds_a_password(server: Server) -> None:
    lines = [
        *server.dump(),
        *server.load("api"),
        *Backup(server, Path("/b/one.sql.zst"), "dev").commands(),
        str(server),
        repr(server),
    ]
    assert not any("secret" in word for word in lines)


def test_the_servers_words_are_cut_down_to_their_number(server: Server) -> None:
    said = (
        "ERROR 1064 (42000) at line 1: You have an error near ''root-secret''\ncommand "
        "terminated with exit code 1"
    )
    error = servers.refusal(server, said)
    assert error.number == 1064 and "root-secret" not in "\n".join(error.lines())
    assert (
        "refuses the password in .env"
        in servers.refusal(server, "ERROR 1045 (28000): Access denied").what
    )
    assert "can't be reached" in servers.refusal(server, "ERROR 2002 (HY000): no socket").what
    assert (
        'pods "mysql-0" not found'
        in servers.refusal(server, 'Error from server (NotFound): pods "mysql-0" not found').why
    )


def test_a_full_disk_is_told(server: Server) -> None:
    said = "ERROR 1114 (HY000) at line 9: The table 'products' is full"
    error = restore._not_loaded(
        server, CommandError("kubectl failed", "why", stderr=said), whole=False
    )
    assert "its disk is full" in error.why and "unchanged" in error.next
    assert "make room" in backups._advice(
        CommandError("zstd failed", "zstd: error 70: No space left on device")
    )


@pytest.mark.parametrize(
    ("said", "whole", "cut"),
    [
        ("ERROR 1064 (42000) at line 9: near ''", False, True),
        ("error: unexpected EOF", False, True),
        ("ERROR 1064 (42000) at line 9: near 'x'", True, False),
        ("ERROR 1045 (28000): Access denied", False, False),
    ],
)
def test_half_a_statement_is_a_connection_that_was_cut(
    server: Server, said: str, whole: bool, cut: bool
) -> None:
    error = restore._not_loaded(server, CommandError("kubectl failed", "why", stderr=said), whole)
    assert isinstance(error, backups.CutOff) is cut and "unchanged" in error.next


@pytest.mark.parametrize(("cuts", "loads"), [(0, 1), (2, 3), (3, 3)])
def test_while_nobody_can_write_a_cut_connection_is_tried_again(
    server: Server, monkeypatch: pytest.MonkeyPatch, cuts: int, loads: int
) -> None:
    done: list[str] = []

    def load(*_: object, **__: object) -> None:
        done.append("load")
        if done.count("load") <= cuts:
            raise backups.CutOff("the dump was cut off", "unexpected EOF", "run the same again")

    monkeypatch.setattr(restore, "prepare", lambda _: done.append("prepare"))
    monkeypatch.setattr(restore, "load", load)
    copy = move.Copy(server, server)
    if cuts < move.TRIES:
        copy._load(print)
    else:
        assert isinstance(error_of(copy._load, print), backups.CutOff)
    assert done == ["load", *["prepare", "load"] * (loads - 1)]


@pytest.mark.parametrize(
    ("made", "now", "wrong"),
    [
        ("8.4.3", "8.4.1", ""),
        ("8.0.36", "8.4.1", ""),
        ("9.7.4-2", "8.4.3", "database.version"),
        ("10.11.6-MariaDB", "8.4.3", "database.engine"),
        ("8.4.3", "10.11.6-MariaDB", "database.engine"),
        ("10.11.6-MariaDB", "11.4.2-MariaDB", ""),
    ],
)
def test_a_newer_or_another_server_s_data_are_refused(made: str, now: str, wrong: str) -> None:
    if not wrong:
        restore.refuse_newer(Version(made), Version(now))
        return
    error = error_of(restore.refuse_newer, Version(made), Version(now))
    assert isinstance(error, Refused) and error.next.startswith(f"set {wrong} to")


def test_tables_are_exchanged_in_one_statement() -> None:
    assert restore.renaming("api", ["products"], ["products", "od`d"]) == (
        "RENAME TABLE `api`.`products` TO kubeup_old.`products`, kubeup_new.`products` TO "
        "`api`.`products`, "
        "kubeup_new.`od``d` TO `api`.`od``d`;"
    )
    assert restore.renaming("api", [], []) == ""


def test_lost_rows_are_told_by_table() -> None:
    restore.compare({"products": 3}, {"products": 3, "alembic_version": 1}, "it")
    why = error_of(restore.compare, {"products": 3}, {"products": 2, "more": 1}, "it").why
    assert why == "products: 2 rows of 3\nmore: not expected"


def test_restoring_over_rows_is_a_loss_and_over_none_is_not(server: Server, tmp_path: Path) -> None:
    found = write(tmp_path / "one.sql.zst")
    (step,) = restore.plan(server, tmp_path / "one.sql.zst", found, {"products": 7})
    assert "7 in products" in step.loses and "3 in products" in step.reason
    (backup,) = backups.plan(server, tmp_path / "two.sql.zst", "dev")
    assert step.needs == backup.needs == sids("host/packages")
    assert restore.plan(server, tmp_path / "one.sql.zst", found, {"products": 0})[0].loses == ""


@pytest.mark.parametrize(
    ("made", "now", "takes"),
    [
        ("mysql 8.4", "mysql 8.4", True),
        ("mysql 8.4", "mysql 9.7", True),
        ("mysql 8.0", "mysql 8.4", True),
        ("mysql 5.7", "mysql 8.0", True),
        ("mysql 5.7", "mysql 8.4", False),
        ("mysql 8.0", "mysql 9.7", False),
        ("mysql 9.7", "mysql 8.4", False),
        ("mariadb 10.6", "mariadb 11.4", True),
        ("mariadb 11.4", "mariadb 10.11", False),
        ("mysql 8.4", "mariadb 10.11", False),
        ("mariadb 10.11", "mysql 9.7", False),
    ],
)
def test_which_server_starts_on_which_files(made: str, now: str, takes: bool) -> None:
    assert Version(now).takes_files_of(Version(made)) is takes


def test_a_server_is_shown_by_its_makers_name() -> None:
    assert [
        str(Version(text))
        for text in ("mysql 9.7", "8.4.3", "mariadb 10.11", "10.11.6-MariaDB-0+deb12u1")
    ] == ["MySQL 9.7", "MySQL 8.4.3", "MariaDB 10.11", "MariaDB 10.11.6"]


def test_a_schema_with_more_than_tables_is_not_exchanged(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = {"api": [], restore.NEW: ["view cheap"]}
    monkeypatch.setattr(servers, "others", lambda _, schema: held[schema])
    error = error_of(restore.refuse_others, server)
    assert isinstance(error, Refused) and error.what == "there is more than tables: view cheap"


def test_a_backup_that_is_not_taken_whole_leaves_the_rows(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "one.sql.zst")
    done = list[str]()
    monkeypatch.setattr(Server, "session", nullcontext)
    monkeypatch.setattr(Server, "alive", lambda _: lambda: True)
    monkeypatch.setattr(servers, "version", lambda _: Version("8.4.3"))
    for name in ("prepare", "exchange", "clear"):
        monkeypatch.setattr(restore, name, lambda _, name=name: done.append(name))

    def chain(source: tuple[str, ...], *_: object, **__: object) -> None:
        assert source == (*compression.ZSTD.decompress, str(tmp_path / "one.sql.zst"))
        raise CommandError("mysql failed", "gone", stderr="ERROR 1064 (42000) at line 7: near")

    monkeypatch.setattr("kubeup.core.shell.chain", chain)
    error = error_of(restore.Restore(server, tmp_path / "one.sql.zst").run, print)
    assert error.what in (
        "the data could not be loaded",
        "the dump was cut off",
    ) and done == ["prepare", "clear"]


def test_migrations_that_do_not_run_are_told(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schema, "revision", lambda _: "0001")
    monkeypatch.setattr(
        Kubectl, "read", lambda *_, **__: Output(1, "", "noise\nno such revision\n")
    )
    kubectl = Kubectl(Path("kubectl"), Path("kubeconfig"), "dev")
    assert error_of(schema.Migrate(server, kubectl).run, print).why == "no such revision"


@pytest.mark.parametrize(
    ("error", "what"),
    [
        (CommandError("mysqldump failed", "gone"), "could not be made"),
        (OSError(28, "No space left"), "could not be written"),
    ],
)
def test_a_backup_that_fails_leaves_nothing(
    error: Exception,
    what: str,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def written(*_: object) -> BackupManifest:
        raise error

    monkeypatch.setattr(Backup, "_written", written)
    assert what in error_of(Backup(server, tmp_path / "one.sql.zst", "dev").run, print).what
    assert list(tmp_path.glob("one*")) == []


def test_a_server_that_can_not_be_reached_is_not_entered(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubeup.core.shell.read", lambda *_, **__: Output(1, "", "no pod"))
    monkeypatch.setattr("kubeup.core.shell.become", lambda *_: None)
    assert error_of(database.enter, SimpleNamespace(server=server), False).why == "no pod"
