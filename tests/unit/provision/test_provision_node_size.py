"""What a node in a container is shown of its memory and processors."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from builders import recorded

from kubeup.cluster.provision.inventory import ANSIBLE

# entries of the kernel's admin-guide/cgroup-v2.rst, with the figures of the recorded v1
STAT_V2 = """\
anon 14442496
file 10551296
kernel 3170304
shmem 28672
file_mapped 4628480
file_dirty 4091904
file_writeback 0
inactive_anon 14340096
active_anon 32768
inactive_file 8507392
active_file 2015232
unevictable 0
slab_reclaimable 1048576
"""
UNLIMITED_V1 = 9223372036854771712


def load() -> ModuleType:
    path = ANSIBLE / "roles/base/files/node_size.py"
    spec = importlib.util.spec_from_file_location("node_size", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


node_size = load()
HOST = node_size._pairs(recorded("provision/meminfo_host.txt").replace(":", " "))


def v1(folder: Path, limit: int = 512 << 20, quota: int = 150000) -> Path:
    write(
        folder / "memory",
        {
            "memory.limit_in_bytes": limit,
            "memory.usage_in_bytes": 28622848,
            "memory.stat": recorded("provision/memory_stat_v1.txt"),
        },
    )
    write(folder / "cpu", {"cpu.cfs_quota_us": quota, "cpu.cfs_period_us": 100000})
    return folder


def v2(folder: Path, limit: str = str(512 << 20), quota: str = "150000") -> Path:
    write(
        folder,
        {
            "memory.max": limit,
            "memory.current": 28622848,
            "memory.stat": STAT_V2,
            "cpu.max": f"{quota} 100000",
        },
    )
    return folder


def write(folder: Path, files: dict[str, object]) -> None:
    for name, value in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{value}\n")


def rows(text: str) -> dict[str, int]:
    return {line.split(":")[0]: int(line.split()[1]) for line in text.splitlines()}


@pytest.mark.parametrize("groups", [v1, v2])
def test_limits_are_those_of_the_containers_group(groups: object, tmp_path: Path) -> None:
    made = groups(tmp_path)  # type: ignore[operator]
    assert node_size.memory_limit(made, HOST) == 512 * 1024
    assert node_size.cpu_limit(made) == 2  # one and a half


def test_without_a_limit_what_the_host_has_is_shown(tmp_path: Path) -> None:
    for groups in (v2(tmp_path / "2", "max", "max"), v1(tmp_path / "1", UNLIMITED_V1, -1)):
        assert node_size.memory_limit(groups, HOST) == node_size.cpu_limit(groups) == 0
    assert node_size.memory_limit(v2(tmp_path / "3", str(1 << 50)), HOST) == 0


def test_what_is_used_and_what_can_be_had_back(tmp_path: Path) -> None:
    found = rows(node_size.meminfo(v1(tmp_path), 512 * 1024, HOST))
    assert (found["MemTotal"], found["MemFree"]) == (524288, 524288 - 28622848 // 1024)
    assert found["MemAvailable"] == found["MemFree"] + (8507392 + 2015232) // 1024
    assert (found["Cached"], found["Shmem"]) == (10551296 // 1024, 28)
    assert (found["AnonPages"], found["SwapFree"]) == (14442496 // 1024, HOST["SwapFree"])


def test_both_versions_of_groups_tell_the_same(tmp_path: Path) -> None:
    """v1 has no word on what the kernel can take back of its own."""
    made = (v1(tmp_path / "1"), v2(tmp_path / "2"))
    old, new = (rows(node_size.meminfo(groups, 512 * 1024, HOST)) for groups in made)
    assert new.pop("SReclaimable") - old.pop("SReclaimable") == 1024
    assert new.pop("MemAvailable") - old.pop("MemAvailable") == 1024
    assert new == old


def test_it_reads_as_the_kernels_own(tmp_path: Path) -> None:
    """With the lines that kubelet, free and top look for, and none that the kernel has not."""
    text = node_size.meminfo(v1(tmp_path), 512 * 1024, HOST)
    assert rows(text).keys() <= rows(recorded("provision/meminfo_host.txt")).keys()
    looked_for = (
        "MemTotal MemFree MemAvailable Buffers Cached SwapTotal SwapFree Shmem SReclaimable"
    )
    assert set(looked_for.split()) <= rows(text).keys()
    assert all(row.endswith(" kB") for row in text.splitlines())


def test_its_length_never_changes_as_it_is_written_in_place(tmp_path: Path) -> None:
    small, large = v1(tmp_path / "small"), v2(tmp_path / "large", str(900 << 30))
    (large / "memory.stat").write_text(STAT_V2.replace("8507392", str(700 << 30)))
    texts = node_size.meminfo(small, 512 << 10, HOST), node_size.meminfo(large, 900 << 20, HOST)
    assert len(texts[0]) == len(texts[1])


def test_more_in_use_than_there_is_leaves_nothing_free(tmp_path: Path) -> None:
    found = rows(node_size.meminfo(v1(tmp_path), 16 * 1024, HOST))
    assert (found["MemFree"], found["MemAvailable"]) == (0, (8507392 + 2015232) // 1024)


@pytest.mark.parametrize(
    ("online", "expected"),
    [
        ("0-3", [0, 1, 2, 3]),
        ("0", [0]),
        ("0,2-3,9\n", [0, 2, 3, 9]),
    ],
)
def test_a_list_of_processors(online: str, expected: list[int]) -> None:
    assert node_size.numbers(online) == expected


def test_a_mirror_has_the_wanted_processors_and_all_else(tmp_path: Path) -> None:
    """Two nodes of memory with two processors each, of which three are shown."""
    real, shown = tmp_path / "real", tmp_path / "shown"
    for place in ("node0/cpu0", "node0/cpu1", "node1/cpu2", "node1/cpu3", "node2/memory0", "power"):
        (real / place).mkdir(parents=True)
    write(real, {"node0/meminfo": "Node 0 MemTotal: 1 kB", "online": "0-2"})
    node_size.mirror(real, shown, [0, 1, 2])
    found = sorted(str(path.relative_to(shown)) for path in shown.rglob("cpu*"))
    assert found == ["node0/cpu0", "node0/cpu1", "node1/cpu2"]
    assert (shown / "node0/meminfo").read_text() == "Node 0 MemTotal: 1 kB\n"
    assert not (shown / "node2").exists() and (shown / "power").is_dir()
