"""Conversions from integers are those of the oracle, for every range of days and all attribution types."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest

from campanile.attribution.rules import ATTRIBUTIONS
from campanile.campaigns.schemas import Campaign
from campanile.clock import FixedClock
from campanile.engine import Engine
from campanile.kit.times import Window, window
from campanile.stats.settled import credits
from campanile.stats.settled.credits import SettledCredits
from campanile.stats.settled.repository import SettledRepository
from tests.attribution.batch import LEVELS, Batch
from tests.attribution.test_histories import Scene
from tests.oracle.attribution import Result
from tests.support import attribution as support

pytestmark = pytest.mark.slow

SEED = 20260301
NOW = datetime(2026, 12, 1, tzinfo=UTC)


class Listening:
    """The conversion service, and how often it counted from the log."""

    def __init__(self, engine: Engine, batch: Batch) -> None:
        self._service = support.service(engine, batch.campaigns)
        self.counted = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._service, name)

    async def credited(self, *arguments: Any) -> Any:
        self.counted += 1
        return await self._service.credited(*arguments)

    async def control(self, *arguments: Any) -> Any:
        self.counted += 1
        return await self._service.control(*arguments)


class Asking:
    """Settled conversions of the campaigns of a batch."""

    def __init__(self, engine: Engine, scene: Scene, clock: FixedClock, after: float = 0) -> None:
        self.scene = scene
        self.batch = batch = scene.batch(scene.crowds)
        batch.log(engine, "w").take(batch.part(1, of=1))
        self.log = Listening(engine, batch)
        service: Any = self.log
        self.settled = SettledCredits(service, SettledRepository(engine), clock, after=after)

    def found(self, kind: Any, levels: dict[str, list[int]], days: Window) -> dict[Any, Result]:
        targets = [campaign for campaign in self.batch.campaigns if campaign.campaign_id in levels]
        place = support.workspace("w", self.batch.settings)
        of = [levels[target.campaign_id] for target in targets]
        answer = asyncio.run(self.settled.credited(place, targets, of, days, kind))
        return {
            (targets[number].campaign_id, *rest): Result(value.total, value.unique, value.revenue)
            for (number, *rest), value in answer.items()
        }

    def held(self, kind: Any, names: list[str], days: Window) -> tuple[dict[Any, Result], dict[Any, int]]:
        """Conversions of control groups, and pairs held out."""
        targets = {number: each for number, each in enumerate(self.batch.campaigns) if each.campaign_id in names}
        place = support.workspace("w", self.batch.settings)
        answer = asyncio.run(self.settled.control(place, targets, days, kind, ()))
        return (
            {
                (targets[number].campaign_id, *rest): Result(value.total, value.unique, value.revenue)
                for (number, *rest), value in answer.conversions.items()
            },
            {(targets[number].campaign_id, *rest): pairs for (number, *rest), pairs in answer.held_out.items()},
        )


@pytest.fixture
def asking(chdb_engine: Engine) -> Iterator[Asking]:
    asking = Asking(chdb_engine, Scene(SEED, 30), FixedClock(NOW))
    yield asking
    asking.settled.close()


def one_with_a_goal(asking: Asking) -> Campaign:
    """A campaign whose first goal names an event."""
    return next(each for each in asking.batch.campaigns if each.goals and each.goals[0].event and not each.parent_id)


def days_of(scene: Scene, chance: Random) -> Window:
    """Some days around those on which most happens."""
    start = scene.window.first + timedelta(days=chance.randint(-3, 1))
    return window(start, start + timedelta(days=chance.randint(0, 6)), scene.window.timezone)


def always(scene: Scene) -> Window:
    """All days on which anything happens."""
    around = timedelta(days=100)
    return window(scene.window.first - around, scene.window.last + around, scene.window.timezone)


@pytest.mark.parametrize("kind", ATTRIBUTIONS)
def test_any_range_of_random_histories(asking: Asking, kind: Any) -> None:
    check_ranges(asking, kind)


@pytest.mark.parametrize("kind", ["VIEW_THROUGH", "TOTAL_CONVERSIONS"])
def test_any_range_on_a_cluster(cluster_engine: Engine, kind: Any) -> None:
    asking = Asking(cluster_engine, Scene(SEED, 10), FixedClock(NOW), after=60)
    try:
        check_ranges(asking, kind, campaigns=10)
    finally:
        asking.settled.close()


def check_ranges(asking: Asking, kind: Any, campaigns: int = 25) -> None:
    chance = Random(SEED)
    names = [campaign.campaign_id for campaign in asking.batch.campaigns]
    chosen = chance.sample(names, min(campaigns, len(names)))
    chosen += sorted({name for name, *_ in asking.batch.expected_control(kind, names, always(asking.scene))})[:5]
    levels = {name: chance.sample(LEVELS, 3) for name in chosen}
    goals = [each.campaign_id for each in asking.batch.campaigns if each.campaign_id in levels and each.goals]
    first = days_of(asking.scene, chance)
    assert asking.found(kind, levels, first) == asking.batch.expected(kind, levels, first)
    assert asking.held(kind, goals, first)[0] == asking.batch.expected_control(kind, goals, first)
    asking.settled.settle_all()
    asking.log.counted = 0
    converted = held_out = 0
    for days in (always(asking.scene), *(days_of(asking.scene, chance) for _ in range(5))):
        expected = asking.batch.expected(kind, levels, days)
        expected_held = asking.batch.expected_control(kind, goals, days), asking.batch.expected_held_out(goals, days)
        converted += len(expected)
        held_out += len(expected_held[0])
        assert asking.found(kind, levels, days) == expected, days
        assert asking.held(kind, goals, days) == expected_held, days
    assert converted
    assert held_out
    assert asking.log.counted == 0, "all of them from integers"


def test_where_others_write_only_what_is_old_enough_is_kept(cluster_engine: Engine) -> None:
    clock = FixedClock(datetime(1970, 1, 1, 0, 1, 40, tzinfo=UTC))  # sequences are microseconds
    asking = Asking(cluster_engine, Scene(SEED, 5), clock, after=60)
    target = one_with_a_goal(asking)
    levels = {target.campaign_id: [0]}
    days = window(date(2026, 1, 1), date(2026, 12, 31), asking.batch.settings["timezone"])

    def counted() -> int:
        asking.log.counted = 0
        found = asking.found("VIEW_THROUGH", levels, days)
        asking.settled.settle_all()
        asked = asking.log.counted
        place = support.workspace("w", asking.batch.settings)
        again = asyncio.run(asking.log.credited(place, [target], [[0]], days, "VIEW_THROUGH"))
        assert found == {
            (target.campaign_id, *rest): Result(value.total, value.unique, value.revenue)
            for (_, *rest), value in again.items()
        }
        return asked

    def write(second: int, **fields: Any) -> None:
        event = {"event_id": f"late-{fields}", "type": "custom", "ts": "2026-01-10T00:00:00Z", "user_id": "u", **fields}
        support.write(cluster_engine, "w", [event], asking.batch.channels, first=second * 10**6)

    try:
        assert [counted(), counted()] == [1, 0]
        write(90, name="some other event")
        assert counted() == 0, "an event that no goal wants"
        write(91, type="open", campaign_id=target.campaign_id)
        assert [counted(), counted()] == [1, 1], "others may write below it"
        write(92, name=target.goals[0].event)
        clock.advance(51)
        assert [counted(), counted()] == [1, 1], "one is old enough, the other is not"
        clock.advance(1)
        assert [counted(), counted()] == [1, 0]
    finally:
        asking.settled.close()


def test_whatever_they_depend_on_makes_them_move(chdb_engine: Engine, asking: Asking) -> None:
    kind = "VIEW_THROUGH"
    target = one_with_a_goal(asking)
    levels = {target.campaign_id: [0]}
    days = window(date(2026, 1, 1), date(2026, 12, 31), asking.batch.settings["timezone"])

    def counted() -> int:
        asking.log.counted = 0
        asking.found(kind, levels, days)
        asking.settled.settle_all()
        return asking.log.counted

    def write(**fields: Any) -> None:
        event = {"event_id": f"late-{fields}", "type": "custom", "ts": "2026-01-10T00:00:00Z", "user_id": "u", **fields}
        support.write(chdb_engine, "w", [event], asking.batch.channels, first=10**9)

    counted()
    assert counted() == 0
    write(name="some other event")
    assert counted() == 0, "an event that no goal wants"
    write(name=target.goals[0].event)
    assert [counted(), counted()] == [1, 0]
    write(type="open", campaign_id=target.campaign_id)
    assert [counted(), counted()] == [1, 0]


def test_nothing_is_made_before_all_has_stood_still(chdb_engine: Engine) -> None:
    scene = Scene(SEED, 5)
    clock = FixedClock(NOW)
    asking = Asking(chdb_engine, scene, clock, after=60)
    levels = {campaign.campaign_id: [0] for campaign in asking.batch.campaigns if campaign.goals}
    days = days_of(scene, Random(1))

    def counted() -> int:
        asking.log.counted = 0
        asking.found("CLICK_THROUGH", levels, days)
        asking.settled.settle_all()
        return asking.log.counted

    try:
        assert [counted(), counted()] == [1, 1]
        clock.advance(61)
        assert [counted(), counted()] == [1, 0]
    finally:
        asking.settled.close()


def test_memory_is_bounded(asking: Asking, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credits, "MEMORY_BYTES", 1)
    some = [campaign.campaign_id for campaign in asking.batch.campaigns if campaign.goals][:8]
    levels = {name: [0] for name in some}
    days = days_of(asking.scene, Random(1))
    expected = asking.batch.expected("CLICK_THROUGH", levels, days)
    for _ in range(2):
        assert asking.found("CLICK_THROUGH", levels, days) == expected
        asking.settled.settle_all()
    assert asking.settled._size <= 1
