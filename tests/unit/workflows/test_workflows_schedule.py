"""Backups that run by themselves, as plans and in words: begun, kept, told, fetched and ended."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import scenarios
import yaml
from builders import by_id, error_of, on_record, reach, settings, state, three
from scenarios import ABOUT, EVERY_6_HOURS, IN_CLUSTER, World, standing

from kubeup.application import data
from kubeup.application import schedule as wanted
from kubeup.application.overlay import Overlay
from kubeup.application.place import Place
from kubeup.application.saved_data import StopInCluster
from kubeup.application.schedule import PERIODS, Backups
from kubeup.core import ids, lock, record
from kubeup.core.errors import KubeupError, UsageError
from kubeup.core.plan import Plan
from kubeup.core.record import BY_HAND, VM, Location, Schedule
from kubeup.core.shell import Output
from kubeup.core.state import write_private
from kubeup.database import backups, machine_schedule, machine_service, service_state, stored
from kubeup.database import schedule as accounts
from kubeup.database.backups import Listed
from kubeup.database.machine import DatabaseVm, checksums
from kubeup.database.server import Server
from kubeup.database.service_state import ServiceState
from kubeup.facts import manifests
from kubeup.facts.kubernetes import KubeWorkload
from kubeup.images.catalog import AppImage
from kubeup.inspect import doctor
from kubeup.system import ssh, tls
from kubeup.system.kubectl import Kubectl
from kubeup.workflows import cluster, database, rotation, scheduled
from kubeup.workflows import move as moving
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.down import ForgetAccess
from kubeup.workflows.project import Project

ON_MACHINE = Location(VM, "dev-worker-1")
SECRET = {
    "ROOT_PASSWORD": "root-secret",
    "MYSQL_DATABASE": "api",
    "MYSQL_USER": "api",
    "MYSQL_PASSWORD": "api-secret",
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with scenarios.world(tmp_path) as there:
        yield there


def project(world: World, keys: str = "", **known: Any) -> Project:
    one = replace(world.project(keys), stands_on="local")
    on_record(one.state, provider="local", **{"database": IN_CLUSTER, "guarded": True, **known})
    tls.MakeCertificate(one.state.tls).run(print)
    world.passwords()
    world.access(one)
    return one


def differing(world: World, *objects: str, **facts: Any) -> None:
    """What the cluster has otherwise than it is rendered, of the database's objects."""
    kinds = [name.split() for name in objects]
    rendered = [
        {"kind": kind, "metadata": {"name": name, "labels": {"app": "db"}}} for kind, name in kinds
    ]
    world.patch.setattr("kubeup.facts.manifests.changed", lambda _: objects)
    world.patch.setattr("kubeup.facts.manifests.documents", lambda _: rendered)
    seen = ClusterFacts(three(), **{**standing(three()), **facts})
    world.patch.setattr(cluster, "observe", lambda *_: seen)


def let_in(one: Project) -> None:
    """The account is there, as it is to be."""
    where = f"{one.database_on} {one.location(one.database_on)}"
    mark = accounts.account_mark(one.backups, where)
    on_record(one.state, schedule=replace(EVERY_6_HOURS, account=mark))


def of_schedule(plan: Plan) -> list[str]:
    return [name for name in by_id(plan) if "schedule" in name or name == "deploy/db"]


def test_asked_for_it_is_on_record_before_anything_follows_from_it(world: World) -> None:
    one = project(world)
    differing(world, "CronJob mysql-backup", "Secret mysql-backup")
    plan = scheduled.plan(one, "6h", 5, off=False)
    steps = by_id(plan)
    assert of_schedule(plan) == ["db/schedule-choice", "deploy/db", "db/schedule"]
    assert steps["deploy/db"].reason == "CronJob mysql-backup, Secret mysql-backup new or changed"
    chosen = steps["db/schedule-choice"].action.schedule  # type: ignore[attr-defined]
    assert (chosen.every, chosen.keep) == ("6h", 5)
    assert ids.CHOOSE_SCHEDULE in steps["db/schedule"].needs


