"""Kubernetes built from its Go modules, with the Go release it was made for, at sums pinned in scripts/go."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kubeup import cache, shell
from kubeup.errors import KubeupError
from kubeup.plan import Log
from kubeup.release.components import GoBuild

GO_PACKAGE = "golang-1.19-go"
DEBIAN_GO = "/usr/lib/go-1.{}/bin/go"
# The compiler's own garbage collection is a sixth of what it takes (seen on etcd: 92 s of processor time, 76 s so), the binaries are
# the same to the byte. The limit keeps a process at about what it takes anyway where memory is short: https://go.dev/doc/gc-guide
_COLLECT_LESS = {"GOGC": "400", "GOMEMLIMIT": "1GiB"}
# the user's own must not change what is built
ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off", **_COLLECT_LESS}
FITTING = range(19, 22)  # Kubernetes 1.26.1 was released with Go 1.19; its modules build up to 1.21


def go_tool() -> str:
    """The path of a Go 1.19 to 1.21, or '' where none is installed."""
    for minor in FITTING:
        if Path(DEBIAN_GO.format(minor)).exists():
            return DEBIAN_GO.format(minor)
    path = shell.which("go")
    return path if path and go_minor(shell.read(path, "version", ok=None).stdout) in FITTING else ""


def go_minor(version: str) -> int:
    """19 from `go version go1.19.8 linux/amd64`; 0 where the text is another."""
    match = re.search(r"\bgo1\.(\d+)", version)
    return int(match.group(1)) if match else 0


@dataclass(frozen=True)
class GoCompile:
    """Compile one Go build into `target` (a folder of the cache); whole or not at all."""

    build: GoBuild
    target: Path

    def already(self) -> str:
        return f"built ({self.target.name})" if self.target.is_dir() else ""

    def commands(self) -> tuple[str, ...]:
        return tuple(shell.shown(self.command("go", package, f"{self.target}/{name}"), 4000) for name, package in self.build.outputs)

    def run(self, log: Log) -> None:
        go = go_tool()
        if not go:
            raise KubeupError("no Go 1.19 to 1.21 is installed", f"Kubernetes is built with it; looked for {DEBIAN_GO.format(19)} and PATH",
                              f"apt-get install {GO_PACKAGE}, or set release.source to download")
        compiled = 0

        def count(line: str) -> None:
            nonlocal compiled
            if line.startswith("go: downloading"):
                log(line.removeprefix("go: "))
            else:
                compiled += 1
                log(f"compiled {compiled} of about {self.build.packages} packages: {line}")

        with cache.made_whole(self.target) as work:
            # one call for all packages: they share what they are made of, and links run side by side
            if all(package.rsplit("/", 1)[-1] == name for name, package in self.build.outputs):
                packages = [package for _, package in self.build.outputs]
                self._go(self.command(go, *packages, f"{work}/"), count)
            else:
                for name, package in self.build.outputs:
                    self._go(self.command(go, package, f"{work}/{name}"), count)
            log(f"{', '.join(self.build.binaries)} built")

    def command(self, go: str, *packages_and_target: str) -> list[str]:
        """The compiler's command line for packages, the last word being where the binaries go."""
        *packages, target = packages_and_target
        tags = ["-tags", self.build.tags] if self.build.tags else []
        return [go, "build", "-v", "-trimpath", "-mod=readonly", *tags, "-ldflags", self.build.ldflags, "-o", target, *packages]

    def _go(self, command: list[str], log: Log) -> None:
        shell.write(*command, log=log, cwd=str(self.build.folder), env=ENVIRONMENT)
