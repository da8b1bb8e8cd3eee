"""A real server, as a client meets it: a report is asked for, made in the background, and fetched by name."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.reports.files.test_xlsx import cells
from tests.reports.whole.shop import MAIL, definition
from tests.support.processes import wait_until
from tests.support.server import running_server

pytestmark = pytest.mark.slow


def test_a_spreadsheet_from_a_server(tmp_path: Path) -> None:
    # A minute of looking whether the report is there is more than callers may usually ask.
    with running_server(tmp_path / "data", {"report_calls": "1000000"}) as server:
        keys = server.create_workspace("Shop")
        manage = httpx.Client(base_url=server.url, auth=(keys.workspace_id, keys.manage_key), timeout=60)
        ingest = httpx.Client(base_url=server.url, auth=(keys.workspace_id, keys.ingest_key), timeout=60)
        with manage, ingest:
            body = {name: value for name, value in MAIL.items() if name != "campaign_id"}
            manage.put(f"/v1/campaigns/{MAIL['campaign_id']}", json=body).raise_for_status()
            sent = datetime.now(UTC) - timedelta(days=1)
            events = [
                {
                    "event_id": f"sent-{number}",
                    "type": "sent",
                    "time": sent.isoformat(timespec="milliseconds"),
                    "campaign_id": MAIL["campaign_id"],
                    "channel": "EMAIL",
                    "user_id": f"user-{number}",
                }
                for number in range(7)
            ]
            assert ingest.post("/v1/events", json={"events": events}).json()["accepted"] == 7
            content: dict[str, Any] = definition("From a server", format={"type": "xlsx"})
            content["schedule"] = {"type": "once", "at": "asap"}
            content["selection"]["date_range"] = {"type": "rolling", "days": 2, "offset_days": 0}
            created = manage.post("/v1/reports", json=content)
            assert created.status_code == 201, created.text

            def finished() -> bool:
                runs = manage.get("/v1/report-runs").json()["runs"]
                return bool(runs) and runs[0]["status"] not in ("QUEUED", "RUNNING", "PACKAGING", "WAITING_FOR_DATA")

            wait_until(finished, what="the report")
            (run,) = manage.get("/v1/report-runs").json()["runs"]
            assert run["status"] == "SUCCESSFUL", run
        name = run["file_name"]
        signed = sha256(f"{keys.workspace_id}|{name}|{keys.report_key}".encode()).hexdigest()
        url = f"{server.url}/campaign_reports/rest_api/{keys.workspace_id}/{name}"
        with httpx.Client(timeout=60) as client:
            by_header = client.get(url, headers={"Signature": signed})
            by_query = client.get(url, params={"Signature": signed})
            assert client.get(url).status_code == 401
        assert by_header.status_code == by_query.status_code == 200
        assert by_header.content == by_query.content
        assert sha256(by_header.content).hexdigest() == run["sha256"]
        with zipfile.ZipFile(io.BytesIO(by_header.content)) as archive:
            found = cells(archive.read(archive.namelist()[0]))
        assert [found[f"{letter}2"][2] for letter in "ABCD"] == [MAIL["campaign_id"], "Spring", "7", "0"]
        assert signed not in server.log.read_text(), "signatures do not belong into logs"
