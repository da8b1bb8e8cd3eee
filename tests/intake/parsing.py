"""Records and verdicts for tests of the intake's pure half."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from campanile.intake.event import Event
from campanile.intake.limits import Limits
from campanile.intake.parse import parse_events
from campanile.intake.policy import Policy
from campanile.intake.verdicts import ParsedBatch, Rejection

NOW = datetime(2025, 10, 9, 12, 0, tzinfo=UTC)
CAMPAIGN = "68e0c0ffee00000000000001"
POLICY = Policy(workspace_id="ws1", pseudonym_key=b"pseudonym-key-for-tests")
STRICT = msgspec.structs.replace(POLICY, strict=True)
UNBOUNDED = msgspec.structs.replace(POLICY, limits=Limits(age=None, future=timedelta(days=9999)))


def record(**changes: Any) -> dict[str, Any]:
    """A valid `sent` event as a sender writes it; `...` takes a field away."""
    base = {
        "event_id": "e-1",
        "type": "sent",
        "time": "2025-10-09T09:00:00Z",
        "campaign_id": CAMPAIGN,
        "channel": "PUSH",
        "platform": "ANDROID",
        "user_id": "u-1",
    }
    return {name: value for name, value in (base | changes).items() if value is not ...}


def custom(**changes: Any) -> dict[str, Any]:
    """A valid `custom` event."""
    base = {"event_id": "c-1", "type": "custom", "time": "2025-10-09T09:00:00Z", "name": "purchase", "user_id": "u-1"}
    return {name: value for name, value in (base | changes).items() if value is not ...}


def conversion(**changes: Any) -> dict[str, Any]:
    """A valid `conversion` event."""
    return record(**({"type": "conversion", "goal": "Goal 1", "attribution": "CLICK_THROUGH"} | changes))


def ndjson(*records: Any) -> bytes:
    """Records, or lines that are bytes already, as an NDJSON body."""
    return b"\n".join(item if isinstance(item, bytes) else json.dumps(item).encode() for item in records)


def parsed(*records: Any, policy: Policy = POLICY, key: str | None = None) -> ParsedBatch:
    """The verdicts on records sent as NDJSON at `NOW`."""
    return parse_events(ndjson(*records), "ndjson", policy, NOW, idempotency_key=key)


def event(item: Any, policy: Policy = POLICY) -> Event:
    """The event of one record that must be taken."""
    batch = parsed(item, policy=policy)
    assert batch.rejections == []
    return batch.events[0]


def refused(item: Any, policy: Policy = POLICY) -> Rejection:
    """The rejection of one record that must be refused."""
    batch = parsed(item, policy=policy)
    assert batch.events == []
    return batch.rejections[0]


def verdict(item: Any, policy: Policy = POLICY) -> tuple[str, str]:
    """Code and field of the rejection of one record."""
    found = refused(item, policy)
    return found.code, found.field


def policy_with(**limits: Any) -> Any:
    return msgspec.structs.replace(POLICY, limits=Limits(**limits))


def warnings(*records: Any, policy: Any = POLICY) -> list[tuple[str, str, int]]:
    return [(item.code, item.field, item.count) for item in parsed(*records, policy=policy).warnings]
