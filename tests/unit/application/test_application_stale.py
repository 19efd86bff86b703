"""Whether the API runs with an earlier Secret, by the times that the API server wrote down."""

from __future__ import annotations

import pytest

from kubeup.application.stale import older_than_secret

SECRET = "Secret,mysecret,db,2026-11-30T09:00:00Z,,2026-11-30T09:00:00Z"
TLS = "Secret,mysql-tls,db,2026-11-30T12:00:00Z,,2026-11-30T12:00:00Z"
API = "Pod,api-6d,api,2026-11-30T09:00:00Z,,2026-11-30T09:00:00Z 2026-11-30T09:00:07Z"
EDITED = f"{SECRET} 2026-11-30T10:00:00Z"
NEW = "Pod,api-7e,api,2026-11-30T10:00:00Z,,2026-11-30T10:00:09Z"
DATABASE = "Pod,mysql-0,db,2026-11-30T08:00:00Z,,2026-11-30T08:00:00Z"
LEAVING = "Pod,api-6d,api,2026-11-30T09:00:00Z,2026-11-30T10:01:00Z,2026-11-30T09:00:00Z"


@pytest.mark.parametrize(
    ("rows", "stale"),
    [
        ((SECRET, TLS, API), False),
        ((EDITED, API), True),
        ((EDITED, NEW), False),
        ((EDITED, API, NEW), True),
        ((EDITED, LEAVING, NEW), False),
        ((SECRET, DATABASE), False),
        ((API,), False),
        ((), False),
    ],
)
def test_a_pod_is_stale_by_what_came_later(rows: tuple[str, ...], stale: bool) -> None:
    assert older_than_secret("".join(f"{row}\n" for row in rows)) == stale
