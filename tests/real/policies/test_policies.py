"""NetworkPolicies, by Kubernetes' own tests of them on three nodes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from kubeup.cluster.release.images import proxy_rootfs
from kubeup.core import shell
from tests.beds import conformance
from tests.real.harness import NODES, Cluster

pytestmark = [pytest.mark.real, pytest.mark.long]

LIMIT = 5400
# pods that speak SCTP need a kernel that does
LEFT_OUT = "SCTP"
RAN = re.compile(r"Ran (\d+) of \d+ Specs")


def test_kubernetes_own_tests_of_policies_pass(standing: Cluster, tmp_path: Path) -> None:
    engine = standing.project.engine
    programs = conformance.make(print)
    image = programs.image(engine, proxy_rootfs(standing.project.root_origin), print)
    archive = tmp_path / "agnhost.tar"
    shell.save(*engine.argv("save", image), into=archive)
    for node in NODES:
        subprocess.run(
            (*engine.argv("exec", "-i", node), "ctr", "-n", "k8s.io", "images", "import", "-"),
            stdin=archive.open("rb"),
            check=True,
        )
    ran = subprocess.run(
        (
            str(programs.program),
            f"--kubeconfig={standing.project.state.kubeconfig}",
            f"--ginkgo.skip={LEFT_OUT}",
            "--ginkgo.no-color",
            f"--ginkgo.timeout={LIMIT}s",
        ),
        capture_output=True,
        text=True,
        timeout=LIMIT + 60,
        check=False,
    )
    failed = [line for line in ran.stdout.splitlines() if "[FAIL]" in line]
    count = RAN.search(ran.stdout)
    assert not failed and ran.returncode == 0, "\n".join((*failed, ran.stdout[-4000:]))
    assert count and int(count.group(1)) >= 70, "all of them, but for those left out"
