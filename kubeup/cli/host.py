"""This machine itself."""

from __future__ import annotations

from kubeup.cli.base import change, kubeup_task
from kubeup.core.options import Options


@kubeup_task("dry", "commands")
def networks(given: Options) -> None:
    """Let VirtualBox use the nodes' network: adds one line to /etc/vbox/networks.conf.

    Example: inv host.networks --dry --commands
    """
    from kubeup.core.plan import plan_of

    change(given.also("provider=vagrant"), lambda project: plan_of(project.provider.host_steps()))
