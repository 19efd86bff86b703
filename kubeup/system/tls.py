"""The profile's own certificate authority, and the database's certificate that it vouches for.

The same for every provider: it lies in the profile's folder, so that clusters which are not ours
need give no authority away. One certificate serves wherever the database runs, as its clients know
it by one name.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from kubeup.core import ids
from kubeup.core.errors import Refused
from kubeup.core.plan import Holds, Log, Planned, Step
from kubeup.core.state import write_private

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate, CertificateBuilder, KeyUsage, Name

AUTHORITY, AUTHORITY_KEY = "ca.crt", "ca.key"
CERTIFICATE, KEY = "tls.crt", "tls.key"
FILES = (AUTHORITY, AUTHORITY_KEY, CERTIFICATE, KEY)
SERVICE = "mysql-headless.default.svc.cluster.local"
# of the Service and of the pod, as short as DNS in the cluster completes them
NAMES = tuple(
    ".".join([*pod, *SERVICE.split(".")[:labels]])
    for pod in ([], ["mysql-0"])
    for labels in (1, 2, 3, 5)
)
LASTS = timedelta(days=365)
RENEWED = timedelta(days=30)  # before its end
AUTHORITY_LASTS = timedelta(days=3650)
# what it vouches for must not outlive it
AUTHORITY_RENEWED = LASTS + 2 * RENEWED
EARLIER = timedelta(days=1)  # clocks of nodes may be slow


def texts(folder: Path) -> dict[str, str]:
    """The certificates and the server's key by their names; '' for what is not made yet."""
    return {name: _text(folder / name) for name in (AUTHORITY, CERTIFICATE, KEY)}


def plan(folder: Path) -> list[Planned]:
    """What makes the certificate, or makes it anew in time. Raises Refused."""
    why = due(folder)
    if not why:
        return [Holds(ids.CERTIFICATE, "there, and good for a while")]
    title, action = "make the database's certificate", MakeCertificate(folder)
    return [Step(ids.CERTIFICATE, title, why, action, seconds=0.2)]


def due(folder: Path) -> str:
    """Why a certificate has to be made (anew); '' where the one that is there does.

    Raises Refused for files that are no certificates and keys.
    """
    if not all((folder / name).exists() for name in FILES):
        return "not there"
    authority, certificate = (_certificate(folder / name) for name in (AUTHORITY, CERTIFICATE))
    now = datetime.now(UTC)
    if _public(_key(folder / KEY)) != _public(certificate):
        return "its key is another's"
    if not _signed(authority, certificate) or _public(_key(folder / AUTHORITY_KEY)) != _public(
        authority
    ):
        return "another authority's"
    if _names(certificate) != NAMES:
        return "it has other names"
    if now + RENEWED > certificate.not_valid_after_utc:
        return f"it ends on {certificate.not_valid_after_utc:%Y-%m-%d}"
    if now + AUTHORITY_RENEWED - RENEWED > authority.not_valid_after_utc:
        return f"its authority ends on {authority.not_valid_after_utc:%Y-%m-%d}"
    return ""


@dataclass(frozen=True)
class MakeCertificate:
    """Make a certificate and its key, and the authority where there is none, or it ends.

    An authority keeps its key and its name: who trusts the earlier one trusts what the new one
    vouches for (RFC 5280, section 6.1), so that nobody has to hear of it first.
    """

    folder: Path

    def already(self) -> str:
        return "" if due(self.folder) else "another command has made it"

    def run(self, log: Log) -> None:
        folder = self.folder
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        now = datetime.now(UTC)
        authority_key = _kept_key(folder / AUTHORITY_KEY)
        authority = _kept_authority(folder / AUTHORITY, authority_key, now)
        key = _new_key()
        certificate = _server_certificate(key, authority, authority_key, now)
        # the key first: a cut leaves a pair that does not fit, which is due
        write_private(folder / KEY, _pem_of_key(key))
        write_private(folder / CERTIFICATE, _pem(certificate))
        log(f"{folder / CERTIFICATE}, good until {certificate.not_valid_after_utc:%Y-%m-%d}")


def _kept_key(path: Path) -> EllipticCurvePrivateKey:
    """The authority's, which is made once and never overwritten."""
    if path.exists():
        return _key(path)
    key = _new_key()
    write_private(path, _pem_of_key(key))
    return key


def _kept_authority(path: Path, key: EllipticCurvePrivateKey, now: datetime) -> Certificate:
    """The authority's certificate: what is there, or one of the same key that lasts longer."""
    if path.exists():
        known = _certificate(path)
        if _public(known) == _public(key) and now + AUTHORITY_RENEWED < known.not_valid_after_utc:
            return known
    made = _authority(key, now)
    write_private(path, _pem(made))
    return made


def _authority(key: EllipticCurvePrivateKey, now: datetime) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    name = _name("kubeup: the database's authority")
    builder = _builder(name, name, key, now, AUTHORITY_LASTS)
    return (
        builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _server_certificate(
    key: EllipticCurvePrivateKey,
    authority: Certificate,
    authority_key: EllipticCurvePrivateKey,
    now: datetime,
) -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in NAMES])
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    builder = _builder(_name(NAMES[0]), authority.subject, key, now, LASTS)
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(names, critical=False)
        .add_extension(issuer, critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(
    subject: Name, issuer: Name, key: EllipticCurvePrivateKey, now: datetime, lasts: timedelta
) -> CertificateBuilder:
    from cryptography import x509

    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + lasts)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common: str) -> Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


def _usage(signs_certificates: bool) -> KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def _pem_of_key(key: EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives import serialization as forms

    plain = (forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    return key.private_bytes(*plain).decode()


def _pem(certificate: Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode()


def _public(of: EllipticCurvePrivateKey | Certificate) -> bytes:
    """A public key, to be compared."""
    from cryptography.hazmat.primitives import serialization as forms

    return of.public_key().public_bytes(forms.Encoding.DER, forms.PublicFormat.SubjectPublicKeyInfo)


def _signed(authority: Certificate, certificate: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def _names(certificate: Certificate) -> tuple[str, ...]:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(found.value.get_values_for_type(x509.DNSName))


def _certificate(path: Path) -> Certificate:
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None


def _key(path: Path) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise _unreadable(path, error) from None
    if not isinstance(key, EllipticCurvePrivateKey):
        raise _unreadable(path, "it is no key on an elliptic curve")
    return key


def _unreadable(path: Path, why: object) -> Refused:
    return Refused(
        f"{path} can't be understood",
        str(why),
        "put it back as it was; or move the folder it is in away: `inv up` makes another "
        "authority then, and the API trusts the database again once it is deployed anew",
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
