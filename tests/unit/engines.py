"""A container engine that answers from what real ones printed, and forgets what is removed."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from builders import OURS, recorded

from kubeup.core import shell
from kubeup.core.errors import CommandError
from kubeup.core.shell import Output

RULES = ":KUBEUP-dev - [0:0]\n"
DF = """
Images space usage:

REPOSITORY              TAG  IMAGE ID      CREATED  SIZE     SHARED SIZE  UNIQUE SIZE  CONTAINERS
localhost/kubeup/node   a1   4e5bbf8c9891  2 weeks  988.7MB  0B           988.7MB      0

Local Volumes space usage:

VOLUME NAME                LINKS       SIZE
{volumes}
"""


class Podman:
    """What it has, as rows of its `inspect`; tests change it."""

    def __init__(self) -> None:
        self.containers = json.loads(recorded("local/podman_inspect_nodes.json"))
        self.volumes = [
            volume(f"{node}-{kind}")
            for node in ("dev-control", "dev-worker-1")
            for kind in ("var", "data")
        ]
        self.networks = json.loads(recorded("local/podman_network_inspect.json"))
        self.networks[0]["name"] = "kubeup-dev"
        self.images = ["localhost/kubeup/node:1"]
        self.rules = RULES
        self.stuck: set[str] = set()  # what it says to have removed, and has not
        self.broken = False
        self.ran: list[tuple[str, ...]] = []
        self.lock = threading.Lock()

    @property
    def names(self) -> set[str]:
        rows = (*self.containers, *self.volumes, *self.networks)
        return {row.get("Name") or row["name"] for row in rows}

    def read(self, *argv: str, ok: Any = (0,), **_: Any) -> Output:
        if self.broken:
            raise CommandError("podman does not answer", "it took longer than 60 s")
        output = self._answer(*argv[argv.index("podman") + 1 :])
        if ok is not None and output.code not in ok:
            raise CommandError(f"{argv} ended with {output.code}", output.stderr)
        return output

    def write(self, *argv: str, **_: Any) -> str:
        with self.lock:  # steps run side by side
            return self._remove(*argv)

    def _remove(self, *argv: str) -> str:
        self.ran.append(argv[1:])
        words = argv[argv.index("podman") + 1 :]
        if words[0] == "run":
            self.rules = ""
        gone = set(words).difference(self.stuck)
        if words[0] == "rm":
            self.containers = [row for row in self.containers if row["Name"] not in gone]
        if words[:2] == ("volume", "rm"):
            self.volumes = [row for row in self.volumes if row["Name"] not in gone]
        if words[:2] == ("network", "rm"):
            self.networks = [row for row in self.networks if row["name"] not in gone]
        return ""

    def _answer(self, *words: str) -> Output:
        match words:
            case ("ps", "--all", "--format", _):
                return _lines(
                    f"{one['Name']} {_labels(one)['kubeup.profile']}" for one in self.containers
                )
            case ("ps", "--all", "--quiet", "--filter", label):
                return _lines(one["Name"] for one in self.containers if _bears(one, label))
            case ("volume", "ls", "--quiet", "--filter", label):
                return _lines(one["Name"] for one in self.volumes if _bears(one, label))
            case ("volume", "ls", "--quiet"):
                return _lines(one["Name"] for one in self.volumes)
            case ("network", "ls", *_):
                return _lines(one["name"] for one in self.networks)
            case ("container" | "volume" | "network" as kind, "inspect", *names):
                rows = getattr(self, f"{kind}s")
                found = [one for one in rows if (one.get("Name") or one["name"]) in names]
                code = 0 if len(found) == len(names) else 125
                return Output(code, json.dumps(found), f"no such {kind}" if code else "")
            case ("image", "inspect", name):
                return Output(0 if name in self.images else 125, "[]", "")
            case ("image", "ls", *_):
                return _lines(self.images)
            case ("run", *_, "iptables-save"):
                return Output(0, f"*filter\n{self.rules}COMMIT\n", "")
            case ("system", "df", "--verbose"):
                rows = "\n".join(f"{one['Name']}  1  1.5GB" for one in self.volumes)
                return Output(0, DF.format(volumes=rows), "")
            case ("stop", *_):
                return Output(0, "", "")
        raise AssertionError(f"podman {words}")


def volume(name: str, profile: str = "dev", owner: str = OURS, **labels: str) -> dict[str, Any]:
    """A row as in tests/unit/data/local/volume_inspect_three.json."""
    row = json.loads(recorded("local/volume_inspect_three.json"))[0]
    own = {"kubeup.profile": profile, "kubeup.project": owner}
    return {**row, "Name": name, "Labels": labels or own}


def _labels(row: dict[str, Any]) -> dict[str, str]:
    labels: dict[str, str] = row["Config"]["Labels"] if "Config" in row else row["Labels"]
    return labels


def _bears(row: dict[str, Any], label: str) -> bool:
    key, _, value = label.removeprefix("label=").partition("=")
    return key in _labels(row) and value in ("", _labels(row)[key])


def _lines(lines: Any) -> Output:
    return Output(0, "".join(f"{line}\n" for line in lines), "")


def replayed(monkeypatch: pytest.MonkeyPatch) -> Podman:
    """podman in the place of this machine's."""
    one = Podman()
    monkeypatch.setattr(shell, "read", one.read)
    monkeypatch.setattr(shell, "write", one.write)
    monkeypatch.setattr(shell, "which", lambda name: f"/usr/bin/{name}")
    return one
