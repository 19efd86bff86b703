"""This machine itself."""

from __future__ import annotations

from typing import Any

from kubeup.tasks.base import carry_out, kubeup_task, open_project


@kubeup_task()
def networks(c: Any, profile: str = "", set: list[str] = [], dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Let VirtualBox use the nodes' network: one line more in /etc/vbox/networks.conf, all others stay as they are.

    Example: inv host.networks --dry --commands
    """
    from kubeup.plan import plan_of

    project, out = open_project(profile, [*set, "provider=vagrant"])
    carry_out(project, plan_of(project.provider.host_steps()), out, "host.networks", dry=dry, yes=True, commands=commands)
