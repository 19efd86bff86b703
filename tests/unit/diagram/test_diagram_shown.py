"""The three renderers: what has to be in them, and that they are what they claim to be."""

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from kubeup.inspect.diagram.mermaid import mermaid
from kubeup.inspect.diagram.model import PARTS, Node, Picture, Pod
from kubeup.inspect.diagram.svg import svg
from kubeup.inspect.diagram.text import text

SVG = "{http://www.w3.org/2000/svg}"


def svg_texts(source):
    return [element.text or "" for element in ElementTree.fromstring(source).iter(f"{SVG}text")]  # noqa: S314 - made here


@pytest.mark.parametrize("width", [40, 60, 100, 200])
@pytest.mark.parametrize("part", PARTS)
def test_text_keeps_to_the_width(well, broken, width, part):
    for picture in (well, broken):
        assert max(len(line) for line in text(picture, width, part).splitlines()) <= width


def test_text_has_the_way_of_a_request(well):
    shown = text(well, 120)
    words = [
        "browser",
        "http://192.168.60.10:30001",
        "Service ui (NodePort 30001 → 80)",
        "api:8000",
        "Service api (NodePort 31000 → 8000)",
        "mysql-headless:3306",
        "Service mysql-headless (headless 3306)",
        "mysql-0 on dev-worker-1",
    ]
    places = [shown.index(word) for word in words]
    assert places == sorted(places)
    assert "dev-worker-1:/var/lib/kubeup/data/mysql" in shown
    assert "✗" not in shown


def test_text_marks_what_is_wrong(broken):
    shown = text(broken, 160)
    assert "✗ Deployment api: 0 of 1 ready" in shown
    assert "✗ dev-control" in shown
    assert "ImagePullBackOff: Back-off pulling image" in shown
    assert "on no node" in shown


def test_boxes_are_closed(well):
    rows = [line.strip() for line in text(well, 120).splitlines()]
    assert sum(line.count("┌") for line in rows) == sum(line.count("┘") for line in rows) == 3
    assert {len(line) for line in rows if line.startswith(("┌", "└─────"))} == {116}


@pytest.mark.parametrize("part", PARTS)
def test_svg_is_well_formed_and_loads_nothing(broken, part):
    source = svg(broken, part)
    assert ElementTree.fromstring(source).tag == f"{SVG}svg"  # noqa: S314 - made here
    assert not re.search(r"href|url\((?!#)|<script|@import", source)
    assert "prefers-color-scheme:dark" in source


def test_svg_names_everything(well):
    shown = svg_texts(svg(well))
    for word in (
        "browser",
        "✓ mysql-0",
        "✓ data-mysql-0",
        "✓ dev-control",
        "mysql-headless:3306",
        "/var/lib/kubeup/data/mysql",
    ):
        assert word in shown


def test_svg_marks_what_is_wrong(broken):
    source = svg(broken)
    assert "✗ api" in svg_texts(source)
    assert 'class="way api bad"' in source
    assert "no ready pod behind it" in svg_texts(source)


def test_svg_escapes_and_stays_inside_the_page():
    why = '<script>alert("&")</script> ' + "x" * 400
    picture = Picture(
        tuple(
            Node(
                f"n{number}<", False, "", "v1", "", why, (Pod("p&", "default", "ui", "n", "", why),)
            )
            for number in range(9)
        )
    )
    root = ElementTree.fromstring(svg(picture))  # noqa: S314 - made here
    width, height = (float(root.get(key)) for key in ("width", "height"))
    for rect in root.iter(f"{SVG}rect"):
        assert float(rect.get("x", 0)) + float(rect.get("width")) <= width
        assert float(rect.get("y", 0)) + float(rect.get("height")) <= height
    assert not list(root.iter(f"{SVG}script"))


@pytest.mark.parametrize("part", PARTS)
def test_mermaid_has_every_end_of_an_arrow_and_closes_what_it_opens(well, broken, part):
    for picture in (well, broken):
        source = mermaid(picture, part)
        assert source.startswith("flowchart TB\n")
        assert source.count("subgraph ") == len(re.findall(r"^\s*end$", source, re.M))
        declared = set(re.findall(r"^\s*(?:subgraph )?(\w+)[\[(]", source, re.M)) | set(
            re.findall(r"\| (claim_\w+)\[", source)
        )
        arrows = re.findall(r"^\s*(\w+) (?:-->|-\.->)(?:\|.*?\|)? (\w+)", source, re.M)
        assert arrows
        assert {end for pair in arrows for end in pair} <= declared


def test_mermaid_labels_can_not_break_out(well):
    strange = replace(
        well, nodes=(replace(well.nodes[0], why='a "quoted" <b>]'),), unscheduled_pods=()
    )
    assert "a #quot;quoted#quot; #lt;b#gt;]" in mermaid(strange)


def test_mermaid_marks_what_is_wrong(broken):
    source = mermaid(broken)
    assert '-.->|"✗ api:8000"| svc_api' in source
    assert re.search(r"class .*svc_api.* bad", source)


def test_an_empty_picture_is_drawn_too():
    for show in (text, svg, mermaid):
        assert show(Picture())
