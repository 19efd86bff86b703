from __future__ import annotations

from pathlib import Path

import pytest

from kubeup.facts.cgroups import Limits, limits

GROUP = "/libpod_parent/libpod-ef51e3a89750"
V1 = {
    "cpu/cpu.cfs_quota_us": "200000\n",
    "cpu/cpu.cfs_period_us": "100000\n",
    "memory/memory.limit_in_bytes": "2415919104\n",
}


def tree(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def v1(root: Path) -> Path:
    tree(root, {name.replace("/", f"{GROUP}/"): text for name, text in V1.items()})
    return root


def test_cgroup_v1(tmp_path: Path) -> None:
    assert limits(GROUP, 1, v1(tmp_path)) == Limits(2.0, 2304)


def test_cgroup_v1_without_a_quota(tmp_path: Path) -> None:
    v1(tmp_path)
    (tmp_path / f"cpu{GROUP}/cpu.cfs_quota_us").write_text("-1\n")
    assert limits(GROUP, 1, tmp_path) == Limits(0.0, 2304)


@pytest.mark.parametrize(
    ("cpu", "memory", "found"),
    [
        ("150000 100000\n", "2147483648\n", Limits(1.5, 2048)),
        ("max 100000\n", "max\n", Limits(0.0, 0)),
    ],
)
def test_cgroup_v2(tmp_path: Path, cpu: str, memory: str, found: Limits) -> None:
    group = "/machine.slice/libpod-ef51.scope"
    tree(tmp_path / group.lstrip("/"), {"cpu.max": cpu, "memory.max": memory})
    assert limits(group, 2, tmp_path) == found


@pytest.mark.parametrize("group", ["", "/", "/not/there"])
def test_what_can_not_be_read_is_not_guessed(tmp_path: Path, group: str) -> None:
    assert limits(group, 1, v1(tmp_path)) is None and limits(group, 2, tmp_path) is None
