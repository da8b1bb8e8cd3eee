"""Many histories in one workspace: names are changed so that they cannot meet, and one question answers for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from campanile.attribution.rules import CONTROL_GROUPS, Attribution
from campanile.attribution.service import ALL_TOGETHER, BY_PLATFORM
from campanile.campaigns.schemas import Campaign
from campanile.engine import Engine
from campanile.kit.times import Window
from tests.oracle.attribution import Credit, Fields, History, Result
from tests.support import attribution as support

Key = tuple[Any, ...]


class Batch:
    """Histories by number. Every campaign, person, instance and event belongs to one of them."""

    def __init__(self, histories: Iterable[tuple[list[Any], list[Any]]], settings: Fields) -> None:
        self.settings = settings
        self.histories: list[History] = []
        self.facts: list[list[Fields]] = []
        """Per history, what arrives in its order: events, copies of them, merges of users."""
        self.campaigns: list[Campaign] = []
        for number, (campaigns, events) in enumerate(histories):
            renamed = [_campaign(number, fields) for fields in campaigns]
            moved = [_event(number, event) for event in events]
            self.histories.append(History(renamed, moved, settings))
            self.campaigns += support.campaigns(renamed)
            self.facts.append(moved)
        self._by_id = {campaign.campaign_id: campaign for campaign in self.campaigns}
        self.channels = {campaign.campaign_id: campaign.channel for campaign in self.campaigns}
        self.history_of = {name: history for history in self.histories for name in history.campaigns}

    def campaign_of(self, number: int, campaign_id: str) -> Campaign:
        """A campaign of one history, under the name it has here."""
        return self._by_id[_id(number, campaign_id)]

    def log(self, engine: Engine, identifier: str) -> support.ArrivingLog:
        """An empty log for these histories."""
        return support.ArrivingLog(engine, identifier, self.channels)

    def part(self, number: int, of: int) -> list[Fields]:
        """What arrives in one of several parts, of all histories."""
        return [
            fact for facts in self.facts for fact in facts[len(facts) * (number - 1) // of : len(facts) * number // of]
        ]

    # -- what the oracle says

    def expected(self, kind: Attribution, levels: Mapping[str, list[int]], window: Window) -> dict[Key, Result]:
        found: dict[Key, list[Credit]] = {}
        for history in self.histories:
            for credit in history.credits(kind):
                if credit.book != "target" or not window.start <= credit.converted_at < window.end:
                    continue
                for target in {credit.campaign, credit.root}:
                    for level in levels.get(target, ()):
                        place = _place(level, credit)
                        if place is not None:
                            found.setdefault((target, *place, credit.goal), []).append(credit)
        return {key: _result(credits) for key, credits in found.items()}

    def expected_control(self, kind: Attribution, targets: Iterable[str], window: Window) -> dict[Key, Result]:
        found: dict[Key, Result] = {}
        for target in targets:
            history = self.history_of[target]
            for group in CONTROL_GROUPS:
                platforms = {touch.platform for touch in history.touches if touch.book == group}
                for platform in ("", *platforms):
                    pairs = history.holdouts(target, group, platform=platform)
                    for goal in history.goals_of(target):
                        credits = [
                            credit
                            for credit in history.credits(kind)
                            if credit.book == group
                            and credit.goal == goal.name
                            and credit.campaign in history.members_of(target)
                            and window.start <= credit.converted_at < window.end
                            and (not platform or credit.pair in pairs)
                        ]
                        if credits:
                            found[(target, group, platform, goal.name)] = _result(credits)
        return found

    def expected_held_out(self, targets: Iterable[str], window: Window) -> dict[Key, int]:
        found: dict[Key, int] = {}
        for target in targets:
            history = self.history_of[target]
            for group in CONTROL_GROUPS:
                platforms = {touch.platform for touch in history.touches if touch.book == group}
                for platform in ("", *platforms):
                    pairs = history.holdouts(target, group, platform=platform, start=window.start, end=window.end)
                    if pairs:
                        found[(target, group, platform)] = len(pairs)
        return found

    # -- what the program says

    async def found(
        self, engine: Engine, identifier: str, kind: Attribution, levels: Mapping[str, list[int]], window: Window
    ) -> dict[Key, Result]:
        targets = [campaign for campaign in self.campaigns if campaign.campaign_id in levels]
        service = support.service(engine, self.campaigns)
        place = support.workspace(identifier, self.settings)
        answer = await service.credited(place, targets, [levels[t.campaign_id] for t in targets], window, kind)
        return {
            (targets[number].campaign_id, *rest): Result(value.total, value.unique, value.revenue)
            for (number, *rest), value in answer.items()
        }

    async def found_control(
        self, engine: Engine, identifier: str, kind: Attribution, targets: Iterable[str], window: Window
    ) -> tuple[dict[Key, Result], dict[Key, int]]:
        wanted = set(targets)
        chosen = {n: campaign for n, campaign in enumerate(self.campaigns) if campaign.campaign_id in wanted}
        service = support.service(engine, self.campaigns)
        answer = await service.control(support.workspace(identifier, self.settings), chosen, window, kind)
        return (
            {
                (chosen[number].campaign_id, *rest): Result(value.total, value.unique, value.revenue)
                for (number, *rest), value in answer.conversions.items()
            },
            {(chosen[number].campaign_id, *rest): pairs for (number, *rest), pairs in answer.held_out.items()},
        )


LEVELS = (ALL_TOGETHER, BY_PLATFORM, 2, 3, 4, 5, 6, 7)


def _place(level: int, credit: Credit) -> tuple[str, str, str] | None:
    """The node of a credit on a level; credits without a locale or variation are in aggregates only."""
    if (level & 2 and not credit.locale) or (level & 4 and not credit.variation):
        return None
    return (
        credit.platform if level & 1 else "",
        credit.locale if level & 2 else "",
        credit.variation if level & 4 else "",
    )


def _result(credits: list[Credit]) -> Result:
    return Result(len(credits), len({credit.pair for credit in credits}), sum((c.revenue for c in credits), Decimal(0)))


def _campaign(number: int, fields: Fields) -> Fields:
    """A campaign under another id that keeps its place in the order of ids."""
    renamed = {**fields, "campaign_id": _id(number, fields["campaign_id"])}
    if "parent_campaign_id" in fields:
        renamed["parent_campaign_id"] = _id(number, fields["parent_campaign_id"])
    return renamed


def _id(number: int, name: str) -> str:
    return f"{number:06x}{name[6:]}"


def _event(number: int, event: Fields) -> Fields:
    renamed = dict(event)
    for field in ("user_id", "from_user_id", "to_user_id"):
        if field in event:
            renamed[field] = f"h{number}-{event[field]}"
    if "event_id" in event:
        renamed["event_id"] = f"h{number}-{event['event_id']}"
    if "campaign_id" in event:
        renamed["campaign_id"] = _id(number, event["campaign_id"])
    return renamed
