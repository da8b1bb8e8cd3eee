"""Both back ends, the same answers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from campanile.engine import Engine, EngineError, open_engine
from campanile.engine import engine as engine_module
from campanile.engine.clickhouse import MAX_LIST_ITEMS, parse_address
from campanile.engine.lock import FolderLock, lock_holder
from campanile.engine.questions import parse_question
from campanile.errors import ConfigurationError, EngineUnavailable
from campanile.kit.hashing import identity_key
from campanile.settings import Settings
from tests.support.engines import EmbeddedEngine, open_migrated

pytestmark = pytest.mark.slow


def rows(count: int, *, workspace: str = "w", users: int = 50, first: int = 0, **values: Any) -> dict[str, list[Any]]:
    """`count` sends as columns; every event its own id."""
    ids = [f"e-{number}" for number in range(first, first + count)]
    columns: dict[str, list[Any]] = {
        "workspace_id": [workspace] * count,
        "campaign_id": ["a" * 24] * count,
        "type": ["sent"] * count,
        "ts": [datetime(2025, 5, 1, tzinfo=UTC)] * count,
        "event_key": [identity_key(name) for name in ids],
        "message_key": [0] * count,
        "sequence": [1] * count,
        "received_at": [datetime(2025, 5, 1, tzinfo=UTC)] * count,
        "user_id": [f"u-{number % users}" for number in range(count)],
        "event_id": ids,
    }
    return columns | {name: [value] * count for name, value in values.items()}


@pytest.fixture
def asked(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Ask a question given as text."""

    def ask(text: str, workspace: str = "w", **parameters: Any) -> list[tuple[Any, ...]]:
        monkeypatch.setattr(engine_module, "load_question", lambda name: parse_question(name, text))
        return engine.ask("test", workspace, **parameters)

    yield ask


COUNT = "-- sums: total, users\nSELECT count() AS total, uniqExact(user_key) AS users FROM {{events}}"


def test_the_same_rows_twice_count_once(engine: Engine, asked: Any) -> None:
    engine.append("events", rows(500))
    engine.append("events", rows(300))
    assert asked(COUNT) == [(500, 50)]


def test_the_same_rows_twice_in_one_insert_count_once(engine: Engine, asked: Any) -> None:
    late, early = rows(500, sequence=7, locale="late"), rows(300, sequence=3, locale="early")
    engine.append("events", {name: [*late[name], *early[name]] for name in late})
    assert asked(COUNT) == [(500, 50)]
    by_locale = "-- keys: locale\n-- sums: total\nSELECT locale, count() AS total FROM {{events}} GROUP BY locale"
    assert sorted(asked(by_locale)) == [("early", 300), ("late", 200)]


def test_of_two_copies_the_first_accepted_stays(engine: Engine, asked: Any) -> None:
    engine.append("events", rows(1, sequence=7, locale="late"))
    engine.append("events", rows(1, sequence=3, locale="early"))
    assert asked("-- keys: locale\nSELECT locale FROM {{events}}") == [("early",)]


def test_as_of_a_sequence_the_store_is_what_it_was(engine: Engine, asked: Any) -> None:
    engine.append("events", rows(10, sequence=5))
    engine.append("events", rows(20, sequence=7))  # the first ten of them again
    engine.append("events", rows(1, sequence=3))
    for text in (COUNT, "-- sums: total\nSELECT uniqExact(event_key) AS total FROM {{raw_events}}"):
        found = [(asked(text, as_of=sequence) or [(0,)])[0][0] for sequence in (2, 3, 4, 5, 6, 7, 8)]
        assert found == [0, 1, 1, 10, 10, 20, 20]


def test_workspaces_do_not_see_each_other(engine: Engine, asked: Any) -> None:
    engine.append("events", rows(10, workspace="a"))
    engine.append("events", rows(20, workspace="b"))
    assert asked(COUNT, "a")[0][0] == 10
    assert asked(COUNT, "c") in ([(0, 0)], [])


