"""What comes in is added to the integers: the answers are those of the log, at every moment and for every range."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.clock import FixedClock
from campanile.engine import Engine
from campanile.errors import EngineUnavailable
from campanile.stats.settled import repository, service
from campanile.stats.settled.entry import Setting, Settled
from campanile.stats.settled.repository import SettledRepository
from campanile.stats.settled.service import SettledAnswers
from tests.oracle import model
from tests.oracle.fixtures import NAMES, load, workspace
from tests.oracle.histories import History, histories
from tests.stats.settled.test_answers import FEW_DAYS, FIRST, LAST, compare, entries, event, few_days, past_of
from tests.support.log import campaign_of, workspace_of, write
from tests.support.sampling import examples

pytestmark = pytest.mark.slow

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 1, tzinfo=UTC)
SECONDS = 60
_names = itertools.count()


class Log:
    """Writes parts of a past, each above the ones before, and some of it again."""

    def __init__(self, engine: Engine, name: str, past: model.Workspace) -> None:
        self._engine = engine
        self.name = name
        self._past = past
        self.sequence = 1
        self.events: list[Any] = []

    def take(self, events: Sequence[Any], again: Sequence[Any] = ()) -> model.Workspace:
        """The past as far as it is written."""
        write(self._engine, self.name, [*events, *again], first=self.sequence)
        self.sequence += len(events) + len(again)
        self.events += events
        return model.Workspace(self._past.campaigns, list(self.events), self._past.request, self._past.settings)


@contextmanager
def answering(engine: Engine, clock: FixedClock | None = None, **options: int) -> Iterator[SettledAnswers]:
    settled = SettledAnswers(SettledRepository(engine, **options), clock or FixedClock(NOW), after=0)
    try:
        yield settled
    finally:
        settled.close()


@contextmanager
def listening(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The questions that are asked meanwhile."""
    asked: list[str] = []
    ask = engine.ask

    def heard(question: str, *arguments: Any, **parameters: Any) -> Any:
        asked.append(question)
        return ask(question, *arguments, **parameters)

    with monkeypatch.context() as patch:
        patch.setattr(engine, "ask", heard)
        yield asked


def made(settled: SettledAnswers, past: model.Workspace) -> Settled:
    """The entry of the first campaign."""
    entries(settled, past, "w")
    entry: Settled = entries(settled, past, "w")[0]
    return entry


def entry_of(engine: Engine, entry: Settled) -> Settled:
    """The same entry, made anew."""
    fresh = SettledRepository(engine)
    ground = fresh.ground("w", entry.setting, 1 << 62, NOW)
    assert ground is not None
    again = fresh.settle("w", entry.setting, (), ground)
    assert again is not None
    return again


