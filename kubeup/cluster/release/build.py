"""Kubernetes built from Go modules at pinned sums (scripts/go), with the Go it was made for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from kubeup.cluster.release.components import STRIPPED, GoBuild
from kubeup.cluster.release.go import DEBIAN_GO, go_tool
from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.core.plan import Log
from kubeup.system import cache

# The user's own must not change what is built.
# The compiler's own garbage collection is a sixth of what it takes (seen on etcd: 92 s of processor
# time, 76 s so), the binaries are the same to the byte. The limit keeps a process at about what it
# takes anyway where memory is short: https://go.dev/doc/gc-guide
ENVIRONMENT = {
    "CGO_ENABLED": "0",
    "GOFLAGS": "",
    "GOTOOLCHAIN": "local",
    "GOWORK": "off",
    "GOGC": "400",
    "GOMEMLIMIT": "1GiB",
}


@dataclass(frozen=True)
class GoCompile:
    """Compile one Go build into `target` (a folder of the cache); whole or not at all."""

    build: GoBuild
    target: Path

    def already(self) -> str:
        return f"built ({self.target.name})" if self.target.is_dir() else ""

    def commands(self) -> tuple[str, ...]:
        return (shell.shown(self.argv("go", self.target)),)

    def run(self, log: Log) -> None:
        go = go_tool()
        if not go:
            raise KubeupError(
                "no Go 1.19 to 1.21 is installed",
                "Kubernetes is built with it; looked for "
                f"{DEBIAN_GO.format(19)}, on PATH and in the cache",
                "run the same again, which brings Debian's; or set release.source to download",
            )
        numbers = count(1)

        def tell(line: str) -> None:
            if line.startswith("go: downloading"):
                log(line.removeprefix("go: "))
            else:
                log(f"compiled {next(numbers)} of about {self.build.packages} packages: {line}")

        with cache.made_whole(self.target) as work:
            go_build(self.argv(go, work), self.build.folder, tell)
            log(f"{', '.join(self.build.binaries)} built")

    def argv(self, go: str, folder: Path) -> list[str]:
        """One call for all packages: they share what they are made of, and link side by side."""
        packages = list(self.build.outputs.values())
        # of several packages each binary has its package's name; one alone may be called otherwise
        target = f"{folder}/" if len(packages) > 1 else f"{folder}/{self.build.binaries[0]}"
        return go_argv(go, target, packages, self.build.ldflags, self.build.tags)


def go_argv(
    go: str, target: str, packages: Sequence[str], ldflags: str = STRIPPED, tags: str = ""
) -> list[str]:
    """The compiler's command line."""
    # without -buildvcs=false the compiler asks git about this checkout, and fails where git refuses
    # because somebody else owns it (golang/go#68834; safe.directory in git-config(1))
    options = ["-v", "-trimpath", "-buildvcs=false", "-mod=readonly"]
    if tags:
        options += ["-tags", tags]
    return [go, "build", *options, "-ldflags", ldflags, "-o", target, *packages]


def go_build(argv: Sequence[str], folder: Path, log: Log) -> None:
    """Run the compiler in a module's folder."""
    shell.write(*argv, log=log, cwd=str(folder), env=ENVIRONMENT)
