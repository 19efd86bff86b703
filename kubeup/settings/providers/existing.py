"""A cluster that is there already."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from kubeup.settings import kinds
from kubeup.settings.problem import Problem
from kubeup.settings.providers.base import Rules
from kubeup.settings.sections import Section

if TYPE_CHECKING:
    from kubeup.settings.model import Settings


class Existing(Section):
    context: kinds.Context | None = None
    """context in your kubeconfig"""


def context(settings: Settings) -> Iterator[Problem]:
    if not settings.existing.context:
        yield settings.error(
            "existing.context",
            "nothing",
            allowed="a context's name",
            why="the current context may point to another cluster than the one you mean",
            hint="kubectl config get-contexts lists them",
            related=("existing", "provider"),
        )


RULES = Rules(
    name="existing",
    makes_cluster=False,
    no_machines="with provider existing the machines exist already",
    no_containerd="not used: the cluster has its own",
    no_folders="not used: existing shares no folders",
    checks=(context,),
)
