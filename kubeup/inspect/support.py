"""What helps somebody help, packed into one file without a secret in it.

Its user has seen the list of files before it is written. Each source is asked for
itself: one that can't be had says why in its place.
"""

from __future__ import annotations

import io
import json
import platform
import re
import tarfile
import time
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path

from kubeup import settings as package
from kubeup.core import private, shell
from kubeup.core.errors import KubeupError, Mistake, Refused
from kubeup.core.options import Options
from kubeup.core.report import Report, plain
from kubeup.core.runner import as_error
from kubeup.core.state import JOURNAL, PROJECT, RECORD, write_private
from kubeup.facts import kubeconfig
from kubeup.facts.kubernetes import KubePod, pods
from kubeup.inspect import doctor, status
from kubeup.inspect.redaction import Redaction
from kubeup.system import secrets, ssh
from kubeup.workflows import up
from kubeup.workflows.converge import confirm
from kubeup.workflows.project import Project

TOOLS = ("podman", "docker", "minikube", "vagrant", "VBoxManage", "virsh", "git", "ssh")
LARGEST = 1 << 20  # bytes of a source, from its end
LINES = 300  # of a log
PODS = 20  # whose logs are taken
OBJECTS = "nodes,pods,services,endpoints,deployments,daemonsets,statefulsets,persistentvolumeclaims"
NODE = (
    f"uptime; df -h / /var; free -m; journalctl -u kubelet -n {LINES} --no-pager; "
    "journalctl -u containerd -n 100 --no-pager"
)
SECRET = re.compile(r"pass|token|secret|key|auth|crt|pem|docker", re.IGNORECASE)
Files = dict[str, str]
Source = Callable[[], str]


def pack(project: Project, out: Report, given: Options, to: str) -> None:
    """Write the archive after showing its files and asking.

    Raises Refused where its file is there already, KubeupError where what has to be replaced is
    not known.
    """
    target = _target(project, to)
    redaction = Redaction.of(known(project))
    files = {name: redaction.of_text(text) for name, text in collect(project).items()}
    _require_clean(files, redaction)
    out.table(("file", "size"), [(name, f"{len(text)} bytes") for name, text in files.items()])
    out.say(
        "\npasswords, keys, tokens, certificates and logins are replaced in all of them; names, "
        "paths and addresses are not"
    )
    if given.dry:
        return
    confirm(f"Write these files to {target}?", given.yes)
    write_private(target, archive(files, target.name.removesuffix(".tar.gz")))
    out.say(f"{target} written (0600): look into it before you hand it on: tar -xzf {target}")


def _target(project: Project, to: str) -> Path:
    name = f"kubeup-support-{project.settings.slug}-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz"
    target = Path(to).expanduser() if to else project.state.folder / name
    if target.exists():
        raise Refused(f"{target} is there already", "it may be yours", "name another file in --to")
    return target


# what is secret


def known(project: Project) -> Iterator[str]:
    """Every secret that this profile has here.

    Raises KubeupError where a file that has some can't be read.
    """
    yield from secrets.to_hide(project.state.secrets)
    yield from (value for key, value in _env(project) if SECRET.search(key))
    yield from package.secret_values(project.settings)
    for path in (project.state.private_key, *sorted(project.state.tls.glob("*"))):
        yield _content(path)
    yield from kubeconfig.secrets(_content(project.state.kubeconfig))
    for proxy in project.host.proxies.values():
        login = proxy.partition("://")[2].rpartition("@")[0]
        yield login.partition(":")[2]
    yield from _in_cluster(project)


def _content(path: Path) -> str:
    return (private.read(path) or b"").decode(errors="replace")


def _env(project: Project) -> Iterator[tuple[str, str]]:
    with suppress(KubeupError):  # a line that is wrong: what looks like a password is known already
        yield from secrets.read(project.state.secrets).items()


def _in_cluster(project: Project) -> Iterator[str]:
    """A Secret may have been edited by hand, and not be what `.env` has."""
    with suppress(KubeupError):
        if project.kubectl.answers():
            for secret in project.kubectl.items("secrets", "--all-namespaces"):
                for key, value in (secret.get("data") or {}).items():
                    if SECRET.search(key):
                        yield b64decode(value).decode(errors="replace")


def _require_clean(files: Mapping[str, str], redaction: Redaction) -> None:
    """Raises Mistake where a secret is left: nothing is written then."""
    left = [name for name, text in files.items() if any(one in text for one in redaction.known)]
    if left:
        raise Mistake("a secret could not be replaced", ", ".join(left))


# what is packed


