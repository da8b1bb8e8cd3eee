"""Reports in the dashboard: seen by viewers, changed by analysts, the same things that the API has."""

from __future__ import annotations

import html
import io
import os
import re
import subprocess
import sys
import zipfile
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from campanile.dashboard.reports import phrases
from campanile.dashboard.reports.snippets import KEY, snippets
from campanile.jobs.schedule import Schedule
from campanile.reports.periods import AbsolutePeriod, Period, RollingPeriod
from campanile.reports.runs.schemas import File, Run
from tests.dashboard.site import Site
from tests.dashboard.test_campaigns import document, event
from tests.reports.samples import changed
from tests.stats.inprocess import basic

pytestmark = pytest.mark.slow

MAIL = f"{21:024x}"
HEADER = "<b data-broken-out>Öffnungen</b> 春 {{7*7}}"
DAILY: dict[str, Any] = {
    "name": "Daily mail",
    "selection": {
        "scopes": [{"channel": "EMAIL"}],
        "date_range": {"type": "rolling", "preset": "yesterday"},
        "filters": {"tags": {"values": [HEADER]}, "created_by": [HEADER]},
    },
    "content": {
        "custom_attributes": [
            {"key": "custom.x", "header": HEADER, "channels": ["EMAIL"], "expression": "@{campaign-stats.sent} * 2"}
        ]
    },
    "schedule": {"type": "daily", "time": "06:00", "time_zone": "Europe/Berlin"},
    "delivery": {"rest_api": True},
    "on_empty": "header_only",
}


@pytest.fixture(scope="module")
def base(site: Site) -> str:
    """The pages of reports, in a workspace with one campaign."""
    site.server.import_campaigns(site.owner, [document(MAIL, "EMAIL", HEADER)])
    site.server.send_events(site.owner, [event(MAIL, "EMAIL", 0, "sent")])
    return f"/w/{site.id}/reports"


def define(site: Site, name: str, **members: Any) -> str:
    """A report as the API makes it; its id."""
    answer = ask(site, "POST", "/v1/reports", json=changed(DAILY, name=name, **members))
    assert answer.status_code == 201, answer.text
    found: str = answer.json()["id"]
    return found


def ask(site: Site, method: str, path: str, **options: Any) -> Any:
    headers = {"Authorization": basic(site.id, site.owner.manage_key)}
    return site.server.client.request(method, path, headers=headers, **options)


def run(site: Site, name: str, **members: Any) -> tuple[str, str]:
    """A report with a finished run; the ids of both."""
    report_id = define(site, name, **members)
    run_id: str = ask(site, "POST", f"/v1/reports/{report_id}/run").json()["id"]
    site.server.make_reports()
    return report_id, run_id


def ticket(page: Any) -> str:
    found = re.search(r'name="ticket" value="([\w-]+)"', page.text)
    assert found
    return found.group(1)


def test_the_list_says_what_runs_when(site: Site, base: str) -> None:
    report_id, run_id = run(site, "In the list")
    text = site.viewer.get(base).text
    assert "In the list" in text
    assert "Every day at 06:00, Europe/Berlin" in text
    assert f"{base}/runs/{run_id}/file" in text
    assert "Run again" not in text, "viewers only look"
    assert f"{base}/{report_id}/run" in site.people["analyst"].get(base).text
    assert report_id not in site.viewer.get(f"{base}?q=elsewhere").text
    assert report_id in site.viewer.get(f"{base}?q=in+the+LIST&state=ACTIVE").text
    assert report_id not in site.viewer.get(f"{base}?state=PAUSED").text
    assert site.viewer.get(f"{base}?state=odd").status_code == 400
    assert site.viewer.get(f"{base}?cursor=odd").status_code == 400


def test_the_list_has_pages(site: Site, base: str) -> None:
    made = {define(site, f"Paged {number}") for number in range(21)}
    first = site.viewer.get(f"{base}?q=paged").text
    following = re.search(r'rel="next" href="([^"]+)"', first)
    assert following
    second = site.viewer.get(base + html.unescape(following.group(1))).text
    assert {found for found in made if found in first + second} == made
    assert 'rel="prev"' in second


