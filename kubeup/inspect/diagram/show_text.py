"""The picture for a terminal: the way of a request, the nodes with their pods, and the volumes."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterator

from kubeup.inspect.diagram.model import (
    APPS,
    BROWSER,
    TITLES,
    Node,
    Part,
    Picture,
    Pod,
    Service,
    Volume,
)

LEAST_WIDTH, MOST_COLUMNS, COLUMN = 40, 3, 38


def text(picture: Picture, width: int = 100, part: Part = "all") -> str:
    """The picture in lines of at most `width` characters (40 at least)."""
    drawn, width = picture.only(part), max(LEAST_WIDTH, width)
    blocks = [
        _headline(drawn, part),
        *(
            _block(title, lines)
            for title, lines in (
                ("who talks to whom", list(_ways(drawn, part))),
                ("nodes and their pods", list(_nodes(drawn, width))),
                (
                    "on no node",
                    [line for pod in drawn.unscheduled_pods for line in _pod(pod, width - 2)],
                ),
                ("volumes", list(_volumes(drawn))),
                ("other Services", list(_others(drawn))),
            )
            if lines
        ),
    ]
    return (
        "\n\n".join(
            "\n".join(piece for line in block for piece in _folded(line, width)) for block in blocks
        )
        + "\n"
    )


def _block(title: str, lines: list[str]) -> list[str]:
    return [title, *(f"  {line}" for line in lines)]


def _headline(picture: Picture, part: Part) -> list[str]:
    versions = sorted({node.version for node in picture.nodes if node.version})
    ready = sum(node.ok for node in picture.nodes)
    lines = [
        f"{TITLES[part]}: {ready} of {len(picture.nodes)} nodes ready"
        + (f" · Kubernetes {', '.join(versions)}" if versions else "")
    ]
    for one in picture.workloads:
        if one.part:
            lines.append(
                f"  {_mark(one.ok)} {one.kind} {one.name}: {one.ready} of {one.wanted} ready"
            )
    return lines


def _ways(picture: Picture, part: Part) -> Iterator[str]:
    """From the browser down to the database: each Service, how it is reached, the pods behind
    it.
    """
    steps = [service for app in APPS if (service := picture.service(app))]
    for service in steps:
        for link in (link for link in picture.links if link.target == service.part):
            yield from _arrow(link.source, link.label, link.ok, part)
        yield f"{_mark(service.ok)} Service {service.name} ({service.words})"
        yield from _behind(service, picture)
    for link in picture.links:
        if part != "all" and link.source == part:
            yield from _arrow(link.source, link.label, link.ok, part)
            yield f"  {link.target}"


def _arrow(source: str, label: str, ok: bool, part: Part) -> Iterator[str]:
    if source == BROWSER or (part != "all" and source != part):
        yield source
    yield f"  {'│' if ok else '✗'} {label}" + (
        f"  from {source}" if source != BROWSER and part == "all" else ""
    )
    yield "  ▼"


def _behind(service: Service, picture: Picture) -> Iterator[str]:
    by_name = {pod.name: pod for pod in picture.pods if pod.namespace == service.namespace}
    rows = [by_name[name] for name in (*service.pods, *service.waiting) if name in by_name]
    rows += [pod for pod in picture.pods if pod.part == service.part and pod not in rows]
    lines = [
        f"{_mark(pod.ok)} {pod.name} on {pod.node or 'no node'}"
        + (f": {pod.why}" if pod.why else "")
        for pod in rows
    ]
    lines += [f"✓ {address} outside the cluster" for address in service.outside] or (
        [] if rows else ["✗ no pod"]
    )
    for number, line in enumerate(lines):
        yield f"    {'└' if number == len(lines) - 1 else '├'}─▶ {line}"


def _nodes(picture: Picture, width: int) -> Iterator[str]:
    columns = max(1, min(MOST_COLUMNS, len(picture.nodes), (width - 2) // COLUMN))
    inner = (width - 2) // columns - 1
    for start in range(0, len(picture.nodes), columns):
        boxes = [
            _box(node, inner, picture.volumes) for node in picture.nodes[start : start + columns]
        ]
        height = max(len(box) for box in boxes)
        for row in range(height):
            yield " ".join(_row(box, row, height, inner) for box in boxes).rstrip()


def _row(box: list[str], row: int, height: int, width: int) -> str:
    """A row of a box that is stretched to the height of its neighbours."""
    if row == height - 1:
        return box[-1]
    return box[row] if row < len(box) - 1 else f"│{' ' * (width - 2)}│"


def _box(node: Node, width: int, volumes: tuple[Volume, ...]) -> list[str]:
    lines = [
        *_title(node, width - 4),
        "",
        *(line for pod in node.pods if pod.part for line in _pod(pod, width - 4)),
    ]
    lines += [f"▣ {volume.name} ({volume.size})" for volume in volumes if volume.node == node.name]
    lines += [line for pod in node.pods if not pod.part for line in _pod(pod, width - 4)]
    framed = [
        f"│ {_fitted(piece, width - 4)} │"
        for line in lines
        for piece in (_folded(line, width - 4) or [""])
    ]
    return [f"┌{'─' * (width - 2)}┐", *framed, f"└{'─' * (width - 2)}┘"]


def _title(node: Node, width: int) -> list[str]:
    state = node.why or ("Ready" if node.version else "")
    machine = f", machine {node.machine}" if node.machine else ""
    return [
        f"{_mark(node.ok)} {node.name}",
        f"  {node.title}{machine}",
        f"  {node.address}  {node.version}",
        *textwrap.wrap(state, width, initial_indent="  ", subsequent_indent="  "),
    ]


def _pod(pod: Pod, width: int) -> list[str]:
    again = f" ({pod.restarts} restart{'s' if pod.restarts > 1 else ''})" if pod.restarts else ""
    address = f" {pod.address}" if pod.part and pod.address else ""
    why = (
        textwrap.wrap(pod.why, width, initial_indent="    ", subsequent_indent="    ")
        if pod.why
        else []
    )
    return [f"{_mark(pod.ok)} {pod.name}{address}{again}", *why]


def _volumes(picture: Picture) -> Iterator[str]:
    for volume in picture.volumes:
        claim = f"claim {volume.claim}" if volume.claim else "no claim"
        users = [pod.name for pod in picture.pods if volume.claim and volume.claim in pod.claims]
        yield f"{_mark(volume.ok)} {' ─▶ '.join([*users, claim])}" + (
            f": {volume.why}" if volume.why else ""
        )
        if volume.name:
            yield (
                f"    └─▶ volume {volume.name} ({volume.size}, {volume.policy}) ─▶ "
                f"{volume.node or 'any node'}:{volume.path}"
            )


def _others(picture: Picture) -> Iterator[str]:
    for service in picture.services:
        if not service.part:
            behind = ", ".join((*service.pods, *service.outside)) or "no ready pod"
            yield f"{_mark(service.ok)} {service.name} ({service.words}) ─▶ {behind}"


def _mark(ok: bool) -> str:
    return "✓" if ok else "✗"


def _folded(line: str, width: int) -> list[str]:
    """A line in pieces that fit; box drawings are made to fit and never folded."""
    if len(line) <= width:
        return [line]
    lead = " " * (len(line) - len(line.lstrip()) + 4)
    return textwrap.wrap(line, width, subsequent_indent=lead[: width // 2], drop_whitespace=True)


def _fitted(line: str, width: int) -> str:
    """A line filled up to the width in columns; a wide character takes two."""
    taken = sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line)
    return line + " " * max(0, width - taken)
