"""The database's machine: what is found there, what follows from it, and what is left alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import by_id, error_of, names, reach, recorded, sid, sids

from kubeup.application.place import Place
from kubeup.core.errors import Refused
from kubeup.core.plan import todo
from kubeup.core.shell import Output
from kubeup.database import machine, machine_service, service_state
from kubeup.database.machine import DatabaseVm
from kubeup.database.server import Server
from kubeup.database.service_state import ServiceState
from kubeup.facts import certificates
from kubeup.facts.compose import Compose, Tools, major
from kubeup.images.catalog import AppImage
from kubeup.system import ssh, tls

SECRET = {
    "ROOT_PASSWORD": 'it\'s "root"',
    "MYSQL_DATABASE": "api",
    "MYSQL_USER": "api",
    "MYSQL_PASSWORD": "api-secret",
}
FRESH = "tool apt-get\nfile compose.yaml  \nfile .env  \ndata 0\n"
# as a Debian 12 node with Debian's docker and compose prints it
RUNNING = """\
tool apt-get
tool daemon
file compose.yaml 989074944d5370285b8f2d88a22ac590366c8394faba67f3c785760e19be520b 644
file .env 9378a5b0689fcfed45195e0cce5d71c400d37dc2751736010f76b70995277a92 600
filter on
data 31
port LISTEN 0 4096 192.168.60.11:3306 0.0.0.0:* users:(("mysqld",pid=1192,fd=19))
image sha256:b24abaa5ba52
project kubeup-db /var/lib/kubeup/db
container running healthy localhost/kubeup-mysql:sha-4afe7c7365cb 1192
"""


@pytest.fixture
def db() -> DatabaseVm:
    place = Place("dev-worker-1", "/var/lib/kubeup/data", lambda: (reach(),))
    return DatabaseVm(
        place,
        AppImage("db", "localhost/kubeup-mysql:sha-4afe7c7365cb", None, ()),
        lambda: SECRET,
        Path("/p/.env"),
        Path("/p/tls"),
        lambda: ("192.168.60.10", "192.168.60.11"),
    )


def as_wanted(db: DatabaseVm) -> ServiceState:
    tools = service_state.parse_tools(recorded("db/tools-debian-12.txt"))
    return replace(service_state.parse(RUNNING), files=machine.checksums(db.files()), tools=tools)


def test_a_fresh_machine_gets_everything(db: DatabaseVm) -> None:
    assert service_state.parse(FRESH) == ServiceState()
    steps = by_id(machine_service.plan(db, service_state.parse(FRESH)))
    assert list(steps) == ["db/vm-packages", "db/vm-image", "db/vm-service"]
    assert steps["db/vm-packages"].reason == "docker and docker compose missing"
    assert [step.reason for step in todo(machine_service.plan(db, None))] == ["a new machine"] * 3


def test_files_of_nobody_knows_which_database_are_not_started(
    db: DatabaseVm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(node: str, told: str | None) -> None:
        raise Refused(f"{node}: {told}")

    typed = list[tuple[str, ...]]()
    seen = "data 31\nwrote dictionary   0   1  98  80\n"
    monkeypatch.setattr(
        ssh, "run", lambda _, *argv, **__: typed.append(argv) or Output(0, seen, "")
    )
    assert (
        error_of(machine_service.Run(replace(db, check_origin=refuse)).run, print).what
        == "dev-worker-1: dictionary 0 1 98 80"
    )
    seen = FRESH
    assert (
        error_of(machine_service.Run(replace(db, check_origin=refuse)).run, print).what
        == "dev-worker-1: None"
    )
    assert [argv[3] for argv in typed] == ["look"] * 2, "it was only looked at"


def test_each_step_waits_for_the_machine_and_for_what_it_uses(db: DatabaseVm) -> None:
    found = machine_service.plan(
        replace(db, authorities=("one",)), service_state.parse(FRESH), sids("node/dev-db")
    )
    assert {str(step.id): names(step.needs) for step in todo(found)} == {
        "db/vm-authorities": ["node/dev-db"],
        "db/vm-packages": ["db/vm-authorities", "node/dev-db"],
        "db/vm-image": ["db/vm-packages", "image/db", "node/dev-db"],
        "db/vm-service": [
            *("db/vm-packages", "db/vm-image", "secrets/env", "secrets/certificate", "node/dev-db")
        ],
    }


def test_an_image_without_an_archive_is_pulled(
    db: DatabaseVm, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = list[tuple[str, ...]]()
    monkeypatch.setattr(ssh, "run", lambda _, *argv, **__: typed.append(argv) or Output(0, "", ""))
    from_hub = "docker.io/library/mysql:8.4"
    machine_service.BringImage(
        replace(db, image=AppImage("db", from_hub, None, (), source=from_hub))
    ).run(print)
    assert typed[0] == ("docker", "pull", "--quiet", from_hub)


def test_a_docker_that_does_not_run_is_started(db: DatabaseVm) -> None:
    stopped = replace(
        as_wanted(db), daemon=False, image=False, listening=(), containers={}, state="", health=""
    )
    steps = by_id(machine_service.plan(db, stopped))
    assert steps["db/vm-packages"].reason == "docker does not run" and list(steps) == [
        "db/vm-packages",
        "db/vm-image",
        "db/vm-service",
    ]


def test_a_machine_that_is_no_node_is_told_of_authorities(db: DatabaseVm) -> None:
    beside, there = replace(db, authorities=("one", "two")), as_wanted(db)
    names = certificates.names(("one", "two"))
    listed = "".join(f"certificate {name}\n" for name in names)
    steps = by_id(machine_service.plan(beside, service_state.parse(FRESH)))
    assert list(steps)[:2] == ["db/vm-authorities", "db/vm-packages"]
    assert sid("db/vm-authorities") in steps["db/vm-packages"].needs, "apt may need them"
    assert service_state.parse(RUNNING + listed).certificates == names
    assert todo(machine_service.plan(beside, replace(there, certificates=names))) == []
    (step,) = todo(
        machine_service.plan(replace(beside, authorities=()), replace(there, certificates=names))
    )
    assert (str(step.id), step.reason) == ("db/vm-authorities", "it has others, or none")
    assert todo(machine_service.plan(db, replace(there, certificates=names))) == [], (
        "a node's are the play's"
    )


def test_one_that_can_not_be_given_docker_is_refused(db: DatabaseVm) -> None:
    bare = replace(
        service_state.parse(FRESH.replace("tool apt-get\n", "")), tools=Tools("20.10.24")
    )
    error = error_of(machine_service.plan, db, bare)
    assert isinstance(error, Refused) and "database.vm" in error.next
    assert error.what == "dev-worker-1 can't get docker compose" and "no apt-get" in error.why


def offered(docker: str, *composes: Compose, **offers: str) -> ServiceState:
    named = {name.replace("_", "-"): version for name, version in offers.items()}
    return replace(service_state.parse(FRESH), tools=Tools(docker, composes, named))


def why_install(db: DatabaseVm, found: ServiceState) -> str:
    return by_id(machine_service.plan(db, found))["db/vm-packages"].reason


@pytest.mark.parametrize(
    ("system", "docker", "works", "starts"),
    [
        ("debian-13", 26, "2.26.1-4", 2),
        ("ubuntu-24.04", 29, "2.40.3+ds1-0ubuntu1~24.04.1", 1),
        ("ubuntu-22.04", 29, "2.40.3+ds1-0ubuntu1~22.04.1", 2),
    ],
)
def test_what_other_distributions_print(system: str, docker: int, works: str, starts: int) -> None:
    """With docker that does not run.

    Version 1 is installed on Ubuntu as well; on 24.04 it does not start.
    """
    tools = service_state.parse_tools(recorded(f"db/tools-{system}.txt"))
    assert tools.compose == Compose("docker compose", works) and tools.missing == ""
    assert major(tools.docker) == docker and len(tools.composes) == starts
    alone = replace(tools, composes=tools.composes[1:])
    assert (alone.compose is None) == (system != "debian-13")
    assert (
        tools.offers["docker.io"].startswith(f"{docker}.")
        and service_state.parse_tools("") == Tools()
    )


def test_the_plan_names_what_apt_has(db: DatabaseVm) -> None:
    two = Tools(offers={"docker.io": "26.1.5", "docker-compose": "2.26.1-4"})
    assert why_install(db, replace(service_state.parse(FRESH), tools=two)) == (
        "docker and docker compose missing, apt has docker.io docker-compose"
    )
    old = Compose("docker-compose", "1.29.2")
    assert why_install(db, offered("29.1.3", old, docker_compose_v2="2.40.3")) == (
        "docker compose missing (docker-compose 1.29.2 does not work with docker 29 "
        "(docker/compose#11693)), apt has docker-compose-v2"
    )


def test_version_1_is_refused_beside_a_docker_that_it_does_not_work_with(db: DatabaseVm) -> None:
    old = Compose("docker-compose", "1.29.2")
    error = error_of(machine_service.plan, db, offered("28.1.1", old, docker_compose="1.29.2-3"))
    assert isinstance(error, Refused) and error.what == "dev-worker-1 can't get docker compose"
    assert "docker-compose 1.29.2 does not work with docker 28" in error.why
    assert "docker-compose-plugin" in error.next
    assert why_install(db, offered("20.10.24", old)) == "docker does not run"


def test_a_database_that_runs_is_left_alone_whatever_compose_is_there(db: DatabaseVm) -> None:
    assert todo(machine_service.plan(db, replace(as_wanted(db), tools=Tools("29.1.3")))) == []


def test_an_index_that_was_fetched_and_has_nothing_is_refused(db: DatabaseVm) -> None:
    empty = service_state.parse(FRESH)
    db.refuse_without(empty)
    assert "none of their packages" in error_of(db.refuse_without, empty, True).why


def test_debian_12_has_version_1_for_its_own_docker(db: DatabaseVm) -> None:
    tools = as_wanted(db).tools
    assert (tools.docker, tools.missing) == ("20.10.24+dfsg1", "")
    assert tools.compose == Compose("docker-compose", "1.29.2")


def test_one_that_runs_as_it_should_gets_nothing(db: DatabaseVm) -> None:
    found = as_wanted(db)
    assert found.healthy and found.holds_data and todo(machine_service.plan(db, found)) == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"health": "unhealthy"}, "the service is running, unhealthy"),
        ({"state": "exited", "health": "healthy", "listening": ()}, "exited"),
        ({"state": "", "listening": (), "containers": {}}, "the service is not there"),
        ({"files": {}}, "compose.yaml, .env, tls.crt, tls.key, filter.sh new"),
        ({"running_image": "other:1"}, "it runs other:1"),
        ({"filtered": False}, "its packet filter lets others to its port"),
    ],
)
def test_what_differs_is_the_reason(db: DatabaseVm, change: dict[str, object], reason: str) -> None:
    (step,) = todo(machine_service.plan(db, replace(as_wanted(db), **change)))
    assert step.id == sid("db/vm-service") and reason in step.reason


def test_its_port_is_for_its_clients_alone(db: DatabaseVm, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules are there before the server is, and go with it; nodes that come are let in."""
    typed = list[tuple[str, ...]]()
    monkeypatch.setattr(ssh, "run", lambda _, *argv, **__: typed.append(argv) or Output(0, "", ""))
    monkeypatch.setattr(machine_service.Run, "_require_password", lambda _: None)
    monkeypatch.setattr(machine_service, "keep_root_local", lambda *_: typed.append(("root",) * 4))
    monkeypatch.setattr(DatabaseVm, "compose_command", lambda _: "docker compose")
    machine_service.Run(db).run(print)
    scripts = {argv[3]: argv[2] for argv in typed if argv[0] == "sh"}  # as they were first run
    assert typed[-1][0] == "root", "its data may be an older kubeup's"
    done = [name for name in scripts if name in ("write", "filter", "run")]
    assert done == ["write", "filter", "run"] and "filter.sh" in scripts["filter"]
    machine_service.Drop(db).run(print)
    assert 'sh "$2/filter.sh" remove' in typed[-1][2] and typed[-1][5] == machine.FOLDER
    more = replace(db, clients=lambda: ("192.168.60.10", "192.168.60.11", "192.168.60.12"))
    (step,) = todo(machine_service.plan(more, as_wanted(db)))
    assert step.reason == "filter.sh new or changed"


