"""What is known after a restart, while the log is being read, and next to other writers; on both kinds of store."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campanile.clock import FixedClock
from campanile.engine import Engine
from campanile.errors import EngineUnavailable, Unavailable
from campanile.intake import ledger, repository
from campanile.intake.batch import Batch
from tests.intake.worlds import House, event, message, rows, workspace


def known(house: House, *events: object) -> list[bool]:
    batch: Batch = house.batch(events)  # type: ignore[arg-type]
    return list(house.ledger.known(batch))


@pytest.fixture
def house(engine: Engine, clock: FixedClock) -> House:
    return House(engine, clock)


def test_ids_and_messages_are_known_after_a_restart(house: House) -> None:
    house.committer.write([house.batch([event("a"), message("b")])])
    house.reopen()
    assert known(house, event("a"), event("c"), message("b"), message("d"), message("e", message_id="m-2")) == [
        True, False, True, True, False,
    ]  # fmt: skip


def test_another_writer_is_noticed_where_there_can_be_one(house: House) -> None:
    other = House(house.engine, house.clock, house.campaigns)
    assert known(house, event("a")) == [False]
    other.committer.write([other.batch([event("a"), message("b")])])
    expected = house.engine.shared  # the embedded store has one writer, and memory is enough
    assert known(house, event("a"), message("c")) == [expected, expected]


def test_parallel_writers_store_every_fact_once(house: House) -> None:
    """Two processes that both found an event unknown write it twice; it is one row to every question."""
    other = House(house.engine, house.clock, house.campaigns)
    batches = [house.batch([event("a"), event("b")]), other.batch([event("b"), event("c")])]
    house.ledger.known(batches[0])
    other.ledger.known(batches[1])
    for writer, batch in zip((house, other), batches, strict=True):
        writer.log.append_events(_columns(batch, writer.ledger.next_sequence(["w"])))
    assert rows(house.engine, "event_id") == [("a",), ("b",), ("c",)]


def _columns(batch: Batch, sequence: int) -> dict[str, object]:
    columns = dict(zip(batch.columns.column_names, batch.columns.columns, strict=True))
    return {**columns, "sequence": [sequence] * len(batch)}


def test_the_sequence_continues_above_what_is_stored(house: House) -> None:
    house.clock.advance(3600)
    house.committer.write([house.batch([event("a")])])
    house.clock.advance(-7200)
    house.reopen()
    (stored,) = rows(house.engine, "sequence")[0]
    assert house.ledger.next_sequence(["w"]) == stored + 1
    assert house.ledger.next_sequence(["w"]) == stored + 2


def test_the_sequence_is_the_time_in_microseconds(house: House) -> None:
    first = house.ledger.next_sequence(["w"])
    house.clock.advance(0.001)
    assert house.ledger.next_sequence(["w"]) - first == timedelta(milliseconds=1) // timedelta(microseconds=1)


# --- the embedded store


@pytest.fixture
def embedded_house(chdb_engine: Engine, clock: FixedClock) -> House:
    return House(chdb_engine, clock)


def test_a_large_log_is_read_in_the_background_and_in_parts(
    embedded_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = embedded_house
    monkeypatch.setattr(ledger, "READ_AT_ONCE_ROWS", 10)
    monkeypatch.setattr(repository, "STREAM_KEYS", 7)
    stored = [message(f"m-{number}", message_id=f"m-{number}") for number in range(30)]
    house.committer.write([house.batch([*stored, event("plain")])])
    house.reopen()
    house.ledger.open("w")
    house.ledger.settle()
    with monkeypatch.context() as patch:
        # From here on every new key is settled from memory, every stored one is looked up.
        lookups: list[int] = []
        ask = house.engine.ask
        patch.setattr(
            house.engine,
            "ask",
            lambda name, *args, **named: lookups.append(len(named["keys"])) or ask(name, *args, **named),
        )
        fresh = [message(f"new-{number}", message_id=f"new-{number}") for number in range(30)]
        assert known(house, *fresh) == [False] * 30
        assert sum(lookups) == 0
        assert known(house, *stored, event("plain")) == [True] * 31
        assert sum(lookups) == 31
        again = [message(f"again-{number}", message_id=f"m-{number}") for number in range(30)]
        assert known(house, *again) == [True] * 30
        assert sum(lookups) == 61


def test_recent_events_need_no_lookup(embedded_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house = embedded_house
    house.committer.write([house.batch([event("a"), message("b")])])
    monkeypatch.setattr(house.engine, "ask", _unavailable)
    assert known(house, event("a"), message("b"), message("c"), event("new")) == [True, True, True, False]


def test_a_log_that_could_not_be_read_is_read_later(embedded_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house = embedded_house
    house.committer.write([house.batch([event("a")])])
    house.reopen()
    with monkeypatch.context() as patch:
        patch.setattr(house.log, "event_words", _unavailable)
        house.ledger.open("w")
        assert known(house, event("a"), event("b")) == [True, False]
    assert known(house, event("a"), event("b")) == [True, False]
    monkeypatch.setattr(house.engine, "ask", _unavailable)
    assert known(house, event("b")) == [False]  # settled from memory


def test_closing_stops_reading(embedded_house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house = embedded_house
    house.committer.write([house.batch([event("a")])])
    house.reopen()
    house.ledger._closing.set()
    house.ledger.open("w")
    with pytest.raises(Unavailable):
        house.ledger.settle()
    house.ledger.close()


def test_workspaces_share_the_memory_and_not_the_knowledge(embedded_house: House) -> None:
    house = embedded_house
    house.committer.write([house.batch([event("a"), message("b")], workspace("v"))])
    assert known(house, event("a"), message("b")) == [False, False]


def _unavailable(*_: object, **__: object) -> None:
    raise EngineUnavailable("the store is away")
