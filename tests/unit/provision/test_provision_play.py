from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from builders import error_of, recorded, state

from kubeup.cluster.provision import play
from kubeup.cluster.provision.inventory import ANSIBLE
from kubeup.cluster.provision.play import Provision
from kubeup.core.errors import CommandError
from kubeup.core.pace import Pace
from kubeup.core.shell import Output

OUTPUT = recorded("provision/ansible_playbook.txt")


def test_lines_worth_showing() -> None:
    shown = [play.readable(line) for line in OUTPUT.splitlines() if play.readable(line)]
    assert [line.split(" =>")[0] for line in shown] == [
        "Write the containerd configuration",
        "fatal: [dev-worker-1]: UNREACHABLE!",
        "changed: [dev-control]",
        "changed: [dev-worker-2]",
        "Look at the version",
        "Join the cluster",
        "fatal: [dev-worker-2]: FAILED!",
        "Restart containerd",
        "changed: [dev-control]",
        *[line for line in OUTPUT.splitlines() if ": ok=" in line],
    ]
    assert "Connection refused" in shown[1]


@pytest.mark.parametrize(
    "line",
    [
        "ok: [dev-control]",
        "skipping: [dev-control]",
        "PLAY [all] ****",
        "",
        "Origin: /home/ana/site.yml:4:7",
    ],
)
def test_lines_that_are_not(line: str) -> None:
    assert play.readable(line) == ""


def test_changes_of_each_host() -> None:
    assert play.changed(OUTPUT) == {"dev-control": 2, "dev-worker-1": 0, "dev-worker-2": 1}
    assert play.changed("") == {}


@pytest.mark.parametrize(
    "template", sorted(ANSIBLE.glob("roles/*/templates/*")), ids=lambda path: path.name
)
def test_a_template_says_the_same_each_time(template: Path) -> None:
    """Ansible's set filters give another order in each run: a service would restart by chance."""
    assert not re.search(
        r"\|\s*(union|intersect|difference|symmetric_difference|unique)\b",
        template.read_text("utf-8"),
    )


def test_command_lines(tmp_path: Path) -> None:
    inventory = tmp_path / "state" / "inventory.yml"
    assert Provision(state(tmp_path), "").commands() == (
        f"ansible-playbook -i {inventory} {ANSIBLE}/site.yml",
    )
    all_of_it = Provision(
        state(tmp_path), "", limit="dev-worker-1", tags="containerd", verbosity=2, check=True
    )
    assert all_of_it.commands() == (
        f"ansible-playbook -i {inventory} -vv --limit=dev-worker-1 --tags=containerd --check "
        f"--diff {ANSIBLE}/site.yml",
    )


def test_ansible_is_started_by_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment's scripts hold its folder's name, which a shell reads there."""
    started: list[tuple[str, ...]] = []

    def write(*argv: str, **how: object) -> Output:
        started.append(argv)
        return Output(0, "", "")

    monkeypatch.setattr("kubeup.core.shell.write", write)
    monkeypatch.setattr("kubeup.core.shell.read", write)
    Provision(state(tmp_path), "").run(print)
    play.Ping("", limit="workers").ask()
    python = (sys.executable, "-m", "ansible")
    assert [argv[:4] for argv in started] == [(*python, "playbook"), (*python, "adhoc")]
    assert "--limit=workers" in started[1]


def test_a_slow_machine_has_more_time(tmp_path: Path) -> None:
    slow = Provision(state(tmp_path), "").at(Pace(12))
    assert slow.commands() == (
        f"ansible-playbook -i {tmp_path / 'state' / 'inventory.yml'} --extra-vars "
        f"kubeup_pace=12 {ANSIBLE}/site.yml",
    )
    assert (
        play.environment()["ANSIBLE_TIMEOUT"],
        play.environment(Pace(12))["ANSIBLE_TIMEOUT"],
    ) == ("30", "360")


def test_a_failed_play_names_the_way_to_all_details(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def write(*argv: str, log: object, cwd: str, env: dict[str, str], timeout: float) -> str:
        for line in OUTPUT.splitlines():
            log(line)  # type: ignore[operator]
        assert cwd == str(ANSIBLE)
        assert env["ANSIBLE_HOST_KEY_CHECKING"] == "True"
        raise CommandError("ansible-playbook failed", OUTPUT[-200:], "", code=4)

    monkeypatch.setattr("kubeup.core.shell.write", write)
    error = error_of(Provision(state(tmp_path), "nodes: {}\n").run, said.append)
    assert (
        f"ansible-playbook -i {tmp_path}/state/inventory.yml -vvv {ANSIBLE}/site.yml" in error.next
    )
    assert "Join the cluster" in said and "ok: [dev-control]" not in said
    written = tmp_path / "state" / "inventory.yml"
    assert written.read_text() == "nodes: {}\n"
    assert written.stat().st_mode & 0o777 == 0o600


def test_the_users_own_ansible_settings_do_not_count() -> None:
    found = play.environment()
    assert found["ANSIBLE_CONFIG"] == str(ANSIBLE / "ansible.cfg")
    assert Path(found["ANSIBLE_CONFIG"]).exists()
    assert Path(found["ANSIBLE_STRATEGY_PLUGINS"]).is_dir(), (
        "mitogen is one of the project's dependencies"
    )