def test_users_of_all_shards_are_added(cluster_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster_engine.append("events", rows(4_000, users=1_000))
    question = parse_question("q", COUNT)
    monkeypatch.setattr(engine_module, "load_question", lambda name: question)
    assert cluster_engine.ask("q", "w") == [(4_000, 1_000)]
    per_shard = question.cluster_sql("campanile", "campanile").replace("sum(`users`) AS `users`", "count() AS `users`")
    assert "count()" in per_shard


def test_long_lists_of_every_type_arrive(engine: Engine, asked: Any) -> None:
    count = 3 * MAX_LIST_ITEMS
    engine.append("events", rows(count))
    keys = [identity_key(f"e-{number}") for number in range(count)]
    names = [f"e-{number}" for number in range(count)]
    by_key = "-- sums: n\nSELECT count() AS n FROM {{events}} WHERE event_key IN {keys:Array(UInt128)}"
    by_name = "-- sums: n\nSELECT count() AS n FROM {{events}} WHERE event_id IN {names:Array(String)}"
    assert asked(by_key, keys=keys) == [(count,)]
    assert asked(by_name, names=[*names, "o'clock \\ 'x"]) == [(count,)]


def test_values_with_quotes_and_backslashes_come_back_unchanged(engine: Engine, asked: Any) -> None:
    text = 'O\'Hara \\ "x" \t 日本'
    engine.append("events", rows(1, locale=text))
    found = asked("-- keys: locale\nSELECT locale FROM {{events}} WHERE locale = {value:String}", value=text)
    assert found == [(text,)]


def test_a_workspace_is_needed(engine: Engine) -> None:
    with pytest.raises(ValueError, match="needs a workspace"):
        engine.ask("active_campaigns", "", start=0, end=1)


def test_a_refused_statement_is_an_engine_error(asked: Any) -> None:
    with pytest.raises(EngineError):
        asked("-- keys: x\nSELECT no_such_column AS x FROM {{events}}")


def test_migrations_are_applied_once(engine: Engine) -> None:
    assert engine.pending_migrations() == []
    assert engine.migrate() == []


def test_a_second_process_is_told_who_holds_the_folder(data_folder: Path) -> None:
    engine = open_engine(Settings(data=str(data_folder)))
    try:
        folder = data_folder / "engine"
        assert lock_holder(folder) is not None
        code = (
            "import sys; from campanile.settings import Settings; from campanile.engine import open_engine\n"
            "from campanile.errors import ConfigurationError\n"
            "try: open_engine(Settings(data=sys.argv[1]))\n"
            "except ConfigurationError as error: print(error.message); sys.exit(7)"
        )
        second = subprocess.run(
            [sys.executable, "-c", code, str(data_folder)], capture_output=True, text=True, timeout=60, check=False
        )
        assert second.returncode == 7, second.stderr
        assert "in use by process" in second.stdout
        assert "--data" in second.stdout
    finally:
        engine.close()
    assert lock_holder(data_folder / "engine") is None


def test_a_closed_store_answers_what_was_asked_and_leaves_room_for_another(
    embedded: EmbeddedEngine, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedded.release()
    slow = "-- sums: rows\nSELECT count() + sleep(0.5) AS rows FROM {{events}}"
    monkeypatch.setattr(engine_module, "load_question", lambda name: parse_question(name, slow))
    engine = open_migrated(Settings(data=str(data_folder / "first")))
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(engine.ask, "test", "w") for _ in range(12)]
        wait(asked, return_when=FIRST_COMPLETED)
        engine.close()
        refusals = [error for error in (each.exception() for each in asked) if error is not None]
    assert len(refusals) < len(asked)
    assert [type(error) for error in refusals] == [EngineUnavailable] * len(refusals)
    open_engine(Settings(data=str(data_folder / "second"))).close()
    with pytest.raises(EngineUnavailable, match="closed"):
        engine.append("events", rows(1))
    engine.close()


def test_a_lock_survives_nothing_but_its_process(tmp_path: Path) -> None:
    first = FolderLock(tmp_path)
    with pytest.raises(ConfigurationError, match="in use"):
        FolderLock(tmp_path)
    first.release()
    FolderLock(tmp_path).release()


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://h/db", "unknown scheme"),
        ("clickhouse://h:x/db", "host:port"),
        ("clickhouse://h/d;b", "letters, digits"),
        ("clickhouse://h/db?cluster=a'b", "letters, digits"),
    ],
)
def test_wrong_addresses_are_named(url: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        open_engine(Settings(engine_url=url))


def test_an_address_lists_nodes_and_credentials() -> None:
    address = parse_address("clickhouse://me:p%40ss@one:8123,two/stats?cluster=main&secure=1")
    assert address.hosts == (("one", 8123), ("two", 8123))
    assert (address.user, address.password, address.database, address.cluster) == ("me", "p@ss", "stats", "main")
    assert address.secure


def test_a_server_that_is_not_there_is_reported() -> None:
    with pytest.raises(EngineUnavailable, match="does not answer"):
        open_engine(Settings(engine_url="clickhouse://127.0.0.1:9/db"))
