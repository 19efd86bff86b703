"""settings.yaml and the profiles beside it: which profile is meant, and its tree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import Field

from kubeup.settings import kinds
from kubeup.settings.nearest import suggestion
from kubeup.settings.overrides import PROFILE_VARIABLE
from kubeup.settings.problem import DEFAULT, Origin, Problems
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


@dataclass(frozen=True, slots=True)
class Profile:
    """The profile that is meant; `tree` is None where it could not be found or read."""

    name: str = "none"
    origin: Origin = DEFAULT
    tree: Node | None = None


def choose(
    path: Path, profile: str | None, environ: Mapping[str, str], problems: Problems
) -> Profile:
    """The profile of the caller's choice, else of KUBEUP_ENV, else of `env`, else dev."""
    root = _load(path, _OUTLINE, problems)
    if root is None:
        return Profile()
    # They are laid over `env` as any override is, so that a bad name is told where it was given.
    if profile is not None:
        root = _with_env(root, profile, Origin("argument", "the profile asked for"))
    elif name := environ.get(PROFILE_VARIABLE):
        root = _with_env(root, name, Origin("environment", PROFILE_VARIABLE))
    reading = read(File, _with_a_name(root, problems), problems)
    if "settings" not in root.entries and not problems:
        problems.error(root.origin, "settings", "missing", allowed=_OUTLINE)
    usable = not problems.refused & {"settings", "settings.env", "settings.users"}
    chosen = Profile(reading.value.settings.env, reading.origin("settings.env"))
    users = reading.value.settings.users
    homes = _homes(users, path.parent / PROFILES, problems)
    if "settings" not in root.entries or not usable:
        return chosen
    if chosen.name not in homes:
        by_caller = chosen.origin.kind == "argument"
        at = reading.origin("settings.users") if by_caller else chosen.origin
        known = ", ".join(map(shown, homes)) or "there are no profiles yet"
        hint = suggestion(chosen.name, homes)
        problems.error(at, "settings.env", f"no profile {chosen.name}", allowed=known, hint=hint)
        return chosen
    return replace(chosen, tree=_tree(chosen.name, users, homes, problems))


def _with_a_name(root: Node, problems: Problems) -> Node:
    """An `env` without a value may have been meant for any profile: it is not taken as dev."""
    settings = root.entries.get("settings")
    env = settings.entries.get("env") if settings else None
    if not settings or not env or env.tag != "null":
        return root
    hint = "write the name of one profile"
    problems.error(env.origin, "settings.env", "no value", allowed="a profile's name", hint=hint)
    rest = {key: node for key, node in settings.entries.items() if key != "env"}
    return replace(root, entries={**root.entries, "settings": replace(settings, entries=rest)})


def _tree(
    name: str, users: Mapping[str, Node], homes: Mapping[str, Origin], problems: Problems
) -> Node | None:
    if name not in users:
        return _load(Path(homes[name].name), _KEYS, problems)
    node = users[name]
    if node.tag in ("map", "null"):
        return replace(node, tag="map")
    key = f"settings.users.{name}"
    problems.error(node.origin, key, "no keys and values", allowed=_KEYS)
    return None


def _with_env(root: Node, profile: str, origin: Origin) -> Node:
    env = nested(("settings", "env"), Node("str", origin, profile))
    settings = root.entries.get("settings")
    return overlay(root, env) if settings and settings.tag in ("map", "null") else root


def _load(path: Path, allowed: str, problems: Problems) -> Node | None:
    """A file's outermost mapping."""
    at, before = Origin("file", str(path), 1, 1), len(problems)
    text = read_text(path, problems)
    node = None if text is None else compose(text, at, problems)
    if node and node.tag == "map":
        return node
    if len(problems) == before:
        empty = node is None or node.tag == "null"
        problems.error(at, "", "empty" if empty else "no keys and values", allowed=allowed)
    return None


def _homes(users: Mapping[str, Node], folder: Path, problems: Problems) -> dict[str, Origin]:
    """Where each profile is: under `users`, or in a file that is read only when chosen."""
    homes = {name: node.key for name, node in users.items()}
    for file in _files(folder, problems):
        at = Origin("file", str(file))
        known = homes.setdefault(file.stem, at)
        if known != at:
            hint = f"keep one of them: {known} or {file}"
            found = f"this profile is written twice, also in {known}"
            problems.error(at, f"settings.users.{file.stem}", found, hint=hint)
    _refuse_alike(homes, problems)
    return homes


def _refuse_alike(homes: Mapping[str, Origin], problems: Problems) -> None:
    """Two profiles of which one name becomes the other's would share nodes, data and state."""
    first = dict[str, str]()
    for name, home in homes.items():
        slug = kinds.slug(name)
        other = first.setdefault(slug, name)
        if other != name:
            both = f"{shown(other)} or {shown(name)}"
            problems.error(
                home,
                f"settings.users.{shown(name)}",
                f"differs from the profile {shown(other)} ({homes[other]}) only in case, or in - "
                "and _",
                why=f"both would have the nodes {slug}-…, their data and the same state folder",
                hint=f"rename or remove one of them: {both}",
            )


def _files(folder: Path, problems: Problems) -> list[Path]:
    try:
        files = sorted(folder.iterdir())
    # A folder that can't be read is not an empty one: the profile that is meant may be in it.
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return []
    except OSError as failure:
        problems.error(Origin("file", str(folder)), "", failure.strerror or "can't be read")
        return []
    return [file for file in files if file.suffix in _SUFFIXES and file.name[0] != "."]
