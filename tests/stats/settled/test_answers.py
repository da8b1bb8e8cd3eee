"""Answers from integers are the answers of the log: for every range, on both back ends, whatever happened."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.clock import FixedClock
from campanile.engine import Engine
from campanile.kit.times import window
from campanile.stats.settled import reading
from campanile.stats.settled.repository import SettledRepository
from campanile.stats.settled.service import SettledAnswers
from tests.oracle import model
from tests.oracle.fixtures import NAMES, load, workspace
from tests.oracle.histories import History, histories
from tests.support.log import campaign_of, measured, workspace_of, write
from tests.support.sampling import examples

pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 1, tzinfo=UTC)
_names = itertools.count()


@pytest.fixture(name="settled")
def _settled(engine: Engine) -> Iterator[SettledAnswers]:
    answers = SettledAnswers(SettledRepository(engine), FixedClock(NOW), after=0)
    yield answers
    answers.close()


FEW_DAYS: dict[str, tuple[dict[str, int], int]] = {
    "bytes": ({"UInt64": 1, "UInt128": 2, "UInt256": 32}, 64),
    "bits": ({}, 64),
    "lists": ({}, 0),
}


def few_days(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    """Count campaigns of few days in one of the ways that the number of days allows."""
    wide, mask_days = FEW_DAYS[how]
    monkeypatch.setattr(reading, "WIDE", wide)
    monkeypatch.setattr(reading, "MASK_DAYS", mask_days)


def entries(settled: SettledAnswers, past: model.Workspace, name: str) -> dict[int, Any]:
    """What would be used for an answer now."""
    campaigns = [campaign_of(fields) for fields in past.campaigns]
    children = {
        parent.campaign_id: [child for child in campaigns if child.parent_id == parent.campaign_id]
        for parent in campaigns
    }
    found = asyncio.run(settled.ready(workspace_of(name, past.settings), campaigns, children))
    settled.settle_all()
    return found


def compare(engine: Engine, settled: SettledAnswers, past: model.Workspace, name: str, first: date, last: date) -> None:
    days = window(first, last, workspace_of(name, past.settings).settings.timezone)
    from_log = asyncio.run(measured(engine, past, name, days=days))
    assert asyncio.run(measured(engine, past, name, days=days, settled=settled)) == from_log, (first, last)
    settled.settle_all()


@pytest.mark.parametrize("name", NAMES)
def test_golden_numbers(engine: Engine, settled: SettledAnswers, name: str) -> None:
    past = workspace(load(name))
    write(engine, "w", model.deduplicated(past.events))
    first, last = (date.fromisoformat(past.request[name]) for name in ("start_date", "end_date"))
    for _ in range(2):  # from the log, then from integers
        compare(engine, settled, past, "w", first, last)
        compare(engine, settled, past, "w", first, first)


def test_any_range_of_any_past(engine: Engine, settled: SettledAnswers) -> None:
    @examples(25, engine)
    @given(history=histories(), data=st.data())
    def holds(history: History, data: st.DataObject) -> None:
        past = history.workspace()
        name = f"w{next(_names)}"
        write(engine, name, model.deduplicated(past.events))
        entries(settled, past, name)  # asked for once: from here on they are there, where that is possible
        days = sorted({model.instant(event["ts"]).date() for event in past.events}) or [date(2026, 3, 1)]
        around = st.integers(-2, (days[-1] - days[0]).days + 2)
        for _ in range(4):
            one, other = (days[0] + timedelta(days=data.draw(around, "day")) for _ in range(2))
            compare(engine, settled, past, name, min(one, other), max(one, other))

    holds()


@examples(15)
@given(history=histories(), horizon=st.integers(1, 5), data=st.data())
def test_campaigns_of_many_days_answer_for_ranges_up_to_their_horizon(
    chdb_engine: Engine, monkeypatch: pytest.MonkeyPatch, history: History, horizon: int, data: st.DataObject
) -> None:
    few_days(monkeypatch, data.draw(st.sampled_from(list(FEW_DAYS)), "how few days are counted"))
    repository = SettledRepository(chdb_engine, whole_days=2, horizon_days=horizon)
    settled = SettledAnswers(repository, FixedClock(NOW), after=0)
    try:
        past = history.workspace()
        name = f"w{next(_names)}"
        write(chdb_engine, name, model.deduplicated(past.events))
        entries(settled, past, name)
        days = sorted({model.instant(event["ts"]).date() for event in past.events}) or [date(2026, 3, 1)]
        for _ in range(3):
            first = days[0] + timedelta(days=data.draw(st.integers(-2, (days[-1] - days[0]).days + 2), "first"))
            length = data.draw(st.integers(0, horizon + 1), "length")
            compare(chdb_engine, settled, past, name, first, first + timedelta(days=length))
        for entry in entries(settled, past, name).values():
            assert not entry.spans(window(days[0], days[0] + timedelta(days=horizon), "UTC"))
    finally:
        settled.close()


PLAIN = {"campaign_id": "c", "channel": "EMAIL"}
FIRST, LAST = date(2026, 3, 1), date(2026, 3, 31)


def event(number: int, kind: str, day: int, user: str = "u", **fields: Any) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "type": kind,
        "ts": f"2026-03-{day:02d}T12:00:00Z",
        "campaign_id": "c",
        "channel": "EMAIL",
        "user_id": user,
        **fields,
    }


def past_of(*events: dict[str, Any], **campaign: Any) -> model.Workspace:
    request = {"start_date": FIRST.isoformat(), "end_date": LAST.isoformat()}
    return model.Workspace(settings={}, campaigns=[{**PLAIN, **campaign}], events=list(events), request=request)


def test_a_settled_campaign_is_answered_from_integers_for_every_range(
    engine: Engine, settled: SettledAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = past_of(
        event(1, "open", 3), event(2, "open", 5), event(3, "open", 9), event(4, "open", 5, "v"), event(5, "sent", 3)
    )
    write(engine, "w", past.events)
    assert entries(settled, past, "w") == {}
    assert entries(settled, past, "w").keys() == {0}
    asked: list[str] = []
    answer = engine.answer

    async def listening(question: str, *arguments: Any, **parameters: Any) -> Any:
        asked.append(question)
        return await answer(question, *arguments, **parameters)

    monkeypatch.setattr(engine, "answer", listening)
    for (first, last), expected in {
        (1, 31): (4, 2),
        (4, 31): (3, 2),
        (6, 31): (1, 1),
        (4, 4): (0, 0),
        (5, 5): (2, 2),
    }.items():
        days = window(date(2026, 3, first), date(2026, 3, last), "UTC")
        numbers = asyncio.run(measured(engine, past, "w", days=days, settled=settled))
        node = numbers["c"].nodes.get(("EMAIL", "all_locales", "all_variations"))
        assert (tuple(node.counts["opened"]) if node and "opened" in node.counts else (0, 0)) == expected, (first, last)
    assert set(asked) == ({"settled_moved"} if engine.shared else set())


@pytest.mark.parametrize("kind", ["open", "custom"])
def test_a_campaign_whose_log_moves_is_not_answered_stale(engine: Engine, settled: SettledAnswers, kind: str) -> None:
    past = past_of(event(1, "sent", 3), event(2, "open", 3))
    write(engine, "w", past.events)
    entries(settled, past, "w")
    assert entries(settled, past, "w").keys() == {0}
    write(engine, "w", [event(10 + number, kind, 3, f"v{number}") for number in range(5)], first=3)
    compare(engine, settled, past, "w", FIRST, LAST)


def test_where_others_write_a_campaign_is_left_to_the_log_until_it_has_events_that_are_old_enough(
    engine: Engine,
) -> None:
    clock = FixedClock(datetime(1970, 1, 1, 0, 0, 30, tzinfo=UTC))  # sequences of `write` count from the epoch
    settled = SettledAnswers(SettledRepository(engine), clock, after=60)
    try:
        past = past_of(event(1, "sent", 3))
        write(engine, "w", past.events)
        assert [len(entries(settled, past, "w")) for _ in range(2)] == [0, 0 if engine.shared else 1]
        clock.advance(31)
        entries(settled, past, "w")
        assert entries(settled, past, "w").keys() == {0}
    finally:
        settled.close()


@pytest.mark.parametrize("times", [255, 256, 600])
def test_one_user_a_day_may_be_active_any_number_of_times(
    chdb_engine: Engine, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    past = past_of(
        *(event(number, "open", 3) for number in range(times)), event(1000, "open", 4), event(1001, "open", 4, "v")
    )
    write(chdb_engine, "w", past.events)
    found = {}
    for how in FEW_DAYS:
        settled = SettledAnswers(SettledRepository(chdb_engine), FixedClock(NOW), after=0)
        try:
            few_days(monkeypatch, how)
            entries(settled, past, "w")
            found[how] = entries(settled, past, "w")[0].integers.counts
            compare(chdb_engine, settled, past, "w", FIRST, LAST)
        finally:
            settled.close()
    assert found["bytes"] == found["bits"] == found["lists"]


def test_another_setting_needs_other_integers(engine: Engine, settled: SettledAnswers) -> None:
    past = past_of(event(1, "sent", 3), event(2, "open", 3, machine=True))
    write(engine, "w", past.events)
    for settings_ in ({}, {"timezone": "Asia/Tokyo"}, {"bot_mode": "adjusted_only"}, {}):
        past = model.Workspace(settings=settings_, campaigns=past.campaigns, events=past.events, request=past.request)
        assert entries(settled, past, "w") == {}
        assert entries(settled, past, "w").keys() == {0}
        compare(engine, settled, past, "w", FIRST, LAST)


@pytest.mark.parametrize(
    "events",
    [
        pytest.param(
            (
                event(1, "qualified", 3),
                event(2, "removed", 4, reason="frequency_capped"),
            ),
            id="one instance on two days",
        ),
        pytest.param((event(1, "sent", 3), event(2, "qualified", 3, step="after_fc_removal")), id="survivors"),
    ],
)
def test_what_no_integers_tell_is_answered_from_the_log(
    engine: Engine, settled: SettledAnswers, events: tuple[dict[str, Any], ...]
) -> None:
    past = past_of(*events)
    write(engine, "w", past.events)
    for _ in range(2):
        assert entries(settled, past, "w") == {}
        compare(engine, settled, past, "w", FIRST, LAST)


def test_another_workspace_has_its_own_integers(engine: Engine, settled: SettledAnswers) -> None:
    past = past_of(event(1, "open", 3))
    write(engine, "w", past.events)
    write(engine, "x", [*past.events, event(2, "open", 3)])
    for name in ("w", "x"):
        entries(settled, past, name)
        assert entries(settled, past, name).keys() == {0}
        compare(engine, settled, past, name, FIRST, LAST)


def test_entries_are_forgotten_when_memory_is_short(
    engine: Engine, settled: SettledAnswers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("campanile.stats.settled.service.MEMORY_BYTES", 1_000)
    for name in ("w", "x", "y"):
        past = past_of(event(1, "open", 3))
        write(engine, name, past.events)
        entries(settled, past, name)
        assert settled.size_bytes <= 1_000
    settled.forget()
    assert settled.size_bytes == 0
