"""Write `events.ndjson`: an invented log in the shape of SendGrid's event webhook, one event per line.

    python examples/sendgrid/make.py > examples/sendgrid/events.ndjson

Two mailings of March 2026, 150 recipients; with deferrals, bounces, blocks, drops, machine opens, repeated deliveries
of the same event by the webhook, complaints and unsubscribes. People, addresses and ids are made up.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

MAILINGS = {"5a11ad000000000000000001": ("A", "B"), "5a11ad000000000000000002": ("A",)}
START = datetime(2026, 3, 3, 8, 0, tzinfo=UTC)
RECIPIENTS = 150


def log() -> Iterator[dict[str, object]]:
    dice = random.Random(20260303)  # noqa: S311 - an example, not a secret
    for week, (campaign, variations) in enumerate(MAILINGS.items()):
        for person in range(RECIPIENTS):
            message = f"m{week}-{person:03d}"
            sent = START + timedelta(days=7 * week, seconds=person)
            common = {
                "email": f"person{person:03d}@example.net",
                "sg_message_id": f"{message}.recvd-7f.0",
                "cmp_campaign_id": campaign,
                "cmp_variation": variations[person % len(variations)],
                "cmp_user_id": f"u-{person:03d}",
            }
            for number, (kind, delay, more) in enumerate(journey(dice)):
                event = {"event": kind, "timestamp": int((sent + timedelta(seconds=delay)).timestamp())}
                row = {**event, "sg_event_id": f"{message}-{number}", **common, **more}
                yield row
                if dice.random() < 0.03:
                    yield row  # the webhook delivers at least once


def journey(dice: random.Random) -> Iterator[tuple[str, int, dict[str, object]]]:
    """What happens to one message: (event, seconds after the send, further fields)."""
    if dice.random() < 0.02:
        yield "dropped", 0, {"reason": "Bounced Address"}
        return
    yield "processed", 0, {}
    if dice.random() < 0.05:
        yield "deferred", 20, {"response": "450 try again later"}
    fate = dice.random()
    if fate < 0.03:
        yield "bounce", 60, {"type": "bounce", "status": "5.1.1", "reason": "550 no such user"}
        return
    if fate < 0.05:
        yield "bounce", 90, {"type": "blocked", "status": "4.2.2", "reason": "452 mailbox full"}
        return
    yield "delivered", 5, {}
    opened = dice.random()
    if opened < 0.15:
        yield "open", 10, {"sg_machine_open": True}
    if opened < 0.55:
        for times in range(dice.choice((1, 1, 2, 3))):
            yield "open", 3600 + 7200 * times, {"sg_machine_open": False}
    if opened < 0.12:
        for _ in range(dice.choice((1, 2))):
            yield "click", 4000 + dice.randrange(9000), {"url": "https://shop.example.com/spring?utm_source=mail"}
    if opened > 0.985:
        yield "spamreport", 9000, {}
    elif opened > 0.97:
        yield "unsubscribe", 9500, {}


if __name__ == "__main__":
    for event in log():
        sys.stdout.write(json.dumps(event) + "\n")
