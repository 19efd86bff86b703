"""What `./inv` does before invoke: it finds a Python and makes an environment of it, once.

The real `inv` and its scripts in a checkout of their own; beside them programs made up for a test
stand for Pythons, uv and sudo, as no machine has all of them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from kubeup.core.state import PROJECT

pytestmark = pytest.mark.real
RECORDED = Path(__file__).parents[1] / "data" / "facts"
LOCKS = ("requirements.lock", "requirements-dev.lock")
TOOLS = ("sh", "sed", "dirname", "uname")
OURS = ("mkdir", "chmod", "rm", "touch")  # what the made-up programs take
NONE = "no Python from 3.11 to 3.13 on this machine"
UV = "https://docs.astral.sh/uv"
# answers as a Python of that version, with ensurepip or without; says what else it is asked to run
PYTHON = """#!/bin/sh
case "$2" in
  *ensurepip*"(3, {minor})"*) exit {ensurepip} ;;
  *"(3, {minor})"*) exit 0 ;;
  *sys*) exit 1 ;;
esac
echo "${{0##*/}} ran ${{1##*/}}"
mkdir -p "${{3%/*}}/bin"
rm -f "${{3%/*}}/bin/python"
printf '#!/bin/sh\\necho tasks of {name}: "$@"\\n' > "${{3%/*}}/bin/python"
chmod +x "${{3%/*}}/bin/python"
"""
UV_PROGRAM = """#!/bin/sh
echo "uv $*" >> "{told}"
case "$2" in
  install) {install}; touch "{told}.has" ;;
  find) [ -e "{told}.has" ] && echo "{python}" ;;
esac
"""


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("name", ["a:b", "a\nb", "a\n", "a\033[31m"])
def test_a_folder_that_no_path_can_hold(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (tmp_path / "a").mkdir(exist_ok=True)
    shutil.copy(PROJECT / "inv", folder / "inv")
    done = subprocess.run([folder / "inv"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "next: rename the folder" in done.stderr
    assert "\033" not in done.stderr


class Machine:
    """A checkout, and what is on PATH beside it."""

    def __init__(self, folder: Path) -> None:
        self.root, self.bin = folder / "my checkout", folder / "bin"
        self.bin.mkdir(parents=True)
        for name in (*TOOLS, *OURS):
            (self.bin / name).symlink_to(shutil.which(name) or "")
        (self.root / "scripts").mkdir(parents=True)
        for name in ("inv", "pyproject.toml", "scripts/find-python.sh", "scripts/bootstrap.py"):
            shutil.copy(PROJECT / name, self.root / name)
        for name in LOCKS:
            (self.root / name).write_text("# nothing\n")
            os.utime(self.root / name, (1, 1))
        self.told = folder / "told"

    def python(self, minor: int, name: str = "", ensurepip: bool = True) -> None:
        name = name or f"python3.{minor}"
        text = PYTHON.format(minor=minor, name=name, ensurepip=0 if ensurepip else 1)
        program(self.bin / name, text)

    def uv(self, brings: int = 0) -> None:
        """uv with nothing of its own, which brings a Python, or fails at it."""
        python = self.told.with_name("managed") / f"python3.{brings}"
        if brings:
            program(python, PYTHON.format(minor=brings, name=python.name, ensurepip=0))
        install = ":" if brings else "exit 1"
        program(self.bin / "uv", UV_PROGRAM.format(told=self.told, python=python, install=install))

    def inv(self, *words: str, path: str = "", inv: Path | None = None) -> str:
        done = subprocess.run(
            [inv or self.root / "inv", *words],
            env={"PATH": path or str(self.bin)},
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout + done.stderr

    def advice(self, recorded: str) -> str:
        script = self.root / "scripts" / "find-python.sh"
        done = subprocess.run(
            [script, RECORDED / f"os_release_{recorded}"],
            text=True,
            env={"PATH": str(self.bin)},
            capture_output=True,
            check=False,
        )
        assert done.returncode == 1 and not done.stdout
        what, why, then = done.stderr.splitlines()
        assert what == f"error: {NONE}" and why.startswith("  why:")
        return then.removeprefix("  next: ")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def bound() -> tuple[int, int]:
    """The oldest and the newest minor version of `requires-python`, the one place that has it."""
    text = (PROJECT / "pyproject.toml").read_text()
    found = re.search(r'^requires-python = ">=3\.(\d+),<3\.(\d+)"$', text, re.MULTILINE)
    assert found
    return int(found[1]), int(found[2]) - 1


def locked() -> list[Requirement]:
    """Every row of the lock files: a name, its version, and for which systems and Pythons."""
    rows = (PROJECT / lock for lock in LOCKS)
    found = {
        row
        for path in rows
        for row in re.findall(r"^[A-Za-z0-9._-]+==.*?(?= \\$)", path.read_text(), re.MULTILINE)
    }
    return [Requirement(row) for row in sorted(found)]


def installed(one: Requirement) -> bool:
    try:
        return distribution(one.name).version in one.specifier
    except PackageNotFoundError:
        return False


def needed_by(one: Requirement) -> SpecifierSet:
    return SpecifierSet(distribution(one.name).metadata.get("Requires-Python") or "")


def test_the_bound_is_that_of_the_locked_packages() -> None:
    oldest, newest = bound()
    # others are for another system, or another Python
    here = [one for one in locked() if installed(one)]
    assert len(here) > 130
    for minor in range(oldest, newest + 1):
        python = {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.9"}
        refused = [
            one.name
            for one in here
            if one.marker is None or one.marker.evaluate(python)
            if f"3.{minor}.9" not in needed_by(one)
        ]
        assert not refused, f"Python 3.{minor} is none for {refused}"
    # its Requires-Python has no upper end, its classifiers tell what it supports
    classifiers = distribution("ansible-core").metadata.get_all("Classifier") or []
    minors = [int(one) for one in re.findall(r"Python :: 3\.(\d+)", "\n".join(classifiers))]
    assert (min(minors), max(minors)) == (oldest, newest)


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        ([(11, "")], "python3.11"),
        ([(11, ""), (13, ""), (12, "")], "python3.13"),
        ([(12, ""), (14, ""), (14, "python3")], "python3.12"),
        ([(11, ""), (12, "python3")], "python3"),
        ([(12, "python3")], "python3"),
        ([(10, "python3"), (11, "")], "python3.11"),
    ],
)
def test_the_newest_that_fits_is_taken(
    there: list[tuple[int, str]],
    taken: str,
    machine: Machine,
) -> None:
    for minor, name in there:
        machine.python(minor, name)
    assert machine.inv("--list") == (
        f"{taken} ran bootstrap.py\ntasks of {taken}: -m kubeup.cli --list\n"
    )


def test_one_that_makes_environments_comes_first(machine: Machine) -> None:
    machine.python(13, ensurepip=False)
    machine.python(11)
    assert machine.inv("--list").startswith("python3.11 ran")
    machine.python(11, ensurepip=False)
    (machine.root / ".venv" / "bin" / "python").unlink()
    assert machine.inv("--list").startswith("python3.13 ran")


def test_a_name_that_leads_to_no_python_is_passed_over(machine: Machine) -> None:
    """As pyenv's shims of versions that are not switched on."""
    program(machine.bin / "python3.13", "#!/bin/sh\nexit 127\n")
    machine.python(11, "python3")
    assert machine.inv("--list").startswith("python3 ran")


