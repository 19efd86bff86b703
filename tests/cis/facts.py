"""What the checks look at: a node's files and processes, and the cluster's objects."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

import yaml

FOLDERS = (
    "/etc/kubernetes",
    "/etc/cni/net.d",
    "/etc/systemd/system/kubelet.service.d",
    "/var/lib/etcd",
    "/var/lib/kubelet/config.yaml",
)
PROGRAMS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd", "kubelet")
# run on a node by its own Python; prints JSON
LOOK = """
import grp, json, os, pathlib, pwd, stat, subprocess, sys
root, folders, programs = sys.argv[1], sys.argv[2].split(), sys.argv[3].split()
def name(of, number):
    try:
        return of(number)[0]
    except KeyError:
        return str(number)
files, texts = {}, {}
for folder in folders:
    top = pathlib.Path(root + folder)
    for path in (top, *top.rglob("*")) if top.exists() else ():
        found, shown = path.lstat(), str(path)[len(root):]
        owner = name(pwd.getpwuid, found.st_uid) + ":" + name(grp.getgrgid, found.st_gid)
        mode, kind = stat.S_IMODE(found.st_mode), "folder" if path.is_dir() else "file"
        files[shown] = [kind, mode, owner]
        if shown.endswith(("ca.crt", "config.yaml")):
            texts[shown] = path.read_text()
processes = {}
for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    try:
        argv = path.read_bytes().decode().rstrip("\\0").split("\\0")
    except OSError:
        continue
    if os.path.basename(argv[0]) in programs:
        processes[os.path.basename(argv[0])] = argv[1:]
authority, served = "/etc/kubernetes/pki/ca.crt", "/var/lib/kubelet/pki/kubelet.crt"
checked = ("openssl", "verify", "-CAfile", root + authority, root + served)
signed = subprocess.run(checked, capture_output=True).returncode == 0
print(json.dumps({"files": files, "texts": texts, "processes": processes, "signed": signed}))
"""


@dataclass(frozen=True)
class File:
    kind: str  # file or folder
    mode: int
    owner: str  # user:group


@dataclass(frozen=True)
class Node:
    """One node's files by their paths, and the flags of the programs that run there."""

    files: Mapping[str, File] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    flags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    signed: bool = False  # kubelet serves by a certificate of the cluster's authority

    def at(self, pattern: str) -> dict[str, File]:
        """Files of a pattern: `*` stands for folders as well."""
        return {path: file for path, file in self.files.items() if fnmatch(path, pattern)}

    @property
    def kubelet(self) -> dict[str, Any]:
        """Its configuration; flags of its own win over it, and none of ours are about these."""
        return dict(yaml.safe_load(self.texts.get("/var/lib/kubelet/config.yaml", "")) or {})


@dataclass(frozen=True)
class Objects:
    """What the API server has: pods of the application, and of all namespaces the rest."""

    pods: Sequence[dict[str, Any]] = ()
    namespaces: Sequence[dict[str, Any]] = ()
    bindings: Sequence[dict[str, Any]] = ()  # ClusterRoleBindings
    policies: Sequence[dict[str, Any]] = ()  # NetworkPolicies

    def specs(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for pod in self.pods:
            yield pod["metadata"]["name"], pod["spec"]

    def containers(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, spec in self.specs():
            for container in (*spec.get("initContainers", ()), *spec["containers"]):
                yield f"{name}/{container['name']}", container


def look(root: str = "") -> str:
    """The command line that looks, for a shell on a node."""
    words = ("python3", "-c", LOOK, root, " ".join(FOLDERS), " ".join(PROGRAMS))
    return shlex.join(words)


def node(text: str) -> Node:
    """What `LOOK` printed."""
    found = json.loads(text)
    files = {path: File(*row) for path, row in found["files"].items()}
    flags = {name: flags_of(argv) for name, argv in found["processes"].items()}
    return Node(files, found["texts"], flags, found["signed"])


def flags_of(argv: Sequence[str]) -> dict[str, str]:
    """The flags of a command line: all are written with `=`, and one without a value is on."""
    parts = (word.removeprefix("--").partition("=") for word in argv if word.startswith("--"))
    return {name: value if sign else "true" for name, sign, value in parts}
