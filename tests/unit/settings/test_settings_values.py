"""Values that are refused: each with its place, what was found and what is allowed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kubeup.settings import Loaded, Problem

One = Callable[..., Problem]
Load = Callable[..., Loaded]


@pytest.mark.parametrize(
    ("keys", "key", "found", "allowed"),
    [
        ("ports: {api: 29999}", "ports.api", "29999", "30000 to 32767"),
        ("ports: {ui: 32768}", "ports.ui", "32768", "30000 to 32767"),
        ("ports: {http: 65536}", "ports.http", "65536", "0 to 65535"),
        ("nodes: {control: {cpu: 1}}", "nodes.control.cpu", "1", "2 to 256"),
        ("nodes: {control: {memory: 1699}}", "nodes.control.memory", "1699", "from 1700"),
        ("nodes: {workers: {count: 21}}", "nodes.workers.count", "21", "0 to 20"),
        ("nodes: {workers: {count: -1}}", "nodes.workers.count", "-1", "0 to 20"),
        ("nodes: {workers: {memory: 512}}", "nodes.workers.memory", "512", "from 1024"),
        ("nodes: {workers: {count: many}}", "nodes.workers.count", "many", "0 to 20"),
        ("nodes: {workers: {count: 2.5}}", "nodes.workers.count", "2.5", "0 to 20"),
        ("nodes: 3", "nodes", "3", "keys and values"),
        ("nodes: [1]", "nodes", "a list", "keys and values"),
        ("cluster_name: {a: b}", "cluster_name", "keys and values", "1 to 63 characters"),
        ("network: {dns_servers: 8.8.8.8}", "network.dns_servers", "8.8.8.8", "1 to 3"),
        ("network: {dns_servers: []}", "network.dns_servers", "0 values", "1 to 3"),
        (
            "network: {dns_servers: [1.1.1.1, 1.1.1.2, 1.1.1.3, 1.1.1.4]}",
            "network.dns_servers",
            "4 values",
            "1 to 3",
        ),
        ("network: {dns_servers: [8.8.8]}", "network.dns_servers.0", "8.8.8", "IPv4"),
        ("network: {control_ip: 192.168.1.256}", "network.control_ip", "192.168.1.256", "IPv4"),
        ("network: {control_ip: '::1'}", "network.control_ip", "::1", "IPv4"),
        ("network: {pod_cidr: 10.244.0.0}", "network.pod_cidr", "10.244.0.0", "IPv4 network"),
        ("network: {pod_cidr: 10.244.0.0/33}", "network.pod_cidr", "10.244.0.0/33", "IPv4 network"),
        ("network: {pod_cidr: 10.244.0.0/25}", "network.pod_cidr", "10.244.0.0/25", "/8 to /24"),
        (
            "network: {service_cidr: 10.96.0.0/11}",
            "network.service_cidr",
            "10.96.0.0/11",
            "/12 to /28",
        ),
        (
            "network: {service_cidr: 127.0.0.0/16}",
            "network.service_cidr",
            "127.0.0.0/16",
            "private",
        ),
        (
            "network: {control_ip: 192.168.60.1}",
            "network.control_ip",
            "192.168.60.1",
            "192.168.60.2 to",
        ),
        (
            "network: {control_ip: 192.168.60.255}",
            "network.control_ip",
            "192.168.60.255",
            "192.168.60.254",
        ),
        ("network: {cni: briidge}", "network.cni", "briidge", "bridge, flannel, calico"),
        (
            "provider: docker",
            "provider",
            "docker",
            "auto, local, minikube, vagrant, hosts, existing",
        ),
        ("software: {kubernetes: v1.27.3}", "software.kubernetes", "v1.27.3", "1.26.x"),
        ("software: {kubernetes: 1.26.99}", "software.kubernetes", "1.26.99", "1.26.x"),
        ("software: {kubernetes: latest}", "software.kubernetes", "latest", "a full version"),
        ("software: {containerd: new}", "software.containerd", "new", "a version"),
        ("database: {replicas: 0}", "database.replicas", "0", "1"),
        ("database: {version: '9.0'}", "database.version", "9.0", "8.4, 8.0, 5.7"),
        (
            "database: {engine: mariadb, version: '8.4'}",
            "database.version",
            "8.4",
            "for mariadb: 10.11",
        ),
        ("database: {storage: 1 GB}", "database.storage", "1 GB", "1Gi"),
        ("database: {name: a-b}", "database.name", "a-b", "letters"),
        ("database: {name: mysql}", "database.name", "mysql", "any other name"),
        ("database: {user: root}", "database.user", "root", "any other name"),
        ("release: {base_url: 'ftp://x'}", "release.base_url", "ftp://x", "URL"),
        ("images: {registry: 'a/b'}", "images.registry", "a/b", "host"),
        ("images: {via: registry}", "images.prefix", "nothing", "an account"),
        ("images: {api: same, ui: same}", "images.ui", "same", "another name"),
        ("images: {prefix: Team}", "images.prefix", "Team", "account"),
        ("images: {mirrors: [docker.io]}", "images.mirrors", "a list", "names and values"),
        (
            "images: {mirrors: https://mirror.example.com}",
            "images.mirrors",
            "https://mirror.example.com",
            "names and values",
        ),
        (
            "images: {mirrors: {docker.io: https://mirror.example.com}}",
            "images.mirrors.docker.io",
            "https://mirror.example.com",
            "a list",
        ),
        (
            "images: {mirrors: {docker.io: [mirror.example.com]}}",
            "images.mirrors.docker.io.0",
            "mirror.example.com",
            "https://mirror.example.com",
        ),
        (
            "images: {mirrors: {docker.io: ['https://ana:pw@mirror.example.com']}}",
            "images.mirrors.docker.io.0",
            "https://********@mirror",
            "URL",
        ),
        (
            "images: {mirrors: {'https://docker.io': ['https://m.example.com']}}",
            "images.mirrors.https://docker.io",
            "not a registry's name",
            "host",
        ),
        (
            "images: {mirrors: {docker.io: ['http://mirror.example.com']}}",
            "images.mirrors.docker.io.0",
            "http://mirror.example.com",
            "https://",
        ),
        (
            "images: {registry: registry.example.com, insecure: true}",
            "images.insecure",
            "true",
            "private address",
        ),
        (
            "images: {mirrors: {docker.io: ['http://8.8.8.8:5000']}}",
            "images.mirrors.docker.io.0",
            "http://8.8.8.8:5000",
            "private address",
        ),
        (
            "network: {ca_certificates: company.pem}",
            "network.ca_certificates",
            "company.pem",
            "a list",
        ),
        ("minikube: {disk_size: 10}", "minikube.disk_size", "10", "10GB"),
        ("minikube: {extra_args: [force]}", "minikube.extra_args.0", "force", "an option"),
        ("hosts: [{name: Node_1, address: 10.0.0.1}]", "hosts.0.name", "Node_1", "lower-case"),
        ("hosts: [{name: one}]", "hosts.0.address", "missing", "IPv4 address or a host name"),
        ("hosts: [{name: one, address: a, port: 65536}]", "hosts.0.port", "65536", "1 to 65535"),
        ("hosts: [text]", "hosts.0", "text", "keys and values"),
        ("provider: hosts", "hosts", "no machines", "exactly one control plane"),
        ("provider: existing", "existing.context", "nothing", "a context's name"),
        (
            "shared_folders: [{host_path: a, vm_path: b}]",
            "shared_folders.0.vm_path",
            "b",
            "absolute",
        ),
        (
            "shared_folders: [{host_path: a, vm_path: /srv/$(b)}]",
            "shared_folders.0.vm_path",
            "/srv/$(b)",
            "letters, digits",
        ),
        ("ssh: {user: 'a b'}", "ssh.user", "a b", "Unix user"),
        ("ssh: {private_key_path: $HOME/id}", "ssh.private_key_path", "$HOME/id", "without $NAME"),
        ("ssh: {public_key_path: 'a/${B}'}", "ssh.public_key_path", "a/${B}", "without $NAME"),
        ("ssh: {private_key_path: ~nobody here/id}", "ssh.private_key_path", "~nobody", "a path"),
        ("state_dir: ../../etc", "state_dir", "../../etc", "without .."),
        ("state_dir: /srv/../etc", "state_dir", "/srv/../etc", "without .."),
        ("state_dir: '/srv/a:b'", "state_dir", "/srv/a:b", "without .. and :"),
        ("state_dir: ''", "state_dir", "''", "a folder of the project"),
        (
            "minikube: {registry_mirror: 'https://a.example.com/$(b)'}",
            "minikube.registry_mirror",
            "https://a.example.com/$(b)",
            "letters, digits",
        ),
        ("minikube: {base_image: 'a:`b`'}", "minikube.base_image", "a:`b`", "an image"),
        ("minikube: {extra_args: [--a=$(b)]}", "minikube.extra_args.0", "--a=$(b)", "an option"),
    ],
)
def test_refused(one_problem: One, keys: str, key: str, found: str, allowed: str) -> None:
    problem = one_problem(keys)
    assert (problem.severity, problem.key, problem.line) == ("error", key, 5)
    assert found in problem.found
    assert allowed in problem.allowed


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("nodes: {control: {memory: 1024}}", "kubeadm refuses"),
        ("nodes: {control: {cpu: 1}}", "kubeadm refuses"),
        ("ports: {api: 80}", "NodePorts from this range"),
        ("database: {replicas: 3}", "databases of their own"),
        ("database: {vm: worker-3}", "one of the machines"),
        ("database: {vm: db}", "one of the machines"),
        ("{nodes: {database: {count: 1}}, database: {address: 192.168.60.50}}", "on one machine"),
        ("{provider: minikube, nodes: {database: {count: 1}}}", "no machines besides its nodes"),
        (
            "{nodes: {database: {count: 1}}, network: {control_ip: 192.168.60.2}}",
            "the database's machine gets that one",
        ),
        ("database: {vm: worker-1, address: 192.168.60.50}", "on one machine"),
        ("software: {kubernetes: 1.30.0}", "tested for 1.26 only"),
        ("database: {user: root}", "user of its own"),
        ("network: {control_ip: 192.168.060.10}", "octal"),
    ],
)
def test_refused_with_its_reason(one_problem: One, keys: str, why: str) -> None:
    problem = one_problem(keys)
    assert problem.severity == "error"
    assert why in problem.why


def test_more_than_one_replica_is_the_documented_trap(one_problem: One) -> None:
    problem = one_problem("database: {replicas: 3}")
    assert (problem.trap, problem.found, problem.allowed) == (24, "3", "1")


@pytest.mark.parametrize("text", ["1.26.1-00", "1.26.1", "v1.26.1"])
def test_spellings_of_a_kubernetes_version(load_profile: Load, text: str) -> None:
    assert (
        load_profile(f"software: {{kubernetes: {text}}}").require().software.kubernetes == "1.26.1"
    )


@pytest.mark.parametrize(
    ("keys", "allowed"),
    [("software: {kubernetes: 1.26.5}", "1.26.1"), ("network: {cni: calico}", "bridge")],
)
def test_what_nodes_in_containers_do_not_hold_is_refused(
    one_problem: One, load_profile: Load, keys: str, allowed: str
) -> None:
    problem = one_problem(f"provider: local\n{keys}")
    assert (problem.severity, problem.allowed) == ("error", allowed)
    # the release is pinned everywhere
    assert bool(load_profile(f"provider: vagrant\n{keys}").problems) == ("kubernetes" in keys)


@pytest.mark.parametrize("key", ["contained", "containerd"])
@pytest.mark.parametrize("text", ["v1.7.2", "1.7.2"])
def test_both_spellings_of_containerd(load_profile: Load, key: str, text: str) -> None:
    assert load_profile(f"software: {{{key}: {text}}}").require().software.containerd == "1.7.2"


def test_both_spellings_at_once(one_problem: One) -> None:
    problem = one_problem("software: {contained: v1.6, containerd: v1.7}")
    assert problem.key == "settings.users.dev.software.containerd"
    assert problem.found == "given twice, first in line 5"


def test_an_override_takes_the_place_of_either_spelling(load_profile: Load) -> None:
    loaded = load_profile("software: {contained: v1.6}", ("software.containerd=1.7",))
    assert loaded.require().software.containerd == "1.7"


def test_mysql_5_7_is_possible_and_told(load_profile: Load) -> None:
    loaded = load_profile("database: {version: '5.7'}")
    assert loaded.require().database.version == "5.7"
    assert [(p.severity, p.trap) for p in loaded.problems] == [("warning", 18)]


@pytest.mark.parametrize("address", ["0.0.0.0", "255.255.255.255"])  # noqa: S104 - nobody binds
def test_the_ends_of_all_addresses_are_refused(load_profile: Load, address: str) -> None:
    keys = f"network: {{control_ip: {address}}}\ndatabase: {{vm: worker-9}}\n"
    found = load_profile(f"{keys}nodes: {{database: {{count: 1}}}}").errors
    assert {"network.control_ip", "database.vm"} == {problem.key for problem in found}


def test_each_engine_has_a_version_of_its_own(load_profile: Load) -> None:
    assert load_profile("database: {engine: mysql}").require().database.version == "8.4"
    assert load_profile("database: {engine: mariadb}").require().database.version == "10.11"


def test_everything_wrong_is_said_in_one_run_in_the_order_of_the_file(load_profile: Load) -> None:
    loaded = load_profile(
        """
        provider: vagrnt
        ports: {api: 1, ui: 2}
        nodez: {}
        network:
          pod_cidr: 10.0.0.0/8
          service_cidr: 10.96.0.0/16
          control_ip: nowhere
        database: {replicas: 2, replicas: 1}
        """
    )
    assert loaded.settings is None
    assert [(p.line, p.key) for p in loaded.errors] == [
        (5, "provider"),
        (6, "ports.api"),
        (6, "ports.ui"),
        (7, "nodez"),
        (10, "network.service_cidr"),
        (11, "network.control_ip"),
        (12, "database.replicas"),
        (12, "settings.users.dev.database.replicas"),
    ]


def test_a_check_is_left_out_when_one_of_its_values_is_unreadable(one_problem: One) -> None:
    # Without ports.api its default 31000 stands in: that ui has 31000 says nothing then.
    assert one_problem("ports: {api: lots, ui: 31000}").key == "ports.api"


def test_items_keep_their_numbers_beside_an_unreadable_one(load_profile: Load) -> None:
    loaded = load_profile(
        "hosts:\n  - text\n  - {name: two, address: 1.20}\n  - {name: Three, address: a}\n"
    )
    assert [(p.line, p.key) for p in loaded.errors] == [
        (6, "hosts.0"),
        (7, "hosts.1.address"),
        (8, "hosts.2.name"),
    ]


def test_settings_are_frozen(load_profile: Load) -> None:
    settings = load_profile("{}").require()
    with pytest.raises(ValueError, match="frozen"):
        settings.provider = "local"
