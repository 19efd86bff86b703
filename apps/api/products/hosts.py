"""Which names this service is called by: DNS rebinding makes a browser call it by a name of somebody else's.

A page of evil.example whose name then leads to this service's address is of the same origin as this service, for
the browser. It takes a name: an address cannot be made to lead elsewhere, and one without a dot is nobody's to sell.
"""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from products.routes.health import PROBES


class AllowedHosts:
    """ASGI middleware that refuses requests to names that are not this service's.

    Starlette's own TrustedHostMiddleware takes names alone, and the nodes' addresses are not known here.
    """

    def __init__(self, app: ASGIApp, names: Collection[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the application, or answer 421."""
        # Through the API server Kubernetes asks by whatever name that one has.
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        header = Headers(scope=scope).get("host")
        name = host_name(header or "")
        # A browser always says what it asks for.
        if header is None or is_allowed(name, self._names):
            await self._app(scope, receive, send)
            return
        detail = f"not called {name!r} here: use an address, or add the name to ALLOWED_HOSTS (ports.hosts in kubeup)"
        await JSONResponse({"detail": detail}, 421)(scope, receive, send)


def host_name(header: str) -> str:
    """Return the name or address in a Host header, without its port; "" where there is none."""
    try:
        return (urlsplit(f"//{header}").hostname or "").removesuffix(".")
    except ValueError:
        return ""


def is_allowed(name: str, names: Collection[str]) -> bool:
    """Say whether it is an address, a name without a dot, one of ``names``, or below one of them with a dot first."""
    return bool(name) and (
        _is_address(name)
        or "." not in name
        or name in names
        or any(name.endswith(suffix) for suffix in names if suffix.startswith("."))
    )


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
