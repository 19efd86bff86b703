"""This machine itself."""

from __future__ import annotations

from typing import Any

from kubeup.tasks.base import carry_out, change_project, kubeup_task


@kubeup_task()
def networks(c: Any, profile: str = "", set: list[str] = [], dry: bool = False, commands: bool = False) -> None:  # noqa: B006
    """Let VirtualBox use the nodes' network: one line more in /etc/vbox/networks.conf, all others stay as they are.

    Example: inv host.networks --dry --commands
    """
    from kubeup.plan import plan_of

    with change_project("host.networks", profile, [*set, "provider=vagrant"], dry) as (project, out):
        carry_out(project, lambda: plan_of(project.provider.host_steps()), out, "host.networks", dry=dry, yes=True, commands=commands)
