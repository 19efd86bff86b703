"""The picture as a Mermaid flowchart, for documents and for whatever draws Mermaid."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubeup.inspect.diagram.model import (
    APPS,
    BROWSER,
    Node,
    Picture,
    Pod,
    Volume,
    marked,
    shortened,
)

STYLES = (
    "classDef bad stroke:#c62828,stroke-width:2px,stroke-dasharray:4 3",
    "classDef service stroke:#1565c0,stroke-width:2px",
    "classDef volume stroke:#6a1b9a,stroke-width:2px",
)
# Mermaid's own entities, with # for HTML's & (knsv/mermaid#193): quotes and brackets end a label
# or start markup
ESCAPES = str.maketrans(
    {'"': "#quot;", "<": "#lt;", ">": "#gt;", "#": "#35;", "`": "#96;", "&": "#amp;"}
)
ARROWS = {True: "-->", False: "-.->"}
REASON = 60  # letters: the whole of it would make its box wider than all others


def mermaid(picture: Picture, part: str = "all") -> str:
    """The flowchart's source."""
    drawn = picture.only(part)
    lines = [
        *_ends(drawn, part),
        *_services(drawn),
        *_nodes(drawn),
        *_unscheduled(drawn),
        *_links(drawn),
        *_pods_behind(drawn),
        *_claims(drawn),
        *_bad(drawn),
        *STYLES,
    ]
    return "\n".join(["flowchart TB", *(f"  {line}" for line in lines)]) + "\n"


def _ends(picture: Picture, part: str) -> Iterator[str]:
    """The browser, and the Services of other parts that the drawn one is linked to."""
    # an arrow to what is not declared would make a box of its bare id
    ends = [end for link in picture.links for end in (link.source, link.target)]
    if BROWSER in ends:
        yield f"{BROWSER}([{_text('browser')}])"
    if part != "all":
        for end in ends:
            if end in APPS and end != part:
                yield f"{_id('svc', end)}([{_text(end)}])"


def _services(picture: Picture) -> Iterator[str]:
    for service in picture.app_services:
        text = _text(f"Service {service.name}", service.words)
        yield f"{_id('svc', service.part)}[/{text}/]:::service"


def _nodes(picture: Picture) -> Iterator[str]:
    for node in picture.nodes:
        yield f"subgraph {_id('node', node.name)}[{_text(marked(node.ok, _title(node)))}]"
        for pod in node.applications:
            yield _pod(pod)
        if node.others:
            names = [marked(pod.ok, pod.name) for pod in node.others]
            yield f"  {_id('system', node.name)}[{_text('kube-system', *names)}]"
        for volume in picture.volumes_on(node.name):
            yield _volume(volume)
        yield "end"  # of the subgraph


def _title(node: Node) -> str:
    # one line: Mermaid draws what is in the box over a second one
    words = (node.name, node.title, node.address, shortened(node.why, REASON))
    return " · ".join(filter(None, words))


def _volume(volume: Volume) -> str:
    name = marked(volume.ok, volume.name)
    text = _text(name, volume.path, f"{volume.size} {volume.policy}")
    return f"  {_id('volume', volume.name)}[({text})]:::volume"


def _pod(pod: Pod) -> str:
    text = _text(marked(pod.ok, pod.name), pod.address, shortened(pod.why, REASON))
    return f"  {_id('pod', pod.name)}[{text}]"


def _unscheduled(picture: Picture) -> Iterator[str]:
    if picture.unscheduled_pods:
        yield f"subgraph nowhere[{_text('on no node')}]"
        yield from map(_pod, picture.unscheduled_pods)
        yield "end"


def _links(picture: Picture) -> Iterator[str]:
    # it is a pod that talks to the next Service; the Service stands for one that is not drawn
    senders = {pod.part: _id("pod", pod.name) for pod in reversed(picture.pods)}
    senders[BROWSER] = BROWSER
    for link in picture.links:
        source = senders.get(link.source) or _id("svc", link.source)
        label = _text(marked(link.ok, link.label))
        yield f"{source} {ARROWS[link.ok]}|{label}| {_id('svc', link.target)}"


def _pods_behind(picture: Picture) -> Iterator[str]:
    for service in picture.app_services:
        source = _id("svc", service.part)
        for name in service.pods:
            yield f"{source} {ARROWS[True]} {_id('pod', name)}"
        for name in service.waiting:
            yield f"{source} {ARROWS[False]} {_id('pod', name)}"
        for address in service.outside:
            text = _text(address, "outside the cluster")
            yield f"{source} --> {_id('outside', address)}[{text}]"


def _claims(picture: Picture) -> Iterator[str]:
    nodes = {node.name for node in picture.nodes}
    for volume in picture.volumes:
        target = _id("volume", volume.name)
        if volume.node not in nodes:
            text = _text(volume.claim or volume.name, volume.why)
            target = f"{_id('claim', volume.claim)}[({text})]"
        users = picture.users(volume)
        for pod in users:
            yield f"{_id('pod', pod.name)} -->|{_text(volume.claimed)}| {target}"
        if not users and volume.node not in nodes:
            yield target


def _bad(picture: Picture) -> Iterator[str]:
    # pods of Kubernetes itself share one box, where each has its mark
    pods = [pod for pod in picture.pods if pod.part or pod in picture.unscheduled_pods]
    bad = [_id("pod", pod.name) for pod in pods if not pod.ok]
    bad += [_id("node", node.name) for node in picture.nodes if not node.ok]
    bad += [_id("svc", service.part) for service in picture.app_services if not service.ok]
    if bad:
        yield f"class {','.join(bad)} bad"


def _id(kind: str, name: str) -> str:
    # Mermaid's ids have letters, digits and _ alone; two names must not become the same
    return f"{kind}_{re.sub('[^0-9A-Za-z]', lambda match: f'_{ord(match.group()):x}_', name)}"


def _text(*lines: str) -> str:
    """A quoted label."""
    rows = [line.translate(ESCAPES) for line in lines if line]
    return f'"{"<br/>".join(rows)}"'
