"""Columns of counts and rates (report specification 12.3): small tables over the metric registry.

A table says which metrics a channel's file shows, under which names and splits. What the metrics mean is said by the
registry alone; only rates that the registry does not have are declared here, as shares of two columns of the row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from campanile.metrics.pairs import MetricType
from campanile.metrics.registry import COUNTS, RATES, Term
from campanile.reports.columns.campaign import LOCALE_SPLIT, PLATFORM_WORDS
from campanile.reports.columns.definitions import (
    EVERYWHERE,
    Amplified,
    ColumnDef,
    Counted,
    Detailed,
    Failing,
    HeldOut,
    RegistryRate,
    Share,
    Source,
    StepPassed,
    Unknown,
    letters,
)
from campanile.reports.schemas import CHANNELS

PLATFORMS: dict[str, tuple[str, ...]] = {
    "PUSH": ("android", "ios", "web", EVERYWHERE),
    "IN_APP": ("android", "ios", EVERYWHERE),
    "ON_SITE": ("web", "mweb", EVERYWHERE),
}
"""Platforms with columns of their own, in order; other channels have columns over all platforms only."""
ALL_PLATFORM = "All Platform"

DROPS = ("email_unsubscribe_drop", "provider_suppression_drop")
"""Reasons with which a mail provider drops a message it had taken."""


class _Row(NamedTuple):
    key: str
    header: str
    cell: Source
    filled: str = "DCVL"
    """First letters of the splits under which the cell is filled."""
    default: str = ""
    """First letters of the platforms (`*` = all together) whose column is selected by default."""


def _total(count: str) -> Counted:
    return Counted(count)


def _unique(count: str) -> Counted:
    return Counted(count, "UNIQUE")


def _rate(rate: str, metric_type: MetricType = "TOTAL") -> RegistryRate:
    return RegistryRate(rate, metric_type)


_CONTROL = (
    _Row("active_target_control_group", "Active Target Control Group", HeldOut("campaign_control_group"), "DC"),
    _Row(
        "active_target_global_control_group",
        "Active Target Global Control Group",
        HeldOut("global_control_group"),
        "DC",
    ),
)

_PUSH = (
    _Row(
        "installed_users_in_segment",
        "Installed Users in segment",
        StepPassed("reachable_users_in_segment"),
        "DC",
        "*",
    ),
    _Row("after_fc_removal", "After FC Removal", StepPassed("after_fc"), "DC", "*"),
    _Row("user_devices", "User Devices", StepPassed("user_devices"), "DC"),
    _Row("active_device_tokens", "Active device tokens", StepPassed("active_device_token"), "DC"),
    _Row("attempted", "Attempted", _total("attempted"), default="*"),
    _Row("sent", "Sent", _total("sent"), default="*ai"),
    _Row("sent_rate", "Sent Rate", _rate("sent_rate")),
    _Row("failed", "Failed", _total("failed"), default="*"),
    _Row("failure_rate", "Failure Rate", _rate("failure_rate")),
    _Row("impressions", "Impressions", _total("impression"), default="*ai"),
    _Row("unique_impressions", "Unique Impressions", _unique("impression")),
    _Row("impression_rate", "Impression Rate", _rate("delivery_rate"), default="*"),
    _Row("clicks", "Clicks", _total("click"), default="*ai"),
    _Row("unique_clicks", "Unique Clicks", _unique("click")),
    _Row("ctr", "CTR", _rate("ctr"), default="*ai"),
    _Row("fcm_delivery_rate", "FCM Delivery Rate", Amplified("fcm_delivery_rate"), "DCV"),
    _Row("push_amp_plus_impressions", "Push Amp Plus Impressions", Detailed("amplified_impression"), "DCV"),
    _Row("push_amp_plus_clicks", "Push Amp Plus Clicks", Detailed("amplified_click"), "DCV"),
    _Row("uplift_percentage", "Uplift Percentage", Amplified("uplift_percentage"), "DCV"),
    *_CONTROL,
)
_EMAIL = (
    _Row("users_with_email", "Users with Email", StepPassed("user_with_email"), "DC"),
    _Row("after_buc_removed", "After B/U/C Removed", StepPassed("user_with_email_after__h_b"), "DC"),
    _Row("after_invalid_removed", "After Invalid Emails Removed", StepPassed("after_invalid_removal"), "DC"),
    _Row("after_duplicates_removed", "After Duplicates Removed", StepPassed("user_after_duplicate_removal"), "DC"),
    _Row("after_fc_removal", "After FC Removal", StepPassed("after_fc"), "DC"),
    _Row(
        "after_personalization_removal",
        "After Personalization Removal",
        StepPassed("after_personalization_removal"),
        "DC",
    ),
    _Row("attempted", "Attempted", _total("attempted")),
    _Row("sent", "Total Sent", _total("sent"), default="*"),
    _Row("unique_sent", "Sent", _unique("sent")),
    _Row("failed", "Failed", _total("failed")),
    _Row("delivered", "Total Delivered", _total("delivered"), default="*"),
    _Row("unique_delivered", "Delivered", _unique("delivered")),
    _Row("delivery_rate", "Delivery rate", _rate("delivery_rate"), default="*"),
    _Row("opens", "Total Open", _total("opened"), default="*"),
    _Row("unique_opens", "Unique opens", _unique("opened"), default="*"),
    _Row("open_rate", "Open rate", _rate("open_rate"), default="*"),
    _Row("adjusted_opens", "Adjusted opens", _unique("human_open")),
    _Row("adjusted_open_rate", "Adjusted open rate", _rate("adjusted_open_rate")),
    _Row("clicks", "Total clicks", _total("click"), default="*"),
    _Row("unique_clicks", "Unique clicks", _unique("click"), default="*"),
    _Row("ctr", "CTR", Share("unique_clicks", "delivered"), default="*"),
    _Row("ctor", "CTOR", _rate("ctor")),
    _Row("adjusted_ctor", "Adjusted CTOR", _rate("adjusted_ctor")),
    _Row("hard_bounces", "Total Hard bounces", _total("hard_bounce"), default="*"),
    _Row("unique_hard_bounces", "Hard bounces", _unique("hard_bounce")),
    _Row("hard_bounce_rate", "Hard bounce rate", Share("hard_bounces", "sent")),
    _Row("soft_bounces", "Total Soft bounces", _total("soft_bounce"), default="*"),
    _Row("unique_soft_bounces", "Soft bounces", _unique("soft_bounce")),
    _Row("soft_bounce_rate", "Soft bounce rate", Share("soft_bounces", "sent")),
    _Row("drops", "Drops", Failing(DROPS)),
    _Row("unsubscribes", "Unsubscribes", _unique("unsubscribe"), default="*"),
    _Row("unsubscribe_rate", "Unsubscribe rate", Share("unsubscribes", "sent"), default="*"),
    _Row("complaints", "Complaints", _unique("complaint"), default="*"),
    _Row("complaints_rate", "Complaints rate", Share("complaints", "delivered")),
    *_CONTROL,
)
_PHONE_ATTEMPTS = (
    _Row(
        "users_with_valid_mobile",
        "Users with valid mobile numbers",
        StepPassed("reachable_users_in_segment"),
        "DC",
    ),
    _Row("after_fc_removal", "After FC Removal", StepPassed("after_fc"), "DC"),
    _Row("after_duplicates_removed", "After Duplicates Removed", StepPassed("users_after_dup"), "DC"),
    _Row("attempted", "Attempted", _total("attempted"), "DCV", "*"),
    _Row("sent", "Sent", _total("sent"), "DCV", "*"),
    _Row("sent_rate", "Sent Rate", _rate("sent_rate"), "DCV"),
    _Row("failed", "Failed", _total("failed"), "DCV", "*"),
    _Row("failure_rate", "Failure Rate", _rate("failure_rate"), "DCV"),
)
_PHONE_ARRIVALS = (
    _Row("delivered", "Total Delivered", _total("delivered"), default="*"),
    _Row("unique_delivered", "Delivered", _unique("delivered")),
    _Row("delivery_rate", "Delivery Rate", _rate("delivery_rate"), "DCV", "*"),
)
_PHONE_CLICKS = (
    _Row("clicks", "Clicks", _total("click"), default="*"),
    _Row("unique_clicks", "Unique clicks", _unique("click"), default="*"),
    _Row("ctr", "CTR", _rate("ctr"), default="*"),
)
_PHONE_REST = (_Row("billable_count", "Billable Count", Unknown(), "DCV", "*"), *_CONTROL)
_SENT_AS_SMS = _Row("sent_as_sms", "Sent as SMS", Failing(("sent_as_sms",)), "DCV")
_RCS_TRANSPORTS = tuple(
    _Row(f"{transport}_{count}", f"{transport.upper()} {count.title()}", Detailed(f"{transport}_{count}"), "DCV")
    for transport in ("rcs", "sms")
    for count in ("attempted", "sent", "delivered")
)
_RCS_READS = (
    _Row("reads", "Total Read", _total("read"), default="*"),
    _Row("unique_reads", "Read", _unique("read")),
    _Row("read_rate", "Read Rate", _rate("read_rate"), default="*"),
    _Row("suggestion_clicks", "Suggestion clicks", Detailed("suggestion_click")),
    _Row("url_clicks", "URL clicks", Detailed("url_click")),
)
_RCS_CTOR = _Row("ctor", "CTOR", Share("unique_clicks", "unique_reads"))
_WHATSAPP = (
    _Row(
        "reachable_users_in_segment",
        "Reachable Users in Segment",
        StepPassed("reachable_users_in_segment"),
        "DC",
    ),
    _Row("after_fc_removal", "After FC Removal", StepPassed("after_fc"), "DC"),
    _Row("after_duplicates_removed", "After Duplicates Removed", StepPassed("users_after_dup"), "DC"),
    _Row("attempted", "Attempted", _total("attempted")),
    _Row("sent", "Total Sent", _total("sent"), default="*"),
    _Row("unique_sent", "Sent", _unique("sent")),
    _Row("failed", "Failed", _total("failed")),
    _Row("delivered", "Total Delivered", _total("delivered"), default="*"),
    _Row("unique_delivered", "Delivered", _unique("delivered")),
    _Row("delivery_rate", "Delivery Rate", _rate("delivery_rate"), default="*"),
    _Row("reads", "Total Read", _total("read"), default="*"),
    _Row("unique_reads", "Read", _unique("read")),
    _Row("read_rate", "Read Rate", _rate("read_rate"), default="*"),
    _Row("clicks", "Total clicks", _total("click"), default="*"),
    _Row("unique_clicks", "Unique clicks", _unique("click"), default="*"),
    _Row("ctr", "CTR", _rate("ctr", "UNIQUE"), default="*"),
    _Row("ctor", "CTOR", _rate("ctor"), default="*"),
    *_CONTROL,
)
_ON_SCREEN = (
    _Row("impressions", "Impressions", _total("impression"), default="*"),
    _Row("unique_impressions", "Unique Impressions", _unique("impression"), default="*"),
    _Row("clicks", "Clicks", _total("click"), default="*"),
    _Row("unique_clicks", "Unique Clicks", _unique("click"), default="*"),
    _Row("ctr", "CTR", _rate("ctr"), default="*"),
    _Row("closed", "Closed", _total("closed_click"), default="*"),
    *_CONTROL,
)
_CARDS = (
    _Row("sent", "Total Sent", _total("sent"), default="*"),
    _Row("unique_sent", "Unique Sent", _unique("sent"), default="*"),
    _Row("unique_delivered", "Unique Delivered", _unique("delivered"), default="*"),
    _Row("impressions", "Impressions", _unique("impression"), default="*"),
    _Row("clicks", "Clicks", _unique("click"), default="*"),
    _Row("ctr", "CTR", _rate("ctr", "UNIQUE"), default="*"),
    _Row("dismissed", "Dismissed", _unique("closed_click")),
)
_CONNECTOR = (
    _Row("users_in_segment", "Users in segment", StepPassed("total_user_in_segment"), "DC"),
    _Row("after_fc_removal", "After FC Removal", StepPassed("after_fc"), "DC"),
    _Row(
        "after_personalization_removal",
        "After Personalization Removal",
        StepPassed("after_personalization_removal"),
        "DC",
    ),
    _Row("attempted", "Attempted", _total("attempted"), default="*"),
    _Row("sent", "Sent", _total("sent"), default="*"),
    _Row("sent_rate", "Sent Rate", _rate("sent_rate"), default="*"),
    _Row("failed", "Failed", _total("failed"), default="*"),
    _Row("failure_rate", "Failure Rate", _rate("failure_rate")),
)
_AUDIENCE = (
    _Row("eligible_users", "Eligible users", _unique("eligible_users"), "DC", "*"),
    _Row("attempted", "Attempted", _unique("attempted"), "DC", "*"),
    _Row("sent", "Successfully synced", _unique("successfully_synced"), "DC", "*"),
    _Row("sync_rate", "Sync Rate", Share("sent", "attempted"), "DC"),
    _Row("failed", "Failed", _unique("failed"), "DC", "*"),
)

_TABLES: dict[str, tuple[_Row, ...]] = {
    "PUSH": _PUSH,
    "EMAIL": _EMAIL,
    "SMS": (*_PHONE_ATTEMPTS, *_PHONE_ARRIVALS, *_PHONE_CLICKS, *_PHONE_REST),
    "MMS": (*_PHONE_ATTEMPTS, *_PHONE_ARRIVALS, _SENT_AS_SMS, *_PHONE_CLICKS, *_PHONE_REST),
    "RCS": (
        *_PHONE_ATTEMPTS,
        *_RCS_TRANSPORTS,
        *_PHONE_ARRIVALS,
        *_RCS_READS,
        *_PHONE_CLICKS,
        _RCS_CTOR,
        *_PHONE_REST,
    ),
    "WHATSAPP": _WHATSAPP,
    "IN_APP": _ON_SCREEN,
    "ON_SITE": _ON_SCREEN,
    "CARDS": _CARDS,
    "CONNECTOR": _CONNECTOR,
    "FACEBOOK": _AUDIENCE,
    "GOOGLE_ADS": _AUDIENCE,
}


def metric_columns(channel: str) -> Iterator[ColumnDef]:
    """Columns of counts and rates of a channel, goals left out, platform by platform."""
    filled = "DCVL" if channel in LOCALE_SPLIT else "DCV"
    for platform in PLATFORMS.get(channel, (EVERYWHERE,)):
        for row in _TABLES[channel]:
            cell = _on_platform(row.cell, platform)
            yield ColumnDef(
                key=stats_key(row.key, platform),
                header=f"{_word(platform)} {row.header}" if channel in PLATFORMS else row.header,
                type="percent" if isinstance(cell, RegistryRate | Share | Amplified) else "integer",
                source=_source(channel, cell),
                splits=letters("".join(letter for letter in row.filled if letter in filled)),
                default_selected="yes" if (platform[:1] or "*") in row.default else "no",
                cell=cell,
            )


def stats_key(key: str, platform: str) -> str:
    """The key of a number on a platform."""
    return f"campaign-stats.{platform}.{key}" if platform else f"campaign-stats.{key}"


def _word(platform: str) -> str:
    return PLATFORM_WORDS.get(platform, ALL_PLATFORM)


def _on_platform(cell: Source, platform: str) -> Source:
    if isinstance(cell, Share):
        return Share(stats_key(cell.part, platform), stats_key(cell.whole, platform))
    if hasattr(cell, "platform"):
        return msgspec.structs.replace(cell, platform=platform.upper())
    return cell


def qualifier(channel: str, platform: str, *more: str) -> str:
    """What stands in brackets after the name of a stored metric."""
    where = [platform.upper() or "ALL_PLATFORMS"] if channel in PLATFORMS else []
    parts = [*where, *more]
    return f"[{','.join(parts)}]" if parts else ""


def _source(channel: str, cell: Source) -> str:
    """The source in words."""
    match cell:
        case Counted(count, metric_type, platform):
            return f"performance_stats.{COUNTS[count].wire}{qualifier(channel, platform, metric_type)}"
        case StepPassed(step, platform):
            return f"delivery_funnel.{step}{qualifier(channel, platform)}"
        case HeldOut(group, platform):
            return f"{group}.active_targets{qualifier(channel, platform)}"
        case Detailed(detail, platform):
            return f"{_DETAILS[detail]}{qualifier(channel, platform, 'TOTAL')}".replace("][", ",")
        case Failing(reasons, platform):
            return f"failure_breakdown.{'+'.join(reasons)}{qualifier(channel, platform, 'TOTAL')}"
        case RegistryRate(rate, metric_type):
            return _fraction(channel, rate, metric_type)
        case Share(part, whole):
            return f"100*{_short(part)}/{_short(whole)}"
        case Amplified("fcm_delivery_rate"):
            return "100*(impressions-push_amp_plus_impressions)/sent"
        case Amplified("uplift_percentage"):
            return "100*(impressions/sent-fcm_delivery_rate/100)/(fcm_delivery_rate/100)"
        case _:
            return "unknown"


_DETAILS = {
    "amplified_impression": "push_amp_plus.impression",
    "amplified_click": "push_amp_plus.click",
    **{
        f"{transport}_{count}": f"performance_stats.{count}[{transport.upper()}]"
        for transport in ("rcs", "sms")
        for count in ("attempted", "sent", "delivered")
    },
    "suggestion_click": "performance_stats.suggestion_click",
    "url_click": "performance_stats.url_click",
}


def _short(key: str) -> str:
    return key.rsplit(".", 1)[-1]


def _fraction(channel: str, rate: str, metric_type: MetricType) -> str:
    """The registry's fraction in keys of the channel's columns; counts without a column under their own name."""
    ratio = RATES[rate].ratio(CHANNELS[channel])
    if ratio is None:
        raise ValueError(f"{rate} does not exist for {channel}")
    text = f"100*{_term(channel, ratio.numerator, metric_type)}/{_term(channel, ratio.denominator, metric_type)}"
    if ratio.untracked is not None:
        other = f"100*{_term(channel, ratio.numerator, metric_type)}/{_term(channel, ratio.untracked, metric_type)}"
        text += f" ({other} without delivery tracking)"
    return text


def _term(channel: str, term: Term, metric_type: MetricType) -> str:
    shown: MetricType = "UNIQUE" if term.unique else metric_type
    names = {
        (row.cell.count, row.cell.metric_type): row.key for row in _TABLES[channel] if isinstance(row.cell, Counted)
    }

    def name(count: str) -> str:
        return names.get((count, shown), count)

    return f"({name(term.count)}-{name(term.minus)})" if term.minus else name(term.count)
