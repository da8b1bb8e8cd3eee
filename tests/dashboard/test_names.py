"""Whatever people call things: no name becomes markup, a formula of a spreadsheet, or a line of the log."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import quote

import pytest
import structlog

from campanile.http.logs import configure_logging
from tests.conftest import NOW
from tests.dashboard.site import Site
from tests.dashboard.test_campaigns import document

pytestmark = pytest.mark.slow

CAMPAIGN = "0" * 22 + "aa"
MARKUP = "<img src=x onerror=alert(1)>"
FORMULA = f'=HYPERLINK("http://127.0.0.1"){MARKUP}'
BREAK = f'a\r\n{{"level": "error"}}\u2028\x1b[31m{MARKUP}'
RANGE = "from=2026-03-10&to=2026-03-18"
BASE = f"/campaigns/{CAMPAIGN}"
PAGES = ("", "/campaigns", BASE, f"{BASE}/attributions", f"{BASE}/experiment", f"{BASE}/live", "/settings/audit",
         "/settings/health", "/settings/webhooks", "/settings/apis", "/settings/users")  # fmt: skip
FILES = ("/campaigns.csv", f"{BASE}/numbers.csv", f"{BASE}/attributions.csv", f"{BASE}/activity.csv")
STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What begins a formula."""


@pytest.fixture(name="shop", scope="module")
def _shop(site: Site) -> Site:
    goal = {"goal_name": FORMULA[:60], "goal_event_name": "bought", "is_primary_goal": True}
    goals = {"conversion_goal_details": {"goals": [goal]}}
    shown = {"basic_details": {"name": FORMULA, "tags": [f"@{MARKUP}"], "team": f"+{MARKUP}"}}
    done = site.server.import_campaigns(site.owner, [document(CAMPAIGN, "EMAIL", FORMULA, **goals, **shown)])
    assert done["created"] == 1, done["errors"]
    common = {"campaign_id": CAMPAIGN, "channel": "EMAIL", "user_id": "u-1", "locale": "@de",
              "time": (NOW - timedelta(days=2)).isoformat()}  # fmt: skip
    bought = {"event_id": "n-9", "type": "custom", "name": "bought", "user_id": "u-1",
              "time": (NOW - timedelta(days=1)).isoformat()}  # fmt: skip
    kinds = ("sent", "delivered", "open", "click")
    sent = [{**common, "event_id": f"n-{kind}", "type": kind, "variation": f"=v{MARKUP}"[:32]} for kind in kinds]
    lost = {**common, "event_id": "n-lost", "type": "failed", "user_id": "u-2", "reason": f"-1+{MARKUP}"[:60]}
    verdicts = site.server.send_events(site.owner, [*sent, lost, bought])
    assert verdicts["rejected"] == 0, verdicts
    site.services.hooks.hooks.create(site.id, "postmark", name=FORMULA)
    site.services.workspaces.create_key(site.id, "ingest", name=FORMULA)
    return site


@pytest.mark.parametrize("path", PAGES)
def test_no_name_becomes_markup(shop: Site, path: str) -> None:
    answer = shop.admin.get(f"/w/{shop.id}{path}?{RANGE}")
    assert answer.status_code == 200
    assert "<img src=x" not in answer.text
    if path not in ("", "/settings/health", "/settings/users"):
        assert "&lt;img src=x" in answer.text


@pytest.mark.parametrize("path", FILES)
def test_no_name_becomes_a_formula(shop: Site, path: str) -> None:
    answer = shop.viewer.get(f"/w/{shop.id}{path}?{RANGE}&attribution=VIEW_THROUGH")
    assert answer.status_code == 200
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert len(rows) > 1
    texts = [cell for row in rows for cell in row if cell.startswith(STARTS) and not _is_number(cell)]
    assert texts == []
    if "activity" not in path:
        assert any(cell.startswith("'=") for row in rows for cell in row)


def test_no_name_becomes_a_line_of_the_log(shop: Site, log: io.StringIO) -> None:
    stranger = shop.visitor()
    stranger.get("/sign-in")
    stranger.post("/sign-in", {"email": BREAK, "password": BREAK, "next": BREAK})
    hidden = {"X-Request-Id": BREAK.encode().hex(), "User-Agent": MARKUP}
    for path in (f"/w/{quote(BREAK)}", f"/w/{shop.id}/campaigns/{quote(BREAK)}", f"/{quote(BREAK)}?q={quote(BREAK)}"):
        shop.viewer.get(path, headers=hidden)
    shop.viewer.get(f"/w/{shop.id}/campaigns?{RANGE}&q={quote(BREAK)}")
    shop.server.import_campaigns(shop.owner, [document("0" * 22 + "ab", "EMAIL", BREAK)])
    shop.admin.post(f"/w/{shop.id}/settings/webhooks/new/postmark", {"name": BREAK})
    written = log.getvalue()
    lines = written.removesuffix("\n").split("\n")
    assert len(lines) >= 6
    entries = [json.loads(line) for line in lines]
    assert {entry["level"] for entry in entries} <= {"info", "warning"}
    assert all(character.isprintable() or character == "\n" for character in written)


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What a server writes."""
    before, stream = structlog.get_config(), io.StringIO()
    configure_logging("debug", stream)
    yield stream
    structlog.configure(**before)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
