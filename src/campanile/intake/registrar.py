"""What the events of a group say about campaigns, and what the campaigns say about the events.

Unknown campaigns are registered before their events are stored; events that contradict their campaign are refused;
what an event leaves open is filled in from its campaign (campaign specification 9.4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import numpy.typing as npt

from campanile.campaigns.schemas import OVERFLOW, OVERFLOW_PLATFORM, Campaign, CampaignHint
from campanile.errors import Problem
from campanile.intake.batch import Batch, Mention, mention_of, offsets
from campanile.intake.event import Event
from campanile.intake.known_ids import Flags
from campanile.intake.validate import complete
from campanile.workspaces.schemas import Workspace

if TYPE_CHECKING:
    from campanile.campaigns.service import CampaignService

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

KNOWN_CHANNELS = 100_000
"""Campaigns whose channel is remembered; beyond, all are asked for again."""

Positions = npt.NDArray[np.int64]


class Registration(msgspec.Struct, frozen=True):
    """What came of the campaigns of a group."""

    refused: dict[int, Problem]
    """Row of the group → why its event may not be stored."""
    created: frozenset[tuple[str, str]]
    """(workspace, campaign) pairs that did not exist before."""
    overflown: dict[int, str]
    """Row → the field whose value is counted under `other`, because its campaign has too many different ones."""


class _Seen(msgspec.Struct, frozen=True):
    """Events of one batch that say the same about one campaign."""

    mention: Mention
    batch: Batch
    first_row: int
    positions: Positions


class Registrar:
    """Takes groups to the campaigns. Used by one thread at a time."""

    def __init__(self, campaigns: CampaignService) -> None:
        self._campaigns = campaigns
        self._channels: dict[tuple[str, str], str] = {}
        """Of campaigns this process has met; neither a campaign nor its channel ever changes."""

    def register(self, group: Sequence[Batch], open_: Flags, *, rehearsal: bool = False) -> Registration:
        """Register the campaigns of the open rows, and complete the events in their batches.

        A rehearsal registers nothing.

        Raises:
            Unavailable: the metadata database cannot be reached.
        """
        work = _Work()
        for campaigns in _by_workspace(group, open_).values():
            self._register(campaigns, work, rehearsal=rehearsal)
        for batch, rows in offsets(group):
            if changes := work.changes.get(rows.start):
                batch.replace(changes)
        return Registration(work.refused, frozenset(work.created), work.overflown)

    def _register(self, campaigns: dict[str, list[_Seen]], work: _Work, *, rehearsal: bool) -> None:
        workspace = next(iter(campaigns.values()))[0].batch.workspace
        channels = self._known_channels(workspace.id, campaigns)
        for campaign_id, seen in campaigns.items():
            if channel := channels.get(campaign_id) or _first(seen, "channel"):
                campaigns[campaign_id] = work.with_channel(seen, channel)
        hints = [_hint(part) for seen in campaigns.values() for part in _alike(seen)]
        register = self._rehearse if rehearsal else self._campaigns.register
        verdicts = register(workspace, hints)
        for campaign_id, seen in campaigns.items():
            verdict = verdicts.get(campaign_id)  # none for those whose events all have been refused
            if isinstance(verdict, Problem):
                work.refuse(seen, verdict)
            elif verdict is not None:
                self._channels[workspace.id, campaign_id] = verdict.channel
                if campaign_id not in channels:
                    work.created.add((workspace.id, campaign_id))
                self._check(seen, verdict, work)

    def _rehearse(self, workspace: Workspace, hints: Sequence[CampaignHint]) -> dict[str, Campaign | Problem]:
        """What registering would answer, as far as that can be said; nothing for campaigns it would create."""
        verdicts: dict[str, Campaign | Problem] = {}
        verdicts.update(self._campaigns.get_many(workspace.id, [hint.campaign_id for hint in hints]))
        for hint in hints:
            if hint.campaign_id not in verdicts and not (hint.channel and workspace.settings.auto_register_campaigns):
                verdicts[hint.campaign_id] = Problem("unknown_campaign", "the campaign is unknown", "campaign_id")
        return verdicts

    def _known_channels(self, workspace: str, ids: Iterable[str]) -> dict[str, str]:
        """Channels of the campaigns that exist already."""
        if len(self._channels) > KNOWN_CHANNELS:
            self._channels.clear()
        known = {name: channel for name in ids if (channel := self._channels.get((workspace, name)))}
        if unmet := [name for name in ids if name not in known]:
            met = self._campaigns.get_many(workspace, unmet)
            known |= {name: campaign.channel for name, campaign in met.items()}
        return known

    def _check(self, seen: Sequence[_Seen], campaign: Campaign, work: _Work) -> None:
        for item in seen:
            mention = item.mention
            problem = self._campaigns.contradiction(campaign, channel=mention.channel, parent_id=mention.parent_id)
            if problem is not None:
                work.refuse([item], problem)
            else:
                work.bound(item, campaign)


class _Work:
    """A registration while it is being made."""

    def __init__(self) -> None:
        self.refused: dict[int, Problem] = {}
        self.created: set[tuple[str, str]] = set()
        self.overflown: dict[int, str] = {}
        self.changes: dict[int, dict[int, Event]] = {}
        """First row of a batch → position → event as it is to be stored."""

    def refuse(self, seen: Sequence[_Seen], problem: Problem) -> None:
        for item in seen:
            self.refused.update(dict.fromkeys((item.positions + item.first_row).tolist(), problem))

    def with_channel(self, seen: Sequence[_Seen], channel: str) -> list[_Seen]:
        """Give events that name no channel the one of their campaign; what follows from it may set them apart."""
        complete_ones = [item for item in seen if item.mention.channel]
        for item in seen:
            if not item.mention.channel:
                complete_ones.extend(self._completed(item, channel))
        return complete_ones

    def bound(self, item: _Seen, campaign: Campaign) -> None:
        """Put values beyond the campaign's limits under the one that stands for all such values."""
        mention = item.mention
        moved = {
            field: other
            for field, value, observed, other in (
                ("platform", mention.platform, campaign.observed_platforms, OVERFLOW_PLATFORM),
                ("locale", mention.locale, campaign.observed_locales, OVERFLOW),
                ("variation", mention.variation, campaign.observed_variations, OVERFLOW),
            )
            if value and value not in observed
        }
        if not moved:
            return
        for position in item.positions.tolist():
            self._change(item, position, msgspec.structs.replace(self._event(item, position), **moved))
            self.overflown[item.first_row + position] = next(iter(moved))

    def _completed(self, item: _Seen, channel: str) -> list[_Seen]:
        mentions: dict[Mention, list[int]] = defaultdict(list)
        for position in item.positions.tolist():
            event = complete(self._event(item, position), channel)
            if isinstance(event, Problem):
                self.refused[item.first_row + position] = event
                continue
            self._change(item, position, event)
            mentions[mention_of(event)].append(position)
        return [
            _Seen(mention, item.batch, item.first_row, np.array(positions, dtype=np.int64))
            for mention, positions in mentions.items()
        ]

    def _event(self, item: _Seen, position: int) -> Event:
        return self.changes.get(item.first_row, {}).get(position) or item.batch.event(position, item.mention)

    def _change(self, item: _Seen, position: int, event: Event) -> None:
        self.changes.setdefault(item.first_row, {})[position] = event


