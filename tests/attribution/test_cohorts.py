"""The arms of experiments hold the pairs that a count by hand finds, on both back ends.

Histories are those of `test_histories`; their seed is in the message of a failure and may be asked for in the same way.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from random import Random

import pytest

from campanile.attribution.rules import ATTRIBUTIONS, CONTROL_GROUPS, Attribution
from campanile.attribution.schemas import Arm, ArmSizes, Members
from campanile.engine import Engine
from campanile.kit.times import Window, epoch_milliseconds
from tests.attribution.batch import Batch
from tests.attribution.test_histories import HISTORIES, ON_CLUSTER, SEED, scenes
from tests.oracle.attribution import TARGET, History, instant
from tests.support import attribution as support

pytestmark = pytest.mark.slow

RICHEST, ANY = 30, 6
"""Questions of a batch: those with the most answers, and some of the others. A cluster is asked a third of them."""
QUESTIONS: tuple[Attribution | None, ...] = (None, *ATTRIBUTIONS)
"""None: the intention to treat."""
Pair = tuple[str, str]


def members_of(history: History, target: str, range_: Window) -> Members:
    """Straight from the events."""
    members = history.members_of(target)
    roles: dict[Arm, list[set[Pair]]] = defaultdict(lambda: [set() for _ in ArmSizes.__struct_fields__])

    def add(book: str, variation: str, pair: Pair, *flags: bool) -> None:
        for name in {"", variation if book == TARGET else ""}:
            for pairs, flag in zip(roles[("" if book == TARGET else book, name)], flags, strict=True):
                pairs.update([pair] if flag else [])

    for event in history.events:
        tried = event["type"] in ("attempted", "sent", "failed") and event["campaign_id"] in members
        if tried and range_.start <= instant(event["ts"]) < range_.end:
            pair = (history.person(event), event.get("instance_id") or event["campaign_id"])
            add(TARGET, event.get("variation") or "", pair, True, False, False, False, False)
    for touch in history.touches:
        if touch.campaign in members and range_.start <= touch.at < range_.end:
            pair = (touch.user, touch.instance)
            if touch.book == TARGET:
                seen = touch.view or touch.click
                add(TARGET, touch.variation, pair, touch.send, touch.send, touch.view, seen, True)
            else:
                add(touch.book, "", pair, True, True, True, True, True)
    moments = [
        touch.at for touch in history.touches if touch.campaign in members and range_.start <= touch.at < range_.end
    ]
    people = {arm: {user for user, _ in roles[(arm, "")][1]} for arm in ("", *CONTROL_GROUPS)}
    sizes = {arm: ArmSizes(*(len(pairs) for pairs in sets)) for arm, sets in roles.items() if any(sets)}
    return Members(
        sizes,
        {arm: len(users) for arm, users in people.items()},
        {arm: len(people[arm] & people[""]) for arm in CONTROL_GROUPS},
        {arm: len(roles[(arm, "")][1] & roles[("", "")][1]) for arm in CONTROL_GROUPS},
        max(map(epoch_milliseconds, moments), default=0),
    )


def converted(
    history: History, target: str, attribution: Attribution | None, range_: Window, *, held_out: bool
) -> dict[tuple[Arm, str], int]:
    found: dict[tuple[Arm, str], set[Pair]] = defaultdict(set)
    for credit in history.credits(attribution or "send"):
        if credit.campaign not in history.members_of(target) or (credit.book == TARGET) == held_out:
            continue
        if range_.start <= credit.touched_at < range_.end:
            for variation in {"", credit.variation if credit.book == TARGET else ""}:
                arm = ("" if credit.book == TARGET else credit.book, variation)
                found[(arm, credit.goal)].add(credit.pair)
    return {key: len(pairs) for key, pairs in found.items()}


async def compare(engine: Engine, seed: int, batch: Batch, range_: Window) -> int:
    """Compare some campaigns of a batch, those with the most to compare; how many conversions there were."""
    place = support.workspace(f"w{seed}", batch.settings)
    service = support.service(engine, batch.campaigns)
    expected = {
        (campaign.campaign_id, attribution, held_out): converted(
            batch.history_of[campaign.campaign_id], campaign.campaign_id, attribution, range_, held_out=held_out
        )
        for campaign in batch.campaigns
        for attribution in QUESTIONS
        for held_out in (False, True)
    }
    campaigns = {campaign.campaign_id: campaign for campaign in batch.campaigns}
    questions = Random(seed).sample(list(expected), len(expected))
    questions.sort(key=lambda question: -len(expected[question]))
    sizes: dict[str, Members] = {}
    share = 3 if engine.shared else 1
    richest = questions[: RICHEST // share]
    for name, attribution, held_out in [*richest, *questions[-(ANY // share) :]]:
        note = f"{name}, CAMPANILE_TEST_SEED={seed}"
        if name not in sizes:
            sizes[name] = await service.members(place, campaigns[name], range_)
            assert sizes[name] == members_of(batch.history_of[name], name, range_), note
        cohort = await service.cohort(place, campaigns[name], range_, attribution, held_out=held_out)
        assert cohort == expected[(name, attribution, held_out)], f"{attribution}, held out: {held_out}, {note}"
        for (arm, _), pairs in cohort.items():
            assert pairs <= size_of(sizes[name].sizes[arm], attribution), f"more converted than took part: {note}"
    return sum(len(expected[question]) for question in richest)


def size_of(sizes: ArmSizes, attribution: Attribution | None) -> int:
    return sizes.sent if attribution is None else sizes.exposed(attribution)


def run(engine: Engine, total: int) -> None:
    conversions = 0
    for scene in scenes(total, SEED):
        batch = scene.batch(scene.crowds)
        batch.log(engine, f"w{scene.seed}").take(batch.part(1, of=1))
        conversions += asyncio.run(compare(engine, scene.seed, batch, scene.window))
    assert conversions > RICHEST


def test_arms_and_their_conversions(chdb_engine: Engine) -> None:
    run(chdb_engine, HISTORIES // 4)


def test_arms_and_their_conversions_on_a_cluster(cluster_engine: Engine) -> None:
    run(cluster_engine, ON_CLUSTER)
