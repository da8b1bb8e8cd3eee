"""The metric registry: every count and every rate, declared once.

The Stats API, reports, dashboard and reference documentation read these objects; nothing else says what a number
means (metrics specification 1.3, 2.2, 2.3, 2.6, 4).
"""

from __future__ import annotations

from typing import Literal

import msgspec

TRACKED_PHONE = ("SMS", "MMS", "RCS")
"""Phone channels whose campaigns may lack delivery tracking."""
PHONE = (*TRACKED_PHONE, "WHATSAPP")
ON_SCREEN = ("IN_APP", "OSM", "WEB_PERSONALIZATION")
CONNECTORS = ("CONNECTOR", "CONNECTED_APPS")
AUDIENCES = ("FACEBOOK_AUDIENCE", "GOOGLE_ADS_AUDIENCE")
SENDING = ("PUSH", "EMAIL", *TRACKED_PHONE, *CONNECTORS)
"""Channels that report every attempt; WhatsApp does so in extended fields only."""


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """Event rows that count: all rows of `type` that meet every condition set here."""

    type: str
    bots: Literal["count", "mode", "exclude", "setting"] = "count"
    """Rows flagged `machine`: they count; they count unless the bot mode is `adjusted_only`; they never count;
    they count unless the workspace ignores machine unsubscribes."""
    attempts: Literal["any", "explicit", "implied"] = "any"
    """Only campaigns that report attempts, or only campaigns whose attempts are implied."""
    ios: Literal["any", "receipts", "sends"] = "any"
    """`receipts`: not where iOS sends stand in for impressions; `sends`: only there."""
    device: bool = False
    """Only rows that name a device."""
    marked: bool | None = None
    """For `removed`: whether the reason is an inactive device token. For `qualified`: whether the row names a step
    after the first one."""


class Count(msgspec.Struct, frozen=True, kw_only=True):
    """A number of events (TOTAL) and of distinct users among them (UNIQUE)."""

    key: str
    label: str
    definition: str
    rows: tuple[Rows, ...]
    channels: tuple[str, ...] = ()
    """Channels whose `performance_stats` carry it."""
    extended_channels: tuple[str, ...] = ()
    """Channels that carry it as an extended field."""
    field: str = ""
    """Name in `performance_stats` where it is not the key."""
    aliases: tuple[str, ...] = ()
    """Further names under which the same value is given."""
    adjusted: bool = False
    """Given only while bot filtering is on."""

    @property
    def wire(self) -> str:
        return self.field or self.key


class Term(msgspec.Struct, frozen=True):
    """One side of a fraction: a count under the requested metric type, or always the unique one."""

    count: str
    unique: bool = False
    minus: str = ""
    """Count to subtract; the difference never goes below 0."""


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """The fraction behind a rate for some channels."""

    channels: tuple[str, ...]
    numerator: Term
    denominator: Term
    untracked: Term | None = None
    """Denominator of campaigns without delivery tracking, where it differs."""
    extended: bool = False


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """A percentage of two counts of the same node; two decimals, half up, 0 when the denominator is 0."""

    key: str
    label: str
    definition: str
    ratios: tuple[Ratio, ...]
    adjusted: bool = False
    """Given only while bot filtering is on."""

    def ratio(self, channel: str) -> Ratio | None:
        return next((ratio for ratio in self.ratios if channel in ratio.channels), None)


class ConversionBase(msgspec.Struct, frozen=True, kw_only=True):
    """What conversions are divided by; a term that is not unique is the TOTAL, whatever was requested."""

    channels: tuple[str, ...]
    view: Term
    """For VIEW_THROUGH and TOTAL_CONVERSIONS."""
    click: Term
    """For CLICK_THROUGH, IN_SESSION and CLICK_CONVERSIONS."""
    untracked: Term | None = None
    """For both, in campaigns without delivery tracking."""


_ATTEMPT_ROWS = (
    Rows(type="attempted", attempts="explicit"),
    Rows(type="sent", attempts="implied"),
    Rows(type="failed", attempts="implied"),
)
_TOKEN_ROWS = (
    Rows(type="attempted", attempts="explicit", device=True),
    Rows(type="sent", attempts="implied", device=True),
    Rows(type="failed", attempts="implied", device=True),
)

