"""Both clients against a server that fails in every way a server can, over real sockets."""

from __future__ import annotations

import gzip
import socket
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from campanile.client import ClientError, Refused, SendingStopped, Unreachable
from tests.client.callers import Caller
from tests.client.faulty import (
    DATE,
    EPOCH,
    Exchange,
    FaultyServer,
    Reply,
    answer,
    dripping,
    hang_up,
    ok,
    page,
    replying,
    reset,
    silence,
    status,
)

pytestmark = pytest.mark.slow

DAYS: dict[str, Any] = {"start_date": "2025-10-01", "end_date": "2025-10-20"}
EVENTS = [{"event_id": f"e{number}", "type": "click", "user_id": "u"} for number in range(3)]
TAKEN = {"received": 3, "accepted": 2, "duplicates": 0, "rejected": 1}
CONTENT = b"PK\x03\x04" + bytes(range(256)) * 100
ETAG = f'"{sha256(CONTENT).hexdigest()}"'


def asked(server: FaultyServer, kind: str, *replies: Reply, **options: Any) -> Caller:
    """A statistics question that got these replies, the last of which must be a good one."""
    server.will(*replies, ok(page({"a": []})))
    caller = Caller(kind, server.url, **options)
    assert caller.ask("stats", "a", **DAYS).data == {"a": []}
    assert len(server.requests) == len(replies) + 1
    assert len({request.body for request in server.requests}) == 1, "it is the same question"
    return caller


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "7"}, 7.5),
        ({"Retry-After": "Mon, 20 Oct 2025 10:00:30 GMT"}, 30.5),
        ({"Retry-After": "3", "x_ratelimit_remaining": "0", "x_ratelimit_reset": str(EPOCH + 40)}, 3.5),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(EPOCH + 40)}, 40.5),
        ({"x_ratelimit_remaining": "0", "x_ratelimit_reset": "12"}, 12.5),
        ({"x_ratelimit_reset": "soon"}, 0.5),
        ({"Retry-After": "86400"}, 60),
        ({}, 0.5),
    ],
    ids=["seconds", "date", "both", "reset instant", "reset seconds", "nonsense", "a day", "nothing"],
)
def test_too_many_requests_are_waited_for(
    server: FaultyServer, kind: str, headers: dict[str, str], wait: float
) -> None:
    assert asked(server, kind, status(429, **headers)).waits == [wait]


@pytest.mark.parametrize("code", [408, 500, 502, 503, 504])
def test_failures_of_the_server_are_tried_again_with_growing_waits(server: FaultyServer, kind: str, code: int) -> None:
    assert asked(server, kind, status(code), status(code), status(code)).waits == [0.5, 1.0, 2.0]