def test_nothing_else_is_asked(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(engine) as settled:
        log = Log(engine, "w", past_of())
        past = log.take([event(1, "open", 3), event(2, "open", 5, "v")])
        made(settled, past)
        with listening(engine, monkeypatch) as asked:
            for number in range(3, 6):
                past = log.take([event(number, "open", number)])
                assert entries(settled, past, "w").keys() == {0}
        assert set(asked) == {"settled_places", "settled_counts", *(["settled_moved"] if engine.shared else [])}
        compare(engine, settled, past, "w", FIRST, LAST)
        with listening(engine, monkeypatch) as asked:
            entries(settled, past, "w")
        assert set(asked) == ({"settled_moved"} if engine.shared else set())


PLACES = [(platform, locale) for platform in ("ANDROID", "IOS") for locale in ("", "en", "fr")]
REASONS = ("frequency_capped", "duplicate_token", "something else")


def random_events(chance: Random, number: int, *, days: int = 6) -> list[dict[str, Any]]:
    """What a few users and a few instances of two campaigns do, conversions included."""
    found = []
    for place in range(number):
        platform, locale = chance.choice(PLACES)
        campaign = chance.choice("cd")
        kind = chance.choice(("sent", "sent", "impression", "click", "failed", "qualified", "removed", "conversion"))
        fields: dict[str, Any] = {
            "campaign_id": campaign,
            "channel": "PUSH",
            "platform": platform,
            "locale": locale,
            "variation": chance.choice(("", "a", "b")),
            "instance_id": f"{campaign}{chance.randint(1, 40)}",
        }
        if kind in ("failed", "removed"):
            fields["reason"] = chance.choice(REASONS)
        if kind == "conversion":
            fields |= {
                "goal": chance.choice(("bought", "came")),
                "attribution": chance.choice(("VIEW_THROUGH", "CLICK_THROUGH")),
                "revenue": chance.choice((None, Decimal("2.5000"))),
            }
        found.append(event(place, kind, chance.randint(3, 2 + days), f"u{chance.randint(1, 8)}", **fields))
    for each in found:  # one day per instance and user, or its depth is left to the log
        if each["type"] in ("qualified", "removed", "failed"):
            each["ts"] = f"2026-03-{3 + sum(map(ord, each['instance_id'] + each['user_id'])) % days:02d}T12:00:00Z"
    return found


FAMILY = model.Workspace(
    settings={},
    campaigns=[
        {"campaign_id": "c", "channel": "PUSH"},
        {"campaign_id": "d", "channel": "PUSH", "parent_campaign_id": "c", "attempts": "implied"},
    ],
    events=[],
    request={"start_date": FIRST.isoformat(), "end_date": LAST.isoformat()},
)


@pytest.mark.parametrize(("engine", "seed"), [("chdb", 0), ("chdb", 1), ("cluster", 2)], indirect=["engine"])
def test_grown_integers_are_those_of_the_log(engine: Engine, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = Random(seed)
    few_days(monkeypatch, chance.choice(list(FEW_DAYS)))
    events = random_events(chance, 240)
    log = Log(engine, "w", FAMILY)
    grown = 0
    with answering(engine) as settled:
        for size in (120, 3, 40, 1, 30):
            past = log.take(events[len(log.events) :][:size], chance.sample(log.events, min(2, len(log.events))))
            found = entries(settled, past, "w")
            compare(engine, settled, past, "w", FIRST, LAST)
            first = FIRST + timedelta(days=chance.randint(0, 9))
            compare(engine, settled, past, "w", first, first + timedelta(days=chance.randint(0, 6)))
            for name, entry in found.items():
                grown += 1
                fresh = entry_of(engine, entry)
                for part in ("counts", "failures", "attributed", "revenue", "depths"):
                    assert getattr(entry.integers, part) == getattr(fresh.integers, part), (name, part)
    assert grown >= 5


@pytest.mark.parametrize("name", NAMES)
def test_golden_numbers_in_parts(engine: Engine, name: str) -> None:
    whole = workspace(load(name))
    first, last = (date.fromisoformat(whole.request[name]) for name in ("start_date", "end_date"))
    events = model.deduplicated(whole.events)
    log = Log(engine, "w", whole)
    parts = 2 if engine.shared else 4
    with answering(engine) as settled:
        for number in range(parts):
            past = log.take(events[len(events) * number // parts : len(events) * (number + 1) // parts], events[:1])
            for _ in range(2):
                compare(engine, settled, past, "w", first, last)


@examples(6)
@given(history=histories(), data=st.data())
def test_any_past_in_any_parts(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, history: History, data: st.DataObject
) -> None:
    monkeypatch.setattr(service, "NOTHING_YET", timedelta(0))
    past = history.workspace()
    events = model.deduplicated(past.events)
    days = sorted({model.instant(event["ts"]).date() for event in events}) or [date(2026, 3, 1)]
    around = st.integers(-2, (days[-1] - days[0]).days + 2)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(events)), min_size=1, max_size=4), "cuts"))
    log = Log(engine, f"w{next(_names)}", past)
    clock = FixedClock(EPOCH)
    behind = data.draw(st.integers(0, 3), "how far what is final is behind")
    with answering(engine, clock) as settled:
        for start, end in itertools.pairwise((0, *cuts, len(events))):
            again = data.draw(st.lists(st.sampled_from(events[:end]), max_size=3), "again") if end else []
            known = log.take(events[start:end], again)
            clock.set(EPOCH + timedelta(microseconds=max(0, log.sequence - 1 - behind)))
            for _ in range(2):
                one, other = (days[0] + timedelta(days=data.draw(around, "day")) for _ in range(2))
                compare(engine, settled, known, log.name, min(one, other), max(one, other))


def test_a_write_out_of_order_is_not_missed(chdb_engine: Engine) -> None:
    with answering(chdb_engine) as settled:
        past = past_of(event(1, "open", 3))
        write(chdb_engine, "w", past.events, first=100)
        made(settled, past)
        write(chdb_engine, "w", [event(2, "open", 3, "v")], first=50)
        assert entries(settled, past, "w") == {}, "left to the log"
        compare(chdb_engine, settled, past, "w", FIRST, LAST)
        assert entries(settled, past, "w").keys() == {0}
        compare(chdb_engine, settled, past, "w", FIRST, LAST)


def test_what_was_there_before_the_process_is_not_missed(chdb_engine: Engine) -> None:
    past = past_of(event(1, "open", 3))
    write(chdb_engine, "w", past.events, first=100)
    chdb_engine.movements = type(chdb_engine.movements)()  # type: ignore[misc]
    with answering(chdb_engine) as settled:
        assert made(settled, past).mark == 100
        write(chdb_engine, "w", [event(2, "open", 3, "v")], first=101)
        assert entries(settled, past, "w")[0].mark == 101
        compare(chdb_engine, settled, past, "w", FIRST, LAST)


