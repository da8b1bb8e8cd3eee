"""Reports made by columns are byte for byte those made row by row (`tests.reports.rowwise`)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from campanile.engine import Engine
from campanile.reports import rows
from campanile.reports.columns import columns_by_key
from campanile.reports.files.csv import CsvText
from campanile.reports.files.jsonl import JsonLines
from campanile.reports.files.parquet import ParquetFile
from campanile.reports.schemas import CHANNELS, CustomColumn, ReportSpec, ReportWarning, Splits
from campanile.reports.sheet import Column
from tests.reports.crowds import NOW, crowd
from tests.reports.past import Register, every_key, rows_service, spec_of
from tests.reports.rowwise import csv_text, jsonl_text, parquet_file
from tests.reports.rowwise.counter import RowwiseCounter

pytestmark = pytest.mark.slow

FORMULAS = (
    "@{a} / @{b}",
    "round(100 * @{a} / @{b}, 2)",
    "@{a} - @{b} * 1.5",
    "coalesce(@{a}, @{b}, 0) + 0.005",
    "min(@{a}, @{b}) / max(@{a}, @{b})",
    "@{a} * 999999999999999 * @{b}",
    "-@{a}",
)


def drawn_spec(random: Random, tokens: Sequence[str], model: str) -> ReportSpec:
    """A report of these channels with most of their columns and some of its own."""
    columns: dict[str, tuple[str, ...]] = {}
    custom: list[CustomColumn] = []
    for token in tokens:
        keys = [*every_key(token, model), *(key for key in columns_by_key(token) if "goal_2.view" in key)]
        numeric = [key for key in keys if columns_by_key(token)[key].numeric]
        for number in range(3):
            references = {letter: f"{{{random.choice(numeric)}}}" for letter in "ab"}
            expression = random.choice(FORMULAS).replace("{a}", references["a"]).replace("{b}", references["b"])
            custom.append(
                CustomColumn(
                    key=f"custom.{token.lower()}_{number}",
                    header=f"Own {number}",
                    channels=(token,),
                    expression=expression,
                    type=random.choice(["number", "percent", "currency"]),
                    decimals=random.randrange(7),
                    on_zero_division=random.choice(["blank", "zero"]),
                )
            )
        own = [column.key for column in custom if token in column.channels]
        columns[token] = (*random.sample(keys, len(keys) * 3 // 4), *own)
    names = ("date", "child", "variation", "locale", "parent_totals", "skip_zero_days")
    splits = Splits(**{name: random.random() < 0.5 for name in names})
    window: Any = random.choice(["selected_range", "lifetime"])
    return spec_of(tokens, splits, columns=columns, custom=tuple(custom), data_window=window)


def drawn_dialect(random: Random) -> dict[str, Any]:
    return {
        "separator": random.choice(",|:;\t"),
        "newline": random.choice(["lf", "crlf"]),
        "guard": random.random() < 0.7,
        "lists": random.choice(["literal", "json", "comma"]),
    }


def written(text: Any, batches: Sequence[Any]) -> bytes:
    return text.head() + b"".join(text.rows(batch) for batch in batches)


def parquet(file: Any, columns: Sequence[Column], batches: Sequence[Any]) -> bytes:
    target = io.BytesIO()
    made = file(columns, target, {"campanile.run_id": "run_1"})
    for batch in batches:
        made.write(batch)
    made.close()
    return target.getvalue()


def sheets(
    engine: Engine,
    workspace: Any,
    campaigns: Sequence[Any],
    spec: ReportSpec,
    days: Any,
    *,
    rowwise: bool,
    most_rows: int,
) -> list[tuple[tuple[Column, ...], list[Any], list[ReportWarning]]]:
    """Columns, batches and warnings of every channel."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows, "ROWS_PER_PORTION", most_rows)
        if rowwise:
            patch.setattr(rows, "_Counter", RowwiseCounter)
        for sheet in rows_service(engine, Register(campaigns)).sheets(workspace, spec, days, NOW):
            batches = list(sheet.batches)
            found.append((sheet.columns, batches, sheet.warnings))
    return found


def check(engine: Engine, seed: int) -> None:
    random = Random(seed)
    tokens = sorted(random.sample(sorted(CHANNELS), 2))
    past = crowd(engine, random, [CHANNELS[token] for token in tokens])
    spec, dialect = drawn_spec(random, tokens, past.workspace.settings.attribution_model), drawn_dialect(random)
    most_rows = random.choice([15, 15, 4_000])
    made, expected = (
        sheets(engine, past.workspace, past.campaigns, spec, past.days, rowwise=rowwise, most_rows=most_rows)
        for rowwise in (False, True)
    )
    for (columns, batches, warnings), (_, listed, listed_warnings) in zip(made, expected, strict=True):
        assert warnings == listed_warnings
        found = [row for batch in batches for row in batch]
        assert found == [row for batch in listed for row in batch]
        assert written(CsvText(columns, **dialect), batches) == written(csv_text.CsvText(columns, **dialect), listed)
        assert written(JsonLines(columns), batches) == written(jsonl_text.JsonLines(columns), listed)
        assert parquet(ParquetFile, columns, batches) == parquet(parquet_file.ParquetFile, columns, listed)


@pytest.mark.parametrize("seed", range(10))
def test_files_are_the_same(chdb_engine: Engine, seed: int) -> None:
    check(chdb_engine, seed)


@pytest.mark.parametrize("seed", [100, 101])
def test_files_are_the_same_on_a_cluster(cluster_engine: Engine, seed: int) -> None:
    check(cluster_engine, seed)
