"""What the events of a group say about campaigns, and what the campaigns say about the events.

Unknown campaigns are registered before their events are stored; events that contradict their campaign are refused;
what an event leaves open is filled in from its campaign (campaign specification 9.4).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
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

if TYPE_CHECKING:
    from campanile.campaigns.service import CampaignService

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

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

    def register(self, group: Sequence[Batch], open_: Flags) -> Registration:
        """Register the campaigns of the open rows, and complete the events in their batches."""
        work = _Work()
        for campaigns in _by_workspace(group, open_).values():
            self._register(campaigns, work)
        for batch, rows in offsets(group):
            if changes := work.changes.get(rows.start):
                batch.replace(changes)
        return Registration(work.refused, frozenset(work.created), work.overflown)

    def _register(self, campaigns: Mapping[str, Sequence[_Seen]], work: _Work) -> None:
        workspace = next(iter(campaigns.values()))[0].batch.workspace
        stored = self._campaigns.get_many(workspace.id, list(campaigns))
        fitting: dict[str, list[_Seen]] = {}
        for campaign_id, seen in campaigns.items():
            if fits := work.fitting(seen, stored.get(campaign_id)):
                fitting[campaign_id] = fits
        hints = [_hint(campaign_id, seen) for campaign_id, seen in fitting.items()]
        verdicts = self._campaigns.register(workspace, hints)
        for campaign_id, seen in fitting.items():
            verdict = verdicts[campaign_id]
            if isinstance(verdict, Problem):
                work.refuse(seen, verdict)
                continue
            work.bound(seen, verdict)
            if campaign_id not in stored:
                work.created.add((workspace.id, campaign_id))


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

    def fitting(self, seen: Sequence[_Seen], stored: Campaign | None) -> list[_Seen]:
        """What agrees with the campaign, or with whoever names its channel and its parent first."""
        channel = stored.channel if stored else _first(seen, "channel")
        parent = (stored.parent_id if stored else None) or _first(seen, "parent_id")
        fits = []
        for item in seen:
            if item.mention.channel not in ("", channel):
                self.refuse([item], _conflict("channel"))
            elif item.mention.parent_id not in ("", parent):
                self.refuse([item], _conflict("parent_campaign_id"))
            elif item.mention.channel or not channel:
                fits.append(item)
            else:
                fits.extend(self._with_channel(item, channel))
        return fits

    def bound(self, seen: Sequence[_Seen], campaign: Campaign) -> None:
        """Put values beyond the campaign's limits under the one that stands for all such values."""
        for item in seen:
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
                continue
            for position in item.positions.tolist():
                self._change(item, position, msgspec.structs.replace(self._event(item, position), **moved))
                self.overflown[item.first_row + position] = next(iter(moved))

    def _with_channel(self, item: _Seen, channel: str) -> list[_Seen]:
        """The same events once their campaign has given them its channel; they may have to go on apart."""
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
        return self.changes.get(item.first_row, {}).get(position) or item.batch.events[position]

    def _change(self, item: _Seen, position: int, event: Event) -> None:
        self.changes.setdefault(item.first_row, {})[position] = event


def _by_workspace(group: Sequence[Batch], open_: Flags) -> dict[str, dict[str, list[_Seen]]]:
    """Workspace → campaign → what its events say, in the order of their receipt."""
    found: dict[str, dict[str, list[_Seen]]] = {}
    for batch, rows in offsets(group):
        still_open = open_[rows]
        for mention, positions in batch.mentions.items():
            places = np.array(positions, dtype=np.int64)
            places = places[still_open[places]]
            if len(places):
                campaigns = found.setdefault(batch.workspace.id, defaultdict(list))
                campaigns[mention.campaign_id].append(_Seen(mention, batch, rows.start, places))
    return found


def _first(seen: Sequence[_Seen], field: str) -> str:
    return next((value for item in seen if (value := getattr(item.mention, field))), "")


def _hint(campaign_id: str, seen: Sequence[_Seen]) -> CampaignHint:
    def every(field: str) -> frozenset[str]:
        return frozenset(value for item in seen if (value := getattr(item.mention, field)))

    times = np.concatenate([item.batch.times[item.positions] for item in seen])
    sends = times[np.concatenate([item.batch.sends[item.positions] for item in seen])]
    return CampaignHint(
        campaign_id=campaign_id,
        first_at=_instant(times.min()),
        last_at=_instant(times.max()),
        sent_at=_instant(sends.min()) if len(sends) else None,
        channel=_first(seen, "channel"),
        parent_id=_first(seen, "parent_id"),
        name=_first(seen, "name"),
        delivery_type=_first(seen, "delivery_type"),
        flow_id=_first(seen, "flow_id"),
        flow_name=_first(seen, "flow_name"),
        platforms=every("platform"),
        locales=every("locale"),
        variations=every("variation"),
    )


def _conflict(field: str) -> Problem:
    return Problem("campaign_conflict", f"{field} differs from the one of the campaign", field)


def _instant(milliseconds: np.int64) -> datetime:
    return _EPOCH + timedelta(milliseconds=int(milliseconds))
