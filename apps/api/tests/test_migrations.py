"""Migrations: again, half done, and by two at once."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from products.config import load
from products.db import Database, NotReadyError
from products.migrate import upgrade
from products.models import Base
from tests.apiprocess import ROOT, Api, environment, wait_until
from tests.conftest import StartApi
from tests.dbserver import DatabaseServer

numbers = count(1)


@pytest.fixture
def schema(server: DatabaseServer) -> Iterator[str]:
    name = f"migrations{next(numbers)}"
    server.make_schema(name)
    yield name
    server.admin(f"DROP DATABASE {name}")


def revision(server: DatabaseServer, schema: str) -> object:
    return server.admin("SELECT version_num FROM alembic_version", schema)


def migrate(server: DatabaseServer, schema: str) -> None:
    upgrade(load(environment(server, schema)).url)


def test_again_changes_nothing(server: DatabaseServer, schema: str) -> None:
    migrate(server, schema)
    server.admin("INSERT INTO products VALUES (1, 'kept', '', 1, 1)", schema)
    migrate(server, schema)
    assert revision(server, schema) == (("0002",),)
    assert server.admin("SELECT name FROM products", schema) == (("kept",),)


def test_tables_are_those_of_the_models(server: DatabaseServer, schema: str) -> None:
    migrate(server, schema)
    engine = create_engine(load(environment(server, schema)).url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    engine.dispose()


@pytest.mark.parametrize("undo", ["DELETE FROM alembic_version", "UPDATE alembic_version SET version_num = '0001'"])
def test_goes_on_after_a_crash_before_the_revision_was_noted(server: DatabaseServer, schema: str, undo: str) -> None:
    migrate(server, schema)
    server.admin(undo, schema)
    migrate(server, schema)
    assert revision(server, schema) == (("0002",),)


def test_newer_revision_is_left_alone(server: DatabaseServer, schema: str) -> None:
    migrate(server, schema)
    server.admin("UPDATE alembic_version SET version_num = '9999'", schema)
    migrate(server, schema)
    assert revision(server, schema) == (("9999",),)


def test_waits_for_whoever_holds_the_lock(server: DatabaseServer, schema: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("products.migrate._LOCK_SECONDS", 0)
    with closing(server.connect()) as other, other.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", (f"kubeup-api:{schema}",))
        with pytest.raises(NotReadyError, match="another process"):
            migrate(server, schema)
        assert server.admin("SHOW TABLES", schema) == ()
    wait_until(lambda: server.admin(f"SELECT IS_FREE_LOCK('kubeup-api:{schema}')") == ((1,),), "the lock is free")
    migrate(server, schema)
    assert revision(server, schema) == (("0002",),)


def test_two_processes_at_once(server: DatabaseServer, schema: str) -> None:
    # All of them wait for the lock first, so that none is done before the next has begun.
    code = (
        "import logging, os; from products.config import load; from products.migrate import upgrade;"
        "logging.basicConfig(level='INFO'); upgrade(load(os.environ).url)"
    )
    with closing(server.connect()) as gate, gate.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, 0)", (f"kubeup-api:{schema}",))
        processes = [
            subprocess.Popen(
                [sys.executable, "-B", "-c", code],
                cwd=ROOT,
                env=environment(server, schema),
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(2)
        ]
        waiting = f"SELECT COUNT(*) FROM information_schema.processlist WHERE db = '{schema}' AND state = 'User lock'"
        wait_until(lambda: server.admin(waiting) == ((2,),), "both wait for the lock")
    logs = [process.communicate(timeout=20)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], logs
    assert sum("Running upgrade" in log for log in logs) == 1, logs
    assert revision(server, schema) == (("0002",),)


def test_tables_that_vanish_are_made_again(server: DatabaseServer, schema: str, start_api: StartApi) -> None:
    api: Api = start_api(environment(server, schema))
    api.wait_ready()
    server.admin("DROP TABLE pictures, products, alembic_version", schema)
    lost = api.client.get("/products")
    assert lost.status_code == 503
    assert "tables are missing" in lost.json()["detail"]
    api.wait_ready()
    assert api.client.get("/products").status_code == 200


def test_database_is_closed_until_migrated(server: DatabaseServer, schema: str) -> None:
    database = Database(load(environment(server, schema)).url)

    def refused(call: Callable[[], object]) -> str:
        with pytest.raises(NotReadyError) as caught:
            call()
        return str(caught.value)

    assert "have not run yet" in refused(database.check)
    assert "have not run yet" in refused(lambda: database.session().__enter__())
    migrate(server, schema)
    database.open()
    database.check()
    database.dispose()
