"""A company's authority, and a mirror that only it vouches for: on nodes, and for what is done here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kubeup.project import Project, load
from kubeup.release.download import fetch
from tests.real.authority import Authority
from tests.real.harness import GATEWAY, NODES, SETTINGS, WORKER_2, Cluster, mended, output, until
from tests.real.registry import serve

pytestmark = [pytest.mark.real, pytest.mark.long]

MIRROR = f"{GATEWAY}:5064"
IMAGE = "registry.example.org/tests/nothing:1"
CERTIFICATES, HOSTS = "/usr/local/share/ca-certificates", "/etc/containerd/certs.d"
MIRRORED = ("--set", f"images.mirrors={{registry.example.org: ['https://{MIRROR}/below']}}")


@dataclass(frozen=True)
class Company:
    """Its authority, its mirror, and an image that only the mirror has."""

    authority: Authority
    folder: Path

    @property
    def trusted(self) -> tuple[str, ...]:
        return ("--set", f"network.ca_certificates=['{self.authority.certificate}']")

    @property
    def project(self) -> Project:
        return load(
            SETTINGS,
            sets=(MIRRORED[1], self.trusted[1], f"state_dir={self.folder / 'state'}"),
            environ={},
        )


@pytest.fixture(scope="module")
def company(
    standing: Cluster, registry_tool: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Company]:
    folder = tmp_path_factory.mktemp("company")
    authority = Authority(folder / "authority").make()
    process = serve(registry_tool, folder / "registry", MIRROR, authority.vouch(GATEWAY))
    (folder / "Containerfile").write_text('FROM scratch\nCOPY pause /\nENTRYPOINT ["/pause"]\n')
    shutil.copy(standing.project.release.binary("pause"), folder / "pause")
    standing.podman(
        "build",
        *standing.project.engine.build_options,
        "--tag",
        f"{MIRROR}/below/tests/nothing:1",
        str(folder),
    )
    standing.podman("push", "--tls-verify=false", f"{MIRROR}/below/tests/nothing:1")
    yield Company(authority, folder)
    standing.podman("rmi", "--force", IMAGE, f"{MIRROR}/below/tests/nothing:1", check=False)
    process.terminate()
    process.wait(20)


def start_pod(cluster: Cluster) -> None:
    cluster.kubectl("delete", "pod", "fetching", "--ignore-not-found", "--now")
    spec = json.dumps({"spec": {"nodeName": WORKER_2, "tolerations": [{"operator": "Exists"}]}})
    cluster.kubectl("run", "fetching", f"--image={IMAGE}", "--restart=Never", f"--overrides={spec}")


def why_waiting(cluster: Cluster) -> str:
    pod = json.loads(cluster.kubectl("get", "pod", "fetching", "-o", "json"))
    return str(pod["status"]["phase"]) + json.dumps(
        [row.get("state", {}) for row in pod["status"].get("containerStatuses", [])]
    )


def test_a_node_pulls_from_the_mirror_once_it_trusts_the_authority(
    cluster: Cluster, company: Company
) -> None:
    def forget() -> None:
        cluster.kubectl("delete", "pod", "fetching", "--ignore-not-found", "--now")
        cluster.on(
            WORKER_2,
            f"rm -rf {HOSTS}/somebody.example.org; ctr -n k8s.io images rm {IMAGE} || true",
        )

    somebodys = f"{HOSTS}/somebody.example.org/hosts.toml"
    with mended(cluster.up, forget):
        cluster.on(
            WORKER_2,
            f"mkdir -p $(dirname {somebodys}); echo 'server = \"https://10.1.1.1\"' >{somebodys}",
        )
        cluster.up(*MIRRORED, "--set", "network.ca_certificates=[]")
        start_pod(cluster)
        until(
            lambda: "x509: certificate signed by unknown authority" in why_waiting(cluster),
            "the node does not trust the mirror",
            60,
        )

        pods = {name: uid for name, (uid, _) in cluster.pods().items()}
        steps = {step["id"]: step["reason"] for step in cluster.plan(*MIRRORED, *company.trusted)}
        assert list(steps) == ["cluster/provision", "cluster/answers"], steps
        cluster.up(*MIRRORED, *company.trusted)
        start_pod(cluster)
        until(
            lambda: why_waiting(cluster).startswith("Running"),
            "the pod's image came from the mirror",
            60,
        )
        assert cluster.plan(*MIRRORED, *company.trusted) == []
        assert "Nothing to do." in cluster.up(*MIRRORED, *company.trusted).out
        assert {name: uid for name, (uid, _) in cluster.pods().items() if name != "fetching"} == {
            name: uid for name, uid in pods.items() if name != "fetching"}  # fmt: skip
        for name in NODES:
            assert cluster.on(name, f"ls {CERTIFICATES} | grep -c ^kubeup-").strip() == "1"

    for name in NODES:
        ours = cluster.on(
            name, f"ls {CERTIFICATES}; ls {HOSTS}/registry.example.org 2>/dev/null || true"
        ).split()
        assert "hosts.toml" not in ours
        assert company_file(company) not in ours
        pem = company.authority.certificate.read_text().splitlines()[1]
        assert (
            cluster.on(name, f"grep -c '{pem}' /etc/ssl/certs/ca-certificates.crt || true").strip()
            == "0"
        )
    assert cluster.plan() == []


def company_file(company: Company) -> str:
    from kubeup.facts import certificates

    (pem,) = company.project.authorities.pems
    return certificates.file_name(pem)


def test_what_somebody_else_wrote_on_a_node_stays(cluster: Cluster) -> None:
    theirs, own = f"{HOSTS}/theirs.example.org/hosts.toml", f"{HOSTS}/registry.example.org"
    with mended(lambda: cluster.on(WORKER_2, f"rm -rf {HOSTS}/theirs.example.org {own}")):
        for path in (theirs, f"{own}/hosts.toml"):
            cluster.on(
                WORKER_2,
                f"mkdir -p $(dirname {path}); echo 'server = \"https://10.1.1.1\"' >{path}",
            )
        cluster.inv("cluster.provision", "--limit", WORKER_2, "--tags", "containerd", *MIRRORED)
        assert "10.1.1.1" in cluster.on(WORKER_2, f"cat {own}/hosts.toml.*~")  # kept beside ours
        cluster.inv("cluster.provision", "--limit", WORKER_2, "--tags", "containerd")
        assert "10.1.1.1" in cluster.on(WORKER_2, f"cat {theirs}; test ! -e {own}/hosts.toml")
        cluster.inv("cluster.provision", "--limit", WORKER_2)


def test_podman_here_pulls_through_the_mirror(standing: Cluster, company: Company) -> None:
    project = company.project
    standing.podman("rmi", "--force", IMAGE, check=False)
    assert "registry.example.org" in standing.podman(
        "pull", IMAGE, check=False
    )  # nobody has that name
    project.write_environment()
    words = [f"{name}={value}" for name, value in project.environment.items()]
    output("env", *words, *project.engine.argv("pull", IMAGE))
    without = [word for word in words if not word.startswith("SSL_CERT_FILE")]
    standing.podman("rmi", "--force", IMAGE)
    assert "x509" in output(
        "env", "-u", "SSL_CERT_FILE", *without, *project.engine.argv("pull", IMAGE), check=False
    )


def test_downloads_trust_it(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    project, target = company.project, company.folder / "fetched"
    project.write_environment()
    url = f"https://{MIRROR}/v2/"
    monkeypatch.setenv("no_proxy", GATEWAY)
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        fetch(url, "0" * 64, target, lambda line: None)
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(Exception, match="is not what it should be"):  # it came, and has another sum
        fetch(url, "0" * 64, target, lambda line: None)


def test_a_build_trusts_it_and_keeps_nothing_of_it(standing: Cluster, company: Company) -> None:
    project = company.project
    project.write_environment()
    base = next(image.bases[0][1] for image in project.images if image.part == "api")
    if standing.podman("image", "exists", base, check=False):
        root = next(root for image in project.images for name, root in image.rootfs if name == base)
        standing.podman("import", str(root.path), base)
    asks = f"import urllib.request; print(urllib.request.urlopen('https://{MIRROR}/v2/').status)"
    (company.folder / "asking").mkdir()
    (company.folder / "asking" / "Containerfile").write_text(
        f"FROM {base}\nARG PIP_CERT\nENV no_proxy={GATEWAY}\n"
        f'RUN SSL_CERT_FILE=$PIP_CERT python3 -c "{asks}"\n'
    )
    words = (
        "--no-cache",
        "--tag",
        "localhost/kubeup-tests/asking:1",
        str(company.folder / "asking"),
    )
    with mended(
        lambda: standing.podman("rmi", "--force", "localhost/kubeup-tests/asking:1", check=False)
    ):
        assert "CERTIFICATE_VERIFY_FAILED" in standing.podman(
            "build", *project.engine.build_options, *words, check=False
        )
        standing.podman("build", *project.builder.build_words(), *words)
        kept = standing.podman(
            "run",
            "--rm",
            "--network=none",
            "localhost/kubeup-tests/asking:1",
            "sh",
            "-c",
            "find / -xdev -name 'ca-certificates.crt' -size +0; env",
        )
    assert "authority" not in kept and "ca-certificates.crt" not in kept and "PIP_CERT" not in kept
