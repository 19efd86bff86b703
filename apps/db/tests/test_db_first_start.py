"""The life of a data folder: the first start, files that prepare it, and a kill in the middle."""

from __future__ import annotations

import contextlib
import gzip
import os
import threading
import time
from pathlib import Path

import pytest
from conftest import ENV, USER_PASSWORD, until

pytestmark = pytest.mark.real

UNFINISHED = "kubeup-init-unfinished"
READY = "kubeup-init-ready"
COMPLETE = "the new data folder is complete"
NASTY = "q'u\"o\\te\\\\s $HOME `id` 100%_ &# ;-- ü日本\u00df end "
OF_EACH_KIND = {
    "10_a__sql": "CREATE TABLE seen (what VARCHAR(9)); INSERT INTO seen VALUES ('sql');",
    "20_b__sql__gz": "INSERT INTO seen VALUES ('gz');",
    "30_c__sh": "echo \"INSERT INTO $MYSQL_DATABASE.seen VALUES ('sourced');\""
    " | docker_process_sql\n",
    "40_d__sh": "#!/bin/sh\nset -e\n[ ! -S /run/mysqld/mysqld.sock ]\n"
    'mysql -uroot "$MYSQL_DATABASE" -e "INSERT INTO seen VALUES (\'run\')"\n',
    "50_notes__txt": "not run",
}


@contextlib.contextmanager
def command_lines():
    """Collects every command line of the machine meanwhile, containers' too."""
    seen, stop = set(), threading.Event()

    def watch():
        while not stop.is_set():
            for entry in os.scandir("/proc"):
                if entry.name.isdigit():
                    with contextlib.suppress(OSError):
                        seen.add(Path(entry.path, "cmdline").read_bytes())
            time.sleep(0.01)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()


def init_folder(box, folder, **files):
    """Files for /docker-entrypoint-initdb.d: names with __ for the dot."""
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    for name, content in files.items():
        path = folder / name.replace("__", ".").replace("_", "-")
        if path.suffix == ".gz":
            path.write_bytes(gzip.compress(content.encode()))
        else:
            path.write_text(content)
        path.chmod(0o644)
    box.binds.append(f"{folder}:/docker-entrypoint-initdb.d:ro")


def assert_complete(box):
    names = {entry.name for entry in box.data.iterdir()}
    assert "mysql" in names
    assert not names & {UNFINISHED, READY}


def test_init_files_once_and_data_stays(box, tmp_path):
    init_folder(box, tmp_path / "init", **OF_EACH_KIND)
    (tmp_path / "init" / "40-d.sh").chmod(0o755)
    box.start(args=["--max-connections=33"])
    box.wait_ready()
    assert box.query("SELECT what FROM kube_up.seen").split() == ["sql", "gz", "sourced", "run"]
    assert box.query("SELECT @@max_connections") == "33"
    assert "ignoring 50-notes.txt" in box.log()
    assert_complete(box)

    seconds, code = box.stop()
    assert code == 0 and seconds < 10
    log = box.log()
    assert "Shutdown complete" in log.split(COMPLETE)[1]

    # Another environment doesn't touch a data folder that is complete.
    box.start(dict.fromkeys(ENV, "changed"))
    box.wait_ready()
    assert box.query("SELECT COUNT(*) FROM kube_up.seen") == "4"
    assert "changed" not in box.query("SHOW DATABASES; SELECT user FROM mysql.user")
    assert "running " not in box.log()

    # SIGKILL: what was committed is there; and no environment is fine, too.
    box.sql("INSERT INTO kube_up.seen VALUES ('killed')")
    box.kill()
    box.start({"MYSQL_ROOT_PASSWORD_FILE": "/missing"})
    box.wait_ready()
    assert box.query("SELECT COUNT(*) FROM kube_up.seen") == "5"


@pytest.mark.parametrize("from_file", [False, True], ids=["environment", "files"])
def test_any_password_and_never_shown(box, tmp_path, from_file):
    root, user = "R" + NASTY, "U" + NASTY
    values = {
        "MYSQL_ROOT_PASSWORD": root,
        "MYSQL_PASSWORD": user,
        "MYSQL_USER": "o'\\app",
        "MYSQL_DATABASE": "d-`b_%",
    }
    if from_file:
        tmp_path.chmod(0o755)
        for name, value in values.items():
            (tmp_path / name).write_text(value + "\n")
        box.binds.append(f"{tmp_path}:/secrets:ro")
        values = {f"{name}_FILE": f"/secrets/{name}" for name in values}
    with command_lines() as seen:
        box.start(values)
        box.wait_ready("root", root)
    assert box.query("SELECT CURRENT_USER()", user="o'\\app", password=user) == "o'\\\\app@%"
    assert (
        box.query("SELECT 1; CREATE TABLE `d-``b_%`.t (a INT)", user="o'\\app", password=user)
        == "1"
    )
    assert box.sql("SELECT 1", password=root[:-1], check=False).returncode != 0

    lines = b"\n".join(seen)
    assert b"--skip-networking" in lines and b"--socket=/run/mysqld/init.sock" in lines
    for part in (b"100%_ &#", root.encode(), user.encode()):
        assert part not in lines
        assert part.decode() not in box.log()


