"""How a bed builds a Go program of a module that it pins."""

from __future__ import annotations

from pathlib import Path

from kubeup.cluster.release.build import go_argv, go_build
from kubeup.cluster.release.components import STRIPPED
from kubeup.core.plan import Log


def build(
    go: str, folder: Path, package: str, target: Path, log: Log, ldflags: str = STRIPPED
) -> None:
    """Build `package` in the module at `folder` into the file `target`."""
    go_build(go_argv(go, str(target), [package], ldflags), folder, log)
