"""The environment: what is taken, and the one clear paragraph where it cannot be."""

from __future__ import annotations

import pytest

from products.config import ConfigError, load
from tests.apiprocess import run_to_end

SECRET = "s3cret-of-the-test"
VARIABLES = {"MYSQL_HOST": "db", "MYSQL_USER": "shop", "MYSQL_PASSWORD": SECRET, "MYSQL_DATABASE": "goods"}
URI = f"mysql+pymysql://shop:{SECRET}@db/goods"


def refusal(env: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        load(env)
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_variables() -> None:
    url = load(VARIABLES).url
    assert (url.host, url.port, url.username, url.password, url.database) == ("db", 3306, "shop", SECRET, "goods")
    assert url.drivername == "mysql+pymysql"
    assert url.query["charset"] == "utf8mb4"


def test_uri_means_the_same() -> None:
    assert load({"DATABASE_URI": URI}).url == load(VARIABLES).url


def test_both_agree() -> None:
    assert load({**VARIABLES, "MYSQL_PORT": "3306", "DATABASE_URI": URI}).url == load(VARIABLES).url


def test_uri_without_password_takes_it_from_the_variable() -> None:
    env = {"DATABASE_URI": "mysql+pymysql://shop@db/goods", "MYSQL_PASSWORD": SECRET}
    assert load(env).url == load(VARIABLES).url


def test_encoded_password() -> None:
    assert load({"DATABASE_URI": "mysql+pymysql://shop:a%40b%2Fc%25@db/goods"}).url.password == "a@b/c%"


def test_port_of_a_kubernetes_service_link_is_not_ours() -> None:
    assert load({**VARIABLES, "MYSQL_PORT": "tcp://10.0.0.7:3307"}).url.port == 3306


def test_port_variables() -> None:
    settings = load({**VARIABLES, "MYSQL_PORT": "3307", "PORT": "9000"})
    assert (settings.url.port, settings.port) == (3307, 9000)
    assert load(VARIABLES).port == 8000


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("MYSQL_HOST", "other", "host"),
        ("MYSQL_PORT", "3307", "port"),
        ("MYSQL_USER", "other", "user"),
        ("MYSQL_PASSWORD", SECRET + "x", "password"),
        ("MYSQL_DATABASE", "other", "database"),
    ],
)
def test_disagreement_names_both_variables_and_the_field(name: str, value: str, field: str) -> None:
    text = refusal({**VARIABLES, name: value, "DATABASE_URI": URI})
    assert "DATABASE_URI" in text
    assert name in text
    assert f"on the {field}" in text


@pytest.mark.parametrize("missing", VARIABLES)
@pytest.mark.parametrize("empty", [True, False])
def test_missing_variable(missing: str, empty: bool) -> None:
    env = {name: value for name, value in VARIABLES.items() if name != missing}
    assert f"not configured: {missing} not set" in refusal({**env, missing: ""} if empty else env)


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({"DATABASE_URI": f"{SECRET}"}, "DATABASE_URI"),
        ({"DATABASE_URI": f"postgresql://shop:{SECRET}@db/goods"}, "mysql+pymysql"),
        ({"DATABASE_URI": f"mysql+pymysql://shop:x@{SECRET}@db/goods"}, "percent-encoded"),
        ({"DATABASE_URI": f"mysql+pymysql://shop:{SECRET}@db:port/goods"}, "DATABASE_URI"),
        ({"DATABASE_URI": f"mysql+pymysql://shop:{SECRET}@db"}, "MYSQL_DATABASE"),
        ({"DATABASE_URI": f"{URI}?colour=red"}, "charset"),
        ({**VARIABLES, "MYSQL_HOST": "db:3306"}, "MYSQL_PORT"),
        ({**VARIABLES, "MYSQL_PORT": "many"}, "MYSQL_PORT"),
        ({**VARIABLES, "MYSQL_PORT": "0"}, "MYSQL_PORT"),
        ({**VARIABLES, "PORT": "80000"}, "PORT"),
        ({**VARIABLES, "DRAIN_SECONDS": "nan"}, "DRAIN_SECONDS"),
        ({**VARIABLES, "ALLOWED_HOSTS": "shop.example;x"}, "ALLOWED_HOSTS"),
    ],
)
def test_malformed(env: dict[str, str], named: str) -> None:
    assert named in refusal(env)


@pytest.mark.parametrize("env", [{}, {**VARIABLES, "MYSQL_HOST": "other", "DATABASE_URI": URI}])
def test_process_ends_with_one_paragraph_and_code_2(env: dict[str, str]) -> None:
    done = run_to_end(env)
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1
    assert "MYSQL_HOST" in done.stderr
    assert "DATABASE_URI" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert SECRET not in done.stderr + done.stdout
