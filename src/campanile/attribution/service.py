"""Conversions of campaigns: what the statistics, reports and experiments ask."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Protocol

from campanile.attribution.plan import Family, Plan, competitors, goal_window, make_plan, make_scope
from campanile.attribution.repository import LEVEL_BITS, ConversionRepository
from campanile.attribution.rules import KINDS, LAST_INTERACTION, Attribution, Kind, Rules
from campanile.attribution.schemas import Arm, Basis, ControlNumbers, Conversions, CreditKey, CreditRows, Members
from campanile.campaigns.schemas import Campaign, Goal
from campanile.kit.times import Window
from campanile.workspaces.schemas import Workspace, WorkspaceSettings

ALL_TOGETHER = 0
"""Level over all platforms."""
BY_PLATFORM = 1
"""Level that keeps platforms apart."""


class Registry(Protocol):
    """Knows campaigns; the campaign service."""

    def get_many(self, workspace_id: str, ids: Collection[str]) -> Mapping[str, Campaign]: ...

    def children_of(self, workspace_id: str, parent_ids: Collection[str]) -> Mapping[str, Sequence[Campaign]]: ...

    def everything(self, workspace_id: str) -> Sequence[Campaign]: ...


class ConversionService:
    """Asks for credits. Targets are numbered as they are passed."""

    def __init__(self, repository: ConversionRepository, campaigns: Registry) -> None:
        self._repository = repository
        self._campaigns = campaigns

    async def credited(
        self,
        workspace: Workspace,
        targets: Sequence[Campaign],
        levels: Sequence[Iterable[int]],
        window: Window,
        attribution: Attribution,
    ) -> dict[CreditKey, Conversions]:
        """Conversions of goals that the server matched itself, per node; nodes without any are left out.

        Args:
            levels: per target, the levels of its tree: platform (1), locale (2), variation (4) kept apart.
        """
        if not any(target.goals for target in targets):
            return {}
        families = await asyncio.to_thread(self._families, workspace.id, targets)
        plan = await self._plan(workspace, families, KINDS[attribution], books=False)
        slots = _slots(targets, families, levels)
        return await self._repository.conversions(workspace.id, plan, window, slots)

    async def bases(
        self, workspace: Workspace, targets: Sequence[Campaign], attribution: Attribution, *, books: bool = False
    ) -> list[Basis | None]:
        """What `credited` goes by, per target; None for campaigns without goals that events can reach.

        Args:
            books: what `control` goes by instead.
        """
        kind = KINDS[attribution]
        families = await asyncio.to_thread(self._families, workspace.id, targets)
        everyone: list[Family] | None = None
        if kind in LAST_INTERACTION:
            everyone = grouped(await asyncio.to_thread(self._campaigns.everything, workspace.id))
        by_root = {family.root.campaign_id: family for family in families}
        found: list[Basis | None] = []
        for target in targets:
            family = by_root.get(target.parent_id or target.campaign_id)
            if family is None:
                found.append(None)
                continue
            competing = [family] if everyone is None else competitors(everyone, [family])
            plan = self._made(workspace, competing, kind, books=books)
            counted = family.members if target.parent_id is None else (target,)
            goals = plan.goal_names.get(target.campaign_id)
            ids = tuple(member.campaign_id for member in counted)
            found.append(None if goals is None else Basis(plan, ids, goals))
        return found

    def histories(
        self,
        workspace_id: str,
        basis: Basis,
        levels: Collection[int],
        days: Window,
        starts: Sequence[int],
        as_of: int | None = None,
        *,
        books: bool = False,
    ) -> CreditRows:
        """Conversions of a target on these levels, for every range of some days at once. Blocks.

        Args:
            days: all of them. starts: when each begins, in milliseconds, ascending. as_of: leave out what was stored
            with a later sequence. books: those of its control groups, and its hold-outs.
        """
        ask = self._repository.control_histories if books else self._repository.histories
        return ask(workspace_id, basis, levels, days, starts, as_of)

    async def control(
        self,
        workspace: Workspace,
        targets: Mapping[int, Campaign],
        window: Window,
        attribution: Attribution,
        covered: Sequence[str] = (),
    ) -> ControlNumbers:
        """What the control groups of some targets did, by their numbers, on each platform and over all.

        Args:
            covered: cells, days and reasons that snapshots answer for, as texts.
        """
        if not targets:
            return ControlNumbers({}, {})
        campaigns = list(targets.values())
        families = await asyncio.to_thread(self._families, workspace.id, campaigns)
        plan = await self._plan(workspace, families, KINDS[attribution], books=True)
        everywhere = [(ALL_TOGETHER, BY_PLATFORM)] * len(campaigns)
        slots = _slots(campaigns, families, everywhere, list(targets))
        conversions, held_out = await asyncio.gather(
            self._repository.control_conversions(workspace.id, plan, window, slots),
            self._repository.held_out(workspace.id, window, slots, covered),
        )
        return ControlNumbers(conversions, held_out)

    async def members(self, workspace: Workspace, target: Campaign, window: Window) -> Members:
        """Who takes part in the experiments of a campaign and its runs, by what happened to them in the window."""
        runs = await asyncio.to_thread(self._runs, workspace.id, target)
        scope = make_scope(
            target,
            runs,
            window,
            rules_of(workspace.settings),
            ios_substitute=not workspace.settings.show_ios_impressions,
        )
        return await self._repository.members(workspace.id, scope)

    async def cohort(
        self, workspace: Workspace, target: Campaign, window: Window, attribution: Attribution | None, *, held_out: bool
    ) -> dict[tuple[Arm, str], int]:
        """(User, instance) pairs of a campaign and its runs that converted, per arm and goal.

        The window holds the credited touches; their conversions may be later (conversions specification 9.2).

        Args:
            attribution: None for the intention to treat: windows start with the send (specification 9.3).
            held_out: ask for the control groups instead of the treated.
        """
        kind = "send" if attribution is None else KINDS[attribution]
        families = await asyncio.to_thread(self._families, workspace.id, [target])
        plan = await self._plan(workspace, families, kind, books=held_out)
        runs = await asyncio.to_thread(self._runs, workspace.id, target)
        campaigns = [target.campaign_id, *(run.campaign_id for run in runs)]
        return await self._repository.cohort(workspace.id, plan, campaigns, window)

    @staticmethod
    def window_of(goal: Goal, campaign: Campaign) -> timedelta:
        """How long after a touch a goal may be reached."""
        return timedelta(milliseconds=goal_window(goal, campaign))

    @staticmethod
    def alike_for_held_out(attribution: Attribution) -> Attribution | None:
        """What is asked about control groups instead: only the model matters to them (specification 8.3)."""
        return "TOTAL_CONVERSIONS" if KINDS[attribution] in LAST_INTERACTION else None

    def _runs(self, workspace_id: str, target: Campaign) -> Sequence[Campaign]:
        return self._campaigns.children_of(workspace_id, [target.campaign_id]).get(target.campaign_id, ())

    async def _plan(self, workspace: Workspace, families: Sequence[Family], kind: Kind, *, books: bool) -> Plan:
        competing = list(families)
        if kind in LAST_INTERACTION:
            everyone = await asyncio.to_thread(self._campaigns.everything, workspace.id)
            competing = competitors(grouped(everyone), families)
        return self._made(workspace, competing, kind, books=books)

    @staticmethod
    def _made(workspace: Workspace, competing: Sequence[Family], kind: Kind, *, books: bool) -> Plan:
        return make_plan(
            competing,
            kind,
            rules_of(workspace.settings),
            ios_substitute=not workspace.settings.show_ios_impressions,
            books=books,
        )

    def _families(self, workspace_id: str, targets: Sequence[Campaign]) -> list[Family]:
        """The families of the targets, each once and complete: the latest run of all of them earns a credit."""
        parents = {target.parent_id for target in targets if target.parent_id is not None}
        known = {target.campaign_id: target for target in targets}
        missing = self._campaigns.get_many(workspace_id, sorted(parents.difference(known)))
        roots = [campaign for campaign in (*known.values(), *missing.values()) if campaign.parent_id is None]
        children = self._campaigns.children_of(workspace_id, [root.campaign_id for root in roots])
        return [Family(root, tuple(children.get(root.campaign_id, ()))) for root in roots]


def grouped(campaigns: Iterable[Campaign]) -> list[Family]:
    """All families of a workspace."""
    roots: list[Campaign] = []
    children: dict[str, list[Campaign]] = defaultdict(list)
    for campaign in campaigns:
        if campaign.parent_id is None:
            roots.append(campaign)
        else:
            children[campaign.parent_id].append(campaign)
    return [Family(root, tuple(children.get(root.campaign_id, ()))) for root in roots]


def rules_of(settings: WorkspaceSettings) -> Rules:
    """What the settings of a workspace change about attribution."""
    view_starts = dict(pair.split(":", 1) for pair in settings.attribution_view_start.split())
    sessions = dict(pair.split(":", 1) for pair in settings.attribution_session_start.split())
    return Rules(
        exclude_machine=settings.attribution_exclude_machine,
        cross_platform=settings.attribution_cross_platform == "any",
        view_starts=view_starts,
        view_sessions=frozenset(channel for channel, start in sessions.items() if start == "view"),
    )


def _slots(
    targets: Sequence[Campaign],
    families: Sequence[Family],
    levels: Sequence[Iterable[int]],
    numbers: Sequence[int] | None = None,
) -> dict[str, list[int]]:
    """Per member: 8 · target + level for everything its credits count for; a parent counts those of its children."""
    children = {family.root.campaign_id: family.children for family in families}
    slots: dict[str, list[int]] = defaultdict(list)
    for number, target, wanted in zip(numbers or range(len(targets)), targets, levels, strict=True):
        own = [(number << LEVEL_BITS) + level for level in wanted]
        for member in (target, *children.get(target.campaign_id, ())):
            slots[member.campaign_id].extend(own)
    return dict(slots)
