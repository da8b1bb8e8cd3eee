"""The daily dump through the whole application: made by itself, once, and fetched as old clients do."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import UTC, datetime

import pytest

from campanile.reports.download.signature import signature
from tests.reports.whole.shop import Reports, fill
from tests.stats.inprocess import running
from tests.support.engines import EmbeddedEngine

pytestmark = pytest.mark.slow

EARLY = datetime(2026, 3, 18, 3, 59, tzinfo=UTC)
"""A minute before the dump of the day before is made."""


def test_a_dump_of_the_day_before(embedded: EmbeddedEngine) -> None:
    with running(embedded, EARLY, daily_dump_time="04:00") as server:
        owner = fill(server)
        workspace = owner.workspace.id
        paths = [f"{prefix}/dailyCampaignReportDump/{workspace}/20260317.zip" for prefix in ("", "/v1")]
        query = {"Signature": signature(workspace, "20260317.zip", owner.report_key)}
        assert server.make_reports() == 0
        early = server.client.get(paths[0], params=query)
        assert (early.status_code, early.json()["error"]["message"]) == (400, "Report not found")
        server.clock.advance(60)
        assert server.make_reports() == 1
        assert server.make_reports() == 0
        for path in paths:
            answer = server.client.get(path, params=query)
            assert (answer.status_code, answer.headers["deprecation"]) == (200, "true")
            assert answer.headers["content-type"] == "application/gzip"
            assert server.client.get(path).status_code == 401
        with zipfile.ZipFile(io.BytesIO(answer.content)) as package:
            assert package.namelist() == ["PUSH_2026-03-17.csv", "EMAIL_2026-03-17.csv"]
            push, mail = (list(csv.DictReader(io.StringIO(package.read(name).decode()))) for name in package.namelist())
        assert [(row["Campaign Name"], row["All Platform Sent"], row["Android Sent"]) for row in push] == [
            ("'=Push", "3", "3")
        ], "a name that a spreadsheet would take for a formula"
        assert [(row["Campaign Name"], row["Total Sent"], row["Unique opens"]) for row in mail] == [
            ("Spring", "5", "2")
        ]


def test_the_day_is_that_of_the_workspace(embedded: EmbeddedEngine) -> None:
    """At four in Kolkata, where it is half past ten in the evening in UTC."""
    with running(embedded, datetime(2026, 3, 17, 22, 29, tzinfo=UTC), daily_dump_time="04:00") as server:
        owner = fill(server)
        server.configure(owner.workspace.id, {"timezone": "Asia/Kolkata"})
        assert server.make_reports() == 0
        server.clock.advance(60)
        assert server.make_reports() == 1
        (run,) = Reports(server, owner).call("GET", "/v1/report-runs").json()["runs"]
        assert (run["trigger"], run["file_date"], run["window"]) == (
            "daily",
            "20260317",
            {"start": "2026-03-17", "end": "2026-03-17"},
        )
