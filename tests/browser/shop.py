"""A served workspace like the demo's, with people of every role and with names that try to break out of pages."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import msgspec

from campanile.demo import build
from campanile.users.schemas import ROLES, Role
from tests.support.server import Credentials, Server, running_server

PASSWORD = "correct horse battery"
MARKER = "data-broken-out"
"""Attribute that appears in a document only if a name became markup."""
NASTY = f"\"'><img src=x onerror=alert(1) {MARKER}><script {MARKER}>alert(2)</script>{{{{7*7}}}} 春のセール Grüße"
"""Put wherever somebody may choose a name."""
FORMULA = f'=HYPERLINK("http://127.0.0.1")<b {MARKER}>'

SHORT = f"<b {MARKER}>x</b>"
"""The same where less fits."""
NASTY_CAMPAIGN = "badbadbadbadbadbadbadba1"
FORMULA_CAMPAIGN = "badbadbadbadbadbadbadba2"
EVERY = 40
"""Of the demo's events every fortieth is sent: enough for every channel, and quickly there."""
EVENTS_PER_REQUEST = 10_000
RUN_SECONDS = 60
"""How long a busy machine may take for a small report."""
BEHIND = "America/Los_Angeles"
"""A zone whose yesterday is over in the workspace's zone, UTC, at any hour: nothing waits for the end of a day."""


class Shop(msgspec.Struct, frozen=True):
    """A running server and what is in it."""

    url: str
    server: Server
    keys: Credentials
    ids: dict[str, str]
    """Names that the list of pages may use in its paths."""

    @property
    def id(self) -> str:
        return self.keys.workspace_id

    def path(self, template: str) -> str:
        """An address from the list of pages."""
        return self.url + template.format_map(self.ids)

    def email(self, role: Role) -> str:
        return f"{role}@example.com"

    def api(self, key: str, method: str, path: str, **arguments: Any) -> httpx.Response:
        """A request to the API, which may be refused."""
        return httpx.request(method, self.url + path, auth=(self.id, key), timeout=60, **arguments)

    def must(self, key: str, method: str, path: str, **arguments: Any) -> Any:
        """The JSON answer to a request that must succeed."""
        answer = self.api(key, method, path, **arguments)
        assert answer.is_success, answer.text
        return answer.json()


@contextmanager
def served_shop(data: Path) -> Iterator[Shop]:
    """A server on an empty folder, filled through its own API and command line."""
    usual = {"log_level": "warning", "report_calls": "1000000"}  # a busy machine asks often whether a report is made
    with running_server(data, usual) as server:
        keys = server.create_workspace(NASTY)
        for role in ROLES:
            _person(server, f"{role}@example.com", role, keys.workspace_id)
        shop = Shop(server.url, server, keys, {"workspace": keys.workspace_id})
        _fill(shop)
        yield shop


def _person(server: Server, email: str, role: Role, workspace_id: str) -> None:
    server.run(
        "user", "create", email, "--role", role, "--workspace", workspace_id, "--name", f"{NASTY[:60]} {role}",
        "--password-stdin", stdin=PASSWORD,
    )  # fmt: skip


