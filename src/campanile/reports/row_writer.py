"""The columns of a sheet, and how the facts of a row become its values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple, cast

import numpy as np

from campanile.reports.cells import Cell, CellMaker, RowFacts
from campanile.reports.columns.catalogue import columns_by_key, default_keys, is_active
from campanile.reports.columns.definitions import ColumnDef, Content, Split, SplitCell, Trait
from campanile.reports.columns.goals import ANSWERS
from campanile.reports.expressions import OVERFLOW, Expression, Values, default_attribution, parse, rounded
from campanile.reports.plan import Needs
from campanile.reports.schemas import CustomColumn, ReportSpec, ReportWarning, Splits
from campanile.reports.sheet import Column, Type, Value
from campanile.reports.table import Batch, Cells, Coded, Flags, Integers, constant
from campanile.reports.traits import Traits
from campanile.workspaces.schemas import WorkspaceSettings

PERCENT_DECIMALS = 2
CURRENCY_DECIMALS = 2
ALL_LOCALES = "All Locales"
"""Locale of every row of a channel whose rows cannot be split by locale, while the others are."""

_CUSTOM_TYPES: dict[str, Type] = {"number": "decimal", "percent": "percent", "currency": "currency"}


class Labelled(NamedTuple):
    """A campaign, and one of its variations and locales: what all days of it have in common."""

    told: Sequence[Value]
    """What is said about the campaign and its message; blank where something else belongs."""
    variation: str | None
    """As files show it; so the locale."""
    locale: str | None
    campaign_id: str


class Outline(NamedTuple):
    """Rows before their numbers are computed, by columns."""

    places: Sequence[Labelled]
    place_of: Integers
    """Per row, as the following."""
    days: Sequence[date | None]
    day_of: Integers
    facts: RowFacts


class Columns:
    """The columns of one channel's sheet: those selected, and those that custom columns refer to."""

    def __init__(self, channel: str, spec: ReportSpec, settings: WorkspaceSettings) -> None:
        self.channel = channel
        self.model = settings.attribution_model
        self.attribution = ANSWERS["view_through"] if self.model == "last_interaction" else "view_through"
        self.splits = active_splits(channel, spec.splits)
        self._locale_ignored = spec.splits.locale and "locale" not in self.splits
        self._known = columns_by_key(channel)
        custom = {column.key: column for column in spec.custom_of(channel)}
        keys = spec.columns.get(channel) or (*default_keys(channel, self.model), *custom)
        self.selected: list[tuple[str, ColumnDef | CustomColumn | None]] = [
            (key, custom.get(key) or self._known.get(key)) for key in self._with_splits(list(keys))
        ]
        self.expressions: dict[str, Expression] = {
            key: parse(column.expression, attribution=default_attribution(self.model))
            for key, column in custom.items()
            if any(key == chosen for chosen, _ in self.selected)
        }

    def _with_splits(self, keys: list[str]) -> list[str]:
        """The keys, with the columns of active splits at the place they have in the catalogue."""
        order = {key: place for place, key in enumerate(self._known)}
        shown: list[Split] = ["date", "variation", "locale"]
        for split in shown:
            key = f"split.{split}"
            wanted = split in self.splits or (split == "locale" and self._locale_ignored)
            if wanted and key not in keys:
                later = (place for place, other in enumerate(keys) if order.get(other, len(order)) > order[key])
                keys.insert(next(later, len(keys)), key)
        return keys

    def filled(self, column: ColumnDef) -> bool:
        """Whether cells of a column have a value under the splits and the attribution model."""
        return self.splits <= frozenset(column.splits) and is_active(column.attribution_dependent, self.model)

    def needs(self) -> Needs:
        """What the values are computed from."""
        columns = [column for _, column in self.selected if isinstance(column, ColumnDef)]
        columns += [self._known[key] for key in self.references() if key in self._known]
        return Needs.of(
            self.channel,
            [column for column in columns if is_active(column.attribution_dependent, self.model)],
            self.splits,
            self.attribution,
        )

    def references(self) -> dict[str, None]:
        """Keys that custom columns name."""
        return dict.fromkeys(
            reference.key for expression in self.expressions.values() for reference in expression.references
        )

    def columns(self) -> tuple[Column, ...]:
        """As the writers of files see them. A key that means nothing any more is its own header."""
        return tuple(_column(key, column) for key, column in self.selected)

    def warnings(self) -> Iterator[ReportWarning]:
        """What can be said before the first row."""
        if self._locale_ignored:
            yield ReportWarning(
                code="locale_split_ignored",
                message=f"Rows of {self.channel} cannot be split by locale.",
                channel=self.channel,
            )
        for key, column in self.selected:
            if column is None:
                yield self._about(key, "attribute_missing", f"There is no column {key} any more.")
            elif isinstance(column, ColumnDef) and not is_active(column.attribution_dependent, self.model):
                yield self._about(
                    key, "attribution_model_inactive", f"{column.header} belongs to another attribution model."
                )
        for key, expression in self.expressions.items():
            for reference in expression.references:
                if reference.key not in self._known:
                    yield self._about(key, "attribute_missing", f"There is no column {reference.key} any more.")
                    break

    def locale_text(self) -> str | None:
        """Locale of all rows, where it is the same."""
        return ALL_LOCALES if self._locale_ignored else None

    def _about(self, key: str, code: str, message: str) -> ReportWarning:
        return ReportWarning(code=code, message=message, channel=self.channel, column=key)


