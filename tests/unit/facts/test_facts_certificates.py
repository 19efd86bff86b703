"""What a file of certificates holds, and the script that makes a machine trust some of them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from builders import DATA, recorded

from kubeup.facts import certificates

FILES = DATA / "certificates"
AUTHORITY, SERVER = recorded("certificates/authority.pem"), recorded("certificates/server.pem")
KEY = "-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----\n"


def test_certificates_of_a_text() -> None:
    """openssl's words around it, Windows' ends of lines and longer lines make no other one of
    it.
    """
    (pem,) = certificates.pems(AUTHORITY)
    described = recorded("certificates/described.pem")
    assert described != AUTHORITY and certificates.pems(described) == (pem,)
    body = "".join(AUTHORITY.splitlines()[1:-1])
    assert certificates.pems(AUTHORITY.replace("\n", "\r\n")) == (pem,)
    assert certificates.pems(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----") == (
        pem,
    )
    assert pem == AUTHORITY
    assert certificates.pems(AUTHORITY + SERVER + described) == (AUTHORITY, SERVER)
    assert certificates.pems("nothing") == ()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("authority.pem", ""),
        ("described.pem", ""),
        ("authority.der", "no PEM: it may be a certificate in DER"),
        ("authority.p12", "a PKCS #12 keystore"),
        ("authority.p7b", "a PKCS #7 bundle"),
        ("request.pem", "a request for a certificate"),
    ],
)
def test_what_is_no_certificate_is_told(name: str, says: str) -> None:
    assert certificates.wrong((FILES / name).read_bytes()) == says


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        AUTHORITY + KEY,
        KEY.replace("EC PRIVATE", "ENCRYPTED PRIVATE"),
        KEY.replace("EC PRIVATE", "PRIVATE"),
    ],
)
def test_a_private_key_is_no_ones_business(text: str) -> None:
    assert certificates.wrong(text.encode()) == "a private key"


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xfe\x00"])
def test_other_files(data: bytes) -> None:
    assert certificates.wrong(data) == "no certificate"
    assert certificates.wrong(AUTHORITY.encode()[:90] + data) == "a certificate that is not whole"


def test_a_file_is_named_by_its_content() -> None:
    assert certificates.file_name(AUTHORITY) != certificates.file_name(SERVER)
    assert certificates.file_name(AUTHORITY) == certificates.file_name(
        certificates.pems(recorded("certificates/described.pem"))[0]
    )


@pytest.mark.processes
@pytest.mark.parametrize("tool", [True, False])
def test_the_script_brings_and_removes_ours_alone(tmp_path: Path, tool: bool) -> None:
    """Run for real in a folder: what it can't have here is the root of a machine."""
    folder, links = tmp_path / "own", tmp_path / "links"
    for path in (folder, links):
        path.mkdir()
    (folder / "company.crt").write_text("the administrator's")
    ran = tmp_path / "ran"

    def run(*known: str) -> str:
        text = (
            certificates.script(known)
            .replace(certificates.NODES_FOLDER, str(folder))
            .replace("/etc/ssl/certs", str(links))
        )
        text = text.replace("command -v update-ca-certificates", "true" if tool else "false")
        update = (
            f'update-ca-certificates() {{ echo "$@" >>{ran}; rm -f {links}/*; '
            f"for f in {folder}/*.crt; do ln -s $f {links}/$(basename $f .crt).pem; done; }}\n"
        )
        return subprocess.run(
            ["bash", "-s"], input=update + text, capture_output=True, text=True, check=True
        ).stdout

    def ours() -> set[str]:
        assert (folder / "company.crt").read_text() == "the administrator's"
        there = {path.name for path in folder.glob("kubeup-*")}
        assert {path.stem for path in links.glob("kubeup-*")} == {
            name.removesuffix(".crt") for name in there
        }
        return there

    assert run() == "" and not ours()
    assert run(AUTHORITY, SERVER) == "changed\n" and ours() == set(
        certificates.names([AUTHORITY, SERVER])
    )
    assert (folder / certificates.file_name(AUTHORITY)).read_text() == AUTHORITY
    assert run(SERVER, AUTHORITY) == ""
    assert run(SERVER) == "changed\n" and ours() == {certificates.file_name(SERVER)}
    (links / certificates.file_name(SERVER).replace(".crt", ".pem")).unlink()
    assert run(SERVER) == "changed\n", "a machine whose root file system was made anew"
    assert run() == "changed\n" and not ours()
    assert ran.exists() == tool
