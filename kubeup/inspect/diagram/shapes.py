"""SVG's few shapes as text. Everything that comes from a cluster is escaped here."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from textwrap import wrap

# one look for a light and a dark page; colours are told apart by shape and sign too
STYLE = """
svg{
--paper:#fff;--ink:#1f2933;--soft:#64748b;--box:#f5f7fa;--line:#c3ccd6;--pod:#fff;--ui:#1d6fd1;
--api:#0c8a62;--db:#8a45c2;--bad:#c62828;--warn:#fdecec}
@media(prefers-color-scheme:dark){
svg{
--paper:#14181d;--ink:#e6eaee;--soft:#9aa7b5;--box:#1d232b;--line:#3d4956;--pod:#262e38;
--ui:#6db1ff;--api:#4fd0a2;--db:#c898f2;--bad:#ff8080;--warn:#3a2024}
}
text{font:13px system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif;fill:var(--ink)}
.title{font-size:17px;font-weight:600}
.name{font-weight:600}
.small{font-size:11px;fill:var(--soft)}
.bad.small,.bad.name,text.bad{fill:var(--bad)}
.paper{fill:var(--paper)}
.node{fill:var(--box);stroke:var(--line)}
.pod{fill:var(--pod);stroke:var(--line)}
.outer{fill:var(--pod);stroke:var(--soft)}
.ui{stroke:var(--ui)}
.api{stroke:var(--api)}
.db{stroke:var(--db)}
.box{stroke-width:1.6}
rect.bad,path.bad{stroke:var(--bad);stroke-dasharray:5 4}
rect.bad{fill:var(--warn)}
.way{fill:none;stroke-width:1.8}
.plain{stroke:var(--soft)}
.head-ui{fill:var(--ui)}
.head-api{fill:var(--api)}
.head-db{fill:var(--db)}
.head-plain{fill:var(--soft)}
.head-bad{fill:var(--bad)}
.disk{fill:var(--pod)}
"""
MARKERS = ("ui", "api", "db", "plain", "bad")
Point = tuple[float, float]


def document(width: float, height: float, title: str, body: Sequence[str]) -> str:
    """A whole SVG with its styles and arrow heads."""
    heads = "".join(
        f'<marker id="head-{kind}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        'markerHeight="7" orient="auto-start-reverse">'
        f'<path class="head-{kind}" d="M0 0L10 5L0 10z"/></marker>'
        for kind in MARKERS
    )
    size = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}"'
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(title)}">'
    )
    paper = f'<rect class="paper" width="{width:g}" height="{height:g}"/>'
    return "\n".join(
        [
            head,
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            f"<defs>{heads}</defs>",
            paper,
            *body,
            "</svg>",
            "",
        ]
    )


def box(x: float, y: float, width: float, height: float, kind: str, tip: str = "") -> str:
    """A rectangle with round corners; `tip` is what a browser shows over it."""
    shown = f"<title>{escape(tip)}</title>" if tip else ""
    return (
        f'<rect class="box {kind}" x="{x:g}" y="{y:g}" width="{width:g}" '
        f'height="{height:g}" rx="8">{shown}</rect>'
    )


def words(
    x: float, y: float, text: str, kind: str = "", width: float = 0, anchor: str = "start"
) -> str:
    """A line of text, cut to about `width`."""
    shown = cut(text, width, 5.7 if "small" in kind else 7.2) if width else text
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(shown)}</text>'


def cut(text: str, width: float, letter: float) -> str:
    """The text, or its beginning with an ellipsis where that many letters would not fit."""
    letters = max(1, int(width / letter))
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def lines(text: str, width: float, letter: float = 6.2, most: int = 3) -> list[str]:
    """The text folded to the width, at most so many lines."""
    rows = wrap(text, max(8, int(width / letter)))
    return (
        rows
        if len(rows) <= most
        else [*rows[: most - 1], f"{rows[most - 1][: int(width / letter) - 2].rstrip()} …"]
    )


def way(points: Sequence[Point], kind: str, ok: bool = True) -> str:
    """An arrow along the points, its corners rounded."""
    shown = kind if ok else f"{kind} bad"
    return (
        f'<path class="way {shown}" d="{_rounded(points)}" '
        f'marker-end="url(#head-{kind if ok else "bad"})"/>'
    )


def disk(x: float, y: float, width: float, height: float, kind: str) -> str:
    """A cylinder: storage."""
    bow, right, low = 7.0, x + width, y + height
    side = f"M{x:g} {y + bow:g}V{low - bow:g}a{width / 2:g} {bow:g} 0 0 0 {width:g} 0V{y + bow:g}"
    top = (
        f"M{x:g} {y + bow:g}a{width / 2:g} {bow:g} 0 0 1 {width:g} 0a{width / 2:g} "
        f"{bow:g} 0 0 1 {x - right:g} 0z"
    )
    return f'<path class="disk box {kind}" d="{side}"/><path class="disk box {kind}" d="{top}"/>'


def _rounded(points: Sequence[Point], radius: float = 7) -> str:
    parts = [f"M{points[0][0]:g} {points[0][1]:g}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        start, end = _towards(corner, before, radius), _towards(corner, after, radius)
        parts.append(
            f"L{start[0]:g} {start[1]:g}Q{corner[0]:g} {corner[1]:g} {end[0]:g} {end[1]:g}"
        )
    return "".join([*parts, f"L{points[-1][0]:g} {points[-1][1]:g}"])


def _towards(corner: Point, other: Point, most: float) -> Point:
    """The point on the way from a corner to the other, no further than half of it."""
    across, down = other[0] - corner[0], other[1] - corner[1]
    length = (across**2 + down**2) ** 0.5 or 1
    part = min(most, length / 2) / length
    return corner[0] + across * part, corner[1] + down * part
