"""Requests with an `Idempotency-Key` are done once; the answer comes again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from litestar import Litestar, Request

from campanile.clock import FixedClock
from campanile.errors import InvalidInput, Unavailable, Unprocessable
from campanile.http.idempotency import BUSY, checked_key, once
from campanile.http.responses import ReadyResponse
from campanile.metadata import Metadata
from campanile.metadata.idempotency import Answer, IdempotencyKeys
from campanile.workspaces.secrets import MasterKey
from campanile.workspaces.service import WorkspaceService
from tests.http.apps import app_with, client_of, handler
from tests.support.metadata import sqlite_metadata

Act = Callable[[bytes], Awaitable[ReadyResponse]]


@pytest.mark.parametrize("key", ["", "a b", "ä", "a\n", "x" * 129])
def test_unusable_keys(key: str) -> None:
    with pytest.raises(InvalidInput):
        checked_key(key)


def test_usable_keys() -> None:
    assert checked_key(None) is None
    assert checked_key("x" * 128) == "x" * 128


@pytest.fixture
def metadata(_sqlite_template: Path, tmp_path: Path, clock: FixedClock) -> Iterator[Metadata]:
    with sqlite_metadata(_sqlite_template, tmp_path) as opened:
        WorkspaceService(opened, MasterKey("k" * 32), clock).create("w", id="w")
        yield opened


class Counter:
    """Counts how often it acts."""

    def __init__(self) -> None:
        self.acted = 0
        self.failure: Exception | None = None

    async def act(self, body: bytes) -> ReadyResponse:
        self.acted += 1
        if self.failure is not None:
            raise self.failure
        return ReadyResponse(b"%d %s" % (self.acted, body), status_code=201, headers={"Location": "/there"})


def application(keys: IdempotencyKeys, act: Act) -> Litestar:
    def again(answer: Answer) -> ReadyResponse:
        return ReadyResponse(answer.body, status_code=answer.status, headers={"Location": "/again"})

    async def post(request: Request[Any, Any, Any]) -> ReadyResponse:
        body = await request.body()
        return await once(request, keys, "w", body, lambda: act(body), again)

    return app_with(handler("/v1/things", post), handler("/v1/others", post))


def send(app: Litestar, *requests: tuple[str, str | None, bytes]) -> list[httpx.Response]:
    """The answers to requests (path, key, body), one after the other."""

    async def run() -> list[httpx.Response]:
        async with client_of(app) as client:
            return [
                await client.post(path, content=body, headers={} if key is None else {"Idempotency-Key": key})
                for path, key, body in requests
            ]

    return anyio.run(run)


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def keys(metadata: Metadata, clock: FixedClock) -> IdempotencyKeys:
    return IdempotencyKeys(metadata, clock)


def test_the_same_request_is_answered_again(keys: IdempotencyKeys, counter: Counter) -> None:
    first, second = send(application(keys, counter.act), *[("/v1/things", "k", b"x")] * 2)
    assert (first.status_code, first.content, first.headers["location"]) == (201, b"1 x", "/there")
    assert (second.status_code, second.content, second.headers["location"]) == (201, b"1 x", "/again")
    assert "idempotent-replayed" not in first.headers
    assert second.headers["idempotent-replayed"] == "true"
    assert counter.acted == 1


def test_without_a_key_everything_is_done(keys: IdempotencyKeys, counter: Counter) -> None:
    answers = send(application(keys, counter.act), *[("/v1/things", None, b"x")] * 2)
    assert [answer.content for answer in answers] == [b"1 x", b"2 x"]


def test_keys_belong_to_a_path_and_a_request(keys: IdempotencyKeys, counter: Counter) -> None:
    app = application(keys, counter.act)
    answers = send(
        app,
        ("/v1/things", "k", b"x"),
        ("/v1/others", "k", b"x"),
        ("/v1/things", "K", b"x"),
        ("/v1/things", "k", b"y"),
        ("/v1/things?a=b", "k", b"x"),
    )
    assert [answer.status_code for answer in answers] == [201, 201, 201, 409, 409]
    assert answers[3].json()["error"]["type"] == "idempotency_key_reused"


def test_a_wrong_key_is_refused_before_anything_is_done(keys: IdempotencyKeys, counter: Counter) -> None:
    (answer,) = send(application(keys, counter.act), ("/v1/things", "a b", b"x"))
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_idempotency_key")
    assert counter.acted == 0


@pytest.mark.parametrize("failure", [Unprocessable("Wrong."), Unavailable("Later.")])
def test_what_was_refused_may_be_sent_again(keys: IdempotencyKeys, counter: Counter, failure: Exception) -> None:
    app = application(keys, counter.act)
    counter.failure = failure
    (first,) = send(app, ("/v1/things", "k", b"x"))
    assert first.status_code in (422, 503)
    counter.failure = None
    second, third = send(app, ("/v1/things", "k", b"x"), ("/v1/things", "k", b"y"))
    assert (second.status_code, second.content) == (201, b"2 x")
    assert third.status_code == 409


def test_what_another_process_is_doing_is_not_done(keys: IdempotencyKeys, counter: Counter, clock: FixedClock) -> None:
    other = application(IdempotencyKeys(keys._metadata, clock), counter.act)
    inner: list[httpx.Response] = []

    async def act(body: bytes) -> ReadyResponse:
        async with client_of(other) as client:
            inner.append(await client.post("/v1/things", content=body, headers={"Idempotency-Key": "k"}))
        return ReadyResponse(b"mine")

    (outer,) = send(application(keys, act), ("/v1/things", "k", b"x"))
    assert outer.content == b"mine"
    (refused,) = inner
    assert (refused.status_code, refused.json()["error"]["type"]) == (409, "invalid_state")
    assert refused.headers["retry-after"] == "1"
    assert counter.acted == 0


def test_a_process_that_died_is_replaced(keys: IdempotencyKeys, counter: Counter, clock: FixedClock) -> None:
    app = application(keys, counter.act)
    counter.failure = RuntimeError("a crash")
    (first,) = send(app, ("/v1/things", "k", b"x"))
    counter.failure = None
    (second,) = send(app, ("/v1/things", "k", b"x"))
    clock.advance(BUSY.total_seconds())
    (third,) = send(app, ("/v1/things", "k", b"x"))
    assert [answer.status_code for answer in (first, second, third)] == [500, 409, 201]
