"""Images through a registry: pushed once, pulled by the nodes, and what a wrong login says.

The registry is Debian's own.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.real.authority import Authority
from tests.real.harness import GATEWAY, NODES, Cluster, mended, output
from tests.real.registry import held, options, over_tls, serve

pytestmark = [pytest.mark.real, pytest.mark.long]


class Closed(NamedTuple):
    """A registry that asks for a login, and whose certificate an authority of its own signed."""

    address: str
    authority: Authority

    @property
    def options(self) -> tuple[str, ...]:
        trusted = f"network.ca_certificates=['{self.authority.certificate}']"
        return (*over_tls(self.address), "--set", trusted)


OPEN, CLOSED = f"{GATEWAY}:5062", f"{GATEWAY}:5063"
USER, PASSWORD = "somebody", "a-registry-password-of-the-tests"


@pytest.fixture(scope="module")
def registry(
    standing: Cluster, registry_tool: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    process = serve(registry_tool, tmp_path_factory.mktemp("registry"), OPEN)
    yield OPEN
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="module")
def closed_registry(
    standing: Cluster, registry_tool: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Closed]:
    folder = tmp_path_factory.mktemp("closed-registry")
    (folder / "htpasswd").write_text(output("htpasswd", "-niB", USER, stdin=PASSWORD))
    authority = Authority(folder / "authority").make()
    process = serve(
        registry_tool,
        folder,
        CLOSED,
        authority.vouch(GATEWAY)
        + f"auth:\n  htpasswd: {{realm: tests, path: {folder / 'htpasswd'}}}\n",
    )
    yield Closed(CLOSED, authority)
    process.terminate()
    process.wait(20)


def test_images_are_pushed_once_under_the_digest_of_their_content(
    cluster: Cluster, registry: str
) -> None:
    plan = cluster.inv("images.push", "--dry", *options(registry)).out
    assert plan.count("not in the registry") == 3 and held(registry) == {}
    cluster.inv("images.push", *options(registry))
    found = held(registry)
    assert set(found) == {"tests/kubeup-mysql", "tests/fast-api-products", "tests/ui-node-products"}
    loaded = {row["image"].rsplit("/", 1)[1] for row in cluster.inv("images.list", "--json").json}
    # the same content has the same tag
    assert {f"{name.split('/')[1]}:{tag}" for name, tags in found.items() for tag in tags} == loaded
    assert all(re.fullmatch(r"(sha-)?[0-9a-f]{12}", tag) for tags in found.values() for tag in tags)

    again = cluster.inv("images.push", *options(registry))
    assert "Nothing to do." in again.out and again.seconds < 15
    assert held(registry) == found


def test_only_what_the_registry_lacks_is_pushed(cluster: Cluster, registry: str) -> None:
    cluster.inv("images.push", *options(registry))
    ran = cluster.inv("images.push", *options(registry), "--set", "images.ui=another-ui")
    assert len(re.findall(r"done +push ", ran.out)) == 1 and "another-ui" in ran.out
    assert "tests/another-ui" in held(registry)


def test_a_registry_that_is_away(cluster: Cluster) -> None:
    ran = cluster.inv("images.push", *options(f"{GATEWAY}:5099"), code=1)
    assert (
        "connection refused" in ran.err
        and "images.via: load" in ran.err
        and "Traceback" not in ran.err
    )


def test_a_registry_without_tls_is_asked_so_where_it_is_told_and_never_gets_a_login(
    cluster: Cluster, registry: str, tmp_path: Path
) -> None:
    ran = cluster.inv("images.push", *over_tls(registry), "--set", "images.ui=in-clear", code=1)
    assert "images.insecure" in ran.err and "tests/in-clear" not in held(registry)
    env = {
        **login_file(tmp_path),
        "KUBEUP_REGISTRY_USER": USER,
        "KUBEUP_REGISTRY_PASSWORD": PASSWORD,
    }
    ran = cluster.inv("images.push", "--login", *options(registry), env=env, code=2)
    assert "in clear" in ran.err and not (tmp_path / "auth.json").exists()


def test_without_a_prefix_the_hub_is_refused(cluster: Cluster) -> None:
    ran = cluster.inv("images.push", code=2)
    assert "images.prefix" in ran.err


def login_file(tmp_path: Path) -> dict[str, str]:
    """podman's credentials in a file of the test, not the user's own."""
    return {"REGISTRY_AUTH_FILE": str(tmp_path / "auth.json")}


def test_a_wrong_login_is_told_and_its_password_shown_nowhere(
    cluster: Cluster, closed_registry: Closed, tmp_path: Path
) -> None:
    env = {
        **login_file(tmp_path),
        "KUBEUP_REGISTRY_USER": USER,
        "KUBEUP_REGISTRY_PASSWORD": "wrong-password-of-the-tests",
    }
    ran, seen = watched(cluster, env, "images.push", "--login", *closed_registry.options)
    assert ran.code == 1 and "wrong-password" not in ran.both and not seen
    assert (
        re.search(r"unauthorized|invalid username", ran.err)
        and closed_registry.address in ran.err
        and "Traceback" not in ran.err
    )
    assert held(closed_registry.address, (USER, PASSWORD)) == {}
    ran = cluster.inv("images.push", *closed_registry.options, env=login_file(tmp_path), code=1)
    assert "log in first" in ran.err and "KUBEUP_REGISTRY_USER" in ran.err
    ran = cluster.inv(
        "images.push", "--login", *closed_registry.options, env=login_file(tmp_path), code=2
    )
    assert "are not both set" in ran.err


def test_the_right_login_pushes(cluster: Cluster, closed_registry: Closed, tmp_path: Path) -> None:
    env = {
        **login_file(tmp_path),
        "KUBEUP_REGISTRY_USER": USER,
        "KUBEUP_REGISTRY_PASSWORD": PASSWORD,
    }
    ran, seen = watched(cluster, env, "images.push", "--login", *closed_registry.options)
    assert ran.code == 0, str(ran)
    assert PASSWORD not in ran.both and not seen
    assert len(held(closed_registry.address, (USER, PASSWORD))) == 3
    again = cluster.inv("images.push", *closed_registry.options, env=login_file(tmp_path))
    assert "Nothing to do." in again.out


def watched(cluster: Cluster, env: dict[str, str], *words: str) -> tuple[object, list[str]]:
    """Run a task, and read every process' arguments while it runs."""
    process, began, seen = cluster.start(*words, env=env), time.monotonic(), list[str]()
    while process.poll() is None and time.monotonic() - began < 120:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                text = path.read_bytes().decode(errors="replace")
            except OSError:
                continue
            if env["KUBEUP_REGISTRY_PASSWORD"] in text:
                seen.append(text)
        time.sleep(0.02)
    return cluster.end(process, words, began, code=None), seen