def test_random_and_empty_root_password(box):
    box.start({"MYSQL_RANDOM_ROOT_PASSWORD": "yes", "MYSQL_ROOT_HOST": "127.0.0.1"})
    box.wait_log(COMPLETE)
    password = box.log().split("GENERATED ROOT PASSWORD: ")[1].split()[0]
    box.wait_ready("root", password)
    assert box.query("SELECT CURRENT_USER()", password=password) == "root@127.0.0.1"
    assert "root@%" not in box.query(
        "SELECT CONCAT(user, '@', host) FROM mysql.user", password=password
    )


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({}, "no root password is given"),
        ({**ENV, "MYSQL_PASSWORD": ""}, "MYSQL_PASSWORD"),
        ({**ENV, "MYSQL_USER": "root"}, "can't be root"),
        ({**ENV, "MYSQL_PASSWORD_FILE": "/x"}, "both MYSQL_PASSWORD and MYSQL_PASSWORD_FILE"),
        ({**ENV, "MYSQL_DATABASE": "x" * 80}, "refused to make the accounts: ERROR 1"),
    ],
    ids=["nothing", "no-password", "root", "both", "refused"],
)
def test_bad_environment_is_refused(box, env, message):
    box.start(env)
    assert box.wait_exit() == 1
    assert message in box.log() and USER_PASSWORD not in box.log()
    assert not (box.data / "mysql").exists()


def test_failed_init_file_leaves_nothing(box, tmp_path):
    init_folder(
        box,
        tmp_path / "init",
        **{"10_a__sql": "CREATE TABLE t (a INT);", "20_b__sh": "false\ntrue\n"},
    )
    box.start()
    assert box.wait_exit() != 0
    assert "20-b.sh failed" in box.log() and COMPLETE not in box.log()
    (tmp_path / "init" / "20-b.sh").write_text("true\n")
    box.start()
    box.wait_ready()
    assert "cut off; starting it over" in box.log()
    assert box.query("SHOW TABLES FROM kube_up") == "t"
    assert_complete(box)


# --- cut off ---


def test_killed_while_making_the_system_tables(box):
    for file in ("", "ibdata1", "mysql.ibd|aria_log_control"):
        box.start()
        wanted = [box.data / UNFINISHED / name for name in file.split("|")]
        until(lambda: any(path.exists() for path in wanted), f"{file} is there", 30, 0.002)  # noqa: B023
        box.kill()
        assert COMPLETE not in box.log() and (box.data / UNFINISHED).is_dir()
        assert not (box.data / "mysql").exists()
    box.start()
    box.wait_ready()
    assert "cut off; starting it over" in box.log()
    box.wait_ready("app", USER_PASSWORD)
    assert_complete(box)


@pytest.mark.parametrize("signal", ["KILL", "TERM"])
def test_stopped_in_an_init_file(box, tmp_path, signal):
    init_folder(
        box,
        tmp_path / "init",
        **{
            "10_a__sql": "CREATE TABLE t (a INT); INSERT INTO t VALUES (1);",
            "20_b__sh": "[ -e /docker-entrypoint-initdb.d/go ] || sleep 60\n",
            "30_c__sql": "INSERT INTO t VALUES (2);",
        },
    )
    box.start()
    box.wait_log("running 20-b.sh")
    assert box.sql("SELECT 1", check=False).returncode != 0, "TCP must not answer yet"
    if signal == "TERM":
        seconds, code = box.stop()
        assert seconds < 5 and code == 143 and "stopped before" in box.log()
    else:
        box.kill()
    (tmp_path / "init" / "go").write_text("")
    box.start()
    box.wait_ready()
    assert box.query("SELECT a FROM kube_up.t").split() == ["1", "2"]
    assert_complete(box)


def test_cut_off_while_moving_into_place(box):
    box.start()
    box.wait_ready()
    box.sql("CREATE TABLE kube_up.t (a INT); INSERT INTO kube_up.t VALUES (1)")
    box.stop()
    data = box.data
    ready = data / READY
    ready.mkdir()
    os.chown(ready, 999, 999)
    moved = [entry for entry in sorted(data.iterdir()) if entry != ready]
    for entry in [*moved[::2], data / "mysql"]:
        if entry.exists():
            entry.rename(ready / entry.name)
    box.start({})
    box.wait_ready()
    assert "carrying on" in box.log()
    assert box.query("SELECT a FROM kube_up.t") == "1"
    assert_complete(box)
