"""What the tests of this folder share: the tasks run as a user runs them, and ways to look at
what they left.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import httpx

from kubeup.facts.forwarding import CHAINS, chain
from kubeup.workflows.loading import load
from kubeup.workflows.project import Project
from tests.beds.ran import Ran

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = Path(__file__).with_name("settings.yaml")
PROFILE = "e2e"
CONTROL, WORKER_1, WORKER_2 = NODES = ("e2e-control", "e2e-worker-1", "e2e-worker-2")
ADDRESSES = dict(zip(NODES, ("192.168.62.10", "192.168.62.11", "192.168.62.12"), strict=True))
AS_ROOT = () if os.geteuid() == 0 else ("sudo", "-n")  # before what only root may
GATEWAY = "192.168.62.1"  # this machine, as the nodes see it
LINES = (
    "nodes",
    "pods start",
    "pods across nodes",
    "names in the cluster",
    "name in the wrong order",
    "names outside",
    "network policies",
    "storage",
    "NodePort api",
    "NodePort ui",
    "HTTP port ui",
    "product written",
    "product read",
    "product in the database",
    "product removed",
    "metrics",
)


@dataclass
class Tasks(ABC):
    """A profile by its tasks, API server and application, whatever it stands on.

    Everything tasks print is kept in `printed`.
    """

    folder: Path  # its state_dir
    printed: list[Ran] = field(default_factory=list)
    profile: ClassVar[str]

    @property
    def state(self) -> Path:
        return self.folder / self.profile

    @property
    @abstractmethod
    def settings(self) -> Path: ...

    @property
    @abstractmethod
    def address(self) -> str:
        """A node where NodePorts answer."""

    @property
    @abstractmethod
    def kubectl_path(self) -> str: ...

    @property
    def context(self) -> str:
        return f"kubeup-{self.profile}"

    @cached_property
    def environment(self) -> dict[str, str]:
        own = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("KUBEUP_") and key != "KUBECONFIG"
        }
        return {**own, "KUBEUP_SETTINGS": str(self.settings), "KUBEUP_STATE_DIR": str(self.folder)}

    # tasks

    def inv(
        self,
        *words: str,
        code: int | None = 0,
        env: Mapping[str, str] | None = None,
        timeout: float = 900,
    ) -> Ran:
        """Run a task as a user does, with nobody at the terminal.

        Fails where it ends with another code (None: any).
        """
        process, began = self.start(*words, env=env), time.monotonic()
        return self.end(process, words, began, code, timeout)

    def start(self, *words: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a task in a process group of its own, as a terminal does; `end` waits for it."""
        return subprocess.Popen(
            [str(ROOT / "inv"), *words],
            cwd=ROOT,
            env={**self.environment, **(env or {})},
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            # a shell ignores Ctrl-C for what it starts in the background, and so would all that is
            # started from there
            preexec_fn=lambda: [
                signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGHUP)
            ],
        )

    def end(
        self,
        process: subprocess.Popen[str],
        words: tuple[str, ...],
        began: float,
        code: int | None = 0,
        timeout: float = 900,
    ) -> Ran:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            out, err = process.communicate()
            raise AssertionError(
                f"inv {' '.join(words)} took longer than {timeout:.0f} s\n{out}\n{err}"
            ) from None
        ran = Ran(("inv", *words), process.returncode, out, err, time.monotonic() - began)
        self.printed.append(ran)
        if code is not None:
            assert ran.code == code, f"{ran}\n{self.looked()}"
        return ran

    @abstractmethod
    def remove_everything(self) -> None:
        """By name and label, also where the tasks are broken or had another folder."""

    def mend(self) -> None:
        """As the settings want it: what an earlier test that failed left is mended, at worst by
        a new one.
        """
        looked = self.inv("plan", "--json", code=None)
        if (looked.code or looked.json) and self.inv("up", "--yes", code=None).code:
            self.inv("down", "--yes", "--data", code=None)
            self.remove_everything()
            self.up()

    def plan(self, *words: str) -> list[dict[str, Any]]:
        steps: list[dict[str, Any]] = self.inv("plan", "--json", *words).json
        return steps

    def up(self, *words: str) -> Ran:
        return self.inv("up", "--yes", *words)

    def verify(self) -> dict[str, dict[str, Any]]:
        """Every line of a verification by its name."""
        ran = self.inv("verify", "--json", code=None)
        lines: dict[str, dict[str, Any]] = {line["name"]: line for line in ran.json}
        assert tuple(lines) == LINES
        assert ran.code == (0 if all(line["ok"] for line in lines.values()) else 1), str(ran)
        return lines

    def verify_until_ok(self, seconds: float = 90) -> dict[str, dict[str, Any]]:
        """Verify until everything is back (CoreDNS and metrics-server take their time after a
        restart).
        """
        end = time.monotonic() + seconds
        while True:
            lines = self.verify()
            wrong = {name: line for name, line in lines.items() if not line["ok"]}
            if not wrong:
                return lines
            assert time.monotonic() < end, (
                f"still wrong after {seconds:.0f} s: {json.dumps(wrong, indent=1)}\n{self.looked()}"
            )
            time.sleep(1)

    @property
    def journal(self) -> list[dict[str, Any]]:
        path = self.state / "journal.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    # Kubernetes

    def kubectl(self, *words: str, stdin: str = "", check: bool = True) -> str:
        access = ("--kubeconfig", str(self.state / "kubeconfig"), "--context", self.context)
        return output(self.kubectl_path, *access, *words, stdin=stdin, check=check)

    def looked(self) -> str:
        """What a test that failed finds on its cluster: what is gone a moment later."""
        if not (self.state / "kubeconfig").exists():
            return "(no cluster)"
        asked = (
            ("get", "nodes,pods,endpoints", "-A", "-o", "wide"),
            ("get", "events", "-A", "--sort-by=.lastTimestamp"),
            ("logs", "-l", "app=api", "--tail=30", "--timestamps"),
            ("-n", "kube-system", "logs", "-l", "k8s-app=kube-dns", "--tail=10"),
            ("-n", "kube-system", "logs", "-l", "component=kube-controller-manager", "--tail=20"),
        )

        def told(words: tuple[str, ...]) -> str:
            answer = self.kubectl(*words, "--request-timeout=10s", check=False)
            return f"--- kubectl {' '.join(words)}\n{answer[-8000:]}"

        return "\n".join(map(told, asked))

    def objects(self, *words: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.kubectl("get", *words, "-o", "json"))["items"]
        return rows

    def scale(self, name: str, replicas: int, namespace: str = "default") -> None:
        self.kubectl("-n", namespace, "scale", name, f"--replicas={replicas}")
        if replicas:
            self.kubectl("-n", namespace, "rollout", "status", name, "--timeout=120s")
        else:
            short = name.split("/")[1]
            label = (
                f"app={short}"
                if namespace == "default"
                else f"k8s-app={'kube-dns' if short == 'coredns' else short}"
            )
            self.kubectl(
                "-n", namespace, "wait", "pod", "-l", label, "--for=delete", "--timeout=60s"
            )

    def pods(self) -> dict[str, tuple[str, int]]:
        """uid and restarts of every pod."""
        return {
            pod["metadata"]["name"]: (
                pod["metadata"]["uid"],
                sum(row["restartCount"] for row in pod["status"].get("containerStatuses", [])),
            )
            for pod in self.objects("pods", "--all-namespaces")
        }

    def workloads(self) -> dict[str, tuple[int, str]]:
        """Generation and resource version of what was deployed."""
        rows = self.objects(
            "deployments,statefulsets,services,secrets,configmaps",
            "-l",
            "app.kubernetes.io/managed-by=kubeup",
        )
        heads = {f"{row['kind']}/{row['metadata']['name']}": row["metadata"] for row in rows}
        return {
            name: (head.get("generation", 0), head["resourceVersion"])
            for name, head in heads.items()
        }

    def ready_nodes(self) -> set[str]:
        return {
            node["metadata"]["name"]
            for node in self.objects("nodes")
            if any(
                row["type"] == "Ready" and row["status"] == "True"
                for row in node["status"]["conditions"]
            )
        }

    # the application

    @property
    def ui(self) -> str:
        return f"http://{self.address}:30001"

    @property
    def api(self) -> httpx.Client:
        """At the address that it has now: a cluster that is made anew may get another one."""
        url = f"http://{self.address}:31000"
        if url not in self._clients:
            self._clients[url] = httpx.Client(base_url=url, trust_env=False, timeout=20)
        return self._clients[url]

    @cached_property
    def _clients(self) -> dict[str, httpx.Client]:
        return {}

    def asked(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            return self.api.request(method, path, **more)
        except httpx.HTTPError as error:
            raise AssertionError(f"{method} {path}: {error}\n{self.looked()}") from None

    def add_product(self, name: str) -> int:
        answer = self.asked(
            "POST",
            "/products",
            json={"name": name, "description": "of the tests", "price": "12.50", "stock": 7},
        )
        assert answer.status_code == 201, f"{answer.text}\n{self.looked()}"
        return int(answer.json()["id"])

    def product(self, number: int) -> dict[str, Any]:
        answer = self.asked("GET", f"/products/{number}")
        assert answer.status_code == 200, f"{answer.text}\n{self.looked()}"
        found: dict[str, Any] = answer.json()
        return found


@dataclass
class Cluster(Tasks):
    """The profile e2e on containers of this machine."""

    profile: ClassVar[str] = PROFILE

    @property
    def settings(self) -> Path:
        return SETTINGS

    @property
    def address(self) -> str:
        return ADDRESSES[CONTROL]

    @property
    def kubectl_path(self) -> str:
        return str(self.project.kubectl.path)

    @cached_property
    def project(self) -> Project:
        """What the product itself makes of the settings: only asked for names of tools."""
        return load(SETTINGS, sets=(f"state_dir={self.folder}",), environ={})

    # containers

    def podman(self, *words: str, check: bool = True) -> str:
        return output(*self.project.engine.argv(*words), check=check)

    def on(self, node: str, script: str, check: bool = True) -> str:
        """Run a script on a node as root, past SSH and past kubeup."""
        return self.podman("exec", node, "sh", "-c", script, check=check)

    def podman_in(self, node: str, script: str, stdin: str) -> str:
        """Run a script on a node as root, with something on its standard input."""
        return output(
            *self.project.engine.argv("exec", "-i", node, "sh", "-c", script),
            stdin=stdin,
            check=False,
        )

    def containers(self) -> dict[str, str]:
        """Names and ids of the profile's containers, stopped ones too."""
        rows = self.podman(
            "ps",
            "--all",
            "--no-trunc",
            "--format",
            "{{.Names}} {{.ID}}",
            "--filter",
            f"label=kubeup.profile={PROFILE}",
        )
        return dict(row.split() for row in rows.splitlines())

    def volumes(self) -> set[str]:
        return set(
            self.podman(
                "volume", "ls", "--quiet", "--filter", f"label=kubeup.profile={PROFILE}"
            ).split()
        )

    def networks(self) -> set[str]:
        return {
            name
            for name in self.podman("network", "ls", "--format", "{{.Name}}").split()
            if name.endswith(f"-{PROFILE}")
        }

    def limits(self, node: str) -> tuple[float, int]:
        """CPUs and MiB as the kernel enforces them on a node, read from its own cgroup."""
        old = "cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us memory/memory.limit_in_bytes"
        text = self.on(node, f"cd /sys/fs/cgroup; cat {old} 2>/dev/null || cat cpu.max memory.max")
        quota, period, memory = map(int, text.split())
        return quota / period, memory // 2**20

    def capacity(self, node: str) -> tuple[int, float]:
        """CPUs and MiB of a node, as its kubelet has told the API server."""
        told = json.loads(self.kubectl("get", "node", node, "-o", "json"))["status"]["capacity"]
        return int(told["cpu"]), mib(told["memory"])

    def remove_everything(self) -> None:
        """What `down --data` leaves nothing of, also where that is broken: by its label."""
        for name in self.containers():
            self.podman("rm", "--force", "--time", "0", name)
        for name in self.volumes():
            self.podman("volume", "rm", "--force", name)
        for name in self.networks():
            self.podman("network", "rm", "--force", name)
        ours = chain(self.profile)
        for table, above in CHAINS.items():
            for words in (("-D", above, "-j", ours), ("-F", ours), ("-X", ours)):
                output(*AS_ROOT, "iptables", "-w", "-t", table, *words, check=False)


def output(*argv: str, stdin: str = "", check: bool = True, timeout: float = 180) -> str:
    """Standard output of a command; with `check` it has to succeed, else what it says on
    standard error is appended.
    """
    done = subprocess.run(
        argv, input=stdin, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert not check or done.returncode == 0, (
        f"{' '.join(argv)} -> {done.returncode}\n{done.stdout}{done.stderr}"
    )
    return done.stdout if check else done.stdout + done.stderr


def mib(quantity: str) -> float:
    """A memory quantity of Kubernetes', which it writes with the largest unit that fits, in MiB."""
    return int(quantity[:-2]) * {"Ki": 1 / 1024, "Mi": 1, "Gi": 1024}[quantity[-2:]]


def until(true: Any, what: str, seconds: float = 60, every: float = 0.5) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds:.0f} s: {what}"
        time.sleep(every)


@contextlib.contextmanager
def mended(*repairs: Any) -> Iterator[None]:
    """Run every repair at the end, whatever happened, each even where one before it failed."""
    with contextlib.ExitStack() as stack:
        for repair in repairs:
            stack.callback(repair)
        yield


class Watcher:
    """Reads every process' arguments, over and over, for the length of a `with`; keeps those
    that hold one of the values it asks for each time.
    """

    def __init__(self, values: Callable[[], Iterable[str]]) -> None:
        self.seen: list[str] = []
        self._values = values
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(0.05):
            wanted = list(self._values())
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    words = path.read_bytes().decode(errors="replace")
                except OSError:
                    continue
                if any(value in words for value in wanted):
                    self.seen.append(words.replace("\0", " "))


def processes_in(container: str, names: Collection[str]) -> list[int]:
    """Processes of these names in a container by its id, and in whatever runs within it, as this
    machine numbers them.
    """
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if (
                path.read_text().strip() in names
                and container in path.with_name("cgroup").read_text()
            ):
                found.append(int(path.parent.name))
    return found


def kill(numbers: Iterable[int], name: str = "KILL") -> None:
    """End processes at once, those of root's as well, or send another signal; some may have
    ended by themselves.
    """
    subprocess.run(
        (*AS_ROOT, "kill", f"-{name}", *map(str, numbers)), check=False, capture_output=True
    )


def processes_of(group: int) -> list[int]:
    """Processes of a session that a task started, and of sessions below it."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rsplit(")", 1)[1].split()
            children.setdefault(int(fields[1]), []).append(int(path.parent.name))
    found, waiting = list[int](), [group]
    while waiting:
        found += (below := children.get(waiting.pop(), []))
        waiting += below
    return found
