"""Conversions per row of a report: the same credits, cut by days and by what rows keep apart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from campanile.attribution.plan import Plan, competitors, goal_window, make_plan, plan_parameters
from campanile.attribution.rules import CONTROL_GROUPS, CONTROL_REASONS, KINDS, LAST_INTERACTION, Attribution
from campanile.attribution.schemas import ControlRow, Conversions, CreditedRow, HeldOutRow, RowScope
from campanile.attribution.service import grouped, rules_of
from campanile.campaigns.schemas import Campaign
from campanile.engine import Engine
from campanile.kit.times import Window, epoch_milliseconds
from campanile.workspaces.schemas import Workspace

LEVEL_BITS = 3
"""Bits of a slot that hold the level."""
CAMPAIGNS_AT_ONCE = 500
"""Campaigns of one question."""


class Everything(Protocol):
    """Knows all campaigns; the campaign service."""

    def everything(self, workspace_id: str) -> Sequence[Campaign]: ...


class RowConversions:
    """Asks for the credits of some campaigns at a time. Blocks: call it from a worker thread."""

    def __init__(self, engine: Engine, campaigns: Everything) -> None:
        self._engine = engine
        self._campaigns = campaigns

    def converting(
        self, workspace: Workspace, campaigns: Sequence[Campaign], window: Window, as_of: int, attribution: Attribution
    ) -> set[str]:
        """Ids of those of the campaigns that earned a credit in the window, days after their messages perhaps."""
        asking = [item for item in campaigns if any(goal.event for goal in item.goals)]
        if not asking:
            return set()
        reach = max(goal_window(goal, item) for item in asking for goal in item.goals)
        touched = self._engine.ask(
            "active_campaigns",
            workspace.id,
            as_of=as_of,
            start=epoch_milliseconds(window.start) - reach,
            end=epoch_milliseconds(window.end),
            since=0,
        )
        recent = {row[0] for row in touched}
        asking = [item for item in asking if item.campaign_id in recent]
        found: set[str] = set()
        for first in range(0, len(asking), CAMPAIGNS_AT_ONCE):
            chosen = asking[first : first + CAMPAIGNS_AT_ONCE]
            slots = {item.campaign_id: (number << LEVEL_BITS,) for number, item in enumerate(chosen)}
            days = (epoch_milliseconds(window.start),)
            scope = RowScope(workspace, tuple(chosen), slots, window, days, by_day=False, as_of=as_of)
            found.update(chosen[row.place[0]].campaign_id for row in self.credited(scope, attribution))
        return found

    def credited(self, scope: RowScope, attribution: Attribution) -> Iterator[CreditedRow]:
        """Conversions per place and goal; places without any are left out."""
        plan = self._plan(scope, attribution, books=False)
        if not plan.members:
            return
        names = _goal_names(plan, scope.slots)
        for slot, day, platform, locale, variation, goal, total, unique, paid in self._engine.ask(
            "report_conversions", scope.workspace.id, **self._credit_parameters(plan, scope)
        ):
            number = slot >> LEVEL_BITS
            place = (number, day, platform, locale, variation)
            yield CreditedRow(place, names[number][goal - 1], Conversions(total, unique, paid))

    def control(self, scope: RowScope, attribution: Attribution) -> Iterator[ControlRow]:
        """Converting (user, instance) pairs of control groups; slots of the scope keep nothing but platforms apart."""
        plan = self._plan(scope, attribution, books=True)
        if not plan.members:
            return
        names = _goal_names(plan, scope.slots)
        for slot, day, book, platform, goal, unique in self._engine.ask(
            "report_control_conversions", scope.workspace.id, **self._credit_parameters(plan, scope)
        ):
            number = slot >> LEVEL_BITS
            yield ControlRow(number, day, CONTROL_GROUPS[book - 1], platform, names[number][goal - 1], unique)

    def held_out(self, scope: RowScope) -> Iterator[HeldOutRow]:
        """(User, instance) pairs that were held out."""
        if not scope.slots:
            return
        for slot, day, book, platform, pairs in self._engine.ask(
            "report_held_out",
            scope.workspace.id,
            **_range(scope),
            campaigns=list(scope.slots),
            members=list(range(1, len(scope.slots) + 1)),
            slots=[list(slots) for slots in scope.slots.values()],
            control_reasons=list(CONTROL_REASONS),
        ):
            yield HeldOutRow(slot >> LEVEL_BITS, day, CONTROL_GROUPS[book - 1], platform, pairs)

    def _plan(self, scope: RowScope, attribution: Attribution, *, books: bool) -> Plan:
        everyone = grouped(self._campaigns.everything(scope.workspace.id))
        roots = {target.parent_id or target.campaign_id for target in scope.targets}
        families = [family for family in everyone if family.root.campaign_id in roots]
        kind = KINDS[attribution]
        return make_plan(
            competitors(everyone, families) if kind in LAST_INTERACTION else families,
            kind,
            rules_of(scope.workspace.settings),
            ios_substitute=not scope.workspace.settings.show_ios_impressions,
            books=books,
        )

    @staticmethod
    def _credit_parameters(plan: Plan, scope: RowScope) -> dict[str, Any]:
        slots = {name: list(slots) for name, slots in scope.slots.items()}
        return {**plan_parameters(plan, scope.window, list(slots), slots), **_range(scope)}


def _range(scope: RowScope) -> dict[str, Any]:
    return {
        "start": epoch_milliseconds(scope.window.start),
        "end": epoch_milliseconds(scope.window.end),
        "days": list(scope.days),
        "by_day": int(scope.by_day),
        "as_of": scope.as_of,
    }


def _goal_names(plan: Plan, slots: Mapping[str, Sequence[int]]) -> dict[int, tuple[str, ...]]:
    """Per target: the names of its goals."""
    return {
        slot >> LEVEL_BITS: plan.goal_names[member]
        for member, counted in slots.items()
        if member in plan.goal_names
        for slot in counted
    }
