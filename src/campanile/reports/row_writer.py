"""The columns of a sheet, and how the facts of a row become its values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple, cast

from campanile.reports.cells import Cell, CellMaker, Number, RowBlock, RowFacts
from campanile.reports.columns.catalogue import columns_by_key, default_keys, is_active
from campanile.reports.columns.definitions import ColumnDef, Content, Split, SplitCell, Trait
from campanile.reports.columns.goals import ANSWERS
from campanile.reports.expressions import OVERFLOW, Expression, default_attribution, parse, rounded
from campanile.reports.plan import Needs
from campanile.reports.schemas import CustomColumn, ReportSpec, ReportWarning, Splits
from campanile.reports.sheet import Column, Row, Type, Value
from campanile.reports.traits import Traits
from campanile.workspaces.schemas import WorkspaceSettings

PERCENT_DECIMALS = 2
CURRENCY_DECIMALS = 2
ALL_LOCALES = "All Locales"
"""Locale of every row of a channel whose rows cannot be split by locale, while the others are."""

_CUSTOM_TYPES: dict[str, Type] = {"number": "decimal", "percent": "percent", "currency": "currency"}


class Labels(NamedTuple):
    """What tells a row apart, as files show it."""

    day: date | None
    variation: str | None
    locale: str | None


class Outline(NamedTuple):
    """A row before its numbers are computed."""

    told: Sequence[Value]
    """What is said about its campaign and its message; shared by rows."""
    labels: Labels
    facts: RowFacts
    campaign_id: str


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
        self._numeric: list[tuple[int, Cell, bool]] = []
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
                self._numeric.append((place, cell, column.type == "integer"))

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

    def rows(self, outlines: Sequence[Outline]) -> list[Row]:
        """Complete rows."""
        if not outlines:
            return []
        block = RowBlock([outline.facts for outline in outlines])
        columns: list[Sequence[Value]] = [[None] * len(outlines)] * self._width
        for place, _, _ in self._told:
            columns[place] = [outline.told[place] for outline in outlines]
        for place, split in self._labels:
            columns[place] = [_label(split, outline.labels) for outline in outlines]
        for place, cell, whole in self._numeric:
            numbers = cell(block)
            columns[place] = numbers if whole else [None if number is None else Decimal(number) for number in numbers]
        if self._custom:
            referenced = [cell(block) for cell in self._references.values()]
            for index, values in enumerate(zip(*referenced, strict=True)):
                known = dict(zip(self._references, values, strict=True))
                for place, column, expression in self._custom:
                    if not index:
                        columns[place] = []
                    value = self._evaluated(column, expression, known, outlines[index].campaign_id)
                    cast(list[Value], columns[place]).append(value)
        return list(zip(*columns, strict=True))

    def _evaluated(
        self, column: CustomColumn, expression: Expression, values: Mapping[str, Number], campaign_id: str
    ) -> Value:
        found = expression.evaluate(values, on_zero_division=column.on_zero_division)
        if found.divided_by_zero:
            self._warn("division_by_zero", column.key, campaign_id)
        if found.value is None:
            return None
        if abs(found.value) >= OVERFLOW:
            self._warn("numeric_overflow", column.key, campaign_id)
            return None
        return rounded(found.value, column.decimals)

    def _warn(self, code: str, key: str, campaign_id: str) -> None:
        place = (code, key)
        self._warned[place] = self._warned.get(place, 0) + 1
        self._examples.setdefault(place, campaign_id)

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


def _label(split: str, labels: Labels) -> Value:
    if split == "date":
        return labels.day
    return labels.variation if split == "variation" else labels.locale


def _blank(block: RowBlock) -> Sequence[Number]:
    return [None] * len(block.rows)
