"""Kubernetes built from its Go modules, with the Go release it was made for, at sums pinned in
scripts/go.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kubeup.cluster.release.components import GoBuild
from kubeup.cluster.release.go import DEBIAN_GO, go_tool
from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Log
from kubeup.system import cache

# The compiler's own garbage collection is a sixth of what it takes (seen on etcd: 92 s of processor
# time, 76 s so), the binaries are
# the same to the byte. The limit keeps a process at about what it takes anyway where memory is
# short: https://go.dev/doc/gc-guide
_COLLECT_LESS = {"GOGC": "400", "GOMEMLIMIT": "1GiB"}
# the user's own must not change what is built
ENVIRONMENT = {
    "CGO_ENABLED": "0",
    "GOFLAGS": "",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
    **_COLLECT_LESS,
}


@dataclass(frozen=True)
class GoCompile:
    """Compile one Go build into `target` (a folder of the cache); whole or not at all."""

    build: GoBuild
    target: Path

    def already(self) -> str:
        return f"built ({self.target.name})" if self.target.is_dir() else ""

    def commands(self) -> tuple[str, ...]:
        return tuple(
            shell.shown(self.command("go", package, f"{self.target}/{name}"))
            for name, package in self.build.outputs
        )

    def run(self, log: Log) -> None:
        go = go_tool()
        if not go:
            looked = f"looked for {DEBIAN_GO.format(19)}, on PATH and in the cache"
            raise KubeupError(
                "no Go 1.19 to 1.21 is installed",
                f"Kubernetes is built with it; {looked}",
                "run the same again, which brings Debian's; or set release.source to download",
            )
        compiled = 0

        def count(line: str) -> None:
            nonlocal compiled
            if line.startswith("go: downloading"):
                log(line.removeprefix("go: "))
            else:
                compiled += 1
                log(f"compiled {compiled} of about {self.build.packages} packages: {line}")

        with cache.made_whole(self.target) as work:
            # one call for all packages: they share what they are made of, and links run side by
            # side
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
        return [
            go,
            "build",
            "-v",
            "-trimpath",
            "-mod=readonly",
            *tags,
            "-ldflags",
            self.build.ldflags,
            "-o",
            target,
            *packages,
        ]

    def _go(self, command: list[str], log: Log) -> None:
        shell.write(*command, log=log, cwd=str(self.build.folder), env=ENVIRONMENT)
