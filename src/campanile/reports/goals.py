"""The conversions of rows: those that senders attributed, those that were reported as numbers, and earned credits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from campanile.kit.ordering import natural_key
from campanile.metrics.snapshots import Cells
from campanile.reports.columns.definitions import AttributionType
from campanile.reports.plan import Needs
from campanile.reports.row_numbers import Conversions
from campanile.reports.rows_repository import BY_LOCALE, BY_VARIATION, Place, RowsRepository, Scope
from campanile.reports.selection import Target
from campanile.workspaces.schemas import Workspace

GoalFigures = Mapping[tuple[str, AttributionType, str], Conversions]
"""(platform, attribution, goal) → conversions of a row."""
ControlKey = tuple[str, str, AttributionType, str]
"""(control group, platform, attribution, goal)."""
ControlFigures = Mapping[ControlKey, tuple[int, int]]
"""→ converting (user, instance) pairs that were held out, and all that were, of a campaign and day."""

NO_GOALS: GoalFigures = {}
NO_CONTROL = (0, 0)
NO_CONTROLS: ControlFigures = {}


class Credits(Protocol):
    """Knows which conversions campaigns earned by what people did; the conversion service."""

    def credited(
        self, workspace: Workspace, targets: Sequence[Target], scope: Scope, attribution: AttributionType
    ) -> Iterable[tuple[Place, str, Conversions]]:
        """Conversions per place and goal."""
        ...

    def control(
        self, workspace: Workspace, targets: Sequence[Target], scope: Scope, attribution: AttributionType
    ) -> Iterable[tuple[int, int, ControlKey, tuple[int, int]]]:
        """(Target number, day, key, converting and held-out pairs) of control groups; those that held nobody left
        out."""
        ...


class BlockGoals:
    """The conversions of all rows of some targets, over the whole range."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, int, str, str], dict[tuple[str, AttributionType, str], Conversions]] = defaultdict(
            dict
        )
        self._control: dict[tuple[int, int], dict[ControlKey, tuple[int, int]]] = defaultdict(dict)
        self._names: dict[int, set[str]] = defaultdict(set)
        self._days: dict[int, set[int]] = defaultdict(set)

    def row(self, number: int, day: int, locale: str, variation: str) -> GoalFigures:
        return self._rows.get((number, day, locale, variation), NO_GOALS)

    def control(self, number: int, day: int) -> ControlFigures:
        return self._control.get((number, day), NO_CONTROLS)

    def names(self, number: int) -> list[str]:
        """Goals that conversions of a target name."""
        return sorted(self._names[number], key=natural_key)

    def days(self, number: int) -> set[int]:
        """Days with a conversion of a target, as the instants they start."""
        return self._days[number]

    def add(self, place: Place, attribution: AttributionType, goal: str, found: Conversions) -> None:
        number, day, platform, locale, variation = place
        figures = self._rows[(number, day, locale, variation)]
        key = (platform, attribution, goal)
        figures[key] = figures.get(key, Conversions()) + found
        self._names[number].add(goal)
        self._days[number].add(day)

    def hold(self, number: int, day: int, key: ControlKey, found: tuple[int, int]) -> None:
        self._control[(number, day)][key] = found


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
        wanted = {_event_word(attribution): attribution for attribution in needs.attributions}
        covered = list(_covered(scope, cells, wanted))
        for found in repository.attributed(scope, wanted, covered):
            conversions = Conversions(found.total, found.unique, found.revenue)
            goals.add(found.place, wanted[found.attribution], found.goal, conversions)
        for place, attribution, goal, conversions in _reported(scope, cells, wanted):
            goals.add(place, attribution, goal, conversions)
        for attribution in sorted(needs.attributions):
            for place, goal, conversions in credits.credited(workspace, targets, scope, attribution):
                goals.add(place, attribution, goal, conversions)
    for attribution in sorted(needs.compared):
        for number, day, key, pairs in credits.control(workspace, targets, scope, attribution):
            goals.hold(number, day, key, pairs)
    return goals


def _event_word(attribution: AttributionType) -> str:
    return attribution.upper()


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
