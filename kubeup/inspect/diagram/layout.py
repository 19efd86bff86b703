"""Where everything lies in the SVG.

Services in a row above, nodes in a grid below, lanes for the arrows between them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from kubeup.inspect.diagram.model import APPS, BROWSER, Node, Picture, Pod, Volume
from kubeup.inspect.diagram.shapes import LINE_HEIGHT, Spot, lines

# all in pixels, made for the letters of shapes.STYLE
MARGIN, NODE_WIDTH, GAP, COLUMNS = 44, 286, 26, 4
GUTTER = 30  # inside a node, left of its pods: the Services' arrows; right of them: the volumes'
POD_WIDTH = NODE_WIDTH - 2 * GUTTER
SERVICE_WIDTH, SERVICE_HEIGHT, SERVICE_TOP, SERVICE_GAP = 210, 62, 60, 150
BROWSER_WIDTH = 92
CHANNEL = 58  # above each row of nodes
NOWHERE = "on no node"


@dataclass(frozen=True)
class Card:
    """A node's box and what lies in it: application pods, volumes, and the rest as lines."""

    node: Node
    row: int
    spot: Spot
    reason: list[str]
    pods: dict[Pod, Spot]
    volumes: dict[Volume, Spot]
    others: dict[Pod, Spot]


@dataclass
class Layout:
    """The whole page."""

    width: float = 0
    height: float = 0
    services: dict[str, Spot] = field(default_factory=dict)  # the browser as well
    cards: list[Card] = field(default_factory=list)

    @property
    def pods(self) -> dict[str, tuple[Card, Spot]]:
        """By name, where a pod lies and in which card."""
        return {
            pod.name: (card, spot)
            for card in self.cards
            for pod, spot in (card.pods | card.others).items()
        }

    @property
    def volumes(self) -> dict[str, Spot]:
        """By the name of the claim."""
        return {volume.claim: spot for card in self.cards for volume, spot in card.volumes.items()}


class _Column:
    """Places things one below the other."""

    def __init__(self, x: float, y: float) -> None:
        self.x, self.y = x, y

    def place(self, height: float, gap: float) -> Spot:
        spot = Spot(self.x, self.y, POD_WIDTH, height)
        self.y = spot.bottom + gap
        return spot


def arrange(picture: Picture) -> Layout:
    """Lay the picture out."""
    layout = Layout(services=_services(picture))
    nodes = [*picture.nodes, *_nowhere(picture)]
    # more would make the page wider than a screen
    columns = max(1, min(COLUMNS, len(nodes)))
    right = max((spot.right for spot in layout.services.values()), default=0)
    layout.width = max(2 * MARGIN + columns * (NODE_WIDTH + GAP) - GAP, right + MARGIN)
    y: float = SERVICE_TOP - CHANNEL
    if layout.services:
        y = SERVICE_TOP + SERVICE_HEIGHT
    for row, start in enumerate(range(0, len(nodes), columns)):
        y += CHANNEL
        cards = [
            _card(node, picture, row, MARGIN + number * (NODE_WIDTH + GAP), y)
            for number, node in enumerate(nodes[start : start + columns])
        ]
        # boxes of a row end at the same height, so that the next row's arrows have a way
        tallest = max(card.spot.height for card in cards)
        layout.cards += [replace(card, spot=replace(card.spot, height=tallest)) for card in cards]
        y += tallest
    layout.height = y + MARGIN / 2
    return layout


def _services(picture: Picture) -> dict[str, Spot]:
    """The browser and the Services, with all that a link names, in the order of a request."""
    ends = {end for link in picture.links for end in (link.source, link.target)}
    # a part alone is drawn with the Services that it is linked to, known by their names only
    ends |= {service.part for service in picture.services}
    spots = {}
    x: float = MARGIN
    if BROWSER in ends:
        spots[BROWSER] = Spot(x, SERVICE_TOP + 11, BROWSER_WIDTH, SERVICE_HEIGHT - 22)
        x += BROWSER_WIDTH + SERVICE_GAP + 44
    for app in (app for app in APPS if app in ends):
        spots[app] = Spot(x, SERVICE_TOP, SERVICE_WIDTH, SERVICE_HEIGHT)
        x += SERVICE_WIDTH + SERVICE_GAP
    return spots


def _nowhere(picture: Picture) -> Iterator[Node]:
    """A node that there is not, for the pods and volumes that are on none."""
    lost = _volumes(picture, NOWHERE)
    if picture.unscheduled_pods or lost:
        why = ""
        # a volume that nothing claims and that is tied to no node is as it should be
        if picture.unscheduled_pods or not all(volume.ok for volume in lost):
            why = "waiting for a place"
        yield Node(NOWHERE, "", "", "", why=why, pods=picture.unscheduled_pods)


def _volumes(picture: Picture, name: str) -> list[Volume]:
    names = {node.name for node in picture.nodes}
    return [
        volume
        for volume in picture.volumes
        if name == (volume.node if volume.node in names else NOWHERE)
    ]


def _card(node: Node, picture: Picture, row: int, x: float, top: float) -> Card:
    reason = lines(node.why, POD_WIDTH + 16)
    column = _Column(x + GUTTER, top + 52 + 15 * len(reason))
    pods = {pod: column.place(44 + _height(pod, 20), 10) for pod in node.applications}
    volumes = _volumes(picture, node.name)
    if volumes:
        column.y += 4  # a cylinder's top is round
    disks = {volume: column.place(66, 10) for volume in volumes}
    if node.others:
        column.y += 20  # for their title
    others = {pod: column.place(18 + _height(pod, 0), 1) for pod in node.others}
    spot = Spot(x, top, NODE_WIDTH, column.y - top + 8)
    return Card(node, row, spot, reason, pods, disks, others)


def _height(pod: Pod, margin: float) -> float:
    """That of the reason why it is not ready."""
    return LINE_HEIGHT * len(lines(pod.why, POD_WIDTH - margin))
