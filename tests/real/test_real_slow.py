"""A node on a machine that is far slower than limits of time were made for."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from kubeup.cluster.providers.local import Local, nodes
from kubeup.core.pace import AS_MEANT
from kubeup.system.engine import STOP_SIGNAL
from tests.real.harness import PROFILE, Cluster, output

pytestmark = pytest.mark.real
NAME = f"{PROFILE}-slow"
PROCESSOR = "0.01"  # of one


@pytest.fixture
def local(standing: Cluster) -> Iterator[Local]:
    """The provider, with a node's container that is starting on next to no processor."""
    provider = standing.project.provider
    assert isinstance(provider, Local)
    engine = provider.engine
    output(
        *engine.argv(
            "run",
            "--detach",
            "--name",
            NAME,
            "--privileged",
            "--network",
            "none",
            "--cpus",
            PROCESSOR,
            "--stop-signal",
            STOP_SIGNAL,
            "--env",
            "container=oci",
            *engine.node_options,
            "-v",
            f"{NAME}:/var",
            provider.node_image(),
            "/sbin/init",
        )
    )
    yield provider
    output(*engine.argv("rm", "--force", "--time", "0", NAME))
    output(*engine.argv("volume", "rm", NAME))


def test_a_node_that_takes_longer_than_a_minute_to_boot_is_waited_for(local: Local) -> None:
    began, said = time.monotonic(), list[str]()
    nodes.wait_for_sshd(local.engine, NAME, AS_MEANT, said.append)
    seconds = time.monotonic() - began
    assert seconds > nodes.STUCK_SECONDS, f"{seconds:.0f} s: give it less of a processor"
    assert len(set(said)) > 3, said
    output(*local.engine.argv("exec", NAME, "systemctl", "is-active", "ssh.service"))
