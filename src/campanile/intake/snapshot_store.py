"""Stores reported counts: each snapshot once, cells reported in one way (ingest specification 4.6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from campanile.campaigns.schemas import OVERFLOW, OVERFLOW_PLATFORM, Campaign, CampaignHint
from campanile.errors import Problem
from campanile.intake.committer import Outcome
from campanile.intake.keys import event_key
from campanile.intake.ledger import Ledger
from campanile.intake.repository import LogRepository, WorkspaceLocks
from campanile.intake.snapshots import Snapshot
from campanile.intake.verdicts import Warned
from campanile.kit.times import day_start
from campanile.metrics.channels import ALL_LOCALES, ALL_VARIATIONS
from campanile.workspaces.schemas import Workspace

if TYPE_CHECKING:
    from campanile.campaigns.service import CampaignService

Cell = tuple[str, date, str, str, str]
"""Campaign, day, platform, locale, variation."""


class SnapshotStore:
    """Writes snapshots. Its calls must not overlap: they run in the committer's thread."""

    def __init__(
        self,
        log: LogRepository,
        campaigns: CampaignService,
        locks: WorkspaceLocks,
        ledger: Ledger,
    ) -> None:
        self._log = log
        self._locks = locks
        self._campaigns = campaigns
        self._ledger = ledger

    def write(
        self,
        workspace: Workspace,
        snapshots: Sequence[Snapshot],
        received_at: datetime,
        *,
        atomic: bool = False,
        rehearsal: bool = False,
    ) -> Outcome:
        """Store what is new; returns when it is durable and visible. A rehearsal changes nothing.

        Raises:
            EngineUnavailable: the snapshots may or may not have been stored; sending them again is safe.
        """
        with self._locks.held([workspace.id]):
            return self._write(workspace, snapshots, received_at, atomic=atomic, rehearsal=rehearsal)

    def _write(
        self,
        workspace: Workspace,
        snapshots: Sequence[Snapshot],
        received_at: datetime,
        *,
        atomic: bool,
        rehearsal: bool,
    ) -> Outcome:
        keys = [event_key(snapshot.snapshot_id) for snapshot in snapshots]
        known = self._log.known_snapshots(workspace.id, [int.from_bytes(key, "little") for key in keys])
        duplicates = {place for place, key in enumerate(keys) if int.from_bytes(key, "little") in known}
        open_ = {place: snapshots[place] for place in range(len(snapshots)) if place not in duplicates}
        rejected, open_, warnings = self._register(workspace, open_, rehearsal=rehearsal)
        copies, conflicting = _copies(open_)
        for place in copies:
            del open_[place]
        for place in self._other_modes(workspace, open_):
            rejected[place] = Problem(
                "snapshot_mode_conflict", "mode differs from the one its cell has been reported in", "mode"
            )
            del open_[place]
        if atomic and rejected:
            open_ = {}
        if open_ and not rehearsal:
            self._append(workspace, open_, keys, received_at)
        return Outcome(len(open_), frozenset(duplicates | copies), rejected, conflicting, warnings)

    def _register(
        self, workspace: Workspace, open_: Mapping[int, Snapshot], *, rehearsal: bool
    ) -> tuple[dict[int, Problem], dict[int, Snapshot], tuple[Warned, ...]]:
        """(rejected, the others as they are to be stored, warnings)"""
        ids = {snapshot.campaign_id for snapshot in open_.values()}
        before = self._campaigns.get_many(workspace.id, ids)
        verdicts: dict[str, Campaign | Problem] = dict(before)
        if not rehearsal:
            hints = list(_hints(open_.values(), ZoneInfo(workspace.settings.timezone)))
            verdicts = self._campaigns.register(workspace, hints)
        elif not workspace.settings.auto_register_campaigns:
            unknown = Problem("unknown_campaign", "the campaign is unknown", "campaign_id")
            verdicts = {name: before.get(name, unknown) for name in ids}
        rejected: dict[int, Problem] = {}
        kept: dict[int, Snapshot] = {}
        moved = 0
        for place, snapshot in open_.items():
            verdict = verdicts.get(snapshot.campaign_id)
            if isinstance(verdict, Campaign):
                problem = self._campaigns.contradiction(verdict, channel=snapshot.channel)
                if problem is None and not rehearsal:
                    kept[place] = _bounded(snapshot, verdict)
                    moved += kept[place] is not snapshot
                    continue
                verdict = problem
            if verdict is None:
                kept[place] = snapshot
            else:
                rejected[place] = verdict
        created = sum(name not in before and isinstance(verdict, Campaign) for name, verdict in verdicts.items())
        warnings = [Warned("campaign_auto_created", "campaign_id", created)] if created else []
        warnings += [Warned("too_many_values", "", moved)] if moved else []
        return rejected, kept, tuple(warnings)

    def _other_modes(self, workspace: Workspace, open_: Mapping[int, Snapshot]) -> set[int]:
        """Places of the snapshots whose cell is reported in the other mode, by what is stored or by one before."""
        if not open_:
            return set()
        days = [snapshot.date for snapshot in open_.values()]
        ids = sorted({snapshot.campaign_id for snapshot in open_.values()})
        modes: dict[Cell, str] = self._log.snapshot_modes(workspace.id, ids, min(days), max(days))
        return {
            place
            for place, snapshot in open_.items()
            if modes.setdefault(_cell(snapshot), snapshot.mode) != snapshot.mode
        }

    def _append(
        self, workspace: Workspace, open_: Mapping[int, Snapshot], keys: Sequence[bytes], received_at: datetime
    ) -> None:
        self._ledger.catch_up(workspace.id)
        sequence = self._ledger.next_sequence([workspace.id])
        rows = [
            {
                "workspace_id": workspace.id,
                "campaign_id": snapshot.campaign_id,
                "date": snapshot.date,
                "platform": snapshot.platform,
                "locale": snapshot.locale,
                "variation": snapshot.variation,
                "mode": snapshot.mode,
                "as_of": snapshot.as_of,
                "snapshot_id": snapshot.snapshot_id,
                "snapshot_key": keys[place],
                "sequence": sequence,
                "received_at": received_at,
                **msgspec.structs.asdict(value),
            }
            for place, snapshot in open_.items()
            for value in snapshot.values
        ]
        columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
        self._log.append_snapshots(columns)