CUTS: dict[str, Reply] = {
    "closed": hang_up,
    "reset": reset,
    "within the head": replying(b"HTTP/1.1 200 OK\r\nContent-Le"),
    "within the body": replying(answer(200, b'{"response_id": "r", "total', length=500)),
    "no http": replying(b"220 mail.example.com ESMTP\r\n"),
    "no gzip": replying(answer(200, b"plain", Content_Encoding="gzip")),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_a_connection_that_is_cut_is_made_again(server: FaultyServer, kind: str, cut: Reply) -> None:
    assert asked(server, kind, cut).waits == [0.5]


def test_an_answer_that_does_not_come_is_given_up(server: FaultyServer, kind: str) -> None:
    server.will(silence)
    caller = Caller(kind, server.url, timeout=0.1, attempts=2)
    with pytest.raises(Unreachable, match=f"cannot reach {server.url}: "):
        caller.ask("stats", "a", **DAYS)
    assert len(server.requests) == 2


def test_an_answer_that_comes_slowly_is_waited_for(server: FaultyServer, kind: str) -> None:
    server.will(dripping(page({"a": []})))
    caller = Caller(kind, server.url, timeout=5.0)
    assert caller.ask("stats", "a", **DAYS).data == {"a": []}
    assert caller.waits == []


@pytest.mark.parametrize(
    "body",
    [b"<html>Sign in</html>", b'{"response_id": "r", "total_cam', b"[]", b'{"hello": 1}', b"\xff\xfe", b""],
    ids=["html", "cut", "list", "other", "bytes", "empty"],
)
def test_wrong_json_is_reported_at_once(server: FaultyServer, kind: str, body: bytes) -> None:
    server.will(replying(answer(200, body)))
    with pytest.raises(Unreachable, match=f"{server.url} gave an answer of an unknown form"):
        Caller(kind, server.url).ask("stats", "a", **DAYS)
    assert len(server.requests) == 1


def test_a_server_that_stays_down_is_reported_with_its_last_word(server: FaultyServer, kind: str) -> None:
    server.will(status(503, Retry_After="2"))
    caller = Caller(kind, server.url)
    with pytest.raises(Refused) as caught:
        caller.ask("stats", "a", **DAYS)
    assert (caught.value.status, caught.value.retry_after) == (503, 2)
    assert caller.waits == [2.5, 2.5, 2.5]


def test_a_server_that_is_not_there(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    caller = Caller(kind, f"http://127.0.0.1:{port}")
    with pytest.raises(Unreachable):
        caller.ask("campaigns.search", name="x")
    assert caller.waits == [0.5, 1.0, 2.0]


def test_a_budget_that_is_used_up_is_waited_for_before_the_next_request(server: FaultyServer, kind: str) -> None:
    used_up = {"x_ratelimit_remaining": "0", "x_ratelimit_reset": str(EPOCH + 40)}
    server.will(ok(page({"a": []}), **used_up), ok([]), ok(page({"a": []}), x_ratelimit_remaining="99"))
    caller = Caller(kind, server.url)
    question = ("stats", ("a",), DAYS)
    caller(question, ("campaigns.search", (), {}), question, question)
    assert caller.waits == [pytest.approx(40, abs=1)], "search has a budget of its own"


def test_what_may_have_been_done_is_not_done_twice(server: FaultyServer, kind: str) -> None:
    for reply in (hang_up, status(500)):
        server.will(reply)
        with pytest.raises(ClientError):
            Caller(kind, server.url).ask("hooks.create", "sendgrid")
        assert len(server.requests) == 1
    server.will(status(429), status(503), ok({"id": "hook_1"}))
    assert Caller(kind, server.url).ask("hooks.create", "sendgrid") == {"id": "hook_1"}


def test_events_are_sent_again_under_the_same_key(server: FaultyServer, kind: str) -> None:
    problem = {"index": 1, "event_id": "e1", "code": "missing_field", "field": "campaign_id", "message": "m"}
    server.will(hang_up, status(503), replying(answer(200, b"{", length=9)), ok({**TAKEN, "errors": [problem]}))
    sent = Caller(kind, server.url).ask("send_events", iter(EVENTS))
    assert (sent.received, sent.accepted, sent.rejected, sent.requests) == (3, 2, 1, 1)
    (rejection,) = sent.rejections
    assert (rejection.index, rejection.event, rejection.code) == (1, EVENTS[1], "missing_field")
    assert len(server.requests) == 4
    assert len({(request.body, request.headers["idempotency-key"]) for request in server.requests}) == 1
    body = server.requests[0].body
    lines = gzip.decompress(body) if server.requests[0].headers.get("content-encoding") == "gzip" else body
    assert len(lines.splitlines()) == 3


def test_sending_that_stops_says_what_is_in(server: FaultyServer, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campanile.client.events.BATCH_EVENTS", 3)
    server.will(ok(TAKEN), status(403))
    with pytest.raises(SendingStopped, match="3 events were answered before") as caught:
        Caller(kind, server.url).ask("send_events", EVENTS * 3)
    assert (caught.value.sent.received, caught.value.sent.accepted) == (3, 2)
    assert isinstance(caught.value.__cause__, Refused)


def part(request_start: int, cut: int | None = None) -> Reply:
    """The file from a byte on, up to where the connection is cut."""
    rest = CONTENT[request_start:]
    headers = {"ETag": ETAG, "Accept_Ranges": "bytes"}
    if request_start:
        headers["Content_Range"] = f"bytes {request_start}-{len(CONTENT) - 1}/{len(CONTENT)}"
    code = 206 if request_start else 200
    return replying(answer(code, rest[:cut], length=len(rest), **headers))


def test_a_download_goes_on_where_it_was_cut(server: FaultyServer, kind: str, tmp_path: Path) -> None:
    def rest(exchange: Exchange) -> None:
        start = int(server.requests[-1].headers["range"].removeprefix("bytes=").rstrip("-"))
        part(start)(exchange)

    server.will(part(0, cut=20_000), status(503), rest)
    seen: list[tuple[int, int | None]] = []
    target = tmp_path / "x.zip"
    done = Caller(kind, server.url).ask(
        "download", "Daily_20250302.zip", target, progress=lambda *now: seen.append(now)
    )
    assert target.read_bytes() == CONTENT
    assert (done.size, done.checked, done.sha256) == (len(CONTENT), True, ETAG.strip('"'))
    first, *later = server.requests
    assert "range" not in first.headers
    assert {request.headers["if-range"] for request in later} == {ETAG}
    assert len({request.headers["signature"] for request in server.requests}) == 1
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [path.name for path in tmp_path.iterdir()] == ["x.zip"]


def test_a_download_that_ends_early_is_not_taken_for_complete(server: FaultyServer, kind: str, tmp_path: Path) -> None:
    server.will(part(0, cut=0))
    with pytest.raises(Unreachable):
        Caller(kind, server.url, attempts=2).ask("download", "Daily_20250302.zip", tmp_path / "x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_the_dates_of_the_fixture_agree() -> None:
    from email.utils import parsedate_to_datetime

    assert parsedate_to_datetime(DATE).timestamp() == EPOCH