def test_a_report_in_words(site: Site, base: str) -> None:
    report_id, run_id = run(site, "In words")
    text = html.unescape(site.viewer.get(f"{base}/{report_id}").text)
    assert "Yesterday" in text
    assert "Thursday, 19 Mar 2026, 06:00" in text
    assert "in UTC" in text, "the workspace has another clock"
    assert f"{HEADER} = @{{campaign-stats.sent}} * 2" in text
    assert run_id in text
    assert HEADER not in site.viewer.get(f"{base}/{report_id}").text
    assert "Delete" not in text


def test_a_run_shows_how_to_fetch_its_file(site: Site, base: str, tmp_path: Path) -> None:
    _, run_id = run(site, "Fetched by programs")
    page = site.viewer.get(f"{base}/runs/{run_id}").text
    file = site.viewer.get(f"{base}/runs/{run_id}/file")
    assert file.headers["content-type"] == "application/zip"
    assert file.headers["content-disposition"] == 'attachment; filename="Fetched_by_programs_20260318.zip"'
    assert "no-store" in file.headers["cache-control"]
    (member,) = zipfile.ZipFile(io.BytesIO(file.content)).namelist()
    assert member in page
    calls = [html.unescape(code) for code in re.findall(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)]
    assert len(calls) == 2
    for secret in (site.owner.report_key, site.owner.manage_key, site.owner.ingest_key):
        assert secret not in page
    for call, command in zip(calls, (["sh", "-e", "-c"], [sys.executable, "-c"]), strict=True):
        name, signature = prepared(call, command, site, tmp_path)
        url = f"/campaign_reports/rest_api/{site.id}/{name}"
        fetched = site.server.client.get(url, headers={"Signature": signature})
        assert (fetched.status_code, fetched.content) == (200, file.content), command


def test_a_run_says_until_when_it_waits(site: Site, base: str) -> None:
    east = {"type": "daily", "time": "06:00", "time_zone": "Pacific/Kiritimati"}
    _, run_id = run(site, "Planned far in the east", schedule=east)
    page = site.viewer.get(f"{base}/runs/{run_id}").text
    assert "Waiting for the end of its days" in page
    assert '<dt>Waits until</dt><dd><time datetime="2026-03-19T00:00:00+00:00">' in page
    _, run_id = run(site, "Planned at home")
    assert "Waits until" not in site.viewer.get(f"{base}/runs/{run_id}").text


def prepared(call: str, command: list[str], site: Site, folder: Path) -> tuple[str, str]:
    """The file name and the signature that a call makes, with what goes over the network taken out."""
    head = call.partition("curl" if command[0] == "sh" else "url =")[0]
    tail = 'printf "%s %s" "$FILE" "$SIGNATURE"' if command[0] == "sh" else "print(file, signature)"
    environment = {**os.environ, KEY: site.owner.report_key}
    done = subprocess.run(
        [*command, f"{head}\n{tail}"], env=environment, cwd=folder, capture_output=True, text=True, check=True
    )
    name, signature = done.stdout.split()
    return name, signature


def test_a_file_that_is_not_delivered_by_name_is_fetched_by_its_run(site: Site, base: str) -> None:
    delivery = {"rest_api": False, "webhook": {"url": "https://hooks.example.com/x"}}
    _, run_id = run(site, "By its run", delivery=delivery, format={"compression": "gz"})
    page = html.unescape(site.viewer.get(f"{base}/runs/{run_id}").text)
    assert f"/v1/report-runs/{run_id}/file" in page
    assert "Signature" not in page
    file = site.viewer.get(f"{base}/runs/{run_id}/file")
    assert file.headers["content-type"] == "application/gzip"
    answer = site.server.client.get(
        f"/v1/report-runs/{run_id}/file", headers={"Authorization": basic(site.id, site.owner.report_key)}
    )
    assert answer.content == file.content


