"""What the kernel allows a control group, from its files.

An engine that changes limits later may not tell them (podman < 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Limits:
    """CPUs (0 where there is no limit) and memory in MiB."""

    cpus: float
    memory: int


def limits(group: str, version: int, root: Path = ROOT) -> Limits | None:
    """Of the group at that path, for cgroup `version` 1 or 2; None where that can't be read.

    See https://docs.kernel.org/admin-guide/cgroup-v2.html and …/cgroup-v1/memory.html,
    scheduler/sched-bwc.html.
    """
    below = group.lstrip("/")
    if not below:
        return None
    try:
        if version == 1:
            cpu = root / "cpu" / below
            quota = (cpu / "cpu.cfs_quota_us").read_text()
            period = (cpu / "cpu.cfs_period_us").read_text()
            memory = (root / "memory" / below / "memory.limit_in_bytes").read_text()
        else:
            quota, period = (root / below / "cpu.max").read_text().split()
            memory = (root / below / "memory.max").read_text()
        return Limits(_cpus(quota, period), _mib(memory))
    except (OSError, ValueError):
        return None


def _cpus(quota: str, period: str) -> float:
    return 0.0 if quota.strip() in ("max", "-1") else int(quota) / int(period)


def _mib(text: str) -> int:
    return 0 if text.strip() == "max" else int(text) // 2**20
