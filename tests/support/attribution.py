"""Histories of the attribution oracle in the log, and their numbers as the program under test sees them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from campanile.attribution.repository import ConversionRepository
from campanile.attribution.service import ConversionService
from campanile.campaigns.schemas import Campaign, Goal
from campanile.engine import Engine
from campanile.intake.merges import Aliases
from campanile.intake.repository import LogRepository
from campanile.kit.hashing import identity_key
from campanile.kit.times import Window
from campanile.metrics.reasons import CAMPAIGN_CONTROL, GLOBAL_CONTROL
from campanile.workspaces.schemas import Workspace, WorkspaceSettings
from tests.oracle import attribution as oracle

Fields = Mapping[str, Any]
CREATED = datetime(2000, 1, 1, tzinfo=UTC)
REASONS = {"campaign_control_group": CAMPAIGN_CONTROL, "global_control_group": GLOBAL_CONTROL}
EVERYTHING = Window(
    date(2025, 1, 1), date(2027, 12, 31), "UTC", datetime(2025, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
)


def workspace(identifier: str, settings: Fields) -> Workspace:
    known = {
        "timezone": settings["timezone"],
        "show_ios_impressions": settings.get("show_ios_impressions", True),
        "attribution_exclude_machine": settings.get("exclude_machine", False),
    }
    return Workspace(identifier, identifier, msgspec.convert(known, WorkspaceSettings), CREATED, bytes(32))


def campaign(fields: Fields, parent: Fields | None = None) -> Campaign:
    """A campaign as the campaign service would show it: a child has the goals of its parent."""
    above = parent or fields
    return Campaign(
        campaign_id=fields["campaign_id"],
        channel=fields["channel"],
        delivery_type=fields.get("delivery_type"),
        status="ACTIVE",
        name=fields.get("name", fields["campaign_id"]),
        parent_id=fields.get("parent_campaign_id"),
        flow_id=fields.get("flow_id"),
        flow_name=None,
        created_at=oracle.instant(fields["created_at"]) if "created_at" in fields else CREATED,
        updated_at=CREATED,
        sent_time=None,
        platforms=tuple(fields.get("platforms", ())),
        locales=(),
        variations=(),
        goals=tuple(
            Goal(
                name=goal["goal_name"],
                event=goal["goal_event_name"],
                attribute=json.dumps(goal["goal_event_attribute"]) if "goal_event_attribute" in goal else "",
                is_primary=goal.get("is_primary_goal", False),
                revenue_attribute=goal.get("revenue_attribute", ""),
                revenue_currency=goal.get("revenue_currency", ""),
                attribution_window_hours=goal.get("attribution_window_in_hours"),
            )
            for goal in above.get("goals", ())
        ),
        attribution_window_hours=above.get("attribution_window_in_hours"),
        campaign_control_group=bool(fields.get("campaign_control_group")),
        global_control_group=bool(fields.get("global_control_group")),
        attempts="implied",
        delivery_tracking=above.get("delivery_tracking", True),
        source="api",
        revision=1,
        observed_platforms=(),
        observed_locales=(),
        observed_variations=(),
        first_event_at=None,
        last_event_at=None,
    )


def campaigns(of: Iterable[Fields]) -> list[Campaign]:
    fields = {item["campaign_id"]: item for item in of}
    return [campaign(item, fields.get(item.get("parent_campaign_id", ""))) for item in fields.values()]


class Registry:
    """Stands in for the campaign service."""

    def __init__(self, of: Iterable[Campaign]) -> None:
        self._all = {item.campaign_id: item for item in of}

    def get_many(self, _: str, ids: Collection[str]) -> dict[str, Campaign]:
        return {name: self._all[name] for name in ids if name in self._all}

    def children_of(self, _: str, parent_ids: Collection[str]) -> dict[str, list[Campaign]]:
        return {name: [item for item in self._all.values() if item.parent_id == name] for name in parent_ids}

    def everything(self, _: str) -> list[Campaign]:
        return list(self._all.values())


def service(engine: Engine, of: Iterable[Campaign]) -> ConversionService:
    return ConversionService(ConversionRepository(engine), Registry(of))


def write(
    engine: Engine, identifier: str, events: Sequence[Fields], channels: Mapping[str, str], *, first: int = 1
) -> None:
    """Append events in their order; each takes the next sequence number from `first`. `channels`: of every campaign."""
    rows = [event for event in events if event["type"] != "user_merge"]
    if not rows:
        return

    def column(name: str, default: Any = "") -> list[Any]:
        return [event.get(name) or default for event in rows]

    engine.append(
        "events",
        {
            "workspace_id": [identifier] * len(rows),
            "campaign_id": column("campaign_id"),
            "type": column("type"),
            "ts": [oracle.instant(event["ts"]) for event in rows],
            "event_key": [identity_key(identifier, event["event_id"]) for event in rows],
            "message_key": [0] * len(rows),
            "sequence": list(range(first, first + len(rows))),
            "received_at": [CREATED] * len(rows),
            "channel": [channels.get(event.get("campaign_id", ""), "") for event in rows],
            "platform": [_platform(event, channels) for event in rows],
            "locale": column("locale"),
            "variation": column("variation"),
            "instance_id": [event.get("instance_id") or event.get("campaign_id") or "" for event in rows],
            "user_id": column("user_id"),
            "device_id": column("device_id"),
            "reason": [REASONS.get(event.get("reason", ""), event.get("reason", "")) for event in rows],
            "step": column("step"),
            "machine": column("machine", False),
            "name": column("name"),
            "revenue": [event.get("revenue") for event in rows],
            "attributes": [_json(event.get("attributes")) for event in rows],
            "event_id": column("event_id"),
        },
    )


def first_copies(facts: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What the intake lets through: events with an id of their own, and merges."""
    found: dict[str, Mapping[str, Any]] = {}
    for number, fact in enumerate(facts):
        found.setdefault(f"merge {number}" if fact["type"] == "user_merge" else fact["event_id"], fact)
    return list(found.values())


