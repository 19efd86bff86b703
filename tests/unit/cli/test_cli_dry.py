"""`--dry` changes nothing: every task that has it, under a watch of files and what is started."""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from builders import on_record, recorded, three
from invoke import Context, Exit
from scenarios import VAGRANT, World, _minikube, standing, world
from simulated import PARTS, RENDERED

from kubeup.application.deployment import Deployment
from kubeup.application.external import External, Published
from kubeup.application.overlay import Overlay
from kubeup.cluster.providers.local import Local
from kubeup.cluster.providers.vagrant import Vagrant, networks
from kubeup.cluster.providers.vagrant.prerequisites import Prerequisites
from kubeup.core import shell
from kubeup.core.errors import KubeupError
from kubeup.core.record import CLUSTER, VM, Location
from kubeup.core.report import Report
from kubeup.core.shell.processes import Command
from kubeup.core.shell.sinks import Buffer
from kubeup.core.state import write_private
from kubeup.database import backups
from kubeup.database import server as servers
from kubeup.database.backups import BackupManifest
from kubeup.database.stored import LIST
from kubeup.facts import manifests
from kubeup.inspect.support import NODE
from kubeup.system import sealing, ssh
from kubeup.system.kubectl import Kubectl
from kubeup.workflows import cluster, images
from kubeup.workflows.cluster import ClusterFacts
from kubeup.workflows.project import Project
from tasks import namespace

DRY = [
    name
    for name in sorted(namespace.task_names)
    if any(argument.name == "dry" for argument in namespace[name].get_arguments())
]
# what is given where a task can't do without, or does nothing else
GIVEN: dict[str, dict[str, Any]] = {
    "cluster.addons": {"enable": "dashboard"},
    "cluster.remove": {"name": "dev-worker-1"},
    "cluster.snapshot": {"save": "before"},
    "db.move": {"to": "vm"},
    "db.restore": {"backup": "b.sql.zst"},
}
# each by itself, and with each flag that it has
CALLS = [
    (task, {**GIVEN.get(task, {}), **flag})
    for task in DRY
    for flag in (
        {},
        *(
            {argument.name: True}
            for argument in namespace[task].get_arguments()
            if argument.kind is bool and argument.name != "dry"
        ),
    )
]
# docs.python.org/3/library/audit_events.html
CHANGES = frozenset(
    {
        *("os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir"),
        *("os.symlink", "os.truncate", "os.utime", "os.mkfifo", "os.setxattr", "os.removexattr"),
    }
)
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """What is changed of files meanwhile, outside folders where that is nobody's business."""

    def __init__(self) -> None:
        self.free: tuple[Path, ...] | None = None
        self.seen: list[str] = []

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.free is None:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, int) or not int(flags) & WRITES:
                return
        elif event not in CHANGES:
            return
        for path in arguments[:2] if event in ("os.link", "os.rename") else arguments[:1]:
            self._note(event, os.fsdecode(path) if isinstance(path, (str, bytes)) else str(path))

    def _note(self, event: str, name: str) -> None:
        path = Path(os.path.abspath(name))  # noqa: PTH100 - no link is followed
        assert self.free is not None
        if name != os.devnull and not any(path.is_relative_to(one) for one in self.free):
            self.seen.append(f"{event} {path}")


watch = Watch()
sys.addaudithook(watch)  # it can't be taken away again

# of programs that are asked something; a verb of two words has its first here
ASKS = {
    "podman": {
        "--version",
        "ps",
        "inspect",
        "image",
        "network",
        "volume",
        "container",
        "search",
        "info",
    },
    "docker": {
        "--version",
        "ps",
        "inspect",
        "image",
        "network",
        "volume",
        "container",
        "manifest",
        "info",
    },
    "kubectl": {"get", "diff", "version", "kustomize", "config"},
    "vagrant": {"--version", "status", "plugin", "box"},
    "minikube": {"version", "profile", "status"},
    "ssh-keygen": {"-y", "-lf", "-l"},
    "sops": {"--version"},
    "git": {"log", "--version"},
    "ssh": {"-V"},
    "VBoxManage": {"--version"},
    "virsh": {"--version"},
}
PROVIDERS = ("local", "vagrant", "minikube")
SECOND = {"inspect", "ls", "list", "exists"}


