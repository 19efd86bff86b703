"""The picture for a terminal: the way of a request, the nodes with their pods, and the volumes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from kubeup.inspect.diagram.model import (
    BROWSER,
    TITLES,
    Link,
    Node,
    Picture,
    Pod,
    Service,
    mark,
)

LEAST_WIDTH, MOST_COLUMNS, COLUMN = 40, 3, 38


def text(picture: Picture, width: int = 100, part: str = "all") -> str:
    """The picture in lines of at most `width` characters (40 at least)."""
    drawn, width = picture.only(part), max(LEAST_WIDTH, width)
    blocks = {
        "who talks to whom": list(_requests(drawn, part)),
        "nodes and their pods": list(_nodes(drawn, width)),
        "on no node": _pods(drawn.unscheduled_pods, width - 2),
        "volumes": list(_volumes(drawn)),
        "other Services": list(_other_services(drawn)),
    }
    # what is empty has no title: most clusters have every pod on a node
    lines = list(_headline(drawn, part))
    for title, block in blocks.items():
        if block:
            lines += ["", title, *(f"  {line}" for line in block)]
    folded = (piece for line in lines for piece in _folded(line, width))
    return "\n".join(folded) + "\n"


def _headline(picture: Picture, part: str) -> Iterator[str]:
    ready = sum(node.ok for node in picture.nodes)
    version = f" · Kubernetes {picture.versions}" if picture.versions else ""
    yield f"{TITLES[part]}: {ready} of {len(picture.nodes)} nodes ready{version}"
    for workload in picture.workloads:
        if workload.part:
            ready_pods = f"{workload.ready} of {workload.wanted} ready"
            yield f"  {mark(workload.ok)} {workload.kind} {workload.name}: {ready_pods}"


def _requests(picture: Picture, part: str) -> Iterator[str]:
    """From the browser down to the database.

    Each Service, how it is reached, and the pods behind it.
    """
    for service in picture.app_services:
        for link in picture.links:
            if link.target == service.part:
                yield from _arrow(link, part)
        yield f"{mark(service.ok)} Service {service.name} ({service.words})"
        yield from _behind(service, picture)
    for link in picture.links:
        if link.source == part:
            yield from _arrow(link, part)
            yield f"  {link.target}"


def _arrow(link: Link, part: str) -> Iterator[str]:
    from_app = link.source != BROWSER
    if not from_app or part not in ("all", link.source):
        yield link.source
    source = f"  from {link.source}" if from_app and part == "all" else ""
    yield f"  {'│' if link.ok else mark(link.ok)} {link.label}{source}"
    yield "  ▼"


def _behind(service: Service, picture: Picture) -> Iterator[str]:
    names = [*service.pods, *service.waiting]
    by_name = {pod.name: pod for pod in picture.pods if pod.namespace == service.namespace}
    pods = [by_name[name] for name in names if name in by_name]
    # a pod that is on no node yet is in no Endpoints either
    pods += [pod for pod in picture.pods if pod.part == service.part and pod not in pods]
    lines = [
        _because(f"{mark(pod.ok)} {pod.name} on {pod.node or 'no node'}", pod.why) for pod in pods
    ]
    lines += [f"{mark(True)} {address} outside the cluster" for address in service.outside]
    *others, last = lines or [f"{mark(False)} no pod"]
    for line in others:
        yield f"    ├─▶ {line}"
    yield f"    └─▶ {last}"


def _nodes(picture: Picture, width: int) -> Iterator[str]:
    columns = max(1, min(MOST_COLUMNS, len(picture.nodes), (width - 2) // COLUMN))
    # a space between boxes
    box_width = (width - 2) // columns - 1
    for start in range(0, len(picture.nodes), columns):
        nodes = picture.nodes[start : start + columns]
        yield from _side_by_side(
            [_content(node, picture, box_width - 4) for node in nodes], box_width
        )


def _side_by_side(contents: Sequence[list[str]], width: int) -> Iterator[str]:
    """Boxes of the same height."""
    line = "─" * (width - 2)
    yield " ".join([f"┌{line}┐"] * len(contents))
    for row in zip_longest(*contents, fillvalue=""):
        yield " ".join(f"│ {piece.ljust(width - 4)} │" for piece in row)
    yield " ".join([f"└{line}┘"] * len(contents))


def _content(node: Node, picture: Picture, width: int) -> list[str]:
    machine = f", machine {node.machine}" if node.machine else ""
    state = node.why
    if node.ok and node.version:  # a machine beside the cluster is not Ready or not
        state = "Ready"
    lines = [
        f"{mark(node.ok)} {node.name}",
        f"  {node.title}{machine}",
        f"  {node.address}  {node.version}",
        *_indented(state, width, "  "),
        "",
        *_pods(node.applications, width),
        *(f"▣ {volume.name} ({volume.size})" for volume in picture.volumes_on(node.name)),
        *_pods(node.others, width),
    ]
    return [piece for line in lines for piece in _folded(line, width)]


def _pods(pods: Sequence[Pod], width: int) -> list[str]:
    lines = []
    for pod in pods:
        address = f" {pod.address}" if pod.part and pod.address else ""
        restarted = f" ({pod.restarted})" if pod.restarts else ""
        lines.append(f"{mark(pod.ok)} {pod.name}{address}{restarted}")
        lines += _indented(pod.why, width, "    ")
    return lines


def _volumes(picture: Picture) -> Iterator[str]:
    for volume in picture.volumes:
        users = [pod.name for pod in picture.users(volume)]
        yield _because(f"{mark(volume.ok)} {' ─▶ '.join([*users, volume.claimed])}", volume.why)
        if volume.name:
            place = f"{volume.node or 'any node'}:{volume.path}"
            yield f"    └─▶ volume {volume.name} ({volume.size}, {volume.policy}) ─▶ {place}"


def _other_services(picture: Picture) -> Iterator[str]:
    for service in picture.services:
        if not service.part:
            behind = ", ".join((*service.pods, *service.outside)) or "no ready pod"
            yield f"{mark(service.ok)} {service.name} ({service.words}) ─▶ {behind}"


def _because(text: str, why: str) -> str:
    return f"{text}: {why}" if why else text


def _indented(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent)


def _folded(line: str, width: int) -> list[str]:
    """A line in pieces that fit; box drawings are made to fit and never folded."""
    if len(line) <= width:
        return [line]
    indent = len(line) - len(line.lstrip()) + 4
    return textwrap.wrap(line, width, subsequent_indent=" " * min(indent, width // 2))
