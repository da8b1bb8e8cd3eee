"""Several processes on one cluster: locks make the log what one process would have made of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.clock import FixedClock
from campanile.engine import Engine
from campanile.errors import EngineUnavailable
from campanile.intake import ledger
from campanile.intake.event import Event
from campanile.intake.repository import WorkspaceLocks
from campanile.intake.snapshot_store import SnapshotStore
from campanile.intake.snapshots import Snapshot, SnapshotValue
from campanile.metadata import Metadata, open_metadata
from tests.intake.worlds import CAMPAIGN, NOW, Campaigns, House, event, message, rows, workspace
from tests.support.sampling import examples

_owners = (f"w-{number}" for number in count())


@pytest.fixture
def metadata(postgres_url: str) -> Iterator[Metadata]:
    opened = open_metadata(postgres_url)
    yield opened
    opened.close()


@pytest.fixture
def writers(cluster_engine: Engine, clock: FixedClock, metadata: Metadata) -> list[House]:
    campaigns = Campaigns()
    return [House(cluster_engine, clock, campaigns, WorkspaceLocks(metadata)) for _ in range(2)]


def write(house: House, *events: Event) -> list[bool]:
    """Which of the events were accepted."""
    (outcome,) = house.committer.write([house.batch(events)])
    return [place not in outcome.duplicates for place in range(len(events))]


def test_each_writer_knows_what_the_other_stored(writers: list[House]) -> None:
    one, other = writers
    assert write(one, event("a", user_id="u-1"), message("m", message_id="m-1")) == [True, True]
    assert write(other, event("a", user_id="u-2"), message("n", message_id="m-1"), event("b")) == [False, False, True]
    assert write(one, event("b", user_id="u-3"), event("c")) == [False, True]
    assert [row[0] for row in rows(one.engine, "event_id", source="raw_events")] == ["a", "b", "c", "m"]


def test_news_need_no_lookup(writers: list[House], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = writers
    write(other, event("b"))
    write(one, event("a"), event("c"))
    write(other, event("z"))
    monkeypatch.setattr(other.log, "known_events", _unavailable)
    assert write(other, event("a"), event("b"), event("c"), event("d")) == [False, False, False, True]


def test_too_much_news_is_read_from_the_log_again(writers: list[House], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "NEWS_ROWS", 5)
    one, other = writers
    write(other, event("first"))
    for number in range(4):
        write(one, *(event(f"e-{number}-{place}") for place in range(5)))
    assert write(other, event("e-0-0"), event("e-3-4"), event("new"), event("first")) == [False, False, True, False]


def test_sequences_grow_over_all_writers_whatever_their_clocks_say(writers: list[House], metadata: Metadata) -> None:
    one, other = writers
    one.clock = FixedClock(one.clock.now())
    one.clock.advance(300)
    one.reopen()
    for number, house in enumerate((one, other, one, other, other)):
        write(house, event(f"e-{number}"))
    sequences = [row[1] for row in rows(one.engine, "event_id, sequence")]
    assert sequences == sorted(set(sequences))


def test_reported_counts_take_part_in_the_order(writers: list[House]) -> None:
    """A writer whose clock is ahead stores counts; what another one stores afterwards comes after them."""
    one, other = writers
    write(other, event("before"))
    ahead = FixedClock(one.clock.now())
    ahead.advance(300)
    one.clock = ahead
    one.reopen()
    store = SnapshotStore(one.log, one.campaigns, one.locks, one.ledger)  # type: ignore[arg-type]
    counts = Snapshot(
        snapshot_id="s", campaign_id=CAMPAIGN, channel="EMAIL", platform="EMAIL", locale="all_locales",
        variation="all_variations", date=date(2026, 3, 17), as_of=NOW, mode="replace",
        values=(SnapshotValue("funnel", "sent", 1, 1),),
    )  # fmt: skip
    assert store.write(workspace(), [counts], NOW).accepted == 1
    write(other, event("later"))
    ((reported,),) = rows(one.engine, "sequence", source="snapshots")
    assert dict(rows(one.engine, "event_id, sequence"))["later"] > reported


def test_a_doubtful_insert_of_another_writer_is_noticed(writers: list[House], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = writers
    append = one.engine.append

    def lose_the_answer(table: str, columns: dict[str, object]) -> None:
        append(table, columns)  # type: ignore[arg-type]
        raise EngineUnavailable("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(one.engine, "append", lose_the_answer)
        with pytest.raises(EngineUnavailable):
            write(one, event("a"))
    assert write(other, event("a", user_id="u-2"), event("b")) == [False, True]
    assert write(one, event("a", user_id="u-3"), event("b")) == [False, False]


def test_the_lock_keeps_others_out_of_one_workspace_only(metadata: Metadata) -> None:
    locks = WorkspaceLocks(metadata)
    entered = threading.Event()

    def enter(name: str) -> None:
        with locks.held([name]):
            entered.set()

    with ThreadPoolExecutor(1) as thread:
        with locks.held(["b", "a"]):
            thread.submit(enter, "c").result()
            assert entered.is_set()
            entered.clear()
            waiting = thread.submit(enter, "a")
            with metadata.read() as connection:
                while not connection.exec_driver_sql(
                    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                ).scalar():
                    pass
            assert not entered.is_set()
        waiting.result()
    assert entered.is_set()


def test_one_sqlite_is_one_process(tmp_path: Path) -> None:
    metadata = open_metadata(f"sqlite:///{tmp_path}/m.db")
    locks = WorkspaceLocks(metadata)
    assert not locks.effective
    with locks.held(["a"]), locks.held(["a"]):
        pass
    metadata.close()


facts = st.tuples(st.integers(0, 7), st.integers(0, 2), st.integers(0, 3)).map(
    lambda drawn: message(f"e-{drawn[0]}", user_id=f"u-{drawn[1]}", message_id=f"m-{drawn[2]}" if drawn[2] else "")
)
deliveries = st.lists(st.lists(facts, min_size=1, max_size=4), min_size=1, max_size=5)


@examples(20)
@given(first=deliveries, second=deliveries)
def test_parallel_writers_store_no_id_and_no_message_twice(
    writers: list[House], first: list[list[Event]], second: list[list[Event]]
) -> None:
    owner = workspace(next(_owners))

    def deliver(house: House, batches: list[list[Event]]) -> int:
        return sum(house.committer.write([house.batch(events, owner)])[0].accepted for events in batches)

    with ThreadPoolExecutor(2) as threads:
        work: list[tuple[Callable[..., int], House, list[list[Event]]]] = [
            (deliver, house, batches) for house, batches in zip(writers, (first, second), strict=True)
        ]
        accepted = sum(job.result() for job in [threads.submit(*item) for item in work])
    stored = rows(
        writers[0].engine,
        "event_id, if(message_id = '', '', concat(message_id, user_id))",
        owner.id,
        source="raw_events",
    )
    ids = [name for name, _ in stored]
    messages = [name for _, name in stored if name]
    assert accepted == len(stored)
    assert len(ids) == len(set(ids))
    assert len(messages) == len(set(messages))
    for item in (item for batches in (first, second) for events in batches for item in events):
        assert item.event_id in ids or item.message_id + item.user_id in messages


def _unavailable(*_: object, **__: object) -> None:
    raise EngineUnavailable("the store is away")
