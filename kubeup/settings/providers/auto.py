"""A provider that is chosen once this machine is known: what may hold for one is told."""

from __future__ import annotations

from kubeup.settings.providers import vagrant
from kubeup.settings.providers.base import Rules

RULES = Rules(
    name="auto",
    no_containerd="refused if this ends up on vagrant or hosts, not used elsewhere; "
    "set 1.6 or newer",
    no_folders="refused if this ends up on vagrant, not used elsewhere",
    checks=(vagrant.virtualbox_range,),
)
