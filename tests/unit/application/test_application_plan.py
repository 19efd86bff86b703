from __future__ import annotations

import base64
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from builders import access, by_id, error_of, names, place, reach, recorded, settings, sids, step

from kubeup.application import data, deploying, saved_data
from kubeup.application.deployment import Deployment
from kubeup.application.overlay import Overlay
from kubeup.core.errors import Refused
from kubeup.core.plan import todo
from kubeup.core.shell import Output
from kubeup.system.kubectl import Kubectl

RENDERED = """\
{kind: Service, apiVersion: v1, metadata: {name: api, labels: {app: api}}}
---
{kind: Deployment, apiVersion: apps/v1, metadata: {name: api, labels: {app: api}}}
---
{kind: Secret, apiVersion: v1, metadata: {name: mysecret, labels: {app: db}}}
---
{kind: ConfigMap, apiVersion: v1, metadata: {name: mysql-initdb-config, labels: {app: db}}}
---
{kind: PersistentVolume, apiVersion: v1, metadata: {name: data-mysql-0, labels: {app: db}}}
---
{kind: Deployment, apiVersion: apps/v1, metadata: {name: ui, labels: {app: ui}}}
"""
OTHERS = (
    "{kind: ClusterRole, metadata: {name: 'kubeup:reader.v1'}}\n---\n{kind: ConfigMap, "
    "metadata: {name: pages.example.org}}\n"
)


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    """One whose kubectl answers with what was recorded."""
    config = tmp_path / "kubeconfig"
    config.write_text(access())
    (tmp_path / ".env").write_text("MYSQL_ROOT_PASSWORD=root-secret\nMYSQL_PASSWORD=api-secret\n")
    overlay = Overlay(settings(tmp_path), (), tmp_path / ".env", place(), tmp_path)
    found = Deployment(overlay, Kubectl(Path("/cache/kubectl"), config, "kubeup-dev"))
    monkeypatch.setattr(Deployment, "render", lambda _: f"{RENDERED}---\n{OTHERS}")
    return found


def answer(
    monkeypatch: pytest.MonkeyPatch, code: int, stdout: str = "", stderr: str = ""
) -> list[Any]:
    asked: list[Any] = []

    def read(*argv: str, **more: Any) -> Output:
        asked.append((argv, more))
        return Output(code, stdout, stderr)

    monkeypatch.setattr("kubeup.core.shell.read", read)
    return asked


def test_a_cluster_that_is_not_there_gets_everything(deployment: Deployment) -> None:
    steps = by_id(deploying.plan(deployment, None, needs=sids("cluster/answers")))
    assert list(steps) == ["deploy/db", "deploy/api", "deploy/ui"]
    assert {one.reason for one in steps.values()} == {"not on the cluster yet"}
    assert steps["deploy/api"].needs == sids(
        "cluster/answers", "deploy/db", "load/api", "push/api"
    ), "the API demands TLS, which the database has to offer first"
    assert steps["deploy/db"].title == "deploy the database"


def test_a_part_is_waited_for_once_it_can_have_its_image(deployment: Deployment) -> None:
    (step,) = deploying.wait(deployment, ("api",), sids("cluster/answers"))
    assert names(step.needs) == ["cluster/answers", "load/api", "push/api"]


def test_only_what_differs_is_deployed_and_named(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, 0)  # neither Secret nor claim is on the cluster
    steps = by_id(deploying.plan(deployment, recorded("deploy/kubectl_diff.txt")))
    assert list(steps) == ["deploy/db", "deploy/api"]
    assert steps["deploy/api"].reason == "Service api, Deployment api new or changed"
    assert steps["deploy/db"].reason == (
        "Secret mysecret, ConfigMap mysql-initdb-config, PersistentVolume data-mysql-0, "
        "ClusterRole kubeup:reader.v1, "
        "ConfigMap pages.example.org new or changed"
    )


def test_no_difference_means_no_steps(deployment: Deployment) -> None:
    assert todo(deploying.plan(deployment, "")) == []


