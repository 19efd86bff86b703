"""A company's authority, and a mirror that only it vouches for: on nodes, and for what is done
here.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from kubeup.cluster.release.download import fetch
from kubeup.core.errors import KubeupError
from kubeup.facts import certificates
from kubeup.workflows.loading import load
from kubeup.workflows.project import Project
from tests.real.authority import Authority
from tests.real.harness import GATEWAY, NODES, SETTINGS, WORKER_2, Cluster, mended, output, until
from tests.real.registry import serve

pytestmark = [pytest.mark.real, pytest.mark.long]

HERE, BESIDE = "127.0.0.1:5065", f"{GATEWAY}:5064"  # the mirror, for this machine and for nodes
IMAGE = "registry.example.org/tests/nothing:1"  # in a registry that nobody has
STORE, HOSTS = "/usr/local/share/ca-certificates", "/etc/containerd/certs.d"
SOMEBODYS = 'server = "https://10.1.1.1"'


@dataclass(frozen=True)
class Company:
    """Its authority, and its mirror, which alone has the image."""

    authority: Authority
    mirror: str
    folder: Path

    @property
    def mirrored(self) -> tuple[str, str]:
        mirrors = f"{{registry.example.org: ['https://{self.mirror}/below']}}"
        return ("--set", f"images.mirrors={mirrors}")

    @property
    def trusted(self) -> tuple[str, str]:
        return ("--set", f"network.ca_certificates=['{self.authority.certificate}']")

    @property
    def project(self) -> Project:
        sets = (self.mirrored[1], self.trusted[1], f"state_dir={self.folder / 'state'}")
        return load(SETTINGS, sets=sets, environ={})

    @property
    def file(self) -> str:
        """The name of its certificate's file on a node."""
        (pem,) = certificates.pems(self.authority.certificate.read_text())
        return certificates.file_name(pem)


@contextlib.contextmanager
def founded(tool: str, folder: Path, mirror: str) -> Iterator[Company]:
    company = Company(Authority(folder / "authority").make(), mirror, folder)
    tls = company.authority.vouch(mirror.partition(":")[0])
    process = serve(tool, folder / "registry", mirror, tls)
    project, image = company.project, f"{mirror}/below/tests/nothing:1"
    (folder / "image").mkdir()
    containerfile = folder / "image" / "Containerfile"
    containerfile.write_text('FROM scratch\nCOPY pause /\nENTRYPOINT ["/pause"]\n')
    shutil.copy(project.release.binary("pause"), folder / "image" / "pause")
    podman = project.engine.argv
    output(*podman("build", *project.engine.build_options, "-t", image, str(containerfile.parent)))
    output(*podman("push", "--tls-verify=false", image))
    yield company
    output(*podman("rmi", "--force", image, IMAGE), check=False)
    process.terminate()
    process.wait(20)


