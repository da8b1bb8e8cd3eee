"""Reports through the client, against answers made by hand."""

from __future__ import annotations

import json

import httpx
import pytest

from campanile.client import Refused
from tests.client.test_client import client_of


def test_a_creation_is_repeated_under_one_key() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(503) if len(seen) < 3 else httpx.Response(201, json={"id": "rep_1"})

    client = client_of(answer)
    assert client.reports.create({"name": "A"}) == {"id": "rep_1"}
    assert {(request.method, request.url.path) for request in seen} == {("POST", "/v1/reports")}
    assert [json.loads(request.content) for request in seen] == [{"name": "A"}] * 3
    assert len({request.headers["Idempotency-Key"] for request in seen}) == 1
    client.reports.run("rep_1")
    client.reports.run("rep_1")
    assert len({request.headers["Idempotency-Key"] for request in seen}) == 3, "two runs are two requests"


def test_all_pages_are_read() -> None:
    pages = {None: {"reports": [{"id": "1"}], "next_cursor": "c"}, "c": {"reports": [{"id": "2"}], "next_cursor": None}}
    seen: list[dict[str, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(dict(request.url.params))
        return httpx.Response(200, json=pages[request.url.params.get("cursor")])

    assert [found["id"] for found in client_of(answer).reports.all(text="x y")] == ["1", "2"]
    assert seen == [{"limit": "100", "q": "x y"}, {"limit": "100", "q": "x y", "cursor": "c"}]


def test_other_calls() -> None:
    seen: list[tuple[str, str, bytes]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.method, request.url.raw_path.decode(), request.content))
        return httpx.Response(204) if request.method == "DELETE" else httpx.Response(200, json={"id": "x"})

    reports = client_of(answer).reports
    reports.get("a/b")
    reports.delete("rep_1")
    reports.check({"name": "A"})
    reports.run("rep_1", {"file_date": "2025-03-01"})
    reports.run_state("run_1")
    assert seen == [
        ("GET", "/v1/reports/a%2Fb", b""),
        ("DELETE", "/v1/reports/rep_1", b""),
        ("POST", "/v1/reports?dry_run=true", b'{"name":"A"}'),
        ("POST", "/v1/reports/rep_1/run", b'{"file_date":"2025-03-01"}'),
        ("GET", "/v1/report-runs/run_1", b""),
    ]


def test_everything_that_is_wrong_can_be_read() -> None:
    errors = [{"type": "a", "message": "First."}, {"type": "b", "message": "Second."}, {"type": "c"}]
    body = {"error": {"message": "First."}, "errors": errors}
    with pytest.raises(Refused) as caught:
        client_of(lambda _request: httpx.Response(422, json=body)).reports.create({})
    assert (caught.value.status, caught.value.message) == (422, "First.")
    assert caught.value.problems == ("First.", "Second.")
    with pytest.raises(Refused) as caught:
        client_of(lambda _request: httpx.Response(404, content=b"<html>")).reports.get("x")
    assert caught.value.problems == ()
