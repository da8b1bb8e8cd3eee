"""Campaigns that register themselves by their events (campaign specification 9.4)."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from campanile.campaigns import repository, vocabulary
from campanile.campaigns.document import NAME_CHARACTERS, delivery_type_problems
from campanile.campaigns.records import Record, StoredCampaign, resolved, stub
from campanile.campaigns.schemas import (
    OBSERVED_LOCALES,
    OBSERVED_PLATFORMS,
    OBSERVED_VARIATIONS,
    OVERFLOW,
    OVERFLOW_PLATFORM,
    Campaign,
    CampaignHint,
)
from campanile.campaigns.shelf import Shelf, adoption_problem
from campanile.clock import Clock
from campanile.errors import Problem, Unavailable
from campanile.metadata import Metadata
from campanile.workspaces.schemas import Workspace

KNOWN_CAMPAIGNS = 100_000
"""Campaigns remembered per process, about 3 kB each; the longest known are forgotten first."""
LAST_EVENT_SECONDS = 10
"""How often `last_event_at` is written: it moves with every batch, and nothing is computed from it."""

Outcome = Campaign | Problem
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class _Known:
    """What this process knows of a campaign. Channel and parent are immutable, the observed values only grow."""

    __slots__ = ("campaign", "last_event_at", "locales", "platforms", "record", "variations")

    def __init__(self, record: Record, parent: Record | None) -> None:
        self.record = record
        self.campaign = resolved(record, parent)
        self.platforms = frozenset(record.observed.platforms)
        self.locales = frozenset(record.observed.locales)
        self.variations = frozenset(record.observed.variations)
        self.last_event_at = record.last_event_at

    def knows(self, hint: CampaignHint) -> bool:
        """Whether the hint would change nothing but `last_event_at`."""
        record = self.record
        if hint.channel not in ("", record.channel) or hint.parent_id not in ("", record.parent_id):
            return False
        if record.first_event_at is None or hint.first_at < record.first_event_at:
            return False
        sent_at = record.observed.sent_at
        if hint.sent_at is not None and (sent_at is None or hint.sent_at < sent_at):
            return False
        return (
            _covers(self.platforms, hint.platforms, OBSERVED_PLATFORMS, OVERFLOW_PLATFORM)
            and _covers(self.locales, hint.locales, OBSERVED_LOCALES, OVERFLOW)
            and _covers(self.variations, hint.variations, OBSERVED_VARIATIONS, OVERFLOW)
            and not _fillings(record, hint)
        )


class Registrar:
    """Registers campaigns and what events show of them. Touches the database only when something is new."""

    def __init__(self, metadata: Metadata, clock: Clock) -> None:
        self._metadata = metadata
        self._clock = clock
        self._known: dict[tuple[str, str], _Known] = {}
        self._late: dict[str, dict[str, datetime]] = {}
        """Workspace → campaign → a `last_event_at` that is not written yet."""
        self._written_at: dict[str, datetime] = {}
        self._lock = threading.Lock()

    def register(self, workspace: Workspace, hints: Sequence[CampaignHint]) -> dict[str, Outcome]:
        outcomes: dict[str, Outcome] = {}
        news: list[CampaignHint] = []
        with self._lock:
            for hint in sorted(hints, key=lambda hint: not hint.channel):  # who names no channel needs one who does
                known = self._known.get((workspace.id, hint.campaign_id))
                if known is None or not known.knows(hint):
                    news.append(hint)
                    continue
                outcomes[hint.campaign_id] = known.campaign
                self._moved(workspace.id, hint)
        if news:
            for campaign_id, outcome in self._write(workspace, news).items():
                if isinstance(outcome, Campaign) or campaign_id not in outcomes:
                    outcomes[campaign_id] = outcome
        self._write_late(workspace.id)
        return outcomes

    def forget(self, workspace_id: str, ids: Iterable[str] | None = None) -> None:
        """These campaigns (or all of the workspace) were written by somebody else."""
        with self._lock:
            names = (
                [name for name in self._known if name[0] == workspace_id]
                if ids is None
                else [(workspace_id, campaign_id) for campaign_id in ids]
            )
            for name in names:
                self._known.pop(name, None)

    def late(self, workspace_id: str, campaign_id: str) -> datetime | None:
        """A `last_event_at` that the database does not have yet."""
        with self._lock:
            return self._late.get(workspace_id, {}).get(campaign_id)

    def flush(self) -> None:
        """Write every `last_event_at` that is due or not.

        Raises:
            Unavailable: the database cannot be reached; the times are kept for the next time.
        """
        with self._lock:
            workspaces = list(self._late)
        for workspace_id in workspaces:
            self._save_late(workspace_id)

    def _write_late(self, workspace_id: str) -> None:
        now = self._clock.now()
        with self._lock:
            written_at = self._written_at.setdefault(workspace_id, now)
            if not self._late.get(workspace_id) or (now - written_at).total_seconds() < LAST_EVENT_SECONDS:
                return
            self._written_at[workspace_id] = now
        try:
            self._save_late(workspace_id)
        except Unavailable:
            return  # events are not refused for the sake of a label; the next batch tries again

    def _save_late(self, workspace_id: str) -> None:
        with self._lock:
            moments = sorted(self._late.get(workspace_id, {}).items())
        if not moments:
            return
        with self._metadata.begin() as connection:
            version = repository.lock(connection, workspace_id) + 1
            repository.set_last_events(connection, workspace_id, version, moments)
        with self._lock:
            waiting = self._late[workspace_id]
            for campaign_id, moment in moments:
                if waiting.get(campaign_id) == moment:
                    del waiting[campaign_id]

    def _write(self, workspace: Workspace, hints: Sequence[CampaignHint]) -> dict[str, Outcome]:
        outcomes: dict[str, Outcome] = {}
        auto = workspace.settings.auto_register_campaigns
        with self._metadata.begin() as connection:
            shelf = Shelf(connection, workspace.id)
            ids = {name for hint in hints for name in (hint.campaign_id, hint.parent_id) if name}
            shelf.fetch(ids, future_children=[hint.campaign_id for hint in hints if hint.parent_id])
            for hint in hints:
                problem = _apply(shelf, hint, auto_register=auto)
                if problem is not None:
                    outcomes.setdefault(hint.campaign_id, problem)
            shelf.save()
            present = [item.record for name in ids if (item := shelf.get(name)) is not None]
            shelf.fetch({record.parent_id for record in present if record.parent_id is not None})
            known = [(record, shelf.get(record.parent_id)) for record in present]
        wanted = {hint.campaign_id for hint in hints}
        refused = dict(outcomes)
        with self._lock:
            for record, parent in known:
                entry = _Known(record, None if parent is None else parent.record)
                self._known.pop((workspace.id, record.campaign_id), None)  # so that it becomes the youngest
                self._known[(workspace.id, record.campaign_id)] = entry
                if record.campaign_id in wanted and not _only_refused(record.campaign_id, hints, refused, entry):
                    outcomes[record.campaign_id] = entry.campaign
            for hint in hints:
                outcome = outcomes[hint.campaign_id]
                if isinstance(outcome, Campaign) and contradiction(outcome, hint.channel, hint.parent_id) is None:
                    self._moved(workspace.id, hint)
            while len(self._known) > KNOWN_CAMPAIGNS:
                del self._known[next(iter(self._known))]
        return outcomes

    def _moved(self, workspace_id: str, hint: CampaignHint) -> None:
        """Note the time of the latest event, if it is later than the one known. Called under the lock."""
        known = self._known[(workspace_id, hint.campaign_id)]
        if known.last_event_at is None or hint.last_at > known.last_event_at:
            known.last_event_at = hint.last_at
            late = self._late.setdefault(workspace_id, {})
            # One that waits may be later: a record read from the database since then does not have it.
            late[hint.campaign_id] = max(late.get(hint.campaign_id, hint.last_at), hint.last_at)


def contradiction(campaign: Campaign, channel: str, parent_id: str) -> Problem | None:
    """Why an event with this channel and parent (empty: not said) does not belong to `campaign`."""
    if channel not in ("", campaign.channel):
        return _conflict("channel", "the campaign has another channel")
    if parent_id not in ("", campaign.parent_id):
        return _conflict("parent_campaign_id", "the campaign has another parent, or none")
    return None


def _only_refused(campaign_id: str, hints: Sequence[CampaignHint], refused: dict[str, Outcome], entry: _Known) -> bool:
    """Whether every hint on the campaign was refused."""
    return campaign_id in refused and not any(
        hint.campaign_id == campaign_id and contradiction(entry.campaign, hint.channel, hint.parent_id) is None
        for hint in hints
    )


def _apply(shelf: Shelf, hint: CampaignHint, *, auto_register: bool) -> Problem | None:
    """Bring what a hint says onto the shelf, or say why not."""
    item = shelf.get(hint.campaign_id)
    if vocabulary.campaign_id(hint.campaign_id) != hint.campaign_id:
        return Problem("invalid_value", "campaign_id must be 24 hexadecimal digits", "campaign_id")
    if item is None and not auto_register:
        return Problem("unknown_campaign", "the campaign is unknown and does not register itself", "campaign_id")
    if item is None and not hint.channel:
        return Problem("unknown_campaign", "the first event of a campaign must name its channel", "channel")
    channel = hint.channel if item is None else item.record.channel
    if hint.channel not in ("", channel):
        return _conflict("channel", "the campaign has another channel")
    adopted = bool(hint.parent_id) and (item is None or item.record.parent_id is None)
    if adopted:
        problem = _adopt(shelf, hint, item, channel, auto_register=auto_register)
        if problem is not None:
            return problem
    elif item is not None and hint.parent_id not in ("", item.record.parent_id):
        return _conflict("parent_campaign_id", "the campaign has another parent")
    if item is None:
        delivery_type = _delivery_type(hint, channel)
        parent_id = hint.parent_id or None
        hint = msgspec.structs.replace(hint, name=_label(hint.name), flow_name=_label(hint.flow_name))
        item = stub(
            hint, campaign_id=hint.campaign_id, channel=channel, parent_id=parent_id, delivery_type=delivery_type
        )
        shelf.put(_observe(item, hint))
        return None
    after = _observe(_fill(item, hint, adopted=adopted), hint)
    if after is not item:
        shelf.put(after)
    return None


def _adopt(
    shelf: Shelf, hint: CampaignHint, item: StoredCampaign | None, channel: str, *, auto_register: bool
) -> Problem | None:
    """Make sure that the parent an event names exists and can be one."""
    attribute = "parent_campaign_id"
    if vocabulary.campaign_id(hint.parent_id) != hint.parent_id or hint.parent_id == hint.campaign_id:
        return Problem("invalid_value", f"{attribute} must be the id of another campaign", attribute)
    parent = shelf.get(hint.parent_id)
    if parent is None and not auto_register:
        return Problem("unknown_campaign", "the parent is unknown and does not register itself", attribute)
    if item is not None and item.record.flow_id is not None:
        return _conflict(attribute, "the campaign belongs to a flow, so it has no parent")
    if item is not None and shelf.is_parent(hint.campaign_id):
        return _conflict(attribute, "the campaign has children, so it has no parent")
    if parent is None:
        parent = stub(hint, campaign_id=hint.parent_id, channel=channel, parent_id=None, delivery_type=None)
        shelf.put(parent)
    if parent.record.channel != channel:
        return _conflict("channel", "the parent has another channel")
    problem = adoption_problem(shelf, hint.campaign_id, parent)
    return None if problem is None else _conflict(attribute, problem.message)


def _fillings(record: Record, hint: CampaignHint) -> dict[str, str]:
    """What the hint can fill of a campaign that nobody described: members of the record and their new values."""
    found: dict[str, str] = {}
    if record.source != "event":
        return found
    if hint.name and record.name in (None, record.campaign_id) and (name := _label(hint.name)) not in ("", record.name):
        found["name"] = name
    if record.delivery_type is None and (delivery_type := _delivery_type(hint, record.channel)) is not None:
        found["delivery_type"] = delivery_type
    alone = record.parent_id is None and not hint.parent_id
    if hint.flow_id and alone and record.flow_id in (None, hint.flow_id):
        if record.flow_id is None:
            found["flow_id"] = hint.flow_id
        if record.flow_name is None and (flow_name := _label(hint.flow_name)):
            found["flow_name"] = flow_name
    return found


_DOCUMENT_NAMES = {"delivery_type": "campaign_delivery_type"}


def _fill(item: StoredCampaign, hint: CampaignHint, *, adopted: bool) -> StoredCampaign:
    """Fill empty members; whatever somebody wrote stays."""
    fillings = _fillings(item.record, hint)
    if adopted:
        fillings["parent_id"] = hint.parent_id
    if not fillings:
        return item
    document = dict(item.document)
    for name, value in fillings.items():
        if name == "name":
            document["basic_details"] = {**document.get("basic_details", {}), "name": value}
        else:
            document[_DOCUMENT_NAMES.get(name, name)] = value
    record = msgspec.structs.replace(item.record, **fillings, revision=item.record.revision + 1)
    return StoredCampaign(record, document)


def _observe(item: StoredCampaign, hint: CampaignHint) -> StoredCampaign:
    """Add what the events showed; the same object if that is nothing new."""
    record, observed = item.record, item.record.observed
    seen = msgspec.structs.replace(
        observed,
        platforms=_union(observed.platforms, hint.platforms, OBSERVED_PLATFORMS, OVERFLOW_PLATFORM),
        locales=_union(observed.locales, hint.locales, OBSERVED_LOCALES, OVERFLOW),
        variations=_union(observed.variations, hint.variations, OBSERVED_VARIATIONS, OVERFLOW),
        sent_at=_earliest(observed.sent_at, hint.sent_at),
    )
    stub_times: dict[str, datetime] = {}
    if record.source == "event" and hint.first_at < record.created_at:
        stub_times = {"created_at": hint.first_at, "updated_at": hint.first_at}
    written_sent_time = record.sent_time if "sent_time" in item.document else None
    after = msgspec.structs.replace(
        record,
        observed=seen,
        sent_time=written_sent_time or seen.sent_at,
        first_event_at=_earliest(record.first_event_at, hint.first_at),
        last_event_at=max(record.last_event_at or hint.last_at, hint.last_at),
        **stub_times,
    )
    if msgspec.structs.replace(after, last_event_at=record.last_event_at) == record:
        return item if record.last_event_at is not None else StoredCampaign(after, item.document)
    return StoredCampaign(after, item.document)


def _covers(known: frozenset[str], seen: frozenset[str], limit: int, overflow: str) -> bool:
    return seen <= known or (len(known) >= limit and overflow in known) or not seen.difference(known, ("",))


def _union(known: tuple[str, ...], seen: frozenset[str], limit: int, overflow: str) -> tuple[str, ...]:
    """At most `limit` values, and `overflow` when there were more."""
    fresh = sorted(seen.difference(known, ("",)))
    if not fresh:
        return known
    room = max(0, limit - len(known))
    extra = () if len(fresh) <= room else (overflow,)
    return tuple(sorted({*known, *fresh[:room], *extra}))


def _earliest(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((moment for moment in (one, other) if moment is not None), default=None)


def _label(text: str) -> str:
    """A name as it can be stored and shown on one line."""
    return " ".join(_CONTROL.sub(" ", text).split())[:NAME_CHARACTERS]


def _delivery_type(hint: CampaignHint, channel: str) -> str | None:
    """The delivery type of the hint, unless it is none or does not exist for the channel."""
    name = vocabulary.delivery_type(hint.delivery_type)
    return None if name is None or delivery_type_problems(name, channel) else name


def _conflict(attribute: str, message: str) -> Problem:
    return Problem("campaign_conflict", message, attribute)
