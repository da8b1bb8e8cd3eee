"""A recorded log of SendGrid, posted as its webhook posts it: the numbers are those of plain counting."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.hooks.served import HookHouse, Poster
from tests.intake.worlds import rows

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "sendgrid" / "events.ndjson"
TYPES = {
    "processed": "sent", "delivered": "delivered", "open": "open", "click": "click", "dropped": "failed",
    "spamreport": "complaint", "unsubscribe": "unsubscribe", "group_unsubscribe": "unsubscribe", "deferred": "deferred",
}  # fmt: skip
BOUNCES = {"bounce": "hard_bounce", "blocked": "soft_bounce"}
PER_POST = 100


@pytest.mark.parametrize("seed", [1, 2])
def test_the_numbers_are_those_of_the_file(house: HookHouse, seed: int) -> None:
    lines = [json.loads(line) for line in EXAMPLE.read_text().splitlines()]
    facts = {line["sg_event_id"]: line for line in lines}
    expected = sorted(
        (
            BOUNCES[fact["type"]] if fact["event"] == "bounce" else TYPES[fact["event"]],
            fact["cmp_campaign_id"],
            fact["cmp_variation"],
            fact["cmp_user_id"],
            bool(fact.get("sg_machine_open")),
        )
        for fact in facts.values()
    )
    random.Random(seed).shuffle(lines)
    made = house.hook("sendgrid")

    async def scenario(send: Poster) -> None:
        for start in range(0, len(lines), PER_POST):
            answer = await send.deliver(made, lines[start : start + PER_POST])
            assert answer.json()["dead_lettered"] == 0, answer.text

    house.run(scenario)
    assert rows(house.engine, "type, campaign_id, variation, user_id, machine") == expected
