"""Where everything lies in the SVG: Services in a row above, nodes in a grid below, lanes for
the arrows between them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from kubeup.inspect.diagram.model import APPS, Node, Picture, Pod, Volume
from kubeup.inspect.diagram.shapes import lines

MARGIN, NODE_WIDTH, GAP, COLUMNS = 44, 286, 26, 4
GUTTER = 30  # inside a node, left of its pods: the Services' arrows; right of them: the volumes'
POD_WIDTH = NODE_WIDTH - 2 * GUTTER
SERVICE_WIDTH, SERVICE_HEIGHT, SERVICE_TOP, SERVICE_GAP = 210, 62, 60, 150
CHANNEL = 58  # above each row of nodes
NOWHERE = "on no node"
T = TypeVar("T")


@dataclass(frozen=True)
class Spot:
    """A rectangle."""

    x: float
    y: float
    width: float
    height: float

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    @property
    def centre(self) -> float:
        return self.x + self.width / 2


@dataclass(frozen=True)
class Card:
    """A node's box and what lies in it: application pods, volumes, and the rest as lines."""

    node: Node
    row: int
    spot: Spot
    pods: tuple[tuple[Pod, Spot], ...]
    volumes: tuple[tuple[Volume, Spot], ...]
    rest: tuple[tuple[Pod, Spot], ...]
    head: tuple[str, ...]


@dataclass
class Layout:
    """The whole page."""

    width: float = 0
    height: float = 0
    services: dict[str, Spot] = field(default_factory=dict)
    browser: Spot | None = None
    cards: list[Card] = field(default_factory=list)

    def pod(self, name: str) -> tuple[Card, Spot] | None:
        return next(
            (
                (card, spot)
                for card in self.cards
                for pod, spot in (*card.pods, *card.rest)
                if pod.name == name
            ),
            None,
        )

    def volume(self, claim: str) -> Spot | None:
        return next(
            (
                spot
                for card in self.cards
                for volume, spot in card.volumes
                if claim and volume.claim == claim
            ),
            None,
        )


def arrange(picture: Picture) -> Layout:
    """Lay the picture out."""
    layout = Layout()
    cards = list(_contents(picture))
    columns = max(1, min(COLUMNS, len(cards)))
    steps = _services(picture, layout)
    layout.width = max(2 * MARGIN + columns * NODE_WIDTH + (columns - 1) * GAP, steps + MARGIN)
    y: float = (
        SERVICE_TOP + SERVICE_HEIGHT if layout.services or layout.browser else SERVICE_TOP - CHANNEL
    )
    for row, start in enumerate(range(0, len(cards), columns)):
        y += CHANNEL
        placed = [
            _card(node, volumes, row, MARGIN + number * (NODE_WIDTH + GAP), y)
            for number, (node, volumes) in enumerate(cards[start : start + columns])
        ]
        tallest = max(card.spot.height for card in placed)
        layout.cards += [_stretched(card, tallest) for card in placed]
        y += tallest
    layout.height = y + MARGIN / 2
    return layout


def _contents(picture: Picture) -> Iterator[tuple[Node, list[Volume]]]:
    names = {node.name for node in picture.nodes}
    for node in picture.nodes:
        yield node, [volume for volume in picture.volumes if volume.node == node.name]
    lost = [volume for volume in picture.volumes if volume.node not in names]
    if picture.unscheduled_pods or lost:
        waiting = picture.unscheduled_pods or any(not volume.ok for volume in lost)
        yield (
            Node(
                NOWHERE,
                "",
                "",
                "",
                "",
                "waiting for a place" if waiting else "",
                picture.unscheduled_pods,
            ),
            lost,
        )


def _services(picture: Picture, layout: Layout) -> float:
    """Place the browser and the Services, with everything that a link names, in the order of a
    request.
    """
    ends = {end for link in picture.links for end in (link.source, link.target)}
    shown = [app for app in APPS if app in ends or picture.service(app)]
    x: float = MARGIN
    if "browser" in ends:
        layout.browser = Spot(x, SERVICE_TOP + 11, 92, SERVICE_HEIGHT - 22)
        x += 92 + SERVICE_GAP + 44
    for app in shown:
        layout.services[app] = Spot(x, SERVICE_TOP, SERVICE_WIDTH, SERVICE_HEIGHT)
        x += SERVICE_WIDTH + SERVICE_GAP
    return x - SERVICE_GAP


def _card(node: Node, volumes: Sequence[Volume], row: int, x: float, top: float) -> Card:
    head = tuple(lines(node.why, POD_WIDTH + 16)) if node.why else ()
    y = top + 52 + 15 * len(head)
    pods, y = _column(
        [(pod, 44 + 14 * len(lines(pod.why, POD_WIDTH - 20))) for pod in node.pods if pod.part],
        x + GUTTER,
        y,
        10,
    )
    kept, y = _column(
        [(volume, 66) for volume in volumes], x + GUTTER, y + (4 if volumes else 0), 10
    )
    others = [pod for pod in node.pods if not pod.part]
    rest, y = _column(
        [(pod, 18 + 14 * len(lines(pod.why, POD_WIDTH))) for pod in others],
        x + GUTTER,
        y + (20 if others else 0),
        1,
    )
    return Card(
        node,
        row,
        Spot(x, top, NODE_WIDTH, y - top + 8),
        tuple(pods),
        tuple(kept),
        tuple(rest),
        head,
    )


def _column(
    things: Sequence[tuple[T, float]], x: float, y: float, gap: float
) -> tuple[list[tuple[T, Spot]], float]:
    placed = []
    for thing, height in things:
        placed.append((thing, Spot(x, y, POD_WIDTH, height)))
        y += height + gap
    return placed, y


def _stretched(card: Card, height: float) -> Card:
    spot = card.spot
    return Card(
        card.node,
        card.row,
        Spot(spot.x, spot.y, spot.width, height),
        card.pods,
        card.volumes,
        card.rest,
        card.head,
    )
