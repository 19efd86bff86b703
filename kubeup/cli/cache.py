"""The cache of this user, which all checkouts share."""

from __future__ import annotations

from kubeup.cli.base import kubeup_task, open_project
from kubeup.core.options import Options


@kubeup_task("json")
def show(given: Options) -> None:
    """List what the cache holds, by kind, size, last use and the profiles that use it.

    Example: inv cache.show
    """
    from kubeup.workflows import pruning

    project, out = open_project(given, strict=False)
    out.data(pruning.data()) if given.json else pruning.show(project, out)


@kubeup_task(
    "yes",
    "dry",
    "commands",
    help={
        "older_than": "only what was not used for so long, such as 12h, 30d (the default) or 8w",
        "all": "all that no profile is known to use, whatever its age",
    },
)
def prune(given: Options, older_than: str = "", all: bool = False) -> None:
    """Free what no profile on this machine uses of the cache, after showing it and asking.

    Example: inv cache.prune --older-than 8w    or    inv cache.prune --all --dry
    """
    from kubeup.workflows import pruning

    pruning.prune(*open_project(given, strict=False), given, older_than, all)
