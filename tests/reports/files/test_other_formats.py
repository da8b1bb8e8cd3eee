"""Parquet and JSON Lines: native types, full precision, attribute keys."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from campanile.reports.files import parquet
from campanile.reports.files.jsonl import JsonLines
from campanile.reports.files.parquet import ParquetFile
from campanile.reports.sheet import Row
from tests.reports.files.tables import COLUMNS, ROWS, batch, column

FACTS = {"campanile.run_id": "run_1", "campanile.as_of": "2025-03-02T00:30:00Z", "campanile.definition_version": "3"}
KOLKATA = timezone(timedelta(hours=5, minutes=30))


def table(*batches: Sequence[Row], columns: object = COLUMNS) -> pq.ParquetFile:
    target = io.BytesIO()
    file = ParquetFile(columns, target, FACTS)  # type: ignore[arg-type]
    for rows in batches:
        file.write(batch(rows))
    file.close()
    return pq.ParquetFile(io.BytesIO(target.getvalue()))


def test_parquet_holds_native_values() -> None:
    file = table(ROWS)
    assert file.schema_arrow.names == [column.key for column in COLUMNS]
    assert [str(field.type) for field in file.schema_arrow] == [
        "string",
        "string",
        "int64",
        "double",
        "decimal128(38, 6)",
        "date32[day]",
        "timestamp[us, tz=UTC]",
        "bool",
        "list<element: string>",
        "decimal128(38, 6)",
    ]
    first, second, third = file.read().to_pylist()
    assert first["campaign-stats.ctr"] == pytest.approx(200 / 99, rel=1e-15)
    assert first["campaign-stats.revenue"] == Decimal("1234.5")
    assert first["campaign.sent_at"] == ROWS[0][6]
    assert first["campaign.tags"] == ["UPI"]
    assert second["campaign.tags"] == []
    assert second["campaign.name"] == "=1+1"
    assert set(third.values()) == {None}


def test_parquet_says_what_it_is() -> None:
    file = table(ROWS)
    facts = {name.decode(): text.decode() for name, text in file.schema_arrow.metadata.items()}
    assert facts.items() >= FACTS.items()
    assert file.metadata.row_group(0).column(2).compression == "ZSTD"


def test_row_groups_have_a_fixed_size_however_rows_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_ROWS", 100)
    rows: list[Row] = [(number,) for number in range(250)]
    file = table(rows[:30], rows[30:230], rows[230:], columns=[column("integer")])
    assert [file.metadata.row_group(index).num_rows for index in range(file.num_row_groups)] == [100, 100, 50]
    assert file.read().column(0).to_pylist() == list(range(250))


def test_row_groups_end_earlier_when_values_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_BYTES", 1000)
    rows: list[Row] = [("x" * 600,)] * 4
    file = table(rows[:1], rows[1:2], rows[2:], columns=[column("text")])
    assert file.num_row_groups == 2


def test_a_table_without_rows_has_its_columns() -> None:
    file = table()
    assert (file.metadata.num_rows, len(file.schema_arrow)) == (0, len(COLUMNS))


def test_an_abandoned_file_writes_nothing_more() -> None:
    target = io.BytesIO()
    file = ParquetFile(COLUMNS, target, FACTS)
    file.write(batch(ROWS))
    file.abandon()
    size = len(target.getvalue())
    del file
    assert len(target.getvalue()) == size


def test_json_lines() -> None:
    lines = JsonLines(COLUMNS)
    assert lines.head() == b""
    first, second, third = [json.loads(line, parse_float=Decimal) for line in lines.rows(batch(ROWS)).splitlines()]
    assert first == {
        "campaign.id": "64a000000000000000000001",
        "campaign.name": "Spring, sale",
        "campaign-stats.sent": 1200,
        "campaign-stats.ctr": Decimal(200) / 99,
        "campaign-stats.revenue": Decimal("1234.5"),
        "campaign.day": "2025-03-01",
        "campaign.sent_at": "2025-03-01T10:00:00Z",
        "campaign.control": True,
        "campaign.tags": ["UPI"],
        "custom.share": Decimal("0.0833"),
    }
    assert second["campaign.tags"] == []
    assert list(third) == [column.key for column in COLUMNS]
    assert set(third.values()) == {None}


def test_instants_are_in_utc_and_texts_are_clean() -> None:
    local = datetime(2025, 3, 1, 5, 30, tzinfo=KOLKATA)
    rows = JsonLines([column("datetime", key="at"), column("text", key="text")]).rows(
        batch([(local, "a\r\nb\x00\ud800")])
    )
    assert rows == b'{"at":"2025-03-01T00:00:00Z","text":"a\\nb"}\n'
    stored = table([(local,)], columns=[column("datetime")]).read().column(0).to_pylist()
    assert stored == [datetime(2025, 3, 1, tzinfo=UTC)]


def test_money_that_does_not_fit_fails_loudly() -> None:
    with pytest.raises(pa.ArrowInvalid):
        table([(Decimal(10) ** 33,)], columns=[column("currency")])