def _fill(shop: Shop) -> None:
    demo = build(datetime.now(UTC).date())
    documents = demo.documents()
    ids = [str(document["campaign_id"]) for document in documents]
    documents += [_nasty(documents[0], NASTY_CAMPAIGN, NASTY), _nasty(documents[0], FORMULA_CAMPAIGN, FORMULA)]
    lines = "".join(json.dumps(document) + "\n" for document in documents)
    shop.must(
        shop.keys.manage_key, "POST", "/v1/campaigns/import", content=lines.encode(),
        headers={"Content-Type": "application/x-ndjson"},
    )  # fmt: skip
    events = islice(demo.events(), 0, None, EVERY)
    while batch := list(islice(events, EVENTS_PER_REQUEST)):
        body = b"".join(msgspec.json.encode(event) + b"\n" for event in batch)
        shop.must(
            shop.keys.ingest_key, "POST", "/v1/events", content=body, headers={"Content-Type": "application/x-ndjson"}
        )
    now = datetime.now(UTC).isoformat()
    common = {"campaign_id": NASTY_CAMPAIGN, "channel": "EMAIL", "time": now, "locale": SHORT, "variation": SHORT}
    nasty = [
        {**common, "event_id": "n-1", "type": "sent", "user_id": "n-1"},
        {**common, "event_id": "n-2", "type": "click", "user_id": "n-1", "link": f"http://127.0.0.1/{SHORT}"},
        {**common, "event_id": "n-3", "type": "failed", "user_id": "n-2", "reason": SHORT},
    ]
    taken = shop.must(shop.keys.ingest_key, "POST", "/v1/events", json=nasty)
    assert taken["accepted"] == len(nasty), taken
    refused = {"event_id": NASTY[:64], "type": "opened?", "campaign_id": NASTY_CAMPAIGN, "user_id": "u"}
    shop.api(shop.keys.ingest_key, "POST", "/v1/events", json=[refused])
    listed = json.loads(shop.server.run("key", "list", shop.id, "--json"))
    shop.ids.update(
        key=next(key["key_id"] for key in listed if key["kind"] == "ingest"),
        campaign=ids[0],
        nasty_campaign=NASTY_CAMPAIGN,
    )
    shop.server.run("key", "create", shop.id, "ingest", "--name", NASTY)
    _hook(shop)
    shop.ids.update(_report(shop))


def _hook(shop: Shop) -> None:
    """A webhook with deliveries of every kind, and a dead letter."""
    made = shop.must(shop.keys.manage_key, "POST", "/v1/hooks", json={"provider": "postmark", "name": NASTY[:200]})
    now = datetime.now(UTC)
    for days, secret in ((0, made["secret"]), (90, made["secret"]), (0, "wrong")):
        report = {
            "RecordType": "Delivery", "MessageID": f"m-{days}{SHORT}", "Recipient": "ada@example.net",
            "DeliveredAt": (now - timedelta(days=days)).isoformat(),
            "Metadata": {"campaign_id": NASTY_CAMPAIGN, "user_id": "n-3"},
        }  # fmt: skip
        httpx.post(made["url"], json=report, headers={"X-Campanile-Secret": secret}, timeout=60)
    letters = shop.must(shop.keys.manage_key, "GET", "/v1/dead-letters")["dead_letters"]
    assert letters, "the report of an old delivery should have become a dead letter"
    shop.ids["hook"] = made["hook_id"]


def _report(shop: Shop) -> dict[str, str]:
    """A report that says nasty things wherever it may, and its finished run."""
    column = {"key": "custom.nasty", "header": NASTY[:100], "channels": ["EMAIL"],
              "expression": "@{campaign-stats.sent} / 2"}  # fmt: skip
    definition = {
        "name": "Daily mail",
        "selection": {
            "scopes": [{"channel": "EMAIL"}, {"channel": "PUSH"}],
            "date_range": {"type": "rolling", "preset": "last_7_days"},
            "filters": {"created_by": [NASTY]},
        },
        "content": {"custom_attributes": [column]},
        "schedule": {"type": "daily", "time": "06:00", "time_zone": BEHIND},
        "delivery": {"rest_api": True},
        "on_empty": "header_only",
    }
    report_id = shop.must(shop.keys.manage_key, "POST", "/v1/reports", json=definition)["id"]
    run_id = shop.must(shop.keys.manage_key, "POST", f"/v1/reports/{report_id}/run")["id"]
    deadline = time.monotonic() + RUN_SECONDS
    while (run := shop.must(shop.keys.manage_key, "GET", f"/v1/report-runs/{run_id}"))["status"] != "SUCCESSFUL":
        assert time.monotonic() < deadline and run["status"] != "FAILED", run
        time.sleep(0.1)
    return {"report": report_id, "run": run_id}


def _nasty(like: dict[str, Any], campaign_id: str, name: str) -> dict[str, Any]:
    """A campaign whose every free text is `name` or as bad."""
    goals = like["conversion_goal_details"]
    return {
        **like,
        "campaign_id": campaign_id,
        "created_by": f"{SHORT}@example.com",
        "basic_details": {**like["basic_details"], "name": name, "tags": [SHORT], "team": SHORT},
        "conversion_goal_details": {**goals, "goals": [{**goals["goals"][0], "goal_name": SHORT}]},
    }
