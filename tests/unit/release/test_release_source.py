from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from builders import DESKTOP, SANDBOX, error_of, open_internet, recorded

from kubeup.cluster.release import build, go, source, sums
from kubeup.cluster.release.build import GoCompile
from kubeup.cluster.release.components import BUILDS, IMAGES, KUBERNETES_BUILD
from kubeup.cluster.release.download import DownloadBinary
from kubeup.core.errors import UsageError
from kubeup.core.record import Made
from kubeup.core.shell import Output
from kubeup.facts import sites
from kubeup.facts.host import HostFacts
from kubeup.facts.sites import Answer, Question
from kubeup.images.rootfs import Origin

ARM = replace(DESKTOP, arch="arm64")


def test_an_open_internet_downloads() -> None:
    release = source.choose("auto", DESKTOP)
    assert (release.source, release.arch) == ("download", "amd64")
    assert release.why == "https://dl.k8s.io and registry.k8s.io answer"
    assert release.missing_downloads() == ("kubeadm", "kubelet", "kubectl")
    assert release.missing_builds() == ()


KUBECTL, PAUSE = source.questions("auto", "", "Linux", "amd64")


@pytest.mark.parametrize(
    ("asked", "answer", "why"),
    [
        (
            KUBECTL,
            sites.refused(KUBECTL, "403 Forbidden"),
            f"dl.k8s.io answered 403 Forbidden for {KUBECTL.url}",
        ),
        (
            KUBECTL,
            sites.silent(KUBECTL, "not within 30 s"),
            f"dl.k8s.io gave no answer for {KUBECTL.url} (not within 30 s)",
        ),
        (
            PAUSE,
            sites.refused(PAUSE, "404 Not Found", "https://europe-docker.pkg.dev/v2/x"),
            "europe-docker.pkg.dev answered 404 Not Found for the image pause",
        ),
    ],
)
def test_one_site_without_what_is_needed_means_that_all_is_built(
    asked: Question, answer: Answer, why: str
) -> None:
    release = source.choose("auto", replace(DESKTOP, answers=open_internet(asked.url, answer)))
    assert (release.source, release.why) == ("build", why)


def test_a_file_is_asked_for_that_a_download_needs(tmp_path: Path) -> None:
    assert (
        KUBECTL.url == "https://dl.k8s.io/release/v1.26.1/bin/linux/amd64/kubectl.sha256"
        and KUBECTL.sum
    )
    assert (
        KUBECTL.url
        == f"{DownloadBinary('kubectl', source.DOWNLOADS, 'amd64', tmp_path).url}.sha256"
    )
    assert PAUSE.url == "https://registry.k8s.io/v2/pause/manifests/3.9"
    assert f"registry.k8s.io/pause:{PAUSE.url.rpartition('/')[2]}" in [
        image.name for image in IMAGES
    ]
    assert f"https://{sites.site(PAUSE.url)}" != source.DOWNLOADS


@pytest.mark.parametrize(
    ("wanted", "kept", "base_url", "count"),
    [
        ("auto", "", source.DOWNLOADS, 2),
        ("auto", "", "https://mirror.example.org", 1),
        ("auto", "build", source.DOWNLOADS, 0),
        ("download", "", source.DOWNLOADS, 0),
        ("build", "", source.DOWNLOADS, 0),
    ],
)
def test_nothing_is_asked_that_is_decided(
    wanted: str, kept: str, base_url: str, count: int
) -> None:
    assert len(source.questions(wanted, kept, "Linux", "amd64", base_url)) == count


@pytest.mark.parametrize(("made", "host"), [("build", DESKTOP), ("download", SANDBOX)])
def test_what_is_made_stays_so(made: str, host: HostFacts) -> None:
    kept = Made(source=made, source_why="the sun shone")
    release = source.choose("auto", host, made=kept)
    assert (release.source, release.why) == (made, "made so before (the sun shone)")
    for wanted in ("download", "build"):
        assert source.choose(wanted, host, made=kept).source == wanted, (
            "the settings have the last word"
        )


def test_package_registries_only() -> None:
    release = source.choose("auto", SANDBOX)
    assert (release.source, release.why) == (
        "build",
        f"dl.k8s.io gave no answer for {KUBECTL.url} (its name can't be resolved)",
    )
    assert [one.name for one in release.missing_builds()] == [
        "kubernetes",
        "etcd",
        "coredns",
        "metrics-server",
        "pause",
        "kube-router",
    ]
    assert release.missing_downloads() == ()


@pytest.mark.parametrize("wanted", ["download", "build"])
def test_the_settings_have_the_last_word(wanted: str) -> None:
    for host in (DESKTOP, SANDBOX):
        assert (source.choose(wanted, host).source, source.choose(wanted, host).why) == (
            wanted,
            "asked for by release.source",
        )


def test_a_site_of_ones_own_is_not_judged_by_the_official_one() -> None:
    own, intranet = (
        "https://mirror.example.org/kubernetes",
        replace(DESKTOP, answers=open_internet(KUBECTL.url, sites.refused(KUBECTL, "403"))),
    )
    release = source.choose("auto", intranet, own)
    assert (release.source, release.base_url) == ("download", own)
    assert own in release.why
    assert source.choose("auto", SANDBOX, own).source == "build", (
        "the images come from elsewhere still"
    )


def test_an_unknown_processor() -> None:
    error = error_of(source.choose, "auto", replace(DESKTOP, arch="riscv64"))
    assert "riscv64" in error.what
    assert "a machine with such a processor" in error.next


