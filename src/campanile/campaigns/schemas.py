"""What a campaign is to the rest of the program, and what may be asked about campaigns."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

Attempts = Literal["explicit", "implied"]
Source = Literal["api", "import", "event"]
ImportMode = Literal["replace", "merge", "skip"]
Revisions = frozenset[int] | Literal["*"]
"""Revisions named by a condition of a request; `*` is any."""

SortKey = Literal["name", "created", "sent", "active", "channel", "status", "delivery_type"]
Relation = Literal["", "top", "parents", "children"]
"""Everything; campaigns that are no child; those of them that have children; children."""

ARCHIVED = "ARCHIVED"
"""Status of campaigns that lists leave out."""
WITHOUT_STATS = "API_TRIGGERED"
"""Delivery type of campaigns that have no statistics."""

OVERFLOW = "other"
"""Locale or variation under which values beyond the limit are counted."""
OVERFLOW_PLATFORM = "OTHER"
"""Platform under which values beyond the limit are counted."""
OBSERVED_LOCALES = 200
"""Different locales of one campaign that events may name: protects the Stats API's answer and the index."""
OBSERVED_VARIATIONS = 200
"""Different variations of one campaign that events may name."""
OBSERVED_PLATFORMS = 20
"""Different platforms of one campaign that events may name."""
PAGE_CAMPAIGNS = 50
"""Campaigns of a page: a screen or two, and their numbers still come in one question."""
COUNTED_CAMPAIGNS = 10_000
"""Matching campaigns that a page counts: beyond that nobody needs the number, and counting takes its time."""
TAGS_OFFERED = 500
"""Tags a filter offers; others can still be typed."""


class Goal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A conversion goal."""

    name: str
    event: str = ""
    """Name of the event that fulfils the goal."""
    attribute: str = ""
    """JSON object: the filter on the attributes of that event as written; empty without one."""
    is_primary: bool = False
    revenue_attribute: str = ""
    revenue_currency: str = ""
    attribution_window_hours: int | None = None
    """Overrides the window of the campaign."""


class Campaign(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign as the numbers see it: written values, else those of its parent, else what events showed."""

    campaign_id: str
    """24 lower-case hexadecimal digits, unique per workspace."""
    channel: str
    """As events name it: `OSM`, `CONNECTOR`, `FACEBOOK_AUDIENCE`, …"""
    delivery_type: str | None
    """Empty only for campaigns that no document describes."""
    status: str
    name: str
    parent_id: str | None
    flow_id: str | None
    flow_name: str | None
    created_at: datetime
    updated_at: datetime
    sent_time: datetime | None
    """The first send."""
    platforms: tuple[str, ...]
    """Upper case; empty for channels without device platforms."""
    locales: tuple[str, ...]
    variations: tuple[str, ...]
    goals: tuple[Goal, ...]
    attribution_window_hours: int | None
    campaign_control_group: bool
    global_control_group: bool
    attempts: Attempts
    """`implied`: its source cannot report attempts, so attempted = sent + failed."""
    delivery_tracking: bool
    source: Source
    """Who described it last: the API, an import, or nobody but its events."""
    revision: int
    observed_platforms: tuple[str, ...]
    """Seen in events, in alphabetical order; as the two below, at most the limit and one for the overflow."""
    observed_locales: tuple[str, ...]
    observed_variations: tuple[str, ...]
    first_event_at: datetime | None
    last_event_at: datetime | None
    """May lag behind by some seconds."""

    @property
    def archived(self) -> bool:
        return self.status == ARCHIVED

    @property
    def has_stats(self) -> bool:
        """Campaigns triggered by single API calls have none."""
        return self.delivery_type != WITHOUT_STATS


class CampaignHint(msgspec.Struct, frozen=True, kw_only=True):
    """What events of one batch say about a campaign; empty where they say nothing."""

    campaign_id: str
    first_at: datetime
    """Time of the earliest of the events."""
    last_at: datetime
    sent_at: datetime | None = None
    """Time of the earliest send among them."""
    channel: str = ""
    """As stored."""
    parent_id: str = ""
    name: str = ""
    delivery_type: str = ""
    flow_id: str = ""
    flow_name: str = ""
    attempts: Attempts | Literal[""] = ""
    """What a campaign registered by this hint gets; later ones change nothing."""
    platforms: frozenset[str] = frozenset()
    locales: frozenset[str] = frozenset()
    variations: frozenset[str] = frozenset()


class Remark(msgspec.Struct, frozen=True):
    """Something in a document that was understood and did nothing."""

    target: str
    message: str


class Written(msgspec.Struct, frozen=True):
    """Outcome of writing one document."""

    campaign_id: str
    result: Literal["created", "updated", "unchanged"]
    revision: int
    warnings: tuple[Remark, ...] = ()


class LineFailure(msgspec.Struct, frozen=True):
    """A line of an import that was not taken. `type`, `message`, `attribute` are those of its first problem."""

    line: int
    """From 1, blank lines included."""
    campaign_id: str | None
    """As the line spells it, if it does."""
    type: str
    message: str
    attribute: str
    details: tuple[dict[str, str], ...]
    """Every problem of the line: type, message, attribute."""


class ImportReport(msgspec.Struct, frozen=True, kw_only=True):
    """Outcome of an import; `total` is the sum of the others, unless it was given up."""

    total: int
    created: int
    updated: int
    unchanged: int
    skipped: int
    failed: int
    errors: tuple[LineFailure, ...]
    errors_truncated: bool
    aborted: bool = False
    """Nothing was written because some line failed."""


class CampaignDocument(msgspec.Struct, frozen=True):
    """The canonical document of one campaign, complete with what the server knows."""

    document: dict[str, Any]
    revision: int


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Which campaigns, in which order, from where on. Empty filters mean everything."""

    search: str = ""
    """Every word must occur in the name, in any spelling of upper and lower case; or the beginning of an id."""
    channels: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    """Without any: all but the archived ones."""
    delivery_types: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    """All of them."""
    created_from: int = 0
    """Milliseconds since 1970."""
    created_before: int = 0
    """0: no limit."""
    relation: Relation = ""
    parent_id: str = ""
    """Only children of this campaign."""
    sort: SortKey = "created"
    descending: bool = True
    after: tuple[str | int, str] | None = None
    """Sort value and id of the campaign before the page."""
    before: tuple[str | int, str] | None = None
    """Sort value and id of the campaign behind the page; instead of `after`."""
    limit: int = PAGE_CAMPAIGNS


class Listed(msgspec.Struct, frozen=True):
    """One campaign of a page."""

    campaign: Campaign
    tags: tuple[str, ...]
    children: int


class ListPage(msgspec.Struct, frozen=True):
    """A page of the list."""

    items: tuple[Listed, ...]
    total: int
    """Campaigns that match, over all pages; not more than are counted."""
    uncounted: bool
    """Whether there are more of them."""
    first: tuple[str | int, str] | None
    """Position of the first campaign, if there are earlier ones: `before` of the page before."""
    last: tuple[str | int, str] | None
    """Position of the last campaign, if there are later ones: `after` of the page behind."""
