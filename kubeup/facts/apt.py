"""What apt's index has, from `apt-cache policy`, and which of several packages fits.

What is wanted is told in Debian's own notation for dependencies (deb-control(5)):
`podman (>= 4.3)`, `netavark | containernetworking-plugins`, the best first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

STATUS = "/var/lib/dpkg/status"  # where apt knows of what is installed, beside its archives' lists
ALWAYS = "apt"  # in every archive: whether there is an index at all is seen by it
ALTERNATIVE = re.compile(r"([a-z0-9][a-z0-9.+-]*)(?: \(>= ([0-9.]+)\))?")
Version = tuple[int, ...]


@dataclass(frozen=True)
class Index:
    """The versions that apt would install, by package.

    `empty`: no archive's list is there, so that a name that is missing says nothing.
    """

    candidates: Mapping[str, str] = field(default_factory=dict)
    empty: bool = True


def policy(text: str) -> Index:
    """From `apt-cache policy apt NAMES…` (LC_ALL=C), without packages that no archive has."""
    candidates, empty, name = dict[str, str](), True, ""
    for row in text.splitlines():
        words = row.split()
        if not row.startswith(" "):
            name = row.rstrip(":")
        elif words[0] == "Candidate:" and words[1] != "(none)":
            candidates[name] = words[1]
        elif words[0].isdigit() and words[1] != STATUS:
            empty = False
    return Index(candidates, empty)


def version(text: str) -> Version:
    """Major and minor: (4, 9) of Debian's `4.9.3+ds1-1` and `1:4.9`; () where there are none."""
    found = re.search(r"\d+(?:\.\d+)?", text.partition(":")[2] or text)
    return _numbers(found.group()) if found else ()


def alternatives(wanted: str) -> Iterator[tuple[str, Version]]:
    """The packages that do, with the oldest version that does (() for any)."""
    for alternative in wanted.split(" | "):
        found = ALTERNATIVE.fullmatch(alternative)
        if found is None:
            raise ValueError(f"not a dependency: {wanted}")
        yield found.group(1), _numbers(found.group(2) or "")


def names(wanted: Iterable[str]) -> tuple[str, ...]:
    """Every package that is named, once."""
    return tuple(dict.fromkeys(name for each in wanted for name, _ in alternatives(each)))


def pick(wanted: str, versions: Mapping[str, str]) -> str:
    """The first alternative that is among packages of these versions, or ''."""
    return next(
        (
            name
            for name, oldest in alternatives(wanted)
            if name in versions and version(versions[name]) >= oldest
        ),
        "",
    )


def _numbers(text: str) -> Version:
    return tuple(int(number) for number in text.split(".") if number)