def cluster_holds(password: str, database: str, *, claim: bool = True) -> str:
    """What `kubectl get secret/mysecret persistentvolumeclaim/data-mysql-0 -o json` tells."""
    values = {
        "ROOT_PASSWORD": "root-secret",
        "MYSQL_PASSWORD": password,
        "MYSQL_DATABASE": database,
        "MYSQL_USER": "api",
    }
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    claims = (
        [{"kind": "PersistentVolumeClaim", "metadata": {"name": "data-mysql-0"}}] if claim else []
    )
    return json.dumps(
        {
            "kind": "List",
            "items": [{"kind": "Secret", "metadata": {"name": "mysecret"}, "data": data}, *claims],
        }
    )


def test_other_passwords_than_the_databases_are_refused(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, 0, cluster_holds("earlier", "products"))
    error = error_of(deploying.plan, deployment, recorded("deploy/kubectl_diff.txt"))
    assert isinstance(error, Refused)
    assert "put the earlier values back into .env" in error.next
    assert "earlier\n" not in str(error) and "api-secret" not in str(error)


@pytest.mark.parametrize("parts", [("db",), ("api",), ("api", "ui")])
def test_new_passwords_reach_the_database_and_the_api_together(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, parts: tuple[str, ...]
) -> None:
    """One of them alone locks the API out: it would have others than the database, or the
    earlier ones are forgotten.
    """
    answer(monkeypatch, 0, cluster_holds("earlier", "api"))
    diff = (
        "diff -u -N /tmp/LIVE-1/apps.v1.Deployment.default.api "
        "/tmp/MERGED-2/apps.v1.Deployment.default.api\n"
    )
    error = error_of(
        lambda: deploying.plan(
            deployment,
            recorded("deploy/kubectl_diff.txt") if "db" in parts else diff,
            (),
            parts,
            list,
        )
    )
    assert isinstance(error, Refused) and "inv deploy.all" in error.next


def test_a_secret_that_somebody_changed_is_put_back_for_the_api_as_well(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, 0, cluster_holds("earlier", "api"))
    diff = (
        "diff -u -N /tmp/LIVE-1/v1.Secret.default.mysecret "
        "/tmp/MERGED-2/v1.Secret.default.mysecret\n"
    )
    carried = [step("db/passwords")]
    steps = by_id(deploying.plan(deployment, diff, carry=lambda: carried))
    assert (
        list(steps) == ["db/passwords", "deploy/db", "deploy/api"]
        and steps["deploy/api"].reason == "the passwords are new"
    )


SECRET_DIFFERS = (
    "diff -u -N /tmp/LIVE-1/v1.Secret.default.mysecret /tmp/MERGED-2/v1.Secret.default.mysecret\n"
)


