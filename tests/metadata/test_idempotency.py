"""A key is bound to one request and one answer, for a day, in the database."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from campanile.clock import FixedClock
from campanile.errors import Conflict
from campanile.metadata import Metadata, migrate, open_metadata
from campanile.metadata.idempotency import Answer, IdempotencyKeys, InProgress, request_digest
from campanile.workspaces.secrets import MasterKey
from campanile.workspaces.service import WorkspaceService

DAY = 24 * 3600
ANSWER = Answer(207, b'{"status":"partial"}')


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def metadata(request: pytest.FixtureRequest, tmp_path: Path, clock: FixedClock) -> Iterator[Metadata]:
    url = f"sqlite:///{tmp_path}/m.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    opened = open_metadata(url)
    migrate(opened.engine)
    workspaces = WorkspaceService(opened, MasterKey("k" * 32), clock)
    for name in ("w", "v"):
        if workspaces.get(name) is None:
            workspaces.create(name, id=name)
    with opened.begin() as connection:
        connection.exec_driver_sql("DELETE FROM idempotency_keys")
    yield opened
    opened.close()


@pytest.fixture
def keys(metadata: Metadata, clock: FixedClock) -> IdempotencyKeys:
    return IdempotencyKeys(metadata, clock)


def test_a_new_key_is_bound_and_its_answer_comes_back(keys: IdempotencyKeys) -> None:
    assert keys.claim("w", "k", b"one") is None
    keys.keep("w", "k", ANSWER)
    assert keys.claim("w", "k", b"one") == ANSWER


def test_another_request_under_the_same_key_is_a_conflict_from_the_start(keys: IdempotencyKeys) -> None:
    keys.claim("w", "k", b"one")
    with pytest.raises(Conflict) as conflict:
        keys.claim("w", "k", b"two")
    assert conflict.value.error_type == "idempotency_key_reused"
    keys.keep("w", "k", ANSWER)
    with pytest.raises(Conflict):
        keys.claim("w", "k", b"two")


def test_a_request_without_an_answer_may_come_again(keys: IdempotencyKeys) -> None:
    assert keys.claim("w", "k", b"one") is None
    assert keys.claim("w", "k", b"one") is None


BUSY = timedelta(seconds=60)


def test_a_request_that_must_not_be_done_twice_is_given_to_one(keys: IdempotencyKeys, clock: FixedClock) -> None:
    assert keys.claim("w", "k", b"one", busy=BUSY) is None
    with pytest.raises(InProgress) as conflict:
        keys.claim("w", "k", b"one", busy=BUSY)
    assert conflict.value.error_type == "invalid_state"
    with pytest.raises(Conflict) as other:
        keys.claim("w", "k", b"two", busy=BUSY)
    assert other.value.error_type == "idempotency_key_reused"
    keys.keep("w", "k", ANSWER)
    assert keys.claim("w", "k", b"one", busy=BUSY) == ANSWER
    clock.advance(DAY)
    assert keys.claim("w", "k", b"two", busy=BUSY) is None


def test_whoever_died_at_a_request_is_replaced(keys: IdempotencyKeys, clock: FixedClock) -> None:
    keys.claim("w", "k", b"one", busy=BUSY)
    clock.advance(59)
    with pytest.raises(InProgress):
        keys.claim("w", "k", b"one", busy=BUSY)
    clock.advance(1)
    assert keys.claim("w", "k", b"one", busy=BUSY) is None
    with pytest.raises(InProgress):
        keys.claim("w", "k", b"one", busy=BUSY)


def test_a_request_that_did_nothing_may_come_again_at_once(keys: IdempotencyKeys) -> None:
    keys.claim("w", "k", b"one", busy=BUSY)
    keys.release("w", "k")
    with pytest.raises(Conflict, match="another request"):
        keys.claim("w", "k", b"two", busy=BUSY)
    assert keys.claim("w", "k", b"one", busy=BUSY) is None
    with pytest.raises(InProgress):
        keys.claim("w", "k", b"one", busy=BUSY)


def test_of_many_at_once_one_gets_the_request(metadata: Metadata, clock: FixedClock) -> None:
    processes = [IdempotencyKeys(metadata, clock) for _ in range(6)]

    def attempt(number: int) -> str:
        try:
            return "got" if processes[number].claim("w", "k", b"one", busy=BUSY) is None else "answered"
        except InProgress:
            return "busy"

    for _ in range(3):
        with ThreadPoolExecutor(6) as pool:
            assert sorted(pool.map(attempt, range(6))) == ["busy"] * 5 + ["got"]
        clock.advance(60)


def test_the_first_answer_stays(keys: IdempotencyKeys) -> None:
    keys.claim("w", "k", b"one")
    keys.keep("w", "k", ANSWER)
    keys.keep("w", "k", Answer(200, b"{}"))
    assert keys.claim("w", "k", b"one") == ANSWER


def test_workspaces_have_keys_of_their_own(keys: IdempotencyKeys) -> None:
    keys.claim("w", "k", b"one")
    assert keys.claim("v", "k", b"two") is None


def test_a_key_is_free_again_after_a_day(keys: IdempotencyKeys, clock: FixedClock) -> None:
    keys.claim("w", "k", b"one")
    keys.keep("w", "k", ANSWER)
    clock.advance(DAY - 1)
    assert keys.claim("w", "k", b"one") == ANSWER
    clock.advance(1)
    assert keys.claim("w", "k", b"two") is None


def test_expired_keys_are_deleted(keys: IdempotencyKeys, metadata: Metadata, clock: FixedClock) -> None:
    for number in range(5):
        keys.claim("w", f"old-{number}", b"one")
    clock.advance(DAY + 1)
    keys.claim("w", "new", b"one")
    with metadata.read() as connection:
        assert connection.exec_driver_sql("SELECT key FROM idempotency_keys").scalars().all() == ["new"]


def test_another_process_sees_the_same_keys(keys: IdempotencyKeys, metadata: Metadata, clock: FixedClock) -> None:
    keys.claim("w", "k", b"one")
    keys.keep("w", "k", ANSWER)
    assert IdempotencyKeys(metadata, clock).claim("w", "k", b"one") == ANSWER


def test_requests_with_the_same_key_pass_one_by_one(keys: IdempotencyKeys) -> None:
    inside: list[str] = []
    most = 0

    async def request(key: str) -> None:
        nonlocal most
        async with keys.alone("w", key):
            inside.append(key)
            most = max(most, inside.count("same"))
            for _ in range(5):
                await asyncio.sleep(0)
            inside.remove(key)

    async def run() -> None:
        await asyncio.gather(*(request("same") for _ in range(8)), request("other"))

    asyncio.run(run())
    assert most == 1
    assert not keys._locks
    assert not keys._users


def test_the_digest_covers_body_and_circumstances() -> None:
    base = request_digest(b"body", "/v1/events", "atomic")
    assert base == request_digest(b"body", "/v1/events", "atomic")
    assert base != request_digest(b"body2", "/v1/events", "atomic")
    assert base != request_digest(b"body", "/v1/funnel", "atomic")
    assert base != request_digest(b"body", "/v1/events", "")
    assert base != request_digest(b"atomicbody", "/v1/events", "")
