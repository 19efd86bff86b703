"""Ending what a killed kubeup has left at work: it holds the profile against other commands."""

from __future__ import annotations

from kubeup.core import lock
from kubeup.core.errors import KubeupError
from kubeup.core.report import Report
from kubeup.core.state import State
from kubeup.workflows.converge import confirm


def stop(state: State, out: Report, yes: bool) -> None:
    """Name what holds the profile and end it after asking.

    Raises Refused where its kubeup is still at work.
    """
    processes = lock.leftovers(state.folder)
    if not processes:
        out.say("Nothing to do: no process of an earlier command is running on this profile.")
        return
    for process in processes:
        out.say(f"running: {process}")
    confirm(f"End {'it' if len(processes) == 1 else 'them'}, with all they have started?", yes)
    lock.end(processes)
    if left := lock.leftovers(state.folder):
        raise KubeupError(
            "some of it is still running",
            "\n".join(map(str, left)),
            "wait for it to end, then run this again",
        )
    out.say("ended; `inv up` goes on from there")
