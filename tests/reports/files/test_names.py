"""Names of archives and their members."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from campanile.reports.files.names import archive_name, member_name, parse_daily_name, parse_name
from campanile.reports.names import stem
from campanile.reports.schemas import CHANNELS
from tests.reports.vectors import LEFT_OUT, vectors


def day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").date()  # noqa: DTZ007 - a date


@pytest.mark.parametrize("vector", vectors("files"))
def test_names_of_files(vector: Any) -> None:
    name, at = stem(vector["name"]), day(vector["file_date"])
    assert archive_name(name, at) == vector["archive"]
    channels = [channel for channel in CHANNELS if channel in vector["campaign_channels"]]
    ours = [member_name(name, channel, at, vector["format"]) for channel in channels]
    of_campaigns = [entry for entry in vector["entries"] if "flows" not in entry.lower()]
    assert ours == of_campaigns
    assert (of_campaigns == vector["entries"]) != (vector["id"] in LEFT_OUT)


@pytest.mark.parametrize("vector", vectors("parse_name"))
def test_names_are_read_from_the_right(vector: Any) -> None:
    assert parse_name(vector["in"]) == (vector["stem"], day(vector["file_date"]))


@pytest.mark.parametrize(
    "name",
    [
        "Report_20250230.zip",
        "Report_20251301",
        "Report_00000101.zip",
        "Report.zip",
        "Report_2025030.zip",
        "Report_20250301.ZIP",
        "Report_20250301.csv",
        "Report_20250301.zip\n",
        "1st_20250301.zip",
        "_20250301.zip",
        "20250301.zip",
        "R p_20250301.zip",
        "Été_20250301.zip",
        "Report_２０２５0301.zip",
        "R" * 128 + "_20250301.zip",
        "Report_20250301.zip.zip",
        "",
    ],
)
def test_other_names_are_none(name: str) -> None:
    assert parse_name(name) is None


def test_the_longest_name() -> None:
    assert parse_name("R" * 127 + "_20250301") == ("R" * 127, date(2025, 3, 1))


def test_parts_other_archives_and_daily_dumps() -> None:
    at = date(2025, 3, 1)
    assert member_name("X", "PUSH", at, "csv", 2) == "X_PUSH_20250301_part002.csv"
    assert archive_name("X", at, "tar") == "X_20250301.tar"
    assert archive_name("X", at, "gz") == "X_20250301.tar.gz"
    assert archive_name("", at) == "20250301.zip"
    assert member_name("", "PUSH", at, "csv") == "PUSH_2025-03-01.csv"
    assert parse_daily_name("20250301.zip") == at
    for name in ("20250230.zip", "20250301", "x20250301.zip", "20250301.ZIP", "2025-03-01.zip"):
        assert parse_daily_name(name) is None
