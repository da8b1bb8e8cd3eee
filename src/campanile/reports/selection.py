"""Which campaigns have rows in a report, and in which order (report specification 2.3, 2.5, 3.2, 11)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from campanile.campaigns.schemas import Campaign
from campanile.kit.times import Window
from campanile.reports.schemas import ChannelSelection, Filters, ReportSpec

OPEN_ENDED = frozenset({"ACTIVE", "PAUSED", "SENDING"})
"""Statuses of campaigns whose life goes on."""
UNPUBLISHED = frozenset({"DRAFT", "SCHEDULED"})
"""Statuses of campaigns without a life: they have rows only if something was counted."""
_ALIKE = {"FAILED": "STOPPED"}
"""Statuses that filters do not tell apart: a run that could not send was stopped."""
_NEVER = datetime.max.replace(tzinfo=UTC)


class Labels(NamedTuple):
    """What filters need of a campaign's document."""

    tags: frozenset[str]
    created_by: str


class Life(NamedTuple):
    """From publication to the final state."""

    start: datetime
    end: datetime | None
    """None: it goes on."""

    def overlaps(self, days: Window) -> bool:
        return self.start < days.end and (self.end is None or self.end >= days.start)


class Target(msgspec.Struct, frozen=True):
    """A campaign with rows of its own."""

    campaign: Campaign
    members: tuple[Campaign, ...]
    """Campaigns whose events count for it, itself among them."""
    sent_at: datetime | None
    """The first send of any member."""
    parent: Campaign | None = None
    counted_only: bool = False
    """Whether it has rows only if something was counted: a parent beside its children."""


def life(campaign: Campaign) -> Life | None:
    """The life of a campaign; None before its publication.

    Campaigns do not tell when they changed their status: one that was sent ended when it was sent, any other finished
    one when it was last described or heard of.
    """
    if campaign.status in UNPUBLISHED:
        return None
    known = [campaign.sent_time, campaign.first_event_at]
    if campaign.parent_id is None:
        start = min(moment for moment in (campaign.created_at, *known) if moment is not None)
    else:  # a run begins with its own slot
        start = next((moment for moment in known if moment is not None), campaign.created_at)
    if campaign.status in OPEN_ENDED:
        return Life(start, None)
    over = campaign.updated_at if campaign.source != "event" else campaign.last_event_at
    if campaign.sent_time is not None and (campaign.parent_id is not None or campaign.delivery_type == "ONE_TIME"):
        over = campaign.sent_time
    return Life(start, max(start, over or start))


def choose(
    campaigns: Sequence[Campaign],
    spec: ReportSpec,
    selection: ChannelSelection,
    days: Window,
    counted: Collection[str],
    labels: Mapping[str, Labels],
) -> list[Target]:
    """The targets of one channel in the order of their rows.

    Args:
        campaigns: of the channel; complete families.
        days: the window of the run.
        counted: ids of campaigns with a counter in it.
        labels: by id; may be empty while no filter asks for them.
    """
    judge = _Judge(spec, selection, days, counted, labels)
    placed: list[tuple[tuple[datetime, str, bool, datetime, str], Target]] = []
    for root, children in _families(campaigns):
        first = _first_send((root, *children)) or _NEVER
        for target in _targets(root, children, judge, spec):
            own = target.campaign
            placed.append(
                ((first, root.campaign_id, own is not root, target.sent_at or _NEVER, own.campaign_id), target)
            )
    placed.sort(key=lambda item: item[0])
    return [target for _, target in placed]


