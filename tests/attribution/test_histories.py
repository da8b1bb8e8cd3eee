"""Random histories: the engine credits what the oracle credits, on both back ends.

`CAMPANILE_TEST_HISTORIES` asks for more of them (default 1,000), `CAMPANILE_TEST_SEED` for certain ones; the seed of a
failing batch is in its message.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from datetime import date, timedelta
from random import Random

import pytest

from campanile.attribution.rules import ATTRIBUTIONS
from campanile.engine import Engine
from campanile.kit.times import Window, window
from tests.attribution.batch import LEVELS, Batch
from tests.oracle.attribution_histories import crowd
from tests.support.attribution import EVERYTHING

pytestmark = pytest.mark.slow

HISTORIES = int(os.environ.get("CAMPANILE_TEST_HISTORIES", "1000"))
ON_CLUSTER = max(60, HISTORIES // 10)
PER_BATCH = 250
SEED = int(os.environ.get("CAMPANILE_TEST_SEED", "0")) or Random().randrange(2**32)

DAYS = (
    ("UTC", date(2026, 1, 10)),
    ("America/New_York", date(2026, 3, 8)),  # 23 hours
    ("Europe/Berlin", date(2026, 10, 25)),  # 25 hours
    ("America/Santiago", date(2026, 9, 6)),  # no midnight
    ("Asia/Kolkata", date(2026, 1, 10)),
)


def batches(total: int, seed: int) -> Iterator[tuple[int, Batch, Window]]:
    """Batches of histories around one local day each, and that day."""
    for number in range((total + PER_BATCH - 1) // PER_BATCH):
        random = Random(seed + number)
        timezone, day = random.choice(DAYS)
        range_ = window(day, day + timedelta(days=random.randint(0, 2)), timezone)
        center = (
            random.choice((range_.start, range_.end)) if random.random() < 0.7 else range_.start + timedelta(hours=9)
        )
        settings = {
            "timezone": timezone,
            "exclude_machine": random.random() < 0.3,
            "show_ios_impressions": random.random() < 0.7,
        }
        crowds = [crowd(random, center) for _ in range(min(PER_BATCH, total - number * PER_BATCH))]
        yield seed + number, Batch([(c.campaigns, c.events) for c in crowds], settings), range_


async def compare(engine: Engine, seed: int, batch: Batch, range_: Window) -> None:
    random = Random(seed)
    names = [campaign.campaign_id for campaign in batch.campaigns]
    for kind in ATTRIBUTIONS:
        everyone = {name: random.sample(LEVELS, 3) for name in names}
        some = {name: [0, 1] for name in random.sample(names, max(1, len(names) // 6))}
        for targets, days in ((everyone, range_), (some, EVERYTHING)):
            found = await batch.found(engine, f"w{seed}", kind, targets, days)
            assert found == batch.expected(kind, targets, days), f"{kind}, CAMPANILE_TEST_SEED={seed}"
        held, pairs = await batch.found_control(engine, f"w{seed}", kind, names, range_)
        assert held == batch.expected_control(kind, names, range_), f"control, {kind}, CAMPANILE_TEST_SEED={seed}"
        assert pairs == batch.expected_held_out(names, range_), f"hold-outs, CAMPANILE_TEST_SEED={seed}"


def run(engine: Engine, total: int) -> None:
    for seed, batch, range_ in batches(total, SEED):
        batch.write(engine, f"w{seed}")
        asyncio.run(compare(engine, seed, batch, range_))


def test_random_histories(chdb_engine: Engine) -> None:
    run(chdb_engine, HISTORIES)


def test_random_histories_on_a_cluster(cluster_engine: Engine) -> None:
    run(cluster_engine, ON_CLUSTER)
