"""A registry of the tests' own: Debian's, and what it holds."""

from __future__ import annotations

import subprocess
from pathlib import Path

import httpx

from tests.real.harness import until


def serve(tool: str, folder: Path, address: str, auth: str = "") -> subprocess.Popen[bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: warn}}\nstorage:\n  filesystem: {{rootdirectory: {folder / 'data'}}}\nhttp:\n  addr: {address}\n{auth}"
    )
    log = (folder / "log").open("wb")
    process = subprocess.Popen([tool, "serve", str(folder / "config.yml")], stdout=log, stderr=log)
    until(lambda: answers(address) or process.poll() is not None, f"the registry at {address}", 20, 0.1)
    assert process.poll() is None, (folder / "log").read_text()
    return process


def answers(address: str) -> bool:
    try:
        return httpx.get(f"http://{address}/v2/", trust_env=False).status_code in (200, 401)
    except httpx.TransportError:
        return False


def options(registry: str) -> tuple[str, ...]:
    return ("--set", f"images.registry={registry}", "--set", "images.prefix=tests")


def held(registry: str, auth: tuple[str, str] | None = None) -> dict[str, list[str]]:
    with httpx.Client(base_url=f"http://{registry}/v2", trust_env=False, auth=auth) as client:
        names = client.get("/_catalog").json()["repositories"] or []
        return {name: client.get(f"/{name}/tags/list").json()["tags"] for name in names}
