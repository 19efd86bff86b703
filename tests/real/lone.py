"""A machine of the nodes' image that no cluster has taken yet, for what the play does to one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from kubeup.cluster.providers.local import nodes
from kubeup.cluster.provision import play
from kubeup.cluster.provision.inventory import ANSIBLE
from kubeup.core.pace import AS_MEANT
from kubeup.core.state import State
from kubeup.system.engine import hardware_address
from kubeup.system.ssh import SshTarget
from tests.real.harness import WORKER_1, Cluster

NAME, ADDRESS = "kubeup-lone", "192.168.62.99"
# what Docker's package says of itself where it matters (docker/containerd-packaging)
CONTROL = """\
Package: containerd.io
Version: {version}
Architecture: all
Maintainer: nobody <nobody@example.org>
Provides: containerd, runc
Conflicts: containerd, runc
Replaces: containerd, runc
Description: made up
"""
SHIPPED = 'disabled_plugins = ["cri"]\n'
PROGRAM = """\
#!/bin/sh
[ "$1" = --version ] && echo "containerd containerd.io {version} 05044ec0a9a7" && exit
exec sleep infinity
"""
UNIT = "[Service]\nExecStart=/usr/bin/containerd\n[Install]\nWantedBy=multi-user.target\n"


@dataclass(frozen=True)
class Lone:
    cluster: Cluster
    folder: Path

    def on(self, script: str, stdin: str = "") -> str:
        if stdin:
            return self.cluster.podman_in(NAME, script, stdin)
        return self.cluster.on(NAME, script)

    def has_dockers_containerd(self, version: str) -> None:
        """In place of the distribution's, as on a machine where Docker was installed first."""
        self.on("dpkg --purge --force-depends containerd runc; rm -rf /deb /etc/containerd")
        files = {
            "DEBIAN/control": CONTROL.format(version=version),
            "DEBIAN/conffiles": "/etc/containerd/config.toml\n",
            "etc/containerd/config.toml": SHIPPED,
            "usr/bin/containerd": PROGRAM.format(version=version),
            "lib/systemd/system/containerd.service": UNIT,
        }
        for name, text in files.items():
            self.on(f"install -D -m 755 /dev/stdin /deb/{name}", text)
        self.on("chmod 644 /deb/DEBIAN/conffiles; dpkg-deb --build /deb /containerd.io.deb")
        self.on("dpkg --install /containerd.io.deb")
        self.on("systemctl daemon-reload && systemctl restart containerd")

    def play(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the play on it as it runs on the cluster's nodes."""
        known = (self.cluster.state / "inventory.yml").read_text()
        whole = yaml.safe_load(known.removeprefix(play.DATA))
        own = {"ansible_host": ADDRESS, "kubeup_address": ADDRESS}
        whole["nodes"]["hosts"] = {NAME: whole["nodes"]["hosts"][WORKER_1] | own}
        own_hosts = f" -oUserKnownHostsFile={self.folder / 'known_hosts'}"
        # of two, ssh takes the first
        options = f"{own_hosts} {whole['nodes']['vars']['ansible_ssh_common_args']}"
        whole["nodes"]["vars"]["ansible_ssh_common_args"] = options
        whole["control"] = whole["workers"] = {"hosts": {}}
        inventory = self.folder / "inventory.yml"
        inventory.write_text(play.text(whole))
        tool = Path(sys.executable).with_name("ansible-playbook")
        env = {**self.cluster.environment, **play.environment()}
        return subprocess.run(
            [tool, "-i", inventory, *words, ANSIBLE / "site.yml"],
            cwd=ANSIBLE,
            env=env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )


@contextmanager
def lone(cluster: Cluster, folder: Path) -> Iterator[Lone]:
    """A fresh one, gone again at the end."""
    engine, key = cluster.project.engine, cluster.state / "id_rsa"
    image = cluster.podman("container", "inspect", WORKER_1, "--format", "{{.ImageName}}").strip()
    state = State(folder, key, key.with_name("id_rsa.pub"))
    reach = SshTarget(NAME, "worker", ADDRESS, "vagrant", key, state.known_hosts)
    try:
        network = (
            "--network",
            f"kubeup-{cluster.profile}",
            "--ip",
            ADDRESS,
            "--mac-address",
            hardware_address(ADDRESS),
        )
        cluster.podman(
            "run",
            "--detach",
            "--name",
            NAME,
            "--hostname",
            NAME,
            *network,
            "--privileged",
            "--memory",
            "512m",
            *engine.node_options,
            image,
            "/sbin/init",
        )
        nodes.wait_for_sshd(engine, NAME, AS_MEANT, print)
        nodes.admit(engine, NAME, reach, state, (reach.user,))
        yield Lone(cluster, folder)
    finally:
        cluster.podman("rm", "--force", "--time", "0", NAME, check=False)
