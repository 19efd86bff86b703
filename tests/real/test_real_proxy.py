"""A network with a proxy: nobody asks it for the nodes, and what nodes fetch goes through it."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.real.harness import GATEWAY, WORKER_2, Cluster, Watcher, mended, until

pytestmark = pytest.mark.real

PASSWORD = "a-proxys-password"
DROP_IN = "/etc/systemd/system/containerd.service.d/kubeup-proxy.conf"


class Proxy(socketserver.ThreadingTCPServer):
    """One that refuses everybody and keeps what it was asked for."""

    daemon_threads = allow_reuse_address = True

    def __init__(self, address: str) -> None:
        self.asked: list[str] = []
        super().__init__((address, 0), _Refusal)

    def variables(self, address: str) -> dict[str, str]:
        url = f"http://somebody:{PASSWORD}@{address}:{self.server_address[1]}"
        return dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"), url)


class _Refusal(socketserver.StreamRequestHandler):
    server: Proxy

    def handle(self) -> None:
        self.server.asked.append(self.rfile.readline().decode(errors="replace").strip())
        self.wfile.write(
            b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )


@contextmanager
def listening(address: str) -> Iterator[Proxy]:
    with Proxy(address) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_nobody_asks_a_proxy_for_the_nodes(cluster: Cluster) -> None:
    with listening("127.0.0.1") as proxy:
        env = proxy.variables("127.0.0.1")
        assert "Nothing to do." in cluster.inv("up", "--yes", env=env).out
        ran = [
            cluster.inv(*words, env=env)
            for words in (("status",), ("verify",), ("deploy.diff",), ("diagram",))
        ]
        told = cluster.inv("doctor", env=env, code=1)
        assert proxy.asked == []
    assert (
        "http_proxy, https_proxy: a loopback address, which nodes can't reach" in told.out
        and f"as {GATEWAY}," in told.out
    )
    assert not any(PASSWORD in one.both for one in (*ran, told))


@pytest.mark.long
def test_what_nodes_fetch_goes_through_it(cluster: Cluster) -> None:
    def provision(env: dict[str, str], role: str, code: int = 0) -> str:
        return cluster.inv(
            "cluster.provision", "--limit", WORKER_2, "--tags", role, env=env, code=code
        ).both

    def forget() -> None:
        cluster.kubectl("delete", "pod", "fetching", "--ignore-not-found", "--wait=false")
        # all of it: what a play that was cut off left is made good
        cluster.inv("cluster.provision", "--limit", WORKER_2)

    with listening(GATEWAY) as proxy, mended(forget):
        printed = provision(proxy.variables(GATEWAY), "containerd")
        assert (
            PASSWORD not in printed
            and cluster.on(WORKER_2, f"stat -c %a {DROP_IN}").strip() == "600"
        )
        spec = f'{{"spec": {{"nodeName": "{WORKER_2}"}}}}'
        cluster.kubectl(
            "run",
            "fetching",
            "--image=registry.example.org/nothing:1",
            "--restart=Never",
            f"--overrides={spec}",
        )
        until(
            lambda: "CONNECT registry.example.org:443 HTTP/1.1" in proxy.asked,
            "containerd asks the proxy",
            60,
        )
        # neither the API server nor a Service
        assert not [line for line in proxy.asked if "registry.example.org" not in line]
        cluster.on(WORKER_2, "dpkg --remove --force-depends ethtool")
        asked = len(proxy.asked)
        with Watcher(lambda: [PASSWORD]) as watcher:
            printed = provision(proxy.variables(GATEWAY), "base", code=1)
        assert len(proxy.asked) > asked, "apt did not ask the proxy"
        assert PASSWORD not in printed and watcher.seen == []
    assert cluster.on(WORKER_2, f"test -e {DROP_IN} || echo gone").strip() == "gone"
    assert cluster.plan() == []
