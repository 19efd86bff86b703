"""Backups: taken, restored, refused, and never half made."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubeup.core.state import PROJECT
from tests.real.dbwork import empty, fill, kill_at, passwords, sql, sums
from tests.real.harness import AS_ROOT, ROOT, Cluster, mended, until

pytestmark = pytest.mark.real

# less than a megabyte a second, so that the dump ends long before its reader has it
SLOW_READER = """
import os, subprocess, sys, time
with subprocess.Popen([{zstd!r}, *sys.argv[1:]], stdin=subprocess.PIPE) as zstd:
    while piece := os.read(0, 1 << 16):
        zstd.stdin.write(piece)
        time.sleep(0.1)
    zstd.stdin.close()
sys.exit(zstd.returncode)
"""


@pytest.fixture(scope="module")
def backup(standing: Cluster) -> Path:
    """A backup of some hundred products with pictures."""
    fill(standing, 300)
    ran = standing.inv("db.backup")
    return Path(ran.out.splitlines()[-1])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    subprocess.run(
        [
            *AS_ROOT,
            "mount",
            "-t",
            "tmpfs",
            "-o",
            f"size=64k,uid={os.getuid()}",
            "kubeup-test",
            str(tmp_path),
        ],
        check=True,
    )
    yield tmp_path
    subprocess.run([*AS_ROOT, "umount", str(tmp_path)], check=True)


def test_a_backup_says_what_it_holds(cluster: Cluster, backup: Path) -> None:
    about = json.loads(backup.with_name(f"{backup.name}.json").read_text())
    assert {table: rows for table, (rows, _) in sums(cluster).items()} == about["rows"]
    assert about["revision"] == "0002" and len(about["sha256"]) == 64 and about["version"]
    assert backup.stat().st_mode & 0o777 == 0o600 and backup.parent.stat().st_mode & 0o777 == 0o700
    listed = cluster.inv("db.list")
    assert backup.name in listed.out and f"{about['rows']['products']} in products" in listed.out
    assert subprocess.run(["zstd", "--test", "--quiet", str(backup)], check=False).returncode == 0


def test_restored_into_an_emptied_database_every_byte_is_back(
    cluster: Cluster, backup: Path
) -> None:
    before = sums(cluster)
    empty(cluster)
    assert sums(cluster)["products"][0] == 0
    cluster.inv("db.restore", backup.name, "--yes")
    assert sums(cluster) == before
    number = cluster.add_product("after a restore")  # the API goes on, with the next number
    assert cluster.product(number)["name"] == "after a restore"
    sql(cluster, f"DELETE FROM products WHERE id = {number};")


def test_nothing_is_overwritten_without_asking(cluster: Cluster, backup: Path) -> None:
    before = sums(cluster)
    ran = cluster.inv("db.restore", str(backup), code=3)
    assert (
        "confirmation needed, but standard input is not a terminal" in ran.err
        and f"{before['products'][0]} in products" in ran.out
    )
    ran = cluster.inv("db.restore", str(backup), "--dry")
    assert "this loses what the database api" in ran.out
    assert "there already" in cluster.inv("db.backup", "--to", str(backup), code=3).err
    assert sums(cluster) == before


def test_what_is_not_what_was_written_is_refused(
    cluster: Cluster, backup: Path, tmp_path: Path
) -> None:
    before, content = sums(cluster), backup.read_bytes()
    about = json.loads(backup.with_name(f"{backup.name}.json").read_text())
    file, beside = tmp_path / "one.sql.zst", tmp_path / "one.sql.zst.json"
    for altered, more, word in (
        (content[:-100], {}, "is not whole"),
        (content[:100] + b"x" + content[101:], {}, "was altered"),
        (content, {"version": "99.1.0"}, "the server is the older"),
        (content, {"format": 9}, "newer kubeup"),
        (content, {"version": "10.11.6-MariaDB"}, "MariaDB"),
    ):
        file.write_bytes(altered)
        beside.write_text(json.dumps({**about, **more}))
        assert word in cluster.inv("db.restore", str(file), "--yes", code=3).err
    beside.unlink()
    assert (
        "one.sql.zst.json is missing" in cluster.inv("db.restore", str(file), "--yes", code=3).err
    )
    assert cluster.inv("db.restore", "none.sql.zst", "--yes", code=2).err.startswith(
        "error: there is no backup"
    )
    assert sums(cluster) == before


def refused_early() -> Iterator[bytes]:
    """SQL whose first statement is refused, with more behind it than all buffers on the way to
    the server take.
    """
    yield b"SELECT 1 FROM kubeup_nowhere;\n"
    yield from (b"-- " + b"x" * 1000 + b"\n" for _ in range(60_000))
    yield b"-- Dump completed\n"


def test_what_the_server_refuses_at_once_ends_at_once(
    cluster: Cluster, backup: Path, tmp_path: Path
) -> None:
    """containerd does not tell of a command that has ended in a pod with its input half read,
    and kubectl waits for it for good.
    """
    before, file = sums(cluster), tmp_path / "one.sql.zst"
    content = subprocess.run(
        ["zstd", "--quiet", "--stdout"],
        input=b"".join(refused_early()),
        capture_output=True,
        check=True,
    ).stdout
    file.write_bytes(content)
    about = json.loads(backup.with_name(f"{backup.name}.json").read_text())
    more = {"file": file.name, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    file.with_name(f"{file.name}.json").write_text(json.dumps({**about, **more}))
    ran = cluster.inv("db.restore", str(file), "--yes", code=1, timeout=90)
    assert "the data could not be loaded" in ran.err and "error 1146" in ran.err
    shell = subprocess.run(
        [ROOT / "inv", "db.shell"],
        env=cluster.environment,
        input=b"".join(refused_early()),
        capture_output=True,
        timeout=90,
        check=False,
    )
    assert shell.returncode == 1 and b"ERROR 1146" in shell.stderr
    assert sums(cluster) == before


def test_a_full_disk_leaves_nothing_half_made(cluster: Cluster, small_disk: Path) -> None:
    ran = cluster.inv("db.backup", "--to", str(small_disk / "one.sql.zst"), code=1)
    assert "No space left" in ran.err and "nothing is left of it" in ran.err
    assert list(small_disk.iterdir()) == []


@pytest.mark.long
def test_a_slow_reader_gets_all_of_it(cluster: Cluster, tmp_path: Path) -> None:
    """What is still on its way when a command ends, `kubectl exec` drops after some seconds
    without a word.
    """
    fill(cluster, 10_000)
    zstd = tmp_path / "zstd"
    zstd.write_text(f"#!{sys.executable}\n{SLOW_READER.format(zstd=shutil.which('zstd'))}")
    zstd.chmod(0o755)
    cluster.inv(
        "db.backup",
        "--to",
        str(tmp_path / "one.sql.zst"),
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    about = json.loads((tmp_path / "one.sql.zst.json").read_text())
    assert about["rows"]["pictures"] >= 10_000 and about["sql_bytes"] > 20_000_000


def test_a_wrong_password_is_told_and_named_nowhere(cluster: Cluster) -> None:
    env = PROJECT / ".env"
    held, root = env.read_text(), passwords()["MYSQL_ROOT_PASSWORD"]
    with mended(lambda: env.write_text(held)):
        env.write_text(held.replace(root, "not-the-right-one"))
        ran = cluster.inv("db.backup", code=1)
    assert "refuses the password in .env" in ran.err and "not-the-right-one" not in ran.both


def test_sql_on_standard_input(cluster: Cluster) -> None:
    assert "2" in sql(cluster, "SELECT 1 + 1;")
    cluster.inv("db.migrate")
    assert "0002" in sql(cluster, "SELECT version_num FROM alembic_version;")


@pytest.mark.long
def test_killed_while_backing_up(cluster: Cluster, tmp_path: Path) -> None:
    file = tmp_path / "one.sql.zst"
    fill(cluster, 20_000)  # some 40 MB: what there was before is written in half a second
    kill_at(cluster, "db/backup", "db.backup", "--to", str(file), seconds=0.6)
    assert not file.exists()
    until(
        lambda: (
            "dump"
            not in cluster.kubectl("exec", "mysql-0", "--", "sh", "-c", "cat /proc/[0-9]*/comm")
        ),
        "nobody dumps any more",
        10,
    )
    cluster.inv("db.backup", "--to", str(file))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.sql.zst", "one.sql.zst.json"]
    cluster.add_product("writes go on")  # no lock was left behind
    empty(cluster)
