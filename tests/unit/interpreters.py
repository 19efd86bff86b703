"""What reads the texts that kubeup writes: each by its own library or program."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any


def ansible(inventory: Path) -> dict[str, dict[str, Any]]:
    """The variables of each host as tasks see them, every template in them done."""
    _load_plugins()
    from ansible.inventory.manager import InventoryManager
    from ansible.parsing.dataloader import DataLoader
    from ansible.template import Templar
    from ansible.vars.manager import VariableManager

    loader = DataLoader()
    hosts = InventoryManager(loader, sources=[str(inventory)])
    variables = VariableManager(loader, hosts)
    found = dict[str, dict[str, Any]]()
    for host in hosts.get_hosts():
        own = dict(item for one in (*host.get_groups(), host) for item in one.vars.items())
        templar = Templar(loader, variables=variables.get_vars(host=host))
        found[host.name] = {
            name: templar.template(value)
            for name, value in own.items()
            if not name.startswith("inventory_")  # Ansible's own
        }
    return found


@cache
def _load_plugins() -> None:
    from ansible.plugins.loader import init_plugin_loader

    init_plugin_loader()
