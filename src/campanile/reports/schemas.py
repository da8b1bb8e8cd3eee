"""What a report is: its specification as values, valid once they exist (report specification 15.2)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal

import msgspec

from campanile.jobs.schedule import Schedule
from campanile.reports.names import stem
from campanile.reports.periods import Period

CHANNELS: dict[str, str] = {
    "PUSH": "PUSH",
    "EMAIL": "EMAIL",
    "SMS": "SMS",
    "MMS": "MMS",
    "RCS": "RCS",
    "WHATSAPP": "WHATSAPP",
    "IN_APP": "IN_APP",
    "ON_SITE": "OSM",
    "CARDS": "CARDS",
    "CONNECTOR": "CONNECTOR",
    "FACEBOOK": "FACEBOOK_AUDIENCE",
    "GOOGLE_ADS": "GOOGLE_ADS_AUDIENCE",
}
"""Channel token of reports and their files → channel of events and metrics, in the order of files in an archive."""

State = Literal["DRAFT", "ACTIVE", "PAUSED", "COMPLETED", "DELETED"]
Rule = Literal["active_or_counted", "active_only"]
DataWindow = Literal["selected_range", "lifetime"]
FormatKind = Literal["csv", "xlsx", "parquet", "jsonl"]
CustomType = Literal["number", "percent", "currency"]


class ChannelSelection(msgspec.Struct, frozen=True):
    """Campaigns of one channel."""

    channel: str
    """A token of `CHANNELS`."""
    delivery_types: tuple[str, ...] = ()
    """Empty: all."""


class Filters(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Which campaigns of the selected channels; empty ones are off, several must all hold. Not for chosen ids."""

    tags: tuple[str, ...] = ()
    tags_match: Literal["any", "all"] = "any"
    untagged: bool = False
    """Only campaigns without tags."""
    created_by: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    """Of the campaign vocabulary: `ACTIVE`, `RETIRED`, `PAUSED`, `SENDING`, `SENT`, `STOPPED`."""
    include_archived: bool = False


class CustomColumn(msgspec.Struct, frozen=True, kw_only=True):
    """A column computed from other columns of its row (report specification 4)."""

    key: str
    """`custom.…`, unique in the report."""
    header: str
    channels: tuple[str, ...]
    """Tokens; the column exists in these only."""
    expression: str
    type: CustomType = "number"
    decimals: int = 4
    """0 to 6; the result is rounded to so many places."""
    on_zero_division: Literal["blank", "zero"] = "blank"


class Splits(msgspec.Struct, frozen=True, kw_only=True):
    """What has rows of its own (report specification 3.2)."""

    date: bool = False
    child: bool = True
    variation: bool = False
    locale: bool = False
    parent_totals: bool = False
    """With `child`: a row of the parent, all children included, before theirs."""
    skip_zero_days: bool = False
    """With `date`: leave out days whose counters are all 0."""


class FileFormat(msgspec.Struct, frozen=True, kw_only=True):
    """How files are written (report specification 3.4, 10)."""

    kind: FormatKind = "csv"
    separator: Literal[",", "|", ":", ";", "\t"] = ","
    bom: bool = False
    newline: Literal["lf", "crlf"] = "lf"
    formula_guard: bool = True
    lists: Literal["literal", "json", "comma"] = "literal"
    compression: Literal["zip", "tar", "gz"] = "zip"
    manifest: bool = False
    """Whether `manifest.json` is in the archive, too."""


class RestDelivery(msgspec.Struct, frozen=True, tag="rest", tag_field="type"):
    """The file can be downloaded by its name."""


class EmailDelivery(msgspec.Struct, frozen=True, kw_only=True, tag="email", tag_field="type"):
    """A link by e-mail."""

    recipients: tuple[str, ...]
    require_login: bool = False


class WebhookDelivery(msgspec.Struct, frozen=True, tag="webhook", tag_field="type"):
    """A signed message to a server of the customer."""

    url: str


Delivery = RestDelivery | EmailDelivery | WebhookDelivery


class ReportSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Selection, content, format, schedule and delivery of a report."""

    name: str
    channels: tuple[ChannelSelection, ...]
    """In the order of `CHANNELS`, each at most once."""
    period: Period
    rule: Rule = "active_or_counted"
    data_window: DataWindow = "selected_range"
    campaigns: Literal["all"] | tuple[str, ...] = "all"
    """Ids in lower case, at most 500."""
    filters: Filters = Filters()
    columns: dict[str, tuple[str, ...]] = {}
    """Channel token → keys of the catalogue and of `custom`, in order; a channel that is missing has its defaults."""
    custom: tuple[CustomColumn, ...] = ()
    splits: Splits = Splits()
    format: FileFormat = FileFormat()
    schedule: Schedule | None = None
    """Empty in drafts only."""
    delivery: tuple[Delivery, ...] = ()
    """Empty in drafts only."""
    on_empty: Literal["no_file", "header_only"] = "no_file"

    def custom_of(self, channel: str) -> tuple[CustomColumn, ...]:
        """Custom columns that exist in a channel."""
        return tuple(column for column in self.custom if channel in column.channels)


class ReportDefinition(msgspec.Struct, frozen=True, kw_only=True):
    """A saved report. `spec` is that of `version`."""

    id: str
    workspace_id: str
    spec: ReportSpec
    version: int
    """Grows by one with every save; runs keep the version they began with."""
    state: State
    created_at: datetime
    updated_at: datetime
    created_by: str
    """Who owns it: the id of an API key, or the e-mail address of a person."""
    next_slot: datetime | None
    """The next planned instant, while there is one."""
    next_file_date: date | None
    """The file date of that slot."""
    slots_used: int
    """Slots of the present schedule that have become runs."""

    @property
    def stem(self) -> str:
        """What the names of its files begin with."""
        return stem(self.spec.name)


class Change(msgspec.Struct, frozen=True):
    """A member of a definition that differs from the version before; null where it was or is absent."""

    attribute: str
    """Dotted path."""
    before: Any
    after: Any


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One save in the history of a definition."""

    version: int
    saved_at: datetime
    saved_by: str
    changes: tuple[Change, ...]
    """None for the first version."""


class ReportWarning(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something worth knowing that does not stop anything (report specification 15.3)."""

    code: str
    """As the specification lists it, in lower_snake_case."""
    message: str
    channel: str = ""
    column: str = ""
    count: int = 0
