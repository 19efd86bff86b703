from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from builders import DESKTOP, access, error_of, place, settings, state, three

from kubeup.application.external import Published
from kubeup.application.overlay import BASE, OWN_NAMES, Overlay
from kubeup.application.place import volume_node
from kubeup.core.errors import Refused
from kubeup.core.shell import Output
from kubeup.core.state import State, write_private
from kubeup.images.catalog import AppImage
from kubeup.system import secrets, tls
from kubeup.workflows import playbook
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.project import Project

IMAGES = (
    AppImage("db", "docker.io/library/mysql:8.4@sha256:b3b9", None, ()),
    AppImage("api", "localhost/fast-api-products:84cd8e436066", Path("/src/api"), ()),
    AppImage("ui", "registry.lan:5000/ana/ui:0feb2ce080f1", Path("/src/ui"), ()),
)
PASSWORDS = {"MYSQL_ROOT_PASSWORD": "root-secret", "MYSQL_PASSWORD": "api-secret"}


def overlay(
    folder: Path,
    keys: str = "",
    values: Mapping[str, str] = PASSWORDS,
    images: tuple[AppImage, ...] = IMAGES,
) -> Overlay:
    env = folder / ".env"
    env.write_text("".join(f"{name}={value}\n" for name, value in values.items()))
    return Overlay(settings(folder, keys), images, env, place(), folder / "tls")


def kustomization(one: Overlay) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(one.files()["kustomization.yaml"])
    return found


def patches(one: Overlay) -> dict[str, list[dict[str, Any]]]:
    rows = kustomization(one)["patches"]
    return {
        f"{row['target']['kind']} {row['target']['name']}": yaml.safe_load(row["patch"])
        for row in rows
    }


def test_images_by_digest_and_by_tag(tmp_path: Path) -> None:
    assert kustomization(overlay(tmp_path))["images"] == [
        {"name": "mysql", "newName": "docker.io/library/mysql", "digest": "sha256:b3b9"},
        {
            "name": "fast-api-products",
            "newName": "localhost/fast-api-products",
            "newTag": "84cd8e436066",
        },
        {
            "name": "ui-node-products",
            "newName": "registry.lan:5000/ana/ui",
            "newTag": "0feb2ce080f1",
        },
    ]


def test_ports_storage_and_the_node_of_the_volume(tmp_path: Path) -> None:
    found = patches(overlay(tmp_path, "ports: {api: 31007, ui: 30007}\ndatabase: {storage: 3Gi}"))
    assert found["Service api"] == [
        {"op": "replace", "path": "/spec/ports/0/nodePort", "value": 31007}
    ]
    assert found["Service ui"][0]["value"] == 30007
    storage, path, node = found["PersistentVolume data-mysql-0"]
    assert (storage["path"], storage["value"]) == ("/spec/capacity/storage", "3Gi")
    assert (path["path"], path["value"]) == ("/spec/local/path", "/var/lib/kubeup/data/mysql")
    assert node["value"] == ["dev-worker-1"]
    sizes = [one["value"] for one in found["StatefulSet mysql"] if one["op"] == "replace"]
    assert sizes == ["3Gi", "3Gi"]


@dataclass(frozen=True)
class Everywhere:
    """Stands for what decides at which addresses the UI answers."""

    port: int

    def now(self) -> Published:
        return Published(self.port, ("192.168.60.10", "192.168.60.11"))


def test_the_uis_service_has_the_nodes_addresses(tmp_path: Path) -> None:
    found = patches(replace(overlay(tmp_path), external=Everywhere(8080)))["Service ui"]
    assert [(one["op"], one["path"], one["value"]) for one in found[1:]] == [
        ("replace", "/spec/ports/0/port", 8080),
        ("add", "/spec/externalIPs", ["192.168.60.10", "192.168.60.11"]),
    ]
    assert len(patches(overlay(tmp_path))["Service ui"]) == 1


