"""Compares answers from integers with those of the log, for campaigns that stand still."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import partial
from typing import NamedTuple, get_args

from campanile.campaigns.schemas import Campaign
from campanile.kit.times import Window, window
from campanile.stats.numbers import NumbersService
from campanile.stats.schemas import Attribution
from campanile.workspaces.schemas import Workspace

RANGES = 3
"""Ranges of days that are compared per campaign, besides its whole life."""
LONGEST_DAYS = 366


class Verified(NamedTuple):
    """What was compared."""

    settled: int
    """Campaigns with integers."""
    others: int
    """Campaigns that are answered from the log: they move, or integers cannot tell."""
    grown: int
    """Campaigns whose integers were made in two steps as well: as of some time in the past, and what came in since."""
    compared: int
    """Answers that were computed both ways, or all three."""
    differing: tuple[str, ...]
    """Campaign ids and ranges whose answers were not the same."""


async def verify(
    numbers: NumbersService,
    settle: Callable[[], None],
    workspace: Workspace,
    campaigns: Sequence[Campaign],
    today: date,
    chance: random.Random,
) -> Verified:
    """Make the integers of some campaigns and compare them with the log over random ranges.

    What moves meanwhile is not compared: the two answers would be of different times.

    Args:
        settle: waits until the integers of everything that was asked for are made.

    Raises:
        EngineUnavailable: the event store cannot be read.
    """
    from_log = numbers.from_log()
    settled_campaigns = grown = compared = 0
    differing: list[str] = []
    for campaign in campaigns:
        await numbers.entries(workspace, [campaign])
        await asyncio.to_thread(settle)
        entry = (await numbers.entries(workspace, [campaign])).get(campaign.campaign_id)
        if entry is None:
            continue
        settled_campaigns += 1
        retraced = await numbers.retraced(workspace, campaign, chance)
        grown += retraced is not None
        for days in _ranges(campaign, workspace, today, chance):
            attribution: Attribution = chance.choice(get_args(Attribution))
            if campaign.goals:  # conversions have integers of their own, per attribution
                await numbers.measure(workspace, [campaign], days, attribution, all_platforms=True)
                await asyncio.to_thread(settle)
            asking = partial(numbers.measure, workspace, [campaign], days, attribution, all_platforms=True)
            ours = [await asking()]
            if retraced is not None:
                ours.append(await asking(entries={campaign.campaign_id: retraced}))
            theirs = await from_log.measure(workspace, [campaign], days, attribution, all_platforms=True)
            if (await numbers.entries(workspace, [campaign])).get(campaign.campaign_id) is not entry:
                break
            compared += 1
            if any(each != theirs for each in ours):
                differing.append(f"{campaign.campaign_id} {days.first}..{days.last} {attribution}")
    return Verified(settled_campaigns, len(campaigns) - settled_campaigns, grown, compared, tuple(differing))


def _ranges(campaign: Campaign, workspace: Workspace, today: date, chance: random.Random) -> list[Window]:
    """The life of a campaign as far as it is known, and random parts of it."""
    timezone = workspace.settings.timezone
    first = min(campaign.first_event_at or campaign.created_at, campaign.created_at).date() - timedelta(days=1)
    last = max((campaign.last_event_at or campaign.created_at).date(), first) + timedelta(days=1)
    last = min(max(last, first), max(today, first) + timedelta(days=1))
    found = [window(first, last, timezone)]
    for _ in range(RANGES):
        start = first + timedelta(days=chance.randint(0, (last - first).days))
        length = chance.randint(0, min(LONGEST_DAYS, (last - start).days))
        found.append(window(start, start + timedelta(days=length), timezone))
    return found
