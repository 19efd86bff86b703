from __future__ import annotations

from builders import recorded

from kubeup.facts import manifests

RENDERED = """\
apiVersion: v1
kind: Service
metadata: {name: api, labels: {app: api}}
---
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: kubeup-node}
---
apiVersion: v1
kind: Secret
metadata: {name: mysecret, labels: {app: db}}
"""


def test_changed_objects_of_a_real_diff() -> None:
    assert manifests.changed(recorded("deploy/kubectl_diff.txt")) == (
        "Deployment api",
        "ClusterRole kubeup:reader.v1",  # a group with dots, no namespace, a name with a dot
        "ConfigMap mysql-initdb-config",
        "ConfigMap pages.example.org",
        "PersistentVolume data-mysql-0",
        "Secret mysecret",
        "Service api",
    )


def test_kubectl_masks_the_values_of_secrets() -> None:
    text = recorded("deploy/kubectl_diff.txt")
    assert "MYSQL_PASSWORD: '*** (before)'" in text


def test_no_difference() -> None:
    assert manifests.changed("") == ()


def test_a_line_of_a_manifest_that_looks_like_a_heading_is_none() -> None:
    assert (
        manifests.changed(
            "+diff -u -N /tmp/a/v1.Service.default.api /tmp/b/v1.Service.default.api\n"
        )
        == ()
    )


def test_documents_leave_empty_ones_out_and_come_back_from_text() -> None:
    found = manifests.documents(RENDERED)
    assert [manifests.key(one) for one in found] == [
        "Service api",
        "StorageClass kubeup-node",
        "Secret mysecret",
    ]
    assert manifests.documents(manifests.text(found)) == found


def test_an_object_without_a_part_belongs_to_the_database() -> None:
    found = manifests.documents(RENDERED)
    assert [one["kind"] for one in manifests.of_part(found, "db")] == ["StorageClass", "Secret"]
    assert [one["kind"] for one in manifests.of_part(found, "api")] == ["Service"]
    assert manifests.of_part(found, "ui") == []
