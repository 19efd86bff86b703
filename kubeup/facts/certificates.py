"""Certificates of a company's own authorities: what a file holds, and who keeps them where."""

from __future__ import annotations

import hashlib
import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

AUTO = "auto"  # in the settings: those that this machine's administrator added
NODES_FOLDER = "/usr/local/share/ca-certificates"  # of Debian and Ubuntu, which nodes are
PREFIX = "kubeup-"  # of the names of our files there: others stay
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"  # what Debian's and Alpine's programs read

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END CERTIFICATE-----")
_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----")
_OTHER = re.compile(r"-----BEGIN ([A-Z0-9 ]{1,40})-----")
_WORDS = {
    "CERTIFICATE": "a certificate that is not whole",
    "CERTIFICATE REQUEST": "a request for a certificate",
    "NEW CERTIFICATE REQUEST": "a request for a certificate",
    "X509 CRL": "a list of revoked certificates",
    "PUBLIC KEY": "a public key",
    "PKCS7": "a PKCS #7 bundle",
    "TRUSTED CERTIFICATE": "a certificate in OpenSSL's own form",
}


@dataclass(frozen=True)
class Store:
    """Where a distribution's administrator puts certificates.

    The names of those files have an `ending`, any where it is ''. `bundle` is the file that is
    made of all that is trusted.
    """

    anchors: str
    ending: str
    bundle: str


# by update-ca-certificates(8) of Debian, update-ca-trust(8) of Fedora and of Arch, and
# update-ca-certificates(8) of openSUSE; the first whose folder is there counts
STORES = (
    Store(NODES_FOLDER, ".crt", BUNDLE),
    Store("/etc/pki/ca-trust/source/anchors", "", "/etc/pki/tls/certs/ca-bundle.crt"),
    Store("/etc/ca-certificates/trust-source/anchors", "", BUNDLE),
    Store("/etc/pki/trust/anchors", "", "/etc/ssl/ca-bundle.pem"),
)
OTHERS = "/etc/ssl/cert.pem"  # such a file of macOS and Alpine


def pems(text: str) -> tuple[str, ...]:
    """Every certificate of a text in PEM, each once and written the same way (RFC 7468)."""
    bodies = ("".join(body.split()) for body in _PEM.findall(text))
    return tuple(dict.fromkeys(_pem(body) for body in bodies))


def _pem(body: str) -> str:
    lines = textwrap.wrap(body, 64)
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""])


def wrong(data: bytes) -> str:
    """What a file holds that can't be trusted; '' for one with certificates in PEM and no key."""
    text = data.decode("ascii", errors="replace")
    if _KEY.search(text):
        return "a private key"
    if pems(text):
        return ""
    if data[:1] == b"\x30":  # ASN.1's SEQUENCE; RFC 7292: a PFX begins with the number 3
        return (
            "a PKCS #12 keystore"
            if b"\x02\x01\x03" in data[1:8]
            else "no PEM: it may be a certificate in DER"
        )
    found = _OTHER.search(text)
    return _WORDS.get(found[1], f"{found[1].lower()} in PEM") if found else "no certificate"


def file_name(pem: str) -> str:
    """The name of a certificate's file on a node, by its content."""
    return f"{PREFIX}{hashlib.sha256(pem.encode()).hexdigest()[:16]}.crt"


def names(known: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(file_name(pem) for pem in known))


def script(known: Iterable[str]) -> str:
    """A shell script for root: a machine trusts these authorities, and no earlier ones of ours.

    It prints `changed` where it had something to do. A machine without update-ca-certificates
    gets links in a folder that Go's programs read as well (crypto/x509's root_linux.go).
    """
    wanted = {file_name(pem): pem for pem in known}
    files = "".join(f"put {name} <<'END'\n{pem}END\n" for name, pem in sorted(wanted.items()))
    return _SCRIPT.format(
        folder=NODES_FOLDER, prefix=PREFIX, names=" ".join(sorted(wanted)), files=files
    )


_SCRIPT = """\
set -e
changed=
install -d {folder}
cd {folder}
put() {{
  if test -e "$1"; then cat >/dev/null; return; fi
  cat >".$1.new"
  chmod 644 ".$1.new"
  mv ".$1.new" "$1"
  changed=1
}}
{files}
for file in {prefix}*.crt; do
  case " {names} " in *" $file "*) ;; *) test ! -e "$file" || {{ rm "$file"; changed=1; }} ;; esac
done
trusted() {{
  for file in {names}; do test -e "/etc/ssl/certs/${{file%.crt}}.pem" || return 1; done
}}
if test -z "$changed" && trusted; then exit 0; fi
if command -v update-ca-certificates >/dev/null; then
  update-ca-certificates --fresh >/dev/null
else
  rm -f /etc/ssl/certs/{prefix}*.pem
  for file in {names}; do ln -sf "{folder}/$file" "/etc/ssl/certs/${{file%.crt}}.pem"; done
fi
echo changed
"""
