"""Answers whether a campaign caused anything: its control groups, its variations, every goal (specification 9)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from campanile.attribution.schemas import Arm, Members
from campanile.campaigns.schemas import Campaign, CampaignDocument, Goal
from campanile.clock import Clock
from campanile.errors import InvalidInput, NotFound
from campanile.experiments.results import Converted, Counts, experiment
from campanile.experiments.schemas import MAX_DAYS, Experiment, ExperimentRequest, WireUplift
from campanile.kit.times import Window, window
from campanile.metrics.channels import ALL_LOCALES, ALL_VARIATIONS, CAMPAIGN_CONTROL_GROUP, GLOBAL_CONTROL_GROUP
from campanile.stats.schemas import Attribution, StatsRequest
from campanile.stats.service import StatsService
from campanile.workspaces.schemas import Workspace

CONTROL_GROUPS = (CAMPAIGN_CONTROL_GROUP, GLOBAL_CONTROL_GROUP)
FIRST_LOOKS: dict[str, Attribution] = {"all_interactions": "VIEW_THROUGH", "last_interaction": "TOTAL_CONVERSIONS"}
"""By the model of a workspace: the attribution type that is shown when none is asked for."""


class Cohorts(Protocol):
    """Knows who took part and who converted; the conversion service."""

    async def members(self, workspace: Workspace, target: Campaign, window: Window) -> Members: ...

    async def cohort(
        self, workspace: Workspace, target: Campaign, window: Window, attribution: Attribution | None, *, held_out: bool
    ) -> Mapping[tuple[Arm, str], int]: ...

    def window_of(self, goal: Goal, campaign: Campaign) -> timedelta: ...

    def alike_for_held_out(self, attribution: Attribution) -> Attribution | None: ...


class Campaigns(Protocol):
    """Knows campaigns; the campaign service."""

    def get(self, workspace_id: str, campaign_id: str) -> Campaign | None: ...

    def children_of(self, workspace_id: str, parent_ids: Sequence[str]) -> Mapping[str, Sequence[Campaign]]: ...

    def document(self, workspace_id: str, campaign_id: str) -> CampaignDocument | None: ...


class ExperimentService:
    """Read-only; every answer is counted when it is asked for."""

    def __init__(self, campaigns: Campaigns, cohorts: Cohorts, stats: StatsService, clock: Clock) -> None:
        self._campaigns = campaigns
        self._cohorts = cohorts
        self._stats = stats
        self._clock = clock

    async def result(self, workspace: Workspace, campaign_id: str, request: ExperimentRequest) -> Experiment:
        """The experiments of one campaign.

        Raises:
            NotFound: no such campaign, or one without statistics.
            InvalidInput: the goal is none that can be measured, or the days are in the wrong order or too many.
            EngineUnavailable: the event store cannot be read.
        """
        campaign, runs, document = await asyncio.to_thread(self._find, workspace.id, campaign_id)
        windows = self._windows(campaign, request.goal)
        days = self._days(workspace, (campaign, *runs), request)
        attributions = request.attributions or (FIRST_LOOKS[workspace.settings.attribution_model],)
        measured = attributions if windows else ()
        members, converted, wire = await asyncio.gather(
            self._cohorts.members(workspace, campaign, days),
            self._converted(workspace, campaign, days, measured),
            self._wire(workspace, campaign, days, measured),
        )
        counts = Counts(campaign, document, days, attributions, windows, members, converted, wire)
        return await asyncio.to_thread(experiment, counts, self._clock.now())

    def _find(self, workspace_id: str, campaign_id: str) -> tuple[Campaign, Sequence[Campaign], Mapping[str, Any]]:
        campaign = self._campaigns.get(workspace_id, campaign_id)
        document = self._campaigns.document(workspace_id, campaign_id)
        if campaign is None or document is None or not campaign.has_stats:
            raise NotFound("There is no such campaign.", attribute="campaign_id")
        runs = self._campaigns.children_of(workspace_id, [campaign.campaign_id]).get(campaign.campaign_id, ())
        return campaign, runs, document.document

    def _windows(self, campaign: Campaign, wanted: str | None) -> dict[Goal, timedelta]:
        """The goals that are looked at, with how long after a touch they may be reached."""
        goals = [goal for goal in campaign.goals if goal.event and wanted in (None, goal.name)]
        if wanted is not None and not goals:
            message = "The campaign has no goal of this name that an event fulfils."
            raise InvalidInput(message, attribute="goal", type="invalid_parameter")
        return {goal: self._cohorts.window_of(goal, campaign) for goal in goals}

    def _days(self, workspace: Workspace, family: Sequence[Campaign], request: ExperimentRequest) -> Window:
        zone = ZoneInfo(workspace.settings.timezone)
        last = request.last or self._clock.now().astimezone(zone).date()
        first = request.first
        if first is None:
            began = [item.first_event_at.astimezone(zone).date() for item in family if item.first_event_at is not None]
            first = max(last - timedelta(days=MAX_DAYS - 1), min([last, *began]))
        _check_days(first, last)
        return window(first, last, workspace.settings.timezone)

    async def _converted(
        self, workspace: Workspace, campaign: Campaign, days: Window, attributions: Sequence[Attribution]
    ) -> dict[Attribution | None, Converted]:
        """Conversions of all arms, by attribution type; None is the intention to treat."""
        if not attributions:
            return {}
        types = (None, *attributions)
        alike = {name: None if name is None else self._cohorts.alike_for_held_out(name) for name in types}
        books = dict.fromkeys(alike.values())
        asked = [*((name, False) for name in types), *((name, True) for name in books)]
        answers = await asyncio.gather(
            *(self._cohorts.cohort(workspace, campaign, days, name, held_out=held_out) for name, held_out in asked)
        )
        found = dict(zip(asked, answers, strict=True))
        return {name: {**found[(name, False)], **found[(alike[name], True)]} for name in types}

    async def _wire(
        self, workspace: Workspace, campaign: Campaign, days: Window, attributions: Sequence[Attribution]
    ) -> dict[tuple[Attribution, str, str], WireUplift]:
        """What the Stats API says over all platforms, by attribution type, control group and goal."""
        found: dict[tuple[Attribution, str, str], WireUplift] = {}
        for attribution in attributions:
            request = StatsRequest(
                request_id="experiment",
                campaign_ids=(campaign.campaign_id,),
                first=days.first,
                last=days.last,
                attribution=attribution,
                metric_type="UNIQUE",
            )
            page = await self._stats.page(workspace, request, all_platforms=True)
            nodes = next(iter(page.trees[campaign.campaign_id].values()))[ALL_LOCALES]
            for group in CONTROL_GROUPS:
                held = {goal.name: goal.cvr for goal in nodes[group].goals} if group in nodes else {}
                for goal in nodes[ALL_VARIATIONS].goals:
                    uplift = goal.uplift if group == CAMPAIGN_CONTROL_GROUP else goal.gcg_uplift
                    found[(attribution, group, goal.name)] = WireUplift(
                        cvr=float(goal.cvr), control_cvr=float(held.get(goal.name, 0)), uplift=float(uplift)
                    )
        return found


def _check_days(first: date, last: date) -> None:
    if last < first:
        message = "end_date must not be before start_date."
    elif (last - first).days >= MAX_DAYS:
        message = f"The days from start_date to end_date must not be more than {MAX_DAYS}."
    else:
        return
    raise InvalidInput(message, attribute="end_date", type="invalid_parameter")