def active_splits(channel: str, splits: Splits) -> frozenset[Split]:
    """The splits that multiply a channel's rows. Children are campaigns, so they need nothing of a column."""
    locale: Split = "locale"
    supported = columns_by_key(channel)["split.locale"].splits
    active: set[Split] = set()
    if splits.date:
        active.add("date")
    if splits.variation:
        active.add("variation")
    if splits.locale and locale in supported:
        active.add(locale)
    return frozenset(active)


def _column(key: str, column: ColumnDef | CustomColumn | None) -> Column:
    if isinstance(column, CustomColumn):
        return Column(key, column.header, _CUSTOM_TYPES[column.type], column.decimals)
    if column is None:
        return Column(key, key, "text", 0)
    decimals = {"percent": PERCENT_DECIMALS, "currency": CURRENCY_DECIMALS}.get(column.type, 0)
    return Column(key, column.header, column.type, decimals)


class RowWriter:
    """Writes the rows of one sheet. What went wrong on the way is counted in `warnings`."""

    def __init__(self, columns: Columns, settings: WorkspaceSettings) -> None:
        self._columns = columns
        maker = CellMaker(columns.channel, columns.attribution, settings.bot_mode)
        self._numeric: list[tuple[int, Cell]] = []
        self._told: list[tuple[int, ColumnDef, Trait | Content]] = []
        self._labels: list[tuple[int, str]] = []
        self._custom: list[tuple[int, CustomColumn, Expression]] = []
        self._width = len(columns.selected)
        self._warned: dict[tuple[str, str], int] = {}
        self._examples: dict[tuple[str, str], str] = {}
        for place, (key, column) in enumerate(columns.selected):
            if isinstance(column, CustomColumn):
                self._custom.append((place, column, columns.expressions[key]))
            elif column is not None:
                self._place(place, column, maker)
        known = columns_by_key(columns.channel)
        self._references = {key: self._reference(known.get(key), maker) for key in columns.references()}

    def _place(self, place: int, column: ColumnDef, maker: CellMaker) -> None:
        if isinstance(column.cell, SplitCell):
            self._labels.append((place, column.cell.split))
        elif not self._columns.filled(column):
            return
        elif isinstance(column.cell, Trait | Content):
            self._told.append((place, column, column.cell))
        else:
            cell = maker.cell(column)
            if cell is not None:
                self._numeric.append((place, cell))

    def _reference(self, column: ColumnDef | None, maker: CellMaker) -> Cell:
        cell = maker.cell(column) if column is not None and self._columns.filled(column) else None
        return cell or _blank

    def told(self, traits: Traits, locale: str, variation: str) -> list[Value]:
        """A row with nothing but what is said about the campaign and its message."""
        values: list[Value] = [None] * self._width
        for place, column, cell in self._told:
            if isinstance(cell, Trait):
                values[place] = traits.trait(cell, column.type)
            else:
                values[place] = traits.content(cell, column.type, locale, variation)
        return values

    def rows(self, outline: Outline, kept: Flags | None) -> Batch:
        """Complete rows.

        Args:
            kept: the rows that are wanted; None: all of them.
        """
        facts, places = outline.facts, outline.places
        columns: list[Cells] = [constant(facts.rows, None)] * self._width
        for number, _, _ in self._told:
            columns[number] = Coded(outline.place_of, [place.told[number] for place in places])
        for number, split in self._labels:
            columns[number] = _label(split, outline)
        for number, cell in self._numeric:
            columns[number] = cell(facts)
        chosen = None if kept is None else np.flatnonzero(kept)
        height = facts.rows if chosen is None else len(chosen)
        if chosen is not None:
            columns = [column.take(chosen) for column in columns]
        if self._custom:
            campaigns = outline.place_of if chosen is None else outline.place_of[chosen]
            referenced = {key: cell(facts) for key, cell in self._references.items()}
            if chosen is not None:
                referenced = {key: column.take(chosen) for key, column in referenced.items()}
            for number, cells in self._evaluate(referenced, height, lambda row: places[campaigns[row]].campaign_id):
                columns[number] = cells
        return Batch(height, columns)

    def _evaluate(
        self, referenced: Mapping[str, Cells], rows: int, campaign: Callable[[int], str]
    ) -> Iterator[tuple[int, Coded]]:
        """Custom columns: each is evaluated once for all rows in which it reads the same."""
        values = {key: column.values() for key, column in referenced.items()}
        happened: list[tuple[int, int, str, str, int]] = []
        for order, (number, column, expression) in enumerate(self._custom):
            keys = list(dict.fromkeys(reference.key for reference in expression.references))
            numbers: dict[tuple[Value, ...], int] = {}
            places = np.fromiter(
                (numbers.setdefault(row, len(numbers)) for row in zip(*(values[key] for key in keys), strict=True)),
                np.int64,
                rows,
            )
            known: list[Value] = []
            counts = np.bincount(places, minlength=len(numbers))
            first = np.full(len(numbers), rows)
            np.minimum.at(first, places, np.arange(rows))
            for place, row in enumerate(numbers):
                value, notes = _evaluated(column, expression, dict(zip(keys, row, strict=True)))
                known.append(value)
                happened += [(int(first[place]), order, note, column.key, int(counts[place])) for note in notes]
            yield number, Coded(places, known)
        for number, _, code, key, count in sorted(happened):
            self._warned[(code, key)] = self._warned.get((code, key), 0) + count
            self._examples.setdefault((code, key), campaign(number))

    def warnings(self) -> Iterator[ReportWarning]:
        """What happened while rows were written."""
        texts = {"division_by_zero": "was divided by zero", "numeric_overflow": "is too large to be shown"}
        for (code, key), count in self._warned.items():
            yield ReportWarning(
                code=code,
                message=f"{key} {texts[code]}, first for campaign {self._examples[(code, key)]}.",
                channel=self._columns.channel,
                column=key,
                count=count,
            )


def _evaluated(
    column: CustomColumn, expression: Expression, values: Mapping[str, Value]
) -> tuple[Value, Sequence[str]]:
    """The value, and what happened on the way."""
    found = expression.evaluate(cast(Values, values), on_zero_division=column.on_zero_division)
    notes = ["division_by_zero"] if found.divided_by_zero else []
    if found.value is None:
        return None, notes
    if abs(found.value) >= OVERFLOW:
        return None, [*notes, "numeric_overflow"]
    return rounded(found.value, column.decimals), notes


def _label(split: str, outline: Outline) -> Coded:
    if split == "date":
        return Coded(outline.day_of, outline.days)
    texts = [place.variation if split == "variation" else place.locale for place in outline.places]
    return Coded(outline.place_of, texts)


def _blank(facts: RowFacts) -> Cells:
    return constant(facts.rows, None)