@pytest.fixture(scope="module")
def here(registry_tool: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    with founded(registry_tool, tmp_path_factory.mktemp("here"), HERE) as company:
        company.project.write_environment()
        yield company


@pytest.fixture(scope="module")
def beside(
    standing: Cluster, registry_tool: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Company]:
    with founded(registry_tool, tmp_path_factory.mktemp("beside"), BESIDE) as company:
        yield company


def podman(company: Company, *words: str, without: str = "", check: bool = True) -> str:
    """podman as kubeup starts it, but for one variable."""
    told = [
        f"{name}={value}" for name, value in company.project.environment.items() if name != without
    ]
    forget = ("-u", without) if without else ()
    return output("env", *forget, *told, *company.project.engine.argv(*words), check=check)


def test_podman_here_pulls_through_the_mirror(here: Company) -> None:
    forget = here.project.engine.argv("rmi", "--force", IMAGE)
    output(*forget, check=False)
    assert "no such host" in podman(
        here, "pull", IMAGE, without="CONTAINERS_REGISTRIES_CONF", check=False
    )
    assert "x509" in podman(here, "pull", IMAGE, without="SSL_CERT_FILE", check=False)
    podman(here, "pull", IMAGE)
    assert IMAGE.partition(":")[0] in podman(here, "images")


def test_downloads_trust_it(here: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    url, target = f"https://{HERE}/v2/", here.folder / "fetched"
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with pytest.raises(KubeupError, match="can't be fetched") as untrusted:
        fetch(url, "0" * 64, target, lambda line: None)
    assert "CERTIFICATE_VERIFY_FAILED" in untrusted.value.why
    for name, value in here.project.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(KubeupError, match="is not what it should be"):  # it came, with another sum
        fetch(url, "0" * 64, target, lambda line: None)


def test_a_build_trusts_it_and_keeps_nothing_of_it(here: Company) -> None:
    project, image = here.project, "localhost/kubeup-tests/asking:1"
    (base, root) = next(one.rootfs[0] for one in project.images if one.part == "api")
    output(*project.engine.argv("import", str(root.path), base))
    asks = f"import urllib.request as r; print(r.urlopen('https://{HERE}/v2/').status)"
    (here.folder / "asking").mkdir()
    (here.folder / "asking" / "Containerfile").write_text(
        f"FROM {base}\nARG PIP_CERT\nENV no_proxy=127.0.0.1\n"
        f'RUN SSL_CERT_FILE=$PIP_CERT python3 -c "{asks}"\n'
    )
    build = project.engine.argv("build", "--network=host", "--no-cache", "--tag", image)
    folder = str(here.folder / "asking")
    with mended(lambda: output(*project.engine.argv("rmi", "--force", image), check=False)):
        untold = output(*build, *project.engine.build_options, folder, check=False)
        assert "CERTIFICATE_VERIFY_FAILED" in untold
        output(*build, *project.builder.build_words(), folder)
        saved = here.folder / "asking.tar"
        output(*project.engine.argv("save", "--output", str(saved), image))
        (here.folder / "layers").mkdir()
        output("tar", "-xf", str(saved), "-C", str(here.folder / "layers"))
        (manifest,) = json.loads((here.folder / "layers" / "manifest.json").read_text())
        kept = output("tar", "-tvf", str(here.folder / "layers" / manifest["Layers"][-1]))
    assert "ca-certificates.crt" not in kept, kept


def start_pod(cluster: Cluster) -> None:
    cluster.kubectl("delete", "pod", "fetching", "--ignore-not-found", "--now")
    spec = json.dumps({"spec": {"nodeName": WORKER_2}})
    cluster.kubectl("run", "fetching", f"--image={IMAGE}", "--restart=Never", f"--overrides={spec}")


def how_it_is(cluster: Cluster) -> str:
    status = json.loads(cluster.kubectl("get", "pod", "fetching", "-o", "json"))["status"]
    states = [row.get("state", {}) for row in status.get("containerStatuses", [])]
    return f"{status['phase']} {json.dumps(states)}"


def uids(cluster: Cluster) -> dict[str, str]:
    return {name: uid for name, (uid, _) in cluster.pods().items() if name != "fetching"}


def write_somebodys(cluster: Cluster, registry: str) -> str:
    path = f"{HOSTS}/{registry}/hosts.toml"
    cluster.on(WORKER_2, f"mkdir -p {HOSTS}/{registry}; echo '{SOMEBODYS}' >{path}")
    return path


def test_a_node_pulls_from_the_mirror_once_it_trusts_the_authority(
    cluster: Cluster, beside: Company
) -> None:
    wanted = (*beside.mirrored, *beside.trusted)

    def forget() -> None:
        cluster.kubectl("delete", "pod", "fetching", "--ignore-not-found", "--now")
        cluster.on(WORKER_2, f"ctr -n k8s.io images rm {IMAGE}", check=False)

    with mended(cluster.up, forget):
        alone = ("--limit", WORKER_2, "--tags", "containerd")
        cluster.inv("cluster.provision", *alone, *beside.mirrored)
        start_pod(cluster)
        until(lambda: "x509" in how_it_is(cluster), "the node does not trust the mirror", 60)

        pods = uids(cluster)
        assert [step["id"] for step in cluster.plan(*wanted)] == [
            "cluster/provision", "cluster/answers",
        ]  # fmt: skip
        cluster.up(*wanted)
        start_pod(cluster)
        until(lambda: how_it_is(cluster).startswith("Running"), "the image came", 60)
        assert "Nothing to do." in cluster.up(*wanted).out
        assert uids(cluster) == pods
        for name in NODES:
            ours = cluster.on(name, f"cd {STORE}; ls kubeup-*").split()
            assert ours == [beside.file]

    body = beside.authority.certificate.read_text().splitlines()[1]
    for name in NODES:
        assert beside.file not in cluster.on(name, f"ls {STORE} {HOSTS}")
        assert cluster.on(name, f"test ! -e {HOSTS}/registry.example.org/hosts.toml") == ""
        found = cluster.on(name, f"grep -rl '{body}' /etc/ssl/certs", check=False)
        assert not found, found
    assert cluster.plan() == []


def test_what_somebody_else_wrote_on_a_node_stays(cluster: Cluster, beside: Company) -> None:
    provision = ("cluster.provision", "--limit", WORKER_2)
    theirs = write_somebodys(cluster, "theirs.example.org")
    own = f"{HOSTS}/registry.example.org"
    with mended(
        lambda: cluster.on(WORKER_2, f"rm -rf {HOSTS}/theirs.example.org {own}"),
        lambda: cluster.inv(*provision),
    ):
        write_somebodys(cluster, "registry.example.org")
        cluster.on(WORKER_2, f"echo theirs >{STORE}/company.crt")
        cluster.inv(*provision, "--tags", "containerd", *beside.mirrored)
        assert SOMEBODYS in cluster.on(WORKER_2, f"cat {own}/hosts.toml.*~")  # beside ours
        cluster.inv(*provision, "--tags", "base,containerd")
        assert SOMEBODYS in cluster.on(WORKER_2, f"cat {theirs}; test ! -e {own}/hosts.toml")
        assert "theirs" in cluster.on(WORKER_2, f"cat {STORE}/company.crt; rm {STORE}/company.crt")


def test_the_script_for_machines_without_the_play(cluster: Cluster, beside: Company) -> None:
    """minikube's nodes and the database's machine get it; here on a node that has had the play."""
    (pem,) = certificates.pems(beside.authority.certificate.read_text())
    before = cluster.on(WORKER_2, f"cd {STORE}; ls").split()
    linked = f"ls /etc/ssl/certs/{beside.file.removesuffix('.crt')}.pem"

    def run(*known: str) -> str:
        return cluster.podman_in(WORKER_2, "sh -s", certificates.script(known))

    with mended(lambda: cluster.inv("cluster.provision", "--limit", WORKER_2, "--tags", "base")):
        assert run(pem).startswith("changed\n") and cluster.on(WORKER_2, linked)
        assert run(pem) == ""
        assert run().startswith("changed\n")
        assert "No such file" in cluster.on(WORKER_2, linked, check=False)
    assert cluster.on(WORKER_2, f"cd {STORE}; ls").split() == before