def test_without_workers_the_volume_lies_on_the_control_plane(tmp_path: Path) -> None:
    assert volume_node(settings(tmp_path).nodes_list()) == "dev-worker-1"
    assert (
        volume_node(settings(tmp_path, "nodes: {workers: {count: 0}}").nodes_list())
        == "dev-control"
    )


def annotation(one: Overlay) -> str:
    return str(patches(one)["Deployment api"][0]["value"]["kubeup/secrets"])


def test_a_certificate_reaches_the_server_and_its_authority_the_api(tmp_path: Path) -> None:
    """A server reads its own when it starts, so a renewed one makes a new pod of the database."""
    one = overlay(tmp_path)
    unmade, unmade_api = patches(one)["StatefulSet mysql"], annotation(one)
    tls.MakeCertificate(one.tls_folder).run(print)
    made = patches(one)["StatefulSet mysql"]
    assert made != unmade and annotation(one) != unmade_api
    files, key = one.files(), (one.tls_folder / "tls.key").read_text()
    assert [name for name, text in files.items() if text == key] == ["tls/tls.key"]
    assert not any("ca.key" in name for name in files)
    found = kustomization(one)
    assert found["secretGenerator"][1]["files"] == ["tls/tls.crt", "tls/tls.key"]
    assert found["configMapGenerator"][0]["files"] == ["tls/ca.crt"]
    (one.tls_folder / "tls.key").unlink()
    api = annotation(one)
    tls.MakeCertificate(one.tls_folder).run(print)
    assert patches(one)["StatefulSet mysql"] != made and annotation(one) == api, (
        "the same authority"
    )


@pytest.mark.real
def test_the_server_refuses_plain_text_once_the_api_does_without(
    tmp_path: Path, real_kubectl: Path
) -> None:
    one = overlay(tmp_path)
    for guarded, option in ((True, "ON"), (False, "OFF")):
        now = replace(one, guarded=lambda guarded=guarded: guarded)
        pod = rendered(now, real_kubectl)["StatefulSet mysql"]["spec"]["template"]
        (container,) = pod["spec"]["containers"]
        required = [arg for arg in container["args"] if arg.startswith("--require")]
        assert required == [f"--require-secure-transport={option}"]
        assert "--loose-mysqlx=OFF" in container["args"], "a second port that nobody knows of"
        assert pod["metadata"]["annotations"]["kubeup/certificate"]
        (secret,) = (one["secret"] for one in pod["spec"]["volumes"] if "secret" in one)
        assert secret == {"secretName": "mysql-tls", "defaultMode": 0o400}


def test_a_changed_password_changes_the_pods_and_nothing_tells_it(tmp_path: Path) -> None:
    before = annotation(overlay(tmp_path))
    assert before == annotation(overlay(tmp_path))
    after = overlay(tmp_path, values={**PASSWORDS, "MYSQL_PASSWORD": "another-secret"})
    assert before != annotation(after)
    text = after.files()["kustomization.yaml"]
    assert "secret" in text and not any(
        value in text for value in ("another-secret", "root-secret")
    )


def test_passwords_are_those_that_are_there_when_it_is_rendered(tmp_path: Path) -> None:
    """A plan is made before passwords are generated: nothing may stand in for them."""
    one = overlay(tmp_path, values={})
    error = error_of(one.files)
    assert (
        isinstance(error, Refused)
        and error.what == "MYSQL_ROOT_PASSWORD and MYSQL_PASSWORD not in .env"
    )
    for step in secrets.plan(one.env):
        step.action.run(lambda line: None)
    files = one.files()
    assert {files["secret/ROOT_PASSWORD"], files["secret/MYSQL_PASSWORD"]} == set(
        secrets.read(one.env).values()
    )


