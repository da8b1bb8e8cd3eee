"""Random histories: the engine credits what the oracle credits, on both back ends.

What happened arrives in parts, with repetitions and with merges of users anywhere; every part changes days that were
asked about before. `CAMPANILE_TEST_HISTORIES` asks for more histories (default 1,000), `CAMPANILE_TEST_SEED` for
certain ones; the seed is printed and stands in the message of a failing batch.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from campanile.attribution.rules import ATTRIBUTIONS, Attribution
from campanile.engine import Engine
from campanile.kit.times import Window, window
from tests.attribution.batch import LEVELS, Batch
from tests.oracle.attribution_histories import Crowd, crowd, shuffled
from tests.support.attribution import EVERYTHING

pytestmark = pytest.mark.slow

HISTORIES = int(os.environ.get("CAMPANILE_TEST_HISTORIES", "1000"))
ON_CLUSTER = max(100, HISTORIES // 5)
PER_BATCH = 250
SEED = int(os.environ.get("CAMPANILE_TEST_SEED", "0")) or Random().randrange(1, 2**32)

DAYS = (
    ("UTC", date(2026, 1, 10)),
    ("America/New_York", date(2026, 3, 8)),  # 23 hours
    ("Europe/Berlin", date(2026, 10, 25)),  # 25 hours
    ("America/Santiago", date(2026, 9, 6)),  # no midnight
    ("Asia/Kolkata", date(2026, 1, 10)),
)


class Scene:
    """Histories around one local day, and that day."""

    def __init__(self, seed: int, size: int) -> None:
        self.seed = seed
        self.random = Random(seed)
        timezone, day = self.random.choice(DAYS)
        self.window: Window = window(day, day + timedelta(days=self.random.randint(0, 2)), timezone)
        edges = (self.window.start, self.window.end)
        center = self.random.choice(edges) if self.random.random() < 0.7 else edges[0] + timedelta(hours=9)
        self.settings = {
            "timezone": timezone,
            "exclude_machine": self.random.random() < 0.3,
            "show_ios_impressions": self.random.random() < 0.7,
        }
        self.crowds = [crowd(self.random, center) for _ in range(size)]

    def batch(self, crowds: list[Crowd]) -> Batch:
        return Batch([(found.campaigns, found.events) for found in crowds], self.settings)


def scenes(total: int, seed: int) -> Iterator[Scene]:
    for number in range((total + PER_BATCH - 1) // PER_BATCH):
        yield Scene(seed + number, min(PER_BATCH, total - number * PER_BATCH))


async def compare(
    engine: Engine, identifier: str, scene: Scene, batch: Batch, kinds: Sequence[Attribution] = ATTRIBUTIONS
) -> None:
    random = Random(scene.seed)
    names = [campaign.campaign_id for campaign in batch.campaigns]
    for kind in kinds:
        everyone = {name: random.sample(LEVELS, 3) for name in names}
        some = {name: [0, 1] for name in random.sample(names, max(1, len(names) // 6))}
        for targets, days in ((everyone, scene.window), (some, EVERYTHING)):
            found = await batch.found(engine, identifier, kind, targets, days)
            assert found == batch.expected(kind, targets, days), f"{kind}, CAMPANILE_TEST_SEED={scene.seed}"
        held, pairs = await batch.found_control(engine, identifier, kind, names, scene.window)
        expected = batch.expected_control(kind, names, scene.window)
        assert held == expected, f"control, {kind}, CAMPANILE_TEST_SEED={scene.seed}"
        expected_pairs = batch.expected_held_out(names, scene.window)
        assert pairs == expected_pairs, f"hold-outs, CAMPANILE_TEST_SEED={scene.seed}"


def run(engine: Engine, total: int, capsys: Any) -> None:
    with capsys.disabled():
        print(f" [{total} histories, CAMPANILE_TEST_SEED={SEED}]", end="", flush=True)
    for scene in scenes(total, SEED):
        batch = scene.batch(scene.crowds)
        log = batch.log(engine, f"w{scene.seed}")
        for number in (1, 2, 3):
            log.take(batch.part(number, of=3))
        asyncio.run(compare(engine, f"w{scene.seed}", scene, batch))


def some_kinds(engine: Engine) -> Sequence[Attribution]:
    """On a cluster one type in which the last touch of all campaigns wins, and one in which each has its own."""
    return ("VIEW_THROUGH", "TOTAL_CONVERSIONS") if engine.shared else ATTRIBUTIONS


def test_random_histories(chdb_engine: Engine, capsys: Any) -> None:
    run(chdb_engine, HISTORIES, capsys)


def test_random_histories_on_a_cluster(cluster_engine: Engine, capsys: Any) -> None:
    run(cluster_engine, ON_CLUSTER, capsys)


def test_late_facts_correct_past_days_at_once(engine: Engine) -> None:
    """After every part of what happened the numbers are those of what is known so far."""
    (scene,) = scenes(40, SEED)
    log = scene.batch(scene.crowds).log(engine, "w")
    for number in (1, 2, 3):
        log.take(scene.batch(scene.crowds).part(number, of=3))
        known = [Crowd(of.campaigns, of.events[: len(of.events) * number // 3]) for of in scene.crowds]
        asyncio.run(compare(engine, "w", scene, scene.batch(known), some_kinds(engine)))


def test_another_order_changes_nothing(engine: Engine) -> None:
    (scene,) = scenes(40, SEED + 1)
    first = scene.batch(scene.crowds)
    again = scene.batch([shuffled(scene.random, of) for of in scene.crowds])
    first.log(engine, "first").take(first.part(1, of=1))
    log = again.log(engine, "again")
    for number in range(1, 6):
        log.take(again.part(number, of=5))
    for identifier in ("first", "again"):
        asyncio.run(compare(engine, identifier, scene, first, some_kinds(engine)))
