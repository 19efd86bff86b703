#!/usr/bin/python3
"""Shows a node in a container its own memory and processors, where it would see those of its host.

kubelet takes a node's capacity from /proc/meminfo and the folders of /sys/devices/system, and
evicts pods by what is left of that memory; neither knows of a container's limits
(google/cadvisor#2698). So what the node's group may use is mounted there. Pods have a /proc and a
/sys of their own.

`once` measures, and starts kubelet anew where the size is another one than before. Without it that
is done every few seconds: what is free changes, and an engine sets new limits while a node runs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")  # the container's own group is the root of what it sees
MEMINFO, SYSTEM = Path("/proc/meminfo"), Path("/sys/devices/system")
OWN = Path("/run/node-size")
HOST = OWN / "host"  # what is covered can still be read there
SECONDS = 5
# a line of meminfo, and the entry of memory.stat that has it: of cgroup v2, then of v1
LINES = {
    "Cached": ("file", "total_cache"),
    "Active(anon)": ("active_anon", "total_active_anon"),
    "Inactive(anon)": ("inactive_anon", "total_inactive_anon"),
    "Active(file)": ("active_file", "total_active_file"),
    "Inactive(file)": ("inactive_file", "total_inactive_file"),
    "Unevictable": ("unevictable", "total_unevictable"),
    "Dirty": ("file_dirty", "total_dirty"),
    "Writeback": ("file_writeback", "total_writeback"),
    "AnonPages": ("anon", "total_rss"),
    "Mapped": ("file_mapped", "total_mapped_file"),
    "Shmem": ("shmem", "total_shmem"),
    "SReclaimable": ("slab_reclaimable", ""),
}
RECLAIMABLE = ("Active(file)", "Inactive(file)", "SReclaimable")


def memory_limit(groups: Path, host: dict[str, int]) -> int:
    """KiB that the group may use, 0 where that is no less than its host has."""
    text = _first(groups / "memory.max", groups / "memory/memory.limit_in_bytes").strip()
    limit = 0 if text == "max" else int(text) // 1024
    return limit if limit < host["MemTotal"] else 0


def cpu_limit(groups: Path) -> int:
    """The processors that the group's time comes to, 0 where it has no limit."""
    if (groups / "cpu.max").exists():
        quota, period = (groups / "cpu.max").read_text().split()
    else:
        quota = (groups / "cpu/cpu.cfs_quota_us").read_text().strip()
        period = (groups / "cpu/cpu.cfs_period_us").read_text()
    return 0 if quota in ("max", "-1") else -(-int(quota) // int(period))


def meminfo(groups: Path, limit: int, host: dict[str, int]) -> str:
    """What /proc/meminfo says of a group with `limit` KiB; swap is the host's.

    Always of one length.
    """
    used = int(_first(groups / "memory.current", groups / "memory/memory.usage_in_bytes")) // 1024
    stat = _pairs(_first(groups / "memory.stat", groups / "memory/memory.stat"))
    version = int("total_cache" in stat)  # v1 has v2's names as well, without the groups below
    found = {name: stat.get(entries[version], 0) // 1024 for name, entries in LINES.items()}
    free = max(0, limit - used)
    available = min(limit, free + sum(found[name] for name in RECLAIMABLE))
    swap = {name: host.get(name, 0) for name in ("SwapTotal", "SwapFree")}
    rows = {
        "MemTotal": limit,
        "MemFree": free,
        "MemAvailable": available,
        "Buffers": 0,
        "SwapCached": 0,
        **swap,
        **found,
    }
    return "".join(f"{name + ':':<16}{value:>12} kB\n" for name, value in rows.items())


def numbers(online: str) -> list[int]:
    """The processors in a list such as 0,2-3."""
    ends = [part.split("-") for part in online.strip().split(",")]
    return [number for end in ends for number in range(int(end[0]), int(end[-1]) + 1)]


def mirror(real: Path, shown: Path, cpus: list[int]) -> None:
    """Make of `shown` the folder `real` by links, with these processors alone."""
    shown.mkdir(parents=True)
    for entry in sorted(real.iterdir()):
        processor = re.fullmatch(r"cpu(\d+)", entry.name)
        if processor and int(processor[1]) not in cpus:
            continue
        if re.fullmatch(r"node\d+", entry.name):
            if any((entry / f"cpu{number}").exists() for number in cpus):
                mirror(entry, shown / entry.name, cpus)
        else:
            (shown / entry.name).symlink_to(entry)


def keep_host() -> None:
    """What the host shows, mounted once more before anything covers it."""
    for real in (MEMINFO, SYSTEM):
        kept = HOST / real.name
        if os.path.ismount(kept):
            continue
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.touch() if real.is_file() else kept.mkdir(exist_ok=True)
        _bind(real, kept)


def show_memory() -> int:
    """Show the group's memory; returns its size in KiB, 0 where it is the host's."""
    host = _pairs((HOST / "meminfo").read_text().replace(":", " "))
    limit = memory_limit(GROUPS, host)
    if not limit:
        _uncover(MEMINFO)
        return 0
    # written in place, as whoever has it open, or mounted, has this very file
    descriptor = os.open(OWN / "meminfo", os.O_RDWR | os.O_CREAT, 0o444)
    os.pwrite(descriptor, meminfo(GROUPS, limit, host).encode(), 0)
    os.close(descriptor)
    _cover(MEMINFO, OWN / "meminfo")
    return limit


def show_processors(before: str) -> int:
    """Show as many processors as the group's time comes to.

    Returns their number, 0 for the host's.
    """
    there, limit = numbers((HOST / "system/cpu/online").read_text()), cpu_limit(GROUPS)
    number = limit if limit < len(there) else 0
    if str(number) == before:
        return number
    # kubelet counts in the folder of nodes, and in the other one where a kernel without NUMA has
    # none
    for name in ("cpu", "node"):
        _uncover(SYSTEM / name)
        shutil.rmtree(OWN / name, ignore_errors=True)
        if number and (HOST / "system" / name).exists():
            mirror(HOST / "system" / name, OWN / name, there[:number])
            if name == "cpu":
                (OWN / "cpu/online").unlink()
                (OWN / "cpu/online").write_text(",".join(map(str, there[:number])) + "\n")
            _cover(SYSTEM / name, OWN / name)
    return number


def measure() -> None:
    """Show what there is, and start a kubelet anew that has taken another size."""
    keep_host()
    kept = OWN / "size"
    before = kept.read_text().split() if kept.exists() else ["", ""]
    size = [str(show_memory()), str(show_processors(before[1]))]
    if size != before:
        kept.write_text(" ".join(size))
        print(f"KiB and processors, 0 for all that the host has: {' '.join(size)}", flush=True)
        # without waiting: at a start of the node, kubelet waits for this
        _run("systemctl", "--no-block", "try-restart", "kubelet.service", check=False)


def _cover(place: Path, by: Path) -> None:
    if not os.path.ismount(place):
        _bind(by, place)


def _uncover(place: Path) -> None:
    if os.path.ismount(place):
        _run("umount", "--lazy", str(place))


def _bind(what: Path, place: Path) -> None:
    _run("mount", "--bind", str(what), str(place))


def _run(*argv: str, check: bool = True) -> None:
    subprocess.run(argv, check=check)


def _first(*paths: Path) -> str:
    return next((path for path in paths if path.exists()), paths[-1]).read_text()


def _pairs(text: str) -> dict[str, int]:
    rows = (line.split() for line in text.splitlines())
    return {words[0]: int(words[1]) for words in rows if len(words) > 1}


if __name__ == "__main__":
    measure()
    while sys.argv[1:] != ["once"]:
        time.sleep(SECONDS)
        measure()
