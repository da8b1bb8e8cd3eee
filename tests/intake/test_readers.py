"""Bodies read by another process give what they give here, and nothing that happens to a reader harms the server."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator

import numpy as np
import pytest

from campanile.errors import InvalidInput, PayloadTooLarge, Unavailable
from campanile.intake import readers
from campanile.intake.limits import Limits
from campanile.intake.policy import Policy
from campanile.intake.readers import LARGE_BODY_BYTES, ReaderPool, default_readers, serve
from campanile.intake.reading import Reading, ReadingOrder, read_events
from tests.intake.served import click, ndjson
from tests.intake.worlds import NOW, workspace

pytestmark = pytest.mark.slow


def order(body: bytes, *, atomic: bool = False, events: int = 10_000) -> ReadingOrder:
    policy = Policy(workspace_id="w", pseudonym_key=b"p" * 32, limits=Limits(events=events))
    return ReadingOrder(
        body=body, format="ndjson", workspace=workspace(), policy=policy, received_at=NOW, atomic=atomic
    )


def large(*extra: dict[str, object]) -> bytes:
    events = [
        click(f"e-{number}", user_id=f"ü-{number}", type="sent", provider="ses", message_id=f"m-{number}", locale="en")
        for number in range(500)
    ]
    body = ndjson(*events, *extra)
    assert len(body) > LARGE_BODY_BYTES
    return body


def same(one: Reading, other: Reading) -> bool:
    assert one.parsed == other.parsed
    if one.batch is None or other.batch is None:
        return one.batch is other.batch
    assert one.batch.columns.equals(other.batch.columns)
    mentions = [{said: at.tolist() for said, at in batch.mentions.items()} for batch in (one.batch, other.batch)]
    assert mentions[0] == mentions[1]
    return all(
        np.array_equal(getattr(one.batch, name), getattr(other.batch, name))
        for name in ("event_keys", "message_keys", "known_as", "messages_known_as", "has_message", "times", "sends")
    )


@pytest.fixture
def pool() -> Iterator[ReaderPool]:
    pool = ReaderPool(1)
    yield pool
    pool.close()


def test_a_large_body_gives_the_same_as_here(pool: ReaderPool) -> None:
    for body in (large(), large({"type": "click"}), large(click("x", campaign_name="Ünïcode"))):
        asked = order(body)
        assert same(pool.read(asked), read_events(asked))
        refused = order(body, atomic=True)
        assert same(pool.read(refused), read_events(refused))


def test_events_come_back_from_a_batch(pool: ReaderPool) -> None:
    reading = pool.read(order(large(click("x", campaign_name="Autumn"))))
    batch, place = reading.batch, reading.parsed.indexes.index(500)
    assert batch is not None
    mention = next(mention for mention, places in batch.mentions.items() if place in places)
    event = batch.event(place, mention)
    assert (event.event_id, event.campaign_name, event.type, event.ts.tzinfo) == ("x", "Autumn", "click", NOW.tzinfo)


@pytest.mark.parametrize(
    ("asked", "error", "kind"),
    [
        (order(b"\xef\xbb\xbf" + large(), events=499), PayloadTooLarge, "too_many_events"),
        (ReadingOrder(**{**{f: getattr(order(large()), f) for f in ReadingOrder.__struct_fields__}, "format": "json"}),
         InvalidInput, "invalid_json"),
    ],
)  # fmt: skip
def test_refusals_come_back_as_they_are(
    pool: ReaderPool, asked: ReadingOrder, error: type[Exception], kind: str
) -> None:
    with pytest.raises(error) as here:
        read_events(asked)
    with pytest.raises(error) as there:
        pool.read(asked)
    assert str(here.value) == str(there.value)
    assert there.value.error_type == kind  # type: ignore[attr-defined]
    assert pool.read(order(large())).batch is not None


def test_small_bodies_start_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "_Reader", None)
    assert ReaderPool(1).read(order(ndjson(click("a")))).batch is not None
    assert ReaderPool(0).read(order(large())).batch is not None


def test_a_reader_that_dies_costs_one_answer(pool: ReaderPool) -> None:
    pool.read(order(large()))
    reader = pool._idle.queue[-1]
    assert reader is not None
    os.kill(reader._process.pid, signal.SIGKILL)
    reader._process.wait()
    with pytest.raises(Unavailable) as refusal:
        pool.read(order(large()))
    assert refusal.value.error_type == "reader_lost"
    assert pool.read(order(large())).batch is not None


def test_a_reader_that_hangs_is_stopped(pool: ReaderPool, monkeypatch: pytest.MonkeyPatch) -> None:
    pool.read(order(large()))
    reader = pool._idle.queue[-1]
    assert reader is not None
    os.kill(reader._process.pid, signal.SIGSTOP)
    monkeypatch.setattr(readers, "READING_SECONDS", 0.1)
    with pytest.raises(Unavailable):
        pool.read(order(large()))


def test_a_reader_that_cannot_be_started_is_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers.sys, "executable", "/nowhere/python")
    with pytest.raises(Unavailable):
        ReaderPool(1).read(order(large()))


def test_readers_end_with_their_server(pool: ReaderPool) -> None:
    pool.read(order(large()))
    reader = pool._idle.queue[-1]
    assert reader is not None
    assert reader._process.stdin is not None
    reader._process.stdin.close()
    assert reader._process.wait(timeout=30) == 0


def test_the_life_of_a_reader() -> None:
    asked = order(ndjson(click("a")))
    too_many = order(b"{}\n" * 3, events=2)
    orders, answers = io.BytesIO(), io.BytesIO()
    for item in (asked, too_many):
        readers._send(orders, item)
    orders.seek(0)
    serve(orders, answers)
    answers.seek(0)
    assert same(readers._receive(answers), read_events(asked))
    assert isinstance(readers._receive(answers), PayloadTooLarge)
    with pytest.raises(EOFError):
        readers._receive(answers)


def test_one_processor_is_left_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for processors, expected in ((1, 0), (2, 1), (4, 3), (64, 4)):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _, count=processors: set(range(count)))
        assert default_readers() == expected
