"""The picture as a Mermaid flowchart, for documents and for whatever draws Mermaid."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from kubeup.inspect.diagram.model import APPS, BROWSER, Node, Part, Picture, Pod, Volume

STYLES = (
    "classDef bad stroke:#c62828,stroke-width:2px,stroke-dasharray:4 3",
    "classDef service stroke:#1565c0,stroke-width:2px",
    "classDef volume stroke:#6a1b9a,stroke-width:2px",
)


def mermaid(picture: Picture, part: Part = "all") -> str:
    """The flowchart's source."""
    drawn = picture.only(part)
    lines = [
        *_outside(drawn, part),
        *_services(drawn),
        *(line for node in drawn.nodes for line in _node(node, drawn.volumes)),
        *_homeless(drawn),
    ]
    lines += [*_links(drawn, part), *_behind(drawn), *_claims(drawn), *_marks(drawn), *STYLES]
    return "\n".join(["flowchart TB", *(f"  {line}" for line in lines)]) + "\n"


def _outside(picture: Picture, part: Part) -> Iterator[str]:
    sources = {link.source for link in picture.links}
    if BROWSER in sources:
        yield f"{BROWSER}([{_text('browser')}])"
    # the Service of another part, where the drawn one is reached from or leads to
    for link in picture.links:
        for end in (link.source, link.target):
            if part != "all" and end in APPS and end != part:
                yield f"{_id('svc', end)}([{_text(end)}])"


def _services(picture: Picture) -> Iterator[str]:
    for service in picture.services:
        if service.part:
            label = _text(f"Service {service.name}", service.words)
            yield f"{_id('svc', service.part)}[/{label}/]:::service"


def _node(node: Node, volumes: Sequence[Volume]) -> Iterator[str]:
    # one line: Mermaid draws what is in the box over a second one
    title = " · ".join(
        word for word in (node.name, node.title, node.address, _short(node.why)) if word
    )
    yield f"subgraph {_id('node', node.name)}[{_text(_marked(node.ok, title))}]"
    for pod in node.pods:
        if pod.part:
            yield f"  {_pod(pod)}"
    system = [pod for pod in node.pods if not pod.part]
    if system:
        label = _text("kube-system", *(_marked(pod.ok, pod.name) for pod in system))
        yield f"  {_id('system', node.name)}[{label}]"
    for volume in volumes:
        if volume.node == node.name:
            label = _text(
                _marked(volume.ok, volume.name), volume.path, f"{volume.size} {volume.policy}"
            )
            yield f"  {_id('volume', volume.name)}[({label})]:::volume"
    yield "end"


def _pod(pod: Pod) -> str:
    return (
        f"{_id('pod', pod.name)}[{_text(_marked(pod.ok, pod.name), pod.address, _short(pod.why))}]"
    )


def _homeless(picture: Picture) -> Iterator[str]:
    if picture.unscheduled_pods:
        yield f"subgraph nowhere[{_text('on no node')}]"
        yield from (f"  {_pod(pod)}" for pod in picture.unscheduled_pods)
        yield "end"


def _links(picture: Picture, part: Part) -> Iterator[str]:
    for link in picture.links:
        source = BROWSER if link.source == BROWSER else _sender(picture, link.source)
        yield (
            f"{source} "
            f"{'-->' if link.ok else '-.->'}|{_text(_marked(link.ok, link.label))}| "
            f"{_id('svc', link.target)}"
        )


def _sender(picture: Picture, part: str) -> str:
    """A pod of the part where there is one, as it is the pod that talks to the next Service."""
    return next(
        (_id("pod", pod.name) for pod in picture.pods if pod.part == part), _id("svc", part)
    )


def _behind(picture: Picture) -> Iterator[str]:
    for service in picture.services:
        if service.part:
            yield from (
                f"{_id('svc', service.part)} --> {_id('pod', name)}" for name in service.pods
            )
            yield from (
                f"{_id('svc', service.part)} -.-> {_id('pod', name)}" for name in service.waiting
            )
            yield from (
                f"{_id('svc', service.part)} --> "
                f"{_id('outside', address)}[{_text(address, 'outside the cluster')}]"
                for address in service.outside
            )


def _claims(picture: Picture) -> Iterator[str]:
    names = {node.name for node in picture.nodes}
    for volume in picture.volumes:
        claim = f"{_id('claim', volume.claim)}[({_text(volume.claim or volume.name, volume.why)})]"
        target = _id("volume", volume.name) if volume.node in names else claim
        users = [pod for pod in picture.pods if volume.claim and volume.claim in pod.claims]
        yield from (
            f"{_id('pod', pod.name)} -->|{_text(f'claim {volume.claim}')}| {target}"
            for pod in users
        )
        if not users and volume.node not in names:
            yield target


def _marks(picture: Picture) -> Iterator[str]:
    bad = [
        _id("pod", pod.name)
        for pod in picture.pods
        if not pod.ok and (pod.part or pod in picture.unscheduled_pods)
    ]
    bad += [_id("node", node.name) for node in picture.nodes if not node.ok]
    bad += [
        _id("svc", service.part) for service in picture.services if service.part and not service.ok
    ]
    if bad:
        yield f"class {','.join(bad)} bad"


def _marked(ok: bool, text: str) -> str:
    return text if ok else f"✗ {text}"


def _id(kind: str, name: str) -> str:
    return f"{kind}_{re.sub('[^0-9A-Za-z]', lambda found: f'_{ord(found.group()):x}_', name)}"


def _short(text: str, limit: int = 60) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _text(*lines: str) -> str:
    """A quoted label.

    Mermaid's own entities, as quotes and brackets end a label or start markup.
    """
    escapes = {'"': "#quot;", "<": "#lt;", ">": "#gt;", "#": "#35;", "`": "#96;", "&": "#amp;"}
    rows = ["".join(escapes.get(char, char) for char in line) for line in lines if line]
    return f'"{"<br/>".join(rows)}"'
