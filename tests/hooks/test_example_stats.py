"""The example log at a real server: posted by the provider and imported as a file, it gives the same statistics."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from campanile.client import Client
from tests.hooks.served import SECRETS, signed_delivery
from tests.support.server import Credentials, Server, running_server

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent.parent.parent / "examples" / "sendgrid"
CAMPAIGNS = ["5a11ad000000000000000001", "5a11ad000000000000000002"]
PER_POST = 100


def moved_to_now() -> list[dict[str, Any]]:
    """The lines of the log, ending an hour ago: webhooks report about what just happened."""
    lines = [json.loads(line) for line in (FOLDER / "events.ndjson").read_text().splitlines()]
    moved = int(datetime.now(UTC).timestamp()) - 3600 - max(line["timestamp"] for line in lines)
    return [{**line, "timestamp": line["timestamp"] + moved} for line in lines]


def test_webhooks_and_import_give_the_same_statistics(tmp_path: Path) -> None:
    lines = moved_to_now()
    with running_server(tmp_path / "data") as server:
        posted, imported = server.create_workspace("Posted"), server.create_workspace("Imported")
        for place in (posted, imported):
            describe(server, place)
        post(server, posted, lines)
        log = tmp_path / "events.ndjson"
        log.write_text("".join(json.dumps(line) + "\n" for line in lines))
        access = ("--server", server.url, "--workspace", imported.workspace_id, "--key", imported.ingest_key)
        server.run("import", str(log), "--map", str(FOLDER / "mapping.toml"), *access)
        answers = [statistics(server, place) for place in (posted, imported)]
    assert [set(answer) for answer in answers] == [set(CAMPAIGNS)] * 2
    for campaign in CAMPAIGNS:
        for ours, theirs in zip(*(flat(answer[campaign]) for answer in answers), strict=True):
            assert ours == theirs
        sent = {
            line["cmp_user_id"] for line in lines if (line["cmp_campaign_id"], line["event"]) == (campaign, "processed")
        }
        assert uniques(answers[0], campaign)["sent"] == len(sent) > 0


def describe(server: Server, place: Credentials) -> None:
    """Campaigns of a provider that does not report attempts."""
    document = {"channel": "EMAIL", "campaign_delivery_type": "ONE_TIME", "name": "Letter", "attempts": "implied"}
    with Client(server.url, place.workspace_id, place.manage_key) as client:
        for campaign in CAMPAIGNS:
            client.put_campaign(campaign, document)


def post(server: Server, place: Credentials, lines: list[dict[str, Any]]) -> None:
    """Shuffled, in parcels, signed as SendGrid signs."""
    lines = random.Random(7).sample(lines, len(lines))
    with Client(server.url, place.workspace_id, place.manage_key) as client:
        path = httpx.URL(client.hooks.create("sendgrid", secret=SECRETS["sendgrid"])["url"]).path
    for start in range(0, len(lines), PER_POST):
        body, headers = signed_delivery("sendgrid", lines[start : start + PER_POST], path, datetime.now(UTC))
        answer = httpx.post(server.url + path, content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.json()["dead_lettered"] == 0, answer.text


def statistics(server: Server, place: Credentials) -> dict[str, Any]:
    """Every number of both campaigns, total and unique."""
    now = datetime.now(UTC)
    days = {"start_date": str((now - timedelta(days=20)).date()), "end_date": str((now + timedelta(days=1)).date())}
    with Client(server.url, place.workspace_id, place.report_key) as client:
        pages = [client.stats_page(campaign_ids=CAMPAIGNS, metric_type=kind, **days) for kind in ("TOTAL", "UNIQUE")]
    return {campaign: [page.data[campaign] for page in pages] for campaign in CAMPAIGNS}


def flat(value: Any, place: str = "") -> list[tuple[str, Any]]:
    """Every number with its place, so that a difference names itself."""
    if isinstance(value, dict):
        return [found for key in sorted(value) for found in flat(value[key], f"{place}/{key}")]
    if isinstance(value, list):
        return [found for number, each in enumerate(value) for found in flat(each, f"{place}/{number}")]
    return [(place, value)]


def uniques(answer: dict[str, Any], campaign: str) -> dict[str, Any]:
    unique = answer[campaign][1][0]["platforms"]["EMAIL"]["locales"]["all_locales"]["variations"]["all_variations"]
    numbers: dict[str, Any] = unique["performance_stats"]
    return numbers
