"""Plans for machines that Vagrant makes, as data."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from builders import (
    DEBIAN,
    DESKTOP,
    SANDBOX,
    access,
    by_id,
    commands,
    error_of,
    names,
    node,
    on_record,
    recorded,
    settings,
    sid,
    sids,
    state,
    three,
)

from kubeup.cluster.providers.base import Machines, Needed, NodeState, Usable
from kubeup.cluster.providers.external_tool import Misfit
from kubeup.cluster.providers.vagrant import Vagrant, compatibility, facts, files, networks
from kubeup.cluster.providers.vagrant.actions import Admission, Tool
from kubeup.cluster.providers.vagrant.facts import Machine
from kubeup.cluster.providers.vagrant.observing import NO_HOST_KEY, PARTIAL
from kubeup.cluster.providers.versions import dotted
from kubeup.core import record
from kubeup.core.errors import CommandError, Refused, UsageError
from kubeup.core.ids import Kind
from kubeup.core.plan import Step, todo
from kubeup.core.record import Record
from kubeup.core.shell import Output
from kubeup.core.state import write_private
from kubeup.core.things import Thing
from kubeup.facts.host import Distribution, HostFacts, Route
from kubeup.settings import check_provider
from kubeup.system import ssh

NAMES = ("dev-control", "dev-worker-1", "dev-worker-2")
WITH_VAGRANT = replace(DESKTOP, tools=frozenset({*DESKTOP.tools, "vagrant", "VBoxManage"}))
DOCKER = "provider: vagrant\nvagrant: {provider: docker, image: localhost/box:1}"


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Vagrant]:
    """A provider on a machine with all it needs, where the nodes' addresses are free."""
    monkeypatch.setattr(
        "kubeup.cluster.providers.vagrant.backends.Backend.trouble", lambda self: ""
    )
    monkeypatch.setattr("kubeup.cluster.providers.vagrant.podman_behind", lambda: False)
    monkeypatch.setattr("kubeup.cluster.providers.vagrant.addresses.taken", lambda addresses: ())
    monkeypatch.setattr("kubeup.system.packages.missing", lambda names: ())
    monkeypatch.setattr(
        "kubeup.cluster.providers.vagrant.backends.Backend.answer",
        lambda self: Output(0, "7.0.20r163906\n", ""),
    )
    monkeypatch.setattr(networks, "FILE", tmp_path / "networks.conf")

    def made(
        keys: str = "provider: vagrant",
        version: str = "Vagrant 2.3.4",
        host: HostFacts = WITH_VAGRANT,
    ) -> Vagrant:
        provider = Vagrant(settings(tmp_path, keys), state(tmp_path), host)
        there = "vagrant" in host.tools
        monkeypatch.setattr(
            "kubeup.core.shell.which",
            lambda name: f"/usr/bin/{name}" if there or name != "vagrant" else None,
        )
        provider.prerequisites._version = facts.version(version)
        return provider

    return made


def plan(provider: Vagrant, machines: Machines) -> list[Step]:
    return todo(provider.plan(machines, Needed()))


def known(provider: Vagrant, *names: str, by: str = "virtualbox") -> None:
    """As vagrant leaves it: which machine is which."""
    for name in names:
        path = provider.tool.machines / name / by / "id"
        path.parent.mkdir(parents=True)
        path.write_text(f"id-of-{name}")


def written(provider: Vagrant) -> None:
    files.WriteFiles(provider.folder, provider._texts()).run(lambda line: None)


def says(
    monkeypatch: pytest.MonkeyPatch, answer: Output
) -> list[tuple[tuple[str, ...], dict[str, str]]]:
    """Let every program answer the same; what was asked, with its environment."""
    asked = list[tuple[tuple[str, ...], dict[str, str]]]()

    def read(*argv: str, env: dict[str, str] | None = None, **more: object) -> Output:
        asked.append((argv, env or {}))
        return answer

    monkeypatch.setattr("kubeup.core.shell.read", read)
    return asked


def test_machines_from_nothing_are_one_vagrant_up(make: Callable[..., Vagrant]) -> None:
    provider = make()
    steps = plan(provider, three("missing"))
    assert names(steps) == ["vagrant/files", "node/dev"]
    assert (
        steps[1].title
        == "bring up dev-control, dev-worker-1, dev-worker-2 with Vagrant (virtualbox)"
    )
    assert commands(steps[1:]) == [
        f"cd {provider.folder} && /usr/bin/vagrant up --provider virtualbox dev-control "
        "dev-worker-1 dev-worker-2"
    ]
    assert set(sids("ssh/key", "vagrant/files", "host/networks")) <= set(steps[1].needs)


def test_the_databases_own_machine_is_one_more_for_vagrant(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Vagrant, "_find", lambda _, names: dict.fromkeys(names))
    provider = make("{provider: vagrant, nodes: {database: {count: 1}}}")
    rows = {row["name"]: row for row in json.loads(provider._texts()["machines.json"])["machines"]}
    assert list(rows) == [*NAMES, "dev-db"] and rows["dev-db"]["address"] == "192.168.60.9"
    assert [node.name for node in provider.observe().nodes] == [*NAMES, "dev-db"]
    known(provider, *NAMES, "dev-db")
    written(provider)
    assert [row["name"] for row in json.loads(provider._texts()["machines.json"])["machines"]] == [
        *NAMES,
        "dev-db",
    ], "each once"


