"""Draws what runs of a profile."""

from __future__ import annotations

from kubeup.core.report import Report
from kubeup.inspect import diagram
from kubeup.workflows.project import Project


def draw(project: Project, out: Report, how: str, part: str) -> None:
    picture = diagram.collect(project.kubectl, project.provider.observe().nodes)
    if how == "json":
        out.data(diagram.as_dict(picture))
    else:
        draw_as = {"text": diagram.text, "svg": diagram.svg, "mermaid": diagram.mermaid}[how]
        out.say(draw_as(picture, part=part))  # type: ignore[operator]
