"""Previews: headers, the first rows as CSV spells them, and an end in time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from campanile.clock import FixedClock
from campanile.kit.times import Window
from campanile.reports.preview import PREVIEW_ROWS, Preview, PreviewService
from campanile.reports.schemas import ReportSpec, ReportWarning
from campanile.reports.sheet import Batch, Column, Sheet
from campanile.workspaces.schemas import Workspace
from tests.http.gates import workspace
from tests.reports.files.tables import batch
from tests.reports.samples import KOLKATA, NOW, SMALL, spec

COLUMNS = (
    Column("campaign.id", "Campaign ID", "text", 0),
    Column("campaign-stats.sent", "Sent", "integer", 0),
    Column("campaign-stats.ctr", "CTR", "percent", 2),
    Column("campaign.tags.default", "Tags", "list", 0),
    Column("campaign.sent_time", "Sent at", "datetime", 0),
)


class WrittenRows:
    """Stands in for the service of rows: so many rows for each channel, in batches, each of which takes a while."""

    def __init__(self, rows: int, batch: int = 7, seconds: float = 0) -> None:
        self.rows = rows
        self.batch = batch
        self.seconds = seconds
        self.now = 0.0
        self.asked: list[Any] = []
        self.made = 0

    def sheets(
        self, workspace: Workspace, spec: ReportSpec, days: Window, as_of: int, *, at_once: int | None = None
    ) -> Iterator[Sheet]:
        self.asked.append((workspace.id, days.first, days.last, as_of))
        for scope in spec.channels:
            warning = ReportWarning(code="no_campaign_id", message="A sentence.", channel=scope.channel)
            yield Sheet(scope.channel, COLUMNS, self._batches(), [warning])

    def _batches(self) -> Iterator[Batch]:
        for start in range(0, self.rows, self.batch):
            self.now += self.seconds
            self.made += 1
            yield batch(
                [
                    (f"c{n}", n, Decimal("12.345"), ("a", "b"), datetime(2025, 3, 4, 10))  # noqa: DTZ001 - local
                    for n in range(start, min(start + self.batch, self.rows))
                ]
            )


def preview(rows: WrittenRows, **members: Any) -> Preview:
    service = PreviewService(rows, lambda _: 77, FixedClock(NOW), monotonic=lambda: rows.now)
    return service.preview(workspace("W", timezone=KOLKATA), spec(SMALL, **members))


def test_headers_and_the_first_rows_of_every_channel() -> None:
    rows = WrittenRows(50)
    found = preview(rows, selection__scopes=[{"channel": "SMS"}, {"channel": "EMAIL"}])
    assert [sheet.channel for sheet in found.channels] == ["EMAIL", "SMS"]
    for sheet in found.channels:
        assert sheet.columns == COLUMNS
        assert len(sheet.rows) == PREVIEW_ROWS
        assert sheet.rows[19] == ("c19", "19", "12.35", "['a', 'b']", "2025-03-04 10:00:00")
    assert rows.made == 2 * 3, "no more than is shown"
    assert [warning.channel for warning in found.warnings] == ["EMAIL", "SMS"]
    assert rows.asked == [("W", date(2025, 3, 4), date(2025, 3, 4), 77)]
    assert found.window == {"start": "2025-03-04", "end": "2025-03-04"}
    assert msgspec.json.decode(msgspec.json.encode(found))["channels"][0]["columns"][0]["header"] == "Campaign ID"


def test_the_day_is_that_of_the_schedule() -> None:
    rows = WrittenRows(0)
    preview(rows, schedule__time_zone="Pacific/Kiritimati")
    assert rows.asked[0][1] == date(2025, 3, 5), "it is the sixth already in Kiritimati"


def test_no_rows() -> None:
    found = preview(WrittenRows(0))
    assert found.channels[0].rows == []


def test_time_is_limited() -> None:
    rows = WrittenRows(50, seconds=6)
    found = preview(rows, selection__scopes=[{"channel": "SMS"}, {"channel": "EMAIL"}])
    assert [len(sheet.rows) for sheet in found.channels] == [14, 0]
    assert [(warning.code, warning.channel) for warning in found.warnings] == [
        ("no_campaign_id", "EMAIL"),
        ("preview_incomplete", "SMS"),
        ("no_campaign_id", "SMS"),
    ]
    assert rows.made == 2
