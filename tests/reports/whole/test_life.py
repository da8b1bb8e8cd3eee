"""What can be done with reports, over HTTP and through the whole application, to the files it ends in."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.reports.whole.shop import FILE_DATE, MAIL, PUSH, Reports, definition, fill
from tests.stats.inprocess import InProcess, running
from tests.support.engines import EmbeddedEngine

pytestmark = pytest.mark.slow

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
DAILY = {"type": "daily", "time": "06:00", "start_date": "2026-03-10"}


@pytest.fixture(scope="module")
def server(embedded: EmbeddedEngine) -> Iterator[InProcess]:
    with running(embedded, NOW, report_calls=60) as server:
        yield server


@pytest.fixture
def reports(server: InProcess, request: pytest.FixtureRequest) -> Reports:
    """An owner for each test, and the clock back at noon."""
    server.clock.set(NOW)
    name = str(request.node.name).replace("_", "")[:20]
    return Reports(server, fill(server, name))


def members(content: bytes) -> dict[str, list[dict[str, str]]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {
            name: list(csv.DictReader(io.StringIO(archive.read(name).decode(), newline="")))
            for name in archive.namelist()
        }


def error(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["type"]


def test_a_report_is_made_and_downloaded_by_its_name(reports: Reports) -> None:
    run = reports.make(reports.create("Daily"))
    assert (run["status"], run["file_name"]) == ("SUCCESSFUL", f"Daily_{FILE_DATE}.zip")
    files = members(reports.download(f"Daily_{FILE_DATE}").content)
    assert files[f"Daily_EMAIL_{FILE_DATE}.csv"] == [
        {"Campaign ID": MAIL["campaign_id"], "Campaign Name": "Spring", "Total Sent": "5", "Total clicks": "0"}
    ]
    (row,) = files[f"Daily_PUSH_{FILE_DATE}.csv"]
    assert (row["Campaign ID"], row["Campaign Name"], row["All Platform Sent"]) == (PUSH["campaign_id"], "'=Push", "3")


def test_a_dry_run_and_previews_store_nothing(reports: Reports) -> None:
    checked = reports.call("POST", "/v1/reports?dry_run=true", definition("Checked"))
    assert (checked.status_code, len(checked.json()["next_slots"])) == (200, 5)
    shown = reports.call("POST", "/v1/report-previews", definition("Previewed")).json()
    assert shown["window"] == {"start": "2026-03-17", "end": "2026-03-17"}
    rows = {sheet["channel"]: sheet["rows"] for sheet in shown["channels"]}
    assert rows["EMAIL"] == [[MAIL["campaign_id"], "Spring", "5", "0"]]
    assert reports.call("GET", "/v1/reports").json()["reports"] == []
    stored = reports.create("Stored")
    assert reports.call("POST", f"/v1/reports/{stored}/preview").json()["channels"] == shown["channels"]
    assert reports.call("GET", "/v1/report-runs").json()["runs"] == []
    wrong = reports.call("POST", "/v1/reports?dry_run=true", definition("Bad/name", on_empty="maybe"))
    assert error(wrong) == (422, "name_invalid")
    assert len(wrong.json()["errors"]) == 2


def test_a_key_names_a_request_that_is_done_once(reports: Reports) -> None:
    reports.headers["Idempotency-Key"] = "create-once"
    made = [reports.call("POST", "/v1/reports", definition("Once")) for _ in range(3)]
    assert len({answer.text for answer in made}) == 1
    assert [answer.headers.get("Idempotent-Replayed") for answer in made] == [None, "true", "true"]
    assert error(reports.call("POST", "/v1/reports", definition("Other"))) == (409, "idempotency_key_reused")
    reports.headers["Idempotency-Key"] = "run-once"
    started = [reports.call("POST", f"/v1/reports/{made[0].json()['id']}/run", {}) for _ in range(2)]
    assert len({answer.json()["id"] for answer in started}) == 1
    del reports.headers["Idempotency-Key"]
    assert len(reports.call("GET", "/v1/report-runs").json()["runs"]) == 1


def test_every_save_is_a_version_and_the_next_run_uses_the_newest(reports: Reports) -> None:
    made = reports.create("Edited")
    path = f"/v1/reports/{made}"
    reports.headers["If-Match"] = '"1"'
    changed = reports.call("PATCH", path, {"selection": {"scopes": [{"channel": "EMAIL"}]}, "content": None})
    assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
    assert error(reports.call("PATCH", path, {"name": "Late"})) == (412, "version_mismatch")
    del reports.headers["If-Match"]
    assert reports.call("PUT", path, {**definition("Edited again"), "content": {}}).json()["version"] == 3
    versions = reports.call("GET", path + "/versions").json()["versions"]
    assert [(version["version"], version["saved_by"]) for version in versions] == [
        (number, reports.call("GET", path).json()["owner"]) for number in (3, 2, 1)
    ]
    changes = [{change["attribute"] for change in version["changes"]} for version in versions]
    assert "name" in changes[0]
    assert "selection.scopes" in changes[1]
    assert changes[2] == set()
    run = reports.make(made)
    assert (run["definition_version"], run["file_name"]) == (3, f"Edited_again_{FILE_DATE}.zip")


def test_a_copy_is_a_draft_which_runs_once_it_is_active(reports: Reports) -> None:
    original = reports.create("Original")
    copy = reports.call("POST", f"/v1/reports/{original}/duplicate").json()
    assert (copy["name"], copy["state"], copy["next_run_at"]) == ("Copy of Original", "DRAFT", None)
    assert error(reports.call("POST", f"/v1/reports/{copy['id']}/run", {})) == (409, "invalid_state")
    named = reports.call("POST", f"/v1/reports/{original}/duplicate", {"name": "Second"}).json()
    assert reports.call("POST", f"/v1/reports/{named['id']}/activate").json()["state"] == "ACTIVE"
    assert reports.make(named["id"])["file_name"] == f"Second_{FILE_DATE}.zip"


def test_a_paused_report_lets_its_slots_pass(reports: Reports) -> None:
    made = reports.create("Paused", on_empty="header_only", schedule=DAILY)
    path = f"/v1/reports/{made}"
    assert reports.call("POST", path + "/pause").json()["state"] == "PAUSED"
    reports.server.clock.advance(timedelta(days=2).total_seconds())
    reports.server.make_reports()
    assert runs(reports, made) == []
    resumed = reports.call("POST", path + "/resume").json()
    assert (resumed["state"], resumed["next_run_at"]) == ("ACTIVE", "2026-03-21T06:00:00Z")
    reports.server.clock.advance(timedelta(days=1).total_seconds())
    reports.server.make_reports()
    (run,) = runs(reports, made)
    assert (run["slot_at"], run["file_name"]) == ("2026-03-21T06:00:00Z", "Paused_20260321.zip")
    assert run["window"] == {"start": "2026-03-20", "end": "2026-03-20"}
    assert reports.download("Paused_20260321.zip").status_code == 200


def runs(reports: Reports, report_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = reports.call("GET", f"/v1/report-runs?definition_id={report_id}").json()["runs"]
    return found


def test_a_run_now_may_have_other_days_and_another_date(reports: Reports) -> None:
    made = reports.create("Now", on_empty="header_only")
    order = {"window": {"start": "2026-03-01", "end": "2026-03-16"}, "file_date": "20260316"}
    run = reports.call("POST", f"/v1/reports/{made}/run", order)
    assert (run.status_code, run.json()["status"]) == (202, "QUEUED")
    assert "not ready" in reports.download("Now_20260316.zip").text
    assert error(reports.call("GET", f"/v1/report-runs/{run.json()['id']}/file")) == (409, "not_ready")
    reports.server.make_reports()
    files = members(reports.download("Now_20260316.zip").content)
    assert list(files.values()) == [[], []], "nothing was sent on those days"
    assert error(reports.call("POST", f"/v1/reports/{made}/run", {"file_date": "20270101"})) == (422, "invalid_value")


def test_past_slots_are_filled_in_each_under_its_date(reports: Reports) -> None:
    made = reports.create("Past", on_empty="header_only", schedule=DAILY)
    path = f"/v1/reports/{made}/backfill"
    order = {"from": "2026-03-16", "to": "2026-03-18"}
    ordered = reports.call("POST", path, order)
    assert ordered.status_code == 202, ordered.text
    reports.server.make_reports()
    done = {run["file_name"]: run["window"]["start"] for run in runs(reports, made)}
    assert done == {f"Past_202603{day}.zip": f"2026-03-{day - 1}" for day in (16, 17, 18)}
    assert reports.call("POST", path, order).json()["runs"] == [], "they are there"
    assert len(reports.call("POST", path, {**order, "overwrite": True}).json()["runs"]) == 3
    assert error(reports.call("POST", path, {"from": "2026-03-19", "to": "2026-03-20"})) == (422, "schedule_empty")


def test_a_run_that_is_cancelled_makes_no_file(reports: Reports) -> None:
    made = reports.create("Cancelled")
    run = reports.call("POST", f"/v1/reports/{made}/run", {}).json()
    path = f"/v1/report-runs/{run['id']}"
    assert reports.call("POST", path + "/cancel").json()["status"] == "CANCELLED"
    assert reports.call("POST", path + "/cancel").status_code == 202
    reports.server.make_reports()
    assert reports.run(run["id"])["file_name"] is None
    assert error(reports.call("POST", path + "/retry")) == (409, "invalid_state")
    assert reports.download(f"Cancelled_{FILE_DATE}").status_code == 400


def test_the_file_and_its_contents_by_run(reports: Reports) -> None:
    run = reports.make(reports.create("By run"))
    path = f"/v1/report-runs/{run['id']}"
    answer = reports.call("GET", path + "/file")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip")
    assert answer.content == reports.download(f"By_run_{FILE_DATE}").content
    assert answer.headers["ETag"] == f'"{run["sha256"]}"'
    manifest = reports.call("GET", path + "/manifest").json()
    assert [file["rows"] for file in manifest["files"]] == [1, 1]


def test_an_expired_file_says_so_and_its_bytes_are_gone(reports: Reports) -> None:
    run = reports.make(reports.create("Expiring", schedule={"type": "once", "at": "2027-01-01T00:00"}))
    name, moment = run["file_name"], datetime.fromisoformat(run["expires_at"])
    reports.server.clock.set(moment - timedelta(microseconds=1))
    assert reports.download(name).status_code == 200
    reports.server.clock.set(moment)
    assert "Report has expired" in reports.download(name).text
    assert error(reports.call("GET", f"/v1/report-runs/{run['id']}/file")) == (410, "expired")
    files = reports.server.services.settings.data_path / "files"
    before = len(list(files.glob("??/*")))
    purged = reports.server.services.runs.purge()
    assert purged >= 1
    assert len(list(files.glob("??/*"))) == before - purged
    assert reports.run(run["id"])["status"] == "EXPIRED"
    assert "Report has expired" in reports.download(name).text


def test_a_deleted_report_takes_its_files_along_and_frees_its_name(reports: Reports) -> None:
    made = reports.create("Deleted")
    reports.make(made)
    queued = reports.call("POST", f"/v1/reports/{made}/run", {}).json()["id"]
    assert reports.call("DELETE", f"/v1/reports/{made}").status_code == 204
    assert error(reports.call("GET", f"/v1/reports/{made}")) == (404, "not_found")
    assert reports.download(f"Deleted_{FILE_DATE}").status_code == 400
    reports.server.make_reports()
    assert reports.run(queued)["status"] == "CANCELLED"
    assert reports.download(f"Deleted_{FILE_DATE}").status_code == 400
    reports.create("deleted")


def test_calls_are_limited_per_key_and_minute(reports: Reports) -> None:
    others = Reports(reports.server, fill(reports.server, "Other"))
    answers = [reports.call("GET", "/v1/report-runs") for _ in range(62)]
    assert [answer.status_code for answer in answers] == [200] * 60 + [429] * 2
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers[::30]] == ["59", "29", "0"]
    assert (error(answers[61]), answers[61].headers["Retry-After"]) == ((429, "rate_limited"), "60")
    assert others.call("GET", "/v1/reports").status_code == 200
    assert reports.download("Nothing_20260318").status_code == 400, "downloads by name are not counted"
    reports.server.fresh_window()
    assert reports.call("GET", "/v1/reports").status_code == 200


def test_columns_of_the_catalogue_can_be_asked_for(reports: Reports) -> None:
    found = reports.call("GET", "/v1/report-columns?channel=EMAIL&q=unsubscribe").json()["columns"]
    assert [column["header"] for column in found] == ["Unsubscribes", "Unsubscribe rate"]
