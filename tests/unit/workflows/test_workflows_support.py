"""What is packed for who helps: every source, and no secret of any of them."""

from __future__ import annotations

import base64
import io
import json
import stat
import tarfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from builders import DESKTOP, access, error_of, on_record, reach, settings, state
from hypothesis import given
from hypothesis import strategies as st
from invoke import Context

from kubeup.core import shell
from kubeup.core.errors import KubeupError, Mistake, Refused
from kubeup.core.options import Options
from kubeup.core.report import HIDDEN, Report
from kubeup.core.shell import Output
from kubeup.core.state import State, write_private
from kubeup.facts import kubeconfig
from kubeup.inspect import doctor, status, support
from kubeup.inspect.doctor import Finding
from kubeup.inspect.redaction import Redaction
from kubeup.system import ssh
from kubeup.system.kubectl import Kubectl
from kubeup.workflows import up
from kubeup.workflows.project import Project
from tasks import namespace

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\n{}\n{}\n-----END OPENSSH PRIVATE KEY-----\n"
LINES = ("b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQCANARYKEYLINEONE", "c2Vjb25kCANARYLINETWO00")
# by where each lies; all of them are in all sources as well
CANARIES = {
    "root's in .env": "CANARY-root Pa'ss\"1",
    "the user's in .env": "CANARY/user+pass=2",
    "one that waits": "CANARY-next-3",
    "another value of .env": "CANARY-api-token-4",
    "the settings": "CANARY-ssh-5",
    "the key's first line": LINES[0],
    "the key's second line": LINES[1],
    "the database's key": "CANARYTLSKEYLINE6666",
    "a proxy": "CANARYproxy7",
    "the kubeconfig's key": base64.b64encode(b"CANARY-kubeconfig-8").decode(),
    "the kubeconfig's token": "CANARYkubetoken9",
    "a Secret edited by hand": "CANARY-secret-10",
}
# of nobody that is known here: seen by their looks
LOOKS = {
    "a JWT": "eyJhbGciOiJSUzI1NiIsImtpZCI6.eyJpc3MiOiJrdWJlcm5ldGVzCANARY.SflKxwRJSMeKKF2QT4fw",
    "kubeadm's token": "canary.0123456789abcdef",
    "another's login": "https://bob:CANARYbob@mirror.example.com/v2/",
    "another's password": "DB_PASSWORD=CANARYother1",
    "one with blanks": '{"password": "CANARY two words"}',
    "one of SQL": "ALTER USER 'a'@'%' IDENTIFIED BY 'CANARY sql'",
    "an option": "mysqladmin --password CANARYoption status",
    "a header": "Authorization: Bearer CANARYbearer1234",
    "basic": "authorization: Basic Q0FOQVJZOmJhc2lj",
    "age's": "AGE-SECRET-KEY-1CANARYQQQQQQQQQ",
    "a certificate": "-----BEGIN CERTIFICATE-----\nMIICANARYcert\n-----END CERTIFICATE-----",
    "a key in JSON": json.dumps(
        "-----BEGIN RSA PRIVATE KEY-----\nMIICANARYrsa\n-----END RSA PRIVATE KEY-----"
    ),
    "one in base64": base64.b64encode(b"-----BEGIN CERTIFICATE-----\nCANARY").decode(),
    "a key that was cut off": "-----BEGIN EC PRIVATE KEY-----\nMHcCANARYcut",
}
PLAIN = "Access denied for user 'products'@'10.244.1.7' (using password: YES)"


def poison() -> str:
    """All of them in all the ways in which they are written, beside what is no secret."""
    lines = [PLAIN]
    for value in CANARIES.values():
        data = value.encode()
        lines += [
            f"said {value}.",
            json.dumps({"env": value}),
            f"https://a/?p={quote(value, safe='')}",
        ]
        lines += [base64.b64encode(data).decode(), base64.b64encode(data + b"\n").decode()]
    lines += LOOKS.values()
    # as a pod logs JSON, and as that is put into JSON
    return "\n".join((*lines, *map(json.dumps, lines)))


