"""minikube's command lines, and which driver they name: data in, data out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kubeup.cluster.providers.minikube.facts import DryRun
from kubeup.core.errors import Refused
from kubeup.facts import registries
from kubeup.facts.host import HostFacts
from kubeup.settings import Settings
from kubeup.settings.providers import minikube as wanted

# minikube reads any flag from the environment, also those that a command lacks
QUIET = {
    "MINIKUBE_IN_STYLE": "false",
    "MINIKUBE_WANTUPDATENOTIFICATION": "false",
    "MINIKUBE_WANTBETAUPDATENOTIFICATION": "false",
}
WAIT_SECONDS = 360.0
# minikube's pkg/minikube/reason
NO_DRIVER = ("DRV_NOT_DETECTED", "DRV_NOT_HEALTHY", "DRV_DOCKER_NOT_RUNNING")


LISTED = "https://minikube.sigs.k8s.io/docs/drivers/ lists them"
# programs of those that minikube's virtual machines run on
HYPERVISORS = frozenset({"VBoxManage", "virsh", "vfkit"})


@dataclass(frozen=True)
class Driver:
    """The words that choose a driver, and why these."""

    words: tuple[str, ...]
    why: str


def driver(wanted: str, probed: DryRun, host: HostFacts) -> Driver:
    """The how-to's `--vm=true` where minikube finds a hypervisor for it, else the driver taken
    instead, and why.

    `probed` is a dry run with `--vm=true`. Raises Refused where there is no driver at all.
    """
    if wanted != "auto":
        return Driver((f"--driver={wanted}",), "named in minikube.driver")
    if probed.error not in NO_DRIVER:
        return Driver(
            ("--vm=true",), f"minikube takes the VM driver {probed.driver or 'it finds first'}"
        )
    if not host.linux:
        # containers there are in a machine of their own, and nobody outside reaches their
        # addresses: kubernetes/minikube#18747
        raise Refused(
            f"minikube has no hypervisor on this {host.system_name}",
            f"{probed.error}: {probed.message or 'it found none'}",
            to_install(host),
        )
    found = _containers(
        host, f"--vm=true finds no hypervisor here ({probed.error}), so nodes are containers"
    )
    if found:
        return found
    raise Refused(
        "minikube has no driver on this machine",
        f"{probed.error}: {probed.message or 'neither a hypervisor nor a container engine'}",
        to_install(host),
    )


def to_install(host: HostFacts) -> str:
    """What a machine without any driver can be given."""
    if host.linux:
        return f"install one, such as `apt-get install podman` or VirtualBox; {LISTED}"
    return (
        f"install one, such as `brew install vfkit` or VirtualBox ({LISTED}); or set "
        "minikube.driver to docker, "
        "where the addresses of its containers can be reached from here"
    )


def expected(host: HostFacts) -> Driver | None:
    """The driver that minikube will most likely take, by what this machine has; None where it has
    nothing for nodes.

    For a minikube that is not here yet, which is asked itself as soon as it is.
    """
    if HYPERVISORS & host.tools:
        return Driver(("--vm=true",), "there is a hypervisor here")
    return _containers(host, "no hypervisor is known here, so nodes are containers")


def _containers(host: HostFacts, reason: str) -> Driver | None:
    for name, tool in (("docker", "docker-engine"), ("podman", "podman")) if host.linux else ():
        if tool in host.tools:
            return Driver((f"--driver={name}",), f"{reason} of {name}")
    return None


def probe(settings: Settings, host: HostFacts) -> tuple[str, ...]:
    """Whether `--vm=true` finds a driver: the start itself, dry."""
    return (
        "start",
        *_cluster(settings),
        "--vm=true",
        *_sized(settings),
        *_force(settings, host),
        "--dry-run",
        "--output=json",
    )


def start(settings: Settings, chosen: Driver, host: HostFacts) -> tuple[str, ...]:
    """The how-to's command, flag for flag, with what the settings add behind it."""
    return (
        "start",
        *_cluster(settings),
        *chosen.words,
        *_sized(settings),
        *_passed_through(settings),
        *_force(settings, host),
        *_patient(host),
        *settings.minikube.extra_args,
    )


def restart(settings: Settings, host: HostFacts) -> tuple[str, ...]:
    """Start again what is there; everything else minikube has kept."""
    return ("start", *on(settings), *_force(settings, host), *_patient(host))


def _patient(host: HostFacts) -> tuple[str, ...]:
    """How long minikube waits for its Kubernetes, where its own 6 minutes are too few here."""
    limit = host.pace.seconds(WAIT_SECONDS)
    return (f"--wait-timeout={limit:.0f}s",) if limit > WAIT_SECONDS else ()


def on(settings: Settings) -> tuple[str, str]:
    """The profile: without it minikube takes the profile `minikube`, whoever's that is."""
    return ("-p", settings.minikube.profile)


def plain_registries(settings: Settings) -> tuple[str, ...]:
    """Registries that nodes have to be told of: they pull from them, and not over TLS."""
    return settings.images.plain_registries if settings.images.via == "registry" else ()


def hub_mirror(settings: Settings) -> str:
    """The mirror of Docker Hub that minikube takes for dockerd; '' where there is none."""
    return registries.unplaced(settings.images.mirrors.get(registries.HUB, ()))


def _cluster(settings: Settings) -> tuple[str, ...]:
    return (
        f"--kubernetes-version={settings.software.kubernetes}",
        f"--memory={wanted.memory(settings)}",
        f"--cpus={wanted.cpus(settings)}",
        f"--disk-size={settings.minikube.disk_size}",
    )


def _sized(settings: Settings) -> tuple[str, ...]:
    return (f"--nodes={settings.minikube.nodes}", *on(settings))


def _force(settings: Settings, host: HostFacts) -> tuple[str, ...]:
    """minikube refuses root (DRV_AS_ROOT) and a Kubernetes it calls too old
    (K8S_OLD_UNSUPPORTED) unless told.
    """
    return ("--force",) if settings.minikube.force or host.root else ()


def _passed_through(settings: Settings) -> Iterable[str]:
    """Settings that are flags of `minikube start` by the same name."""
    chosen = settings.minikube
    flags: Mapping[str, str | None] = {
        "container-runtime": chosen.container_runtime,
        "base-image": chosen.base_image,
        "feature-gates": chosen.feature_gates,
        "cni": chosen.cni,
        "image-repository": chosen.image_repository,
        "image-mirror-country": chosen.image_mirror_country,
        "registry-mirror": chosen.registry_mirror or hub_mirror(settings),
        "binary-mirror": chosen.binary_mirror,
    }
    yield from (f"--{name}={value}" for name, value in flags.items() if value)
    yield from (f"--insecure-registry={name}" for name in plain_registries(settings))
    yield from (
        f"--{name}=false"
        for name, value in (("preload", chosen.preload), ("cache-images", chosen.cache_images))
        if not value
    )