_COUNTS = (
    Count(
        key="attempted",
        label="Attempted",
        definition="Messages the campaign tried to send. Campaigns with implied attempts: sent plus failed messages.",
        rows=_ATTEMPT_ROWS,
        channels=(*SENDING, *AUDIENCES),
        extended_channels=("WHATSAPP",),
    ),
    Count(
        key="sent",
        label="Sent",
        definition="Messages the provider accepted. No promise of arrival.",
        rows=(Rows(type="sent"),),
        channels=(*SENDING, "WHATSAPP", "CARDS", *AUDIENCES),
    ),
    Count(
        key="failed",
        label="Failed",
        definition="Messages that were attempted and not sent. Bounces, later non-delivery and users removed before "
        "any attempt are no failures.",
        rows=(Rows(type="failed"),),
        channels=SENDING,
        extended_channels=("WHATSAPP",),
    ),
    Count(
        key="undelivered",
        label="Undelivered",
        definition="Messages the provider accepted and later reported as not delivered. Shown in the failure "
        "breakdown only.",
        rows=(Rows(type="undelivered"),),
    ),
    Count(
        key="delivered",
        label="Delivered",
        definition="Arrivals confirmed by carrier, mailbox provider or inbox.",
        rows=(Rows(type="delivered"),),
        channels=("EMAIL", *PHONE, "CARDS"),
    ),
    Count(
        key="hard_bounce",
        label="Hard bounces",
        definition="Permanent rejections by the receiving mail server.",
        rows=(Rows(type="hard_bounce"),),
        channels=("EMAIL",),
    ),
    Count(
        key="soft_bounce",
        label="Soft bounces",
        definition="Temporary rejections after which the provider gave up.",
        rows=(Rows(type="soft_bounce"),),
        channels=("EMAIL",),
    ),
    Count(
        key="bounced",
        label="Bounced",
        definition="Hard and soft bounces together. A user with both kinds is one unique bounce.",
        rows=(Rows(type="hard_bounce"), Rows(type="soft_bounce")),
        channels=("EMAIL",),
        aliases=("bounce",),
    ),
    Count(
        key="impression",
        label="Impressions",
        definition="Messages shown on, or received by, a device. With iOS impressions switched off, the sends of iOS "
        "push stand in.",
        rows=(Rows(type="impression", ios="receipts"), Rows(type="sent", ios="sends")),
        channels=("PUSH", *ON_SCREEN, "CARDS"),
    ),
    Count(
        key="opened",
        label="Opens",
        definition="Loads of the tracking pixel. Machine opens are left out in bot mode `adjusted_only`.",
        rows=(Rows(type="open", bots="mode"),),
        channels=("EMAIL",),
        aliases=("open",),
    ),
    Count(
        key="read",
        label="Read",
        definition="Read receipts. Users who hide them never count.",
        rows=(Rows(type="read"),),
        channels=("RCS", "WHATSAPP"),
    ),
    Count(
        key="click",
        label="Clicks",
        definition="Clicks on any tracked element, every repeat. Machine clicks on e-mail are left out in bot mode "
        "`adjusted_only`.",
        rows=(Rows(type="click", bots="mode"),),
        channels=("PUSH", "EMAIL", *PHONE, *ON_SCREEN, "CARDS"),
    ),
    Count(
        key="closed_click",
        label="Closed",
        definition="Messages the user closed. Automatic disappearance does not count.",
        rows=(Rows(type="close"),),
        channels=ON_SCREEN,
    ),
    Count(
        key="unsubscribe",
        label="Unsubscribes",
        definition="Opt-outs after the mail. Machine ones are left out while the workspace ignores them.",
        rows=(Rows(type="unsubscribe", bots="setting"),),
        channels=("EMAIL",),
    ),
    Count(
        key="complaint",
        label="Complaints",
        definition="Spam reports.",
        rows=(Rows(type="complaint"),),
        channels=("EMAIL",),
    ),
    Count(
        key="successfully_synced",
        label="Synced",
        definition="Users confirmed by the ad platform.",
        rows=(Rows(type="synced"),),
        channels=AUDIENCES,
    ),
    Count(
        key="eligible_users",
        label="Eligible users",
        definition="Users who met segment and trigger.",
        rows=(Rows(type="qualified", marked=False),),
        channels=AUDIENCES,
    ),
    Count(
        key="human_open",
        label="Adjusted opens",
        definition="Opens without machine opens.",
        rows=(Rows(type="open", bots="exclude"),),
        extended_channels=("EMAIL",),
        field="adjusted_open",
        adjusted=True,
    ),
    Count(
        key="human_click",
        label="Adjusted clicks",
        definition="Clicks without machine clicks.",
        rows=(Rows(type="click", bots="exclude"),),
        extended_channels=("EMAIL",),
        field="adjusted_click",
        adjusted=True,
    ),
    Count(
        key="all_open",
        label="All opens",
        definition="Opens with machine opens, in every bot mode. Base of view-through conversion rates.",
        rows=(Rows(type="open"),),
    ),
    Count(
        key="active_device_token",
        label="Active device tokens",
        definition="Attempted messages that name a device. A step of the push funnel.",
        rows=_TOKEN_ROWS,
    ),
    Count(
        key="user_devices",
        label="Devices",
        definition="Attempted devices plus those removed for an inactive token. A step of the push funnel.",
        rows=(*_TOKEN_ROWS, Rows(type="removed", marked=True)),
    ),
)

