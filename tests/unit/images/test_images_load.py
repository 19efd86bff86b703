from __future__ import annotations

from pathlib import Path

import pytest
from builders import reach

from kubeup.images import load
from kubeup.images.catalog import AppImage
from kubeup.images.load import PushImage

API = AppImage("api", "localhost/fast-api-products:84cd8e436066", Path("/src/api"), ())
UI = AppImage("ui", "localhost/ui-node-products:0feb2ce080f1", Path("/src/ui"), ())
NODES = (reach("dev-control"), reach("dev-worker-1"))


def test_an_image_goes_to_the_nodes_that_lack_it() -> None:
    held = {"dev-control": frozenset({API.reference, UI.reference}), "dev-worker-1": frozenset({UI.reference})}
    step, = load.plan([API, UI], NODES, held, ("cluster/provision",))
    assert (step.id, step.title) == ("load/api", "load localhost/fast-api-products:84cd8e436066")
    assert step.reason == "missing on dev-worker-1"
    assert step.needs == ("image/api", "cluster/provision")
    assert step.action.nodes == (NODES[1],)  # type: ignore[attr-defined]


def test_another_tag_of_the_same_name_is_another_image() -> None:
    held = {node.name: frozenset({"localhost/fast-api-products:000000000000"}) for node in NODES}
    assert load.plan([API], NODES, held)[0].reason == "missing on dev-control, dev-worker-1"


def test_nothing_to_load() -> None:
    assert load.plan([API], NODES, {node.name: frozenset({API.reference}) for node in NODES}) == []


@pytest.mark.parametrize(("engine", "plain", "line"), [
    (("podman",), False, "podman push registry.example.org/ana/api:1"),
    (("podman", "--runtime", "runc"), True, "podman --runtime runc push --tls-verify=false registry.example.org/ana/api:1"),
    (("docker",), True, "docker push registry.example.org/ana/api:1"),
])
def test_push(engine: tuple[str, ...], plain: bool, line: str) -> None:
    assert PushImage(engine, AppImage("api", "registry.example.org/ana/api:1", Path("/src"), ()), plain).commands() == (line,)


@pytest.mark.real
def test_a_registry_is_asked_for_the_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from threading import Thread

    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            asked.append(self.path)
            self.send_response(200 if self.path == "/v2/ana/api/manifests/1" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    host = f"127.0.0.1:{server.server_port}"
    assert load.in_registry(f"{host}/ana/api:1", plain=True)
    assert not load.in_registry(f"{host}/ana/api:2", plain=True)
    server.shutdown()
    server.server_close()
    assert not load.in_registry(f"{host}/ana/api:1", plain=True), "nobody answers any more"
    assert asked == ["/v2/ana/api/manifests/1", "/v2/ana/api/manifests/2"]
