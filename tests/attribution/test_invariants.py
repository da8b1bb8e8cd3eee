"""What holds between the attribution types whatever happened; conversions specification 4 and 6.

In-session conversions are click-through conversions, credit by credit, and click conversions are total conversions.
Click-through conversions are view-through conversions only where every click comes with a view: a click never stands in
for a missing one, and its window may outlast that of the view before it. Even then only the totals of campaigns that
report are ordered: the latest view may belong to another run, instance or node than the latest click. Nothing else
follows between the types.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from campanile.attribution.rules import ATTRIBUTIONS, Attribution
from campanile.engine import Engine
from tests.attribution.batch import Batch
from tests.attribution.test_histories import SEED, Scene
from tests.oracle.attribution import History, Result, satisfies
from tests.oracle.attribution_histories import Crowd
from tests.support.attribution import EVERYTHING

pytestmark = pytest.mark.slow

VIEWS = {
    "PUSH": "impression", "EMAIL": "open", "SMS": "delivered", "MMS": "delivered", "WHATSAPP": "delivered",
    "RCS": "delivered", "IN_APP": "impression", "OSM": "impression", "WEB_PERSONALIZATION": "impression",
    "CARDS": "impression",
}  # fmt: skip
"""What starts the view-through window of a channel that has clicks."""

Numbers = Mapping[Attribution, Mapping[tuple[Any, ...], Result]]


def asked(engine: Engine, batch: Batch, levels: list[int]) -> Numbers:
    batch.log(engine, "w").take(batch.part(1, of=1))
    everyone = {campaign.campaign_id: levels for campaign in batch.campaigns}

    async def ask() -> Numbers:
        return {kind: await batch.found(engine, "w", kind, everyone, EVERYTHING) for kind in ATTRIBUTIONS}

    return asyncio.run(ask())


def assert_within(smaller: Mapping[Any, Result], larger: Mapping[Any, Result]) -> None:
    assert smaller, "nothing to compare"
    for key, value in smaller.items():
        assert value.total <= larger[key].total, f"CAMPANILE_TEST_SEED={SEED}"
        assert value.unique <= larger[key].unique, f"CAMPANILE_TEST_SEED={SEED}"


def test_types_that_are_part_of_others(chdb_engine: Engine) -> None:
    scene = Scene(SEED, 150)
    found = asked(chdb_engine, scene.batch(scene.crowds), [0, 1])
    assert_within(found["IN_SESSION"], found["CLICK_THROUGH"])
    assert_within(found["CLICK_CONVERSIONS"], found["TOTAL_CONVERSIONS"])


def test_clicks_that_come_with_views_are_views(chdb_engine: Engine) -> None:
    scene = Scene(SEED, 150)
    batch = scene.batch([with_views(of) for of in scene.crowds])
    found = asked(chdb_engine, batch, [0])
    roots = {campaign.campaign_id for campaign in batch.campaigns if campaign.parent_id is None}
    clicked = {key: value for key, value in found["CLICK_THROUGH"].items() if key[0] in roots}
    assert clicked
    for key, value in clicked.items():
        assert value.total <= found["VIEW_THROUGH"][key].total, f"CAMPANILE_TEST_SEED={SEED}"


def with_views(of: Crowd) -> Crowd:
    channels = {campaign["campaign_id"]: campaign["channel"] for campaign in of.campaigns}
    events = []
    for event in of.events:
        view = VIEWS.get(channels.get(event.get("campaign_id", ""), ""))
        if event["type"] != "click":
            events.append(event)
        elif view is not None:
            events += [{**event, "type": view, "event_id": "A" + event["event_id"]}, event]
    return Crowd(of.campaigns, events)


def test_unique_and_revenue_follow_from_the_credited_events(chdb_engine: Engine) -> None:
    scene = Scene(SEED, 150)
    found = asked(chdb_engine, scene.batch(scene.crowds), [0, 1])
    for numbers in found.values():
        platforms: dict[tuple[str, str], list[Result]] = {}
        for (campaign, platform, _, _, goal), value in numbers.items():
            assert 0 < value.unique <= value.total
            if platform:
                platforms.setdefault((campaign, goal), []).append(value)
        for (campaign, platform, _, _, goal), value in numbers.items():
            if not platform:
                parts = platforms[campaign, goal]
                assert value.total == sum(part.total for part in parts)
                assert value.revenue == sum((part.revenue for part in parts), Decimal(0))
                assert max(part.unique for part in parts) <= value.unique <= sum(part.unique for part in parts)


def test_a_last_interaction_is_credited_to_one_campaign(chdb_engine: Engine) -> None:
    scene = Scene(SEED, 150)
    single = [Crowd([one_goal(fields) for fields in of.campaigns], of.events) for of in scene.crowds]
    batch = scene.batch(single)
    found = asked(chdb_engine, batch, [0])
    for history in batch.histories:
        wanted = sum(any_goal(history, action) for action in history.actions)
        for kind in ("TOTAL_CONVERSIONS", "CLICK_CONVERSIONS"):
            credited = sum(
                value.total
                for (campaign, *_), value in found[kind].items()
                if campaign in history.campaigns and history.root_of(campaign) == campaign
            )
            assert credited <= wanted, f"CAMPANILE_TEST_SEED={SEED}"
    assert any(found["TOTAL_CONVERSIONS"].values())


def one_goal(fields: dict[str, Any]) -> dict[str, Any]:
    return {**fields, "goals": fields["goals"][:1]} if "goals" in fields else fields


def any_goal(history: History, action: Mapping[str, Any]) -> bool:
    return any(satisfies(action, goal) for campaign in history.campaigns for goal in history.goals_of(campaign))