def test_the_daily_dump_has_its_own_address() -> None:
    day = datetime(2026, 3, 17, tzinfo=UTC)
    file = File(
        id="f", name="20260317.zip", size=1, sha256="", generated_at=day, expires_at=day, forgotten_at=day,
        purged_at=None,
    )  # fmt: skip
    dump = Run(
        id="run_1", workspace_id="W", definition_id=None, definition_version=0, stem="", by_name=True, trigger="daily",
        slot_at=None, file_date=day.date(), first_day=day.date(), last_day=day.date(), state="SUCCESSFUL",
        created_at=day, finished_at=day,
    )  # fmt: skip
    assert snippets(dump, "http://127.0.0.1:1") is None
    calls = snippets(msgspec.structs.replace(dump, file=file), "http://127.0.0.1:1")
    assert calls is not None
    assert "http://127.0.0.1:1/v1/dailyCampaignReportDump/W/" in calls.curl
    assert "'http://127.0.0.1:1/v1/dailyCampaignReportDump/W'" in calls.python


def test_running_again_counts_once(site: Site, base: str) -> None:
    report_id, _ = run(site, "Run again")
    analyst = site.people["analyst"]
    form = {"ticket": ticket(analyst.get(f"{base}/{report_id}"))}
    answers = [analyst.post(f"{base}/{report_id}/run", form) for _ in range(3)]
    (target,) = {answer.headers["location"] for answer in answers}
    assert len(ask(site, "GET", f"/v1/report-runs?definition_id={report_id}").json()["runs"]) == 2
    assert "Queued" in analyst.get(target).text
    assert 'hx-trigger="every 2s"' in analyst.get(f"{base}/{report_id}").text
    ended = analyst.post(f"{target}/cancel")
    assert ended.headers["location"] == target
    assert "Cancelled" in analyst.get(target).text
    again = analyst.post(f"{target}/retry")
    assert again.status_code == 409
    assert "Only failed runs can be tried again" in again.text
    assert analyst.post(f"{base}/{report_id}/run", {"ticket": "a b"}).status_code == 400
    assert analyst.get(f"{target}/file").status_code == 409


def test_pausing_resuming_duplicating_deleting(site: Site, base: str) -> None:
    report_id = define(site, "Comes and goes")
    analyst = site.people["analyst"]
    page = f"{base}/{report_id}"
    assert analyst.post(f"{page}/pause").headers["location"] == page
    assert "Paused" in analyst.get(page).text
    assert analyst.post(f"{page}/resume").headers["location"] == page
    assert "with its next slot" in analyst.get(page).text
    copy = analyst.post(f"{page}/duplicate", {"ticket": "t-1"}).headers["location"]
    assert copy == analyst.post(f"{page}/duplicate", {"ticket": "t-1"}).headers["location"]
    draft = copy.removesuffix("/edit")
    assert "Copy of Comes and goes" in analyst.get(draft).text
    refused = analyst.post(f"{draft}/run", {"ticket": "t-2"})
    assert refused.status_code == 409
    assert "A draft cannot run" in refused.text
    assert analyst.post(f"{draft}/activate").headers["location"] == draft
    assert "Delete for good" in analyst.get(f"{page}/delete").text
    assert analyst.post(f"{page}/delete").headers["location"] == base
    assert analyst.get(page).status_code == 404
    assert analyst.post(f"{draft}/explode").status_code == 404
    changes = [(entry.actor, entry.action, entry.subject) for entry in site.services.audit.page(site.id, limit=6)]
    mine, other = report_id, draft.rpartition("/")[2]
    assert changes == [
        ("analyst@example.com", "report.deleted", mine),
        ("analyst@example.com", "report.state_changed", other),
        ("analyst@example.com", "report.created", other),
        ("analyst@example.com", "report.state_changed", mine),
        ("analyst@example.com", "report.state_changed", mine),
        (changes[-1][0], "report.created", mine),
    ]
    assert changes[-1][0].startswith("key_"), "made by the API"


