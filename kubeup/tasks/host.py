"""This machine itself."""

from __future__ import annotations

from kubeup.options import Options
from kubeup.tasks.base import change, kubeup_task


@kubeup_task("dry", "commands")
def networks(given: Options) -> None:
    """Let VirtualBox use the nodes' network: one line more in /etc/vbox/networks.conf, all others stay as they are.

    Example: inv host.networks --dry --commands
    """
    from kubeup.plan import plan_of

    change(given.also("provider=vagrant"), lambda project: plan_of(project.provider.host_steps()))