def _by_workspace(group: Sequence[Batch], open_: Flags) -> dict[str, dict[str, list[_Seen]]]:
    """Workspace → campaign → what its events say, in the order of their receipt."""
    found: dict[str, dict[str, list[_Seen]]] = {}
    for batch, rows in offsets(group):
        still_open = open_[rows]
        for mention, positions in batch.mentions.items():
            places = positions[still_open[positions]]
            if len(places):
                campaigns = found.setdefault(batch.workspace.id, defaultdict(list))
                campaigns[mention.campaign_id].append(_Seen(mention, batch, rows.start, places))
    return found


def _first(seen: Sequence[_Seen], field: str) -> str:
    return next((value for item in seen if (value := getattr(item.mention, field))), "")


def _alike(seen: Sequence[_Seen]) -> Iterable[list[_Seen]]:
    """The events apart by channel and parent: those that differ in them contradict each other."""
    parts: dict[tuple[str, str], list[_Seen]] = defaultdict(list)
    for item in seen:
        parts[item.mention.channel, item.mention.parent_id].append(item)
    return parts.values()


def _hint(seen: Sequence[_Seen]) -> CampaignHint:
    def every(field: str) -> frozenset[str]:
        return frozenset(value for item in seen if (value := getattr(item.mention, field)))

    times = np.concatenate([item.batch.times[item.positions] for item in seen])
    sends = times[np.concatenate([item.batch.sends[item.positions] for item in seen])]
    return CampaignHint(
        campaign_id=seen[0].mention.campaign_id,
        first_at=_instant(times.min()),
        last_at=_instant(times.max()),
        sent_at=_instant(sends.min()) if len(sends) else None,
        channel=_first(seen, "channel"),
        parent_id=_first(seen, "parent_id"),
        name=_first(seen, "name"),
        delivery_type=_first(seen, "delivery_type"),
        flow_id=_first(seen, "flow_id"),
        flow_name=_first(seen, "flow_name"),
        attempts="implied" if all(item.batch.implied_attempts for item in seen) else "",
        platforms=every("platform"),
        locales=every("locale"),
        variations=every("variation"),
    )


def _instant(milliseconds: np.int64) -> datetime:
    return _EPOCH + timedelta(milliseconds=int(milliseconds))
