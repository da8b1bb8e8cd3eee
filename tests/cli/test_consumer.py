"""The consumer's rules without brokers and servers: what is sent, what is repeated, when is acknowledged."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog

from campanile.cli.consumer.delivery import Delivery, ServerRefused, Stopped, Verdicts
from campanile.cli.consumer.graves import FileGraves
from campanile.cli.consumer.loop import Consumer
from campanile.cli.consumer.messages import BrokerFailed, DeadLetter, Message
from campanile.cli.importer.mapping import Converter, MappingFile, Rule
from campanile.client import Client, RetryPolicy

Handler = Callable[[list[bytes]], tuple[int, dict[str, Any]]]
AT_ONCE = RetryPolicy(attempts=1, chance=lambda: 0.0)


def message(offset: int, body: bytes | None = None, **more: Any) -> Message:
    made = json.dumps({"event_id": f"e{offset}"}).encode() if body is None else body
    return Message(topic="t", partition=1, offset=offset, timestamp=1760000000000, body=made, origin="kafka:t", **more)


def stored(lines: list[bytes], **more: Any) -> tuple[int, dict[str, Any]]:
    count = len(lines) - len(more.get("errors", ()))
    return 200, {
        "received": len(lines), "accepted": count, "duplicates": 0, "rejected": len(lines) - count, **more,
    }  # fmt: skip


class Desk:
    """A delivery to a server that answers as told. It remembers requests and pauses."""

    def __init__(self, handler: Handler = stored, **options: Any) -> None:
        self.requests: list[list[bytes]] = []
        self.paths: list[str] = []
        self.pauses: list[str] = []

        def answer(request: httpx.Request) -> httpx.Response:
            packed = request.headers.get("Content-Encoding") == "gzip"
            lines = (gzip.decompress(request.content) if packed else request.content).split(b"\n")
            self.requests.append(lines)
            self.paths.append(str(request.url))
            status, body = handler(lines)
            return httpx.Response(status, json=body)

        transport = httpx.MockTransport(answer)
        client = Client("http://server.test", "W1", "key", retry=AT_ONCE, transport=transport)
        self.delivery = Delivery(client, policy=AT_ONCE, **options)

    async def _pause(self, why: str, _seconds: float) -> None:
        self.pauses.append(why)
        if len(self.pauses) > 5:
            raise Stopped

    def deliver(self, *messages: Message) -> Verdicts:
        return asyncio.run(self.delivery.deliver(messages, self._pause))


def codes(verdicts: Verdicts) -> dict[int, str]:
    return {letter.message.offset: letter.code for letter in verdicts.dead}


def test_a_message_is_one_line_whatever_its_spaces() -> None:
    desk = Desk()
    verdicts = desk.deliver(message(1, b' {\r\n "event_id": "a\\nb"\n}\n'), message(2, b"{broken"))
    assert desk.requests == [[b'{   "event_id": "a\\nb" }', b"{broken"]]
    assert (verdicts.accepted, verdicts.dead) == (2, [])


def test_what_the_server_need_not_see() -> None:
    desk = Desk()
    verdicts = desk.deliver(
        message(1, b" \n"),
        message(2, b"1" * 40_000),
        message(3, headers=(("workspace", b"W2"),)),
        message(4, headers=(("workspace", b"W1"),)),
    )
    assert codes(verdicts) == {1: "empty_message", 2: "event_too_large", 3: "wrong_workspace"}
    assert [len(lines) for lines in desk.requests] == [1]


def test_a_batch_without_anything_to_send_asks_nobody() -> None:
    desk = Desk()
    assert codes(desk.deliver(message(1, b""))) == {1: "empty_message"}
    assert desk.requests == []


@pytest.mark.parametrize("status", [207, 422])
def test_verdicts_come_back_to_their_messages(status: int) -> None:
    error = {"index": 1, "code": "missing_field", "field": "type", "message": "type is required", "event_id": "e2"}
    desk = Desk(lambda lines: (status, stored(lines, errors=[error])[1]))
    verdicts = desk.deliver(message(1), message(2), message(3))
    assert verdicts.accepted == 2
    assert verdicts.dead == [DeadLetter(message(2), "missing_field", "type", "type is required", "e2")]


def test_an_old_topic_with_many_days_takes_several_requests() -> None:
    """The server takes a hundred days a request; the rest of the batch is as good as its beginning."""

    def first_two(lines: list[bytes]) -> tuple[int, dict[str, Any]]:
        errors = [{"index": index, "code": "too_many_days", "message": "…"} for index in range(2, len(lines))]
        return stored(lines, errors=errors)

    desk = Desk(first_two)
    verdicts = desk.deliver(*(message(number) for number in range(5)))
    assert [len(lines) for lines in desk.requests] == [5, 3, 1]
    assert (verdicts.accepted, verdicts.dead) == (5, [])


def test_a_verdict_that_would_not_change_is_final() -> None:
    error = {"index": 0, "code": "too_many_days", "message": "…"}
    desk = Desk(lambda lines: stored(lines, errors=[error]))
    assert codes(desk.deliver(message(1))) == {1: "too_many_days"}


@pytest.mark.parametrize("status", [400, 413])
def test_a_message_that_spoils_its_request_is_found(status: int) -> None:
    def picky(lines: list[bytes]) -> tuple[int, dict[str, Any]]:
        return (status, {"error": {"message": "no"}}) if b'{"event_id": "e3"}' in lines else stored(lines)

    desk = Desk(picky)
    verdicts = desk.deliver(*(message(number) for number in range(6)))
    assert verdicts.accepted == 5
    assert codes(verdicts) == {3: f"http_{status}"}


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_server_that_knows_us_not_ends_the_consumer(status: int) -> None:
    desk = Desk(lambda _lines: (status, {"error": {"message": "who?"}}))
    with pytest.raises(ServerRefused, match=r"who\?"):
        desk.deliver(message(1))


def test_a_busy_server_gets_the_same_bytes_again() -> None:
    answers = iter([(503, {}), (500, {}), (429, {})])
    desk = Desk(lambda lines: next(answers, None) or stored(lines))
    assert desk.deliver(message(1)).accepted == 1
    assert len(desk.pauses) == 3
    assert desk.requests == [desk.requests[0]] * 4


def test_another_shape_is_mapped_and_gets_ids_of_the_broker() -> None:
    rules: dict[str, Rule | str] = {
        "type": Rule(column="what", map={"Sent": "sent"}, on_unknown="skip"), "event_id": "id", "user_id": "who.id",
    }  # fmt: skip
    desk = Desk(converter=Converter(None, MappingFile(columns=rules), constants={"channel": "SMS"}))
    verdicts = desk.deliver(
        message(1, b'{"what": "Sent", "id": "m1", "who": {"id": 7}}'),
        message(2, b'{"what": "Sent"}'),
        message(3, b'{"what": "Else"}'),
        message(4, b"[1]"),
        message(5, b"{"),
        message(6, b'"\xff"'),
    )
    assert [json.loads(line) for line in desk.requests[0]] == [
        {"type": "sent", "event_id": "m1", "user_id": "7", "channel": "SMS"},
        {"type": "sent", "event_id": "kafka:t:1:2:1760000000000", "channel": "SMS"},
    ]
    assert verdicts.skipped == 1
    assert codes(verdicts) == {4: "not_an_object", 5: "invalid_json", 6: "invalid_json"}


def test_flags_of_the_request() -> None:
    events, history, counts = Desk(), Desk(backfill=True), Desk(kind="funnel")
    for desk in (events, history, counts):
        desk.deliver(message(1, b"1" * 40_000 if desk is counts else None))
    assert events.paths == ["http://server.test/v1/events?max_errors=10000"]
    assert history.paths == ["http://server.test/v1/events?import=true&max_errors=10000"]
    assert counts.paths == ["http://server.test/v1/funnel?max_errors=10000"]


class FakeBroker:
    """Batches to read, then nothing. It remembers what it was told."""

    hold_seconds = 0.001

    def __init__(self, *batches: list[Message] | BrokerFailed) -> None:
        self._batches = list(batches)
        self.calls: list[str] = []
        self.held = asyncio.Event()

    async def open(self) -> None:
        self.calls.append("open")

    async def fetch(self, limit: int, seconds: float) -> list[Message]:
        batch = self._batches.pop(0) if self._batches else []
        if isinstance(batch, BrokerFailed):
            raise batch
        return batch

    async def hold(self, messages: Sequence[Message]) -> None:
        self.held.set()

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        self.calls.append(f"ack {messages[0].offset}-{messages[-1].offset}")

    async def publish(self, topic: str, letters: Sequence[DeadLetter]) -> None:
        raise AssertionError("nobody asked for a topic")

    async def drained(self) -> bool:
        return not self._batches

    def lag(self) -> int | None:
        return None

    async def close(self) -> None:
        self.calls.append("close")


def consume(broker: FakeBroker, desk: Desk, folder: Path, stopping: asyncio.Event | None = None) -> Consumer:
    graves = FileGraves(folder / "errors.ndjson")
    log = structlog.get_logger()
    consumer = Consumer(
        broker, desk.delivery, graves, stopping or asyncio.Event(), log, batch=10, once=True, policy=AT_ONCE
    )
    try:
        asyncio.run(consumer.run())
    finally:
        graves.close()
    return consumer


def test_acknowledged_is_what_the_server_has_and_the_file_keeps(tmp_path: Path) -> None:
    broker = FakeBroker([message(1), message(2, b"")], [message(3)])
    written: list[bool] = []

    def answer(lines: list[bytes]) -> tuple[int, dict[str, Any]]:
        written.append(any(call.startswith("ack") for call in broker.calls))
        return stored(lines)

    consumer = consume(broker, Desk(answer), tmp_path)
    assert written == [False, True]
    assert broker.calls == ["open", "ack 1-2", "ack 3-3", "close"]
    assert (consumer.totals.messages, consumer.totals.accepted, consumer.totals.dead) == (3, 2, 1)
    (line,) = (tmp_path / "errors.ndjson").read_text().splitlines()
    assert json.loads(line) == {
        "file": "t/1", "row": 2, "byte_offset": 0, "event_id": "", "code": "empty_message", "field": "",
        "message": "the message has no content", "raw": None,
    }  # fmt: skip


def test_a_broker_that_fails_is_opened_again(tmp_path: Path) -> None:
    broker = FakeBroker(BrokerFailed("gone"), [message(1)])
    assert consume(broker, Desk(), tmp_path).totals.accepted == 1
    assert broker.calls == ["open", "close", "open", "ack 1-1", "close"]


def test_who_is_to_end_by_itself_gives_a_broker_up(tmp_path: Path) -> None:
    broker = FakeBroker(*(BrokerFailed(f"gone {number}") for number in range(9)))
    with pytest.raises(BrokerFailed, match="gone 4"):
        consume(broker, Desk(), tmp_path)
    assert broker.calls == ["open", "close"] * 5


def test_a_batch_that_waits_for_the_server_is_held_and_given_back_at_the_end(tmp_path: Path) -> None:
    broker = FakeBroker([message(1)])
    stopping = asyncio.Event()

    def answer(_lines: list[bytes]) -> tuple[int, dict[str, Any]]:
        if broker.held.is_set():
            stopping.set()
        return 503, {}

    consumer = consume(broker, Desk(answer), tmp_path, stopping)
    assert consumer.totals.messages == 0
    assert broker.calls == ["open", "close"]


def test_addresses_do_not_reach_the_file(tmp_path: Path) -> None:
    body = b'{"event_id": "e1", "user_id": "ada@example.net", "note": "call +1 555 123 0001"}'
    error = {"index": 0, "code": "missing_field", "field": "type", "message": "type is required", "event_id": "e1"}
    consume(FakeBroker([message(1, body)]), Desk(lambda lines: stored(lines, errors=[error])), tmp_path)
    kept = json.loads((tmp_path / "errors.ndjson").read_text())
    assert kept["raw"] == {"event_id": "e1", "user_id": "***", "note": "call ***"}


def test_headers_of_a_dead_letter_say_where_it_came_from() -> None:
    letter = DeadLetter(message(7, headers=(("trace", b"x"), ("code", b"old"))), "missing_field", "type", "required")
    assert letter.headers == [
        ("trace", b"x"), ("code", b"missing_field"), ("field", b"type"), ("reason", b"required"),
        ("source_topic", b"t"), ("source_partition", b"1"), ("source_offset", b"7"),
    ]  # fmt: skip
