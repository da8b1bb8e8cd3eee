"""Small worlds for tests of the intake: events, campaigns that live in memory, and a look into the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from campanile.campaigns.schemas import OVERFLOW, Campaign, CampaignHint
from campanile.campaigns.service import CampaignService
from campanile.clock import FixedClock
from campanile.engine import Engine
from campanile.engine.questions import parse_question
from campanile.errors import Problem
from campanile.intake.batch import Batch
from campanile.intake.committer import Committer
from campanile.intake.event import Event
from campanile.intake.ledger import Ledger
from campanile.intake.merges import Mark, MergeMarks, Merges
from campanile.intake.registrar import Registrar
from campanile.intake.repository import LogRepository, WorkspaceLocks
from campanile.settings import Settings
from campanile.workspaces.schemas import Workspace, WorkspaceSettings

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
CAMPAIGN = "68e0c0ffee00000000000001"
OTHER_CAMPAIGN = "68e0c0ffee00000000000002"


def workspace(name: str = "w", **settings: Any) -> Workspace:
    return Workspace(name, name, WorkspaceSettings(**settings), NOW, b"p" * 32)


def event(event_id: str, **fields: Any) -> Event:
    values = {
        "type": "click",
        "ts": NOW - timedelta(hours=1),
        "campaign_id": CAMPAIGN,
        "channel": "EMAIL",
        "platform": "EMAIL",
        "instance_id": CAMPAIGN,
        "user_id": "u-1",
        **fields,
    }
    return Event(event_id=event_id, **values)


def message(event_id: str, **fields: Any) -> Event:
    """An event with a natural key."""
    return event(event_id, **{"type": "sent", "provider": "fcm", "message_id": "m-1", **fields})


class Campaigns:
    """The rules of registration, in memory."""

    def __init__(self, *, locales: int = 200) -> None:
        self.stored: dict[tuple[str, str], Campaign] = {}
        self.hints: list[CampaignHint] = []
        self._locales = locales

    def get_many(self, workspace_id: str, ids: Sequence[str]) -> dict[str, Campaign]:
        return {name: self.stored[workspace_id, name] for name in ids if (workspace_id, name) in self.stored}

    contradiction = staticmethod(CampaignService.contradiction)

    def register(self, owner: Workspace, hints: Sequence[CampaignHint]) -> dict[str, Campaign | Problem]:
        self.hints.extend(hints)
        outcomes: dict[str, Campaign | Problem] = {}
        for hint in hints:
            outcome = self._register(owner, hint)
            if isinstance(outcome, Campaign) or hint.campaign_id not in outcomes:
                outcomes[hint.campaign_id] = outcome
        return outcomes

    def _register(self, owner: Workspace, hint: CampaignHint) -> Campaign | Problem:
        known = self.stored.get((owner.id, hint.campaign_id))
        if known is None and not (hint.channel and owner.settings.auto_register_campaigns):
            return Problem("unknown_campaign", "unknown", "campaign_id")
        if known is None:
            known = campaign(hint.campaign_id, hint.channel, parent_id=hint.parent_id or None)
        if hint.channel not in ("", known.channel) or hint.parent_id not in ("", known.parent_id or hint.parent_id):
            return Problem("campaign_conflict", "differs", "channel")
        locales = set(known.observed_locales)
        for locale in sorted(hint.locales):
            locales.add(locale if len(locales) < self._locales else OVERFLOW)
        known = msgspec.structs.replace(
            known,
            parent_id=known.parent_id or hint.parent_id or None,
            observed_platforms=tuple(sorted({*known.observed_platforms, *hint.platforms})),
            observed_locales=tuple(sorted(locales)),
            observed_variations=tuple(sorted({*known.observed_variations, *hint.variations})),
        )
        self.stored[owner.id, hint.campaign_id] = known
        return known


def campaign(campaign_id: str, channel: str = "EMAIL", *, parent_id: str | None = None) -> Campaign:
    return Campaign(
        campaign_id=campaign_id, channel=channel, delivery_type=None, status="ACTIVE", name=campaign_id,
        parent_id=parent_id, flow_id=None, flow_name=None, created_at=NOW, updated_at=NOW, sent_time=None,
        platforms=(), locales=(), variations=(), goals=(), attribution_window_hours=None,
        campaign_control_group=False, global_control_group=False, attempts="explicit", delivery_tracking=True,
        source="event", revision=1, observed_platforms=(), observed_locales=(), observed_variations=(),
        first_event_at=None, last_event_at=None,
    )  # fmt: skip


class NoLocks(WorkspaceLocks):
    """One process only."""

    effective = False

    def __init__(self) -> None:
        pass


class Marks:
    """The marks of merges, in memory that outlives a house."""

    def __init__(self) -> None:
        self.known: dict[str, Mark] = {}

    def read(self, workspace: str) -> Mark:
        return self.known.get(workspace, Mark())

    def write(self, workspace: str, mark: Mark) -> None:
        self.known[workspace] = mark


class House:
    """A committer over an engine; `reopen` forgets everything that is only in memory."""

    def __init__(
        self,
        engine: Engine,
        clock: FixedClock,
        campaigns: Campaigns | None = None,
        locks: WorkspaceLocks | None = None,
        marks: MergeMarks | None = None,
        **settings: Any,
    ) -> None:
        self.locks = locks or NoLocks()
        self.marks = marks or Marks()
        self.engine = engine
        self.clock = clock
        self.campaigns = campaigns or Campaigns()
        self.settings = Settings(**{"commit_interval": 0.0, **settings})
        self.recent_keys = 1_000
        self.open()

    def open(self) -> None:
        self.log = LogRepository(self.engine)
        self.ledger = Ledger(self.log, self.clock, locked=self.locks.effective, recent_keys=self.recent_keys)
        self.registrar = Registrar(self.campaigns)  # type: ignore[arg-type]  # the part of it that is used here
        self.merges = Merges(
            self.log,
            self.marks,
            self.engine.note_merges,
            self.ledger.next_sequence,
            followed=self.log.shared,
        )
        self.committer = Committer(
            self.ledger,
            self.log,
            self.registrar,
            self.merges,
            self.locks,
            self.settings,
            self.clock,
            monotonic=lambda: 0.0,
        )

    def reopen(self) -> None:
        self.ledger.close()
        self.open()

    def batch(self, events: Iterable[Event], owner: Workspace | None = None, *, atomic: bool = False) -> Batch:
        return Batch(owner or workspace(), list(events), self.clock.now(), atomic=atomic)


def rows(engine: Engine, columns: str, owner: str = "w", *, source: str = "events") -> list[tuple[Any, ...]]:
    """All rows of a workspace, as every question sees them (`events`) or as they were written (`raw_events`)."""
    question = parse_question("test", f"SELECT {columns} FROM {{{{{source}}}}}")
    return sorted(
        tuple(value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for value in row)
        for row in engine._run(question, {"workspace": owner})
    )


def stored_ids(engine: Engine, owner: str = "w") -> list[str]:
    return [row[0] for row in rows(engine, "event_id", owner)]
