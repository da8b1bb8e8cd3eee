"""The example log: its numbers in the documentation are those of a plain count over the file."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "sendgrid"
CAMPAIGN = "5a11ad000000000000000001"


def test_the_log_is_what_its_script_writes() -> None:
    made = subprocess.run([sys.executable, str(EXAMPLE / "make.py")], capture_output=True, text=True, check=True)
    assert made.stdout == (EXAMPLE / "events.ndjson").read_text()


def test_the_page_shows_what_a_plain_count_gives() -> None:
    rows = [json.loads(line) for line in (EXAMPLE / "events.ndjson").read_text().splitlines()]
    facts = {row["sg_event_id"]: row for row in rows if row["cmp_campaign_id"] == CAMPAIGN}.values()

    def users(*, variation: str = "", **fields: str) -> int:
        return len(
            {
                fact["cmp_user_id"]
                for fact in facts
                if variation in ("", fact["cmp_variation"])
                and all(fact.get(key) == value for key, value in fields.items())
            }
        )

    assert len(rows) > len({row["sg_event_id"] for row in rows}), "the webhook repeated nothing"
    assert users(event="processed") == 147
    assert users(event="dropped") == 3
    assert users(event="delivered") == 140
    assert (users(event="bounce", type="bounce"), users(event="bounce", type="blocked")) == (6, 1)
    assert [users(event="open", variation=variation) for variation in ("", "A", "B")] == [85, 41, 44]
    assert [users(event="click", variation=variation) for variation in ("", "A", "B")] == [28, 13, 15]
    page = (EXAMPLE.parent.parent / "docs" / "importing.md").read_text()
    for shown in ('"sent": 147', '"delivered": 140', '"opened": 85', '"click": 28', '"hard_bounce": 6'):
        assert shown in page