def test_reports_of_others_do_not_exist(site: Site, base: str) -> None:
    """Ids of another workspace are those of nothing, whatever is asked."""
    report_id, run_id = run(site, "Not yours")
    stranger = site.people["stranger"]
    theirs = base.replace(site.id, "WOTHER")
    stranger.get(theirs)
    for path in (report_id, f"{report_id}/delete", f"runs/{run_id}", f"runs/{run_id}/file"):
        assert stranger.get(f"{theirs}/{path}").status_code == 404, path
    for action in ("run", "pause", "resume", "activate", "duplicate", "delete"):
        assert stranger.post(f"{theirs}/{report_id}/{action}").status_code == 404, action
    for action in ("cancel", "retry", "explode"):
        assert stranger.post(f"{theirs}/runs/{run_id}/{action}").status_code == 404, action
    assert "Not yours" not in stranger.get(theirs).text
    assert site.viewer.get(f"{base}/{report_id}").status_code == 200


def test_a_failed_run_is_on_the_overview(site: Site, base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("campanile.reports.runs.generation.ROWS", 0)
    report_id, run_id = run(site, "Breaks", selection__filters=None)
    assert f"{base}/runs/{run_id}" in site.viewer.get(f"/w/{site.id}").text
    page = site.people["analyst"].get(f"{base}/runs/{run_id}").text
    assert "more rows than reports may have" in page
    assert "Fetch it with a program" not in page
    monkeypatch.undo()
    again = site.people["analyst"].post(f"{base}/runs/{run_id}/retry")
    assert again.status_code == 303
    site.server.make_reports()
    assert "Successful" in site.viewer.get(f"{base}/{report_id}").text


BERLIN = {"time_zone": "Europe/Berlin"}
SIX: dict[str, Any] = {**BERLIN, "time_of_day": time(6)}


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (None, "No schedule yet"),
        (Schedule(kind="once", **BERLIN), "Once, as soon as possible"),
        (
            Schedule(kind="once", at=datetime.combine(date(2026, 3, 19), time(7, 5)), **BERLIN),
            "Once, on 19 Mar 2026 at 07:05, Europe/Berlin",
        ),
        (Schedule(kind="daily", **SIX), "Every day at 06:00, Europe/Berlin"),
        (
            Schedule(kind="weekly", weekdays=(1, 3, 7), **SIX),
            "Every Monday, Wednesday and Sunday at 06:00, Europe/Berlin",
        ),
        (Schedule(kind="monthly", day=31, end_runs=2, **SIX), "Every month on day 31 at 06:00, Europe/Berlin, 2 times"),
        (Schedule(kind="custom", unit="days", every=3, **SIX), "Every 3 days at 06:00, Europe/Berlin"),
        (
            Schedule(kind="custom", unit="weeks", every=1, weekdays=(2,), end_date=date(2027, 1, 1), **SIX),
            "Every week on Tuesday at 06:00, Europe/Berlin, until 1 Jan 2027",
        ),
        (
            Schedule(kind="custom", unit="months", every=2, day="last", **SIX),
            "Every 2 months on the last day at 06:00, Europe/Berlin",
        ),
    ],
)
def test_schedules_in_words(schedule: Schedule | None, words: str) -> None:
    assert phrases.schedule(schedule) == words


@pytest.mark.parametrize(
    ("period", "words"),
    [
        (RollingPeriod("previous_week"), "Previous week, Monday to Sunday"),
        (RollingPeriod(days=1), "1 day until yesterday"),
        (RollingPeriod(days=5, offset_days=2), "5 days, ending 3 days before the date of the file"),
        (AbsolutePeriod(date(2026, 3, 1), date(2026, 3, 2)), "1 Mar 2026 to 2 Mar 2026"),
    ],
)
def test_days_in_words(period: Period, words: str) -> None:
    assert phrases.period(period) == words
