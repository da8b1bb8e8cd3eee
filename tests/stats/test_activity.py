"""Which campaigns are active is asked once, then only what came since."""

from __future__ import annotations

import asyncio
from datetime import date
from typing import Any

import pytest

from campanile.engine import Engine
from campanile.kit.times import Window, window
from campanile.stats import activity
from campanile.stats.activity import Activity
from campanile.stats.repository import StatsRepository
from tests.support.log import write

MARCH = window(date(2026, 3, 1), date(2026, 3, 31), "Asia/Tokyo")


def event(number: int, campaign: str, ts: str = "2026-03-05T12:00:00Z", kind: str = "sent") -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "type": kind,
        "ts": ts,
        "campaign_id": campaign,
        "channel": "EMAIL",
        "user_id": "u",
    }


def active(known: Activity, days: Window = MARCH) -> frozenset[str]:
    return asyncio.run(known.active("w", days))


def test_campaigns_of_the_range_as_they_come(engine: Engine) -> None:
    known = Activity(StatsRepository(engine))
    assert active(known) == frozenset()
    write(
        engine,
        "w",
        [
            event(1, "a"),
            event(2, "first", "2026-02-28T15:00:00Z"),
            event(3, "before", "2026-02-28T14:59:59Z"),
            event(4, "last", "2026-03-31T14:59:59Z"),
            event(5, "after", "2026-03-31T15:00:00Z"),
            event(6, "", kind="custom"),
        ],
    )
    write(engine, "x", [event(1, "other")])
    first = active(known)
    assert first == {"a", "first", "last"}
    write(engine, "w", [event(7, "a"), event(8, "before")])
    assert active(known) == {"a", "first", "last", "before"}
    assert active(known) is active(known)
    assert active(Activity(StatsRepository(engine))) == active(known)
    assert active(known, window(date(2026, 4, 1), date(2026, 4, 1), "Asia/Tokyo")) == {"after"}


class Store:
    """Knows what it was asked."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.asked: list[int] = []
        self.movements = None

    async def active(self, workspace: str, days: Window, since: int) -> tuple[set[str], int]:
        self.asked.append(since)
        found = {name: sequence for name, sequence in self.rows.items() if sequence > since}
        return set(found), max(found.values(), default=0)


def test_only_what_is_new_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "UNDER_WAY_MICROSECONDS", 10)
    store: Any = Store()
    known = Activity(store)
    store.rows = {"a": 100, "b": 95}
    assert active(known) == {"a", "b"}
    store.rows["c"] = 92  # was under way
    store.rows["d"] = 120
    assert active(known) == {"a", "b", "c", "d"}
    same = active(known)
    assert same is active(known)
    assert store.asked == [0, 90, 110, 110]


def test_ranges_used_longest_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activity, "REMEMBERED_IDS", 3)
    store: Any = Store()
    store.rows = {"a": 100, "b": 95}
    known = Activity(store)
    other = window(date(2026, 4, 1), date(2026, 4, 1), "UTC")
    assert [active(known, days) for days in (MARCH, other, MARCH)] == [{"a", "b"}] * 3
    assert store.asked == [0, 0, 0]