def test_nothing_that_is_the_same_is_applied(world: World) -> None:
    one = project(world, schedule=EVERY_6_HOURS)
    differing(world, schedules=True)
    let_in(one)
    assert of_schedule(world.up(one, three(), **standing(three()), schedules=True)) == []
    # asked for again its account is made anew, and what is not said stays
    for every, keep in (("6h", 7), ("", 0)):
        assert of_schedule(scheduled.plan(one, every, keep, off=False)) == ["db/schedule"]
    changed = ["db/schedule-choice", "db/schedule"]
    assert of_schedule(scheduled.plan(one, "", 3, off=False)) == changed


def test_up_puts_back_what_is_wanted_and_missing(world: World) -> None:
    one = project(world, schedule=EVERY_6_HOURS)
    differing(world, "CronJob mysql-backup")
    world.patch.setattr("kubeup.application.deployment.Deployment.diff", lambda *_: "changed")
    plan = world.up(one, three(), **standing(three()))
    assert of_schedule(plan) == ["deploy/db", "db/schedule"]
    assert {ids.DEPLOY_DATABASE, ids.ANSWERS} <= set(by_id(plan)["db/schedule"].needs)


def test_one_that_was_cut_off_before_its_account_was_let_in_is_finished(world: World) -> None:
    one = project(world, schedule=EVERY_6_HOURS)
    differing(world, schedules=True)
    seen = {**standing(three()), "schedules": True}
    (step,) = [row for name, row in by_id(world.up(one, three(), **seen)).items() if "sch" in name]
    asleep = {**seen, "workloads": (KubeWorkload("mysql", "db", 1, 0),)}
    steps = {one.id: one for one in world.up(one, three(), **asleep)}
    assert ids.wait_for("db") in steps[ids.SCHEDULE].needs, (
        "a database that is not up is waited for"
    )
    asked = list[str]()
    world.patch.setattr(Server, "sql", lambda _, text, *__, **___: asked.append(text) or "8.4.3")
    with lock.profile(one.state.folder, "a test"):
        step.action.run(print)
    assert "CREATE USER IF NOT EXISTS" in asked[-1]
    assert of_schedule(world.up(one, three(), **seen)) == []
    # so it is where root's password, and with it the account's, is another one
    write_private(one.state.secrets, "MYSQL_ROOT_PASSWORD=qqqqqqqq\nMYSQL_PASSWORD=pppppppp\n")
    assert of_schedule(world.up(one, three(), **seen)) == ["db/schedule"]


def test_off_ends_it_and_a_run_that_was_cut_off_is_finished(world: World) -> None:
    one = project(world, schedule=EVERY_6_HOURS)
    differing(world, schedules=True)
    plan = scheduled.plan(one, "", 0, off=True)
    assert of_schedule(plan) == ["db/schedule-choice", "db/unschedule-cluster"]
    on_record(one.state, schedule=BY_HAND)
    assert of_schedule(scheduled.plan(one, "", 0, off=True)) == ["db/unschedule-cluster"]
    gone = list[tuple[str, ...]]()
    world.patch.setattr(Kubectl, "write", lambda _, *words, **__: gone.append(words))
    dropped = list[str]()
    world.patch.setattr(Server, "sql", lambda _, text: dropped.append(text))
    by_id(plan)["db/unschedule-cluster"].action.run(print)
    assert dropped == ["DROP USER IF EXISTS 'kubeup_backup'@'%'"]
    assert ("delete", "cronjob", "mysql-backup") in [words[:3] for words in gone]
    assert not any("data-mysql-0" in words for words in gone)


@pytest.mark.parametrize("every", ["5h", "6", "24h", "every day"])
def test_a_period_that_no_cron_has_is_refused(every: str) -> None:
    error = error_of(wanted.wanted, BY_HAND, every, 0, "")
    assert isinstance(error, UsageError) and "6h" in error.next


