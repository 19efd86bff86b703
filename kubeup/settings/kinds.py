"""The kinds of value a setting can have: what is allowed, and why."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from kubeup.core import paths
from kubeup.core.paths import NOT_IN_LINE


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a message about this key says beside what was found.

    Where `allowed` is empty it is told from the kind: its choices, its range, or its word.
    """

    allowed: str = ""
    why: str = ""
    hint: str = ""
    trap: int | None = None


SUPPORTED_MINOR = 26
_PATCHES = range(16)  # 1.26.15 is the last that was released
_KUBERNETES = re.compile(rf"v?(1\.{SUPPORTED_MINOR}\.(\d{{1,2}}))(?:-\d+)?")
# `1.6.20-1` is how Debian's package is called
_SOFTWARE = re.compile(r"v?(\d{1,4}(?:\.\d{1,4}){1,2})(?:-\d+)?")


def read_address(value: object) -> object:
    return IPv4Address(value) if isinstance(value, str) else value


def read_network(value: object) -> object:
    """Host bits are dropped here; the check named `host_bits` tells."""
    if not isinstance(value, str):
        return value
    if "/" not in value:
        raise ValueError("the prefix length is missing")
    return IPv4Network(value, strict=False)


def read_folder(value: object) -> object:
    if isinstance(value, str):
        try:
            Path(value).expanduser()
        except RuntimeError:  # of `~name`, which stands for that user's home
            raise ValueError("there is no such user") from None
    return value


def read_state_folder(value: object) -> object:
    if isinstance(value, str) and (":" in value or ".." in PurePosixPath(value).parts):
        raise ValueError("it leads elsewhere")
    return value


def read_kubernetes(value: object) -> object:
    """`1.26.1-00` (a Debian package's version), `v1.26.1` and `1.26.1` are the same."""
    match = _KUBERNETES.fullmatch(value) if isinstance(value, str) else None
    if match is None or int(match[2]) not in _PATCHES:
        raise ValueError("not a version that is supported")
    return f"1.{SUPPORTED_MINOR}.{int(match[2])}"


def read_version(value: object) -> object:
    match = _SOFTWARE.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("not a version")
    return match[1]


# Lengths are max_length, not {1,1024}: pydantic's pattern engine unrolls those, and each costs
# milliseconds to compile (rust-lang/regex#802).
_LINE = rf"^[^{NOT_IN_LINE}]+$"
# Vagrant and minikube put some values into double quotes of a shell, or between none: there these
# mean themselves (shell_expand_guest_path.rb; pkg/provision/provision.go).
_IN_SHELL = r"A-Za-z0-9._~%:/?=+,@"
_HOST = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"