def test_the_server_shows_its_certificate_and_refuses_plain_text(
    db: DatabaseVm, tmp_path: Path
) -> None:
    def service(one: DatabaseVm) -> dict[str, Any]:
        found: dict[str, Any] = yaml.safe_load(one.compose())["services"]["mysql"]
        return found

    one = replace(db, tls_folder=tmp_path / "tls")
    before = service(one)
    tls.MakeCertificate(tmp_path / "tls").run(print)
    after = service(one)
    assert "--require-secure-transport=ON" in after["command"]
    assert before["labels"] != after["labels"], "compose makes the container anew by that alone"
    assert "./tls.key:/run/kubeup-tls/tls.key:ro" in after["volumes"]
    files = one.files()
    assert files["tls.key"] == (tmp_path / "tls" / "tls.key").read_text()
    assert machine.mode_of("tls.key") == "600" and not any("ca.key" in name for name in files)
    opened = replace(one, guarded=lambda: False)
    assert "--require-secure-transport=OFF" in service(opened)["command"]


def test_a_readable_env_file_is_written_anew(db: DatabaseVm) -> None:
    found = as_wanted(db)
    files = {**found.files, ".env": found.files[".env"].replace(" 600", " 644")}
    assert (
        todo(machine_service.plan(db, replace(found, files=files)))[0].reason
        == ".env new or changed"
    )


