"""Draws what runs of a profile."""

from __future__ import annotations

from typing import cast, get_args

from kubeup.core.errors import UsageError
from kubeup.core.report import Report
from kubeup.inspect.diagram.mermaid import mermaid
from kubeup.inspect.diagram.model import Part
from kubeup.inspect.diagram.reading import collect
from kubeup.inspect.diagram.svg import svg
from kubeup.inspect.diagram.text import text
from kubeup.workflows.project import Project


def draw(project: Project, out: Report, how: str, part: str) -> None:
    """Print a part of the picture (all of it with `all`) as text, svg, mermaid or json."""
    parts = get_args(Part)
    if part not in parts:
        raise UsageError(
            f"there is no part {part}", f"there are: {', '.join(parts)}", "name one of them"
        )
    chosen = cast(Part, part)
    picture = collect(project.kubectl, project.provider.observe().nodes)
    if how == "json":
        out.data(picture)
    elif how == "svg":
        out.say(svg(picture, chosen))
    elif how == "mermaid":
        out.say(mermaid(picture, chosen))
    else:
        out.say(text(picture, part=chosen))
