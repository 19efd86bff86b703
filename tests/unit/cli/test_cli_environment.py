"""The environment that scripts/bootstrap.py makes, by the real thing where nothing is installed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from kubeup.core.state import PROJECT

pytestmark = pytest.mark.real
PASTE = "next: sudo apt-get update; sudo apt-get install python3"
LOCK = (
    "a==1 \\\n    --hash=sha256:00\nuv==2 \\\n    --hash=sha256:01 \\\n    --hash=sha256:02\nz==3\n"
)


@pytest.fixture
def bootstrap() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bootstrap", PROJECT / "scripts/bootstrap.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Commands:
    """Takes the place of subprocess.run: remembers commands, and says how those named end."""

    def __init__(self, **ends: int) -> None:
        self.seen: list[str] = []
        self.input = ""
        self._ends, self.told = ends, ""

    def run(self, command: list[str], check: bool = False, **how: Any) -> Any:
        words = " ".join(Path(word).name if "/" in word else word for word in command)
        self.seen.append(words)
        self.input = how.get("input") or self.input
        code = next((code for name, code in self._ends.items() if words.startswith(name)), 0)
        if check and code:
            raise subprocess.CalledProcessError(code, command)
        return subprocess.CompletedProcess(command, code, self.told, "")


def use(
    commands: Commands,
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    *programs: str,
) -> None:
    monkeypatch.setattr(subprocess, "run", commands.run)
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name in programs else None)


@pytest.mark.parametrize(("user", "before"), [(0, ""), (1000, "sudo -n ")])
def test_debian_s_venv_module_is_installed_where_nobody_has_to_be_asked(
    user: int,
    before: str,
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    commands = Commands()
    use(commands, bootstrap, monkeypatch, "apt-get", "sudo")
    monkeypatch.setattr(os, "geteuid", lambda: user)
    bootstrap.install_venv_module()
    package = bootstrap.venv_package()
    apt = f"{before}env DEBIAN_FRONTEND=noninteractive apt-get -qq"  # sudo hands no environment on
    assert commands.seen[-2:] == [
        f"{apt} update",
        f"{apt} install -y --no-install-recommends {package}",
    ]
    assert f"inv: installing {package} {'with sudo ' * bool(user)}as" in capsys.readouterr().err


@pytest.mark.parametrize("programs", [("apt-get", "sudo"), ("apt-get",)])
def test_else_there_is_a_line_to_paste(
    programs: tuple[str, ...],
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commands = Commands(sudo=1)
    use(commands, bootstrap, monkeypatch, *programs)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match=PASTE):
        bootstrap.install_venv_module()
    assert not any("apt-get" in one for one in commands.seen)


def test_the_package_goes_with_the_python(
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = f"python3.{sys.version_info[1]}"
    monkeypatch.setattr(Path, "resolve", lambda path: path.with_name(name))
    assert bootstrap.venv_package() == "python3-venv"
    monkeypatch.setattr(Path, "resolve", lambda path: path.with_name("python3.10"))
    assert bootstrap.venv_package() == f"{name}-venv"


def test_uv_makes_the_environment_of_a_python_without_the_module(
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commands = Commands(**{f"python3.{sys.version_info[1]} -c import": 1})
    use(commands, bootstrap, monkeypatch, "uv", "apt-get")
    bootstrap.make_environment()
    assert commands.seen[-1].startswith("uv -q venv --seed --python python3.")


def test_the_locked_uv_installs_the_rest(
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    commands = Commands()
    use(commands, bootstrap, monkeypatch)
    lock = tmp_path / "requirements-dev.lock"
    lock.write_text(LOCK)
    bootstrap.install(lock)
    exactly = "--require-hashes --no-deps"
    by_uv = f"uv -q pip install --python python {exactly}"
    assert commands.seen[1:] == [
        f"python -m pip --disable-pip-version-check -q install {exactly} -r stdin",
        f"{by_uv} --compile-bytecode -r requirements.lock",
        f"{by_uv} -r requirements-dev.lock",
    ]
    assert commands.input == "uv==2 \\\n    --hash=sha256:01 \\\n    --hash=sha256:02\n"


def test_pip_does_it_where_uv_can_not(
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    commands = Commands(uv=2)
    use(commands, bootstrap, monkeypatch, "uv")
    lock = tmp_path / "requirements-dev.lock"
    lock.write_text(LOCK)
    bootstrap.install(lock)
    pip = "python -m pip --disable-pip-version-check -q install --require-hashes --no-deps"
    assert [one for one in commands.seen if one.startswith("python") and "config" not in one] == [
        f"{pip} -r requirements.lock",
        f"{pip} --no-compile -r requirements-dev.lock",
    ]


@pytest.mark.parametrize("told", ["global.index-url='https://a'", ":env:.proxy='http://b:3128'"])
def test_pip_s_own_settings_are_not_gone_past(
    told: str,
    bootstrap: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commands = Commands()
    commands.told = told
    use(commands, bootstrap, monkeypatch, "uv")
    assert bootstrap.find_uv(PROJECT / "requirements-dev.lock") == ""
    commands.told = ":env:.disable-pip-version-check='1'"
    assert bootstrap.find_uv(PROJECT / "requirements-dev.lock") == "/bin/uv"


def test_the_development_lock_has_a_uv(bootstrap: ModuleType) -> None:
    text = (PROJECT / "requirements-dev.lock").read_text()
    assert "\nuv==" in text and "\nuv==" not in (PROJECT / "requirements.lock").read_text()


def test_what_is_locked_is_complete() -> None:
    """It is installed without looking for what its packages need."""
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", "check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with a blank in its name, somebody else's where that can be, with nothing locked."""
    root = tmp_path / "my checkout"
    tasks = root / "kubeup" / "cli"
    tasks.mkdir(parents=True)
    (tasks / "__main__.py").write_text("import sys\nprint(sys.version, sys.prefix)\n")
    (root / "scripts").mkdir()
    for name in ("inv", "pyproject.toml", "scripts/find-python.sh", "scripts/bootstrap.py"):
        shutil.copy(PROJECT / name, root / name)
    for name in ("requirements.lock", "requirements-dev.lock"):
        (root / name).write_text("# nothing\n")
        os.utime(root / name, (1, 1))
    if os.geteuid() == 0:
        os.chown(root, 4711, 4711)
    return root