def _targets(root: Campaign, children: Sequence[Campaign], judge: _Judge, spec: ReportSpec) -> Iterator[Target]:
    """Targets of one family; the parent first."""
    chosen = [child for child in children if judge.chooses(child, root)]
    everyone = (root, *children)
    if not children:
        if judge.chooses(root, None):
            yield Target(root, everyone, _first_send(everyone))
        return
    whole = judge.admits(root, None) and (judge.lives(root) or any(judge.lives(child) for child in children))
    if not spec.splits.child:
        if whole:
            yield Target(root, everyone, _first_send(everyone))
        elif spec.campaigns != "all":
            yield from (Target(child, (child,), child.sent_time, root) for child in chosen)
        return
    if whole and spec.splits.parent_totals:
        yield Target(root, everyone, _first_send(everyone))
    elif judge.admits(root, None):
        yield Target(root, (root,), root.sent_time, counted_only=True)
    yield from (Target(child, (child,), child.sent_time, root) for child in chosen)


class _Judge:
    """Says of single campaigns whether the specification means them."""

    def __init__(
        self,
        spec: ReportSpec,
        selection: ChannelSelection,
        days: Window,
        counted: Collection[str],
        labels: Mapping[str, Labels],
    ) -> None:
        self._spec = spec
        self._types = frozenset(selection.delivery_types)
        self._picked = None if spec.campaigns == "all" else frozenset(spec.campaigns)
        self._days = days
        self._counted = counted
        self._labels = labels

    def chooses(self, campaign: Campaign, parent: Campaign | None) -> bool:
        return self.admits(campaign, parent) and self.lives(campaign)

    def admits(self, campaign: Campaign, parent: Campaign | None) -> bool:
        """Whether it is picked, or passes type and filters."""
        if not campaign.has_stats:
            return False
        if self._picked is not None:
            return campaign.campaign_id in self._picked or (parent is not None and parent.campaign_id in self._picked)
        filters = self._spec.filters
        if not filters.include_archived and (campaign.archived or (parent is not None and parent.archived)):
            return False
        if self._types and not self._of_type(campaign):
            return False
        if filters.statuses and _ALIKE.get(campaign.status, campaign.status) not in filters.statuses:
            return False
        return self._labelled(campaign.campaign_id, filters)

    def lives(self, campaign: Campaign) -> bool:
        """Whether it was active in the window, or counted something; picked ones need not."""
        if campaign.campaign_id in self._counted and (
            self._spec.rule == "active_or_counted" or self._picked is not None
        ):
            return True
        span = life(campaign)
        return span is not None and (self._picked is not None or span.overlaps(self._days))

    def _of_type(self, campaign: Campaign) -> bool:
        return campaign.delivery_type in self._types or (campaign.flow_id is not None and "ONE_TIME" in self._types)

    def _labelled(self, campaign_id: str, filters: Filters) -> bool:
        if not needs_labels(filters):
            return True
        tags, created_by = self._labels.get(campaign_id, Labels(frozenset(), ""))
        if filters.untagged and tags:
            return False
        if filters.tags:
            found = [tag in tags for tag in filters.tags]
            if not (all(found) if filters.tags_match == "all" else any(found)):
                return False
        return not filters.created_by or created_by.lower() in {name.lower() for name in filters.created_by}


def needs_labels(filters: Filters) -> bool:
    """Whether filters look at what only documents say."""
    return bool(filters.tags or filters.untagged or filters.created_by)


def unknown_values(filters: Filters, labels: Iterable[Labels]) -> list[str]:
    """Tags and people in filters that no campaign has."""
    tags: set[str] = set()
    people: set[str] = set()
    for label in labels:
        tags |= label.tags
        people.add(label.created_by.lower())
    unknown = [tag for tag in filters.tags if tag not in tags]
    return unknown + [name for name in filters.created_by if name.lower() not in people]


def _families(campaigns: Iterable[Campaign]) -> Iterator[tuple[Campaign, list[Campaign]]]:
    roots: list[Campaign] = []
    children: dict[str, list[Campaign]] = defaultdict(list)
    for campaign in campaigns:
        if campaign.parent_id is None:
            roots.append(campaign)
        else:
            children[campaign.parent_id].append(campaign)
    for root in roots:
        yield root, children.get(root.campaign_id, [])


def _first_send(campaigns: Iterable[Campaign]) -> datetime | None:
    return min((campaign.sent_time for campaign in campaigns if campaign.sent_time is not None), default=None)
