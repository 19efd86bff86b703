"""SVG's few shapes as text. Everything that comes from a cluster is escaped here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from textwrap import wrap

from kubeup.inspect.diagram.model import shortened

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
.way{fill:none;stroke-width:1.8;stroke-linejoin:round}
.plain{stroke:var(--soft)}
.head-ui{fill:var(--ui)}
.head-api{fill:var(--api)}
.head-db{fill:var(--db)}
.head-plain{fill:var(--soft)}
.head-bad{fill:var(--bad)}
.disk{fill:var(--pod)}
"""
MARKERS = ("ui", "api", "db", "plain", "bad")
# an SVG can't measure text while it is written, and a page's font is not known either
LETTER, SMALL_LETTER, FOLDED_LETTER = 7.2, 5.7, 6.2  # about how wide one is
LINE_HEIGHT = 14
Point = tuple[float, float]


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


def document(width: float, height: float, title: str, body: Iterable[str]) -> str:
    """A whole SVG with its styles and arrow heads."""
    heads = "".join(
        f'<marker id="head-{kind}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        'markerHeight="7" orient="auto-start-reverse">'
        f'<path class="head-{kind}" d="M0 0L10 5L0 10z"/></marker>'
        for kind in MARKERS
    )
    size = f'width="{width:g}" height="{height:g}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" {size} '
        f'role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
        f"<style>{STYLE}</style>",
        f"<defs>{heads}</defs>",
        f'<rect class="paper" {size}/>',
        *body,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def styled(ok: bool, kind: str) -> str:
    """The classes of something that is well, or not."""
    return kind if ok else f"{kind} bad".strip()


def box(spot: Spot, kind: str, tip: str = "") -> str:
    """A rectangle with round corners; `tip` is what a browser shows over it."""
    title = f"<title>{escape(tip)}</title>" if tip else ""
    return (
        f'<rect class="box {kind}" x="{spot.x:g}" y="{spot.y:g}" width="{spot.width:g}" '
        f'height="{spot.height:g}" rx="8">{title}</rect>'
    )


def disk(spot: Spot, kind: str) -> str:
    """A cylinder: storage."""
    # the arcs of the top meet those of the bottom at the rectangle's edges
    bow, radius = 7.0, spot.width / 2
    start, arc = f"M{spot.x:g} {spot.y + bow:g}", f"a{radius:g} {bow:g} 0 0"
    side = f"{start}V{spot.bottom - bow:g}{arc} 0 {spot.width:g} 0V{spot.y + bow:g}"
    top = f"{start}{arc} 1 {spot.width:g} 0{arc} 1 {-spot.width:g} 0z"
    return "".join(f'<path class="disk box {kind}" d="{path}"/>' for path in (side, top))


def words(
    x: float, y: float, text: str, kind: str = "", width: float = 0, anchor: str = "start"
) -> str:
    """A line of text, cut to about `width`."""
    if width:
        letter = SMALL_LETTER if "small" in kind else LETTER
        text = shortened(text, max(1, int(width / letter)))
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'


def label(spot: Spot, down: float, text: str, kind: str = "", indent: float = 10) -> str:
    """A line of text inside a rectangle."""
    return words(spot.x + indent, spot.y + down, text, kind, spot.width - indent - 8)


def lines(text: str, width: float, most: int = 3) -> list[str]:
    """The text folded to the width, at most so many lines."""
    letters = max(8, int(width / FOLDED_LETTER))
    return wrap(text, letters, max_lines=most, placeholder=" …")


def way(points: Sequence[Point], kind: str, ok: bool = True) -> str:
    """An arrow along the points; of a `kind` without a colour of its own a plain one."""
    kind = kind if kind in MARKERS else "plain"
    head = kind if ok else "bad"
    path = "L".join(f"{x:g} {y:g}" for x, y in points)
    return f'<path class="way {styled(ok, kind)}" d="M{path}" marker-end="url(#head-{head})"/>'