def collect(project: Project) -> Files:
    """All sources side by side, by the names of their files; nothing is replaced in them yet."""
    sources: dict[str, Source] = {
        "versions.txt": _versions,
        "machine.json": partial(_json, project.host),
        "settings.json": partial(_settings, project),
        "record.json": partial(_tail, project.state.folder / RECORD),
        "plan.txt": partial(_plan, project),
        "journal.jsonl": partial(_tail, project.state.folder / JOURNAL),
        "doctor.json": lambda: _json(doctor.findings(project)),
        "status.txt": lambda: _printed(partial(status.show, status.collect(project))),
        "cluster/objects.txt": partial(_cluster, project, "get", OBJECTS, "-o", "wide"),
        "cluster/events.txt": partial(_cluster, project, "get", "events", "-o", "wide"),
    }
    with ThreadPoolExecutor(len(sources) + 2) as pool:
        logs, nodes = pool.submit(_logs, project), pool.submit(_nodes, project)
        found = dict(zip(sources, pool.map(_text, sources.values()), strict=True))
        return {**found, **logs.result(), **nodes.result()}


def _text(source: Source) -> str:
    """What a source says, or why it says nothing."""
    try:
        text = source()
    except Exception as error:  # whatever it is, the others are wanted
        text = "\n".join(as_error(error).lines())
    return text.encode(errors="replace")[-LARGEST:].decode(errors="replace") or "(nothing)\n"


def _printed(show: Callable[[Report], None]) -> str:
    out = io.StringIO()
    show(Report(out))
    return out.getvalue()


def _json(value: object) -> str:
    return json.dumps(plain(value), indent=1, ensure_ascii=False)


def _versions() -> str:
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    rows = [f"python {platform.python_version()}", system, f"in {PROJECT}"]
    for tool in filter(shell.which, TOOLS):
        words = ("-V",) if tool == "ssh" else ("version",) if tool == "minikube" else ("--version",)
        answer = shell.read(tool, *words, ok=None)
        rows.append(f"{tool}: {(answer.stdout or answer.stderr).strip()}")
    commit = shell.read("git", "-C", str(PROJECT), "log", "-1", "--format=%H %cI", ok=None)
    return "\n".join((*rows, f"commit: {commit.stdout.strip() or 'not told'}\n"))


def _settings(project: Project) -> str:
    values, origins = package.values(project.settings), package.origins(project.settings)
    return _json({key: [value, str(origins[key])] for key, value in values.items()})


def _plan(project: Project) -> str:
    plan = up.plan(project, force=True).plan
    return _printed(lambda out: out.plan(plan, commands=True))


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LARGEST))
        return file.read().decode(errors="replace")


def _cluster(project: Project, *words: str) -> str:
    answer = project.kubectl.look(*words, "--all-namespaces")
    return answer.stdout + answer.stderr


def _logs(project: Project) -> Files:
    """Of containers that don't run, or did not always: as they are, and of those before."""
    with suppress(KubeupError):
        if project.kubectl.answers():
            every = pods(project.kubectl.items("pods", "--all-namespaces"))
            failing = [pod for pod in every if _failing(pod)][:PODS]
            with ThreadPoolExecutor(max(1, len(failing))) as pool:
                texts = pool.map(lambda pod: _text(partial(_log, project, pod)), failing)
                names = (f"logs/{pod.namespace}-{pod.name}.log" for pod in failing)
                return dict(zip(names, texts, strict=True))
    return {}


def _failing(pod: KubePod) -> bool:
    return pod.phase != "Succeeded" and (not pod.ready or pod.restarts > 0)


def _log(project: Project, pod: KubePod) -> str:
    name = ("logs", pod.name, "--namespace", pod.namespace, "--all-containers", "--prefix")
    look = project.kubectl.look
    described = look("describe", "pod", pod.name, "--namespace", pod.namespace)
    now, before = look(*name, f"--tail={LINES}"), look(*name, f"--tail={LINES}", "--previous")
    outputs = {"described": described, "now": now, "before": before}
    return "".join(f"--- {what}\n{one.stdout}{one.stderr}\n" for what, one in outputs.items())


def _nodes(project: Project) -> Files:
    """The ends of what kubelet and containerd say on each node."""
    with suppress(KubeupError):
        targets = (*project.provider.ssh_targets(), *project.provider.extra_machines())
        outputs = ssh.run_all(targets, "sh", "-c", NODE, root=True)
        return {
            f"nodes/{name}.log": _text(partial("{}{}".format, output.stdout, output.stderr))
            for name, output in outputs.items()
        }
    return {}


def archive(files: Mapping[str, str], folder: str) -> bytes:
    """A tar.gz of them in a folder of that name, nobody's and for its owner alone."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, text in files.items():
            data = text.encode(errors="replace")
            entry = tarfile.TarInfo(f"{folder}/{name}")
            entry.size, entry.mode, entry.mtime = len(data), 0o600, int(time.time())
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()
