"""Why an API server did not answer, on what kubectl 1.26 printed before servers with each fault."""

from __future__ import annotations

import pytest
from builders import recorded

from kubeup.facts.connection import Cause, unanswered

PARTS = recorded("facts/kubectl_unanswered.txt").split("== ")[1:]
SAID = {name: text for name, _, text in (part.partition("\n") for part in PARTS)}


@pytest.mark.parametrize(
    ("name", "cause", "detail"),
    [
        ("refused", Cause.REFUSED, "The connection to the server 127.0.0.1:1 was refused"),
        ("silent", Cause.SILENT, "context deadline exceeded"),
        ("expired", Cause.EXPIRED, "is after 2026-11-28"),
        ("early", Cause.EARLY, "is before 2026-12-02"),
        ("authority", Cause.AUTHORITY, "certificate signed by unknown authority"),
        ("name", Cause.NAME, "certificate is valid for 10.0.0.9, not 127.0.0.1"),
        ("unauthorized", Cause.UNAUTHORIZED, "You must be logged in"),
        ("etcd", Cause.NOT_READY, "[-]etcd failed"),
        ("unavailable", Cause.NOT_READY, "apiserver not ready"),
        ("forbidden", Cause.OTHER, "cannot list resource"),
        ("unknown-host", Cause.OTHER, "no such host"),
    ],
)
def test_each_fault_has_its_cause(name: str, cause: Cause, detail: str) -> None:
    found = unanswered(SAID[name])
    assert found.cause is cause and detail in found.detail
    assert str(found) == f"{cause.words} ({found.detail})"


def test_without_a_word_there_is_no_cause() -> None:
    assert str(unanswered("\n")) == "it could not be asked"
