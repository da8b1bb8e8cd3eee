"""Two ids of one person: copies, aliases, and what questions see of them, on one node and on two."""

from __future__ import annotations

from typing import Any

import pytest

from campanile.engine import Engine
from campanile.engine import engine as engine_module
from campanile.engine.questions import parse_question
from tests.engine.test_engine import rows

pytestmark = pytest.mark.slow

COUNT = "-- sums: total, users\nSELECT count() AS total, uniqExact(user_key) AS users FROM {{events}}"
USERS = 40


@pytest.fixture
def count(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Events and users as questions see them."""

    def ask(workspace: str = "w", **bounds: int) -> tuple[int, int]:
        monkeypatch.setattr(engine_module, "load_question", lambda name: parse_question(name, COUNT))
        ((total, users),) = engine.ask("test", workspace, **bounds)
        return total, users

    return ask


def alias(engine: Engine, moves: dict[str, str], sequence: int, workspace: str = "w") -> None:
    columns: dict[str, list[Any]] = {
        "workspace_id": [workspace] * len(moves),
        "user_id": list(moves),
        "to_user_id": list(moves.values()),
        "sequence": [sequence] * len(moves),
    }
    engine.append("user_aliases", columns)


def test_a_merge_shows_all_at_once_when_it_is_complete(engine: Engine, count: Any) -> None:
    engine.append("events", rows(200, users=USERS))
    moves = {f"u-{number}": "u-39" for number in range(30)}  # from both shards to one of them
    engine.note_merges("w", 0)
    assert count() == (200, 40)
    engine.copy_users("w", moves, 5)
    assert count() == (200, 40)
    alias(engine, moves, 5)
    assert count() == (200, 40)
    engine.note_merges("w", 5)
    assert count() == (200, 10)


def test_every_step_may_be_repeated(engine: Engine, count: Any) -> None:
    engine.append("events", rows(200, users=USERS))
    engine.note_merges("w", 0)
    for _ in range(3):
        engine.copy_users("w", {"u-0": "u-1"}, 5)
        alias(engine, {"u-0": "u-1"}, 5)
    engine.note_merges("w", 5)
    engine.note_merges("w", 0)  # what is known is not forgotten
    assert count() == (200, 39)


def test_chains_move_what_was_moved(engine: Engine, count: Any) -> None:
    engine.append("events", rows(200, users=USERS))
    engine.copy_users("w", {"u-0": "u-1"}, 5)
    alias(engine, {"u-0": "u-1"}, 5)
    engine.copy_users("w", {"u-1": "u-2"}, 7)
    alias(engine, {"u-1": "u-2"}, 7)
    for through, users in ((0, 40), (5, 39), (7, 38)):
        engine.note_merges("w", through)
        assert count() == (200, users)


def test_the_store_as_of_a_sequence_knows_no_later_merges(engine: Engine, count: Any) -> None:
    engine.append("events", rows(200, users=USERS))
    engine.copy_users("w", {"u-0": "u-1"}, 5)
    alias(engine, {"u-0": "u-1"}, 5)
    engine.note_merges("w", 5)
    assert [count(as_of=mark) for mark in (4, 5)] == [(200, 40), (200, 39)]


def test_workspaces_merge_their_own_users(engine: Engine, count: Any) -> None:
    for workspace in ("v", "w"):
        engine.append("events", rows(200, users=USERS, workspace=workspace))
    engine.copy_users("w", {"u-0": "u-1"}, 5)
    alias(engine, {"u-0": "u-1"}, 5)
    for workspace in ("v", "w"):
        engine.note_merges(workspace, 5)
    assert count("v") == (200, 40)
    assert count("w") == (200, 39)


def test_many_users_move_in_parts(engine: Engine, count: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "COPY_USERS", 7)
    engine.append("events", rows(200, users=USERS))
    moves = {f"u-{number}": f"u-{number + 20}" for number in range(20)}
    engine.copy_users("w", moves, 5)
    alias(engine, moves, 5)
    engine.note_merges("w", 5)
    assert count() == (200, 20)


def test_events_of_long_histories_are_copied_with_all_their_months(engine: Engine, count: Any) -> None:
    from datetime import UTC, datetime

    columns = rows(150, users=1)
    columns["ts"] = [datetime(2010 + number // 12, number % 12 + 1, 1, tzinfo=UTC) for number in range(150)]
    for start in (0, 75):
        engine.append("events", {name: values[start : start + 75] for name, values in columns.items()})
    engine.copy_users("w", {"u-0": "u-1"}, 5)
    alias(engine, {"u-0": "u-1"}, 5)
    engine.note_merges("w", 5)
    assert count() == (150, 1)
