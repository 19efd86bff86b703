"""Tries what is open to somebody without any credentials: run in a pod and on this machine alike.

It is sent on standard input to a Python with its standard library alone. The first argument is
JSON, {name: [kind, address, port]}; the answer is JSON, {name: what came}: `open`, `asks` where it
wants to know who it is, `closed` where nothing comes about. Kinds: http, https, tls (a client's
certificate is asked for), greeting (a server that speaks first: SSH, MySQL).
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

SECONDS = 4.0
OPEN, ASKS, CLOSED = "open", "asks", "closed"


def knock(kind: str, address: str, port: int) -> str:
    try:
        return {"http": page, "https": page, "tls": handshake, "greeting": greeting}[kind](
            kind, address, port
        )
    except ssl.SSLError:
        return ASKS  # it spoke TLS, and wanted a certificate
    except (OSError, http.client.HTTPException):
        return CLOSED


def page(kind: str, address: str, port: int) -> str:
    connection: http.client.HTTPConnection
    if kind == "https":
        connection = http.client.HTTPSConnection(
            address, port, timeout=SECONDS, context=unchecked()
        )
    else:
        connection = http.client.HTTPConnection(address, port, timeout=SECONDS)
    connection.request("GET", "/pods" if port == 10250 else "/")
    return ASKS if connection.getresponse().status in (401, 403) else OPEN


def handshake(kind: str, address: str, port: int) -> str:
    plain = socket.create_connection((address, port), timeout=SECONDS)
    with unchecked().wrap_socket(plain) as secure:
        # TLS 1.3 tells a client without a certificate after its side of the handshake
        secure.sendall(b"GET /version HTTP/1.1\r\nHost: x\r\n\r\n")
        return OPEN if secure.recv(100) else ASKS


def greeting(kind: str, address: str, port: int) -> str:
    with socket.create_connection((address, port), timeout=SECONDS) as connection:
        return ASKS if connection.recv(100) else CLOSED


def unchecked() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


if __name__ == "__main__":
    targets: dict[str, Any] = json.loads(sys.argv[1])
    with ThreadPoolExecutor(len(targets)) as pool:
        came = pool.map(lambda target: knock(*target), targets.values())
        print(json.dumps(dict(zip(targets, came, strict=True))))
