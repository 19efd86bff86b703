"""Which database wrote a data folder, from files of real ones (data/db/folders/README.md)."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from builders import DATA

from kubeup.facts.datafolder import TELLS, server

FOLDERS = DATA / "db" / "folders"


def told(folder: Path) -> str:
    """By the script itself."""
    script = f'{TELLS}\ntells "$1"'
    return subprocess.run(
        ("sh", "-c", script, "tells", str(folder)), check=False, capture_output=True, text=True
    ).stdout.strip()


@pytest.mark.processes
@pytest.mark.parametrize(
    ("name", "wrote"), [("mysql-9.7.4", "mysql 9.7"), ("mariadb-10.11.19", "mariadb 10.11")]
)
def test_its_own_files_tell(name: str, wrote: str) -> None:
    assert server(told(FOLDERS / name)) == wrote


@pytest.mark.processes
def test_what_does_not_tell_is_unknown(tmp_path: Path) -> None:
    assert server(told(tmp_path)) == server(told(tmp_path / "none")) == ""
    (tmp_path / "mysql.ibd").write_bytes(b"short")
    shutil.copy(FOLDERS / "mariadb-10.11.19" / "mysql_upgrade_info", tmp_path)
    assert server(told(tmp_path)) == "", "a dictionary is MySQL's, whatever lies beside it"


@pytest.mark.parametrize(
    ("text", "wrote"),
    [
        ("dictionary 0 1 56 128", "mysql 8.0"),
        ("dictionary 0 1 58 19", "mysql 8.4"),  # 80000, 80403
        ("5.7.44", "mysql 5.7"),
        ("11.4.2-MariaDB10.11.6-MariaDB", "mariadb 11.4"),
        ("10.6.16-MariaDB", "mariadb 10.6"),
        ("", ""),
        ("dictionary", ""),
        ("dictionary 0 0 0 0", ""),
        ("dictionary a b c d", ""),
        ("rows", ""),
    ],
)
def test_versions_as_the_record_has_them(text: str, wrote: str) -> None:
    assert server(text) == wrote
