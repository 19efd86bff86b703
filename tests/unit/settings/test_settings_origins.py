"""Overrides, and where each value came from."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kubeup.settings import SECRET_KEYS, Loaded, Problem, origins, values
from kubeup.settings.overrides import variable
from kubeup.settings.scalars import REDACTED, shown
from kubeup.settings.shape import Shape

Load = Callable[..., Loaded]


def test_set_over_variable_over_file_over_default(load_profile: Load) -> None:
    keys = "nodes: {control: {cpu: 3, memory: 3000}, workers: {cpu: 3}}"
    environ = {"KUBEUP_NODES__CONTROL__CPU": "4", "KUBEUP_NODES__CONTROL__MEMORY": "4000"}
    settings = load_profile(keys, ("nodes.control.cpu=5",), environ=environ).require()
    assert (
        settings.nodes.control.cpu,
        settings.nodes.control.memory,
        settings.nodes.workers.cpu,
    ) == (5, 4000, 3)
    found = {
        key: str(origin)
        for key, origin in origins(settings).items()
        if key.startswith(("nodes.control", "nodes.workers"))
    }
    assert found.pop("nodes.workers.cpu").endswith("settings.yaml:5:63")
    assert found == {
        "nodes.control.cpu": "--set nodes.control.cpu",
        "nodes.control.memory": "KUBEUP_NODES__CONTROL__MEMORY",
        "nodes.workers.count": "default",
        "nodes.workers.memory": "default",
    }


def test_every_key_has_an_origin(load_profile: Load) -> None:
    settings = load_profile("hosts: [{name: one, address: 10.1.1.1}]").require()
    found = origins(settings)
    assert set(found) == set(values(settings))
    assert (found["hosts.0.name"].kind, found["hosts.0.name"].line) == ("file", 5)
    assert found["hosts.0.role"].kind == "default"
    assert found["profile"].line == 2


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("provider", "local", "local"),
        ("nodes.workers.count", "3", "3"),
        ("prod_test", "true", "true"),
        ("database.version", "8.0", "8.0"),
        ("database.version", '"8.0"', "8.0"),
        ("environment", "", ""),
        ("environment", "yes", "yes"),
        ("environment", "a: b #c", "a: b #c"),
        ("software.contained", "v1.7", "1.7"),
        ("network.dns_servers", "[9.9.9.9, 1.0.0.1]", "9.9.9.9, 1.0.0.1"),
        ("minikube.base_image", "null", ""),
    ],
)
def test_values_from_outside(load_profile: Load, key: str, text: str, value: str) -> None:
    known = key.replace("contained", "containerd")
    by_option = load_profile("minikube: {base_image: x}", (f"{key}={text}",)).require()
    by_variable = load_profile("minikube: {base_image: x}", environ={variable(key): text}).require()
    assert values(by_option)[known] == values(by_variable)[known] == value


@pytest.mark.parametrize(
    ("option", "where", "found"),
    [
        ("ports.api=80", "--set ports.api", "80"),
        ("ports.api=", "--set ports.api", "no value"),
        ("ports.api=[", "--set ports.api", "not YAML"),
        ("ports.api", "--set ports.api", "no ="),
        ("ports.ap=1", "--set ports.ap", "no such key"),
        ("ports.api.x=1", "--set ports.api.x", "no such key"),
        ("ports=1", "--set ports", "1"),
        ("=1", "--set ", "no such key"),
    ],
)
def test_wrong_options(
    one_problem: Callable[..., Problem], option: str, where: str, found: str
) -> None:
    problem = one_problem("{}", (option,))
    assert (problem.severity, problem.where) == ("error", where)
    assert found in problem.found


def test_wrong_variables_name_the_variable(load_profile: Load) -> None:
    (problem,) = load_profile("{}", environ={"KUBEUP_PORTS__API": "x"}).errors
    assert (problem.where, problem.key, problem.found) == ("KUBEUP_PORTS__API", "ports.api", "x")


def test_variables_of_others(load_profile: Load) -> None:
    environ = {"KUBEUP_CACHE": "/x", "HOME": "/y"}
    assert [p.file for p in load_profile("{}", environ=environ).errors] == ["KUBEUP_CACHE"]
    assert load_profile("{}", environ=environ, ignored_variables={"KUBEUP_CACHE"}).problems == ()


@pytest.mark.parametrize(
    "name", ["KUBEUP_REGISTRY_PASSWORD", "KUBEUP_REGISTRY_USER", "KUBEUP_TEST_MYSQLD"]
)
def test_variables_of_the_project_that_are_no_settings(load_profile: Load, name: str) -> None:
    assert load_profile("{}", environ={name: "x"}).problems == ()


def test_secrets_are_named_and_never_shown(load_profile: Load) -> None:
    assert frozenset({"ssh.password"}) == SECRET_KEYS
    settings = load_profile("ssh: {password: hunter2}").require()
    assert settings.ssh.password.get_secret_value() == "hunter2"
    assert values(settings)["ssh.password"] == "********"
    shown = [repr(settings), str(settings), repr(values(settings)), repr(settings.model_dump())]
    assert not any("hunter2" in text for text in shown)


@pytest.mark.parametrize(
    "option", ["ssh.password:hunter2", "ssh.pasword=hunter2", "ssh.password.x=hunter2"]
)
def test_a_mistyped_secret_is_not_repeated(
    one_problem: Callable[..., Problem], option: str
) -> None:
    assert "hunter2" not in str(one_problem("{}", (option,)))


@pytest.mark.parametrize("text", ['"quoted"', "null", "[a", "", "yes"])
def test_a_password_from_outside_is_taken_to_the_letter(load_profile: Load, text: str) -> None:
    settings = load_profile("{}", environ={"KUBEUP_SSH__PASSWORD": text}).require()
    assert settings.ssh.password.get_secret_value() == text


def test_a_message_can_not_show_a_secret() -> None:
    assert shown("hunter2", Shape("text", secret=True)) == REDACTED
    assert shown("hunter2", Shape("text")) == "hunter2"


def test_an_unset_secret_shows_as_nothing(load_profile: Load) -> None:
    assert values(load_profile("{}").require())["ssh.password"] == ""
