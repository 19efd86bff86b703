"""What is known against the packages that are shipped, by https://osv.dev.

It has the advisories of PyPI, npm and Go, by packages' names in bills of material. Nobody's answer
is not "nothing is known".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cyclonedx.model.component import Component

from kubeup.core.errors import KubeupError
from kubeup.core.report import Report
from kubeup.system import web

# https://google.github.io/osv.dev/post-v1-querybatch/
OSV = "https://api.osv.dev/v1/querybatch"
MOST = 1000  # of one question
KINDS = ("pypi", "npm", "golang")
FIXED = ("kubernetes",)  # which release that is does not change: its flaws are told, and stay


@dataclass(frozen=True)
class Finding:
    """What was asked about a bill, what was not, and the advisories by package."""

    bill: str
    asked: int
    not_asked: int
    known: Mapping[str, tuple[str, ...]]


def audit(contents: Mapping[str, Sequence[Component]], url: str = OSV) -> list[Finding]:
    """A finding for each bill. Raises KubeupError where OSV.dev gives no whole answer."""
    return [_finding(name, components, url) for name, components in contents.items()]


def _finding(bill: str, components: Sequence[Component], url: str) -> Finding:
    purls = [str(one.purl) for one in components if one.purl and one.purl.type in KINDS]
    known = dict[str, tuple[str, ...]]()
    for start in range(0, len(purls), MOST):
        known |= _known(purls[start : start + MOST], url)
    return Finding(bill, len(purls), len(components) - len(purls), known)


def _known(purls: Sequence[str], url: str) -> dict[str, tuple[str, ...]]:
    """The advisories of those that have any."""
    question = {"queries": [{"package": {"purl": purl}} for purl in purls]}
    headers = {"Content-Type": "application/json"}
    try:
        with web.open_url(url, "POST", headers, json.dumps(question).encode()) as answer:
            results = json.loads(answer.read())["results"]
            return {purl: _ids(row) for purl, row in zip(purls, results, strict=True) if row}
    except (*web.Failed, KeyError) as error:
        raise KubeupError(
            "nobody told what is known against the packages",
            f"{url}: {error}",
            "ask again from where it can be reached",
        ) from None


def _ids(row: dict[str, Any]) -> tuple[str, ...]:
    # more than fit into an answer is far more than anybody reads
    more = ("…",) if row.get("next_page_token") else ()
    return (*(vulnerability["id"] for vulnerability in row.get("vulns", ())), *more)


def show(findings: Sequence[Finding], out: Report) -> None:
    """A line for each bill, then one for each package that something is known against."""
    rows = [(one.bill, one.asked, one.not_asked, len(one.known)) for one in findings]
    out.table(("bill", "asked about", "not asked about", "with advisories"), rows)
    for one in findings:
        for purl, ids in one.known.items():
            out.say(f"{one.bill}: {purl}: {', '.join(ids)}")


def judge(findings: Sequence[Finding]) -> None:
    """Raises KubeupError where something is known against what could be renewed."""
    known = sorted({purl for one in findings if one.bill not in FIXED for purl in one.known})
    if known:
        raise KubeupError(
            f"something is known against {len(known)} packages",
            ", ".join(known),
            "renew their lock files",
        )
