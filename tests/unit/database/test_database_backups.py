"""Backups as files: what is whole, what is refused, and that no password gets into a command line."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from builders import error_of

from kubeup.core.errors import CommandError, Refused, UsageError
from kubeup.database import backups, move, restore
from kubeup.database import server as servers
from kubeup.database.backups import Backup, BackupManifest, Dumped
from kubeup.database.server import Server, Version
from kubeup.system import cache


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
    found = BackupManifest(file.name, cache.sha256(file), file.stat().st_size, 99, "2026-01-02T03:04:05Z",
                           "dev", "api", "8.4.3", "0002", {"products": 3})
    backups.described(file).write_text(json.dumps({**asdict(found), **more}))
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
    assert "6 bytes, 8 were written" in error_of(backups.check, file).why
    assert [one.wrong for one in backups.listed(tmp_path)] == ["6 of 8 bytes"]
    write(file, format=2)
    assert "newer kubeup" in error_of(backups.check, file).what
    backups.described(file).write_text("[]")
    assert "can't be read" in error_of(backups.check, file).what
    backups.described(file).unlink()
    error = error_of(backups.check, file)
    assert isinstance(error, Refused) and "one.sql.zst.json is missing" in error.what
    assert isinstance(error_of(backups.check, tmp_path / "none"), UsageError)


def test_a_backup_is_never_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "one.sql.zst")
    assert "there already" in error_of(backups.target, tmp_path, "dev", "api", str(tmp_path / "one.sql.zst")).what
    assert backups.target(tmp_path, "dev", "api", "").parent == tmp_path
    assert backups.target(tmp_path / "x", "dev", "api", str(tmp_path)).name.startswith("dev-api-20")


def test_what_a_killed_run_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "one.sql.zst")
    (tmp_path / ".two.sql.zst.part-abc").touch()
    with backups._unfinished(tmp_path / "three.sql.zst") as part:
        assert part.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.sql.zst", "one.sql.zst.json"]


def test_a_dump_without_its_last_line_is_not_whole() -> None:
    begun: list[bool] = []
    dumped = Dumped(begun=lambda: begun.append(True))
    for piece in (b"-- MySQL dump\nCREATE TA", b"BLE `products` (", b"-- Dump comp"):
        dumped.see(piece)
    assert begun == [True] and "not whole" in error_of(dumped.require_whole).what
    dumped.see(b"leted on 2026-01-02\n")
    dumped.require_whole()


@pytest.mark.real
@pytest.mark.parametrize(("dumps", "input_ends", "code"), [("echo $MYSQL_PWD; exit 0", False, 0), ("exit 3", False, 3), ("exec sleep 60", True, 143)])
def test_a_dump_ends_with_its_input_and_tells_how_it_went(tmp_path: Path, dumps: str, input_ends: bool, code: int) -> None:
    tool = tmp_path / "mysqldump"
    tool.write_text(f"#!/bin/sh\n{dumps}\n")
    tool.chmod(0o755)
    process = subprocess.Popen(["sh", "-c", servers.DUMP, "dump", "root", "api"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                               env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert process.stdin and process.stdout
    process.stdin.write("password\n")
    process.stdin.flush()
    if input_ends:
        process.stdin.close()
    assert process.wait(10) == code
    assert process.stdout.read() == ("password\n" if code == 0 else "")


def test_no_command_line_holds_a_password(server: Server) -> None:
    lines = [*server.dump(), *server.load("api"), *Backup(server, Path("/b/one.sql.zst"), "dev").commands(), str(server), repr(server)]
    assert not any("secret" in word for word in lines)


def test_the_servers_words_are_cut_down_to_their_number(server: Server) -> None:
    said = "ERROR 1064 (42000) at line 1: You have an error near ''root-secret''\ncommand terminated with exit code 1"
    error = servers.refusal(server, said)
    assert error.number == 1064 and "root-secret" not in "\n".join(error.lines())
    assert "refuses the password in .env" in servers.refusal(server, "ERROR 1045 (28000): Access denied").what
    assert "can't be reached" in servers.refusal(server, "ERROR 2002 (HY000): no socket").what
    assert "pods \"mysql-0\" not found" in servers.refusal(server, 'Error from server (NotFound): pods "mysql-0" not found').why


def test_a_full_disk_is_told(server: Server) -> None:
    said = "ERROR 1114 (HY000) at line 9: The table 'products' is full"
    error = restore._unloaded(server, CommandError("kubectl failed", "why", stderr=said), whole=False)
    assert "its disk is full" in error.why and "untouched" in error.next
    assert "make room" in backups._mend(CommandError("zstd failed", "zstd: error 70: No space left on device"))


@pytest.mark.parametrize(("said", "whole", "cut"), [
    ("ERROR 1064 (42000) at line 9: near ''", False, True), ("error: unexpected EOF", False, True),
    ("ERROR 1064 (42000) at line 9: near 'x'", True, False), ("ERROR 1045 (28000): Access denied", False, False),
])
def test_half_a_statement_is_a_connection_that_was_cut(server: Server, said: str, whole: bool, cut: bool) -> None:
    error = restore._unloaded(server, CommandError("kubectl failed", "why", stderr=said), whole)
    assert isinstance(error, backups.CutOff) is cut and "untouched" in error.next


@pytest.mark.parametrize(("cuts", "loads"), [(0, 1), (2, 3), (3, 3)])
def test_while_nobody_can_write_a_cut_connection_is_tried_again(server: Server, monkeypatch: pytest.MonkeyPatch, cuts: int, loads: int) -> None:
    done: list[str] = []

    def load(*_: object, **__: object) -> None:
        done.append("load")
        if done.count("load") <= cuts:
            raise backups.CutOff("the data did not come whole", "unexpected EOF", "run the same again")

    monkeypatch.setattr(restore, "prepare", lambda _: done.append("prepare"))
    monkeypatch.setattr(restore, "load", load)
    copy = move.Copy(server, server)
    if cuts < move.TRIES:
        copy._load(print)
    else:
        assert isinstance(error_of(copy._load, print), backups.CutOff)
    assert done == ["load", *["prepare", "load"] * (loads - 1)]


@pytest.mark.parametrize(("made", "now", "fits"), [
    ("8.4.3", "8.4.1", True), ("8.0.36", "8.4.1", True), ("9.7.4-2", "8.4.3", False), ("10.11.6-MariaDB", "8.4.3", False),
    ("10.11.6-MariaDB", "11.4.2-MariaDB", True)])
def test_a_newer_or_another_server_s_data_are_refused(made: str, now: str, fits: bool) -> None:
    if fits:
        restore.refuse_newer(Version(made), Version(now))
    else:
        assert isinstance(error_of(restore.refuse_newer, Version(made), Version(now)), Refused)


def test_tables_are_exchanged_in_one_statement() -> None:
    assert restore.renaming("api", ["products"], ["products", "od`d"]) == (
        "RENAME TABLE `api`.`products` TO kubeup_old.`products`, kubeup_new.`products` TO `api`.`products`, "
        "kubeup_new.`od``d` TO `api`.`od``d`;")
    assert restore.renaming("api", [], []) == ""


def test_lost_rows_are_told_by_table() -> None:
    restore.compare({"products": 3}, {"products": 3, "alembic_version": 1}, "it")
    why = error_of(restore.compare, {"products": 3}, {"products": 2, "more": 1}, "it").why
    assert why == "products: 2 rows of 3\nmore: not expected"


def test_restoring_over_rows_is_a_loss_and_over_none_is_not(server: Server, tmp_path: Path) -> None:
    found = write(tmp_path / "one.sql.zst")
    (step,) = restore.plan(server, tmp_path / "one.sql.zst", found, {"products": 7})
    assert "7 in products" in step.loses and "3 in products" in step.reason
    assert restore.plan(server, tmp_path / "one.sql.zst", found, {"products": 0})[0].loses == ""


@pytest.mark.parametrize(("made", "now", "takes"), [
    ("mysql 8.4", "mysql 8.4", True), ("mysql 8.4", "mysql 9.7", True), ("mysql 8.0", "mysql 8.4", True), ("mysql 5.7", "mysql 8.0", True),
    ("mysql 5.7", "mysql 8.4", False), ("mysql 8.0", "mysql 9.7", False), ("mysql 9.7", "mysql 8.4", False),
    ("mariadb 10.6", "mariadb 11.4", True), ("mariadb 11.4", "mariadb 10.11", False),
    ("mysql 8.4", "mariadb 10.11", False), ("mariadb 10.11", "mysql 9.7", False),
])
def test_which_server_starts_on_which_files(made: str, now: str, takes: bool) -> None:
    assert Version(now).takes_files_of(Version(made)) is takes


def test_a_server_is_shown_by_its_makers_name() -> None:
    assert [str(Version(text)) for text in ("mysql 9.7", "8.4.3", "mariadb 10.11", "10.11.6-MariaDB-0+deb12u1")] == [
        "MySQL 9.7", "MySQL 8.4.3", "MariaDB 10.11", "MariaDB 10.11.6"]
