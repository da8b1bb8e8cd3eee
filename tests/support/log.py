"""Write oracle events straight into the log, and measure them: the numbers without the intake in front."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec

from campanile.campaigns.schemas import Campaign
from campanile.engine import Engine
from campanile.kit.hashing import identity_key
from campanile.kit.times import Window, window
from campanile.stats.numbers import CampaignNumbers, NumbersService
from campanile.stats.repository import StatsRepository
from campanile.stats.settled.service import SettledAnswers
from campanile.workspaces.schemas import Workspace, WorkspaceSettings
from tests.oracle import model
from tests.support.attribution import service

CREATED = datetime(2024, 1, 1, tzinfo=UTC)


def workspace_of(identifier: str, settings: Mapping[str, Any]) -> Workspace:
    """A workspace with these settings."""
    return Workspace(
        id=identifier,
        name=identifier,
        settings=msgspec.convert(dict(settings), WorkspaceSettings),
        created_at=CREATED,
        pseudonym_key=bytes(32),
    )


def campaign_of(fields: Mapping[str, Any]) -> Campaign:
    """A campaign as a fixture describes it."""
    return Campaign(
        campaign_id=fields["campaign_id"],
        channel=fields["channel"],
        delivery_type=fields.get("delivery_type"),
        status="ACTIVE",
        name=fields["campaign_id"],
        parent_id=fields.get("parent_campaign_id"),
        flow_id=None,
        flow_name=None,
        created_at=CREATED,
        updated_at=CREATED,
        sent_time=None,
        platforms=tuple(fields.get("platforms", ())),
        locales=(),
        variations=(),
        goals=(),
        attribution_window_hours=None,
        campaign_control_group=bool(fields.get("campaign_control_group")),
        global_control_group=bool(fields.get("global_control_group")),
        attempts=fields.get("attempts", "explicit"),
        delivery_tracking=fields.get("delivery_tracking", True),
        source="api",
        revision=1,
        observed_platforms=(),
        observed_locales=(),
        observed_variations=(),
        first_event_at=None,
        last_event_at=None,
    )


class Family:
    """Stands in for the campaign service: the children among some campaigns."""

    def __init__(self, campaigns: Iterable[Campaign]) -> None:
        self._campaigns = list(campaigns)

    def recall_children(self, _: str, parents: Sequence[str]) -> None:
        """Remembers nothing."""

    def children_of(self, _: str, parents: Sequence[str]) -> dict[str, list[Campaign]]:
        return {parent: [child for child in self._campaigns if child.parent_id == parent] for parent in parents}


def write(engine: Engine, workspace: str, events: Sequence[Mapping[str, Any]], *, first: int = 1) -> None:
    """Append events of a fixture as they are, one sequence number each, from `first`."""
    if not events:
        return

    def column(name: str, default: Any = "") -> list[Any]:
        return [event.get(name, default) for event in events]

    engine.append(
        "events",
        {
            "workspace_id": [workspace] * len(events),
            "campaign_id": column("campaign_id"),
            "type": column("type"),
            "ts": [model.instant(event["ts"]) for event in events],
            "event_key": [identity_key(event["event_id"]) for event in events],
            "message_key": [0] * len(events),
            "sequence": list(range(first, first + len(events))),
            "received_at": [CREATED] * len(events),
            "channel": column("channel"),
            "platform": [model.platform(event) for event in events],
            "locale": column("locale"),
            "variation": column("variation"),
            "instance_id": [event.get("instance_id") or event["campaign_id"] for event in events],
            "user_id": column("user_id"),
            "device_id": column("device_id"),
            "reason": [model.reason(event) for event in events],
            "step": column("step"),
            "machine": column("machine", False),
            "goal": column("goal"),
            "attribution": column("attribution"),
            "revenue": column("revenue", None),
            "event_id": column("event_id"),
        },
    )


async def measured(
    engine: Engine,
    past: model.Workspace,
    identifier: str = "w",
    *,
    days: Window | None = None,
    settled: SettledAnswers | None = None,
) -> dict[str, CampaignNumbers]:
    """Numbers of all campaigns of a past that is already in the log, over `days` or what its request asks for."""
    campaigns = [campaign_of(fields) for fields in past.campaigns]
    numbers = NumbersService(StatsRepository(engine), Family(campaigns), service(engine, campaigns), settled)
    workspace = workspace_of(identifier, past.settings)
    if days is None:
        first, last = (date.fromisoformat(past.request[name]) for name in ("start_date", "end_date"))
        days = window(first, last, workspace.settings.timezone)
    return await numbers.measure(workspace, campaigns, days, "VIEW_THROUGH", all_platforms=True)
