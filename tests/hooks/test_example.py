"""A log in SendGrid's form, posted as its webhook posts it: the numbers are those of counting and of its import."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from campanile.cli.importer.batches import MAX_BATCH, batches
from campanile.cli.importer.mapping import Converter, read_mapping
from campanile.cli.importer.sources import Position, open_source
from tests.hooks.served import HookHouse, Poster
from tests.intake.worlds import rows

pytestmark = pytest.mark.slow

FOLDER = Path(__file__).parent.parent.parent / "examples" / "sendgrid"
EXAMPLE = FOLDER / "events.ndjson"
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


def test_the_import_of_the_file_gives_the_same_facts(house: HookHouse) -> None:
    """Statistics are answers over these columns, so they are the same, whichever way the events came."""
    lines = [json.loads(line) for line in EXAMPLE.read_text().splitlines()]
    made = house.hook("sendgrid")
    source = open_source(str(EXAMPLE))
    converter = Converter(source.columns, read_mapping(FOLDER / "mapping.toml"))
    (batch,) = batches(source.rows(Position()), converter, "events.ndjson", MAX_BATCH)
    source.close()

    async def scenario(send: Poster) -> None:
        for start in range(0, len(lines), PER_POST):
            await send.deliver(made, lines[start : start + PER_POST])
        body = b"\n".join(line.body for line in batch.lines)
        answer = await send.post("/v1/events", body, query="?import=true", user="v:ingest-key")
        assert answer.status_code == 200, answer.text

    house.run(scenario)
    counted = (
        "event_id, type, ts, campaign_id, channel, platform, variation, locale, user_id, machine, "
        "if(type = 'failed', reason, '')"
    )
    posted, imported = (rows(house.engine, counted, workspace) for workspace in ("w", "v"))
    assert len(posted) == len({line["sg_event_id"] for line in lines})
    assert posted == imported
