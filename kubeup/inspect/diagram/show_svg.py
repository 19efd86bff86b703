"""The picture as one SVG that stands alone: readable on a light and on a dark page, nothing
loaded from elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubeup.inspect.diagram import shapes
from kubeup.inspect.diagram.layout import (
    CHANNEL,
    GUTTER,
    MARGIN,
    NOWHERE,
    Card,
    Layout,
    Spot,
    arrange,
)
from kubeup.inspect.diagram.model import (
    APPS,
    BROWSER,
    TITLES,
    Link,
    Part,
    Picture,
    Pod,
    Service,
    Volume,
)
from kubeup.inspect.diagram.shapes import box, disk, lines, way, words


def svg(picture: Picture, part: Part = "all") -> str:
    """The SVG's text."""
    drawn = picture.only(part)
    layout = arrange(drawn)
    versions = ", ".join(sorted({node.version for node in drawn.nodes if node.version}))
    title = f"{TITLES[part]}{f', Kubernetes {versions}' if versions else ''}"
    body = [words(MARGIN, 32, title[0].upper() + title[1:], "title", layout.width - 2 * MARGIN)]
    body += [piece for card in layout.cards for piece in _card(card)]
    body += [
        *_to_pods(drawn, layout),
        *_to_volumes(drawn, layout),
        *_services(drawn, layout),
        *_links(drawn, layout),
    ]
    return shapes.document(layout.width, layout.height, title, body)


def _card(card: Card) -> Iterator[str]:
    node, spot = card.node, card.spot
    yield box(spot.x, spot.y, spot.width, spot.height, "node" if node.ok else "node bad", node.why)
    x, width = spot.x + GUTTER, spot.width - GUTTER - 8
    yield words(
        x, spot.y + 22, f"{_sign(node.ok)} {node.name}", "name" if node.ok else "name bad", width
    )
    if node.name != NOWHERE:
        about = (node.title, node.address, "Ready" if node.ok and node.version else node.machine)
        yield words(x, spot.y + 39, " · ".join(word for word in about if word), "small", width)
    yield from (
        words(x, spot.y + 54 + 14 * number, line, "small bad")
        for number, line in enumerate(card.head)
    )
    for pod, place in card.pods:
        yield from _pod(pod, place)
    for volume, place in card.volumes:
        yield from _volume(volume, place)
    if card.rest:
        yield words(card.rest[0][1].x, card.rest[0][1].y - 5, "kube-system", "small name")
    for pod, place in card.rest:
        yield from _rest(pod, place)


def _pod(pod: Pod, spot: Spot) -> Iterator[str]:
    yield box(
        spot.x,
        spot.y,
        spot.width,
        spot.height,
        f"pod {pod.part}" if pod.ok else "pod bad",
        f"{pod.name} {pod.why}".strip(),
    )
    yield words(
        spot.x + 10,
        spot.y + 19,
        f"{_sign(pod.ok)} {pod.name}",
        "" if pod.ok else "bad",
        spot.width - 18,
    )
    restarts = f"{pod.restarts} restart{'s' if pod.restarts > 1 else ''}" if pod.restarts else ""
    yield words(
        spot.x + 10,
        spot.y + 35,
        " · ".join(word for word in ("pod", pod.address, restarts) if word),
        "small",
        spot.width - 18,
    )
    yield from (
        words(spot.x + 10, spot.y + 50 + 14 * number, line, "small bad")
        for number, line in enumerate(lines(pod.why, spot.width - 20))
    )


def _volume(volume: Volume, spot: Spot) -> Iterator[str]:
    yield disk(spot.x, spot.y, spot.width, spot.height, "db" if volume.ok else "bad")
    yield words(
        spot.x + 10,
        spot.y + 29,
        f"{_sign(volume.ok)} {volume.name or volume.claim}",
        "" if volume.ok else "bad",
        spot.width - 20,
    )
    about = (
        f"claim {volume.claim}" if volume.claim else "no claim",
        volume.size,
        volume.policy,
        volume.why,
    )
    yield words(
        spot.x + 10,
        spot.y + 44,
        " · ".join(word for word in about if word),
        "small",
        spot.width - 20,
    )
    yield words(spot.x + 10, spot.y + 57, volume.path, "small", spot.width - 20)


def _rest(pod: Pod, spot: Spot) -> Iterator[str]:
    yield words(
        spot.x,
        spot.y + 13,
        f"{_sign(pod.ok)} {pod.name}",
        "small" if pod.ok else "small bad",
        spot.width + 8,
    )
    yield from (
        words(spot.x + 12, spot.y + 27 + 14 * number, line, "small bad")
        for number, line in enumerate(lines(pod.why, spot.width))
    )


