"""Events in batches: what goes into one request, and what comes back for each event."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from campanile.client import SendingStopped, events
from tests.client.callers import Caller
from tests.client.faulty import Exchange, FaultyServer, Received, ok, status


def lines(request: Received) -> list[dict[str, Any]]:
    body = request.body
    if request.headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    return [json.loads(line) for line in body.splitlines()]


def taking(server: FaultyServer, most: int = 10**9) -> None:
    """Accept everything but events without a user; refuse requests with too many events."""

    def reply(exchange: Exchange) -> None:
        got = lines(server.requests[-1])
        if len(got) > most:
            return status(413)(exchange)
        bad = [
            {"index": index, "code": "missing_field", "field": "user_id", "message": "m"}
            for index, event in enumerate(got)
            if "user_id" not in event
        ]
        counts = {"received": len(got), "accepted": len(got) - len(bad), "duplicates": 0, "rejected": len(bad)}
        return ok({**counts, "errors": bad})(exchange)

    server.will(reply)


def made(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [{"event_id": f"e{number}", "user_id": "u", **fields} for number in range(count)]


def test_batches_are_full_before_they_go(server: FaultyServer, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BATCH_EVENTS", 40)
    taking(server)
    given = made(100)
    del given[45]["user_id"], given[99]["user_id"]
    sent = Caller(kind, server.url).ask("send_events", (event for event in given))
    assert [len(lines(request)) for request in server.requests] == [40, 40, 20]
    assert [event for request in server.requests for event in lines(request)] == given
    assert (sent.received, sent.accepted, sent.rejected, sent.requests) == (100, 98, 2, 3)
    assert [(rejection.index, rejection.event) for rejection in sent.rejections] == [(45, given[45]), (99, given[99])]
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert len(set(keys)) == 3
    assert {key.rpartition("-")[0] for key in keys} == {keys[0].rpartition("-")[0]}


def test_batches_end_before_they_are_too_large(
    server: FaultyServer, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "BATCH_BYTES", 300)
    taking(server)
    Caller(kind, server.url).ask("send_events", made(9, link="x" * 60))
    assert [len(lines(request)) for request in server.requests] == [2, 2, 2, 2, 1]


@pytest.mark.parametrize("step", ["text", "seconds", "milliseconds"])
def test_history_is_cut_into_days_the_server_takes(server: FaultyServer, kind: str, step: str) -> None:
    times: list[Any] = [f"2025-{1 + day // 28:02}-{1 + day % 28:02}T10:00:00Z" for day in range(80)]
    if step != "text":
        times = [(20_000 + day) * 86_400 * (1000 if step == "milliseconds" else 1) for day in range(80)]
    taking(server)
    given = [event for time in times for event in made(2, time=time)]
    Caller(kind, server.url).ask("send_events", given, backfill=True)
    assert [len(lines(request)) for request in server.requests] == [66, 66, 28]
    assert {request.path for request in server.requests} == {"/v1/events?import=true&max_errors=10000"}


def test_what_is_too_large_for_the_server_is_halved(server: FaultyServer, kind: str) -> None:
    taking(server, most=3)
    given = made(10)
    del given[7]["user_id"]
    sent = Caller(kind, server.url).ask("send_events", given, idempotency_key="mine")
    taken = [request for request in server.requests if len(lines(request)) <= 3]
    assert [event for request in taken for event in lines(request)] == given
    assert len({request.headers["idempotency-key"] for request in server.requests}) == len(server.requests)
    assert all(request.headers["idempotency-key"].startswith("mine-0") for request in server.requests)
    assert (sent.received, [rejection.index for rejection in sent.rejections]) == (10, [7])
    first = [request.headers["idempotency-key"] for request in server.requests]
    server.requests.clear()
    Caller(kind, server.url).ask("send_events", given, idempotency_key="mine")
    assert [request.headers["idempotency-key"] for request in server.requests] == first


def test_one_event_that_is_too_large_stops_the_sending(server: FaultyServer, kind: str) -> None:
    taking(server, most=0)
    with pytest.raises(SendingStopped, match="HTTP 413"):
        Caller(kind, server.url).ask("send_events", made(1))


def test_nothing_is_sent_for_nothing(server: FaultyServer, kind: str) -> None:
    taking(server)
    assert Caller(kind, server.url).ask("send_events", []).requests == 0
    assert server.requests == []


def test_what_json_has_not_is_an_error_of_the_caller(server: FaultyServer, kind: str) -> None:
    taking(server)
    with pytest.raises(TypeError):
        Caller(kind, server.url).ask("send_events", [{"event_id": "1", "user_id": object()}])
    assert server.requests == []
