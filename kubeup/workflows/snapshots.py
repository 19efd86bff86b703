"""Snapshots of all machines, by the provider's own tool."""

from __future__ import annotations

from kubeup.cluster.providers.base import plain_name
from kubeup.core import ids
from kubeup.core.errors import UsageError
from kubeup.core.plan import Step
from kubeup.workflows.nodes import ready_step
from kubeup.workflows.project import Project

TITLES = {
    "delete": "forget",
    "save": "keep all machines as",
    "restore": "bring all machines back to",
}


def snapshots(project: Project, save: str, restore: str, delete: str) -> list[Step]:
    """What was asked for of snapshots; nothing where nothing was."""
    asked = {"delete": delete, "save": save, "restore": restore}
    if sum(map(bool, asked.values())) > 1:
        raise UsageError(
            "more than one thing to do with snapshots",
            "--save, --restore and --delete are one each",
            "do them one after another",
        )
    steps = [_step(project, verb, name) for verb, name in asked.items() if name]
    if restore:
        needs = (ids.snapshot("restore"),)
        steps.append(ready_step(project, "they were restored", needs, 20))
    return steps


def _step(project: Project, verb: str, name: str) -> Step:
    words, loses = ["snapshot", verb, plain_name(name)], ""
    if verb == "restore":
        # Vagrant would run its provisioners on what was restored
        words.insert(2, "--no-provision")
        loses = "what happened on the machines since"
    action, title = project.provider.tool_command(*words), f"{TITLES[verb]} {name}"
    return Step(ids.snapshot(verb), title, "asked for", action, seconds=60, loses=loses)