@pytest.mark.long
def test_nodes_pull_from_the_registry(cluster: Cluster, registry: str) -> None:
    through = ("--set", "images.via=registry", *options(registry))
    number = cluster.add_product("kept over another way of images")
    with mended(cluster.up):
        steps = {step["id"]: step["reason"] for step in cluster.plan(*through)}
        assert {"deploy/db", "deploy/api", "deploy/ui"} <= set(steps) and not [
            step for step in steps if step.startswith("node/")
        ]
        cluster.up(*through)
        images = {
            row["image"] for pod in cluster.objects("pods") for row in pod["spec"]["containers"]
        }
        assert images and all(image.startswith(f"{registry}/tests/") for image in images)
        for name in NODES[1:]:
            assert f'server = "http://{registry}"' in cluster.on(
                name, f"cat /etc/containerd/certs.d/{registry}/hosts.toml"
            )
        assert cluster.plan(*through) == []
        assert cluster.product(number)["name"] == "kept over another way of images"
    assert cluster.plan() == []


def test_nobody_logs_in_behind_ones_back() -> None:
    for path in (
        Path.home() / ".docker/config.json",
        Path(os.environ.get("XDG_RUNTIME_DIR", "/run"), "containers/0/auth.json"),
    ):
        assert not path.exists() or GATEWAY not in path.read_text()
