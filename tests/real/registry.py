"""A registry of the tests' own: Debian's, and what it holds."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx

from tests.real.harness import until


def serve(tool: str, folder: Path, address: str, more: str = "") -> subprocess.Popen[bytes]:
    """A registry in a process; `more` are lines of its configuration, those below `http` first."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: warn}}\nstorage:\n  filesystem: {{rootdirectory: "
        f"{folder / 'data'}}}\nhttp:\n  addr: {address}\n{more}"
    )
    log = (folder / "log").open("wb")
    process = subprocess.Popen([tool, "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    scheme = "https" if "tls:" in more else "http"
    until(lambda: answers(address, scheme) or process.poll() is not None,
          f"the registry at {address}", 20, 0.1)  # fmt: skip
    assert process.poll() is None, (folder / "log").read_text()
    return process


def answers(address: str, scheme: str = "http") -> bool:
    try:
        # whether its certificate is trusted is what the tests look at
        answer = httpx.get(f"{scheme}://{address}/v2/", trust_env=False, verify=False)  # noqa: S501
        return answer.status_code in (200, 401)
    except httpx.TransportError:
        return False


def options(registry: str) -> tuple[str, ...]:
    """A registry that is asked without TLS."""
    return (*over_tls(registry), "--set", "images.insecure=true")


def over_tls(registry: str) -> tuple[str, ...]:
    return ("--set", f"images.registry={registry}", "--set", "images.prefix=tests")


def held(registry: str, auth: tuple[str, str] | None = None) -> dict[str, list[str]]:
    scheme = "https" if auth else "http"  # no login goes in clear
    with httpx.Client(
        base_url=f"{scheme}://{registry}/v2",
        trust_env=False,
        auth=auth,
        verify=False,  # noqa: S501 - what it holds is looked at
    ) as client:
        names = client.get("/_catalog").json()["repositories"] or []
        return {name: client.get(f"/{name}/tags/list").json()["tags"] for name in names}