def test_nothing_to_do(make: Callable[..., Vagrant]) -> None:
    provider = make()
    written(provider)
    assert plan(provider, three()) == []


def test_an_address_that_virtualbox_does_not_allow_by_itself(make: Callable[..., Vagrant]) -> None:
    provider = make("provider: vagrant\nnetwork: {control_ip: 192.168.100.171}")
    found = by_id(plan(provider, three("missing")))["host/networks"]
    assert found.title == "allow VirtualBox to use 192.168.100.0/24" and found.reason.endswith(
        "so 192.168.56.0/21 is all that is allowed"
    )
    libvirt = make(
        "provider: vagrant\nnetwork: {control_ip: 192.168.100.171}\nvagrant: {provider: libvirt}"
    )
    assert todo(libvirt.host_steps()) == []


def test_stopped_and_unfinished_machines(make: Callable[..., Vagrant]) -> None:
    provider = make()
    written(provider)
    (step,) = plan(
        provider,
        Machines(
            (
                node(NAMES[0], "stopped"),
                node(NAMES[1], detail=NO_HOST_KEY, closed=True),
                node(NAMES[2]),
            )
        ),
    )
    assert step.action.start == (NAMES[0],) and [reach.name for reach in step.action.admit] == [
        NAMES[1]
    ]  # type: ignore[attr-defined]
    assert step.reason == f"dev-control is stopped; dev-worker-1 {NO_HOST_KEY}"


def test_another_size(make: Callable[..., Vagrant]) -> None:
    bigger = Machines(
        (node(NAMES[0], differs=("2 CPUs, wanted 3",)), node(NAMES[1]), node(NAMES[2]))
    )
    steps = plan(make(), bigger)
    assert (
        commands(steps[-1:])[0].endswith("vagrant reload --no-provision dev-control")
        and steps[-1].id.kind is Kind.NODE
    )
    assert steps[-1].needs == sids("vagrant/files", "node/dev")
    refused = error_of(plan, make(DOCKER), bigger)
    assert isinstance(refused, Refused) and "2 CPUs, wanted 3" in refused.what


SURPLUS = NodeState("dev-worker-3", "worker", "", "surplus", detail="not in the settings")


@pytest.mark.parametrize(
    ("machines", "what", "next_"),
    [
        (
            Machines((node(NAMES[0], "missing"), node(NAMES[1]), node(NAMES[2]))),
            "the control plane dev-control is gone",
            "inv down",
        ),
        (
            Machines((node(NAMES[0], "foreign", detail="made elsewhere"),)),
            "the machine dev-control was not made by this profile",
            "settings.env",
        ),
        (
            Machines((node(NAMES[0]), SURPLUS)),
            "dev-worker-3 is not in the settings",
            "inv cluster.remove",
        ),
        # what is somebody else's is told before what is ours
        (
            Machines((SURPLUS, node(NAMES[0], "foreign", detail="made elsewhere"))),
            "the machine dev-control was not made by this profile",
            "settings.env",
        ),
        (
            Machines(
                (node(NAMES[0], detail="has the address 192.168.60.9, wanted is 192.168.60.10"),)
            ),
            "has the address 192.168.60.9",
            "control_ip",
        ),
    ],
)
def test_what_is_refused(
    make: Callable[..., Vagrant], machines: Machines, what: str, next_: str
) -> None:
    provider = make()
    write_private(provider.state.kubeconfig, access())
    error = error_of(plan, provider, machines)
    assert isinstance(error, Refused) and what in error.what and next_ in error.next


