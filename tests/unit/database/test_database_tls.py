"""The database's certificate: made, renewed in time, and served by a real server."""

from __future__ import annotations

import re
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from builders import error_of, state
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from mariadb import MariaDb

from kubeup.application.overlay import BASE, OFFERS_TLS
from kubeup.core import record
from kubeup.core.errors import Refused
from kubeup.core.plan import Holds
from kubeup.database import access
from kubeup.system import tls

API_HOST = "mysql-0.mysql-headless.default.svc.cluster.local"  # as the API's manifest has it


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tls.MakeCertificate(tmp_path / "tls").run(print)
    return tmp_path / "tls"


def openssl(folder: Path, authority: Path, *words: str) -> str:
    """What OpenSSL says of the certificate by an authority."""
    done = subprocess.run(
        ["openssl", "verify", "-x509_strict", "-CAfile", authority, *words, folder / "tls.crt"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout + done.stderr


@pytest.mark.real
def test_openssl_takes_it_for_the_names_that_clients_use(folder: Path) -> None:
    authority = folder / "ca.crt"
    for name in ("mysql-headless", "mysql-0.mysql-headless", "mysql-headless.default.svc"):
        assert ": OK" in openssl(folder, authority, "-verify_hostname", name), name
    host = yaml.safe_load((BASE / "api" / "api.yaml").read_text().split("---")[2])
    env = host["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "MYSQL_HOST", "value": API_HOST} in env and API_HOST in tls.NAMES
    assert ": OK" in openssl(folder, authority, "-verify_hostname", API_HOST)
    other = openssl(folder, authority, "-verify_hostname", "mysql.example")
    assert "hostname mismatch" in other.lower()
    usage = ("-purpose", "sslclient")  # nobody is let in by it
    assert "certificate purpose" in openssl(folder, authority, *usage)


def test_keys_are_their_owners_alone_and_made_once(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    for name in ("ca.key", "tls.key"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    assert tls.due(folder) == "" and [type(one) for one in tls.plan(folder)] == [Holds]
    assert tls.MakeCertificate(folder).already() == "another command has made it"
    assert "ca.key" not in tls.texts(folder), "the authority's key never leaves this machine"


def test_nothing_is_there_until_it_is_made(tmp_path: Path) -> None:
    (step,) = tls.plan(tmp_path / "tls")
    assert (str(step.id), step.reason) == ("secrets/certificate", "not there")
    assert set(tls.texts(tmp_path / "tls").values()) == {""} and not (tmp_path / "tls").exists()


@pytest.mark.real
def test_it_is_renewed_before_it_ends_by_the_same_authority(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority, before = (folder / "ca.crt").read_text(), (folder / "tls.crt").read_text()
    late = datetime.now(UTC) + tls.LASTS - tls.RENEWED

    class Later(datetime):
        at = late - timedelta(days=1)

        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return cls.at

    monkeypatch.setattr(tls, "datetime", Later)
    assert tls.due(folder) == ""
    Later.at = late + timedelta(days=1)
    assert tls.due(folder).startswith("it ends on 20")
    tls.MakeCertificate(folder).run(print)
    assert tls.due(folder) == "" and (folder / "ca.crt").read_text() == authority
    assert (folder / "tls.crt").read_text() != before

    Later.at = datetime.now(UTC) + tls.AUTHORITY_LASTS - tls.LASTS - tls.RENEWED / 2
    tls.MakeCertificate(folder).run(print)
    assert tls.due(folder) == "" and (folder / "ca.crt").read_text() != authority
    # who has the earlier authority takes the new certificate: it has the same key
    (tmp_path / "earlier.crt").write_text(authority)
    moment = f"{Later.at.timestamp():.0f}"
    for trusted in (tmp_path / "earlier.crt", folder / "ca.crt"):
        assert ": OK" in openssl(folder, trusted, "-attime", moment)


@pytest.mark.parametrize("lost", sorted(tls.FILES))
def test_what_was_cut_off_or_lost_is_made_anew(folder: Path, lost: str) -> None:
    key = (folder / "ca.key").read_text()
    (folder / lost).unlink()
    assert tls.due(folder) == "not there"
    tls.MakeCertificate(folder).run(print)
    assert tls.due(folder) == ""
    assert ((folder / "ca.key").read_text() == key) == (lost != "ca.key")


def test_a_pair_that_does_not_fit_is_made_anew(folder: Path, tmp_path: Path) -> None:
    tls.MakeCertificate(tmp_path / "other").run(print)
    (folder / "tls.key").write_text((tmp_path / "other" / "tls.key").read_text())
    assert tls.due(folder) == "its key is another's"
    (folder / "tls.crt").write_text((tmp_path / "other" / "tls.crt").read_text())
    assert tls.due(folder) == "another authority's"
    tls.MakeCertificate(folder).run(print)
    assert tls.due(folder) == ""


def test_other_names_are_a_reason(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "NAMES", (*tls.NAMES, "another"))
    assert tls.due(folder) == "it has other names"


def test_a_key_of_another_kind_is_refused(folder: Path) -> None:
    made = rsa.generate_private_key(65537, 2048).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    (folder / "ca.key").write_bytes(made)
    error = error_of(tls.MakeCertificate(folder).run, print)
    assert isinstance(error, Refused) and "no key on an elliptic curve" in error.why
    assert (folder / "ca.key").read_bytes() == made


@pytest.mark.parametrize("name", ["ca.crt", "ca.key", "tls.crt", "tls.key"])
def test_what_can_not_be_understood_is_left_as_it_is(folder: Path, name: str) -> None:
    (folder / name).write_text("something else\n")
    for asked in (tls.plan, lambda one: tls.MakeCertificate(one).run(print)):
        if asked is tls.plan or name.startswith("ca."):
            error = error_of(asked, folder)
            assert isinstance(error, Refused) and name in error.what
    if name.startswith("ca."):
        assert (folder / name).read_text() == "something else\n"


def served(folder: Path) -> list[str]:
    """The options of the server's manifest, with this folder in the place of the pod's."""
    documents = yaml.safe_load_all((BASE / "db" / "database.yaml").read_text())
    stateful = next(one for one in documents if one["kind"] == "StatefulSet")
    args = stateful["spec"]["template"]["spec"]["containers"][0]["args"]
    return [one.replace("/run/kubeup-tls", str(folder)) for one in args]


@pytest.fixture(scope="module")
def maria(tmp_path_factory: pytest.TempPathFactory) -> MariaDb:
    one = MariaDb(tmp_path_factory.mktemp("maria"))
    one.install()
    return one


@pytest.mark.real
def test_a_real_server_refuses_plain_text_and_root_and_takes_what_is_local(
    maria: MariaDb, folder: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    where = ("--host=127.0.0.1", f"--port={port}")
    verified = ("--ssl", f"--ssl-ca={folder / 'ca.crt'}")
    # without names an address is none of localhost's: the client is one from elsewhere
    with maria.running(*served(folder), "--skip-name-resolve", port=port) as server:
        # MariaDB before 11.8 says it as of a wrong password; MySQL's error is 3159 as well
        assert re.search(r"ERROR (1045|3159)", maria.logs_in("api", *where, "--skip-ssl"))
        assert maria.logs_in("api", *where, *verified) == "in"
        assert "ERROR 2026" in maria.logs_in(
            "api", *where, "--ssl", "--ssl-ca=/etc/ssl/certs/ca-certificates.crt"
        )
        assert "ERROR 1045" in maria.logs_in("root", *where, *verified)
        # what kubeup and the probes use
        assert server.sql("SELECT 6 * 7").strip() == "42" and server.admits("api", "pppppppp")
        with socket.create_connection(("127.0.0.1", port), 5):
            pass
    offered = [OFFERS_TLS if one.startswith("--require") else one for one in served(folder)]
    assert offered != served(folder)
    with maria.running(*offered, port=port):
        assert maria.logs_in("api", *where, "--skip-ssl") == "in"
        assert maria.logs_in("api", *where, *verified) == "in"


class Again:
    """Stands for what brings the server up: what was on record by then."""

    def __init__(self, of: object) -> None:
        self.of, self.seen = of, list[bool]()

    def run(self, log: object) -> None:
        self.seen.append(record.read(self.of).guarded)  # type: ignore[arg-type]


def test_the_record_comes_before_the_server_that_is_started_by_it(
    tmp_path: Path, held_profile: None
) -> None:
    of = state(tmp_path)
    again = Again(of)
    access.RequireTls(of, again).run(print)  # type: ignore[arg-type]
    assert again.seen == [True]