def test_uv_brings_one_where_there_is_none(machine: Machine) -> None:
    machine.python(10, "python3")
    machine.uv(brings=13)
    said = machine.inv("--list")
    assert "inv: uv installs Python 3.13, as this machine has none that fits" in said
    assert "python3.13 ran bootstrap.py" in said
    (machine.root / ".venv" / "bin" / "python").unlink()
    assert "uv installs" not in machine.inv("--list")  # it has it by now
    assert "uv python find --system --no-python-downloads >=3.11,<3.14" in machine.told.read_text()


def test_a_uv_that_can_not_is_no_end(machine: Machine) -> None:
    machine.uv()
    assert NONE in machine.inv("--list")


@pytest.mark.parametrize(
    ("recorded", "then"),
    [
        ("debian_12", "sudo apt-get update; sudo apt-get install python3 python3-venv"),
        ("debian_13", "sudo apt-get update; sudo apt-get install python3 python3-venv"),
        ("ubuntu_22_04", "sudo apt-get update; sudo apt-get install python3.11 python3.11-venv"),
        ("fedora_41", "sudo dnf install python3.13"),
        ("rocky_9", "sudo dnf install python3.12"),
        ("arch", "sudo pacman -S uv"),
        ("opensuse_leap_15_6", "sudo zypper install python311"),
        ("opensuse_tumbleweed", "sudo zypper install python313"),
        ("alpine_3_22", "sudo apk add python3"),
        ("of_nobody", f"install uv ({UV}/getting-started/installation), which brings one"),
    ],
)
def test_without_one_the_distribution_s_is_named(
    recorded: str,
    then: str,
    machine: Machine,
) -> None:
    assert machine.advice(recorded) == then


def test_a_mac_has_homebrew_s(machine: Machine) -> None:
    (machine.bin / "uname").unlink()
    program(machine.bin / "uname", "#!/bin/sh\necho Darwin\n")
    assert machine.advice("of_nobody") == "brew install python@3.13"


def test_the_distribution_s_own_is_not_named_where_it_does_not_fit(machine: Machine) -> None:
    machine.python(10, "python3")
    assert UV in machine.advice("debian_12") and UV in machine.advice("alpine_3_22")
    assert "python3.11-venv" in machine.advice("ubuntu_22_04")


def test_a_second_run_starts_nothing_but_the_tasks(machine: Machine) -> None:
    """Not one program: PATH leads nowhere."""
    machine.python(12)
    machine.inv("--list")
    (machine.root / ".venv" / ".stamp").touch()
    assert machine.inv("up", "a b", path="/nowhere") == (
        "tasks of python3.12: -m kubeup.cli up a b\n"
    )
    by_link = machine.root.with_name("link")
    by_link.symlink_to(machine.root)
    assert "python3.12: -m" in machine.inv("up", path="/nowhere", inv=by_link / "inv")


def test_a_python_that_has_gone_is_noticed(machine: Machine) -> None:
    machine.python(12)
    machine.inv("--list")
    (machine.root / ".venv" / ".stamp").touch()
    python = machine.root / ".venv" / "bin" / "python"
    python.unlink()
    python.symlink_to(machine.bin / "python3.98")
    assert "python3.12 ran bootstrap.py" in machine.inv("--list")
    assert "ran bootstrap.py" not in machine.inv("--list")
