"""The table of providers: what `inv cluster.<name>` brings up, in the order in which `auto` tries.

Another provider is a folder here with a class of the shape in `base`, and a row; what settings it
has, and what it makes of all others, is a module and a row in `kubeup.settings.providers`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Row:
    """A provider, whose module is imported when it is chosen."""

    name: str
    cls: str
    cluster: str  # what `inv cluster.<name>` brings up, without the application

    def load(self) -> Any:
        """The provider's class: made of settings, state and facts, it is a `base.Provider`."""
        return getattr(import_module(f"{__package__}.{self.name}"), self.cls)


ROWS = (
    Row("local", "Local", "a cluster of containers on this machine"),
    Row("minikube", "Minikube", "a cluster with minikube, or adopt the one that exists"),
    Row("vagrant", "Vagrant", "a cluster of Vagrant's virtual machines"),
)
PROVIDERS = {row.name: row for row in ROWS}
