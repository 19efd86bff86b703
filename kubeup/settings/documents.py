"""settings.yaml and the profiles beside it: which profile is meant, and its tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Unpack

from pydantic import Field

from kubeup.settings import kinds
from kubeup.settings.nearest import suggestion
from kubeup.settings.overrides import PROFILE_VARIABLE
from kubeup.settings.problem import DEFAULT, Origin, Problem, Words
from kubeup.settings.reading import read
from kubeup.settings.scalars import shown
from kubeup.settings.sections import SECTION, Section
from kubeup.settings.source import read_text
from kubeup.settings.tree import Node, compose, nested, overlay

PROFILES = "profiles"
_SUFFIXES = (".yaml", ".yml")
_OUTLINE = "settings: {env: <profile>, users: {<profile>: {...}}}"
_KEYS = "the profile's keys and values"


class Outline(Section):
    """What is below `settings`; the profiles are read on their own."""

    env: kinds.ProfileName = "dev"
    users: dict[str, Any] = Field({})


class File(Section):
    settings: Outline = SECTION


@dataclass(slots=True)
class Documents:
    """What was read of the files; `tree` is the chosen profile's, where it could be found."""

    profile: str = "none"
    origin: Origin = DEFAULT
    tree: Node | None = None
    problems: list[Problem] = field(default_factory=list)

    def refuse(self, at: Origin, key: str, found: str, **words: Unpack[Words]) -> None:
        self.problems.append(Problem("error", at, key, found, **words))


def choose(path: Path, profile: str | None, environ: Mapping[str, str]) -> Documents:
    """The profile of the caller's choice, else of KUBEUP_ENV, else of `env`, else dev."""
    out = Documents()
    root = _load(path, _OUTLINE, out)
    if root is None:
        return out
    if profile is not None:
        root = _with_env(root, profile, Origin("argument", "the profile asked for"))
    elif name := environ.get(PROFILE_VARIABLE):
        root = _with_env(root, name, Origin("environment", PROFILE_VARIABLE))
    reading = read(File, root)
    users = reading.value.settings.users
    homes = _homes(users, path.parent / PROFILES, out)
    out.problems = [*reading.problems, *out.problems]
    out.profile, out.origin = reading.value.settings.env, reading.origin("settings.env")
    refused = {problem.key for problem in reading.problems if problem.severity == "error"}
    if "settings" not in root.entries:
        if not refused:
            out.refuse(root.origin, "settings", "missing", allowed=_OUTLINE)
    elif not refused & {"settings", "settings.env", "settings.users"}:
        _take(users, homes, reading.origin("settings.users"), out)
    return out


def _with_env(root: Node, profile: str, origin: Origin) -> Node:
    env = nested(("settings", "env"), Node("str", origin, profile))
    settings = root.entries.get("settings")
    return overlay(root, env) if settings and settings.tag in ("map", "null") else root


def _load(path: Path, allowed: str, out: Documents) -> Node | None:
    """A file's outermost mapping."""
    text = read_text(path)
    if isinstance(text, Problem):
        out.problems.append(text)
        return None
    at = Origin("file", str(path), 1, 1)
    node, problems = compose(text, at)
    out.problems += problems
    if node and node.tag == "map":
        return node
    if not problems:
        empty = node is None or node.tag == "null"
        out.refuse(at, "", "empty" if empty else "no keys and values", allowed=allowed)
    return None


def _homes(users: Mapping[str, Node], folder: Path, out: Documents) -> dict[str, Origin]:
    """Where each profile is: under `users`, or in a file that is read only when chosen."""
    homes = {name: node.key for name, node in users.items()}
    for file in _files(folder, out):
        at = Origin("file", str(file))
        known = homes.setdefault(file.stem, at)
        if known != at:
            hint = f"keep one of them: {known} or {file}"
            found = f"this profile is written twice, also in {known}"
            out.refuse(at, f"settings.users.{file.stem}", found, hint=hint)
    _refuse_alike(homes, out)
    return homes


def _refuse_alike(homes: Mapping[str, Origin], out: Documents) -> None:
    """Two profiles of which one name becomes the other's would share nodes, data and state."""
    first = dict[str, str]()
    for name, home in homes.items():
        slug = kinds.slug(name)
        other = first.setdefault(slug, name)
        if other != name:
            both = f"{shown(other)} or {shown(name)}"
            out.refuse(
                home,
                f"settings.users.{shown(name)}",
                f"the profile {shown(other)} ({homes[other]}) differs from it in letters' case or "
                "- and _ alone",
                why=f"both have the nodes {slug}-…, with their data, and one folder of state",
                hint=f"give one of them another name, or remove it: {both}",
            )


def _files(folder: Path, out: Documents) -> list[Path]:
    try:
        files = sorted(folder.iterdir())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return []
    except OSError as failure:
        out.refuse(Origin("file", str(folder)), "", failure.strerror or "can't be read")
        return []
    return [file for file in files if file.suffix in _SUFFIXES and file.name[0] != "."]


def _take(
    users: Mapping[str, Node], homes: Mapping[str, Origin], at: Origin, out: Documents
) -> None:
    """Read the chosen profile; `at` is where all of them are written."""
    node = users.get(out.profile)
    if out.profile not in homes:
        known = ", ".join(map(shown, homes)) or "none is written yet"
        hint = suggestion(out.profile, homes)
        at = at if out.origin.kind == "argument" else out.origin
        out.refuse(at, "settings.env", f"no profile {out.profile}", allowed=known, hint=hint)
    elif node is None:
        out.tree = _load(Path(homes[out.profile].name), _KEYS, out)
    elif node.tag in ("map", "null"):
        out.tree = replace(node, tag="map")
    else:
        key = f"settings.users.{out.profile}"
        out.refuse(node.origin, key, "no keys and values", allowed=_KEYS)
