"""Pods that run with an earlier Secret: a pod reads its environment variables once, at its start.

https://kubernetes.io/docs/concepts/configuration/secret/#using-secrets-as-environment-variables
"""

from __future__ import annotations

from kubeup.application.overlay import MANAGED
from kubeup.core.services import API
from kubeup.system.kubectl import Kubectl

WHY = "its pods were started with another Secret"
SECRET = "mysecret"  # noqa: S105 - the name of an object
SECRET_OBJECT = f"Secret {SECRET}"  # as `manifests.key` has it
# what the API server wrote down: kind, name, app, when made, when to be deleted, when changed
COLUMNS = (
    "{.kind},{.metadata.name},{.metadata.labels.app},{.metadata.creationTimestamp},"
    '{.metadata.deletionTimestamp},{.metadata.managedFields[*].time}{"\\n"}'
)


def api_is_stale(kubectl: Kubectl) -> bool:
    """Whether a pod of the API is older than the last change of its Secret.

    No password is compared, and none is asked for.
    """
    return older_than_secret(
        kubectl.read(
            *("get", "secrets,pods", "-l", f"{MANAGED}=kubeup"),
            *("-o", f"jsonpath={{range .items[*]}}{COLUMNS}{{end}}"),
        ).stdout
    )


def older_than_secret(rows: str) -> bool:
    """The same by the rows of COLUMNS. Times are RFC 3339 in UTC, which sort as text."""
    objects = [row.split(",") for row in rows.splitlines()]
    changed = [
        time
        for kind, name, _, _, _, times in objects
        for time in times.split()
        if (kind, name) == ("Secret", SECRET)
    ]
    started = [
        made
        for kind, _, app, made, deleted, _ in objects
        if kind == "Pod" and app == API.name and not deleted
    ]
    return bool(changed and started) and min(started) < max(changed)
