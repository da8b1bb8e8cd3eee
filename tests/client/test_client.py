"""The HTTP client against answers made by hand."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable

import httpx
import pytest

from campanile.client import Client, Refused, RetryPolicy, Unreachable, moengage
from campanile.client.retries import parse_retry_after

OK = {"received": 2, "accepted": 1, "duplicates": 1, "rejected": 0, "status": "ok", "something_new": 1}
EVENTS = b"\n".join(b'{"event_id":"%d","type":"click"}' % number for number in range(20))
Handler = Callable[[httpx.Request], httpx.Response]


def client_of(handler: Handler, waits: list[float] | None = None, **policy: float) -> Client:
    sleep = waits.append if waits is not None else lambda _seconds: None
    retry = RetryPolicy(sleep=sleep, chance=lambda: 0.5, **policy)  # type: ignore[arg-type]
    return Client("http://server.example/", "WS1", "kéy", retry=retry, transport=httpx.MockTransport(handler))


def test_events_go_out_compressed_with_basic_credentials() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=OK)

    with client_of(answer) as client:
        result = client.post_events(EVENTS, backfill=True, all_errors=True)
    assert (result.accepted, result.duplicates, result.rejected) == (1, 1, 0)
    (request,) = seen
    assert request.url.path == "/v1/events"
    assert dict(request.url.params) == {"import": "true", "max_errors": "10000"}
    assert request.headers["Content-Type"] == "application/x-ndjson"
    assert gzip.decompress(request.content) == EVENTS
    assert request.headers["Authorization"] == "Basic " + base64.b64encode("WS1:kéy".encode()).decode()
    assert request.headers["MOE-APPKEY"] == "WS1"


@pytest.mark.parametrize("body", [b'{"a":1}', EVENTS[:33] * 10_000], ids=["short", "shrinks like a bomb"])
def test_what_compression_would_not_help_or_make_suspicious_goes_out_as_it_is(body: bytes) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=OK)

    client_of(answer).post_events(body)
    assert seen[0].content == body
    assert "Content-Encoding" not in seen[0].headers


@pytest.mark.parametrize("status", [207, 422])
def test_rejected_events_are_an_answer_not_an_error(status: int) -> None:
    body = {**OK, "rejected": 1, "errors": [{"index": 1, "code": "missing_field", "field": "user_id", "message": "m"}]}
    result = client_of(lambda _request: httpx.Response(status, json=body)).post_events(b"{}")
    assert result.errors[0].index == 1
    assert result.errors[0].code == "missing_field"


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_the_same_bytes_are_sent_again_until_they_pass(status: int) -> None:
    bodies: list[bytes] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        return httpx.Response(200, json=OK) if len(bodies) == 4 else httpx.Response(status)

    waits: list[float] = []
    client_of(answer, waits).post_events(b"{}")
    assert len(set(bodies)) == 1
    assert waits == [0.5, 1.0, 2.0]


def test_the_server_decides_how_long_to_wait() -> None:
    answers = [httpx.Response(429, headers={"Retry-After": "7"}), httpx.Response(200, json=OK)]
    waits: list[float] = []
    client_of(lambda _request: answers.pop(0), waits).post_events(b"{}")
    assert waits == [7.5]


def test_waits_are_bounded() -> None:
    answers = [httpx.Response(429, headers={"Retry-After": "86400"}), httpx.Response(200, json=OK)]
    waits: list[float] = []
    client_of(lambda _request: answers.pop(0), waits, longest=60).post_events(b"{}")
    assert waits == [60]


def test_a_dead_server_is_reported_after_all_attempts() -> None:
    calls: list[int] = []

    def refuse(request: httpx.Request) -> httpx.Response:
        calls.append(1)
        raise httpx.ConnectError("connection refused", request=request)

    with pytest.raises(Unreachable, match=r"cannot reach http://server.example: connection refused"):
        client_of(refuse, attempts=3).post_events(b"{}")
    assert len(calls) == 3


def test_a_server_that_stays_busy_is_reported() -> None:
    with pytest.raises(Refused) as caught:
        client_of(lambda _request: httpx.Response(503, headers={"Retry-After": "2"}), attempts=2).post_events(b"{}")
    assert caught.value.status == 503
    assert caught.value.retry_after == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": {"type": "forbidden", "message": "The key may not."}}, "The key may not."),
        ({"title": "Forbidden Request", "description": None, "code": "abc"}, "Forbidden Request"),
        ({"title": "Invalid", "description": "limit"}, "Invalid: limit"),
        ("text", "Forbidden"),
    ],
)
def test_errors_are_not_repeated_and_say_why(body: object, message: str) -> None:
    calls: list[int] = []

    def answer(_request: httpx.Request) -> httpx.Response:
        calls.append(1)
        return httpx.Response(403, json=body)

    with pytest.raises(Refused) as caught:
        client_of(answer).put_campaign("a" * 24, {"name": "x"})
    assert caught.value.message == message
    assert str(caught.value) == f"{message} (HTTP 403)"
    assert calls == [1]


def test_a_refusal_of_the_whole_request_with_422_is_an_error() -> None:
    body = {"error": {"type": "unprocessable", "message": "No."}}
    with pytest.raises(Refused, match=r"No. \(HTTP 422\)"):
        client_of(lambda _request: httpx.Response(422, json=body)).post_events(b"{}")


def test_an_answer_of_another_kind_of_server_is_reported() -> None:
    for answer in (httpx.Response(200, text="<html>"), httpx.Response(200, json={"hello": 1})):
        with pytest.raises(Unreachable, match="unknown form"):
            client_of(lambda _request, answer=answer: answer).post_events(b"{}")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("number", "address"),
    [
        (1, "https://api-01.moengage.com"),
        ("06", "https://api-06.moengage.com"),
        ("5", "https://api-05.moengage.com"),
        (101, "https://api-101.moengage.com"),
    ],
)
def test_data_centres_have_numbers(number: int | str, address: str) -> None:
    assert moengage(number) == address
    assert Client(moengage(number), "W", "k").base_url == address


@pytest.mark.parametrize("number", [0, 7, 100, "x", "", "1" * 99])
def test_there_are_no_other_data_centres(number: int | str) -> None:
    with pytest.raises(ValueError, match="there are 01, 02, 03, 04, 05, 06, 101"):
        moengage(number)


def test_an_address_that_is_none_is_refused_and_secrets_are_not_shown() -> None:
    with pytest.raises(ValueError, match="begins with http"):
        Client("server.example", "W", "some-key")
    client = Client("http://server.example", "W", "some-key")
    shown = repr(client) + repr(vars(client)) + repr(client._driver.session)
    assert "some-key" not in shown
    assert client._driver.session.headers["Authorization"].split()[1] not in shown


def test_stats_asks_as_the_wire_contract_says() -> None:
    seen: list[httpx.Request] = []
    page = {"response_id": "r", "total_campaigns": 1, "current_page": 1, "total_pages": 1, "data": {"a": []}}

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json=page)

    client = client_of(answer)
    assert client.stats_page(start_date="2025-10-01", end_date="2025-10-20", campaign_ids=["a"]).data == {"a": []}
    client.stats_page(start_date="2025-10-01", end_date="2025-10-20", metric_type="UNIQUE")
    first, second = (json.loads(request.content) for request in seen)
    assert seen[0].url.path == "/core-services/v1/campaign-stats"
    assert seen[0].headers["Content-Type"] == "application/json"
    assert first["campaign_ids"] == ["a"]
    assert first["attribution_type"] == "VIEW_THROUGH"
    assert "campaign_ids" not in second
    assert second["metric_type"] == "UNIQUE"


def test_campaigns_are_imported() -> None:
    body = {"total": 2, "created": 1, "failed": 1, "errors": [{"line": 2, "campaign_id": None, "details": []}]}
    result = client_of(lambda _request: httpx.Response(200, json=body)).import_campaigns(b"{}\n{}")
    assert (result.created, result.failed) == (1, 1)
    assert result.errors[0].line == 2


@pytest.mark.parametrize(
    ("text", "date", "seconds"),
    [
        (None, None, None),
        ("5", None, 5.0),
        ("-3", None, 0.0),
        ("Mon, 20 Oct 2025 10:00:30 GMT", "Mon, 20 Oct 2025 10:00:00 GMT", 30.0),
        ("Mon, 20 Oct 2025 10:00:30 GMT", None, None),
        ("soon", None, None),
    ],
)
def test_retry_after(text: str | None, date: str | None, seconds: float | None) -> None:
    assert parse_retry_after(text, date) == seconds
