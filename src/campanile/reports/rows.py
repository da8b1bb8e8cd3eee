"""The rows of reports: a stream per channel, in the order of the file, with the Stats API's numbers.

Campaigns are put in order first. Then they are counted some at a time: every question of a run names a bounded number
of campaigns, days and events, so memory stays flat here and in the engine however large the report is, and other
questions get their turn in between. All questions see the log as of one sequence, so it does not matter that they are
asked one after the other (report specification 6.2, 11).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple, Protocol, TypeVar
from zoneinfo import ZoneInfo

import msgspec
import numpy as np

from campanile.campaigns.schemas import Campaign, Goal
from campanile.kit.ahead import made_ahead
from campanile.kit.times import Window, day_start, epoch_milliseconds, window
from campanile.metrics.snapshots import Cells
from campanile.reports.axes import Extent, Fan, Label, day_axis, fan
from campanile.reports.cells import RowFacts
from campanile.reports.goals import BlockGoals, Credits, event_word, gather
from campanile.reports.grid import Band, Grid
from campanile.reports.plan import Needs
from campanile.reports.row_goals import PortionGoals
from campanile.reports.row_numbers import PortionNumbers
from campanile.reports.row_writer import Columns, Labelled, Outline, RowWriter
from campanile.reports.rows_repository import (
    PORTIONS_AT_ONCE,
    UNLABELLED,
    Activity,
    Extents,
    RowsRepository,
    Scope,
    implied,
)
from campanile.reports.schemas import CHANNELS, ReportSpec, ReportWarning
from campanile.reports.selection import Labels, Target, choose, needs_labels, unknown_values
from campanile.reports.sheet import Batch, Column, Sheet
from campanile.reports.table import Flags
from campanile.reports.traits import Traits, campaign_goals
from campanile.workspaces.schemas import Workspace

__all__ = ["Column", "RowsService", "Sheet"]

TARGETS_PER_BLOCK = 500
"""Campaigns with rows that are looked at together; their children may be many more."""
ROWS_PER_PORTION = 16_000
"""Rows counted by one set of questions."""
EVENTS_PER_PORTION = 3_000_000
"""Events behind them, about; a single campaign, or a single day of one, may have more."""
DOCUMENTS_AT_ONCE = 50
"""Campaign documents in memory; each may be a megabyte."""
LABELS_AT_ONCE = 500
"""Documents read at once for filters, which keep little of them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FOREVER = 2**52
"""Milliseconds beyond every event."""

_Document = Mapping[str, Any]
_Item = TypeVar("_Item")


class Campaigns(Protocol):
    """Knows campaigns; the campaign service."""

    def everything(self, workspace_id: str) -> Sequence[Campaign]: ...

    def documents(self, workspace_id: str, ids: Collection[str]) -> Mapping[str, dict[str, Any]]: ...


class _Shape(NamedTuple):
    """The rows of one target."""

    days: Sequence[int]
    """Instants that days start, ascending; (0,) for one row over the whole range, nothing for no row at all."""
    fan: Fan
    events: int
    """Events behind the rows, about."""

    @property
    def rows(self) -> int:
        return len(self.days) * self.fan.rows


class _Block(NamedTuple):
    """Some consecutive targets, and what is known about them before they are counted."""

    targets: Sequence[Target]
    shapes: Sequence[_Shape]
    scope: Scope
    cells: Cells
    goals: BlockGoals


class _Portion(NamedTuple):
    """Rows that are counted together: some targets of a block, or some days of one."""

    numbers: Sequence[int]
    """Of the targets, within the block."""
    days: Sequence[int] | None
    """None: all of each."""
    events: int
    """Behind the rows, about."""


class _Counted(NamedTuple):
    """What the engine said about a portion."""

    block: _Block
    portion: _Portion
    scope: Scope
    grid: Grid
    numbers: PortionNumbers


