"""The options that every task has, besides those of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Options:
    """Those of one call.

    `command`: the task's name, as `inv --list` has it. A task that offers no --yes asks nothing.
    """

    command: str
    profile: str = ""
    set: tuple[str, ...] = ()
    file: str = ""
    yes: bool = False
    dry: bool = False
    json: bool = False
    commands: bool = False
    force: bool = False

    def also(self, *settings: str) -> Options:
        """The same with more settings, as `--set` has them."""
        return replace(self, set=(*self.set, *settings))
