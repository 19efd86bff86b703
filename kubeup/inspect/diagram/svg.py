"""The picture as one SVG that stands alone.

Readable on a light and on a dark page, nothing loaded from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from kubeup.inspect.diagram.layout import (
    CHANNEL,
    GUTTER,
    MARGIN,
    NOWHERE,
    Card,
    Layout,
    arrange,
)
from kubeup.inspect.diagram.model import (
    APPS,
    BROWSER,
    TITLES,
    Link,
    Picture,
    Pod,
    Service,
    Volume,
    mark,
    marked,
)
from kubeup.inspect.diagram.shapes import (
    LINE_HEIGHT,
    Spot,
    box,
    disk,
    document,
    label,
    lines,
    styled,
    way,
    words,
)


def svg(picture: Picture, part: str = "all") -> str:
    """The SVG's text."""
    drawn = picture.only(part)
    layout = arrange(drawn)
    title = f"{TITLES[part]}, Kubernetes {drawn.versions}" if drawn.versions else TITLES[part]
    body = [words(MARGIN, 32, title[0].upper() + title[1:], "title", layout.width - 2 * MARGIN)]
    for card in layout.cards:
        body += _card(card)
    # what comes later is drawn over what came before: arrows over boxes, Services over arrows
    body += _arrows_to_pods(drawn, layout)
    body += _arrows_to_volumes(drawn, layout)
    body += _services(drawn, layout)
    body += _links(drawn, layout)
    return document(layout.width, layout.height, title, body)


def _card(card: Card) -> Iterator[str]:
    node, spot = card.node, card.spot
    yield box(spot, styled(node.ok, "node"), node.why)
    yield label(spot, 22, f"{mark(node.ok)} {node.name}", styled(node.ok, "name"), GUTTER)
    if node.name != NOWHERE:
        state = node.machine
        if node.ok and node.version:
            state = "Ready"
        yield label(spot, 39, _joined(node.title, node.address, state), "small", GUTTER)
    yield from _reason(spot, 54, card.reason, GUTTER)
    for pod, place in card.pods.items():
        yield from _pod(pod, place)
    for volume, place in card.volumes.items():
        yield from _volume(volume, place)
    for number, (pod, place) in enumerate(card.others.items()):
        if not number:
            yield label(place, -5, "kube-system", "small name", 0)
        name, kind = f"{mark(pod.ok)} {pod.name}", styled(pod.ok, "small")
        yield words(place.x, place.y + 13, name, kind, place.width + 8)
        yield from _reason(place, 27, lines(pod.why, place.width), 12)


def _pod(pod: Pod, spot: Spot) -> Iterator[str]:
    yield box(spot, styled(pod.ok, f"pod {pod.part}"), f"{pod.name} {pod.why}".strip())
    yield label(spot, 19, f"{mark(pod.ok)} {pod.name}", styled(pod.ok, ""))
    yield label(spot, 35, _joined("pod", pod.address, pod.restarted), "small")
    yield from _reason(spot, 50, lines(pod.why, spot.width - 20))


def _volume(volume: Volume, spot: Spot) -> Iterator[str]:
    about = _joined(volume.claimed, volume.size, volume.policy, volume.why)
    yield disk(spot, styled(volume.ok, "db"))
    yield label(spot, 29, f"{mark(volume.ok)} {volume.name or volume.claim}", styled(volume.ok, ""))
    yield label(spot, 44, about, "small")
    yield label(spot, 57, volume.path, "small")


def _services(picture: Picture, layout: Layout) -> Iterator[str]:
    for part, spot in layout.services.items():
        service = picture.service(part)
        if service:
            yield from _service(service, spot)
        elif part == BROWSER:
            yield from _end(spot, BROWSER)
        else:
            yield from _end(Spot(spot.x, spot.y + 11, spot.width, spot.height - 22), TITLES[part])


def _end(spot: Spot, title: str) -> Iterator[str]:
    """Where a link comes from or leads to, without more about it."""
    yield box(spot, "outer")
    yield words(spot.centre, spot.middle + 4, title, "name", anchor="middle")