COUNTS: dict[str, Count] = {count.key: count for count in _COUNTS}
"""Every count by key."""

_RATES = (
    Rate(
        key="ctr",
        label="Click rate",
        definition="Share of messages that were clicked.",
        ratios=(
            Ratio(channels=("PUSH", *ON_SCREEN, "CARDS"), numerator=Term("click"), denominator=Term("impression")),
            Ratio(channels=("EMAIL",), numerator=Term("click"), denominator=Term("delivered")),
            Ratio(
                channels=TRACKED_PHONE,
                numerator=Term("click"),
                denominator=Term("delivered"),
                untracked=Term("sent"),
            ),
            Ratio(channels=("WHATSAPP",), numerator=Term("click", unique=True), denominator=Term("delivered")),
            Ratio(channels=CONNECTORS, numerator=Term("click"), denominator=Term("sent")),
        ),
    ),
    Rate(
        key="delivery_rate",
        label="Delivery rate",
        definition="Share of sent messages that arrived.",
        ratios=(
            Ratio(channels=("PUSH",), numerator=Term("impression"), denominator=Term("sent")),
            Ratio(channels=("EMAIL", *PHONE, "CARDS"), numerator=Term("delivered"), denominator=Term("sent")),
        ),
    ),
    Rate(
        key="read_rate",
        label="Read rate",
        definition="Share of recipients who read the message; both sides unique, whatever was requested.",
        ratios=(
            Ratio(
                channels=("RCS", "WHATSAPP"),
                numerator=Term("read", unique=True),
                denominator=Term("delivered", unique=True),
            ),
        ),
    ),
    Rate(
        key="sent_rate",
        label="Sent rate",
        definition="Share of attempted messages that were sent.",
        ratios=(
            Ratio(channels=SENDING, numerator=Term("sent"), denominator=Term("attempted")),
            Ratio(channels=("WHATSAPP",), numerator=Term("sent"), denominator=Term("attempted"), extended=True),
        ),
    ),
    Rate(
        key="failure_rate",
        label="Failure rate",
        definition="Share of attempted messages that were not sent; never below 0.",
        ratios=(
            Ratio(channels=SENDING, numerator=Term("attempted", minus="sent"), denominator=Term("attempted")),
            Ratio(
                channels=("WHATSAPP",),
                numerator=Term("attempted", minus="sent"),
                denominator=Term("attempted"),
                extended=True,
            ),
        ),
    ),
    Rate(
        key="open_rate",
        label="Open rate",
        definition="Unique openers over deliveries.",
        ratios=(Ratio(channels=("EMAIL",), numerator=Term("opened", unique=True), denominator=Term("delivered")),),
    ),
    Rate(
        key="ctor",
        label="Click-to-open rate",
        definition="Unique clickers over unique openers (e-mail) or readers (WhatsApp), whatever was requested.",
        ratios=(
            Ratio(channels=("EMAIL",), numerator=Term("click", unique=True), denominator=Term("opened", unique=True)),
            Ratio(
                channels=("WHATSAPP",),
                numerator=Term("click", unique=True),
                denominator=Term("read", unique=True),
                extended=True,
            ),
        ),
    ),
    Rate(
        key="unsub_rate",
        label="Unsubscribe rate",
        definition="Unsubscribes over deliveries.",
        ratios=(Ratio(channels=("EMAIL",), numerator=Term("unsubscribe"), denominator=Term("delivered")),),
    ),
    Rate(
        key="bounce_rate",
        label="Bounce rate",
        definition="Bounces over sent messages.",
        ratios=(Ratio(channels=("EMAIL",), numerator=Term("bounced"), denominator=Term("sent")),),
    ),
    Rate(
        key="complaints_rate",
        label="Complaint rate",
        definition="Complaints over deliveries.",
        ratios=(Ratio(channels=("EMAIL",), numerator=Term("complaint"), denominator=Term("delivered")),),
    ),
    Rate(
        key="adjusted_open_rate",
        label="Adjusted open rate",
        definition="Unique human openers over deliveries.",
        ratios=(
            Ratio(
                channels=("EMAIL",),
                numerator=Term("human_open", unique=True),
                denominator=Term("delivered"),
                extended=True,
            ),
        ),
        adjusted=True,
    ),
    Rate(
        key="adjusted_ctr",
        label="Adjusted click rate",
        definition="Human clicks over deliveries.",
        ratios=(
            Ratio(channels=("EMAIL",), numerator=Term("human_click"), denominator=Term("delivered"), extended=True),
        ),
        adjusted=True,
    ),
    Rate(
        key="adjusted_ctor",
        label="Adjusted click-to-open rate",
        definition="Unique human clickers over unique human openers, whatever was requested.",
        ratios=(
            Ratio(
                channels=("EMAIL",),
                numerator=Term("human_click", unique=True),
                denominator=Term("human_open", unique=True),
                extended=True,
            ),
        ),
        adjusted=True,
    ),
)

