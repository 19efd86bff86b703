"""The packet filter of the database's machine, in a network of its own: who gets through."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kubeup.database import packet_filter

pytestmark = pytest.mark.real

NODE, OTHER_NODE, POD, STRANGER = "192.0.2.10", "192.0.2.11", "10.244.1.7", "192.0.2.66"
ALL = (NODE, OTHER_NODE, POD, STRANGER)
# a machine and its neighbours, in a network each; $1: the filter, $2: the neighbours, $3: LOOK
WORLD = r"""
set -e
ip link set lo up
unshare -n sleep 300 &
peer=$!
trap 'kill $peer' EXIT
until test "$(readlink /proc/$peer/ns/net)" != "$(readlink /proc/$$/ns/net)"; do sleep 0.05; done
ip link add name near type veth peer name far netns $peer
ip addr add 192.0.2.1/24 dev near
ip link set near up
ip route add 10.244.0.0/16 dev near
nsenter -t $peer -n sh -ec '
  for one; do ip addr add $one/24 dev far; done
  ip link set far up
  ip link set lo up
' sh $2
neighbours=$2 look=$3
reached() { python3 "$look" $peer "$1" $neighbours; }
"""
# who gets a connection: itself, and each of its neighbours
LOOK = """
import socket, subprocess, sys
peer, port, *sources = sys.argv[1:]
server = socket.create_server(("192.0.2.1", int(port)))
ask = (
    "import socket, sys; "
    "socket.create_connection(('192.0.2.1', int(sys.argv[1])), 0.5, (sys.argv[2], 0)).close()"
)
def gets(source, *there):
    asking = [*there, sys.executable, "-c", ask, port, source]
    return not subprocess.run(asking, stderr=subprocess.DEVNULL).returncode
got = ["itself"] if gets("192.0.2.1") else []
print(*got, *(one for one in sources if gets(one, "nsenter", "-t", peer, "-n")))
"""


@pytest.fixture(params=["nft", "iptables"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The environment of a machine with that program, and not the other."""
    tools = tmp_path / "tools"
    tools.mkdir()
    others = ("iptables", "iptables-restore") if request.param == "nft" else ("nft",)
    for folder in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
        for program in Path(folder).iterdir():
            if program.name not in others and not (tools / program.name).exists():
                (tools / program.name).symlink_to(program)
    needed = shutil.which(request.param, path=str(tools))
    assert needed, f"no {request.param} here: apt-get install nftables iptables"
    return {"PATH": str(tools)}


def ran(folder: Path, env: dict[str, str], does: str, clients: tuple[str, ...]) -> list[str]:
    """What a script prints in such a world, `$1` being the filter for these clients."""
    file = folder / packet_filter.NAME
    file.write_text(packet_filter.script(3306, clients))
    (folder / "look.py").write_text(LOOK)
    words = (str(file), " ".join(ALL), str(folder / "look.py"))
    argv = ["unshare", "-rnm", "sh", "-c", f"{WORLD}\n{does}", "sh", *words]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_clients_get_through_and_nobody_else(tmp_path: Path, kind: dict[str, str]) -> None:
    clients = (NODE, OTHER_NODE, "10.244.0.0/16")
    does = "reached 3306; sh $1 on; reached 3306; reached 22; sh $1 off; reached 3306"
    everybody, filtered, ssh, after = ran(tmp_path, kind, does, clients)
    assert everybody.split() == ["itself", *ALL]
    assert filtered.split() == ["itself", NODE, OTHER_NODE, POD]
    assert ssh.split() == after.split() == ["itself", *ALL], "other ports are none of its business"


def test_it_is_told_from_one_that_is_gone_or_out_of_date(
    tmp_path: Path, kind: dict[str, str]
) -> None:
    does = "sh $1 state; echo .; sh $1 on; sh $1 on; sh $1 state"
    assert ran(tmp_path, kind, does, (NODE,)) == [".", "on"]
    newer = tmp_path / "newer.sh"
    newer.write_text(packet_filter.script(3306, (NODE, OTHER_NODE)))
    does = f"sh $1 on; sh {newer} state; echo .; reached 3306; sh {newer} on; sh {newer} state"
    assert ran(tmp_path, kind, f"{does}; reached 3306", (NODE,)) == [
        ".",
        f"itself {NODE}",
        "on",
        f"itself {NODE} {OTHER_NODE}",
    ]


# a machine's systemd: it starts what a unit says, and forgets it
SYSTEMCTL = """#!/bin/sh
unit=/etc/systemd/system/kubeup-db-filter.service
echo "$@" >>"$0.log"
case $1 in restart) exec sh -c "$(sed -n s/^ExecStart=//p $unit)" ;; esac
"""


def test_it_comes_back_at_each_start_and_goes_with_the_service(
    tmp_path: Path, kind: dict[str, str]
) -> None:
    systemctl = Path(kind["PATH"]) / "systemctl"
    systemctl.unlink(missing_ok=True)
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    does = (
        "mount -t tmpfs none /etc/systemd/system; sh $1 install; sh $1 install; sh $1 state; "
        "sh $1 off; reached 3306; systemctl restart kubeup-db-filter.service; reached 3306; "
        "sh $1 remove; reached 3306; ls /etc/systemd/system; sh $1 remove"
    )
    everybody = " ".join(("itself", *ALL))
    printed = ran(tmp_path, kind, does, (NODE,))
    assert printed == ["on", everybody, f"itself {NODE}", everybody]
    asked = (tmp_path / "tools" / "systemctl.log").read_text().splitlines()
    assert "enable --quiet kubeup-db-filter.service" in asked
    assert "disable --quiet --now kubeup-db-filter.service" in asked


@pytest.mark.parametrize("client", ["$(touch /tmp/x)", "192.0.2.10; true", "'", "node-1", ""])
def test_nothing_but_an_address_gets_into_it(client: str) -> None:
    with pytest.raises(ValueError):
        packet_filter.script(3306, (NODE, client))


def test_nobody_elses_rules_are_touched(tmp_path: Path, kind: dict[str, str]) -> None:
    if "iptables" not in {path.name for path in Path(kind["PATH"]).iterdir()}:
        before = "nft add table ip theirs; nft add chain ip theirs input"
        look = "nft list ruleset"
    else:
        before, look = "iptables -A INPUT -s 198.51.100.7 -j DROP", "iptables -S"
    does = f"{before}; {look}; echo .; sh $1 on; sh $1 off; {look}"
    rows = ran(tmp_path, kind, does, (NODE,))
    middle = rows.index(".")
    assert rows[:middle] == rows[middle + 1 :] and middle > 1


def test_a_rule_that_came_before_ours_is_got_past(tmp_path: Path, kind: dict[str, str]) -> None:
    """As ufw's are, or what somebody typed."""
    accept = "iptables -I INPUT -p tcp --dport 3306 -j ACCEPT"
    if "iptables" not in {path.name for path in Path(kind["PATH"]).iterdir()}:
        accept = (
            "nft add table ip theirs; "
            "nft 'add chain ip theirs input { type filter hook input priority -200; }'; "
            "nft add rule ip theirs input tcp dport 3306 accept"
        )
    does = f"sh $1 on; {accept}; sh $1 on; sh $1 state; reached 3306; sh $1 off; reached 3306"
    assert ran(tmp_path, kind, does, (NODE,)) == [
        "on",
        f"itself {NODE}",
        " ".join(("itself", *ALL)),
    ]
