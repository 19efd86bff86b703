"""What the cache holds, by kind, size and use; and freeing what no profile uses."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from kubeup.core import ids, lock, shell
from kubeup.core.errors import Refused, UsageError
from kubeup.core.options import Options
from kubeup.core.plan import Log, Step, plan_of
from kubeup.core.report import Report, progress
from kubeup.core.runner import Journal, run
from kubeup.system import cache
from kubeup.workflows import uses
from kubeup.workflows.converge import confirm
from kubeup.workflows.project import Project

# what is freed, by the folders of the cache that have it, and where in them; all else stays
KINDS = {
    "release": ("Kubernetes' programs", "*/*"),
    "images": ("archives of images", "*"),
    "rootfs": ("root file systems", "*"),
    "go": ("Go", "*"),
    "tools": ("tools", "*"),
    "manifests": ("manifests of pod networks", "*"),
    "certificates": ("lists of authorities", "*"),
    "registries": ("lists of mirrors", "*"),
    "contexts": ("contexts of builds", "*"),
}
PASSING = "contexts"  # there for as long as a build takes
DAY = 86400.0
UNITS = {"h": 3600.0, "d": DAY, "w": 7 * DAY}
USUAL = "30d"
MIB = 2**20


@dataclass(frozen=True)
class Part:
    """One thing in the cache. `used` is when, in seconds of time(2); `by` which profiles.

    `left`: what a command that was killed has not finished, or not removed.
    """

    kind: str
    path: Path
    size: int
    used: float
    by: tuple[str, ...] = ()
    left: bool = False

    @property
    def name(self) -> str:
        return str(self.path.relative_to(cache.folder()))


def look() -> list[Part]:
    """All of it, the largest of each kind first."""
    by = defaultdict[str, list[str]](list)
    for use in uses.noted():
        for name in use.parts:
            by[name].append(use.profile)
    found = [
        _part(kind, path, by)
        for kind, (_, pattern) in KINDS.items()
        for path in cache.folder(kind).glob(pattern)
        if not path.name.endswith(".lock")
    ]
    return sorted(found, key=lambda part: (list(KINDS).index(part.kind), -part.size))


def _part(kind: str, path: Path, by: dict[str, list[str]]) -> Part:
    left = path.name.startswith(".") or kind == PASSING
    users = by.get(str(path.relative_to(cache.folder())), ())
    return Part(kind, path, cache.taken(path), path.lstat().st_mtime, tuple(sorted({*users})), left)


def others() -> Iterator[tuple[str, int]]:
    """What else is there, by name and bytes: it is left alone."""
    for path in sorted(cache.folder().glob("*")):
        if path.name not in KINDS:
            yield path.name, cache.taken(path)


def show(project: Project, out: Report) -> None:
    parts = look()
    out.say(f"{cache.folder()}\n")
    out.table(("kind", "part", "size", "last used", "used by"), map(_row, parts))
    free = _free_parts(0)
    out.say(
        f"\n{_size(parts)} in all, of which no profile uses {_size(free)}: `inv cache.prune` frees "
        f"what nobody has used for {USUAL} either, `inv cache.prune --all` all of these"
    )
    _say_unnoted(project, out)
    if rest := [f"{name} ({size // MIB} MiB)" for name, size in others() if size >= MIB]:
        out.say(f"not freed from here: {', '.join(rest)}")


def _row(part: Part) -> tuple[str, ...]:
    used = f"{datetime.fromtimestamp(part.used):%Y-%m-%d}"
    by = ", ".join(part.by) or ("a command that was cut off" if part.left else "-")
    return KINDS[part.kind][0], part.name, _size([part]), used, by


def _size(parts: Sequence[Part]) -> str:
    mib = sum(part.size for part in parts) / MIB
    if 0 < mib < 1:
        return "< 1 MiB"
    return f"{mib:.0f} MiB" if mib < 1024 else f"{mib / 1024:.1f} GiB"


def data() -> list[dict[str, object]]:
    """The same for programs: sizes in bytes."""
    return [
        {
            "kind": part.kind,
            "part": part.name,
            "size": part.size,
            "used": datetime.fromtimestamp(part.used).astimezone().isoformat(),
            "by": part.by,
            "left": part.left,
        }
        for part in look()
    ]


def prune(project: Project, out: Report, given: Options, older_than: str, every: bool) -> None:
    """Free what no profile uses after showing and asking; `every`: whatever its age.

    Raises Refused while another command uses the cache, and where a profile's uses are not known.
    """
    age = 0.0 if every else seconds(older_than or USUAL)
    if every:
        _say_unnoted(project, out)
    else:
        _refuse_unnoted(project)
    parts = _free_parts(age)
    plan = plan_of(_steps(parts, age))
    out.plan(plan, given.commands)
    if given.dry or not plan:
        return
    with _alone():
        pass  # told before anything is asked
    confirm(f"Free {_size(parts)}? It is made again where it is needed.", given.yes)
    with _alone(), progress(out) as shown:
        # another command may have come to use some of it while the question stood
        shown_before = {part.path for part in parts}
        still = [part for part in _free_parts(age) if part.path in shown_before]
        run(plan_of(_steps(still, age)), shown, Journal(cache.folder(), given.command))


def _alone() -> AbstractContextManager[None]:
    return lock.alone(cache.folder(cache.LOCK), "the cache")


def _free_parts(age: float) -> list[Part]:
    return [part for part in look() if _is_free(part, age)]


def seconds(age: str) -> float:
    """Of such as 12h, 30d or 8w. Raises UsageError for another text."""
    match = re.fullmatch(r"(\d{1,5})([hdw])", age, re.ASCII)
    if not match:
        raise UsageError(
            f"{age!r} is no age",
            "hours, days or weeks are meant, a number of them with its letter",
            "for example `--older-than 30d`",
        )
    return int(match[1]) * UNITS[match[2]]


def _say_unnoted(project: Project, out: Report) -> None:
    for name in uses.unnoted(project):
        out.say(f"what {name} uses is not noted yet: `inv up --profile {name}` does that")


def _refuse_unnoted(project: Project) -> None:
    if lacking := uses.unnoted(project):
        raise Refused(
            f"it is not noted what {', '.join(lacking)} uses of the cache",
            "an earlier kubeup brought it up",
            f"`inv up --profile {lacking[0]}` notes it; or `inv cache.prune --all`, which frees "
            "what no other profile uses",
        )


def _is_free(part: Part, age: float) -> bool:
    """Whether no profile uses it and so long ago nobody did."""
    idle = time.time() - part.used
    # of an earlier kubeup, which does not hold the cache while it works
    return idle >= max(age, DAY if part.left else 0) and not part.by


def _steps(parts: Sequence[Part], age: float) -> Iterator[Step]:
    for kind, (what, _) in KINDS.items():
        of_kind = [part for part in parts if part.kind == kind]
        if of_kind:
            since = f", and nobody has used them for {age / DAY:g} days" if age else ""
            yield Step(
                ids.free(kind),
                f"free {len(of_kind)} of {what} ({_size(of_kind)})",
                f"no profile uses them{since}",
                Free(tuple(part.path for part in of_kind)),
                seconds=1,
            )


@dataclass(frozen=True)
class Free:
    """Remove parts of the cache; what another command is making is left."""

    paths: tuple[Path, ...]

    def commands(self) -> tuple[str, ...]:
        return tuple(shell.shown(("rm", "-r", str(path))) for path in self.paths)

    def run(self, log: Log) -> None:
        for path in self.paths:
            log(path.name if cache.free(path) else f"{path.name} is being made: left")
