"""`campanile stats` against a small server of our own."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars
import pytest

from campanile.cli.main import main
from campanile.cli.options import WrongUsage
from campanile.cli.stats import _days, _fitting, as_csv
from campanile.client import Stats
from campanile.clock import FixedClock
from tests.cli.fake_server import FakeServer, running

CLOCK = FixedClock(datetime(2025, 10, 20, 23, 30, tzinfo=UTC))


def node(sent: int) -> dict[str, Any]:
    return {
        "performance_stats": {"attempted": sent, "sent": sent, "failed": 0, "open": 5, "opened": 5, "ctr": 12.5},
        "conversion_goal_stats": {"=Goal": {"goal_name": "=Goal", "total": 3, "unique": 2, "cvr": 1.5, "revenue": 9.5}},
        "delivery_funnel": {"sent": sent},
        "failure_breakdown": {"f_c_removed": 1},
    }


def campaign(sent: int) -> list[dict[str, Any]]:
    control = {"conversion_goal_stats": {}, "delivery_funnel": {}, "failure_breakdown": {}}
    variations = {"all_variations": node(sent), "campaign_control_group": control}
    return [{"platforms": {"EMAIL": {"locales": {"all_locales": {"variations": variations}}}}}]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """Answers with 23 campaigns, ten to a page."""
    known = {f"{number:024x}": campaign(1_000 + number) for number in range(23)}

    def answer(_path: str, lines: list[dict[str, Any]]) -> tuple[int, dict[str, Any]]:
        (body,) = lines
        wanted = [name for name in body.get("campaign_ids", known) if name in known]
        page = wanted[body["offset"] : body["offset"] + body["limit"]]
        return 200, {
            "response_id": body["request_id"],
            "total_campaigns": len(wanted),
            "current_page": body["offset"] // body["limit"] + 1,
            "total_pages": max(1, -(-len(wanted) // body["limit"])),
            "data": {name: known[name] for name in page},
        }

    with running() as fake:
        fake.script = answer
        yield fake


def run(server: FakeServer, *arguments: str) -> int:
    return main(["stats", *arguments, "--base-url", server.url, "--workspace", "WS", "--key", "report-key"])


def test_all_pages_are_asked_for(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(server, "--from", "2025-10-01", "--to", "2025-10-20", "--format", "json") == 0
    assert len(json.loads(capsys.readouterr().out)) == 23
    assert [lines[0]["offset"] for _, _, lines in server.requests] == [0, 10, 20]


def test_many_ids_are_asked_for_in_groups(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    ids = [f"{number:024x}" for number in range(12)]
    assert run(server, "--campaign", *ids, "--metric-type", "UNIQUE", "--attribution", "IN_SESSION",
               "--format", "json") == 0  # fmt: skip
    assert list(json.loads(capsys.readouterr().out)) == ids
    assert [len(lines[0]["campaign_ids"]) for _, _, lines in server.requests] == [10, 2]
    assert {lines[0]["metric_type"] for _, _, lines in server.requests} == {"UNIQUE"}
    assert {lines[0]["attribution_type"] for _, _, lines in server.requests} == {"IN_SESSION"}


def test_unknown_campaigns_are_named(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(server, "--campaign", "f" * 24, "--format", "json") == 1
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {}
    assert f"no campaign {'f' * 24}" in captured.err


def test_people_see_complete_numbers(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(server, "--campaign", f"{7:024x}", "--from", "2025-10-01", "--to", "2025-10-20") == 0
    printed = capsys.readouterr().out
    assert "2025-10-01 to 2025-10-20, TOTAL, conversions VIEW_THROUGH" in printed
    assert "1,007" in printed
    assert "12.50" in printed
    assert "0 everywhere: failed" in printed
    assert "=Goal" in printed
    header = next(line for line in printed.splitlines() if "attempted" in line).split()
    assert "opened" in header
    assert "open" not in header


def test_csv_has_one_number_per_line(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(server, "--campaign", f"{7:024x}", "--format", "csv") == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    values = {(row["block"], row["goal"], row["metric"]): row["value"] for row in rows}
    assert values["performance_stats", "", "sent"] == "1007"
    assert values["conversion_goal_stats", "'=Goal", "revenue"] == "9.5"
    assert values["failure_breakdown", "", "f_c_removed"] == "1"
    assert {row["variation"] for row in rows} == {"all_variations"}


def test_parquet_is_read_by_others(
    server: FakeServer, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "stats.parquet"
    asked = ("--campaign", f"{7:024x}", "--from", "2025-10-01", "--to", "2025-10-20", "--format", "parquet")
    assert run(server, *asked, "--output", str(path)) == 0
    rows = polars.read_parquet(path).rows(named=True)
    found = {(row["block"], row["metric"]): row["value"] for row in rows}
    assert found["performance_stats", "sent"] == 1007
    assert {row["start_date"] for row in rows} == {date(2025, 10, 1)}
    assert capsysbinary.readouterr().out == b""
    assert run(server, *asked) == 0
    assert capsysbinary.readouterr().out == path.read_bytes()


def test_parquet_without_its_package_is_refused_before_anything_is_asked(
    server: FakeServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert run(server, "--format", "parquet", "--output", "x.parquet") == 2
    assert "pip install 'campanile[arrow]'" in capsys.readouterr().err
    assert server.requests == []


def test_files_are_written_where_they_can_be(
    server: FakeServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(server, "--format", "csv", "--output", str(tmp_path / "none" / "x.csv")) == 2
    assert "cannot write" in capsys.readouterr().err
    assert run(server, "--output", str(tmp_path / "x.txt")) == 3
    assert "--output goes with" in capsys.readouterr().err


def test_totals_of_long_ranges_are_put_together_and_what_is_not_known_is_named(
    server: FakeServer, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--campaign", f"{7:024x}", "--to", "2025-10-20", "--last", "90d", "--format", "json")
    assert run(server, *asked) == 0
    captured = capsys.readouterr()
    platforms = json.loads(captured.out)[f"{7:024x}"][0]["platforms"]
    stats = platforms["EMAIL"]["locales"]["all_locales"]["variations"]["all_variations"]["performance_stats"]
    assert (stats["sent"], "ctr" in stats) == (3 * 1007, False)
    assert "Not known for more than 31 days" in captured.err
    assert "performance_stats.ctr" in captured.err
    assert len(server.requests) == 3


def test_people_of_long_ranges_are_refused_or_labelled(server: FakeServer, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--campaign", f"{7:024x}", "--to", "2025-10-20", "--last", "90d", "--metric-type", "UNIQUE")
    assert run(server, *asked) == 3
    captured = capsys.readouterr()
    assert "must not be added up" in captured.err
    assert "--window-days 30" in captured.err
    assert (captured.out, server.requests) == ("", [])
    assert run(server, *asked, "--window-days", "30", "--format", "json") == 0
    assert [(part["start_date"], part["end_date"]) for part in json.loads(capsys.readouterr().out)] == [
        ("2025-07-23", "2025-08-21"), ("2025-08-22", "2025-09-20"), ("2025-09-21", "2025-10-20"),
    ]  # fmt: skip
    assert run(server, *asked, "--window-days", "30") == 0
    assert capsys.readouterr().out.count(", UNIQUE, conversions VIEW_THROUGH") == 3


def test_csv_of_nothing_is_a_header() -> None:
    assert as_csv(Stats(metric_type="TOTAL", attribution_type="VIEW_THROUGH", parts=())) == (
        "start_date,end_date,metric_type,attribution_type,campaign_id,platform,locale,variation,block,goal,metric,value\n"
    )


@pytest.mark.parametrize(
    ("from_", "to", "last", "first", "final"),
    [
        ("2025-10-01", "2025-10-05", "", "2025-10-01", "2025-10-05"),
        ("", "", "1d", "2025-10-20", "2025-10-20"),
        ("", "", "30d", "2025-09-21", "2025-10-20"),
        ("", "2025-03-01", "7d", "2025-02-23", "2025-03-01"),
        ("", "", "", "2025-09-21", "2025-10-20"),
        ("2025-10-01", "", "", "2025-10-01", "2025-10-20"),
    ],
)
def test_days(from_: str, to: str, last: str, first: str, final: str) -> None:
    assert _days(from_, to, last, CLOCK) == (date.fromisoformat(first), date.fromisoformat(final))


@pytest.mark.parametrize(
    ("from_", "to", "last"),
    [("01.10.2025", "", ""), ("", "2025-02-30", ""), ("", "", "0d"), ("", "", "2w"), ("2025-10-01", "", "7d")],
)
def test_days_that_mean_nothing(from_: str, to: str, last: str) -> None:
    with pytest.raises(WrongUsage):
        _days(from_, to, last, CLOCK)


def test_wide_tables_are_split_before_a_number_is_cut() -> None:
    names = [f"metric_{number}" for number in range(20)]
    for width in (60, 80, 120, 400):
        groups = list(_fitting(names, width))
        assert [name for group in groups for name in group] == names
        assert all(len(group) == 1 or 52 + sum(len(name) + 3 for name in group) <= width for group in groups)