def secrets_of(text: str) -> list[str]:
    """Which canaries are left in a text, however they are written."""
    written = ["CANARY", "canary.", "Q0FOQVJZ"]  # as it is, and in base64
    for value in CANARIES.values():
        data = value.encode()
        written += [value, json.dumps(value)[1:-1], quote(value, safe="")]
        written += [base64.b64encode(data).decode().rstrip("=")]
    return [one for one in written if one in text]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    place = state(tmp_path)
    monkeypatch.setattr(State, "secrets", property(lambda self: tmp_path / ".env"))
    env = dict(zip(("ROOT", "USER", "NEXT", "API"), list(CANARIES.values())[:4], strict=True))
    root = env["ROOT"].replace("'", "\\'")
    write_private(
        tmp_path / ".env",
        f"MYSQL_ROOT_PASSWORD='{root}'\nMYSQL_PASSWORD='{env['USER']}'\n"
        f"MYSQL_ROOT_PASSWORD_NEXT={env['NEXT']}\nAPI_TOKEN={env['API']}\nDEBUG=products\n",
    )
    write_private(place.private_key, KEY.format(*LINES))
    write_private(place.tls / "tls.key", "-----BEGIN X-----\n" + CANARIES["the database's key"])
    write_private(
        place.kubeconfig,
        access().replace(
            "client-key-data: bm9uZQ==",
            "client-key-data: "
            + CANARIES["the kubeconfig's key"]
            + ", token: "
            + CANARIES["the kubeconfig's token"],
        ),
    )
    on_record(place, provider="local")
    write_private(place.folder / "journal.jsonl", poison())
    host = replace(DESKTOP, proxies={"https_proxy": "http://ana:CANARYproxy7@proxy:3128"})
    one = Project(settings(tmp_path, f"ssh: {{password: {CANARIES['the settings']}}}"), place, host)
    cluster(monkeypatch)
    return one


def cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is asked says all of them."""
    secret = {
        "data": {
            "MYSQL_PASSWORD": base64.b64encode(b"CANARY-secret-10").decode(),
            "MYSQL_USER": "cHJvZHVjdHM=",
        }
    }
    pod = {
        "kind": "Pod",
        "metadata": {"name": "api-1", "namespace": "default", "labels": {}},
        "spec": {"containers": []},
        "status": {"phase": "Running", "containerStatuses": []},
    }

    def items(self: Kubectl, kind: str, *_: str) -> list[object]:
        return [secret] if kind == "secrets" else [pod]

    def fail(*_: object, **__: object) -> None:
        raise KubeupError("it can't be planned", poison(), "")

    said = lambda *_, **__: Output(0, poison(), poison())  # noqa: E731
    monkeypatch.setattr(Kubectl, "answers", lambda self: True)
    monkeypatch.setattr(Kubectl, "items", items)
    monkeypatch.setattr(Kubectl, "look", said)
    monkeypatch.setattr(shell, "read", said)
    monkeypatch.setattr(shell, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(ssh, "run_all", lambda *_, **__: {"dev-control": said()})
    monkeypatch.setattr(doctor, "findings", lambda _: [Finding("nodes", False, poison(), poison())])
    monkeypatch.setattr(status, "collect", lambda _: None)
    monkeypatch.setattr(status, "show", lambda _, out: out.say(poison()))
    monkeypatch.setattr(up, "plan", fail)


def pack(project: Project, to: str = "", **more: bool) -> str:
    out = io.StringIO()
    support.pack(project, Report(out), Options("support", **{"yes": True, **more}), to)
    return out.getvalue()


def packed(path: Path) -> dict[str, str]:
    with tarfile.open(path) as tar:
        entries = tar.getmembers()
        assert all(entry.mode == 0o600 and entry.uname == "" for entry in entries)
        return {
            entry.name.partition("/")[2]: tar.extractfile(entry).read().decode()  # type: ignore[union-attr]
            for entry in entries
        }


def test_no_canary_of_any_source_is_in_the_archive(project: Project, tmp_path: Path) -> None:
    assert secrets_of(poison()), "the test itself would see them"
    said = pack(project, str(tmp_path / "help.tar.gz"))
    files = packed(tmp_path / "help.tar.gz")
    assert set(files) == {
        "versions.txt",
        "machine.json",
        "settings.json",
        "record.json",
        "plan.txt",
        "journal.jsonl",
        "doctor.json",
        "status.txt",
        "cluster/objects.txt",
        "cluster/events.txt",
        "logs/default-api-1.log",
        "nodes/dev-control.log",
    }
    for name, text in files.items():
        assert secrets_of(text) == [], name
        assert name in said
        poisoned = name not in ("settings.json", "record.json")
        assert (HIDDEN in text) == poisoned, name
        assert (PLAIN in text or PLAIN.replace("'", "\\'") in text) == (
            poisoned and name != "machine.json"
        ), f"{name}: what helps is still there"
    assert secrets_of(said) == []
    assert "CANARY" not in (tmp_path / "help.tar.gz").read_bytes().decode(errors="replace")


def test_it_is_shown_and_asked_about_before_it_is_written(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(project.state.folder.iterdir())
    assert "doctor.json" in pack(project, dry=True)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert isinstance(error_of(lambda: pack(project, yes=False)), Refused)
    assert set(project.state.folder.iterdir()) == before
    pack(project)
    (written,) = set(project.state.folder.iterdir()) - before
    assert written.name.startswith("kubeup-support-dev-") and written.name.endswith(".tar.gz")
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    mine = tmp_path / "mine"
    mine.write_text("mine")
    assert isinstance(error_of(pack, project, str(mine)), Refused) and mine.read_text() == "mine"


def test_a_source_that_breaks_says_so_and_the_others_are_packed(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> None:
        raise KeyError("MYSQL_PASSWORD")

    monkeypatch.setattr(doctor, "findings", broken)
    (project.state.folder / "journal.jsonl").unlink()
    pack(project, str(tmp_path / "help"))
    files = packed(tmp_path / "help")
    assert "KeyError: 'MYSQL_PASSWORD'" in files["doctor.json"]
    assert "FileNotFoundError" in files["journal.jsonl"] and HIDDEN in files["plan.txt"]


def test_a_cluster_that_does_not_answer_is_no_reason(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Kubectl, "answers", lambda self: False)
    pack(project, str(tmp_path / "help"))
    assert not [name for name in packed(tmp_path / "help") if name.startswith("logs/")]


def test_where_passwords_are_not_known_nothing_is_packed(project: Project) -> None:
    project.state.secrets.write_bytes(b"MYSQL_PASSWORD=\xff\xfe")
    assert "UTF-8" in error_of(pack, project).what
    assert not list(project.state.folder.glob("kubeup-support*"))


def test_a_secret_that_is_left_is_a_mistake_and_nothing_is_written(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Redaction, "of_text", lambda self, text: text)
    assert isinstance(error_of(pack, project), Mistake)
    assert not list(project.state.folder.glob("kubeup-support*"))


def test_a_record_that_can_not_be_understood_is_packed_as_it_is(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is what somebody may ask help for."""
    write_private(project.state.folder / "state.json", "{broken")
    asked = list[str]()

    def opened(_: object, strict: bool, record: str = "") -> tuple[Project, Report]:
        asked.append(record)
        if not record:
            raise Refused("state.json can't be understood")
        return project, Report(io.StringIO())

    monkeypatch.setattr("kubeup.cli.main.open_project", opened)
    namespace["support"](Context(), yes=True, to=str(tmp_path / "help"))
    assert asked == ["", "state.json.none"]
    assert packed(tmp_path / "help")["record.json"] == "{broken"