def test_pods_are_started_anew_where_the_secret_alone_is_put_back(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database has those of `.env`: the others must not become good, nor stay in use."""
    answer(monkeypatch, 0, cluster_holds("by hand", "api"))
    steps = by_id(deploying.plan(deployment, SECRET_DIFFERS, carry=list))
    assert list(steps) == ["deploy/db", "deploy/api"]
    assert steps["deploy/api"].reason == "its pods were started with another Secret"
    last = {name: step.action.commands()[-1] for name, step in steps.items()}
    assert "rollout restart" not in last["deploy/db"]
    assert last["deploy/api"].endswith("rollout restart deployment/api")


def test_a_template_that_changes_starts_them_by_itself(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer(monkeypatch, 0, cluster_holds("by hand", "api"))
    steps = by_id(deploying.plan(deployment, recorded("deploy/kubectl_diff.txt"), carry=list))
    assert len(steps["deploy/api"].action.commands()) == 1


def test_an_api_with_an_earlier_secret_is_started_anew(deployment: Deployment) -> None:
    steps = by_id(deploying.plan(deployment, "", is_stale=True))
    assert list(steps) == ["deploy/api"] and len(steps["deploy/api"].action.commands()) == 2
    assert todo(deploying.plan(deployment, "", parts=["db", "ui"], is_stale=True)) == []


@pytest.mark.parametrize(
    "holds",
    [
        cluster_holds("api-secret", "changed-by-hand"),
        cluster_holds("earlier", "products", claim=False),
    ],
)
def test_another_key_or_no_data_yet_is_put_back(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, holds: str
) -> None:
    answer(monkeypatch, 0, holds)
    assert (
        "Secret mysecret"
        in by_id(deploying.plan(deployment, recorded("deploy/kubectl_diff.txt")))[
            "deploy/db"
        ].reason
    )


def test_an_object_of_nobody_is_a_mistake(deployment: Deployment) -> None:
    diff = (
        "diff -u -N /tmp/LIVE-1/v1.Service.default.stranger "
        "/tmp/MERGED-2/v1.Service.default.stranger\n"
    )
    assert "Service stranger" in error_of(deploying.plan, deployment, diff).what


def test_the_diff_of_one_part_is_asked_with_that_part_alone(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = answer(monkeypatch, 1, recorded("deploy/kubectl_diff.txt"))
    assert deployment.diff(["db"]) == recorded("deploy/kubectl_diff.txt")
    argv, more = asked[0]
    assert argv[5:] == (
        "diff",
        "--server-side",
        "--force-conflicts",
        "--field-manager=kubeup",
        "-f",
        "-",
    )
    assert "mysecret" in more["stdin"] and "fast-api" not in more["stdin"]
    assert not any("mysecret" in word for word in argv)


@pytest.mark.parametrize(
    ("code", "stderr"),
    [
        (
            1,
            "Unable to connect to the server: dial tcp 192.168.60.10:6443: connect: no route to "
            "host",
        ),
        (1, 'The StatefulSet "mysql" is invalid: spec.serviceName: Required value'),
    ],
)
def test_a_failed_diff_is_no_difference_found(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, code: int, stderr: str
) -> None:
    answer(monkeypatch, code, stderr=stderr)
    assert stderr in error_of(deployment.diff, ["db"]).why


def test_another_size_for_a_claim_that_is_there_is_refused_in_words(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words of a v1.26.1 API server to a diff with database.storage changed."""
    answer(monkeypatch, 1, stderr=recorded("deploy/storage_changed.txt"))
    error = error_of(deployment.diff, ["db"])
    assert isinstance(error, Refused) and "put database.storage back" in error.next


def test_the_apply_command_can_be_pasted(deployment: Deployment) -> None:
    deploy = by_id(deploying.plan(deployment, None))["deploy/ui"]
    assert deploy.action.commands() == (  # type: ignore[attr-defined]
        f"/cache/kubectl --kubeconfig {deployment.kubectl.kubeconfig} --context kubeup-dev "
        "apply --server-side --force-conflicts --field-manager=kubeup -f -",
    )


def test_a_context_is_named(deployment: Deployment) -> None:
    config = deployment.kubectl.kubeconfig
    expected = (
        "/cache/kubectl",
        "--kubeconfig",
        str(config),
        "--context",
        "kubeup-dev",
        "get",
        "nodes",
    )
    assert deployment.kubectl.argv("get", "nodes") == expected


def test_without_a_kubeconfig_there_is_no_cluster(tmp_path: Path) -> None:
    error = error_of(Kubectl(Path("k"), tmp_path / "kubeconfig", "kubeup-dev").read, "get", "nodes")
    assert error.what == "there is no cluster of this profile yet"
    assert "`inv up`" in error.next


def test_what_fails_on_the_node_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    on = place(ssh_targets=lambda: (reach(),))
    monkeypatch.setattr("kubeup.system.ssh.run", lambda *_, **__: Output(1, "", "read-only"))
    monkeypatch.setattr(Kubectl, "write", lambda *_, **__: "")
    monkeypatch.setattr(Kubectl, "answers", lambda _: False)
    kubectl = Kubectl(Path("kubectl"), Path("kubeconfig"), "dev")
    overlay = SimpleNamespace(place=on, secret=lambda: {"ROOT_PASSWORD": "r"})
    assert "can't write the mark" in error_of(data.accept, overlay).what
    assert (
        "can't stop its database" in error_of(saved_data.StopDatabase(on, kubectl).run, print).what
    )
    assert (
        "can't remove the database's data" in error_of(data.DropData(on, kubectl).run, print).what
    )
    assert error_of(place().reach).what == "the node dev-worker-1 does not exist"
