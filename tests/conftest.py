"""Servers and engines that tests ask for by name. Each is started at its first use, once per test process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import structlog
from hypothesis import settings as hypothesis_settings

from campanile.clock import FixedClock
from tests.support.clickhouse import ClusterInfo, clickhouse_cluster
from tests.support.processes import scratch_folder
from tests.support.redis import redis_server

if TYPE_CHECKING:  # the embedded engine is a large library; pure tests do without
    from campanile.engine import Engine
    from campanile.metadata import Metadata
    from tests.support.engines import EmbeddedEngine

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
"""A Wednesday noon, far from any clock change."""

# How long an example takes says more about the machine than about the code.
hypothesis_settings.register_profile("campanile", deadline=None, print_blob=True)
hypothesis_settings.register_profile("quick", deadline=None, print_blob=True, max_examples=10)
hypothesis_settings.load_profile("campanile")

# Drawing the local variables of every frame takes seconds per logged error.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

# The settings of the person who runs the tests are not the settings under test; CAMPANILE_TEST_* are for the tests.
for _name in [name for name in os.environ if name.startswith("CAMPANILE_") and not name.startswith("CAMPANILE_TEST_")]:
    del os.environ[_name]


SERVERS = frozenset({"cluster", "redis_url", "postgres_url"})
"""Fixtures that start servers: whoever asks for them is slow."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what cannot be quick, so that nobody has to remember it; and begin with files of such tests,
    so that no test process ends long before the others."""
    for item in items:
        if SERVERS.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Commands set up logging for their process; here that is the one of the next test, too."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.fixture
def clock() -> FixedClock:
    """A clock that stands still at `NOW`."""
    return FixedClock(NOW)


@pytest.fixture(scope="session")
def cluster() -> Iterator[ClusterInfo]:
    """Two ClickHouse nodes. Who writes to them cleans up; the `engine` fixture empties its tables itself."""
    with clickhouse_cluster() as info:
        yield info


@pytest.fixture(scope="session")
def _redis() -> Iterator[str]:
    with redis_server() as url:
        yield url


@pytest.fixture
def redis_url(_redis: str) -> str:
    """The address of an empty Redis."""
    from redis import Redis

    with Redis.from_url(_redis) as client:
        client.flushall()
    return _redis


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The address of a PostgreSQL database; tests that need an empty one create their own schema or database."""
    from tests.support.postgres import postgres_server

    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def _sqlite_template() -> Iterator[Path]:
    from tests.support.metadata import migrated

    with scratch_folder("metadata") as folder:
        migrated(f"sqlite:///{folder}/metadata.db")
        yield folder / "metadata.db"


@pytest.fixture(scope="session")
def _postgres_migrated(postgres_url: str) -> Iterator[str]:
    from tests.support.metadata import migrated
    from tests.support.postgres import postgres_database

    with postgres_database(postgres_url) as url:
        yield migrated(url)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def metadata(request: pytest.FixtureRequest) -> Iterator[Metadata]:
    """Either metadata database, migrated and empty: a test that asks for it runs on both."""
    from tests.support.metadata import postgres_metadata, sqlite_metadata

    if request.param == "postgresql":
        with postgres_metadata(request.getfixturevalue("_postgres_migrated")) as opened:
            yield opened
    else:
        template = request.getfixturevalue("_sqlite_template")
        with scratch_folder("metadata") as folder, sqlite_metadata(template, folder) as opened:
            yield opened


@pytest.fixture(scope="session")
def embedded() -> Iterator[EmbeddedEngine]:
    """The holder of this process's embedded engine."""
    from tests.support.engines import EmbeddedEngine

    with scratch_folder("chdb") as folder:
        holder = EmbeddedEngine(folder)
        yield holder
        holder.release()


@pytest.fixture
def chdb_engine(embedded: EmbeddedEngine) -> Engine:
    """The embedded engine, migrated and empty."""
    return embedded.take()


@pytest.fixture(scope="session")
def _cluster_engine(cluster: ClusterInfo) -> Iterator[Engine]:
    from campanile.settings import Settings
    from tests.support.engines import open_migrated

    with scratch_folder("cluster-engine") as folder:
        engine = open_migrated(Settings(data=str(folder), engine_url=cluster.url))
        yield engine
        engine.close()


@pytest.fixture
def cluster_engine(_cluster_engine: Engine) -> Engine:
    """The engine on two ClickHouse nodes, migrated and empty."""
    _cluster_engine.truncate()
    return _cluster_engine


@pytest.fixture(params=["chdb", pytest.param("cluster", marks=pytest.mark.slow)])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Either engine, migrated and empty: a test that asks for it runs on both."""
    engine: Engine = request.getfixturevalue(f"{request.param}_engine")
    return engine


@pytest.fixture
def data_folder(embedded: EmbeddedEngine) -> Iterator[Path]:
    """An empty data folder in which the test may open an embedded engine or a whole application in this process."""
    embedded.release()
    with scratch_folder("data") as folder:
        yield folder