def test_a_write_under_way_is_counted_when_it_has_ended(chdb_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, gate = threading.Event(), threading.Event()
    insert = chdb_engine._insert

    def slow(*arguments: Any) -> None:
        begun.set()
        assert gate.wait(SECONDS)
        insert(*arguments)

    with answering(chdb_engine) as settled:
        log = Log(chdb_engine, "w", past_of())
        past = log.take([event(1, "open", 3)])
        before = made(settled, past)
        monkeypatch.setattr(chdb_engine, "_insert", slow)
        writer = threading.Thread(target=log.take, args=([event(2, "open", 3, "v")],))
        writer.start()
        try:
            assert begun.wait(SECONDS)
            assert entries(settled, past, "w")[0] is before
        finally:
            gate.set()
            writer.join(SECONDS)
        assert entries(settled, past, "w")[0].mark == 2
        compare(chdb_engine, settled, past, "w", FIRST, LAST)


def test_a_first_write_that_is_seen_before_it_has_ended_is_looked_at_again(
    chdb_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that counts for good is there yet, so it is as if there were no events."""
    inserted, gate = threading.Event(), threading.Event()
    insert = chdb_engine._insert

    def slow(*arguments: Any) -> None:
        insert(*arguments)
        inserted.set()
        assert gate.wait(SECONDS)

    setting = Setting(("c",), (), "EMAIL", "UTC", "off", "count", True, 0)
    asking = SettledRepository(chdb_engine)
    log = Log(chdb_engine, "w", past_of())
    with monkeypatch.context() as patch:
        patch.setattr(chdb_engine, "_insert", slow)
        writer = threading.Thread(target=log.take, args=([event(1, "open", 3)],))
        writer.start()
        try:
            assert inserted.wait(SECONDS)
            assert asking.ground("w", setting, 0, NOW) is None
        finally:
            gate.set()
            writer.join(SECONDS)
    ground = asking.ground("w", setting, 0, NOW)
    assert ground is not None
    assert ground.mark == 1


def test_a_failure_leaves_the_entry_as_it_was(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(engine) as settled:
        log = Log(engine, "w", past_of())
        past = log.take([event(1, "open", 3)])
        made(settled, past)
        past = log.take([event(2, "open", 4), event(3, "open", 3, "v")])
        for question in ("settled_places", "settled_counts"):
            with monkeypatch.context() as patch:
                patch.setattr(engine, "ask", failing(engine, question))
                assert entries(settled, past, "w") == {}
            assert entries(settled, past, "w").keys() == {0}
            compare(engine, settled, past, "w", FIRST, LAST)
            past = log.take([event(log.sequence, "open", 5)])


def failing(engine: Engine, name: str) -> Any:
    ask = engine.ask

    def asked(question: str, *arguments: Any, **parameters: Any) -> Any:
        if question in (name, "settled_first"):
            raise EngineUnavailable("gone in the middle")
        return ask(question, *arguments, **parameters)

    return asked


def test_merges_meanwhile_leave_it_to_the_log(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(engine) as settled:
        log = Log(engine, "w", past_of())
        past = log.take([event(1, "open", 3)])
        made(settled, past)
        past = log.take([event(2, "open", 3, "v")])
        ask = engine.ask

        def merging(question: str, *arguments: Any, **parameters: Any) -> Any:
            if question == "settled_counts":
                engine.note_merges("w", 2)
            return ask(question, *arguments, **parameters)

        monkeypatch.setattr(engine, "ask", merging)
        assert entries(settled, past, "w") == {}
        monkeypatch.undo()
        compare(engine, settled, past, "w", FIRST, LAST)
        assert entries(settled, past, "w")[0].setting.merged_through == 2


def test_new_levels_are_read_anew(engine: Engine) -> None:
    with answering(engine) as settled:
        log = Log(engine, "w", past_of())
        past = log.take([event(1, "open", 3, locale="en")])
        made(settled, past)
        past = log.take([event(2, "open", 3, locale="en"), event(3, "open", 3, locale="fr")])
        assert entries(settled, past, "w") == {}
        compare(engine, settled, past, "w", FIRST, LAST)
        assert entries(settled, past, "w").keys() == {0}
        compare(engine, settled, past, "w", FIRST, LAST)


def test_too_much_at_once_is_read_anew(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "DELTA_ROWS", 2)
    with answering(engine) as settled:
        log = Log(engine, "w", past_of())
        past = log.take([event(number, "open", 3, f"u{number}") for number in range(repository.DELTA_SHARE * 3)])
        made(settled, past)
        past = log.take([event(number, "open", 3, f"u{number}") for number in range(100, 103)])
        assert entries(settled, past, "w").keys() == {0}
        too_many = (repository.DELTA_SHARE * 3 + 3) // repository.DELTA_SHARE + 1
        past = log.take([event(200 + number, "open", 4, f"u{number}") for number in range(too_many)])
        assert entries(settled, past, "w") == {}
        assert entries(settled, past, "w")[0].mark == log.sequence - 1
        compare(engine, settled, past, "w", FIRST, LAST)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"type": "qualified", "step": "after_fc_removal"}, id="survivors"),
        pytest.param({"type": "removed", "ts": "2026-03-09T12:00:00Z", "reason": "frequency_capped"}, id="two days"),
    ],
)
def test_what_no_integers_tell_is_left_to_the_log(engine: Engine, fields: dict[str, str]) -> None:
    with answering(engine) as settled:
        log = Log(engine, "w", past_of())
        past = log.take([event(1, "sent", 3), event(2, "qualified", 3)])
        made(settled, past)
        past = log.take([event(3, "qualified", 3, "v")])
        assert entries(settled, past, "w").keys() == {0}
        past = log.take([{**event(4, "removed", 4), **fields}])
        for _ in range(2):
            assert entries(settled, past, "w") == {}
            compare(engine, settled, past, "w", FIRST, LAST)


def test_reported_counts_are_left_to_the_log(engine: Engine) -> None:
    with answering(engine) as settled:
        log = Log(engine, "w", past_of())
        past = log.take([event(1, "open", 3)])
        made(settled, past)
        engine.append(
            "snapshots",
            {
                "workspace_id": ["w"],
                "campaign_id": ["c"],
                "date": [date(2026, 3, 3)],
                "platform": ["EMAIL"],
                "locale": [""],
                "variation": [""],
                "kind": ["performance"],
                "key": ["opened"],
                "goal": [""],
                "attribution": [""],
                "mode": ["replace"],
                "as_of": [NOW],
                "total": [7],
                "unique": [5],
                "snapshot_id": ["s"],
                "snapshot_key": [1],
                "sequence": [2],
                "received_at": [NOW],
            },
        )
        for _ in range(2):
            assert entries(settled, past, "w") == {}
            compare(engine, settled, past, "w", FIRST, LAST)


def test_a_long_campaign_gets_a_horizon(engine: Engine) -> None:
    with answering(engine, whole_days=6, horizon_days=3) as settled:
        log = Log(engine, "w", past_of())
        past = log.take([event(day, "open", day) for day in (3, 4, 5)])
        made(settled, past)
        past = log.take([event(6, "open", 6)])
        assert entries(settled, past, "w")[0].horizon == repository.UNBOUNDED
        past = log.take([event(number, "open", number) for number in (7, 8, 9)])
        assert entries(settled, past, "w") == {}
        entry = entries(settled, past, "w")[0]
        assert entry.horizon < repository.UNBOUNDED
        past = log.take([event(10, "open", 10), event(11, "open", 10, "v"), event(12, "open", 4, "v")])
        assert entries(settled, past, "w")[0].mark == log.sequence - 1
        for first in range(1, 12):
            for length in range(4):
                compare(engine, settled, past, "w", date(2026, 3, first), date(2026, 3, first) + timedelta(days=length))


def test_where_others_write_only_what_is_final_is_kept(cluster_engine: Engine) -> None:
    clock = FixedClock(EPOCH + timedelta(microseconds=2))
    with answering(cluster_engine, clock) as settled:
        log = Log(cluster_engine, "w", past_of())
        past = log.take([event(number, "open", 3, f"u{number}") for number in (1, 2, 3, 4)])
        assert made(settled, past).extent.rows == 4
        kept = settled._entries["w", "c"]
        assert (kept.mark, kept.extent.rows) == (2, 2)
        compare(cluster_engine, settled, past, "w", FIRST, LAST)
        clock.set(EPOCH + timedelta(microseconds=3))
        made(settled, past)
        assert settled._entries["w", "c"].mark == 3, "followed in the background"
        clock.set(EPOCH + timedelta(microseconds=10))
        entry = entries(settled, past, "w")[0]
        assert settled._entries["w", "c"] is entry
        assert entry.mark == 4
        write(cluster_engine, "w", [event(9, "open", 3, "late")], first=4)
        compare(cluster_engine, settled, past, "w", LAST, LAST)


def test_questions_at_once_share_one_look(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(engine) as settled:
        log = Log(engine, "w", past_of())
        past = log.take([event(1, "open", 3)])
        made(settled, past)
        past = log.take([event(2, "open", 4)])
        campaign, place = campaign_of(past.campaigns[0]), workspace_of("w", past.settings)

        async def many() -> list[dict[int, Settled]]:
            return await asyncio.gather(*(settled.ready(place, [campaign], {}) for _ in range(20)))

        with listening(engine, monkeypatch) as asked:
            found = asyncio.run(many())
        assert all(each.keys() == {0} and each[0].mark == 2 for each in found)
        assert asked.count("settled_counts") == 1
