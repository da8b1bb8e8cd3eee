"""Whatever way events take into the log, the same facts are in it afterwards, each of them once."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campanile.clock import FixedClock
from campanile.engine import Engine
from campanile.errors import EngineUnavailable
from campanile.intake.content import content
from campanile.intake.event import Event
from tests.intake.worlds import House, event, message, rows, workspace

pytestmark = pytest.mark.slow

_owners = (f"w-{number}" for number in count())
"""A workspace for each example: cheaper than emptying the store."""

COMMON = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

facts = st.integers(0, 9).map(
    lambda number: message(f"m-{number}", message_id=f"m-{number}") if number % 2 else event(f"e-{number}")
)
"""Events of few ids; the same id always means the same fact."""

batches = st.lists(facts, min_size=1, max_size=8)
steps = st.lists(
    st.one_of(
        st.lists(batches, min_size=1, max_size=4).map(lambda group: ("write", group)),
        st.lists(batches, min_size=1, max_size=2).map(lambda group: ("lose the answer", group)),
        st.lists(batches, min_size=1, max_size=2).map(lambda group: ("fail", group)),
        st.just(("reopen", [])),
        st.just(("clock goes back", [])),
    ),
    min_size=1,
    max_size=7,
)


@pytest.fixture
def house(engine: Engine, clock: FixedClock) -> House:
    house = House(engine, clock)
    house.recent_keys = 8  # so that most keys have to be found otherwise
    house.reopen()
    return house


@COMMON
@given(steps=steps)
def test_every_fact_that_was_written_is_stored_once(house: House, steps: list[tuple[str, list[list[Event]]]]) -> None:
    owner = workspace(next(_owners))
    written: set[str] = set()
    accepted: list[str] = []
    for action, group in steps:
        prepared = [house.batch(events, owner) for events in group]
        ids = {item.event_id for events in group for item in events}
        if action == "reopen":
            house.reopen()
        elif action == "clock goes back":
            house.clock.advance(-1)
        elif action == "write":
            outcomes = house.committer.write(prepared)
            for batch, outcome in zip(prepared, outcomes, strict=True):
                assert outcome.accepted + len(outcome.duplicates) == len(batch)
                accepted += [batch.event_id(place) for place in range(len(batch)) if place not in outcome.duplicates]
            written |= ids
        else:
            with broken(house, stores=action == "lose the answer"):
                fails = ids - written
                if fails:
                    with pytest.raises(EngineUnavailable):
                        house.committer.write(prepared)
                else:
                    house.committer.write(prepared)
            if action == "lose the answer":
                written |= ids
    assert len(accepted) == len(set(accepted))
    assert rows(house.engine, "event_id", owner.id, source="raw_events") == [(name,) for name in sorted(written)]


class broken:
    """A store that fails, either before or after it has stored the rows."""

    def __init__(self, house: House, *, stores: bool) -> None:
        self.engine: Any = house.engine
        self.stores = stores

    def __enter__(self) -> None:
        append = self.engine.append

        def fail(table: str, columns: dict[str, Any]) -> None:
            if self.stores:
                append(table, columns)
            raise EngineUnavailable("the store is away")

        self.engine.append = fail

    def __exit__(self, *_: object) -> None:
        del self.engine.append


variants = st.tuples(st.integers(0, 3), st.integers(0, 2)).map(
    lambda pair: event(f"e-{pair[0]}", user_id=f"u-{pair[1]}")
)
"""Events that contradict each other: several contents under one id."""


@COMMON
@given(groups=st.lists(st.lists(st.lists(variants, min_size=1, max_size=4), min_size=1, max_size=3), max_size=4))
def test_of_contradicting_copies_the_first_counts_and_order_within_an_instant_does_not(
    house: House, groups: list[list[list[Event]]]
) -> None:
    owner = workspace(next(_owners))
    expected: dict[str, Event] = {}
    for group in groups:
        house.committer.write([house.batch(events, owner) for events in group])
        for item in sorted((item for events in group for item in events), key=content):
            expected.setdefault(item.event_id, item)
        house.clock.advance(1)
    stored = rows(house.engine, "event_id, user_id", owner.id)
    assert stored == sorted((item.event_id, item.user_id) for item in expected.values())


reports = st.tuples(st.integers(0, 5), st.integers(0, 3)).map(
    lambda pair: message(f"e-{pair[0]}", message_id=f"m-{pair[1]}")
)
"""Several reporters of the same messages, under ids of their own, which may even clash."""


@COMMON
@given(groups=st.lists(st.lists(st.lists(reports, min_size=1, max_size=4), min_size=1, max_size=3), max_size=4))
def test_no_id_and_no_message_is_stored_twice_and_nothing_new_is_lost(
    house: House, groups: list[list[list[Event]]]
) -> None:
    owner = workspace(next(_owners))
    for group in groups:
        house.committer.write([house.batch(events, owner) for events in group])
        house.clock.advance(1)
        stored = rows(house.engine, "event_id, message_id", owner.id)
        ids, messages = {name for name, _ in stored}, {name for _, name in stored}
        assert len(ids) == len(messages) == len(stored)
        for item in (item for events in group for item in events):
            assert item.event_id in ids or item.message_id in messages


@COMMON
@given(deliveries=st.lists(batches, min_size=1, max_size=12))
def test_parallel_requests_store_every_fact_once(
    chdb_engine: Engine, clock: FixedClock, deliveries: list[list[Event]]
) -> None:
    house = House(chdb_engine, clock, commit_rows=6)
    owner = workspace(next(_owners))

    async def deliver() -> int:
        house.committer.start()
        outcomes = await asyncio.gather(*(house.committer.submit(house.batch(events, owner)) for events in deliveries))
        await house.committer.close()
        return sum(outcome.accepted for outcome in outcomes)

    accepted = asyncio.run(deliver())
    expected = sorted({item.event_id for events in deliveries for item in events})
    assert [name for (name,) in rows(chdb_engine, "event_id", owner.id, source="raw_events")] == expected
    assert accepted == len(expected)


@COMMON
@given(first=variants, second=variants)
def test_content_tells_events_apart_exactly_when_something_stored_differs(first: Event, second: Event) -> None:
    assert (content(first) == content(second)) == (first == second)
    assert content(first) == content(msgspec.structs.replace(first, campaign_name="only a hint"))
