"""Draws what runs of a profile."""

from __future__ import annotations

from kubeup.core.errors import UsageError
from kubeup.core.report import Report
from kubeup.inspect.diagram.mermaid import mermaid
from kubeup.inspect.diagram.model import PARTS
from kubeup.inspect.diagram.reading import collect
from kubeup.inspect.diagram.svg import svg
from kubeup.inspect.diagram.text import text
from kubeup.workflows.project import Project


def draw(project: Project, out: Report, how: str, part: str) -> None:
    """Print a part of the picture (all of it with `all`) as text, svg, mermaid or json."""
    if part not in PARTS:
        raise UsageError(
            f"there is no part {part}", f"there are: {', '.join(PARTS)}", "name one of them"
        )
    picture = collect(project.kubectl, project.provider.observe().nodes)
    if how == "json":
        out.data(picture)
    elif how == "svg":
        out.say(svg(picture, part))
    elif how == "mermaid":
        out.say(mermaid(picture, part))
    else:
        out.say(text(picture, part=part))