def test_what_is_somebody_elses_is_refused_by_name(db: DatabaseVm) -> None:
    taken = service_state.parse(
        FRESH + 'port LISTEN 0 5 0.0.0.0:3306 0.0.0.0:* users:(("mariadbd",pid=77,fd=3))\n'
    )
    error = error_of(machine_service.plan, db, taken)
    assert (
        isinstance(error, Refused)
        and "port 3306 of dev-worker-1 is taken" in error.what
        and "mariadbd" in error.why
    )
    theirs = service_state.parse(
        RUNNING.replace("project kubeup-db /var/lib/kubeup/db", "project kubeup-db /srv/theirs")
    )
    assert "/srv/theirs" in error_of(machine_service.plan, db, theirs).why
    nobodys = service_state.parse(RUNNING.replace("project kubeup-db /var/lib/kubeup/db\n", ""))
    assert "named kubeup-db already" in error_of(machine_service.plan, db, nobodys).what
    beside = service_state.parse(
        RUNNING + 'port LISTEN 0 5 127.0.0.1:3306 0.0.0.0:* users:(("mariadbd",pid=77,fd=3))\n'
    )
    assert "is taken" in error_of(machine_service.plan, db, beside).what


def test_the_service_is_open_to_the_nodes_alone_and_holds_no_password(db: DatabaseVm) -> None:
    text = db.compose()
    service = yaml.safe_load(text)["services"]["mysql"]
    assert (
        service["network_mode"] == "host" and "--bind-address=192.168.60.11" in service["command"]
    )
    assert (
        service["restart"] == "unless-stopped"
        and "ports" not in service
        and "environment" not in service
    )
    assert (
        yaml.safe_load(text)["volumes"]["data"]["driver_opts"]["device"]
        == "/var/lib/kubeup/data/mysql-vm"
    )
    assert not any(value in text for value in SECRET.values() if value != "api")
    assert "secret" not in repr(db.server("api", "api").dump())


