"""The conversions of rows: those that senders attributed, those that were reported as numbers, and earned credits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from campanile.attribution.schemas import ControlRow, Conversions, CreditedRow, HeldOutRow, RowScope
from campanile.campaigns.schemas import Campaign
from campanile.kit.ordering import natural_key
from campanile.kit.times import Window
from campanile.metrics.snapshots import Cells
from campanile.reports.columns.definitions import AttributionType
from campanile.reports.plan import Needs
from campanile.reports.rows_repository import BY_LOCALE, BY_VARIATION, Place, RowsRepository, Scope, slots_of
from campanile.reports.selection import Target
from campanile.stats.schemas import Attribution
from campanile.workspaces.schemas import Workspace

GoalFigures = Mapping[tuple[str, AttributionType, str], Conversions]
"""(platform, attribution, goal) → conversions of a row."""
ControlKey = tuple[str, str, AttributionType, str]
"""(control group, platform, attribution, goal)."""


class Credits(Protocol):
    """Knows which conversions campaigns earned by what people did afterwards."""

    def converting(
        self, workspace: Workspace, campaigns: Sequence[Campaign], window: Window, as_of: int, attribution: Attribution
    ) -> set[str]:
        """Ids of those of the campaigns that earned one in the window."""
        ...

    def credited(self, scope: RowScope, attribution: Attribution) -> Iterable[CreditedRow]:
        """Conversions per place and goal."""
        ...

    def control(self, scope: RowScope, attribution: Attribution) -> Iterable[ControlRow]:
        """Converting (user, instance) pairs of control groups."""
        ...

    def held_out(self, scope: RowScope) -> Iterable[HeldOutRow]:
        """(User, instance) pairs that were held out."""
        ...


class BlockGoals:
    """The conversions of all rows of some targets, over the whole range."""

    def __init__(self) -> None:
        self._rows: dict[int, dict[tuple[int, str, str], dict[tuple[str, AttributionType, str], Conversions]]] = (
            defaultdict(lambda: defaultdict(dict))
        )
        self._held: dict[tuple[int, int, str, str], int] = {}
        self._converted: dict[tuple[int, int], dict[ControlKey, int]] = defaultdict(dict)
        self._names: dict[int, set[str]] = defaultdict(set)
        self._days: dict[int, set[int]] = defaultdict(set)

    def of(self, number: int) -> Mapping[tuple[int, str, str], GoalFigures]:
        """The rows of a target with conversions, by day, locale and variation."""
        return self._rows.get(number, {})

    def held(self, number: int, day: int, group: str, platform: str) -> int:
        """(User, instance) pairs that a control group of a target held out on a day."""
        return self._held.get((number, day, group, platform), 0)

    def converted(self, number: int, day: int, key: ControlKey) -> int:
        """Those that converted."""
        return self._converted.get((number, day), {}).get(key, 0)

    def names(self, number: int) -> list[str]:
        """Goals that conversions of a target name."""
        return sorted(self._names[number], key=natural_key)

    def days(self, number: int) -> set[int]:
        """Days with a conversion of a target, as the instants they start."""
        return self._days[number]

    def add(self, place: Place, attribution: AttributionType, goal: str, found: Conversions) -> None:
        number, day, platform, locale, variation = place
        figures = self._rows[number][(day, locale, variation)]
        key = (platform, attribution, goal)
        figures[key] = figures.get(key, Conversions()) + found
        self._names[number].add(goal)
        self._days[number].add(day)

    def hold(self, number: int, day: int, key: tuple[str, str], pairs: int) -> None:
        """Note how many pairs a control group held out; before what became of them."""
        self._held[(number, day, *key)] = pairs

    def convert(self, number: int, day: int, key: ControlKey, unique: int) -> None:
        """Note how many pairs of a control group converted."""
        self._converted[(number, day)][key] = unique
        self._names[number].add(key[3])


def gather(
    repository: RowsRepository,
    credits: Credits,
    workspace: Workspace,
    targets: Sequence[Target],
    scope: Scope,
    needs: Needs,
    cells: Cells,
) -> BlockGoals:
    """Ask for the conversions of some targets under every attribution type that columns need.

    Args:
        scope: numbers the targets by their position.
    """
    goals = BlockGoals()
    if needs.attributions:
        wanted: dict[str, AttributionType] = {event_word(kind): kind for kind in needs.attributions}
        covered = list(_covered(scope, cells, wanted))
        for found in repository.attributed(scope, wanted, covered):
            conversions = Conversions(found.total, found.unique, found.revenue)
            goals.add(found.place, wanted[found.attribution], found.goal, conversions)
        for place, attribution, goal, conversions in _reported(scope, cells, wanted):
            goals.add(place, attribution, goal, conversions)
        rows = row_scope(workspace, targets, scope, slots_of(scope))
        for attribution in sorted(needs.attributions):
            for place, goal, conversions in credits.credited(rows, event_word(attribution)):
                goals.add(place, attribution, goal, conversions)
    if needs.compared:
        whole = row_scope(workspace, targets, scope, slots_of(scope, whole=True))
        for held in credits.held_out(whole):
            goals.hold(held.target, held.day, (held.group, held.platform), held.pairs)
        for attribution in sorted(needs.compared):
            for row in credits.control(whole, event_word(attribution)):
                key = (row.group, row.platform, attribution, row.goal)
                goals.convert(row.target, row.day, key, row.unique)
    return goals


def row_scope(
    workspace: Workspace, targets: Sequence[Target], scope: Scope, slots: Mapping[str, Sequence[int]]
) -> RowScope:
    """A scope in the terms of attribution."""
    return RowScope(
        workspace,
        tuple(target.campaign for target in targets),
        slots,
        scope.window,
        tuple(scope.days),
        scope.by_day,
        scope.as_of,
    )


_WORDS: dict[AttributionType, Attribution] = {
    "view_through": "VIEW_THROUGH",
    "click_through": "CLICK_THROUGH",
    "in_session": "IN_SESSION",
    "total_conversions": "TOTAL_CONVERSIONS",
    "click_conversions": "CLICK_CONVERSIONS",
}


def event_word(attribution: AttributionType) -> Attribution:
    """An attribution type as events and the Stats API spell it."""
    return _WORDS[attribution]


def _covered(scope: Scope, cells: Cells, wanted: Mapping[str, AttributionType]) -> Iterator[str]:
    """Cells, days, types and goals that events do not answer."""
    starts = {day.isoformat(): start for start, day in scope.days.items()}
    for cell in cells.each():
        if cell.day in starts:
            where = (cell.campaign_id, cell.platform, cell.locale, cell.variation, str(starts[cell.day]))
            for goal, attribution in cell.goals:
                if attribution in wanted:
                    yield "\t".join((*where, attribution, goal))


def _reported(
    scope: Scope, cells: Cells, wanted: Mapping[str, AttributionType]
) -> Iterator[tuple[Place, AttributionType, str, Conversions]]:
    """What was reported as numbers, in every row it belongs to."""
    starts = {day.isoformat(): start for start, day in scope.days.items()}
    for cell in cells.each():
        if not cell.goals or cell.day not in starts:
            continue
        day = starts[cell.day] if scope.by_day else 0
        for number in scope.members.get(cell.campaign_id, ()):
            split = scope.splits.get(number, 0)
            if bool(split & BY_LOCALE) != bool(cell.locale) or bool(split & BY_VARIATION) != bool(cell.variation):
                continue
            for (goal, attribution), (total, unique, revenue) in cell.goals.items():
                if attribution in wanted:
                    for platform in {"", cell.platform} if scope.platforms else {""}:
                        place = (number, day, platform, cell.locale, cell.variation)
                        yield place, wanted[attribution], goal, Conversions(total, unique, revenue)
