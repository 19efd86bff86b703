"""A certificate authority of the tests' own, by openssl, and a registry that it vouches for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.real.harness import output

NEW = ("openssl", "req", "-newkey", "rsa:2048", "-noenc")


@dataclass(frozen=True)
class Authority:
    """An authority whose key lies in `folder`."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "authority.pem"

    @property
    def key(self) -> Path:
        return self.folder / "authority.key"

    def make(self) -> Authority:
        self.folder.mkdir(parents=True, exist_ok=True)
        output(*NEW, "-x509", "-days", "2", "-subj", "/CN=authority of the tests",
               "-keyout", str(self.key), "-out", str(self.certificate))  # fmt: skip
        return self

    def vouch(self, address: str) -> str:
        """A server's certificate for an IP address, as the registry's configuration takes it."""
        request, key, made = (self.folder / f"server.{ending}" for ending in ("csr", "key", "pem"))
        output(*NEW, "-subj", "/CN=registry", "-addext", f"subjectAltName=IP:{address}",
               "-keyout", str(key), "-out", str(request))  # fmt: skip
        output("openssl", "x509", "-req", "-in", str(request), "-CA", str(self.certificate),
               "-CAkey", str(self.key), "-CAcreateserial", "-days", "2", "-copy_extensions", "copy",
               "-out", str(made))  # fmt: skip
        return f"  tls: {{certificate: {made}, key: {key}}}\n"