def asks(argv: tuple[str, ...]) -> bool:
    program = Path(argv[0]).name
    words = [word for word in argv[1:] if word in ASKS.get(program, ())]
    if not words:
        return False
    after = argv[argv.index(words[0]) + 1 :][:1]
    several = program in ("podman", "docker", "minikube", "vagrant") and words[0] in (
        *("image", "network", "volume", "container", "manifest", "profile", "plugin", "box"),
    )
    return not several or bool(SECOND.intersection(after))


class Started:
    """What would have been started: it is asked only, and knows nothing."""

    def __init__(self) -> None:
        self.argvs: list[tuple[str, ...]] = []

    def run(self, command: Command, *_: Any, **__: Any) -> int:
        self.argvs.append(tuple(command.argv))
        if command.argv[-2:] == ("-o", "name") and isinstance(command.out, Buffer):
            command.out.write(b"deployment.apps/api\n")
        return 0

    def look(self, *argv: Any, **how: Any) -> Any:
        """Backups may be listed, and logs read; nothing else is asked of a node."""
        if not {LIST, NODE}.intersection(map(str, argv)):
            self.refuse(*argv, **how)
        raise KubeupError("no node answers")

    def refuse(self, *argv: Any, **_: Any) -> NoReturn:
        raise AssertionError(f"--dry changes something: {argv}")


def nothing(there: World, provider: str) -> Project:
    def silent(_: object) -> NoReturn:
        raise KubeupError("no server answers")

    there.patch.setattr(servers, "version", silent)
    if provider == "minikube":
        return _minikube(there, ("profiles_half_no_node.rc0.json", "status_half_no_node.rc0.json"))
    there.patch.setattr(cluster, "observe", lambda *_, **__: ClusterFacts(three("missing")))
    for kind in (Local, Vagrant):
        there.patch.setattr(kind, "observe", lambda *_: three("missing"))
    return there.project(VAGRANT if provider == "vagrant" else "")


def running(there: World, provider: str) -> Project:
    if provider == "minikube":
        one = _minikube(there, ("profiles_two_running.rc0.json", "status_two_running.rc0.json"))
        found = one.provider.observe()
    else:
        one, found = there.project(VAGRANT if provider == "vagrant" else ""), three()
    there.passwords()
    there.access(one)
    there.saved(one)
    write_private(one.state.backups / "b.sql.zst", "a backup")
    where = Location(CLUSTER, found.nodes[-1].name)
    on_record(one.state, provider=provider, database=where, guarded=True)
    items = json.loads(recorded("diagram/cluster.json"))["items"]
    nodes = [item for item in items if item["kind"] == "Node"]
    about = BackupManifest("b.sql.zst", "", 1, 1, "2026", "dev", "api", "8.4.3", "abc", {})
    for owner, name, value in (
        (Kubectl, "items", lambda _, kinds, *__: nodes if "node" in kinds else []),
        (External, "_specs", lambda _: [{"externalIPs": ["192.168.60.12"], "ports": []}]),
        (Overlay, "published", lambda _: Published()),
        (backups, "check", lambda _: about),
        (Prerequisites, "version", (2, 3, 4)),
        (Deployment, "render", lambda _: RENDERED),
        (Deployment, "diff", lambda _, parts=tuple(PARTS): " ".join(parts)),
        (manifests, "changed", lambda parts: [PARTS[part] for part in parts.split()]),
        (sealing, "require_sops", lambda: None),
    ):
        there.patch.setattr(owner, name, value)
    facts = ClusterFacts(found, **standing(found))
    there.patch.setattr(cluster, "observe", lambda *_, **__: facts)
    for kind in (Local, Vagrant):
        there.patch.setattr(kind, "observe", lambda *_: found)
    return one


def stopped(there: World, provider: str) -> Project:
    one = running(there, provider)
    if provider != "minikube":
        for kind in (Local, Vagrant):
            there.patch.setattr(kind, "observe", lambda *_: three("stopped"))
        there.patch.setattr(cluster, "observe", lambda *_, **__: ClusterFacts(three("stopped")))
    return one


def in_virtualbox(there: World, provider: str) -> Project:
    running(there, provider)
    there.patch.setattr(networks, "FILE", there.folder / "networks.conf")
    return there.project("{provider: vagrant, network: {control_ip: 192.168.90.10}}")