def _services(picture: Picture, layout: Layout) -> Iterator[str]:
    if layout.browser:
        yield box(
            layout.browser.x, layout.browser.y, layout.browser.width, layout.browser.height, "outer"
        )
        yield words(
            layout.browser.centre, layout.browser.middle + 4, "browser", "name", 0, "middle"
        )
    for part, spot in layout.services.items():
        service = picture.service(part)
        if service is None:
            yield box(spot.x, spot.y + 11, spot.width, spot.height - 22, "outer")
            yield words(spot.centre, spot.middle + 4, TITLES[part], "name", 0, "middle")
        else:
            yield from _service(service, spot)


def _service(service: Service, spot: Spot) -> Iterator[str]:
    yield box(
        spot.x,
        spot.y,
        spot.width,
        spot.height,
        f"pod {service.part}" if service.ok else "pod bad",
        service.words,
    )
    yield words(
        spot.x + 12,
        spot.y + 21,
        f"{_sign(service.ok)} {service.name}",
        "name" if service.ok else "name bad",
        spot.width - 20,
    )
    yield words(spot.x + 12, spot.y + 38, f"Service, {service.words}", "small", spot.width - 20)
    behind = service.address or (
        f"pods' own addresses ({len(service.pods)})" if service.pods else ""
    )
    text = behind if service.ok else "no ready pod behind it"
    outside = f"outside: {', '.join(service.outside)}" if service.outside else ""
    yield words(
        spot.x + 12,
        spot.y + 53,
        outside or text,
        "small" if service.ok else "small bad",
        spot.width - 20,
    )


def _links(picture: Picture, layout: Layout) -> Iterator[str]:
    for link in picture.links:
        source = layout.browser if link.source == BROWSER else layout.services.get(link.source)
        target = layout.services.get(link.target)
        if source and target:
            yield from (
                _straight(link, source, target)
                if _adjacent(link, layout)
                else _over(link, source, target)
            )


def _adjacent(link: Link, layout: Layout) -> bool:
    order = [BROWSER, *layout.services] if layout.browser else list(layout.services)
    return order.index(link.target) - order.index(link.source) == 1


def _straight(link: Link, source: Spot, target: Spot) -> Iterator[str]:
    yield way(
        [(source.right + 3, source.middle), (target.x - 3, target.middle)],
        _kind(link.target),
        link.ok,
    )
    yield words(
        (source.right + target.x) / 2,
        source.middle - 7,
        _label(link),
        "small" if link.ok else "small bad",
        0,
        "middle",
    )


def _over(link: Link, source: Spot, target: Spot) -> Iterator[str]:
    """An arrow above what lies between the two."""
    y = target.y - 16
    x = target.x + 40
    yield way(
        [(source.centre, source.y - 3), (source.centre, y), (x, y), (x, target.y - 3)],
        _kind(link.target),
        link.ok,
    )
    yield words(x - 12, y - 5, _label(link), "small" if link.ok else "small bad", 0, "end")


def _label(link: Link) -> str:
    return f"{'' if link.ok else '✗ '}{link.label}"


def _to_pods(picture: Picture, layout: Layout) -> Iterator[str]:
    for service in picture.services:
        spot = layout.services.get(service.part)
        for name in (*service.pods, *service.waiting) if spot else ():
            place = layout.pod(name)
            if spot and place:
                yield _down(service.part, spot, *place, name in service.pods)


def _down(part: str, source: Spot, card: Card, pod: Spot, ok: bool) -> str:
    """Down from a Service, along its lane above the nodes, and into the pod from the left.

    Each Service has lanes of its own.
    """
    lane = APPS.index(part)
    start, inside = source.x + 24, card.spot.x + 8 + lane * (GUTTER - 14) / 2
    above = card.spot.y - 14 - (2 - lane) * 11
    points = [(start, source.bottom)]
    if card.row:  # past the rows before: along the page's left edge
        first = source.bottom + CHANNEL - 14 - (2 - lane) * 11
        edge = 8.0 + lane * 11
        points += [(start, first), (edge, first), (edge, above)]
    else:
        points.append((start, above))
    return way([*points, (inside, above), (inside, pod.middle), (pod.x - 3, pod.middle)], part, ok)


def _to_volumes(picture: Picture, layout: Layout) -> Iterator[str]:
    for pod in picture.pods:
        place = layout.pod(pod.name)
        for claim in pod.claims if place else ():
            target = layout.volume(claim)
            if place and target:
                out = place[1].right + GUTTER / 2
                corner = [
                    (place[1].right, place[1].middle),
                    (out, place[1].middle),
                    (out, target.middle),
                    (target.right + 3, target.middle),
                ]
                yield way(corner, "db", pod.ok)


def _kind(part: str) -> str:
    return part if part in APPS else "plain"


def _sign(ok: bool) -> str:
    return "✓" if ok else "✗"