def test_a_large_source_is_cut_at_its_end(project: Project, tmp_path: Path) -> None:
    write_private(project.state.folder / "journal.jsonl", "x" * 3_000_000 + "\nthe last")
    pack(project, str(tmp_path / "help"))
    text = packed(tmp_path / "help")["journal.jsonl"]
    assert len(text) <= support.LARGEST and text.endswith("the last")


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        "secret/mysql configured",
        "the token is expired",
        'pods "api-5d9" is forbidden: exceeded quota: none',
        "x509: certificate signed by unknown authority",
        'Error: secret "mysql" not found',
        "http://192.168.60.10:31000/products?q=a@b",
    ],
)
def test_what_helps_stays(text: str) -> None:
    assert Redaction.of(["pw", ""]).of_text(text) == text


@given(st.text(min_size=4).filter(lambda text: len(text.strip()) >= 4), st.text())
def test_a_known_secret_is_nowhere(secret: str, around: str) -> None:
    redaction = Redaction.of([secret])
    text = redaction.of_text(f"{around}{secret}{around}")
    assert secret.strip() not in text.replace(HIDDEN, "")


def test_a_password_may_look_like_the_begin_of_a_key() -> None:
    redaction = Redaction.of(["-----ab", "[client]\npassword = x\nshort"])
    assert redaction.of_text("it was -----ab, of [client]") == f"it was {HIDDEN}, of [client]"


def test_a_kubeconfig_that_is_cut_off_still_tells_its_secrets() -> None:
    text = access() + "  token: 'abcdefgh'\n    client-key-"
    assert {"abcdefgh", "bm9uZQ==", "none"} <= set(kubeconfig.secrets(text))


def test_how_a_node_is_reached_is_no_secret() -> None:
    assert Redaction.of(["zzzz"]).of_text(str(reach().address)) == "192.168.60.11"