def test_the_secret_and_the_database(tmp_path: Path) -> None:
    files = overlay(tmp_path, "database: {name: shop, user: seller}").files()
    assert {name: text for name, text in files.items() if name.startswith("secret/")} == {
        "secret/ROOT_PASSWORD": "root-secret",
        "secret/MYSQL_DATABASE": "shop",
        "secret/MYSQL_USER": "seller",
        "secret/MYSQL_PASSWORD": "api-secret",
    }
    assert files["init.sql"] == "CREATE DATABASE IF NOT EXISTS `shop`;\n"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("MYSQL_DATABASE", "database.name"),
        ("MYSQL_USER", "database.user"),
    ],
)
def test_another_name_in_env_is_refused_naming_both(tmp_path: Path, name: str, key: str) -> None:
    error = error_of(
        overlay(
            tmp_path, "database: {name: shop, user: shop}", {**PASSWORDS, name: "products"}
        ).files
    )
    assert isinstance(error, Refused)
    assert error.what == f"{name} is products in .env and shop in the settings"
    assert error.next == f"remove {name} from .env, or set {key}"


def test_the_same_name_in_env_is_no_contradiction(tmp_path: Path) -> None:
    overlay(tmp_path, "database: {name: shop}", {**PASSWORDS, "MYSQL_DATABASE": "shop"}).files()


def test_files_are_private_and_gone_once_they_were_read(tmp_path: Path) -> None:
    one = overlay(tmp_path)
    with pytest.raises(OSError, match="no space"), one.written() as folder, one.written() as other:
        assert folder != other and folder.stat().st_mode & 0o777 == 0o700
        assert (folder / "secret" / "MYSQL_PASSWORD").stat().st_mode & 0o777 == 0o600
        resources = {(folder / name).resolve() for name in kustomization(one)["resources"]}
        assert resources == {BASE / "db", BASE / "api", BASE / "ui"}
        raise OSError("no space")
    assert not folder.exists() and not other.exists() and BASE.is_dir()