def _service(service: Service, spot: Spot) -> Iterator[str]:
    ok = service.ok
    yield box(spot, styled(ok, f"pod {service.part}"), service.words)
    yield label(spot, 21, f"{mark(ok)} {service.name}", styled(ok, "name"), 12)
    yield label(spot, 38, f"Service, {service.words}", "small", 12)
    yield label(spot, 53, _behind(service), styled(ok, "small"), 12)


def _behind(service: Service) -> str:
    if service.outside:
        return f"outside: {', '.join(service.outside)}"
    if not service.ok:
        return "no ready pod behind it"
    return service.address or f"pods' own addresses ({len(service.pods)})"


def _links(picture: Picture, layout: Layout) -> Iterator[str]:
    order = list(layout.services)
    for link in picture.links:
        if {link.source, link.target} <= set(order):
            source, target = layout.services[link.source], layout.services[link.target]
            if order.index(link.target) == order.index(link.source) + 1:
                yield from _straight(link, source, target)
            else:
                yield from _over(link, source, target)


def _straight(link: Link, source: Spot, target: Spot) -> Iterator[str]:
    y = source.middle
    yield way([(source.right + 3, y), (target.x - 3, y)], link.target, link.ok)
    yield _link_label(link, (source.right + target.x) / 2, y - 7, "middle")


def _over(link: Link, source: Spot, target: Spot) -> Iterator[str]:
    """An arrow above what lies between the two."""
    x, y = target.x + 40, target.y - 16
    points = [(source.centre, source.y - 3), (source.centre, y), (x, y), (x, target.y - 3)]
    yield way(points, link.target, link.ok)
    yield _link_label(link, x - 12, y - 5, "end")


def _link_label(link: Link, x: float, y: float, anchor: str) -> str:
    return words(x, y, marked(link.ok, link.label), styled(link.ok, "small"), anchor=anchor)


def _arrows_to_pods(picture: Picture, layout: Layout) -> Iterator[str]:
    pods = layout.pods
    for service in picture.app_services:
        for name in (*service.pods, *service.waiting):
            if name in pods:
                source = layout.services[service.part]
                yield _down(service.part, source, *pods[name], name in service.pods)


def _down(part: str, source: Spot, card: Card, pod: Spot, ok: bool) -> str:
    """Down from a Service, along its lane above the nodes, and into the pod from the left.

    Each Service has lanes of its own.
    """
    lane = APPS.index(part)
    height = 14 + (2 - lane) * 11  # above a row of nodes
    start, inside = source.x + 24, card.spot.x + 8 + lane * (GUTTER - 14) / 2
    above = card.spot.y - height
    points = [(start, source.bottom)]
    if card.row:  # past the rows before: along the page's left edge
        first = source.bottom + CHANNEL - height
        edge = 8.0 + lane * 11
        points += [(start, first), (edge, first), (edge, above)]
    else:
        points.append((start, above))
    return way([*points, (inside, above), (inside, pod.middle), (pod.x - 3, pod.middle)], part, ok)


def _arrows_to_volumes(picture: Picture, layout: Layout) -> Iterator[str]:
    pods, volumes = layout.pods, layout.volumes
    for pod in picture.pods:
        for claim in pod.claims:
            if claim in volumes and pod.name in pods:
                source, target = pods[pod.name][1], volumes[claim]
                lane = source.right + GUTTER / 2
                points = [
                    (source.right, source.middle),
                    (lane, source.middle),
                    (lane, target.middle),
                    (target.right + 3, target.middle),
                ]
                yield way(points, "db", pod.ok)


def _reason(spot: Spot, down: float, texts: Iterable[str], indent: float = 10) -> Iterator[str]:
    """Why something is not well, line by line."""
    for number, text in enumerate(texts):
        y = spot.y + down + LINE_HEIGHT * number
        yield words(spot.x + indent, y, text, "small bad")


def _joined(*texts: str) -> str:
    return " · ".join(filter(None, texts))