def inv(checkout: Path, *words: str, umask: str = "077") -> subprocess.CompletedProcess[str]:
    """`./inv` of that checkout in a shell that lets nobody else read what it makes."""
    python = Path(sys._base_executable)  # type: ignore[attr-defined]
    env = {**os.environ, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    command = ["sh", "-c", f'umask {umask}; exec "$0" "$@"', str(checkout / "inv"), *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def test_nobody_else_may_change_an_environment(checkout: Path) -> None:
    assert inv(checkout, "--list", umask="000").returncode == 0
    made = [path for path in (checkout / ".venv").rglob("*") if not path.is_symlink()]
    assert made and not [path for path in made if path.stat().st_mode & 0o022]


def test_an_environment_is_made_once_and_anew_for_another_python(checkout: Path) -> None:
    first = inv(checkout, "--list")
    assert "installing requirements.lock into .venv (once)" in first.stderr, first.stderr
    assert first.stdout.endswith(f"{checkout}/.venv\n")
    owners = {path.lstat().st_uid for path in (checkout / ".venv").rglob("*")}
    assert owners == {checkout.stat().st_uid}
    assert inv(checkout, "--list").stderr == ""

    python = checkout / ".venv" / "bin" / "python"
    made_of = python.readlink()
    python.unlink()
    python.symlink_to("python-that-has-gone")
    again = inv(checkout, "--list")
    assert "(once)" in again.stderr and again.stdout == first.stdout
    assert python.readlink() == made_of

    (checkout / ".venv" / ".stamp").write_text("of another Python")
    os.utime(checkout / ".venv" / ".stamp", (0, 0))
    assert "(once)" in inv(checkout, "--list").stderr