def test_vagrant_missing_or_too_old(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = error_of(plan, make(version="Vagrant 2.2.14"), three("missing"))
    assert error.what == "Vagrant 2.2.14 is too old: 2.2.19 is the oldest that is known to work"
    says(monkeypatch, Output(1, "vagrant: broken", ""))
    assert (
        error_of(plan, make(version=""), three("missing")).what
        == "the version of vagrant can't be read"
    )
    assert make(version="Vagrant 2.4.1").probe() == Usable(True, "Vagrant 2.4.1 with virtualbox")


def test_vagrant_comes_with_the_packages_where_the_distribution_has_one_that_does(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = make(version="", host=DESKTOP)
    monkeypatch.setattr("kubeup.system.packages.missing", lambda names: tuple(names))
    assert (
        "vagrant" in provider.packages()
        and sid("host/packages") in plan(provider, three("missing"))[-1].needs
    )
    assert provider.probe() == Usable(
        True,
        "Vagrant 2.3.4 with virtualbox; vagrant would be installed first",
        "`inv doctor --fix` installs them",
        fetched=True,
    )
    ordinary = make(version="", host=replace(DESKTOP, root=False)).probe()
    assert (ordinary.ok, ordinary.fix) == (
        False,
        "ask an administrator to run: apt-get install vagrant",
    )
    assert make(version="", host=replace(DESKTOP, root=False, may_sudo=True)).probe().fetched
    provider = make(version="", host=DESKTOP)
    monkeypatch.setattr("kubeup.system.packages.missing", lambda names: ())
    # installed, and not found
    assert (
        "inv doctor --fix --set provider=vagrant" in error_of(plan, provider, three("missing")).next
    )
    fedora = replace(DESKTOP, distribution=Distribution("fedora", "", "41"))
    for host in (fedora, replace(DESKTOP, distribution=replace(DEBIAN, codename="bullseye"))):
        error = error_of(plan, make(version="", host=host), three("missing"))
        assert isinstance(error, Refused) and error.what == "vagrant is not installed"
        assert (
            error.next
            == "install it from https://developer.hashicorp.com/vagrant/install (Linux, amd64)"
        )


def test_a_packaged_vagrant_has_to_know_this_virtualbox_too(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "kubeup.cluster.providers.vagrant.backends.Backend.answer",
        lambda self: Output(0, "7.1.4r165100\n", ""),
    )
    monkeypatch.setattr("kubeup.system.packages.missing", lambda names: tuple(names))
    error = error_of(plan, make(version="", host=DESKTOP), three("missing"))
    assert (
        isinstance(error, Refused)
        and error.what
        == "Vagrant 2.3.4 does not support VirtualBox 7.1.4: that needs Vagrant 2.4.2 or newer"
    )


def test_virtualbox_is_in_no_package(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "kubeup.cluster.providers.vagrant.backends.Backend.trouble",
        lambda self: f"{self.program} is not installed",
    )
    error = error_of(plan, make(), three("missing"))
    assert error.what.endswith("VBoxManage is not installed") and error.next == (
        "install VirtualBox for debian 12 from https://www.virtualbox.org/wiki/Linux_Downloads, or "
        "choose another: `--set vagrant.provider=libvirt`"
    )
    arm = error_of(plan, make(host=replace(WITH_VAGRANT, arch="arm64")), three("missing"))
    assert arm.next.startswith("VirtualBox is not made for Linux on arm64")
    mac = error_of(
        plan,
        make(host=replace(WITH_VAGRANT, system="Darwin", distribution=Distribution())),
        three("missing"),
    )
    assert (
        mac.next == "install VirtualBox for Darwin from https://www.virtualbox.org/wiki/Downloads"
    )


def test_libvirt_comes_with_the_packages(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "kubeup.cluster.providers.vagrant.backends.Backend.trouble",
        lambda self: "virsh is not installed",
    )
    provider = make(LIBVIRT, version="", host=DESKTOP)
    behind = (
        "libvirt-daemon-system",
        "libvirt-clients",
        "dnsmasq-base",
        "qemu-utils",
        "qemu-system-x86",
    )
    assert provider.packages() == ("openssh-client", "vagrant", "vagrant-libvirt", *behind)
    assert (
        "qemu-system-arm"
        in make(LIBVIRT, version="", host=replace(DESKTOP, arch="arm64")).packages()
    )
    monkeypatch.setattr("kubeup.system.packages.missing", lambda names: tuple(names))
    assert "node/dev" in by_id(plan(provider, three("missing")))
    # what is installed already and does not work is not mended by installing it
    monkeypatch.setattr(
        "kubeup.system.packages.missing", lambda names: ("vagrant", "vagrant-libvirt")
    )
    error = error_of(plan, provider, three("missing"))
    assert (
        "virsh is not installed" in error.what
        and "systemctl start libvirtd" in error.next
        and "in the group libvirt" in error.next
    )
    noble = replace(DESKTOP, distribution=replace(DEBIAN, id="ubuntu", codename="noble"))
    assert make(LIBVIRT, version="", host=noble).packages() == ("openssh-client", *behind), (
        "libvirt it has, Vagrant it has not"
    )
    # Debian's plug-in is of no use to HashiCorp's Vagrant, which lies elsewhere
    provider = make(LIBVIRT)
    monkeypatch.setattr("kubeup.core.shell.which", lambda name: f"/opt/vagrant/bin/{name}")
    assert provider.packages() == ("openssh-client", *behind)


@pytest.mark.parametrize(
    ("vagrant", "virtualbox", "need"),
    [
        ((2, 2, 19), (6, 1, 50), ""),
        ((2, 2, 19), (5, 2, 0), ""),
        ((2, 3, 3), (7, 0, 4), "Vagrant 2.3.4 or newer"),
        ((2, 3, 4), (7, 0, 20), ""),
        ((2, 4, 1), (7, 1, 0), "Vagrant 2.4.2 or newer"),
        ((2, 4, 2), (7, 1, 0), ""),
        ((2, 4, 8), (7, 2, 0), "Vagrant 2.4.9 or newer"),
        ((2, 4, 9), (7, 2, 4), ""),
        ((2, 4, 9), (7, 3, 0), "a Vagrant newer than 2.4.9"),
        ((2, 4, 10), (7, 3, 0), ""),
        ((2, 4, 9), (8, 0, 0), "a Vagrant newer than 2.4.9"),
    ],
)
def test_which_vagrant_knows_which_virtualbox(
    vagrant: tuple[int, ...], virtualbox: tuple[int, ...], need: str
) -> None:
    misfit = compatibility.pair_misfit(vagrant, virtualbox) or Misfit("", "")
    what, next_ = misfit.why, misfit.fix
    both = (
        f"Vagrant {dotted(vagrant)} does not support VirtualBox "
        f"{dotted(virtualbox)}: that needs {need}"
    )
    assert what == (both if need else "") and (
        need in next_ and "developer.hashicorp.com/vagrant/install" in next_
    ) == bool(need)


@pytest.mark.parametrize(
    "there",
    [
        node(NAMES[0], "stopped"),
        node(NAMES[0], differs=("2 CPUs, wanted 3",)),
        node(NAMES[0], closed=True),
    ],
)
def test_a_pair_has_to_fit_for_machines_that_are_there_as_well(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch, there: NodeState
) -> None:
    """VirtualBox may have been renewed since they were made."""
    provider = make()
    written(provider)
    monkeypatch.setattr(
        "kubeup.cluster.providers.vagrant.backends.Backend.answer",
        lambda self: Output(0, "7.2.0r170228\n", ""),
    )
    assert plan(provider, three()) == [], "nothing starts"
    error = error_of(plan, provider, Machines((there, node(NAMES[1]), node(NAMES[2]))))
    assert (
        isinstance(error, Refused)
        and error.what
        == "Vagrant 2.3.4 does not support VirtualBox 7.2.0: that needs Vagrant 2.4.9 or newer"
    )
    monkeypatch.setattr(Vagrant, "_in_state", lambda self, state: NAMES[:1])
    assert isinstance(error_of(provider.start), Refused)


def misfit_of(vagrant: tuple[int, ...], virtualbox: tuple[int, ...]) -> Misfit:
    misfit = compatibility.pair_misfit(vagrant, virtualbox)
    assert misfit is not None
    return misfit


def test_what_else_a_pair_that_does_not_fit_can_become() -> None:
    assert "or VirtualBox 7.0, which this Vagrant supports" in misfit_of((2, 3, 4), (7, 2, 0)).fix
    assert "or VirtualBox 6.1, which this Vagrant supports" in misfit_of((2, 3, 3), (7, 0, 0)).fix
    assert misfit_of((2, 4, 9), ()).why == "the version of VirtualBox can't be read"


def test_an_architecture_takes_a_vagrant_that_knows_the_word(make: Callable[..., Vagrant]) -> None:
    keys = "{provider: vagrant, vagrant: {box_architecture: amd64}}"
    error = error_of(plan, make(keys), three("missing"))
    assert isinstance(error, Refused) and error.what.startswith(
        "Vagrant 2.3.4 can't choose a box by its architecture: 2.4.0 is the first"
    )
    assert "leave vagrant.box_architecture out" in error.next
    assert isinstance(error_of(plan, make(keys), three()), Refused), (
        "machines that are there could not be reached by it any more"
    )
    newer = make(keys, version="Vagrant 2.4.0")
    assert (
        plan(newer, three("missing"))
        and json.loads(newer._texts()["machines.json"])["box_architecture"] == "amd64"
    )
    assert json.loads(make()._texts()["machines.json"])["box_architecture"] is None


@pytest.mark.parametrize(
    ("keys", "box"),
    [
        ("vagrant: {provider: virtualbox}", "bento/ubuntu-22.04"),
        ("vagrant: {provider: libvirt}", "cloud-image/ubuntu-22.04"),
        ("vagrant: {provider: docker, image: box}", None),
        ("{vagrant: {provider: libvirt}, software: {box: ana/box}}", "ana/box"),
    ],
)
def test_a_box_that_there_is_for_the_provider(
    make: Callable[..., Vagrant], keys: str, box: str | None
) -> None:
    assert json.loads(make(keys)._texts()["machines.json"])["box"] == box


def test_bentos_box_has_no_file_for_libvirt(tmp_path: Path) -> None:
    keys = "{vagrant: {provider: libvirt}, software: {box: bento/ubuntu-22.04}}"
    (problem,) = (
        one
        for one in check_provider(settings(tmp_path, keys), "vagrant")
        if one.key == "software.box"
    )
    assert (
        problem.severity == "warning"
        and "chef/bento#1604" in str(problem)
        and "cloud-image/ubuntu-22.04" in str(problem)
    )
    pinned = keys.replace("libvirt}", "libvirt, box_version: 202309.08.0}")
    assert not [
        one
        for one in check_provider(settings(tmp_path, pinned), "vagrant")
        if one.key == "software.box"
    ]
    assert settings(tmp_path, pinned).vagrant.box_version == "202309.08.0", "as bento counts"


LIBVIRT = "{provider: vagrant, vagrant: {provider: libvirt}}"


def test_plugins_are_asked_for_where_a_folder_is(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The profile's own is not there before the first run."""
    asked = says(monkeypatch, Output(0, recorded("vagrant/plugin_list.rc0.txt"), ""))
    provider = make(LIBVIRT)
    assert "node/dev" in by_id(plan(provider, three("missing")))
    ((argv, env),) = asked
    assert (
        argv[1:3] == ("plugin", "list")
        and Path(env["VAGRANT_CWD"]).is_dir()
        and not provider.folder.exists()
    )


def test_plugins_that_are_not_told_are_not_taken_as_missing(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    says(monkeypatch, Output(1, "", recorded("vagrant/plugin_list_no_folder.rc1.txt")))
    error = error_of(plan, make(LIBVIRT), three("missing"))
    assert isinstance(error, Refused) and error.what.startswith("Vagrant can't list its plug-ins: ")
    assert (
        "The working directory for Vagrant doesn't exist!" in error.what
        and "vagrant plugin list" in error.next
    )
    says(monkeypatch, Output(0, "1795980326,,ui,info,No plugins installed.", ""))
    assert (
        error_of(plan, make(LIBVIRT), three("missing")).what
        == "Vagrant's plug-in vagrant-libvirt is not installed"
    )


def test_an_address_that_is_taken(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "kubeup.cluster.providers.vagrant.addresses.taken", lambda addresses: addresses[1:2]
    )
    there = replace(WITH_VAGRANT, routes=(Route(IPv4Network("192.168.60.0/24"), "vboxnet0"),))
    assert (
        error_of(plan, make(host=there), three("missing")).what
        == "the address 192.168.60.11 is taken"
    )
    # no network of theirs is there yet: whoever answers is somebody's gateway
    assert plan(make(), three("missing"))


def test_a_key_in_a_format_that_vagrant_cannot_read(make: Callable[..., Vagrant]) -> None:
    provider = make()
    provider.state.folder.mkdir(parents=True)
    provider.state.private_key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    provider.state.public_key.write_text("ssh-rsa AAAA ana\n")
    error = error_of(plan, provider, three("missing"))
    assert "can't read" in error.what and "ssh-keygen -p -m PEM" in error.next
    provider.state.public_key.write_text("ssh-ed25519 AAAA ana\n")  # of these it can
    assert plan(provider, three("missing"))
    provider.state.private_key.write_text("-----BEGIN RSA PRIVATE KEY-----\n")
    provider.state.public_key.write_text("ssh-rsa AAAA ana\n")
    assert plan(provider, three("missing"))


def test_machines_of_another_provider(make: Callable[..., Vagrant]) -> None:
    provider = make()
    known(provider, *NAMES, by="libvirt")
    assert (
        "inv down --set vagrant.provider=libvirt" in error_of(plan, provider, three("missing")).next
    )


def test_machines_json_tells_what_the_settings_say(
    make: Callable[..., Vagrant], tmp_path: Path
) -> None:
    keys = """
    provider: vagrant
    shared_folders: [{host_path: ./shared, vm_path: /home/vagrant/shared}]
    ssh: {user: ana, root: true}
    nodes: {control: {cpu: 3, memory: 3000}, workers: {count: 1}}
    network: {control_ip: 192.168.61.20, node_cidr: 192.168.60.0/23}
    software: {box: debian/bookworm64}
    vagrant: {box_version: "12.2024", linked_clone: false}
    """
    found = json.loads(make(keys)._texts()["machines.json"])
    assert found["machines"] == [
        {"name": "dev-control", "address": "192.168.61.20", "cpus": 3, "memory": 3000},
        {"name": "dev-worker-1", "address": "192.168.61.21", "cpus": 2, "memory": 4096},
    ]
    assert (
        found["users"] == ["ana", "root"]
        and found["netmask"] == "255.255.254.0"
        and found["name_servers"] == ["8.8.8.8", "1.1.1.1"]
    )
    assert (found["box"], found["box_version"], found["linked_clone"]) == (
        "debian/bookworm64",
        "12.2024",
        False,
    )
    assert found["shared_folders"][0]["host"].endswith("/shared") and found["private_key"] == str(
        tmp_path / "state" / "id_rsa"
    )


def test_a_container_gets_what_systemd_needs_in_one(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = json.loads(make(DOCKER)._texts()["machines.json"])["machines"][0]
    limits = ["--cpus", "2", "--memory", "4096m", "--pids-limit", "-1"]
    assert (
        "mac" not in plain
        and plain["create_args"][:6] == limits
        and "--no-hosts" not in plain["create_args"]
    )
    monkeypatch.setattr("kubeup.cluster.providers.vagrant.podman_behind", lambda: True)
    behind = json.loads(make(DOCKER, host=SANDBOX)._texts()["machines.json"])["machines"][0]
    assert behind["mac"] == "02:00:c0:a8:3c:0a" and {
        "--no-hosts",
        "--systemd=false",
        "nofile=20000:20000",
    } <= set(behind["create_args"])


def test_a_machine_that_left_the_settings_stays_known_until_it_is_removed(
    make: Callable[..., Vagrant],
) -> None:
    before = make()
    written(before)
    known(before, *NAMES)
    after = make("provider: vagrant\nnodes: {workers: {count: 1}}")
    rows = json.loads(after._texts()["machines.json"])["machines"]
    assert [row["name"] for row in rows] == list(NAMES)
    assert commands([after.remove(NAMES[2])])[0].endswith("vagrant destroy --force dev-worker-2")


@pytest.mark.parametrize(
    ("answer", "there"),
    [
        (Output(0, 'name="dev-control"\nUUID="1"\nVMState="running"\n', ""), True),
        (Output(1, "", "Could not find a registered machine"), False),
    ],
)
def test_after_destroy_its_program_is_asked_again(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch, answer: Output, there: bool
) -> None:
    """A machine that Vagrant has forgotten is ours no more, whatever has its name."""
    provider, thing = make(), Thing("machine", "dev-control", "virtualbox")
    known(provider, "dev-control")
    asked = says(monkeypatch, answer)
    assert provider.standing((thing,)) == ((thing,) if there else ())
    assert asked[0][0][:3] == ("VBoxManage", "showvminfo", "id-of-dev-control")
    provider.tool.id_file("dev-control").unlink()
    assert provider.standing((thing,)) == ()


def test_a_program_that_does_not_answer_has_no_machine_removed(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider, thing = make(), Thing("machine", "dev-control", "virtualbox")
    known(provider, "dev-control")
    says(monkeypatch, Output(1, "", "the kernel module is not loaded"))
    assert "does not say whether" in error_of(provider.standing, (thing,)).what
    monkeypatch.setattr("kubeup.core.shell.which", lambda name: None)
    assert provider.standing((thing,)) == (thing,)


@pytest.mark.usefixtures("held_profile")
def test_a_container_that_vagrant_was_killed_over_goes_with_the_others(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It bears our label; another one of that name on record stays."""
    provider = make(DOCKER)
    things = tuple(Thing("machine", name, "docker") for name in NAMES[:2])
    record.write(provider.state, Record(provider="vagrant", things=things))
    rows = json.loads(recorded("local/docker_inspect.json"))[:1]

    def read(*argv: str, **_: object) -> Output:
        rows[0]["Name"] = argv[-1]
        folder = str(provider.folder) if argv[-1] == "dev-control" else "/another"
        rows[0]["Config"]["Labels"] = {"kubeup.vagrant": folder}
        return Output(0, json.dumps(rows), "")

    monkeypatch.setattr("kubeup.core.shell.read", read)
    monkeypatch.setattr("kubeup.core.shell.which", lambda name: f"/usr/bin/{name}")
    assert commands(provider.destroy(data=False)) == ["docker rm --force --volumes dev-control"]


def test_removing_names_what_is_lost(make: Callable[..., Vagrant]) -> None:
    provider = make()
    assert provider.destroy(data=True) == []
    known(provider, *NAMES)
    (kept,), (lost,) = provider.destroy(data=False), provider.destroy(data=True)
    assert not kept.loses and "database's data included" in lost.loses
    assert commands([kept])[0].endswith(
        "vagrant destroy --force dev-control dev-worker-1 dev-worker-2"
    )


def test_a_line_for_virtualbox_stays_for_as_long_as_the_machines(
    make: Callable[..., Vagrant],
) -> None:
    provider = make()
    known(provider, *NAMES)
    line = Thing("line", "* 192.168.60.0/24", "/etc/vbox/networks.conf")
    on_record(provider.state, provider="vagrant", things=(line,))
    machines, disallow = provider.destroy(data=True)
    assert disallow.removes == (line,) and machines.id in disallow.needs


def test_a_removed_machine_is_in_no_file_any_more(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = make("{provider: vagrant, nodes: {database: {count: 1}}}")
    known(provider, *NAMES, "dev-db")
    written(provider)
    provider = make()
    step = provider.remove("dev-db")
    assert (
        commands([step])[0].endswith("vagrant destroy --force dev-db")
        and step.loses == "what only dev-db holds"
    )
    monkeypatch.setattr(
        Tool,
        "write",
        lambda self, *_, **more: (self.machines / "dev-db" / "virtualbox" / "id").unlink(),
    )
    step.action.run(lambda line: None)
    assert [
        row["name"]
        for row in json.loads((provider.folder / "machines.json").read_text())["machines"]
    ] == list(NAMES)
    assert plan(provider, three()) == []


def test_snapshots_where_there_are_some(make: Callable[..., Vagrant]) -> None:
    assert make().tool_command("snapshot", "save", "before").argv[1:] == (
        "snapshot",
        "save",
        "before",
    )
    assert isinstance(error_of(make(DOCKER).tool_command, "snapshot", "list"), UsageError)
    assert "minikube's" in error_of(make().tool_command, "dashboard").why


def test_docker_needs_an_image_and_one_release_is_pinned(tmp_path: Path) -> None:
    wrong = check_provider(settings(tmp_path, "vagrant: {provider: docker}"), "vagrant")
    assert [problem.key for problem in wrong if problem.severity == "error"] == ["vagrant.image"]
    assert [
        problem.key
        for problem in check_provider(
            settings(tmp_path, "software: {kubernetes: 1.26.9}"), "vagrant"
        )
        if problem.severity == "error"
    ] == ["software.kubernetes"]


def test_packages_only_where_the_distribution_has_vagrant(make: Callable[..., Vagrant]) -> None:
    assert make().packages() == ("openssh-client",)
    assert make(host=DESKTOP).packages() == ("openssh-client", "vagrant")
    for codename, has in (("trixie", True), ("jammy", True), ("noble", False), ("bullseye", False)):
        other = replace(DESKTOP, distribution=replace(DEBIAN, codename=codename))
        assert make(host=other).packages() == ("openssh-client", *(["vagrant"] if has else []))


def seen(
    make: Callable[..., Vagrant],
    monkeypatch: pytest.MonkeyPatch,
    machines: dict[str, Machine],
    keys: str = "provider: vagrant",
) -> dict[str, NodeState]:
    """What is observed where the provider's program knows these machines, by id or name."""
    provider = make(keys)
    monkeypatch.setattr(
        "kubeup.cluster.providers.vagrant.backends.Backend.find",
        lambda self, name, known=False: machines.get(name),
    )
    return {node.name: node for node in provider.observe().nodes}


CORRUPT = [
    "",
    "{",
    "null",
    "[]",
    "7",
    '{"dev-control": "id"}',
    '{"dev-control": {"id": "id-of-dev-control"}}',
    "\0" * 64,
]


@pytest.mark.parametrize("text", CORRUPT)
def test_a_record_of_admitted_machines_that_can_not_be_read_trusts_no_host_key(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    provider = make()
    known(provider, *NAMES)
    path = provider.folder / "admitted.json"
    path.write_text(text)
    error = error_of(
        lambda: seen(
            make,
            monkeypatch,
            {f"id-of-{NAMES[0]}": Machine(NAMES[0], f"id-of-{NAMES[0]}", "running", 2, 4096)},
        )
    )
    assert (
        isinstance(error, Refused)
        and error.what == f"{path} can't be understood"
        and "no other machine answers" in error.next
    )
    assert (
        isinstance(
            error_of(Admission(provider.folder).add, NAMES[0], "id", "192.168.60.10"), Refused
        )
        and path.read_text() == text
    )


@pytest.mark.parametrize("text", [*CORRUPT, '{"machines": [{"address": "192.168.60.12"}]}'])
def test_a_list_of_machines_that_can_not_be_read_forgets_none(
    make: Callable[..., Vagrant], text: str
) -> None:
    provider = make("{provider: vagrant, nodes: {workers: {count: 1}}}")
    known(provider, *NAMES)
    path = provider.folder / "machines.json"
    path.write_text(text)
    error = error_of(provider._texts)
    assert isinstance(error, Refused) and error.what == f"{path} can't be understood"
    path.unlink()  # what is advised
    error = error_of(provider._texts)
    assert isinstance(error, Refused) and error.what == f"{path} does not name dev-worker-2"
    written(make())  # so is this
    assert (
        "dev-worker-2"
        in make("{provider: vagrant, nodes: {workers: {count: 1}}}")._texts()["machines.json"]
    )


@pytest.mark.parametrize("id_", [None, ""])
@pytest.mark.parametrize("told_by", ["vagrant", "us"])
def test_a_machine_whose_id_is_lost_is_no_half_that_may_be_removed(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch, id_: str | None, told_by: str
) -> None:
    provider = make(DOCKER)
    known(provider, NAMES[0], by="docker")
    file = provider.tool.id_file(NAMES[0])
    if told_by == "vagrant":
        file.with_name("action_provision").write_text("1.5:id")
    else:
        Admission(provider.folder).add(NAMES[0], "0123", "192.168.60.10")
    file.unlink() if id_ is None else file.write_text(id_)
    there = {NAMES[0]: Machine(NAMES[0], "0123", "running", 2, 4096, None, str(provider.folder))}
    found = seen(make, monkeypatch, there, DOCKER)[NAMES[0]]
    assert found.state == "foreign" and str(file) in found.detail
    error = error_of(make(DOCKER).plan, Machines((found,)), Needed())
    assert (
        error.what == "Vagrant has lost the machine dev-control"
        and "restore that file" in error.next
    )


def test_machines_as_they_are_seen(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = make()
    known(provider, *NAMES)
    for number, name in enumerate(NAMES[:2]):
        Admission(provider.folder).add(name, f"id-of-{name}", f"192.168.60.{10 + number}")
        ssh.remember(provider.state, [f"192.168.60.{10 + number} ssh-ed25519 AAAA"])
    started = datetime(2024, 2, 11, 18, 2, tzinfo=UTC)
    found = seen(make, monkeypatch, {
        "id-of-dev-control": Machine(NAMES[0], "id-of-dev-control", "running", 2, 4096, started),
        "id-of-dev-worker-1": Machine(NAMES[1], "id-of-dev-worker-1", "poweroff", 3, 4096),
        "id-of-dev-worker-2": Machine(NAMES[2], "id-of-dev-worker-2", "running", 2, 4096),
    })  # fmt: skip
    assert found[NAMES[0]] == NodeState(
        NAMES[0], "control", "192.168.60.10", "running", booted=started
    )
    assert (found[NAMES[1]].state, found[NAMES[1]].differs, found[NAMES[1]].booted) == (
        "stopped",
        ("3 CPUs, wanted 2",),
        None,
    )
    # never let in; its provider does not tell since when it runs
    assert (
        found[NAMES[2]].closed
        and found[NAMES[2]].detail == NO_HOST_KEY
        and found[NAMES[2]].booted is not None
    )


@pytest.mark.parametrize(
    ("by", "said"),
    [
        (
            "virtualbox",
            "VBoxManage: error: Could not find a registered machine named 'id-of-dev-control'",
        ),
        ("libvirt", "error: failed to get domain 'id-of-dev-control'"),
        ("docker", "Error: No such container: id-of-dev-control"),
        ("docker", "Error: inspecting object: no such container id-of-dev-control"),
    ],
)
def test_a_machine_that_can_not_be_asked_about_is_not_taken_as_gone(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch, by: str, said: str
) -> None:
    provider = make(f"{{provider: vagrant, vagrant: {{provider: {by}, image: box}}}}")
    known(provider, NAMES[0], by=by)
    monkeypatch.setattr("kubeup.core.shell.read", lambda *argv, **more: Output(1, "", said))
    assert provider.observe().nodes[0].state == "missing"
    silent = (
        "error: failed to connect to the hypervisor\nerror: Failed to connect socket "
        "to '/var/run/libvirt/libvirt-sock'"
    )
    monkeypatch.setattr("kubeup.core.shell.read", lambda *argv, **more: Output(1, "", silent))
    error = error_of(provider.observe)
    assert (
        error.what.endswith("does not say whether the machine id-of-dev-control is there")
        and "Failed to connect socket" in error.why
    )


def test_a_status_that_fails_is_not_taken_as_gone(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Vagrant itself is asked where the provider's program is not here."""
    provider = make()
    known(provider, NAMES[0])
    monkeypatch.setattr(
        "kubeup.cluster.providers.vagrant.backends.Backend.installed", property(lambda self: False)
    )
    says(monkeypatch, Output(0, recorded("vagrant/status_none.txt"), ""))
    assert provider.observe().nodes[0].state == "missing"
    says(monkeypatch, Output(1, "", "There is a syntax error in the following Vagrantfile."))
    assert error_of(provider.observe).what == "vagrant can't tell which machines there are"


def test_machines_lost_foreign_made_anew_and_moved(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = make()
    known(provider, *NAMES)
    for number, name in enumerate(NAMES):
        address = "192.168.60.99" if number == 2 else f"192.168.60.{10 + number}"
        Admission(provider.folder).add(
            name, "another id" if number == 1 else f"id-of-{name}", address
        )
        ssh.remember(provider.state, [f"192.168.60.{10 + number} ssh-ed25519 AAAA"])
    machines = {
        f"id-of-{name}": Machine(name, f"id-of-{name}", "running", 2, 4096) for name in NAMES[1:]
    }
    found = seen(make, monkeypatch, machines)
    assert [found[name].state for name in NAMES] == ["missing", "running", "running"]
    assert found[NAMES[1]].closed  # vagrant made it anew: its host key is read again
    assert (
        found[NAMES[2]].detail == "has the address 192.168.60.99, wanted is 192.168.60.12"
        and not found[NAMES[2]].closed
    )
    foreign = seen(
        make, monkeypatch, {NAMES[0]: Machine(NAMES[0], "of somebody else", "running", 2, 4096)}
    )
    assert foreign[NAMES[0]].state == "foreign" and "made elsewhere" in foreign[NAMES[0]].detail


def test_a_container_whose_vagrant_was_killed_before_it_knew(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = make(DOCKER)
    half = Machine(NAMES[1], "some id", "running", 2, 4096, folder=str(provider.folder))
    found = seen(make, monkeypatch, {NAMES[1]: half}, DOCKER)
    assert (found[NAMES[1]].state, found[NAMES[1]].detail) == ("missing", PARTIAL) and found[
        NAMES[0]
    ].detail == ""
    steps = by_id(plan(provider, Machines(tuple(found.values()))))
    assert (
        commands([steps["vagrant/halves"]]) == ["docker rm --force --volumes dev-worker-1"]
        and sid("vagrant/halves") in steps["node/dev"].needs
    )


def test_a_machine_more_than_the_settings_want(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    known(make(), *NAMES)
    machines = {
        f"id-of-{name}": Machine(name, f"id-of-{name}", "running", 2, 4096) for name in NAMES
    }
    found = seen(make, monkeypatch, machines, "provider: vagrant\nnodes: {workers: {count: 1}}")
    assert found[NAMES[2]].state == "surplus"


def test_machines_stay_where_there_is_no_vagrant_to_remove_them(
    make: Callable[..., Vagrant],
) -> None:
    provider = make(version="", host=DESKTOP)
    assert isinstance(error_of(provider.remove, "dev-worker-1"), Refused)


@pytest.mark.parametrize(
    ("sudo", "why"),
    [(None, "sudo is not installed"), ("/usr/bin/sudo", "sudo failed: no")],
)
def test_a_file_of_root_s_is_not_written_without_root(
    sudo: str | None,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*argv: str, **_: object) -> str:
        raise CommandError("it failed", stderr="no")

    monkeypatch.setattr(networks, "_writable", lambda _: False)
    monkeypatch.setattr("kubeup.core.shell.which", lambda _: sudo)
    monkeypatch.setattr("kubeup.core.shell.write", refused)
    allow = networks.AllowNetwork(IPv4Network("192.168.100.0/24"), path=tmp_path / "networks.conf")
    error = error_of(allow.run, print)
    assert (
        isinstance(error, Refused)
        and error.why == why
        and "echo '* 192.168.100.0/24'" in error.next
    )


def test_what_vagrant_fails_with_gets_its_advice(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(*_: str, **__: object) -> str:
        raise CommandError("vagrant failed", stderr="something of its own", next="run it again")

    provider = make()
    monkeypatch.setattr("kubeup.core.shell.write", write)
    error = error_of(lambda: provider.tool.write("up", log=print))
    assert error.what == "vagrant failed" and error.next.startswith("run it again; by hand: cd ")


def test_a_machine_whose_host_key_nobody_printed_is_not_trusted(
    make: Callable[..., Vagrant], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = make()
    step = by_id(plan(provider, three("missing")))["node/dev"]
    monkeypatch.setattr(Tool, "write", lambda *_, **__: "nothing of a key")
    assert error_of(step.action.run, print).what == "the host key of dev-control is not known"
    assert not provider.state.known_hosts.exists()


def test_networks_that_can_not_be_read_or_written_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "can't be read" in error_of(networks.read, tmp_path).what
    allow = networks.AllowNetwork(IPv4Network("192.168.100.0/24"), path=tmp_path / "networks.conf")
    monkeypatch.setattr("kubeup.core.shell.write", lambda *_, **__: "")
    assert "does not allow" in error_of(allow.run, print).what

    def full(*_: str, **__: object) -> str:
        raise CommandError("sh failed", "no space left")

    monkeypatch.setattr("kubeup.core.shell.write", full)
    assert error_of(allow.run, print).why == "no space left"
