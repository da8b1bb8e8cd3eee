"""Events to measure with: the same facts as request bodies and as columns of the log."""

from __future__ import annotations

import json
import ssl
import threading
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import httpx
import pyarrow as pa
from tests.support.server import Credentials

from campanile.engine.tables import arrow_table
from campanile.kit.hashing import identity_key

NOW = datetime.now(UTC).replace(microsecond=0)
TYPES = ("attempted", "sent", "delivered", "open", "click")

NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For plain HTTP. Without it every new client reads the certificates of the world, longer than a request takes."""


class Load(NamedTuple):
    """The same events twice."""

    bodies: list[bytes]
    """NDJSON, one request each."""
    tables: list[pa.Table]
    """Arrow, one insert each."""
    events: int


def events(count: int, tag: str, campaigns: int = 5) -> list[dict[str, Any]]:
    """Typical e-mail events, five of each user in one campaign; ids are unique per tag."""
    start = NOW - timedelta(days=2)
    return [
        {
            "event_id": f"{tag}-{number:09d}",
            "type": TYPES[number % 5],
            "time": (start + timedelta(milliseconds=37 * number)).isoformat(timespec="milliseconds"),
            "campaign_id": f"{number // 5 % campaigns:024x}",
            "channel": "EMAIL",
            "user_id": f"customer-{number // 5:08d}",
            "locale": ("en", "de", "ja")[number // 5 // campaigns % 3],
            "variation": f"variation_{1 + number // 5 // campaigns % 2}",
            "message_id": f"<{tag}-{number // 5}@mail.example>",
        }
        for number in range(count)
    ]


def load(count: int, tag: str, *, per_request: int, per_insert: int) -> Load:
    """`count` events, cut into requests and into inserts."""
    facts = events(count, tag)
    tables = [
        arrow_table("events", columns(facts[start : start + per_insert])) for start in range(0, count, per_insert)
    ]
    return Load(_ndjson(facts, per_request), tables, count)


def bodies(count: int, tag: str, *, per_request: int, campaigns: int = 5) -> list[bytes]:
    """`count` events as request bodies only."""
    return _ndjson(events(count, tag, campaigns), per_request)


def _ndjson(facts: list[dict[str, Any]], per_request: int) -> list[bytes]:
    return [
        "\n".join(json.dumps(event) for event in facts[start : start + per_request]).encode()
        for start in range(0, len(facts), per_request)
    ]


def columns(facts: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """What the intake writes for these events."""
    size = len(facts)
    now = datetime.now(UTC)

    def text(name: str) -> list[str]:
        return [fact[name] for fact in facts]

    return {
        "workspace_id": ["bench"] * size,
        "campaign_id": text("campaign_id"),
        "type": text("type"),
        "ts": [datetime.fromisoformat(fact["time"]) for fact in facts],
        "event_key": [identity_key(fact["event_id"]) for fact in facts],
        "message_key": [0] * size,
        "sequence": [int(now.timestamp() * 1e6)] * size,
        "received_at": [now] * size,
        "channel": text("channel"),
        "platform": text("channel"),
        "locale": text("locale"),
        "variation": text("variation"),
        "instance_id": text("campaign_id"),
        "user_id": text("user_id"),
        "machine": [False] * size,
        "message_id": text("message_id"),
        "event_id": text("event_id"),
    }


def post_all(url: str, credentials: Credentials, bodies: list[bytes], clients: int) -> None:
    """Post every body once, from `clients` connections at a time.

    Raises:
        RuntimeError: an answer other than 200; nothing of this kind may enter a measurement.
    """
    waiting = list(reversed(bodies))
    failures: list[str] = []

    def work() -> None:
        headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {credentials.ingest_key}"}
        with httpx.Client(timeout=120, headers=headers, verify=NO_CERTIFICATES) as client:
            while waiting and not failures:
                try:
                    body = waiting.pop()
                except IndexError:
                    return
                answer = client.post(f"{url}/v1/events", content=body)
                if answer.status_code != 200:
                    failures.append(f"{answer.status_code}: {answer.text[:300]}")

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(failures[0])


def ask(url: str, credentials: Credentials, campaigns: int = 5) -> None:
    """One page of the Stats API over all the campaigns of `events`, which must be there."""
    body = {
        "request_id": "bench",
        "campaign_ids": [f"{number:024x}" for number in range(campaigns)],
        "start_date": (NOW - timedelta(days=3)).date().isoformat(),
        "end_date": NOW.date().isoformat(),
        "attribution_type": "VIEW_THROUGH",
        "metric_type": "UNIQUE",
    }
    answer = httpx.post(
        f"{url}/core-services/v1/campaign-stats",
        json=body,
        auth=(credentials.workspace_id, credentials.report_key),
        headers={"MOE-APPKEY": credentials.workspace_id},
        timeout=120,
    )
    answer.raise_for_status()
    if len(answer.json()["data"]) != campaigns:
        raise RuntimeError(answer.text[:300])