def test_its_env_file_is_read_by_a_shell(db: DatabaseVm) -> None:
    import shlex

    read = dict(line.split("=", 1) for line in shlex.split(db.env_text()))
    assert read == {
        "MYSQL_ROOT_PASSWORD": SECRET["ROOT_PASSWORD"],
        "MYSQL_ROOT_HOST": "localhost",
        **{key: value for key, value in SECRET.items() if key != "ROOT_PASSWORD"},
    }


def test_a_plan_needs_no_passwords_yet(db: DatabaseVm) -> None:
    def none() -> dict[str, str]:
        raise Refused("no passwords yet")

    assert (
        len(todo(machine_service.plan(replace(db, secret=none), service_state.parse(FRESH)))) == 3
    )


def test_data_of_other_passwords_are_refused(
    db: DatabaseVm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "admits", lambda *_: False)
    error = error_of(machine_service.Run(db)._require_password)
    assert (
        isinstance(error, Refused)
        and error.what == "the data on dev-worker-1 were made with other passwords"
    )


BOOM = Output(1, "", "boom")


@pytest.mark.parametrize(
    "does",
    [
        DatabaseVm.inspect,
        DatabaseVm.tools,
        lambda db: machine_service.Trust(db).run(print),
        lambda db: machine_service.BringImage(db).run(print),
        lambda db: machine_service.Install(db)._run("can't install docker", "true"),
        lambda db: machine_service.Stop(db).run(print),
        lambda db: machine_service.Drop(db).run(print),
        lambda db: db.write(".env", "secret"),
    ],
)
def test_what_fails_on_the_machine_is_told_in_its_words(
    does: Callable[[DatabaseVm], object],
    db: DatabaseVm,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ssh, "run", lambda *_, **__: BOOM)
    monkeypatch.setattr(ssh, "feed", lambda *_, **__: BOOM)
    error = error_of(does, db)
    assert error.what.startswith("dev-worker-1 ") and error.why == "boom"


def test_a_service_that_does_not_come_up_is_told(
    db: DatabaseVm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ssh, "run", lambda *_, **__: BOOM)
    monkeypatch.setattr(DatabaseVm, "write", lambda *_: None)
    monkeypatch.setattr(DatabaseVm, "tools", lambda _: Tools())
    assert (
        error_of(machine_service.Run(db).run, print).what
        == "no docker compose works on dev-worker-1"
    )
    monkeypatch.setattr(DatabaseVm, "compose_command", lambda _: "docker compose")
    assert "can't keep others from" in error_of(machine_service.Run(db).run, print).what
    monkeypatch.setattr(
        ssh, "run", lambda _, *argv, **__: BOOM if "run" in argv else Output(0, "", "")
    )
    assert (
        error_of(machine_service.Run(db).run, print).what == "dev-worker-1 can't start its database"
    )


def test_one_that_is_not_well_is_no_proof(db: DatabaseVm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DatabaseVm, "inspect", lambda _: replace(as_wanted(db), health="starting"))
    assert error_of(db.status).what == "the database on dev-worker-1 is running, starting"
    monkeypatch.setattr(DatabaseVm, "inspect", lambda _: as_wanted(db))
    assert "mysql-vm" in db.status()