RATES: dict[str, Rate] = {rate.key: rate for rate in _RATES}
"""Every rate by key."""

CONVERSION_BASES = (
    ConversionBase(channels=("PUSH",), view=Term("impression"), click=Term("click")),
    ConversionBase(channels=("EMAIL",), view=Term("all_open", unique=True), click=Term("click", unique=True)),
    ConversionBase(channels=TRACKED_PHONE, view=Term("delivered"), click=Term("delivered"), untracked=Term("sent")),
    ConversionBase(channels=("WHATSAPP",), view=Term("delivered"), click=Term("delivered")),
    ConversionBase(channels=ON_SCREEN, view=Term("impression"), click=Term("impression")),
    ConversionBase(channels=CONNECTORS, view=Term("sent"), click=Term("sent")),
    ConversionBase(channels=("CARDS",), view=Term("sent", unique=True), click=Term("sent", unique=True)),
    ConversionBase(
        channels=AUDIENCES,
        view=Term("successfully_synced", unique=True),
        click=Term("successfully_synced", unique=True),
    ),
)
"""Denominators of conversion rates (conversions specification 7)."""

_WIRE_ORDER = (
    "attempted", "sent", "failed", "bounced", "impression", "click", "opened", "delivered", "read", "closed_click",
    "unsubscribe", "complaint", "hard_bounce", "soft_bounce", "successfully_synced", "eligible_users",
    "ctr", "delivery_rate", "read_rate", "sent_rate", "failure_rate", "open_rate", "ctor", "unsub_rate",
    "bounce_rate", "complaints_rate",
    "human_open", "adjusted_open_rate", "human_click", "adjusted_ctr", "adjusted_ctor",
)  # fmt: skip
"""Keys of counts and rates in the order of `performance_stats` (Stats API contract 7.1)."""


def performance_keys(channel: str, *, extended: bool = True, adjusted: bool = True) -> tuple[str, ...]:
    """Keys of the counts and rates in the channel's `performance_stats`, in the order of the wire.

    `extended` adds the extended fields, `adjusted` those of them that need bot filtering.
    """
    keys = []
    for key in _WIRE_ORDER:
        metric = COUNTS.get(key) or RATES[key]
        if metric.adjusted and not adjusted:
            continue
        if channel in _plain_channels(metric) or (extended and channel in _extended_channels(metric)):
            keys.append(key)
    return tuple(keys)


def wire_names(key: str) -> tuple[str, ...]:
    """Names a count or rate has in `performance_stats`: its own first, then its aliases."""
    count = COUNTS.get(key)
    return (key,) if count is None else (count.wire, *count.aliases)


def _plain_channels(metric: Count | Rate) -> tuple[str, ...]:
    if isinstance(metric, Count):
        return metric.channels
    return tuple(channel for ratio in metric.ratios if not ratio.extended for channel in ratio.channels)


def _extended_channels(metric: Count | Rate) -> tuple[str, ...]:
    if isinstance(metric, Count):
        return metric.extended_channels
    return tuple(channel for ratio in metric.ratios if ratio.extended for channel in ratio.channels)
