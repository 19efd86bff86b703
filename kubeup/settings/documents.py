"""settings.yaml and the profiles beside it: which profile is meant, and its tree."""

from __future__ import annotations

import re
from collections.abc import Mapping as Map
from dataclasses import dataclass, field
from pathlib import Path

from kubeup.settings.kinds import slug
from kubeup.settings.nearest import suggestion
from kubeup.settings.overrides import PROFILE_VARIABLE
from kubeup.settings.problem import DEFAULT, Origin, Problem, error
from kubeup.settings.scalars import shown
from kubeup.settings.source import read
from kubeup.settings.tree import Mapping, Node, Scalar, compose

PROFILES = "profiles"
DEFAULT_PROFILE = "dev"
_SUFFIXES = (".yaml", ".yml")
_NAME = re.compile(r"[A-Za-z]([A-Za-z0-9_-]{0,38}[A-Za-z0-9])?")
_NAME_RULE = "a letter, then letters, digits, - and _, up to 40, the last one no - or _"
_OUTLINE = "settings: {env: <profile>, users: {<profile>: {...}}}"


@dataclass(frozen=True, slots=True)
class Home:
    """Where a profile is written: under `users`, or in a file of its own that is read only when
    chosen.
    """

    origin: Origin
    node: Node | None = None


@dataclass(slots=True)
class Documents:
    """What was read of the files; `tree` is the chosen profile's, when it could be found."""

    profile: str = ""
    origin: Origin = DEFAULT
    tree: Mapping | None = None
    problems: list[Problem] = field(default_factory=list)


def choose(path: Path, profile: str | None, environ: Map[str, str]) -> Documents:
    out = Documents()
    root = _load(path, _OUTLINE, out)
    settings = _inside(root, "settings", ("settings",), "", out) if root else None
    if settings is None:
        return out
    users = _inside(settings, "users", ("env", "users"), "settings.", out)
    homes = _homes(users, path.parent / PROFILES, out)
    readable = users is not None or "users" not in settings.entries
    if _wanted(profile, environ, settings, out) and readable:
        _take(homes, users or settings, out)
    return out


def _load(path: Path, allowed: str, out: Documents) -> Mapping | None:
    """A file's outermost mapping."""
    text = read(path)
    if isinstance(text, Problem):
        out.problems.append(text)
        return None
    at = Origin("file", str(path), 1, 1)
    node, problems = compose(text, at)
    out.problems.extend(problems)
    if isinstance(node, Mapping) or problems:
        return node if isinstance(node, Mapping) else None
    found = (
        "empty"
        if node is None or (isinstance(node, Scalar) and node.tag == "null")
        else "no keys and values"
    )
    out.problems.append(error(at, "", found, allowed=allowed))
    return None


def _inside(
    parent: Mapping, name: str, names: tuple[str, ...], prefix: str, out: Documents
) -> Mapping | None:
    """The mapping under a name; anything else that stands beside or in place of it is reported."""
    strangers = [(key, entry.key) for key, entry in parent.entries.items() if key not in names]
    for key, at in strangers:
        hint = suggestion(key, names)
        out.problems.append(
            error(at, f"{prefix}{key[:80]}", "no such key", allowed=", ".join(names), hint=hint)
        )
    entry = parent.entries.get(name)
    if entry is None:
        # A misspelt name was reported above; saying as well that it is missing would only repeat
        # that.
        if name != "users" and not strangers:
            out.problems.append(
                error(parent.origin, f"{prefix}{name}", "missing", allowed=_OUTLINE)
            )
        return None
    return _as_mapping(entry.node, f"{prefix}{name}", _OUTLINE, out)


def _as_mapping(node: Node, key: str, allowed: str, out: Documents) -> Mapping | None:
    if isinstance(node, Mapping):
        return node
    if isinstance(node, Scalar) and node.tag == "null":
        return Mapping({}, node.origin)
    out.problems.append(error(node.origin, key, "no keys and values", allowed=allowed))
    return None