Address = Annotated[
    IPv4Address,
    BeforeValidator(read_address),
    WithJsonSchema({"type": "string", "format": "ipv4"}),
    Constraint(
        "an IPv4 address such as 192.168.60.10",
        "it has four numbers from 0 to 255, without leading zeros, which could mean octal",
    ),
]
Cidr = Annotated[
    IPv4Network,
    BeforeValidator(read_network),
    WithJsonSchema({"type": "string", "pattern": r"^\d+\.\d+\.\d+\.\d+/\d+$"}),
    Constraint("an IPv4 network with its prefix length, such as 10.244.0.0/16"),
]
KubernetesVersion = Annotated[
    str,
    BeforeValidator(read_kubernetes),
    Constraint(
        f"a full version 1.{SUPPORTED_MINOR}.x, such as 1.26.1, v1.26.1 or 1.26.1-00",
        "the binaries, images and CNI settings used here are made and tested for "
        f"1.{SUPPORTED_MINOR} only",
    ),
]
Version = Annotated[
    str, BeforeValidator(read_version), Constraint("a version such as 1.6.20 or v1.6")
]
BoxVersion = Annotated[
    str,
    Field(pattern=r"^[0-9]+(\.[0-9A-Za-z]+)*$", max_length=63),
    Constraint("one version as the box's publisher writes it, such as 202502.21.0"),
]
# kube-apiserver's --service-node-port-range, which kubeadm leaves as it is
NodePort = Annotated[
    int,
    Field(ge=30000, le=32767),
    Constraint(why="Kubernetes gives NodePorts from this range only"),
]
Port = Annotated[int, Field(ge=1, le=65535)]
# kubeadm's own minimum: ControlPlaneNumCPU and ControlPlaneMem in cmd/kubeadm/app/constants
ControlCpus = Annotated[
    int,
    Field(ge=2, le=256),
    Constraint(why="kubeadm refuses a control plane with less than 2 CPUs"),
]
ControlMemory = Annotated[
    int,
    Field(ge=1700, le=1048576),
    Constraint(
        "MB, from 1700 to 1048576", "kubeadm refuses a control plane with less than 1700 MB"
    ),
]
Cpus = Annotated[int, Field(ge=1, le=256)]
Memory = Annotated[int, Field(ge=1024, le=1048576), Constraint("MB, from 1024 to 1048576")]
Replicas = Annotated[
    int,
    Field(ge=1, le=1),
    Constraint(
        "1",
        "replicas of a plain StatefulSet are databases of their own: each write reaches one of "
        "them, and the replication example of Kubernetes' documentation does not work",
        trap=24,
    ),
]
Text = Annotated[str, Field(pattern=rf"^[^{NOT_IN_LINE}]*$"), Constraint("text in one line")]
Name = Annotated[
    str, Field(pattern=_LINE, max_length=63), Constraint("1 to 63 characters in one line")
]
ProfileName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z]([A-Za-z0-9_-]{0,38}[A-Za-z0-9])?$"),
    Constraint(
        "a letter, then letters, digits, - and _, up to 40, the last one no - or _",
        "nodes are named after it",
    ),
]
Folder = Annotated[
    str,
    Field(pattern=paths.USABLE, max_length=1024),
    BeforeValidator(read_folder),
    Constraint(paths.ALLOWED, paths.WHY, "~ is your home folder, ~name that of another user"),
]
StateFolder = Annotated[
    str,
    Field(pattern=paths.USABLE, max_length=1024),
    BeforeValidator(read_state_folder),
    Constraint(
        "a folder of the project, or an absolute path, without .. and : and $NAME or ${NAME}",
        "keys and other files are written there; KUBECONFIG takes a colon for a path's end",
        "write a folder outside the project from / on",
    ),
]
RemoteFolder = Annotated[
    str,
    Field(pattern=r"^/[\w ./@+,=~-]*$", max_length=1024),
    Constraint(
        "an absolute path on the node, such as /home/vagrant, of letters, digits, blanks and "
        "_ . @ + , = ~ -",
        "Vagrant gives it to a shell of the node",
    ),
]
# what useradd(8) takes
UserName = Annotated[
    str,
    Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$"),
    Constraint("a Unix user: lower-case letters, digits, _ and -, up to 32"),
]
# A node's name is a DNS subdomain (RFC 1123), and the value of its label kubernetes.io/hostname,
# which is no longer than 63.
HostName = Annotated[
    str,
    Field(pattern=rf"^{_HOST}(\.{_HOST})*$", max_length=63),
    Constraint("lower-case letters, digits, - and dots, as Kubernetes wants node names, up to 63"),
]
HostAddress = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$", max_length=253),
    Constraint("an IPv4 address or a host name"),
]
WebName = Annotated[
    str,
    Field(pattern=rf"^\.?{_HOST}(\.{_HOST})*$", max_length=253),
    Constraint("a host name such as shop.example.com, or .example.com for all below that one"),
]
# no login in it: it would stand in plans, logs and on nodes
Url = Annotated[
    str,
    Field(pattern=rf"^https?://[A-Za-z0-9.:\[\]-]+(/[{_IN_SHELL}-]*)?$"),
    Constraint(
        "a URL such as https://dl.k8s.io, of letters, digits and . _ ~ % : / ? = + , @ -",
        hint="write others as %XX",
    ),
]
REGISTRY = r"^[a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?(:[0-9]{1,5})?$"
Registry = Annotated[
    str,
    Field(pattern=REGISTRY),
    Constraint("a registry's host, such as docker.io or localhost:5000"),
]
Mirror = Annotated[
    str,
    Field(
        pattern=r"^https?://[a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?(:[0-9]{1,5})?"
        r"(/[a-z0-9]+([._-]+[a-z0-9]+)*)*/?$"
    ),
    Constraint(
        "a mirror's URL, such as https://mirror.example.com, or https://mirror.example.com/hub",
        hint="leave out logins: files on the nodes would show them",
    ),
]
# the name of a repository in OCI's distribution-spec
Repository = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]+([._-]+[a-z0-9]+)*$"),
    Constraint("an image's name: lower-case letters, digits, and . _ - between them"),
]
Prefix = Annotated[
    str,
    Field(pattern=r"^([a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*)?$"),
    Constraint("an account or path in the registry, such as my-team, or nothing"),
]
# What a registry may call an image (OCI's distribution-spec).
Reference = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]*$"),
    Constraint("an image, such as localhost/base:1"),
]
# a quantity of Kubernetes' API: Gi are of 1024, G of 1000
Storage = Annotated[
    str,
    Field(pattern=r"^[1-9][0-9]{0,6}(Ki|Mi|Gi|Ti|k|M|G|T)$"),
    Constraint("a size with its unit, such as 1Gi or 500Mi"),
]
DiskSize = Annotated[
    str,
    Field(pattern=r"^[1-9][0-9]{0,6}(mb|MB|m|gb|GB|g)$"),
    Constraint("a size with its unit, such as 10GB or 10000mb"),
]
# What needs no quotes in SQL. The server takes names of 64 and users of 32
# (https://dev.mysql.com/doc/refman/8.4/en/user-names.html).
DatabaseName = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_]{0,62}$"),
    Constraint("a lower-case letter, then lower-case letters, digits and _, up to 63"),
]
DatabaseUser = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_]{0,31}$"),
    Constraint("a lower-case letter, then lower-case letters, digits and _, up to 32"),
]
ObjectName = Annotated[
    str,
    Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$"),
    Constraint("letters, digits and _ . - after the first, up to 63"),
]
Pairs = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9]+=(true|false)(,[A-Za-z0-9]+=(true|false))*$"),
    Constraint("names with true or false, such as KubeletInUserNamespace=true"),
]
Country = Annotated[
    str, Field(pattern=r"^[a-z]{2}$"), Constraint("a country's two letters, such as cn")
]
Argument = Annotated[
    str,
    Field(pattern=rf'^-[^{NOT_IN_LINE}"$`\\]+$'),
    Constraint(
        'an option, such as --embed-certs, without " $ ` and a backslash',
        "minikube puts some options' values into a shell of the node",
    ),
]
Context = Annotated[
    str, Field(pattern=_LINE, max_length=253), Constraint("a context's name in the kubeconfig")
]


def slug(profile: str) -> str:
    """A profile's name as Kubernetes allows it in a node's, of its nodes and its state's folder."""
    return profile.lower().replace("_", "-")
