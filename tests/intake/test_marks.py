"""Marks: what is stored up to one never changes any more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campanile.clock import FixedClock
from campanile.engine import Engine
from campanile.intake.marks import UNDER_WAY, Marks
from campanile.intake.repository import WorkspaceLocks
from campanile.metadata import Metadata, open_metadata
from tests.intake.worlds import Campaigns, House, event

pytestmark = pytest.mark.slow

SECOND = 1_000_000


def microseconds(clock: FixedClock) -> int:
    return (clock.now() - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def seen(house: House, mark: int) -> int:
    """Events that a question as of the mark sees."""
    found = house.engine.ask("log_extent", "w", as_of=mark)
    return sum(rows for rows, _ in found)


def store(house: House, *names: str) -> None:
    house.committer.write([house.batch([event(name) for name in names])])


@pytest.fixture
def metadata(postgres_url: str) -> Iterator[Metadata]:
    opened = open_metadata(postgres_url)
    yield opened
    opened.close()


@pytest.mark.parametrize("step", [0, 1, -300])
def test_one_process_sees_everything_before_and_nothing_after(
    chdb_engine: Engine, clock: FixedClock, step: int
) -> None:
    house = House(chdb_engine, clock)
    marks = Marks(house.log, house.locks, clock)
    taken = []
    for number in range(3):
        store(house, *(f"e-{number}-{place}" for place in range(4)))
        taken.append(marks.take("w"))
        clock.advance(step)
    assert [seen(house, mark) for mark in taken] == [4, 8, 12]


def test_an_empty_log_is_final_until_now(chdb_engine: Engine, clock: FixedClock) -> None:
    house = House(chdb_engine, clock)
    mark = Marks(house.log, house.locks, clock).take("w")
    assert mark == microseconds(clock) - 1
    store(house, "e")
    assert seen(house, mark) == 0


def test_processes_that_share_locks_take_exact_marks_whatever_their_clocks_say(
    cluster_engine: Engine, clock: FixedClock, metadata: Metadata
) -> None:
    campaigns = Campaigns()
    late = FixedClock(clock.now() - timedelta(minutes=5))
    one = House(cluster_engine, clock, campaigns, WorkspaceLocks(metadata))
    other = House(cluster_engine, late, campaigns, WorkspaceLocks(metadata))
    taken = []
    for number, house in enumerate((one, other, one, other)):
        store(house, f"e-{number}")
        taken.append(Marks(other.log, other.locks, late).take("w"))
    assert [seen(one, mark) for mark in taken] == [1, 2, 3, 4]


def test_processes_without_locks_stay_behind(cluster_engine: Engine, clock: FixedClock) -> None:
    house = House(cluster_engine, clock)
    store(house, "e")
    marks = Marks(house.log, house.locks, clock)
    assert seen(house, marks.take("w")) == 0
    clock.advance(UNDER_WAY.total_seconds() + 1)
    assert seen(house, marks.take("w")) == 1


def test_reported_counts_have_marks_too(chdb_engine: Engine, clock: FixedClock) -> None:
    columns: dict[str, list[Any]] = {
        "workspace_id": ["w"],
        "campaign_id": ["a" * 24],
        "date": [clock.now().date()],
        "platform": ["EMAIL"],
        "locale": ["all_locales"],
        "variation": ["all_variations"],
        "kind": ["performance"],
        "key": ["sent"],
        "mode": ["replace"],
        "as_of": [clock.now()],
        "total": [5],
        "unique": [5],
        "snapshot_id": ["s"],
        "snapshot_key": [1],
        "sequence": [microseconds(clock) + 7 * SECOND],
        "received_at": [clock.now()],
    }
    chdb_engine.append("snapshots", columns)
    house = House(chdb_engine, clock)
    assert Marks(house.log, house.locks, clock).take("w") == microseconds(clock) + 7 * SECOND