def test_what_is_not_said_is_the_usual_and_goes_on_since_it_began() -> None:
    now = "2026-02-02T00:00:00Z"
    assert wanted.wanted(BY_HAND, "", 0, now) == Schedule("1d", 7, now)
    assert wanted.wanted(EVERY_6_HOURS, "", 3, now) == replace(EVERY_6_HOURS, keep=3)
    assert wanted.wanted(EVERY_6_HOURS, "1h", 0, now) == Schedule("1h", 7, now)
    assert "can't be kept" in error_of(wanted.wanted, BY_HAND, "", -1, now).what


@pytest.mark.real
@pytest.mark.parametrize("every", PERIODS)
def test_systemd_begins_as_often_as_is_said(every: str) -> None:
    period = PERIODS[every]
    words = ("--iterations=2", "--base-time=2026-01-05 00:00:00 UTC", period.calendar)
    told = subprocess.run(
        ["systemd-analyze", "calendar", *words],
        env={"TZ": "UTC", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    at = [
        line.split(": ")[1] for line in told.splitlines() if "Next elapse" in line or "#2" in line
    ]
    first, second = (datetime.strptime(one[4:23], "%Y-%m-%d %H:%M:%S") for one in at)
    assert (second - first).total_seconds() == period.seconds
    minute, hour, *_, day = period.cron.split()
    assert minute == (f"*/{period.seconds // 60}" if period.seconds < 3600 else "17")
    assert {"1d": ("3", "*"), "7d": ("3", "0")}.get(every, (hour, "*")) == (hour, day)
    if 3600 <= period.seconds < 86400:
        assert hour == f"*/{period.seconds // 3600}"


# in the cluster


def overlay(folder: Path, schedule: Schedule, **more: Any) -> Overlay:
    env = folder / ".env"
    env.write_text("MYSQL_ROOT_PASSWORD=root-secret\nMYSQL_PASSWORD=api-secret\n")
    place = Place("dev-worker-1", "/data", tuple)
    image = AppImage("db", "localhost/kubeup-mysql:1", None, ())
    one = Overlay(settings(folder), (image,), env, place, folder / "tls", **more)
    return replace(one, backups=Backups(one.settings, one.secret, lambda: schedule))


def test_the_cluster_gets_it_where_it_is_wanted_and_the_database_is_there(tmp_path: Path) -> None:
    for one, there in (
        (overlay(tmp_path, EVERY_6_HOURS), True),
        (overlay(tmp_path, BY_HAND), False),
        (overlay(tmp_path, EVERY_6_HOURS, machine=lambda: "192.168.60.11"), False),
    ):
        files = one.files()
        text = files["kustomization.yaml"]
        assert ("scheduled-backups" in text, "backup/client.cnf" in files) == (there, there)
        assert ("CronJob" in text) == there
    found = yaml.safe_load(overlay(tmp_path, EVERY_6_HOURS).files()["kustomization.yaml"])
    patches = {
        f"{row['target']['kind']} {row['target']['name']}": yaml.safe_load(row["patch"])
        for row in found["patches"]
    }
    assert [row["value"] for row in patches["CronJob mysql-backup"]] == [
        *("17 */6 * * *", "dev", "api", "6h", "7")
    ]
    assert [row["value"] for row in patches["PersistentVolume mysql-backups"]] == [
        *("/data/backups", ["dev-worker-1"])
    ]


def test_its_manifests_name_what_the_patches_replace() -> None:
    rows = manifests.documents((wanted.COMPONENT / "backups.yaml").read_text())
    job = next(row for row in rows if row["kind"] == "CronJob")
    pod = job["spec"]["jobTemplate"]["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    assert [row["name"] for row in container["env"]] == ["PROFILE", "DATABASE", "EVERY", "KEEP"]
    assert pod["metadata"]["labels"] == {"app": "db-backup"}, "its Service must not lead here"
    assert all(row["metadata"]["labels"] == {"app": "db"} for row in rows)
    assert "secret" not in str(container).lower(), "no password in its environment"


def test_what_it_brings_is_what_its_end_takes_away() -> None:
    rows = manifests.documents((wanted.COMPONENT / "backups.yaml").read_text())
    brought = {(row["kind"].lower(), row["metadata"]["name"]) for row in rows}
    generated = {("secret", "mysql-backup"), ("configmap", "mysql-backup")}
    assert brought | generated == set(data.SCHEDULED)


def test_the_password_is_in_a_file_alone_and_changes_with_roots(tmp_path: Path) -> None:
    text = overlay(tmp_path, EVERY_6_HOURS).files()["backup/client.cnf"]
    assert f"password={wanted.password('root-secret')}\n" in text and "root-secret" not in text
    assert wanted.password("root-secret") != wanted.password("root-secret-2")
    assert "ssl-mode=VERIFY_IDENTITY" in text and f"host={wanted.HOST}" in text
    assert wanted.HOST in tls.NAMES


def test_who_ends_the_database_ends_its_backups_first(monkeypatch: pytest.MonkeyPatch) -> None:
    typed = list[str]()
    monkeypatch.setattr(Kubectl, "write", lambda _, *words, **__: typed.append(" ".join(words)))
    StopInCluster(Kubectl(Path("kubectl"), Path("none"), "x")).run(print)
    assert typed[0].startswith("delete cronjob/mysql-backup") and "--replicas=0" in typed[1]


def test_other_peoples_cronjobs_are_none_of_ours(world: World) -> None:
    one = project(world)
    kind = {"kind": "CronJob", "metadata": {"name": "theirs", "labels": {}}}
    ours = {**kind, "metadata": {"labels": {"app.kubernetes.io/managed-by": "kubeup"}}}
    for items, schedules in (([kind], False), ([kind, ours], True)):
        answer = Output(0, json.dumps({"items": items}), "")
        world.patch.setattr(Kubectl, "look", lambda *_, answer=answer: answer)
        world.patch.setattr(type(one.provider), "observe", lambda *_: three("stopped"))
        assert cluster.observe(one).schedules is schedules


# on a machine


@pytest.fixture
def vm(tmp_path: Path) -> DatabaseVm:
    place = Place("dev-worker-1", str(tmp_path / "data"), lambda: (reach(),))
    tls.MakeCertificate(tmp_path / "tls").run(print)
    known = Backups(settings(tmp_path), lambda: SECRET, lambda: EVERY_6_HOURS)
    return DatabaseVm(
        place,
        AppImage("db", "localhost/kubeup-mysql:1", None, ()),
        lambda: SECRET,
        tmp_path / ".env",
        tmp_path / "tls",
        lambda: ("192.168.60.10",),
        backups=known,
    )


def test_a_timer_is_made_where_its_files_differ_or_it_is_off(vm: DatabaseVm) -> None:
    files = machine_schedule.files(vm)
    assert list(files) == ["schedule.sh", "backup.sh", "client.cnf", "ca.crt"]
    assert files["backup.sh"] == wanted.SCRIPT.read_text()
    there = ServiceState(files=checksums(files), schedule="on")
    assert machine_schedule.changes(vm, there) == ""
    assert "does not run" in machine_schedule.changes(vm, replace(there, schedule="off"))
    assert "schedule.sh, backup.sh" in machine_schedule.changes(vm, ServiceState())
    readable = {**there.files, "client.cnf": there.files["client.cnf"].replace(" 600", " 644")}
    assert "client.cnf" in machine_schedule.changes(vm, replace(there, files=readable))
    none = replace(vm, backups=replace(vm.backups, schedule=lambda: BY_HAND))
    assert machine_schedule.files(none) == {} and machine_schedule.changes(none, there) == ""
    assert vm.files().keys().isdisjoint(files), "the service itself stays as it is"


def test_its_plan_waits_for_the_service_and_leaves_a_good_one_alone(world: World) -> None:
    keys = "database: {on: vm}"
    one = project(world, keys, schedule=EVERY_6_HOURS, database=ON_MACHINE)
    machine = one.machine
    let_in(one)
    files = checksums({**machine.files(), **machine_schedule.files(machine)})
    runs = ServiceState(
        daemon=True, image=True, files=files, schedule="on", filtered=True, state="running",
        health="healthy", running_image=machine.image.reference, pid="7",
        containers={"kubeup-db": "/var/lib/kubeup/db"},
    )  # fmt: skip
    world.patch.setattr("kubeup.workflows.up._look_at_machine", lambda _: runs)
    differing(world)
    seen = standing(three())
    assert of_schedule(world.up(one, three(), **seen)) == []
    world.patch.setattr(
        "kubeup.workflows.up._look_at_machine", lambda _: replace(runs, schedule="off")
    )
    (step,) = [
        row for name, row in by_id(world.up(one, three(), **seen)).items() if "sched" in name
    ]
    assert step.id == ids.SCHEDULE and ids.MACHINE_SERVICE in step.needs
    # one in the cluster is of no use then
    plan = world.up(one, three(), **seen, schedules=True)
    assert "db/unschedule-cluster" in by_id(plan)
    on_record(one.state, schedule=BY_HAND)
    assert of_schedule(world.up(one, three(), **seen)) == ["db/unschedule-vm"]


def test_before_its_database_is_in_use_a_machine_makes_no_backups(world: World) -> None:
    one = project(world, schedule=EVERY_6_HOURS)
    assert machine_schedule.files(one.machine) == {}
    on_record(one.state, database=ON_MACHINE)
    assert machine_schedule.files(one.machine)


def test_it_goes_with_the_database_and_with_its_passwords(world: World) -> None:
    one = project(world, schedule=EVERY_6_HOURS)
    moved = by_id(moving.plan(one, "vm"))["db/schedule"]
    assert ids.TIDY in moved.needs
    assert isinstance(moved.action, accounts.Begin) and moved.action.machine is not None
    machine = moved.action.machine
    assert machine_schedule.files(machine) == {}
    on_record(one.state, database=ON_MACHINE, left=IN_CLUSTER)  # as the switch does
    assert machine_schedule.files(machine), "the timer begins once the name leads there"
    rotated = by_id(rotation.plan(one))
    assert {ids.DEPLOY_DATABASE, ids.DEPLOY_API} <= set(rotated["db/schedule"].needs)
    on_record(one.state, schedule=BY_HAND)
    assert "db/schedule" not in by_id(rotation.plan(one))


def test_what_it_had_is_found_in_one_look() -> None:
    for name in ("schedule.sh", "backup.sh", "client.cnf", "ca.crt"):
        assert name in service_state.LOOK
    assert service_state.parse("schedule on\n").schedule == "on"
    assert service_state.parse("schedule \n").schedule == ""


UNITS = "/etc/systemd/system"
TOLD = 'echo "$(basename "$0") $*" >>"$TOLD"'


@pytest.mark.processes
def test_its_script_makes_units_runs_the_image_and_takes_all_away(
    vm: DatabaseVm, tmp_path: Path
) -> None:
    told, units, folder = tmp_path / "told", tmp_path / "units", tmp_path / "files"
    for one in (units, folder, tmp_path / "bin"):
        one.mkdir()
    for name in ("systemctl", "docker", "install"):
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{TOLD}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    script = folder / "schedule.sh"
    text = machine_schedule.files(vm)["schedule.sh"]
    script.write_text(text.replace(UNITS, str(units)).replace("/var/lib/kubeup/db", str(folder)))
    assert "secret" not in text and wanted.password("root-secret") not in text

    def run(verb: str) -> list[str]:
        told.write_text("")
        env = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "TOLD": str(told)}
        done = subprocess.run(["sh", str(script), verb], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return told.read_text().splitlines()

    run("install")
    assert "OnCalendar=0/6:17\nPersistent=true" in (units / "kubeup-db-backup.timer").read_text()
    started = f"ExecStart=/bin/sh {folder}/schedule.sh run"
    assert started in (units / "kubeup-db-backup.service").read_text()
    ran = run("run")[-1]
    for words in (
        "--network host --add-host mysql-0.mysql-headless.default.svc.cluster.local:192.168.60.11",
        "--user 999:999 --read-only --cap-drop ALL",
        "--env PROFILE=dev --env DATABASE=api --env EVERY=6h --env KEEP=7",
        f"--volume {tmp_path}/data/backups:/backups",
        f"--volume {folder}/client.cnf:/run/kubeup-backup/client.cnf:ro",
        "--entrypoint bash localhost/kubeup-mysql:1 /run/kubeup-script/backup.sh",
    ):
        assert words in ran
    run("remove")
    assert list(units.iterdir()) == []


def test_backups_on_a_machine_of_the_users_go_by_name_alone(
    vm: DatabaseVm, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = list[tuple[str, ...]]()
    monkeypatch.setattr(ssh, "run", lambda _, *words, **__: ran.append(words) or Output(0, "", ""))
    folder = f"{vm.place.folder}/backups"
    machine_service.Drop(vm).run(print)
    assert "unschedule" in ran[0] and not any(folder in words for words in ran)
    machine_service.Drop(vm, backups=True).run(print)
    assert folder in ran[-1]
    ran.clear()
    machine_service.Stop(vm).run(print)
    assert ["unschedule" in words for words in ran] == [True, False]


def test_with_its_data_the_wish_is_forgotten_and_kept_without(tmp_path: Path) -> None:
    of = state(tmp_path)
    for with_data, left in ((False, EVERY_6_HOURS), (True, BY_HAND)):
        on_record(of, schedule=EVERY_6_HOURS)
        with lock.profile(of.folder, "a test"):
            ForgetAccess(of, with_data).run(print)
        assert record.read(of).schedule == left


# told


NOW = "2026-03-01T12:00:00Z"
GOOD = replace(
    ABOUT, file="a-scheduled.sql.zst", bytes=3, made="2026-03-01T06:17:00Z", scheduled=True,
    restored="2026-03-01T06:18:00Z",
)  # fmt: skip


def printed(*rows: backups.BackupManifest, now: str = NOW, last: str = "") -> stored.Stored:
    lines = [f"backup 3 {one.file} {json.dumps(asdict(one))}" for one in rows]
    text = "\n".join([f"now {now}", *([f"last {last}"] if last else []), *lines])
    return stored.parse("dev-worker-1", text)


FAILED = '{"began": "x", "ended": "y", "ok": false, "why": "no room for a further backup"}'


@pytest.mark.parametrize(
    ("found", "words", "wrong"),
    [
        (printed(GOOD), "every 6h, 7 kept; the last is a-scheduled.sql.zst", ""),
        (printed(GOOD, last=FAILED), "the last is", "the last run failed: no room for a further"),
        (printed(GOOD, now="2026-03-01T16:00:00Z"), "the last is", "overdue: none for 9.7 hours"),
        (printed(replace(GOOD, restored="")), "none was made and restored yet", "overdue"),
        (printed(replace(GOOD, wrong="x")), "none was made and restored yet", "overdue"),
        (printed(replace(GOOD, bytes=4)), "none was made and restored yet", "overdue"),
        (printed(), "none was made and restored yet", "overdue"),
    ],
)
def test_what_fails_or_is_late_is_told(found: stored.Stored, words: str, wrong: str) -> None:
    health = stored.health(EVERY_6_HOURS, found)
    assert words in health.words and bool(health.wrong) == bool(wrong) and wrong in health.wrong


def test_one_that_was_asked_for_a_moment_ago_is_not_late() -> None:
    new = replace(EVERY_6_HOURS, since="2026-03-01T11:00:00Z")
    assert stored.health(new, printed()).wrong == ""
    running = printed(
        GOOD, last='{"began": "x", "ended": "", "ok": false, "why": "it was cut off"}'
    )
    assert stored.health(EVERY_6_HOURS, running).wrong == ""


def test_status_and_doctor_say_it_and_what_keeps_a_run_from_beginning(world: World) -> None:
    one = project(world)
    assert doctor._backups(one).ok and "inv db.schedule" in doctor._backups(one).what
    on_record(one.state, schedule=EVERY_6_HOURS)
    world.patch.setattr(ssh, "run", lambda *_, **__: Output(0, f"now {NOW}\n", ""))
    pod = {
        "metadata": {"name": "mysql-backup-1-x", "labels": {"app": "db-backup"}},
        "spec": {"containers": []},
        "status": {
            "phase": "Pending",
            "conditions": [
                {"type": "PodScheduled", "status": "False", "message": "Insufficient memory"}
            ],
        },
    }
    world.patch.setattr(Kubectl, "items", lambda *_: [pod])
    found = doctor._backups(one)
    assert not found.ok and "overdue" in found.what and "Insufficient memory" in found.what
    assert "backups" in doctor.CHECKS

    def away(*_: Any, **__: Any) -> Output:
        raise KubeupError("dev-worker-1 can't be reached by SSH", "no answer")

    world.patch.setattr(Kubectl, "items", away)
    assert "overdue" in scheduled.health(one).wrong, "also without an API server"
    world.patch.setattr(ssh, "run", away)
    assert "can't be reached" in scheduled.health(one).wrong, "unasked is not well"
    assert not scheduled.health(replace(one, stands_on="")).wrong, "a cluster that is down"


def test_machines_that_can_not_be_asked_are_in_the_list(world: World) -> None:
    line = f"now {NOW}\nbackup 3 {GOOD.file} {json.dumps(asdict(GOOD))}"
    rows = stored.lists({"one": Output(0, line, ""), "two": Output(255, "", "no answer")})
    assert database.row(rows[0])[:5] == (
        *(GOOD.file, "one", GOOD.made, "0.0 MiB", "2026-03-01T06:18:00Z"),
    )
    assert database.row(rows[1])[1] == "two" and "no answer" in database.row(rows[1])[-1]
    never = Listed(Path("b.sql.zst"), ABOUT)
    assert database.row(never)[4] == "never"
    broken = stored.lists({"one": Output(0, f"now {NOW}\nbackup 3 c.sql.gz ", "")})
    assert broken[0].wrong == "c.sql.gz.json can't be read"


# fetched


def test_one_that_a_machine_has_is_fetched_first(world: World) -> None:
    one = project(world)
    world.patch.setattr(
        scheduled, "listed", lambda _: [Listed(Path(GOOD.file), GOOD, "", "dev-worker-1")]
    )
    steps = by_id(database.restored(one, GOOD.file))
    assert next(iter(steps)) == "db/fetch" and ids.FETCH_BACKUP in steps["db/restore"].needs
    away = Listed(Path("?"), None, "can't be asked", "dev-worker-1")
    world.patch.setattr(scheduled, "listed", lambda _: [away])
    assert "can't be asked" in error_of(database.restored, one, GOOD.file).why
    world.patch.setattr(scheduled, "listed", lambda _: [])
    assert isinstance(error_of(database.restored, one, GOOD.file), UsageError)
    failed = replace(GOOD, wrong="other rows")
    world.patch.setattr(
        scheduled, "listed", lambda _: [Listed(Path(GOOD.file), failed, "", "dev-worker-1")]
    )
    assert "failed its test" in error_of(database.restored, one, GOOD.file).what


def test_what_did_not_come_whole_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [b"half"]
    monkeypatch.setattr(
        "kubeup.core.shell.save", lambda *argv, into, log: into.write_bytes(sent[0])
    )
    about = replace(GOOD, sha256=hashlib.sha256(b"whole").hexdigest(), bytes=5)
    fetch = stored.Fetch(reach(), "/data", tmp_path / GOOD.file, about)
    assert "sha256 differs" in error_of(fetch.run, print).why
    assert list(tmp_path.iterdir()) == []
    sent[0] = b"whole"
    fetch.run(print)
    assert backups.check(tmp_path / GOOD.file) == about
