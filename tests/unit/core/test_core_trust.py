"""Certificates of the settings, read from real files, and what programs here are told of."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from builders import DATA, DESKTOP, error_of, recorded, settings, state

from kubeup.facts import sites
from kubeup.facts.registries import registries
from kubeup.images.mirrors import Mirrors
from kubeup.system import certificates
from kubeup.workflows import loading
from kubeup.workflows.project import Project

FILES = DATA / "certificates"
AUTHORITY = recorded("certificates/authority.pem")


def read(folder: Path, *names: str) -> certificates.Authorities:
    return certificates.read(settings(folder, f"network: {{ca_certificates: {list(names)}}}"))


def test_the_administrators_are_taken_and_named_ones_added(
    tmp_path: Path, administrators_certificates: Path
) -> None:
    assert certificates.read(settings(tmp_path)) == certificates.Authorities()
    (administrators_certificates / "below").mkdir(parents=True)
    shutil.copy(FILES / "authority.pem", administrators_certificates / "below" / "company.crt")
    shutil.copy(
        FILES / "ended.pem", administrators_certificates / "company.pem"
    )  # Debian takes .crt alone
    assert certificates.read(settings(tmp_path)).pems == (AUTHORITY,)
    assert read(tmp_path).pems == ()
    assert (
        read(tmp_path, str(FILES / "authority.pem")).pems
        == read(tmp_path, "auto", str(FILES / "described.pem")).pems
        == (AUTHORITY,)
    )


def test_a_name_is_looked_for_from_the_projects_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(FILES / "authority.pem", tmp_path / "company.pem")
    monkeypatch.setattr("kubeup.system.certificates.PROJECT", tmp_path)
    assert read(tmp_path, "company.pem").pems == (AUTHORITY,)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("authority.der", "which holds no PEM: it may be a certificate in DER"),
        ("authority.p12", "which holds a PKCS #12 keystore"),
        ("nowhere.pem", "which can't be read: No such file or directory"),
        ("", "which can't be read: Is a directory"),
    ],
)
def test_what_a_user_names_has_to_be_a_certificate(tmp_path: Path, name: str, says: str) -> None:
    (problem,) = read(tmp_path, "auto", str(FILES / name)).problems
    assert (problem.severity, problem.key) == (
        "error",
        "network.ca_certificates.1",
    ) and problem.line == 5
    assert says in problem.found and "no key" in problem.allowed


def test_one_that_is_broken_inside_is_refused(tmp_path: Path) -> None:
    lines = AUTHORITY.splitlines()
    (tmp_path / "broken.pem").write_text("\n".join([lines[0], lines[2], lines[1], *lines[3:]]))
    (problem,) = read(tmp_path, str(tmp_path / "broken.pem")).problems
    assert "1 certificates that can't be read" in problem.found


def test_what_the_administrator_has_beside_certificates_is_left_out(
    tmp_path: Path, administrators_certificates: Path
) -> None:
    administrators_certificates.mkdir()
    (administrators_certificates / "key.crt").write_text(
        AUTHORITY + "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n"
    )
    found = certificates.read(settings(tmp_path))
    (problem,) = found.problems
    assert found.pems == () and problem.severity == "warning" and "a private key" in problem.found


@pytest.mark.parametrize(
    ("name", "says"), [("server.pem", "no authority's"), ("ended.pem", "ended on Jan  1")]
)
def test_doubts(tmp_path: Path, name: str, says: str) -> None:
    found = read(tmp_path, str(FILES / name))
    (problem,) = found.problems
    assert problem.severity == "warning" and says in problem.found and len(found.pems) == 1


def test_a_bundle_of_all_that_is_trusted(tmp_path: Path) -> None:
    ended = recorded("certificates/ended.pem")
    (tmp_path / "bundle.pem").write_text(ended)
    found = read(tmp_path, str(FILES / "authority.pem"))
    assert found.bundle and not found.bundle.exists(), "looking changes nothing"
    found.write_bundle()
    assert found.bundle.read_text().count("BEGIN CERTIFICATE") == 2 and found.environment == {
        "SSL_CERT_FILE": str(found.bundle)
    }
    assert certificates.context([found.bundle.read_text()]) is not None
    assert certificates.Authorities().environment == {}


def test_they_are_trusted_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bundle.pem").write_text(recorded("certificates/ended.pem"))
    found = read(tmp_path, str(FILES / "authority.pem"))
    with found.trusted():
        assert os.environ["SSL_CERT_FILE"] == str(found.bundle)
        assert Path(os.environ["SSL_CERT_FILE"]).exists()
    assert "SSL_CERT_FILE" not in os.environ
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "bundle.pem"))
    with read(tmp_path, str(FILES / "authority.pem")).trusted():
        assert os.environ["SSL_CERT_FILE"] != str(tmp_path / "bundle.pem")
    assert os.environ["SSL_CERT_FILE"] == str(tmp_path / "bundle.pem")


def test_where_the_machine_trusts_them_anyway_its_own_file_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bundle.pem").write_text(AUTHORITY)
    assert read(tmp_path, str(FILES / "authority.pem")).bundle == tmp_path / "bundle.pem"
    (tmp_path / "named.pem").write_text("")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "named.pem"))
    assert read(tmp_path, str(FILES / "authority.pem")).bundle != tmp_path / "bundle.pem"


def test_the_project_refuses_and_warns(tmp_path: Path) -> None:
    named = f"network: {{ca_certificates: ['{FILES / 'authority.der'}']}}"
    found = loading.problems(
        Project(settings(tmp_path, f"{{provider: local, {named}}}"), state(tmp_path), DESKTOP)
    )
    assert [one.severity for one in found if one.key.startswith("network.ca")] == ["error"]
    keys = (
        "provider: local\nlocal: {engine: docker}\nimages: {mirrors: {docker.io: []}}\n"
        f"network: {{ca_certificates: ['{FILES / 'authority.pem'}']}}"
    )
    found = loading.problems(Project(settings(tmp_path, keys), state(tmp_path), DESKTOP))
    assert {one.key: one.severity for one in found} == {
        "network.ca_certificates": "warning",
        "images.mirrors": "warning",
    }
    assert all("local.engine to podman" in one.hint for one in found)


def test_a_machine_without_such_a_file_gets_none_with_these_alone(tmp_path: Path) -> None:
    found = read(tmp_path, str(FILES / "authority.pem"))
    found.write_bundle()
    assert found.pems and found.bundle is None and found.environment == {}


def test_programs_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bundle.pem").write_text(recorded("certificates/ended.pem"))
    monkeypatch.setattr("kubeup.images.mirrors.OWN", ())
    keys = (
        f"network: {{ca_certificates: ['{FILES / 'authority.pem'}']}}\n"
        "images: {mirrors: {docker.io: ['https://mirror.example.com']}}"
    )
    one = Project(settings(tmp_path, keys), state(tmp_path), DESKTOP)
    assert {*one.environment} == {"SSL_CERT_FILE", "CONTAINERS_REGISTRIES_CONF"}
    one.write_environment()
    assert all(Path(path).read_text() for path in one.environment.values())
    assert one.builder.bundle == Path(one.environment["SSL_CERT_FILE"])
    assert Project(settings(tmp_path), state(tmp_path), DESKTOP).environment == {}


def test_podmans_own_file_is_taken_along_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.conf"
    own.write_text('unqualified-search-registries = ["quay.io"]\n')
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(own))
    known = registries({"docker.io": ["https://mirror.example.com"]}, [])
    first = Mirrors(known)
    first.write()
    assert (
        first.file.read_text().startswith(own.read_text())
        and "mirror.example.com" in first.file.read_text()
    )
    assert own.read_text() == 'unqualified-search-registries = ["quay.io"]\n'
    monkeypatch.setenv(
        "CONTAINERS_REGISTRIES_CONF", os.fspath(first.file)
    )  # a command that another one of ours has started
    assert Mirrors(known).file == first.file
    assert Mirrors(registries({}, ["10.0.0.7:5000"])).environment == {}
    own.write_text("[[registry\n")
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(own))
    assert "podman reads it, too" in error_of(lambda: Mirrors(known).text).next


def test_a_registry_answers_where_a_mirror_of_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, other = sites.manifest("registry-1.docker.io", "a", "1"), sites.Question("https://b/c")
    mirror = "https://mirror.example.com/v2/hub/a/manifests/1"

    def observe(questions: tuple[sites.Question, ...]) -> object:
        assert [one.url for one in questions] == [hub.url, other.url, mirror]
        found = {one.url: sites.silent(one, "away") for one in questions}
        return replace(DESKTOP, answers={**found, mirror: sites.answered(hub)})

    monkeypatch.setattr("kubeup.system.machine.observe", observe)
    keys = "images: {mirrors: {docker.io: ['https://mirror.example.com/hub']}}"
    found = loading._asked(settings(tmp_path, keys), (hub, other)).answers
    assert {url: answer.yes for url, answer in found.items()} == {hub.url: True, other.url: False}
