"""kubectl and its context: nothing is sent anywhere but to the profile's own cluster."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import access, error_of

from kubeup.core import shell
from kubeup.core.errors import CommandError, KubeupError
from kubeup.facts import kubeconfig
from kubeup.system.kubectl import Kubectl

WHOLE = access()
FOREIGN = WHOLE.replace("kubeup-dev", "work")
# a cluster without a server: kubectl fills it in
OPEN = WHOLE.replace("server: https://192.168.60.10:6443", "proxy-url: http://127.0.0.1:1")
UNUSABLE = {
    "empty": "",
    "blank": "\n \n",
    "zeros": "\0" * 512,
    "a list": "[]",
    "a word": "kubeconfig",
    "not yaml": "{",
    "another kind": "kind: Pod\n",
    "foreign": FOREIGN,
    "without a server": OPEN,
    "without TLS": WHOLE.replace("https://", "http://"),
    "without its cluster": WHOLE.replace(
        "- name: kubeup-dev\n  cluster", "- name: work\n  cluster"
    ),
    "without its user": WHOLE.replace("- name: kubeup-dev\n  user", "- name: work\n  user"),
    **{f"cut off after {size}": WHOLE[:size] for size in range(1, WHOLE.index("users:"), 23)},
}


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """What whoever listens at kubectl's default address gets: it is http://localhost:8080, or
    what KUBERNETES_MASTER names.
    """
    got: list[bytes] = []

    def take(server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                with server.accept()[0] as caller:
                    got.append(caller.recv(4096))

    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("KUBERNETES_MASTER", f"http://127.0.0.1:{server.getsockname()[1]}")
        listening = threading.Thread(target=take, args=(server,), daemon=True)
        listening.start()
        yield got
        server.shutdown(socket.SHUT_RDWR)
        listening.join()


def told(tmp_path: Path, text: str, kubectl: Path = Path("kubectl")) -> Kubectl:
    (tmp_path / "kubeconfig").write_text(text)
    return Kubectl(kubectl, tmp_path / "kubeconfig", "kubeup-dev")


@pytest.mark.real
@pytest.mark.parametrize("name", ["empty", "foreign", "without a server", "cut off after 24"])
def test_a_kubeconfig_that_leads_elsewhere_sends_nothing(
    tmp_path: Path, real_kubectl: Path, taken: list[bytes], name: str
) -> None:
    kubectl = told(tmp_path, UNUSABLE[name], real_kubectl)
    secret = (
        "{apiVersion: v1, kind: Secret, metadata: {name: mysecret}, stringData: {PASSWORD: secret}}"
    )
    errors = []
    for ask in (
        lambda: kubectl.look("get", "--raw", "/readyz"),
        lambda: kubectl.answers() and None,
        lambda: kubectl.read("diff", "--server-side", "-f", "-", stdin=secret),
        lambda: kubectl.write(
            "apply", "--server-side", "--validate=false", "-f", "-", stdin=secret
        ),
    ):
        with contextlib.suppress(KubeupError):
            ask()
            continue
        errors.append(ask)
    assert taken == [] and len(errors) == 4


@pytest.mark.real
def test_without_a_context_kubectl_would_have_asked_there(
    tmp_path: Path, real_kubectl: Path, taken: list[bytes]
) -> None:
    """What the test above proves by."""
    told(tmp_path, "")
    shell.read(
        str(real_kubectl),
        "--kubeconfig",
        str(tmp_path / "kubeconfig"),
        "get",
        "--raw",
        "/readyz",
        ok=None,
    )
    assert taken[0].startswith(b"GET /readyz")


@pytest.mark.parametrize("name", list(UNUSABLE))
def test_a_kubeconfig_that_may_lead_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    kubectl = told(tmp_path, UNUSABLE[name])
    error = error_of(kubectl.argv, "get", "nodes")
    assert error.why and "move it away: `inv up`" in error.next
    with pytest.raises(KubeupError):
        kubectl.answers()


def test_one_that_is_whole_is_taken_by_its_name(tmp_path: Path) -> None:
    kubectl = told(tmp_path, WHOLE)
    assert kubectl.argv("get", "nodes")[1:5] == (
        "--kubeconfig",
        str(kubectl.kubeconfig),
        "--context",
        "kubeup-dev",
    )
    assert (
        kubeconfig.misfit(WHOLE, "kubeup-prod") == "it has no context kubeup-prod, but kubeup-dev"
    )


@pytest.mark.parametrize("none", ["null", "[]"])
def test_one_without_any_cluster_is_no_access_and_no_fault(tmp_path: Path, none: str) -> None:
    """As minikube leaves that of a profile that it has stopped
    (pkg/minikube/kubeconfig/context.go).
    """
    kubectl = told(
        tmp_path,
        f'apiVersion: v1\nclusters: {none}\ncontexts: {none}\ncurrent-context: ""\nkind: '
        f"Config\nusers: {none}\n",
    )
    assert not kubectl.answers()
    assert error_of(kubectl.read, "get", "nodes").what == "there is no cluster of this profile yet"


def test_what_is_shown_needs_no_cluster(tmp_path: Path) -> None:
    kubectl = Kubectl(Path("k"), tmp_path / "kubeconfig", "kubeup-dev")
    assert (
        kubectl.shown("get", "nodes")
        == f"k --kubeconfig {tmp_path}/kubeconfig --context kubeup-dev get nodes"
    )


def test_a_kubeconfig_that_can_not_be_read_leads_nowhere(tmp_path: Path) -> None:
    kubectl = told(tmp_path, "")
    kubectl.kubeconfig.write_bytes(b"\xff")
    assert "does not lead to this profile's cluster" in error_of(kubectl.has_access).what
    kubectl.kubeconfig.unlink()
    assert not kubectl.has_access()
    kubectl.kubeconfig.mkdir()
    assert "does not lead to this profile's cluster" in error_of(kubectl.has_access).what


@pytest.mark.parametrize(("status", "told_"), [(shell.LATE, False), (shell.STOPPED, None)])
def test_a_question_that_was_interrupted_is_not_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, told_: bool | None
) -> None:
    """Who waits for an answer would ask on and on."""

    def ended(*_: str, **__: object) -> None:
        raise CommandError("kubectl ended", code=status)

    (tmp_path / "kubectl").touch()
    kubectl = told(tmp_path, WHOLE, tmp_path / "kubectl")
    monkeypatch.setattr(shell, "read", ended)
    if told_ is None:
        assert error_of(kubectl.answers).what == "kubectl ended"
    else:
        assert kubectl.answers() is told_
