from __future__ import annotations

from pathlib import Path

import pytest
from builders import error_of, reach, sids

from kubeup.core.errors import KubeupError
from kubeup.core.plan import todo
from kubeup.core.shell import Output
from kubeup.images import load
from kubeup.images.build import Builder, BuildImage
from kubeup.images.catalog import AppImage
from kubeup.images.load import PushImage
from kubeup.system.engine import Engine

API = AppImage("api", "localhost/fast-api-products:84cd8e436066", Path("/src/api"), ())
UI = AppImage("ui", "localhost/ui-node-products:0feb2ce080f1", Path("/src/ui"), ())
NAMES = ("dev-control", "dev-worker-1")
PODMAN = Engine("podman", ("podman",), (), (), "")
BY_SUDO = Engine("podman", ("sudo", "-A", "podman", "--runtime", "runc"), (), (), "")
DOCKER = Engine("docker", ("docker",), (), (), "")


def loader(image: AppImage, names: tuple[str, ...]) -> load.LoadImage:
    return load.LoadImage(image, tuple(reach(name) for name in names))


def test_an_image_goes_to_the_nodes_that_lack_it() -> None:
    held = {
        "dev-control": frozenset({API.reference, UI.reference}),
        "dev-worker-1": frozenset({UI.reference}),
    }
    (step,) = todo(load.plan([API, UI], NAMES, held, loader, sids("cluster/provision")))
    assert (str(step.id), step.title) == (
        "load/api",
        "load localhost/fast-api-products:84cd8e436066",
    )
    assert step.reason == "missing on dev-worker-1"
    assert step.needs == sids("image/api", "cluster/provision")
    assert step.action.nodes == (reach("dev-worker-1"),)  # type: ignore[attr-defined]


def test_another_tag_of_the_same_name_is_another_image() -> None:
    held = dict.fromkeys(NAMES, frozenset({"localhost/fast-api-products:000000000000"}))
    assert (
        todo(load.plan([API], NAMES, held, loader))[0].reason
        == "missing on dev-control, dev-worker-1"
    )


def test_nothing_to_load() -> None:
    assert (
        todo(load.plan([API], NAMES, dict.fromkeys(NAMES, frozenset({API.reference})), loader))
        == []
    )


@pytest.mark.parametrize(
    ("engine", "plain", "line"),
    [
        (PODMAN, False, "podman push registry.example.org/ana/api:1"),
        (
            BY_SUDO,
            True,
            "sudo podman --runtime runc push --tls-verify=false registry.example.org/ana/api:1",
        ),
        (DOCKER, True, "docker push registry.example.org/ana/api:1"),
    ],
)
def test_push(engine: Engine, plain: bool, line: str) -> None:
    assert (
        PushImage(
            engine, AppImage("api", "registry.example.org/ana/api:1", Path("/src"), ()), plain
        ).commands()[-1]
        == line
    )


LISTED = '[{"Name":"127.0.0.1:5077/ana/pause","Tags":["sha-12","sha-13"]}]'  # podman 4.3


@pytest.mark.parametrize(
    ("engine", "tag", "answer", "there", "asked"),
    [
        (
            PODMAN,
            "sha-12",
            Output(0, LISTED, ""),
            True,
            "search --list-tags --format json --limit 100000 --tls-verify=false "
            "127.0.0.1:5077/ana/pause",
        ),
        (PODMAN, "sha-1", Output(0, LISTED, ""), False, ""),
        (
            PODMAN,
            "sha-12",
            Output(125, "", "invalid status code from registry 404 (Not Found)"),
            False,
            "",
        ),
        (
            DOCKER,
            "sha-12",
            Output(0, "{}", ""),
            True,
            "manifest inspect --insecure 127.0.0.1:5077/ana/pause:sha-12",
        ),
        (
            DOCKER,
            "sha-12",
            Output(1, "", "no such manifest: 127.0.0.1:5077/ana/pause:sha-12"),
            False,
            "",
        ),
    ],
)
def test_a_registry_is_asked_by_the_engine(
    monkeypatch: pytest.MonkeyPatch,
    engine: Engine,
    tag: str,
    answer: Output,
    there: bool,
    asked: str,
) -> None:
    seen: list[str] = []
    monkeypatch.setattr("kubeup.core.shell.which", lambda name: name)
    monkeypatch.setattr(
        "kubeup.core.shell.read",
        lambda *argv, **more: seen.append(" ".join(argv[len(engine.command) :])) or answer,
    )
    assert load.in_registry(engine, f"127.0.0.1:5077/ana/pause:{tag}", plain=True) is there
    assert seen[0].endswith(asked)


PUSHED = AppImage("api", "registry.example.org/ana/api:84cd", Path("/src/api"), ())


@pytest.mark.parametrize("known", [True, False])
def test_what_is_pushed_is_what_was_built_under_its_own_name(
    monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """The archive, which other checkouts and registries share, has it under that name alone."""
    written: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        "kubeup.core.shell.read", lambda *argv, **more: Output(0 if known else 125, "", "")
    )
    monkeypatch.setattr("kubeup.core.shell.write", lambda *argv, **more: written.append(argv))
    PushImage(PODMAN, PUSHED, False).run(lambda line: None)
    assert written == [
        *([] if known else [("podman", "load", "-i", str(PUSHED.archive))]),
        ("podman", "tag", "localhost/api:84cd", PUSHED.reference),
        ("podman", "push", PUSHED.reference),
    ]


def test_an_image_is_built_and_kept_under_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[tuple[str, ...]] = []
    monkeypatch.setattr("kubeup.core.shell.write", lambda *argv, **more: written.append(argv))
    saved: list[tuple[tuple[str, ...], Path]] = []
    monkeypatch.setattr(
        "kubeup.core.shell.save", lambda *argv, into, log: saved.append((argv, into))
    )
    BuildImage(Builder(PODMAN, False), PUSHED).run(lambda line: None)
    (build,), ((save, into),) = written, saved
    assert build[build.index("--tag") + 1] == "localhost/api:84cd"
    # printed by the engine and written here: the archive is this user's own, whoever runs the
    # engine
    assert save == ("podman", "save", "localhost/api:84cd") and into.name == PUSHED.archive.name
    assert PUSHED.archive.parent.is_dir()


def test_an_image_that_did_not_arrive_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    fed, listed = [Output(0, "", "")], [Output(0, f"{UI.reference}\n", "no space left on device")]
    monkeypatch.setattr(load.ssh, "feed", lambda *_, **__: fed[0])
    monkeypatch.setattr(load.ssh, "run", lambda *_, **__: listed[0])
    loader(UI, NAMES[:1]).run(print)
    assert (
        error_of(loader(API, NAMES[:1]).run, print).what
        == f"{API.reference} did not arrive on dev-control"
    )
    fed[0] = Output(1, "", "no space left on device")
    assert error_of(loader(UI, NAMES[:1]).run, print).why == "no space left on device"


def test_a_push_that_fails_tells_of_the_login(monkeypatch: pytest.MonkeyPatch) -> None:
    def write(*argv: str, **_: object) -> None:
        if "push" in argv:
            raise KubeupError("podman failed", "denied", "")

    monkeypatch.setattr("kubeup.core.shell.read", lambda *_, **__: Output(0, "", ""))
    monkeypatch.setattr("kubeup.core.shell.write", write)
    assert error_of(PushImage(PODMAN, PUSHED, False).run, print).next.startswith("log in first")
