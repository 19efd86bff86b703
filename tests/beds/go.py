"""How a bed builds a Go program of a module that it pins."""

from __future__ import annotations

from pathlib import Path

from kubeup.cluster.release.build import ENVIRONMENT
from kubeup.core import shell
from kubeup.core.plan import Log


def build(
    go: str, folder: Path, package: str, target: Path, log: Log, ldflags: str = "-s -w"
) -> None:
    """Build `package` in the module at `folder` into the file `target`."""
    shell.write(
        go,
        "build",
        "-trimpath",
        "-buildvcs=false",
        "-mod=readonly",
        "-ldflags",
        ldflags,
        "-o",
        str(target),
        package,
        log=log,
        cwd=str(folder),
        env=ENVIRONMENT,
    )
