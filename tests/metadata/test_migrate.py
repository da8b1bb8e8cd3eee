"""Migrations make the tables that the models describe, once, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from campanile.errors import ConfigurationError
from campanile.metadata import Metadata, migrate, open_metadata, pending
from campanile.metadata.models import Base

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "postgresql"])
def blank(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Metadata]:
    """A database without tables."""
    if request.param == "sqlite":
        opened = open_metadata(f"sqlite:///{tmp_path}/metadata.db")
        yield opened
        opened.close()
        return
    from tests.support.postgres import postgres_database

    with postgres_database(request.getfixturevalue("postgres_url")) as url:
        opened = open_metadata(url)
        yield opened
        opened.close()


def test_models_and_migrations_agree(blank: Metadata) -> None:
    migrate(blank.engine)
    with blank.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, Base.metadata) == []


def test_the_comparison_sees_a_difference(blank: Metadata) -> None:
    migrate(blank.engine)
    with blank.begin() as connection:
        connection.execute(text("DROP INDEX ix_api_keys_digest"))
        connection.execute(text("ALTER TABLE workspaces ADD COLUMN colour VARCHAR"))
    with blank.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    assert sorted(difference[0] for difference in differences) == ["add_index", "remove_column"]


def test_a_second_migration_finds_nothing_to_do(blank: Metadata) -> None:
    waiting = pending(blank.engine)
    assert waiting
    assert migrate(blank.engine) == waiting
    assert pending(blank.engine) == []
    assert migrate(blank.engine) == []


def test_several_processes_may_migrate_at_once(blank: Metadata) -> None:
    everything = pending(blank.engine)
    others = [open_metadata(blank.engine.url.render_as_string(hide_password=False)) for _ in range(4)]
    with ThreadPoolExecutor(len(others)) as pool:
        applied = sorted(pool.map(lambda other: migrate(other.engine), others))
    for other in others:
        other.close()
    assert applied == [[], [], [], everything]


def test_a_failed_migration_leaves_nothing_behind(blank: Metadata) -> None:
    with blank.begin() as connection:
        connection.execute(text("CREATE TABLE campaigns (foreign_thing INTEGER)"))
    with pytest.raises(Exception, match="campaigns"):
        migrate(blank.engine)
    assert inspect(blank.engine).get_table_names() == ["campaigns"]


def test_a_database_of_a_newer_version_is_refused(blank: Metadata) -> None:
    migrate(blank.engine)
    with blank.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="newer version"):
        migrate(blank.engine)
    with pytest.raises(ConfigurationError, match="9999"):
        pending(blank.engine)
