"""How the facts of a row become its values, row by row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple, cast

from campanile.reports.columns.catalogue import columns_by_key
from campanile.reports.columns.definitions import ColumnDef, Content, SplitCell, Trait
from campanile.reports.expressions import OVERFLOW, Expression, rounded
from campanile.reports.row_writer import Columns
from campanile.reports.schemas import CustomColumn, ReportWarning
from campanile.reports.sheet import Row, Value
from campanile.reports.traits import Traits
from campanile.workspaces.schemas import WorkspaceSettings
from tests.reports.rowwise.cells import Cell, CellMaker, Number, RowBlock, RowFacts


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
