"""Each way to break a cluster: doctor names the cause within seconds, up mends it, verify passes.

docs/reliability.md has the table that these tests read.
"""

from __future__ import annotations

import time

import pytest

from kubeup.core.state import PROJECT
from tests.beds.ran import Ran
from tests.real.faults.breakages import BREAKAGES, Breakage
from tests.real.harness import Cluster

pytestmark = [pytest.mark.real, pytest.mark.long]

DOCUMENT = PROJECT / "docs" / "reliability.md"
HEAD = ("| What is broken | `doctor` says | mended by |", "|---|---|---|")
SECONDS = 10.0  # that `doctor` may take
SEEN_SECONDS = 60.0


@pytest.mark.parametrize("one", BREAKAGES, ids=lambda one: one.what)
def test_a_broken_part_is_named_and_mended(cluster: Cluster, one: Breakage) -> None:
    one.do(cluster)
    looked = until_said(cluster, one.says)
    assert looked.code == 1 and looked.seconds <= SECONDS * cluster.project.host.pace.times, looked
    if one.undo:
        one.undo(cluster)
    else:
        steps = {step["id"] for step in cluster.plan()}
        assert one.steps <= steps, f"not all of {sorted(one.steps)} in {sorted(steps)}"
    cluster.up()  # which ends with a verification
    assert cluster.plan() == []


def until_said(cluster: Cluster, words: str) -> Ran:
    """The answer of `doctor` that has them: what Kubernetes tells is some seconds old."""
    end = time.monotonic() + SEEN_SECONDS
    while words not in (looked := cluster.inv("doctor", code=None)).out:
        assert time.monotonic() < end, f"{words!r} is not in\n{looked}"
        time.sleep(1)
    return looked


def test_the_docs_have_the_table() -> None:
    rows = [f"| {one.what} | {one.says} | {one.mended_by} |" for one in BREAKAGES]
    table = "\n".join((*HEAD, *rows))
    assert table in DOCUMENT.read_text(), table
