"""TLS to a real database: what is not certain of its server gets no password."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as forms
from cryptography.hazmat.primitives.asymmetric import ec

from tests.apiprocess import Api, environment, run_to_end, uri, wait_until
from tests.dbserver import DATABASE, DatabaseServer

StartApi = Callable[[dict[str, str]], Api]


def named(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


OURS = named("an authority of the tests")


@dataclass
class Authority:
    """One that vouches for servers by their address."""

    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self._key = ec.generate_private_key(ec.SECP256R1())
        basic = x509.BasicConstraints(ca=True, path_length=0)
        self._write("ca", self._builder(OURS, self._key).add_extension(basic, critical=True), self._key)

    @property
    def file(self) -> str:
        return str(self.folder / "ca.crt")

    def options(self, address: str) -> tuple[str, ...]:
        """A server's options for a certificate of its address."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
        builder = self._builder(named(address), key).add_extension(names, critical=False)
        self._write(address, builder, key)
        return (f"--ssl-cert={self.folder / address}.crt", f"--ssl-key={self.folder / address}.key")

    @staticmethod
    def _builder(subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(OURS).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))

    def _write(self, name: str, builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> None:
        signed = builder.sign(self._key, hashes.SHA256())
        (self.folder / f"{name}.crt").write_bytes(signed.public_bytes(forms.Encoding.PEM))
        plain = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
        (self.folder / f"{name}.key").write_bytes(plain)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls") / "ours")


@pytest.fixture
def other(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "theirs")


@pytest.fixture
def serve(server: DatabaseServer) -> Iterator[Callable[..., None]]:
    """Start the server anew by options; as it was once the test has ended."""

    def again(*options: str) -> None:
        server.stop()
        server.options = options
        server.start()

    yield again
    again()


def trusting(server: DatabaseServer, file: str) -> dict[str, str]:
    return {**environment(server), "MYSQL_SSL_CA": file}


def why_not(api: Api) -> str:
    """What /readyz says of the database, once it has been tried."""
    wait_until(lambda: "error" in api.client.get("/readyz").text, "the database was tried")
    return api.client.get("/readyz").text


def test_a_server_that_refuses_plain_text_is_served_by_tls(
    server: DatabaseServer, serve: Callable[..., None], authority: Authority, start_api: StartApi
) -> None:
    serve(*authority.options("127.0.0.1"), "--require-secure-transport=ON")
    api = start_api(trusting(server, authority.file))
    api.wait_ready()
    assert api.client.get("/products").status_code == 200


def test_a_server_without_tls_gets_nothing(
    server: DatabaseServer, serve: Callable[..., None], authority: Authority, start_api: StartApi
) -> None:
    # MariaDB 11.4 and newer make a certificate of their own where none is named
    serve("--skip-ssl" if "mariadb" in server.binary else "--tls-version=")
    assert "TLS (error 2026)" in why_not(start_api(trusting(server, authority.file)))


@pytest.mark.parametrize("wrong", ["authority", "name"])
def test_another_certificate_gets_nothing(
    wrong: str,
    server: DatabaseServer,
    serve: Callable[..., None],
    authority: Authority,
    other: Authority,
    start_api: StartApi,
) -> None:
    serve(*(authority if wrong == "name" else other).options("127.0.0.2" if wrong == "name" else "127.0.0.1"))
    api = start_api(trusting(server, authority.file))
    assert "no certificate that this service trusts" in why_not(api)
    serve(*authority.options("127.0.0.1"))
    api.wait_ready()


def test_a_renewed_certificate_is_taken_without_a_new_start(
    server: DatabaseServer, serve: Callable[..., None], authority: Authority, start_api: StartApi
) -> None:
    serve(*authority.options("127.0.0.1"))
    api = start_api(trusting(server, authority.file))
    api.wait_ready()
    serve(*authority.options("127.0.0.1"))
    api.wait_ready()


def test_a_file_that_is_no_authority_ends_the_start(server: DatabaseServer, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch()
    for file in (empty, tmp_path / "none"):
        done = run_to_end(trusting(server, str(file)))
        assert done.returncode == 2
        assert f"MYSQL_SSL_CA names {file}" in done.stderr


def test_a_uri_does_not_weaken_it(server: DatabaseServer, authority: Authority) -> None:
    text = f"{uri(server, DATABASE)}?ssl_check_hostname=false"
    done = run_to_end({"DATABASE_URI": text, "MYSQL_SSL_CA": authority.file})
    assert done.returncode == 2
    assert "MYSQL_SSL_CA and DATABASE_URI" in done.stderr