def test_download_addresses_of_both_processors(tmp_path: Path) -> None:
    one = DownloadBinary("kubelet", "https://dl.k8s.io/", "arm64", tmp_path)
    assert one.url == "https://dl.k8s.io/release/v1.26.1/bin/linux/arm64/kubelet"
    assert one.commands() == (
        f"curl -fLo {tmp_path}/kubelet --create-dirs "
        "https://dl.k8s.io/release/v1.26.1/bin/linux/arm64/kubelet",
        f"echo '{sums.BINARIES['linux', 'arm64', 'kubelet']}  {tmp_path}/kubelet' "
        f"| sha256sum --check && chmod 755 {tmp_path}/kubelet",
    )
    assert one.already() == ""
    (tmp_path / "kubelet").touch()
    assert one.already() == "downloaded"


def test_processors_mirrors_and_ways_do_not_share_a_folder(cache_home: Path) -> None:
    releases = [
        source.choose("download", DESKTOP),
        source.choose("download", ARM),
        source.choose("download", DESKTOP, "https://mirror.example.org"),
        source.choose("build", DESKTOP),
        source.choose("build", ARM),
    ]
    assert len({release.binary("kubelet") for release in releases}) == 5
    assert len({release.identity() for release in releases}) == 5
    assert all(
        release.binary("kubelet").is_relative_to(cache_home / "release" / "v1.26.1")
        for release in releases
    )


def test_a_folder_in_the_cache_is_not_built_again() -> None:
    release = source.choose("build", SANDBOX)
    release.folder(KUBERNETES_BUILD).mkdir(parents=True)
    assert "kubernetes" not in [one.name for one in release.missing_builds()]
    assert (
        GoCompile(KUBERNETES_BUILD, release.folder(KUBERNETES_BUILD))
        .already()
        .startswith("built (kubernetes-")
    )


def test_other_flags_are_another_build() -> None:
    release = source.choose("build", SANDBOX)
    assert release.folder(replace(KUBERNETES_BUILD, tags="")) != release.folder(KUBERNETES_BUILD)
    assert release.folder(replace(KUBERNETES_BUILD, ldflags="")) != release.folder(KUBERNETES_BUILD)
    assert release.folder(replace(KUBERNETES_BUILD, seconds=1)) == release.folder(KUBERNETES_BUILD)


def test_every_system_image_has_a_build_for_its_binary() -> None:
    built = {name for one in BUILDS for name in one.binaries}
    assert {image.binary for image in IMAGES} <= built


def test_the_compile_command_is_the_whole_truth() -> None:
    pause = next(one for one in BUILDS if one.name == "pause")
    assert GoCompile(pause, Path("/cache/pause")).commands() == (
        "go build -v -trimpath -buildvcs=false -mod=readonly -ldflags '-s -w' "
        "-o /cache/pause/pause .",
    )


def test_the_compile_command_of_kubernetes_can_be_pasted() -> None:
    (line,) = GoCompile(KUBERNETES_BUILD, Path("/cache/k")).commands()
    start = (
        "go build -v -trimpath -buildvcs=false -mod=readonly -tags providerless -ldflags '-s -w -X "
        "k8s.io/component-base/version.gitVersion=v1.26.1"
    )
    assert line.startswith(start)
    assert " -o /cache/k/ k8s.io/kubernetes/cmd/kubeadm k8s.io/kubernetes/cmd/kubelet " in line


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        (recorded("release/go_version"), 19),
        ("go version go1.22.5 linux/arm64", 22),
        ("go version devel go1.21-1b4f1dc95d Mon Aug 7 18:04:34 2023 +0000 linux/amd64", 21),
        ("gccgo (Debian 12.2.0-14) 12.2.0", 0),
        ("", 0),
    ],
)
def test_go_versions(text: str, minor: int) -> None:
    assert go.go_minor(text) == minor


def test_a_go_that_does_not_fit_is_passed_over_for_debians(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(go, "DEBIAN_GO", str(tmp_path / "go-1.{}"))
    monkeypatch.setattr("kubeup.core.shell.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(
        "kubeup.core.shell.read",
        lambda *argv, **more: Output(0, "go version go1.24.4 linux/amd64", ""),
    )
    root = go.debian_root(Origin())
    assert go.go_tool() == ""
    ours = go.unpacked(root) / "usr" / "lib" / "go-1.19" / "bin" / "go"
    ours.parent.mkdir(parents=True)
    ours.touch()
    assert go.go_tool() == str(ours)
    assert go.UnpackGo(root).already() == "in the cache"


def test_without_a_fitting_go_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(build, "go_tool", lambda: "")
    error = error_of(GoCompile(KUBERNETES_BUILD, tmp_path / "k").run, print)
    assert "release.source to download" in error.next
    assert not (tmp_path / "k").exists()


def test_kubernetes_is_compiled_on_linux_alone() -> None:
    mac = replace(DESKTOP, system="Darwin")
    assert isinstance(error_of(source.choose, "build", mac), UsageError)
    assert source.choose("auto", mac).source == "download"


def test_without_docker_hub_what_only_it_has_is_built_beside_a_download() -> None:
    release = source.choose("download", SANDBOX, hub=False)
    assert [build.name for build in release.builds] == ["kube-router"]
    pulled = [image.binary for image in IMAGES if release.pulls(image)]
    assert "kube-router" not in pulled and len(pulled) == len(IMAGES) - 1
    whole = source.choose("download", SANDBOX)
    assert whole.builds == () and all(map(whole.pulls, IMAGES))
    assert whole.identity() != release.identity()