class RowsService:
    """Makes the rows of reports. Blocks: call it from a worker thread."""

    def __init__(self, repository: RowsRepository, campaigns: Campaigns, credits: Credits) -> None:
        self._repository = repository
        self._campaigns = campaigns
        self._credits = credits

    def sheets(
        self, workspace: Workspace, spec: ReportSpec, days: Window, as_of: int, *, at_once: int | None = None
    ) -> Iterator[Sheet]:
        """One sheet per selected channel, in the order of files.

        Args:
            days: the window of the run.
            as_of: the sequence of the last group of events that the run sees, see `reports.as_of`.
            at_once: campaigns that are looked at together, if not as many as files want: whoever wants the first rows
                only need not wait for others.

        Raises:
            EngineUnavailable: the event store cannot be read. QuestionTimeout: a single campaign is too large for
            the configured time.
        """
        everything = self._campaigns.everything(workspace.id)
        extents = self._repository.extents(workspace.id, days, as_of)
        counted = extents.counted
        labels: dict[str, Labels] = {}
        unknown: list[str] = []
        if needs_labels(spec.filters) and spec.campaigns == "all":
            labels = self._labels(workspace.id, everything)
            unknown = unknown_values(spec.filters, labels.values())
        for place, selection in enumerate(spec.channels):
            columns = Columns(selection.channel, spec, workspace.settings)
            candidates = [item for item in everything if item.channel == CHANNELS[selection.channel]]
            late = self._converting(workspace, candidates, columns.needs(), days, counted, as_of)
            choice = choose(candidates, spec, selection, days, counted.keys() | late, labels)
            warnings = [] if place else list(_selection_warnings(spec, everything, unknown))
            yield self._sheet(workspace, spec, columns, choice, days, as_of, extents, warnings, at_once)

    def _converting(
        self,
        workspace: Workspace,
        campaigns: Sequence[Campaign],
        needs: Needs,
        days: Window,
        counted: Collection[str],
        as_of: int,
    ) -> set[str]:
        """Campaigns that have conversions in the window, and no event: people come back days after a message."""
        found: set[str] = set()
        silent = [item for item in campaigns if item.campaign_id not in counted]
        for attribution in sorted(needs.attributions):
            found |= self._credits.converting(workspace, silent, days, as_of, event_word(attribution))
        return found

    def _labels(self, workspace: str, campaigns: Sequence[Campaign]) -> dict[str, Labels]:
        labels = {}
        ids = [campaign.campaign_id for campaign in campaigns]
        for names in _chunks(ids, LABELS_AT_ONCE):
            for name, document in self._campaigns.documents(workspace, names).items():
                tags = document.get("basic_details", {}).get("tags", ())
                labels[name] = Labels(frozenset(tags), document.get("created_by", ""))
        return labels

    def _sheet(
        self,
        workspace: Workspace,
        spec: ReportSpec,
        columns: Columns,
        targets: Sequence[Target],
        days: Window,
        as_of: int,
        extents: Extents,
        warnings: list[ReportWarning],
        at_once: int | None,
    ) -> Sheet:
        warnings.extend(columns.warnings())
        if spec.splits.parent_totals and spec.splits.child and any(len(target.members) > 1 for target in targets):
            message = "Rows of parents contain those of their children: sums over a column count twice."
            warnings.append(ReportWarning(code="parent_totals", message=message, channel=columns.channel))
        counter = _Counter(
            self._repository, self._campaigns, self._credits, workspace, spec, columns, days, as_of, extents, warnings
        )
        return Sheet(columns.channel, columns.columns(), counter.batches(targets, at_once), warnings)