def test_who_only_looks_leaves_the_profile_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another command may read what lies there: names, contents and times stay as they are."""
    env = overlay(tmp_path).env
    one, seen = (
        Project(settings(tmp_path, "ports: {http: 0}"), state(tmp_path), DESKTOP),
        list[Path](),
    )
    monkeypatch.setattr(State, "secrets", property(lambda _: env))
    monkeypatch.setattr(playbook, "_provisionable", lambda _: ClusterFacts(three()))
    write_private(one.state.kubeconfig, access())
    write_private(one.state.inventory, "of a play that runs")
    write_private(one.state.folder / "deploy" / "kustomization.yaml", "of an older kubeup")

    def read(*argv: str, **_: Any) -> Output:
        told = Path(argv[argv.index("-i") + 1]).parent if "-i" in argv else Path(argv[-1])
        seen.append(told)
        assert told.stat().st_mode & 0o777 == 0o700
        return Output(0, "", "")

    monkeypatch.setattr("kubeup.core.shell.read", read)
    before = everything(one.state.folder)
    one.deployment.render()
    one.deployment.diff()
    playbook.ping(one)
    assert everything(one.state.folder) == before
    assert len(set(seen)) == 3 and not any(folder.exists() for folder in seen)


def everything(folder: Path) -> dict[Path, tuple[int, int, bytes]]:
    """Names, inodes, times and contents."""
    found = {path: path.stat() for path in (folder, *folder.rglob("*"))}
    return {
        path: (of.st_ino, of.st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path, of in found.items()
    }


def rendered(one: Overlay, kubectl: Path) -> dict[str, dict[str, Any]]:
    from kubeup.core import shell
    from kubeup.facts import manifests

    with one.written() as folder:
        text = shell.read(str(kubectl), "kustomize", str(folder)).stdout
    return {manifests.key(document): document for document in manifests.documents(text)}


@pytest.mark.real
def test_kustomize_takes_it(tmp_path: Path, real_kubectl: Path) -> None:
    import base64

    found = rendered(overlay(tmp_path, "ports: {api: 31007}"), real_kubectl)
    assert found["Service api"]["spec"]["ports"][0]["nodePort"] == 31007
    assert base64.b64decode(found["Secret mysecret"]["data"]["MYSQL_PASSWORD"]) == b"api-secret"
    assert (
        found["Deployment ui"]["spec"]["template"]["spec"]["containers"][0]["image"]
        == "registry.lan:5000/ana/ui:0feb2ce080f1"
    )
    assert (
        found["StatefulSet mysql"]["spec"]["template"]["spec"]["containers"][0]["image"]
        == "docker.io/library/mysql@sha256:b3b9"
    )
    env = found["StatefulSet mysql"]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "MYSQL_ROOT_HOST", "value": "localhost"} in env
    assert {
        one["metadata"]["labels"]["app.kubernetes.io/managed-by"] for one in found.values()
    } == {"kubeup"}


@pytest.mark.real
def test_digests_of_digits_alone_are_never_read_as_numbers(
    tmp_path: Path, real_kubectl: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from builders import SANDBOX

    from kubeup.images import bases, catalog
    from kubeup.images.rootfs import Origin

    chosen = settings(tmp_path)
    # PyYAML writes it without quotes, kustomize reads a number
    monkeypatch.setattr("kubeup.system.cache.digest", lambda *_: "0987654321098765")
    images = catalog.catalog(chosen, bases.choose(chosen, SANDBOX, Origin()))
    found = rendered(overlay(tmp_path, images=images), real_kubectl)
    template = found["Deployment api"]["spec"]["template"]
    assert template["spec"]["containers"][0]["image"] == images[1].reference
    assert isinstance(template["metadata"]["annotations"]["kubeup/secrets"], str)


@pytest.mark.real
def test_on_a_machine_the_api_is_deployed_as_ever(tmp_path: Path, real_kubectl: Path) -> None:
    inside = overlay(tmp_path)
    outside = replace(inside, machine=lambda: "192.168.60.11")
    before, after = (rendered(one, real_kubectl) for one in (inside, outside))
    for name in ("Service api", "Deployment api", "Secret mysecret", "Service ui", "Deployment ui"):
        assert before[name] == after[name], name
    assert {"StatefulSet mysql", "PersistentVolume data-mysql-0"} <= set(
        before
    ) and "EndpointSlice mysql-vm" not in before
    assert before["ConfigMap mysql-authority"] == after["ConfigMap mysql-authority"]
    gone = ("StatefulSet", "PersistentVolume", "ConfigMap mysql-initdb", "Secret mysql-tls")
    assert not any(name.startswith(gone) for name in after)
    assert "selector" not in after["Service mysql-headless"]["spec"]
    assert after["EndpointSlice mysql-vm"]["endpoints"] == [
        {"addresses": ["192.168.60.11"], "hostname": "mysql-0", "conditions": {"ready": True}}
    ]


@pytest.mark.real
def test_names_that_lead_to_ui_and_api(tmp_path: Path, real_kubectl: Path) -> None:
    found = rendered(overlay(tmp_path, "ports: {hosts: [shop.example.com, .lan]}"), real_kubectl)
    for name in ("Deployment api", "Deployment ui"):
        env = found[name]["spec"]["template"]["spec"]["containers"][0]["env"]
        (names,) = [one["value"] for one in env if one["name"] == "ALLOWED_HOSTS"]
        assert names.split(",") == [*OWN_NAMES, "shop.example.com", ".lan"]
        assert ".svc.cluster.local" in names


@pytest.mark.real
def test_pods_meet_the_restricted_pod_security_standard(tmp_path: Path, real_kubectl: Path) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted"""
    found = rendered(overlay(tmp_path), real_kubectl)
    pods = [
        one["spec"]["template"]["spec"]
        for one in found.values()
        if one["kind"] in ("Deployment", "StatefulSet")
    ]
    assert len(pods) == 3
    for pod in pods:
        assert not pod.keys() & {"hostNetwork", "hostPID", "hostIPC", "initContainers"}
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        (container,) = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not pod["automountServiceAccountToken"]
        assert "hostPort" not in str(container["ports"])
        for volume in pod["volumes"]:
            bound = volume.get("emptyDir", {}).get("sizeLimit")
            assert volume.keys() & {"configMap", "secret"} or bound, volume
