"""What vagrant is started from, read by Ruby and by the shell of a machine."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest
from builders import DESKTOP, error_of, settings, state

from kubeup.cluster.providers.vagrant import files
from kubeup.core.errors import Refused
from kubeup.core.state import State

FOLDERS = "provider: vagrant\nshared_folders: [{host_path: '%s', vm_path: /srv/shared}]"
KEY = "ssh-ed25519 AAAA ana $(touch canary) `touch canary` \"; touch canary; '"
# what a Vagrantfile calls, each answering to everything, but for what is kept of a provisioner
VAGRANT = """
require "json"
class Anything
  def method_missing(name, *words, **named)
    puts JSON.generate(named[:env]) if name == :provision
    yield Anything.new, Anything.new if block_given?
    Anything.new
  end
end
module Vagrant
  def self.configure(version)
    yield Anything.new
  end
end
load ARGV[0]
"""


@pytest.fixture
def where(tmp_path: Path) -> State:
    found = state(tmp_path)
    found.folder.mkdir()
    found.public_key.write_text(f"{KEY}\n", encoding="utf-8")
    return found


@pytest.mark.real
def test_a_keys_comment_is_no_command_on_a_machine(tmp_path: Path, where: State) -> None:
    one = settings(tmp_path, "provider: vagrant\nnodes: {workers: {count: 0}}")
    files.WriteFiles(tmp_path, files.texts(files.machines(one, where, DESKTOP, False))).run(print)
    ruby = ("ruby", "-e", VAGRANT, str(tmp_path / "Vagrantfile"))
    told = json.loads(subprocess.check_output(ruby, cwd=tmp_path))
    assert base64.b64decode(told["PUBLIC_KEY_BASE64"]).decode() == KEY
    # as Vagrant's provisioner writes it (quote_and_escape in plugins/provisioners/shell)
    values = {name: value.replace('"', '"\\""') for name, value in told.items()}
    line = " ".join(f'{name}="{value}"' for name, value in values.items())
    first = (tmp_path / "machine.sh").read_text().partition("\nadmit() {")[0]
    (tmp_path / "first.sh").write_text(f'{first}\nprintf %s "$PUBLIC_KEY"\n')
    shell = ("sh", "-c", f"{line} sh ./first.sh")
    assert subprocess.check_output(shell, cwd=tmp_path, text=True) == KEY
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("name", ['a" *(rw', "a:/etc", "a\\040b"])
def test_a_shared_folder_that_would_be_more_than_a_path(
    tmp_path: Path, where: State, name: str
) -> None:
    error = error_of(files.machines, settings(tmp_path, FOLDERS % name), where, DESKTOP, False)
    assert isinstance(error, Refused) and repr(name)[1:-1] in error.what


def test_a_key_that_would_be_an_option(tmp_path: Path, where: State) -> None:
    one = settings(tmp_path, FOLDERS % "Ana''s data")
    for name in ("Ana's keys", 'a "b"'):
        named = State(where.folder, tmp_path / name / "id_rsa", where.public_key)
        (row,) = files.machines(one, named, DESKTOP, False)["shared_folders"]
        assert row["host"].endswith("/Ana's data")
    named = State(where.folder, tmp_path / "a' -oProxyCommand='x" / "id_rsa", where.public_key)
    assert isinstance(error_of(files.machines, one, named, DESKTOP, False), Refused)
