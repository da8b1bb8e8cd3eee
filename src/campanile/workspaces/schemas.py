"""What a workspace is, as values."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

KeyKind = Literal["report", "ingest", "manage"]
Dialect = Literal["docs", "live"]

KEY_KINDS: tuple[KeyKind, ...] = ("report", "ingest", "manage")

SCOPES: dict[KeyKind, frozenset[str]] = {
    "report": frozenset({"stats:read", "reports:read", "campaigns:read"}),
    "ingest": frozenset({"ingest:write", "ingest:read"}),
    "manage": frozenset(
        {
            "campaigns:read",
            "campaigns:write",
            "reports:read",
            "reports:write",
            "ingest:read",
            "stats:read",
            "hooks:read",
            "hooks:write",
        }
    ),
}
"""What a key of each kind may do, unless it was made for less."""


class WorkspaceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Every switch of a workspace, with its default."""

    timezone: str = "UTC"
    """IANA zone whose calendar days all numbers use."""
    stats_dialect: Dialect = "docs"
    """Spelling of the Stats API's keys: as documented, or as the live service answers; a key may override it."""
    attribution_model: Literal["all_interactions", "last_interaction"] = "all_interactions"
    """Which conversions dashboards and reports show first."""
    attribution_cross_platform: Literal["match", "any"] = "match"
    """Whether all-interactions conversions must happen on the platform of the touch, if both are known."""
    attribution_exclude_machine: bool = False
    """Whether opens and clicks made by machines earn no credit."""
    attribution_view_start: str = ""
    """Event types that start view-through windows instead of the usual ones, such as `EMAIL:delivered CARDS:click`."""
    attribution_session_start: str = ""
    """Channels whose sessions start with a view instead of a click, such as `IN_APP:view OSM:view`."""
    stats_enabled: bool = True
    """Whether the Stats API answers at all (otherwise 403)."""
    rate_limit: int = 100
    """Stats API requests per 60 seconds, all keys together."""
    max_campaign_ids: int = 10
    """Ids one Stats API request may name."""
    list_inactive: bool = False
    """Whether a Stats API request without ids also lists campaigns without events in its range."""
    goal_key: Literal["name", "event"] = "name"
    """What names a goal in the Stats API: its name or its event."""
    omit_untracked_revenue: bool = False
    """Whether goals without revenue leave the revenue members out instead of showing 0."""
    missing_appkey_status: Literal[400, 401] = 400
    """Status of a Stats API request without `MOE-APPKEY`."""
    extended_metrics: bool = True
    """Whether `performance_stats` carries the fields beyond the published samples."""
    show_ios_impressions: bool = True
    """On: iOS impressions are receipt events. Off: they equal the sent messages."""
    bot_mode: Literal["off", "both", "adjusted_only"] = "off"
    """How machine opens and clicks show: not told apart, beside the human ones, or not at all."""
    unsubscribe_bot: Literal["count", "ignore"] = "count"
    """Whether unsubscribes made by machines count."""
    auto_register_campaigns: bool = True
    """Whether the first event of an unknown campaign creates it."""
    pii_mode: Literal["hash", "reject", "allow"] = "hash"
    """What happens to user ids that look like an e-mail address or a phone number."""
    reject_placeholder_ids: bool = True
    """Whether user ids such as `null` or `guest` are refused."""
    keep_link_query: bool = False
    """Whether links keep their query string."""
    intake_rate: int | None = None
    """Events per second, sustained; empty: the limit of the server."""
    intake_burst: int | None = None
    """Events at once; empty: the limit of the server."""
    report_email_domains: str = ""
    """Domains whose addresses reports may be mailed to, such as `example.com example.org`; empty: any."""

    def may_mail(self, address: str) -> bool:
        """Whether a report may be mailed to this address. Subdomains are domains of their own."""
        domains = self.report_email_domains.split()
        return not domains or address.rpartition("@")[2].lower() in domains


class Workspace(msgspec.Struct, frozen=True):
    """A tenant. Its data is never visible to another one."""

    id: str
    name: str
    settings: WorkspaceSettings
    created_at: datetime
    pseudonym_key: bytes
    """Secret of 32 bytes, made at random with the workspace; pseudonyms of people are computed with it."""
    merged_through: int | None = None
    """Sequence of the last merge of users that is complete; 0 while the first one is made, None before."""


class Key(msgspec.Struct, frozen=True):
    """An API key without its value."""

    id: str
    workspace_id: str
    kind: KeyKind
    name: str
    scopes: frozenset[str]
    stats_dialect: Dialect | None
    created_at: datetime
    regenerated_at: datetime | None
    archived_at: datetime | None


class CreatedKey(msgspec.Struct, frozen=True):
    """A key together with its value, which is shown this once."""

    key: Key
    value: str


class CreatedWorkspace(msgspec.Struct, frozen=True):
    """A new workspace with the values of its first three keys, which are shown this once."""

    workspace: Workspace
    report_key: str
    ingest_key: str
    manage_key: str


class Principal(msgspec.Struct, frozen=True):
    """Who is calling: the workspace a key belongs to, and what the key allows."""

    workspace: Workspace
    key_id: str
    kind: KeyKind
    scopes: frozenset[str]
    stats_dialect: Dialect | None
    """Overrides the workspace's dialect when set."""
