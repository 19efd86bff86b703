"""`.env` for git, sealed and opened by the real sops with real age keys, in a checkout of its
own.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kubeup.core.state import PROJECT
from tests.beds.sops import make

pytestmark = [pytest.mark.real, pytest.mark.long]

HELD = (
    "# of the database\nMYSQL_ROOT_PASSWORD='$5 or #1'\nMYSQL_PASSWORD=pppppppp-pppp\nOTHER=kept\n"
)
NEEDED = (
    "tasks.py",
    "development",
    "invoke.yaml",
    "config",
    "manifests",
    "scripts",
    "ansible",
    "apps",
)


class Checkout:
    """A checkout with a person who may or may not hold a key."""

    def __init__(self, folder: Path, bin_: Path) -> None:
        self.folder, self.bin = folder, bin_
        folder.mkdir()
        for name in NEEDED:
            (folder / name).symlink_to(PROJECT / name)
        # it takes the checkout that it lies in for its own
        shutil.copytree(PROJECT / "kubeup", folder / "kubeup")

    @property
    def env(self) -> Path:
        return self.folder / ".env"

    @property
    def sealed(self) -> Path:
        return self.folder / "secrets.enc.env"

    def inv(self, *words: str, code: int = 0, **more: str) -> str:
        known = {name: value for name, value in os.environ.items() if not name.startswith("SOPS_")}
        environment = {
            **known,
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
            **more,
        }
        done = subprocess.run(
            [sys.executable, "-m", "invoke", *words],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == code, done.stdout + done.stderr
        assert "pppppppp" not in done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def bin_() -> Path:
    return make(lambda line: None)


@pytest.fixture
def key(bin_: Path, tmp_path: Path) -> tuple[str, str]:
    """An age key: the file with its private half, and the public one."""
    file = tmp_path / "key.txt"
    made = subprocess.run(
        [bin_ / "age-keygen", "-o", file], capture_output=True, text=True, check=True
    )
    return str(file), made.stderr.rsplit(maxsplit=1)[-1]


@pytest.fixture
def here(tmp_path: Path, bin_: Path) -> Checkout:
    one = Checkout(tmp_path / "here", bin_)
    one.env.write_text(HELD)
    one.env.chmod(0o600)
    return one


def test_what_is_sealed_here_is_opened_by_whoever_has_the_key(
    here: Checkout, key: tuple[str, str], tmp_path: Path, bin_: Path
) -> None:
    file, public = key
    here.inv("secrets.seal", SOPS_AGE_RECIPIENTS=public)
    text = here.sealed.read_text()
    assert "pppppppp" not in text and "$5" not in text and "MYSQL_PASSWORD=ENC[" in text
    assert here.env.read_text() == HELD
    there = Checkout(tmp_path / "there", bin_)
    there.sealed.write_text(text)
    assert "did not open" in there.inv("secrets.unseal", code=1) and not there.env.exists()
    there.inv("secrets.unseal", SOPS_AGE_KEY_FILE=file)
    assert there.env.read_text() == HELD and there.env.stat().st_mode & 0o777 == 0o600
    there.inv("secrets.unseal", SOPS_AGE_KEY_FILE=file)  # again: nothing to lose, nothing lost
    there.env.write_text(HELD.replace("kept", "written here"))
    assert "holds other values" in there.inv("secrets.unseal", code=3, SOPS_AGE_KEY_FILE=file)
    assert "written here" in there.env.read_text()
    assert sorted(path.name for path in there.folder.iterdir() if "env" in path.name) == [
        ".env",
        "secrets.enc.env",
    ]


def test_an_altered_file_is_not_opened(here: Checkout, key: tuple[str, str]) -> None:
    file, public = key
    here.inv("secrets.seal", SOPS_AGE_RECIPIENTS=public)
    here.env.unlink()
    lines = here.sealed.read_text().splitlines(keepends=True)
    here.sealed.write_text("".join(line for line in lines if not line.startswith("OTHER=")))
    said = here.inv("secrets.unseal", code=1, SOPS_AGE_KEY_FILE=file)
    assert "did not open" in said and "MAC" in said and not here.env.exists()


def test_without_a_recipient_nothing_is_written(here: Checkout) -> None:
    assert "SOPS_AGE_RECIPIENTS" in here.inv("secrets.seal", code=1)
    assert not here.sealed.exists()
