"""The contract of the database image, with both flavours; see README.md."""

from __future__ import annotations

import os
import time

import pytest
from conftest import PODMAN, USER_PASSWORD, sh

pytestmark = pytest.mark.real


# --- a running server ---


def test_user_has_its_own_schema_only(running):
    def user(text):
        return running.sql(text, "app", USER_PASSWORD, check=False)

    done = user(
        "CREATE TABLE kube_up.t (a INT); INSERT INTO kube_up.t VALUES (7);"
        "SELECT a FROM kube_up.t; DROP TABLE kube_up.t"
    )
    assert (done.returncode, done.stdout.strip()) == (0, "7")
    running.sql("CREATE DATABASE other; CREATE TABLE other.t (a INT); CREATE DATABASE kubeXup")
    for text in (
        "SELECT * FROM other.t",
        "CREATE TABLE kubeXup.t (a INT)",
        "CREATE DATABASE third",
        "SELECT * FROM mysql.user",
        "CREATE USER x IDENTIFIED BY 'y'",
    ):
        done = user(text)
        assert done.returncode != 0 and "denied" in done.stderr, text


def test_no_way_in_without_the_password(running):
    for user, password in (
        ("root", "wrong"),
        ("root", ""),
        ("app", "wrong"),
        ("app", ""),
        ("", ""),
        ("nobody", ""),
    ):
        done = running.sql("SELECT 1", user, password, check=False)
        assert done.returncode != 0 and "Access denied" in done.stderr, (user, password)
    for host in ("127.0.0.1", "::1", "localhost"):
        done = running.exec("mysql", "--host", host, "--user=root", "-e", "SELECT 1", check=False)
        assert done.returncode != 0 and "Access denied" in done.stderr, host
    accounts = running.query("SELECT CONCAT(user, '@', host) FROM mysql.user").split()
    known = {
        "root@localhost",
        "root@%",
        "app@%",
        "mariadb.sys@localhost",
        "mysql.sys@localhost",
        "mysql.session@localhost",
        "mysql.infoschema@localhost",
    }
    assert {"root@localhost", "root@%", "app@%"} <= set(accounts) <= known


def test_settings(running, flavour):
    values = running.query(
        "SELECT @@innodb_buffer_pool_size DIV 1048576, @@performance_schema, @@log_bin,"
        "@@innodb_flush_log_at_trx_commit, @@skip_name_resolve, @@character_set_server,"
        "@@max_allowed_packet DIV 1048576, @@secure_file_priv, @@pid_file"
    )
    assert values.split() == [
        "64",
        "0",
        "0",
        "1",
        "1",
        "utf8mb4",
        "32",
        "/var/lib/mysql-files/",
        "/run/mysqld/mysqld.pid",
    ]
    log = running.log()
    assert "unknown variable 'loose" in log or flavour == "mysql"
    assert "ERROR" not in log
    if flavour == "mysql":
        assert (
            running.query(
                "SELECT COUNT(*) FROM information_schema.plugins"
                " WHERE plugin_name = 'mysqlx' AND plugin_status = 'ACTIVE'"
            )
            == "0"
        )


def test_runs_with_as_little_as_possible(running):
    status = dict(
        line.split(":\t", 1)
        for line in running.exec("cat", "/proc/1/status").stdout.splitlines()
        if ":\t" in line
    )
    assert set(status["Uid"].split()) == {"999"} and set(status["Gid"].split()) == {"999"}
    assert {status[name] for name in ("CapEff", "CapPrm", "CapBnd")} == {"0" * 16}
    assert status["Name"].strip() in ("mysqld", "mariadbd"), "the server must be PID 1"
    assert running.exec("touch", "/etc/x", check=False).returncode != 0
    assert "PASSWORD" not in running.exec("cat", "/proc/1/environ").stdout
    assert int(status["VmRSS"].split()[0]) < 400_000


def test_other_commands_and_options(image):
    common = (
        "--rm",
        "--network",
        "none",
        "--ulimit",
        "nofile=1024:1024",
        "--ulimit",
        "nproc=1000:1000",
    )
    assert sh(*PODMAN, "run", *common, image, "echo", "hello there").stdout == "hello there\n"
    assert "Ver" in sh(*PODMAN, "run", *common, image, "--version").stdout
    done = sh(*PODMAN, "run", *common, image, "--datadir=/tmp", check=False)
    assert done.returncode == 1 and "data folder of this image" in done.stderr


# --- other people's data ---


def test_what_is_not_ours_is_left_alone(box, flavour):
    data = box.data
    os.chown(data, 999, 999)
    (data / "precious").write_text("data")
    box.start()
    assert box.wait_exit() == 1 and "holds no complete database" in box.log()
    assert [entry.name for entry in data.iterdir()] == ["precious"]

    (data / "mysql").mkdir()
    (data / {"mysql": "aria_log_control", "mariadb": "mysql.ibd"}[flavour]).write_text("x")
    box.start()
    assert box.wait_exit() == 1 and "nothing was changed" in box.log()
    assert (data / "precious").read_text() == "data" and len(list(data.iterdir())) == 3


def test_never_two_servers_on_one_folder(box, image):
    box.start()
    box.wait_ready()
    second = type(box).__new__(type(box))
    second.name, second.image, second.volume = f"{box.name}-second", image, box.volume
    second.binds = []
    try:
        second.start()
        time.sleep(2)
        assert second.state()[0] == "running" and "[entrypoint]" not in second.log()
        box.stop()
        second.wait_ready()
        assert "using the data folder" in second.log()
    finally:
        second.remove_container()


def test_as_root_it_steps_down_and_passes_lost_and_found(box):
    (box.data / "lost+found").mkdir(mode=0o700)
    os.chown(box.data, 0, 0)
    box.start(options=["--user", "0:0", "--cap-add", "chown,setuid,setgid,dac_override,fowner"])
    box.wait_ready()
    assert box.exec("stat", "-c", "%u", "/proc/1", "/var/lib/mysql").stdout.split() == [
        "999",
        "999",
    ]
    assert (box.data / "lost+found").is_dir()
    assert "lost" not in box.query("SHOW DATABASES")
