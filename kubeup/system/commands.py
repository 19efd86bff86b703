"""Steps that are one command line: what a plan shows of them is what runs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from kubeup.core import shell
from kubeup.core.plan import Log

Argv = Sequence[str]  # a command line


class Command(ABC):
    """An action whose `argv` is shown by `plan --explain` and run as it is."""

    @abstractmethod
    def argv(self) -> Argv:
        """The command line."""

    def commands(self) -> tuple[str, ...]:
        return (shell.shown(self.argv()),)

    def run(self, log: Log) -> None:
        shell.write(*self.argv(), log=log)