class ArrivingLog:
    """A log that facts arrive in, as the intake stores them: repetitions, and merges of users at any time."""

    def __init__(self, engine: Engine, identifier: str, channels: Mapping[str, str]) -> None:
        self._engine = engine
        self._identifier = identifier
        self._channels = channels
        self._aliases = Aliases()
        self._sequence = 1

    def take(self, facts: Sequence[Fields]) -> None:
        """Store one group."""
        merges = [(fact["from_user_id"], fact["to_user_id"]) for fact in facts if fact["type"] == "user_merge"]
        moves = self._aliases.moves(merges)
        events = [
            {**fact, "user_id": self._aliases.canonical(fact["user_id"])}
            for fact in facts
            if fact["type"] != "user_merge"
        ]
        write(self._engine, self._identifier, events, self._channels, first=self._sequence)
        self._sequence += len(events) + 1
        if moves:
            log = LogRepository(self._engine)
            log.append_aliases(self._identifier, moves, self._sequence)
            log.copy_users(self._identifier, moves, self._sequence)
            self._engine.note_merges(self._identifier, self._sequence)


def _platform(event: Fields, channels: Mapping[str, str]) -> str:
    if not event.get("campaign_id"):
        return str(event.get("platform") or "").upper()
    return oracle.platform_of(event, channels[event["campaign_id"]])


def _json(attributes: Any) -> str:
    return json.dumps(attributes, default=_exact, sort_keys=True) if attributes else ""


def _exact(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError


def days(first: date, last: date, zone_start: datetime, zone_end: datetime, timezone: str) -> Window:
    return Window(first, last, timezone, zone_start, zone_end)


def span(start: datetime, length: timedelta) -> Window:
    """Any range of instants, for tests that do not care about days."""
    return Window(start.date(), (start + length).date(), "UTC", start, start + length)