class _Counter:
    """Makes the rows of one sheet."""

    def __init__(
        self,
        repository: RowsRepository,
        campaigns: Campaigns,
        credits: Credits,
        workspace: Workspace,
        spec: ReportSpec,
        columns: Columns,
        days: Window,
        as_of: int,
        extents: Extents,
        warnings: list[ReportWarning],
    ) -> None:
        self._repository = repository
        self._campaigns = campaigns
        self._credits = credits
        self._workspace = workspace
        self._zone = ZoneInfo(workspace.settings.timezone)
        self._spec = spec
        self._columns = columns
        self._needs: Needs = columns.needs()
        self._writer = RowWriter(columns, workspace.settings)
        self._window = days
        self._as_of = as_of
        self._extents = extents
        self._warnings = warnings
        self._uniques_added = False

    def batches(self, targets: Sequence[Target], at_once: int | None) -> Iterator[Batch]:
        todo = self._todo(targets, at_once or TARGETS_PER_BLOCK)
        if at_once is None:
            with closing(made_ahead(self._count_in_turn, todo, PORTIONS_AT_ONCE)) as everything:
                yield from filter(None, map(self._rows, everything))
        else:  # nothing is asked that may not be wanted
            yield from filter(None, map(self._rows, map(self._count, todo)))
        self._warnings.extend(self._writer.warnings())
        if self._uniques_added:
            message = "Unique counts that were reported as numbers were added up."
            self._warnings.append(ReportWarning(code="uniques_added", message=message, channel=self._columns.channel))

    def _todo(self, targets: Sequence[Target], at_once: int) -> Iterator[tuple[_Block, _Portion]]:
        for chosen in _chunks(targets, at_once):
            block = self._block(chosen)
            for portion in self._portions(block):
                yield block, portion

    def _block(self, targets: Sequence[Target]) -> _Block:
        """What there is to count for some targets."""
        members: dict[str, list[int]] = defaultdict(list)
        for number, target in enumerate(targets):
            for member in target.members:
                members[member.campaign_id].append(number)
        lifetime = self._spec.data_window == "lifetime"
        extents = {name: Extent() for name in members}
        for activity in self._activity(members, lifetime=lifetime):
            extents[activity.campaign_id].add(activity)
        today = (_EPOCH + timedelta(microseconds=self._as_of)).astimezone(self._zone).date()
        first, last = (_EPOCH.date(), today) if lifetime else (self._window.first, self._window.last)
        reporting = members if lifetime else members.keys() & self._extents.reported
        cells = self._repository.cells(self._workspace.id, reporting, first, last, self._as_of)
        if lifetime:
            first = min((*self._first_days(extents.values(), cells), today))
        days = self._days(first, last)
        starts = {day: moment for moment, day in days.items()}
        for cell in cells.each():
            extent = extents[cell.campaign_id]
            if (day := date.fromisoformat(cell.day)) in starts:
                extent.stretch(starts[day])
            extent.locales.update({cell.locale} - {""})
            extent.variations.update({cell.variation} - {""})
        merged = [_merged(extents[member.campaign_id] for member in target.members) for target in targets]
        fans = [fan(target, extent, self._columns.splits) for target, extent in zip(targets, merged, strict=True)]
        scope = Scope(
            workspace=self._workspace.id,
            settings=self._workspace.settings,
            channel=CHANNELS[self._columns.channel],
            as_of=self._as_of,
            days=days,
            window=window(first, last, self._workspace.settings.timezone),
            by_day="date" in self._columns.splits,
            members={name: tuple(numbers) for name, numbers in members.items()},
            implied=implied(member for target in targets for member in target.members),
            splits={number: found.bits for number, found in enumerate(fans) if found.bits},
            platforms=self._needs.platforms,
        )
        goals = gather(self._repository, self._credits, self._workspace, targets, scope, self._needs, cells)
        shapes = [
            _Shape(self._day_axis(target, extent, days, goals.days(number)), fans[number], extent.events)
            for number, (target, extent) in enumerate(zip(targets, merged, strict=True))
        ]
        return _Block(targets, shapes, scope, cells, goals)

    def _activity(self, members: Collection[str], *, lifetime: bool) -> Iterable[Activity]:
        """When events were. Those of the window are known; what they name is asked for if rows keep it apart."""
        if lifetime or {"locale", "variation"} & self._columns.splits:
            start, end = (0, _FOREVER) if lifetime else (_ms(self._window.start), _ms(self._window.end))
            return self._repository.activity(self._workspace.id, members, start, end, self._as_of)
        return [found for member in members if (found := self._extents.counted.get(member)) is not None]

    def _first_days(self, extents: Iterable[Extent], cells: Cells) -> Iterator[date]:
        for extent in extents:
            if extent.first is not None:
                yield (_EPOCH + timedelta(milliseconds=extent.first)).astimezone(self._zone).date()
        yield from (date.fromisoformat(cell.day) for cell in cells.each())

    def _days(self, first: date, last: date) -> dict[int, date]:
        """The days of the range by the instant they start, ascending; one that the zone left out has none."""
        dates = (first + timedelta(days=place) for place in range((last - first).days + 1))
        return {_ms(day_start(day, self._zone)): day for day in dates}

    def _day_axis(
        self, target: Target, extent: Extent, days: Mapping[int, date], goal_days: Collection[int]
    ) -> Sequence[int]:
        if target.counted_only and extent.first is None and not goal_days:
            return ()
        if "date" not in self._columns.splits:
            return (0,)
        return day_axis(target, extent, list(days), goal_days, lifetime=self._spec.data_window == "lifetime")

    def _portions(self, block: _Block) -> Iterator[_Portion]:
        """The rows of a block cut into what is counted at once."""
        chosen: list[int] = []
        rows = events = 0
        for number, shape in enumerate(block.shapes):
            if not shape.rows:
                continue
            fits = rows + shape.rows <= ROWS_PER_PORTION and events + shape.events <= EVENTS_PER_PORTION
            if chosen and not fits:
                yield _Portion(chosen, None, events)
                chosen, rows, events = [], 0, 0
            slices = list(_slices(shape)) if block.scope.by_day else []
            if len(slices) > 1:
                days = len(shape.days)
                yield from (_Portion([number], part, shape.events * len(part) // days) for part in slices)
            else:
                chosen.append(number)
                rows += shape.rows
                events += shape.events
        if chosen:
            yield _Portion(chosen, None, events)

    def _count_in_turn(self, todo: tuple[_Block, _Portion]) -> _Counted:
        with self._repository.turns:
            return self._count(todo)

    def _count(self, todo: tuple[_Block, _Portion]) -> _Counted:
        """Ask the engine about a portion; several are at it at once."""
        block, portion = todo
        scope = _narrowed(block.scope, portion)
        bands = [
            Band(number, block.shapes[number].days if portion.days is None else portion.days, block.shapes[number].fan)
            for number in portion.numbers
        ]
        grid = Grid(bands, list(scope.days), by_day=scope.by_day)
        numbers = PortionNumbers(grid, scope, self._needs, block.cells)
        numbers.fill(self._repository)
        return _Counted(block, portion, scope, grid, numbers)

    def _rows(self, counted: _Counted) -> Batch:
        """The rows of a portion."""
        block, portion, scope, grid, numbers = counted
        chosen, bands = portion.numbers, grid.bands
        self._uniques_added |= numbers.uniques_added
        wanted = [campaign_goals(block.targets[number].campaign, block.goals.names(number)) for number in chosen]
        goals = PortionGoals(grid, block.goals, [[goal.name for goal in own] for own in wanted])
        tracked = grid.of_bands([block.targets[number].campaign.delivery_tracking for number in chosen]) > 0
        kept = self._kept(grid, numbers.anything() | goals.anything)
        places: list[Labelled] = []
        for start in range(0, len(chosen), DOCUMENTS_AT_ONCE):
            some = slice(start, start + DOCUMENTS_AT_ONCE)
            documents = self._documents(block.targets[number].campaign for number in chosen[some])
            for band, own in zip(bands[some], wanted[some], strict=True):
                places += self._labelled(block.targets[band.number], band.fan, own, documents)
        days: list[date | None] = list(scope.days.values()) if scope.by_day else [None]
        facts = RowFacts(numbers, goals, tracked)
        return self._writer.rows(Outline(places, grid.place_of, days, grid.day_of, facts), kept)

    def _kept(self, grid: Grid, counted: Flags) -> Flags | None:
        """The rows that are shown; None: all of them."""
        optional = [
            [variation.counted_only or locale.counted_only for variation in band.fan.variations
             for locale in band.fan.locales]
            for band in grid.bands
        ]  # fmt: skip
        skipping = "date" in self._columns.splits and self._spec.splits.skip_zero_days
        if not skipping and not any(any(own) for own in optional):
            return None
        kept: Flags = counted | ~np.array([each for own in optional for each in own], np.bool_)[grid.place_of]
        if skipping:  # a day is shown as soon as something was counted in one of its rows
            for place in range(len(grid.bands)):
                for rows in grid.rows_of_days(place):
                    kept[rows] &= counted[rows].any()
        return kept

    def _documents(self, campaigns: Iterable[Campaign]) -> Mapping[str, _Document]:
        """Documents of campaigns and their parents, if a column asks for one."""
        if not self._needs.documents:
            return {}
        ids: dict[str, None] = {}
        for campaign in campaigns:
            ids[campaign.campaign_id] = None
            if campaign.parent_id is not None:
                ids[campaign.parent_id] = None
        return self._campaigns.documents(self._workspace.id, list(ids))

    def _labelled(
        self, target: Target, fan: Fan, goals: Sequence[Goal], documents: Mapping[str, _Document]
    ) -> Iterator[Labelled]:
        """The variations and locales of a target, in the order of its rows."""
        campaign = target.campaign
        document = documents.get(campaign.campaign_id, {})
        parent = documents.get(campaign.parent_id or "", {})
        traits = Traits(target, goals, document, parent, self._zone)
        for variation in fan.variations:
            for locale in fan.locales:
                yield Labelled(
                    self._writer.told(traits, _content_key(locale), _content_key(variation)),
                    variation.text,
                    locale.text or self._columns.locale_text(),
                    campaign.campaign_id,
                )


def _content_key(label: Label) -> str:
    """A locale or variation as documents name it; '' for the default one."""
    return "" if label.key == UNLABELLED else label.key


def _slices(shape: _Shape) -> Iterator[Sequence[int]]:
    """The days of a target, as many at once as can be counted together."""
    by_rows = ROWS_PER_PORTION // shape.fan.rows
    by_events = len(shape.days) * EVENTS_PER_PORTION // max(1, shape.events)
    return _chunks(shape.days, max(1, min(by_rows, by_events)))


def _narrowed(scope: Scope, portion: _Portion) -> Scope:
    """The scope of a portion of a block."""
    chosen = set(portion.numbers)
    members = {
        name: kept
        for name, numbers in scope.members.items()
        if (kept := tuple(number for number in numbers if number in chosen))
    }
    threads = 1 if portion.events <= EVENTS_PER_PORTION else None
    scope = msgspec.structs.replace(scope, members=members, threads=threads)
    if portion.days is None:
        return scope
    days = {moment: scope.days[moment] for moment in portion.days}
    part = window(days[portion.days[0]], days[portion.days[-1]], scope.window.timezone)
    return msgspec.structs.replace(scope, days=days, window=part)


def _merged(extents: Iterable[Extent]) -> Extent:
    merged = Extent()
    for extent in extents:
        merged.merge(extent)
    return merged


def _selection_warnings(
    spec: ReportSpec, campaigns: Sequence[Campaign], unknown: Sequence[str]
) -> Iterator[ReportWarning]:
    known = {campaign.campaign_id for campaign in campaigns}
    missing = [] if spec.campaigns == "all" else [name for name in spec.campaigns if name not in known]
    if missing:
        yield ReportWarning(
            code="campaign_not_found", message=f"No campaigns with these ids: {', '.join(missing)}.", count=len(missing)
        )
    if unknown:
        yield ReportWarning(
            code="filter_value_unknown",
            message=f"No campaign has what these filters ask for: {', '.join(unknown)}.",
            count=len(unknown),
        )


def _chunks(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _ms(moment: datetime) -> int:
    return epoch_milliseconds(moment)