def _homes(users: Mapping | None, folder: Path, out: Documents) -> dict[str, Home]:
    homes = (
        {name: Home(entry.key, entry.node) for name, entry in users.entries.items()}
        if users
        else {}
    )
    for file in _files(folder, out):
        at = Origin("file", str(file))
        if known := homes.get(file.stem):
            hint = f"keep one of them: {known.origin} or {file}"
            found = f"this profile is written twice, also in {known.origin}"
            out.problems.append(error(at, f"settings.users.{file.stem}", found, hint=hint))
        else:
            homes[file.stem] = Home(at)
    _refuse_alike(homes, out)
    return homes


def _refuse_alike(homes: Map[str, Home], out: Documents) -> None:
    """Two profiles that differ in letters' case, or in - and _, would have the same nodes, the
    same data and the same state.
    """
    first = dict[str, str]()
    for name, home in homes.items():
        other = first.setdefault(slug(name), name)
        if other != name:
            found = (
                f"the profile {shown(other)} ({homes[other].origin}) differs from it in "
                "letters' case or - and _ alone"
            )
            why = f"both have the nodes {slug(name)}-…, with their data, and one folder of state"
            hint = f"give one of them another name, or remove it: {shown(other)} or {shown(name)}"
            out.problems.append(
                error(home.origin, f"settings.users.{shown(name)}", found, why=why, hint=hint)
            )


def _files(folder: Path, out: Documents) -> list[Path]:
    try:
        return sorted(
            file for file in folder.iterdir() if file.suffix in _SUFFIXES and file.name[0] != "."
        )
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return []
    except OSError as failure:
        out.problems.append(
            error(Origin("file", str(folder)), "", failure.strerror or "can't be read")
        )
        return []


def _wanted(profile: str | None, environ: Map[str, str], settings: Mapping, out: Documents) -> bool:
    """Whose turn it is: the caller's word, else KUBEUP_ENV, else `env`, else dev."""
    entry = settings.entries.get("env")
    if profile is not None:
        out.profile, out.origin = profile, Origin("argument", "the profile asked for")
    elif environ.get(PROFILE_VARIABLE):
        out.profile, out.origin = environ[PROFILE_VARIABLE], Origin("environment", PROFILE_VARIABLE)
    elif entry is None:
        out.profile, out.origin = DEFAULT_PROFILE, settings.origin
    else:
        return _env(entry.node, out)
    return _name_is_valid(out)


def _env(node: Node, out: Documents) -> bool:
    if isinstance(node, Scalar) and node.tag == "str":
        out.profile, out.origin = node.text, node.origin
        return _name_is_valid(out)
    found, hint = "not a name", "write the name of one profile"
    if isinstance(node, Scalar) and node.text:
        found = f"{shown(node.text)}, which YAML does not read as text"
        hint = f'put it in quotes: "{shown(node.text)}"'
    out.problems.append(
        error(node.origin, "settings.env", found, allowed="a profile's name", hint=hint)
    )
    return False


def _name_is_valid(out: Documents) -> bool:
    if _NAME.fullmatch(out.profile):
        return True
    why = "nodes are named after it"
    out.problems.append(
        error(out.origin, "settings.env", shown(out.profile), allowed=_NAME_RULE, why=why)
    )
    return False


def _take(homes: dict[str, Home], users: Mapping, out: Documents) -> None:
    home = homes.get(out.profile)
    if home is None:
        known = ", ".join(shown(name) for name in homes) or "none is written yet"
        at = users.origin if out.origin.kind == "argument" else out.origin
        hint = suggestion(out.profile, homes)
        found = f"no profile {out.profile}"
        out.problems.append(error(at, "settings.env", found, allowed=known, hint=hint))
    elif home.node is None:
        out.tree = _load(Path(home.origin.name), "the profile's keys and values", out)
    else:
        out.tree = _as_mapping(
            home.node, f"settings.users.{out.profile}", "the profile's keys and values", out
        )
