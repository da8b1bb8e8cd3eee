"""A workspace with one e-mail campaign and one push campaign, and short ways to make reports of it over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from campanile.reports.download.signature import signature
from campanile.workspaces.schemas import CreatedWorkspace
from tests.stats.inprocess import InProcess, basic

MAIL = {"campaign_id": "64a1b2c3d4e5f6a7b8c9d0e1", "channel": "EMAIL", "delivery_type": "ONE_TIME", "name": "Spring"}
PUSH = {"campaign_id": "64a1b2c3d4e5f6a7b8c9d0e2", "channel": "PUSH", "delivery_type": "ONE_TIME", "name": "=Push"}
FILE_DATE = "20260318"
"""Of files made on the day of most tests."""


def fill(server: InProcess, name: str = "Shop") -> CreatedWorkspace:
    """Five mails sent and two opened, three pushes sent, all on the day before."""
    day = server.clock.now().date() - timedelta(days=1)
    owner = server.services.workspaces.create(name, id=name.upper())
    server.import_campaigns(owner, [MAIL, PUSH])
    events = [(MAIL, "sent", 5), (MAIL, "delivered", 5), (MAIL, "open", 2), (PUSH, "sent", 3)]
    verdicts = server.send_events(
        owner,
        [
            {
                "event_id": f"{campaign['channel']}-{kind}-{number}",
                "type": kind,
                "time": f"{day}T10:00:0{number}Z",
                "campaign_id": campaign["campaign_id"],
                "channel": campaign["channel"],
                "user_id": f"user-{number}",
                **({"platform": "ANDROID"} if campaign is PUSH else {}),
            }
            for campaign, kind, count in events
            for number in range(count)
        ],
    )
    assert verdicts["accepted"] == 15, verdicts
    return owner


def definition(name: str, **members: Any) -> dict[str, Any]:
    """Yesterday's mails and pushes, each with four columns; made when somebody asks for it."""
    shown = ["campaign.id", "campaign.name", "campaign-stats.sent", "campaign-stats.clicks"]
    return {
        "name": name,
        "selection": {
            "scopes": [{"channel": "PUSH"}, {"channel": "EMAIL"}],
            "date_range": {"type": "rolling", "preset": "yesterday"},
        },
        "content": {"columns": {"PUSH": shown, "EMAIL": shown}},
        "schedule": {"type": "daily", "time": "06:00", "start_date": "2030-01-01"},
        "delivery": {"rest_api": True},
        **members,
    }


class Reports:
    """The API of reports as the owner of a workspace uses it."""

    def __init__(self, server: InProcess, owner: CreatedWorkspace) -> None:
        self.server = server
        self.owner = owner
        self.headers = {"Authorization": basic(owner.workspace.id, owner.manage_key)}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        return self.server.client.request(method, path, json=body, headers=self.headers)

    def create(self, name: str, **members: Any) -> str:
        answer = self.call("POST", "/v1/reports", definition(name, **members))
        assert answer.status_code == 201, answer.text
        identifier: str = answer.json()["id"]
        return identifier

    def make(self, report_id: str) -> dict[str, Any]:
        """Run a report now; the finished run."""
        answer = self.call("POST", f"/v1/reports/{report_id}/run", {})
        assert answer.status_code == 202, answer.text
        self.server.make_reports()
        return self.run(answer.json()["id"])

    def run(self, run_id: str) -> dict[str, Any]:
        answer = self.call("GET", f"/v1/report-runs/{run_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def download(self, name: str, method: str = "GET", **headers: str) -> Any:
        """The file of this name, with the signature of the workspace."""
        workspace = self.owner.workspace.id
        signed = {"Signature": signature(workspace, name, self.owner.report_key), **headers}
        return self.server.client.request(method, f"/campaign_reports/rest_api/{workspace}/{name}", headers=signed)