def moved(there: World, provider: str) -> Project:
    """The database is on a machine, and has left the cluster."""
    one = running(there, provider)
    on_record(
        one.state, database=Location(VM, "dev-worker-2"), left=Location(CLUSTER, "dev-worker-1")
    )
    return one


SCENES = (
    *((scene, provider) for scene in (nothing, running) for provider in PROVIDERS),
    (stopped, "local"),
    (stopped, "vagrant"),
    (in_virtualbox, "vagrant"),
    (moved, "local"),
)


def test_nothing_is_changed(tmp_path: Path) -> None:
    shown = set[str]()
    for number, (scene, provider) in enumerate(SCENES):
        folder = tmp_path / str(number)
        folder.mkdir()
        with world(folder) as there:
            started = watched(there)
            one = scene(there, provider)
            for task, given in CALLS:
                started.argvs.clear()
                said = call(one, task, given, there.patch)
                assert watch.seen == [], (task, given, provider, scene)
                told = [argv for argv in started.argvs if not asks(argv)]
                assert told == [], (task, given, provider, scene)
                if "Plan: " in said or '"id": "' in said or "journal.jsonl" in said:
                    shown.add(task)
    assert sorted(set(DRY) - shown) == [], "they had nothing to do, whatever there is"


def watched(there: World) -> Started:
    """Whatever starts a process or talks to a node, in the place of what does."""
    started = Started()
    there.patch.setattr("kubeup.core.shell.processes.run", started.run)
    for name in ("write", "save", "chain", "become", "stream", "show", "talk"):
        there.patch.setattr(shell, name, started.refuse)
    for name in ("feed", "get"):
        there.patch.setattr(ssh, name, started.refuse)
    for name in ("run", "run_all"):
        there.patch.setattr(ssh, name, started.look)
    for name in (images.USER, images.PASSWORD):
        there.patch.setenv(name, "ana")
    temporary = there.folder / "temporary"
    temporary.mkdir()
    there.patch.setattr("tempfile.tempdir", str(temporary))
    return started


def call(one: Project, task: str, given: dict[str, Any], patch: pytest.MonkeyPatch) -> str:
    """What the task prints."""
    said = io.StringIO()
    pair = (one, Report(said))

    @contextlib.contextmanager
    def opened(*_: object, **__: object) -> Iterator[Any]:
        yield pair

    for name in DRY:
        module = inspect.unwrap(namespace[name].body).__module__
        patch.setattr(f"{module}.change_project", opened, raising=False)
        patch.setattr(f"{module}.open_project", lambda *_, **__: pair, raising=False)
    patch.setattr("kubeup.cli.base.change_project", opened)
    folder = one.state.folder.parent
    watch.free, watch.seen = (folder / "cache", folder / "temporary"), []
    try:
        with contextlib.suppress(Exit, KubeupError):
            namespace[task].body(Context(), dry=True, **given)
    finally:
        watch.free = None
    return said.getvalue()


def test_the_watch_sees_what_is_changed(tmp_path: Path) -> None:
    """A guard that sees nothing would be none."""
    (tmp_path / "free").mkdir()
    watch.free, watch.seen = (tmp_path / "free",), []
    try:
        (tmp_path / "free" / "one").write_text("")
        (tmp_path / "two").write_text("")
        (tmp_path / "two").read_text()
        (tmp_path / "two").rename(tmp_path / "three")
        (tmp_path / "three").unlink()
        (tmp_path / "four").mkdir()
        Path(os.devnull).write_text("")
    finally:
        watch.free = None
    assert [row.removeprefix(str(tmp_path)) for row in watch.seen] == [
        f"open {tmp_path}/two",
        f"os.rename {tmp_path}/two",
        f"os.rename {tmp_path}/three",
        f"os.remove {tmp_path}/three",
        f"os.mkdir {tmp_path}/four",
    ]


@pytest.mark.parametrize(
    ("line", "only"),
    [
        ("podman --runtime runc network inspect kubeup-dev", True),
        ("podman volume rm kubeup-dev", False),
        ("podman ps --all", True),
        ("podman stop dev-control", False),
        ("/cache/kubectl --kubeconfig a get nodes", True),
        ("/cache/kubectl --kubeconfig a apply -f -", False),
        ("vagrant destroy", False),
        ("rm -r /", False),
    ],
)
def test_what_only_asks(line: str, only: bool) -> None:
    assert asks(tuple(line.split())) is only
