"""minikube's command lines, and which driver they name: data in, data out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kubeup.cluster.providers.external_tool import Words
from kubeup.cluster.providers.minikube.facts import DryRun
from kubeup.core.errors import Refused
from kubeup.facts import registries
from kubeup.facts.host import HostFacts
from kubeup.settings import Settings
from kubeup.settings.providers import minikube as node_size

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
# container drivers, each with what `HostFacts.tools` calls its engine
ENGINES = {"docker": "docker-engine", "podman": "podman"}
# settings that are flags of `minikube start` by the same name
FLAGS = (
    "container_runtime",
    "base_image",
    "feature_gates",
    "cni",
    "image_repository",
    "image_mirror_country",
    "registry_mirror",
    "binary_mirror",
)
SWITCHES = ("preload", "cache_images")  # on by default in minikube as well


@dataclass(frozen=True)
class Driver:
    """The word that chooses a driver, and why this one."""

    word: str
    why: str


VM = "--vm=true"  # the how-to's words: any driver that makes virtual machines
HOWTO = Driver(VM, "as the how-to has it")


def driver(wanted: str, probed: DryRun, host: HostFacts) -> Driver:
    """The how-to's `--vm=true` where minikube finds a hypervisor for it, else containers.

    `probed` is a dry run with `--vm=true`. Raises Refused where there is no driver at all.
    """
    if wanted != "auto":
        return Driver(f"--driver={wanted}", "named in minikube.driver")
    if probed.error not in NO_DRIVER:
        return Driver(VM, f"minikube takes the VM driver {probed.driver or 'it finds first'}")
    reason = f"{VM} finds no hypervisor here ({probed.error}), so nodes are containers"
    if chosen := _containers(host, reason):
        return chosen
    what, lacking = "no driver on this machine", "neither a hypervisor nor a container engine"
    if not host.linux:
        what, lacking = f"no hypervisor on this {host.system_name}", "it found none"
    why = f"{probed.error}: {probed.message or lacking}"
    raise Refused(f"minikube has {what}", why, to_install(host))


def to_install(host: HostFacts) -> str:
    """What a machine without any driver can be given."""
    if host.linux:
        return f"install one, such as `apt-get install podman` or VirtualBox; {LISTED}"
    return (
        f"install one, such as `brew install vfkit` or VirtualBox ({LISTED}); or set "
        "minikube.driver to docker, where the addresses of its containers can be reached from here"
    )


def expected(host: HostFacts) -> Driver | None:
    """The driver that minikube will most likely take, by what this machine has, if any.

    For a minikube that is not here yet, which is asked itself as soon as it is.
    """
    if HYPERVISORS & host.tools:
        return Driver(VM, "there is a hypervisor here")
    return _containers(host, "no hypervisor is known here, so nodes are containers")


def _containers(host: HostFacts, reason: str) -> Driver | None:
    # elsewhere containers are in a machine of their own, and nothing outside reaches their
    # addresses: kubernetes/minikube#18747
    engines = ENGINES if host.linux else {}
    for name, tool in engines.items():
        if tool in host.tools:
            return Driver(f"--driver={name}", f"{reason} of {name}")
    return None


def probe(settings: Settings, host: HostFacts) -> Words:
    """Whether `--vm=true` finds a driver: the start itself, dry."""
    force = _force(settings, host)
    return (*_cluster(settings, VM), *force, "--dry-run", "--output=json")


def start(settings: Settings, chosen: Driver, host: HostFacts) -> Words:
    """The how-to's command, flag for flag, with what the settings add behind it."""
    return (
        *_cluster(settings, chosen.word),
        *_passed_through(settings),
        *_force(settings, host),
        *_patience(host),
        *settings.minikube.extra_args,
    )


def restart(settings: Settings, host: HostFacts) -> Words:
    """Start again what is there; everything else minikube has kept."""
    profile = settings.minikube.profile
    return ("start", "-p", profile, *_force(settings, host), *_patience(host))


def plain_registries(settings: Settings) -> Words:
    """Registries that the nodes pull from without TLS: they have to be told so."""
    images = settings.images
    if images.via != "registry":
        return ()
    return images.plain_registries


def _cluster(settings: Settings, driver: str) -> Words:
    chosen = settings.minikube
    return (
        "start",
        f"--kubernetes-version={settings.software.kubernetes}",
        f"--memory={node_size.memory(settings)}",
        f"--cpus={node_size.cpus(settings)}",
        f"--disk-size={chosen.disk_size}",
        driver,
        f"--nodes={chosen.nodes}",
        "-p",
        chosen.profile,
    )


def _patience(host: HostFacts) -> Words:
    """How long minikube waits for its Kubernetes, where its own 6 minutes are too few here."""
    limit = host.pace.seconds(WAIT_SECONDS)
    if limit <= WAIT_SECONDS:
        return ()
    return (f"--wait-timeout={limit:.0f}s",)


def _force(settings: Settings, host: HostFacts) -> Words:
    """minikube refuses root (DRV_AS_ROOT) and an old Kubernetes (K8S_OLD_UNSUPPORTED) without."""
    if settings.minikube.force or host.root:
        return ("--force",)
    return ()


def _passed_through(settings: Settings) -> Iterator[str]:
    chosen = settings.minikube
    values = {name: getattr(chosen, name) for name in FLAGS}
    if not chosen.registry_mirror:
        # the one mirror of Docker Hub that minikube takes for dockerd
        hub = settings.images.mirrors.get(registries.HUB, ())
        values["registry_mirror"] = registries.unplaced(hub)
    for name, value in values.items():
        if value:
            yield _flag(name, value)
    for registry in plain_registries(settings):
        yield f"--insecure-registry={registry}"
    for name in SWITCHES:
        if not getattr(chosen, name):
            yield _flag(name, "false")


def _flag(name: str, value: str) -> str:
    return f"--{name.replace('_', '-')}={value}"