def _cell(snapshot: Snapshot) -> Cell:
    return snapshot.campaign_id, snapshot.date, snapshot.platform, snapshot.locale, snapshot.variation


def _copies(open_: Mapping[int, Snapshot]) -> tuple[set[int], int]:
    """Places of snapshots that repeat an id of the same request, and how many of them differ from what counts.

    They were received at the same instant, so the one with the smallest content counts.
    """
    counted: dict[str, bytes] = {}
    copies: set[int] = set()
    conflicting = 0
    for content, place in sorted((msgspec.json.encode(snapshot), place) for place, snapshot in open_.items()):
        first = counted.setdefault(open_[place].snapshot_id, content)
        if first is not content:
            copies.add(place)
            conflicting += first != content
    return copies, conflicting


def _hints(snapshots: Iterable[Snapshot], zone: ZoneInfo) -> Iterator[CampaignHint]:
    """What snapshots say about their campaigns; those of different channels apart."""
    parts: dict[tuple[str, str], list[Snapshot]] = {}
    for snapshot in snapshots:
        parts.setdefault((snapshot.campaign_id, snapshot.channel), []).append(snapshot)
    for (campaign_id, channel), part in parts.items():
        days = [snapshot.date for snapshot in part]
        yield CampaignHint(
            campaign_id=campaign_id,
            first_at=day_start(min(days), zone),
            last_at=day_start(max(days), zone),
            channel=channel,
            name=next((snapshot.campaign_name for snapshot in part if snapshot.campaign_name), ""),
            platforms=frozenset(snapshot.platform for snapshot in part),
            locales=frozenset(snapshot.locale for snapshot in part) - {ALL_LOCALES},
            variations=frozenset(snapshot.variation for snapshot in part) - {ALL_VARIATIONS},
        )


def _bounded(snapshot: Snapshot, campaign: Campaign) -> Snapshot:
    """Values beyond the campaign's limits count under the one that stands for all such values."""
    moved = {
        field: other
        for field, value, observed, other in (
            ("platform", snapshot.platform, campaign.observed_platforms, OVERFLOW_PLATFORM),
            ("locale", snapshot.locale, (*campaign.observed_locales, ALL_LOCALES), OVERFLOW),
            ("variation", snapshot.variation, (*campaign.observed_variations, ALL_VARIATIONS), OVERFLOW),
        )
        if value not in observed
    }
    return msgspec.structs.replace(snapshot, **moved) if moved else snapshot
