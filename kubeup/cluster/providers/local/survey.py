"""What an engine has of profiles, by the labels that everything of ours bears."""

from __future__ import annotations

from collections.abc import Sequence

from kubeup.cluster.providers.base import Trace
from kubeup.cluster.providers.local import nodes
from kubeup.core import shell
from kubeup.core.errors import CommandError
from kubeup.core.things import Kind, Thing
from kubeup.facts.containers import (
    Container,
    Volume,
    containers,
    labelled_networks,
    volume_sizes,
    volumes,
)
from kubeup.system.engine import Engine

SIZES_SECONDS = 30.0  # the engine looks at every file of every volume
DISK = f"{nodes.OURS}=disk"  # the label of a prepared disk


def everything(engine: Engine) -> tuple[Trace, ...]:
    """What all profiles and checkouts have, and the prepared disks, which are nobody's."""
    if engine.name == "docker" and "podman" in engine.read("--version").stdout:
        return ()  # podman-docker: podman itself is asked
    if engine.by_sudo:
        shell.authorize()
    sizes = _sizes(engine)
    named = f"label={nodes.PROFILE}"
    made = engine.read("ps", "--all", "--quiet", "--filter", named).stdout.split()
    ours = [network for network in networks(engine) if nodes.OURS in network.labels]
    return (
        *(trace("container", container, engine) for container in _containers(engine, made)),
        *(
            trace("volume", volume, engine, sizes.get(volume.name))
            for label in (nodes.PROFILE, DISK)
            for volume in labelled_volumes(engine, label)
        ),
        *(trace("network", network, engine) for network in ours),
    )


def _containers(engine: Engine, names: Sequence[str]) -> tuple[Container, ...]:
    if not names:
        return ()
    return containers(engine.read("container", "inspect", *names).stdout)


def labelled_volumes(engine: Engine, label: str) -> list[Volume]:
    """Those that have a label, whatever its value, or of that value."""
    named = f"label={label}"
    names = engine.read("volume", "ls", "--quiet", "--filter", named).stdout.split()
    if not names:
        return []
    # compared here as well: podman before 4.7 takes two filters for "one or the other", and
    # another profile's data would be gone (containers/podman#19219)
    key, _, value = label.partition("=")
    inspected = volumes(engine.read("volume", "inspect", *names).stdout)
    return [one for one in inspected if key in one.labels and value in ("", one.labels[key])]


def networks(engine: Engine) -> tuple[Volume, ...]:
    """All networks of the engine, with their labels."""
    names = engine.read("network", "ls", "--format", "{{.Name}}").stdout.split()
    return labelled_networks(engine.read("network", "inspect", *names).stdout) if names else ()


def _sizes(engine: Engine) -> dict[str, int]:
    """MiB by volume; nothing where the engine does not tell in time."""
    try:
        answer = engine.read("system", "df", "--verbose", ok=None, timeout=SIZES_SECONDS)
    except CommandError:
        return {}
    return volume_sizes(answer.stdout)


def trace(kind: Kind, item: Container | Volume, engine: Engine, disk: int | None = None) -> Trace:
    """Something of the engine's by its labels."""
    labels = dict(item.labels)
    profile = labels.get(nodes.NAMED) or labels.get(nodes.PROFILE, "")
    thing, owner = Thing(kind, item.name, engine.name), labels.get(nodes.OWNER, "")
    if isinstance(item, Container):
        return Trace(thing, owner, profile, item.state, item.memory)
    return Trace(thing, owner, profile, disk=disk)
