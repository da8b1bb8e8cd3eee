"""What report files do not have, what is always blank in them, and where they differ from the Stats API: with reasons.

This is data for readers; tests hold the catalogue and the rows against it.
"""

from __future__ import annotations

from typing import NamedTuple


class Omission(NamedTuple):
    """Something a reader may expect and does not find."""

    channel: str
    """A token; empty: every channel."""
    key: str
    """A column; empty: the whole file."""
    reason: str


class Difference(NamedTuple):
    """A rate that follows the published report and not the Stats API."""

    channel: str
    key: str
    report: str
    stats_api: str
    reason: str


LEFT_OUT = (
    Omission("FLOWS", "", "Flows are not stored as such: their nodes are rows in the files of their channels."),
    Omission("", "campaign.tags.{category}", "Tags have no categories here: all of them are in `Uncategorized`."),
)
"""Files and columns that do not exist."""

ALWAYS_BLANK = (
    Omission("", "campaign.version_name", "Versions of a campaign are not told apart by its events."),
    Omission("", "campaign.approved_by", "Campaigns are written by their owner; nobody approves them here."),
    Omission("SMS", "campaign-stats.billable_count", "No source of events says how many parts were billed."),
    Omission("MMS", "campaign-stats.billable_count", "No source of events says how many parts were billed."),
    Omission("RCS", "campaign-stats.billable_count", "No source of events says how many parts were billed."),
)
"""Columns that exist for the sake of programs which look for them by name."""

DIFFERENCES = (
    Difference(
        "EMAIL",
        "campaign-stats.ctr",
        "unique clicks / delivered",
        "clicks / delivered, both of the requested metric type",
        "R3a: the published report counts people who clicked; equals the Stats API under UNIQUE while every user "
        "has one delivery.",
    ),
    Difference(
        "EMAIL",
        "campaign-stats.unsubscribe_rate",
        "unique unsubscribes / sent",
        "unsubscribes / delivered",
        "R1: the published report divides by sent messages, the e-mail analysis and the Stats API by delivered ones.",
    ),
    Difference(
        "EMAIL",
        "campaign-stats.complaints_rate",
        "unique complaints / delivered",
        "complaints / delivered, both of the requested metric type",
        "The rate divides the two columns beside it, and the published Complaints column counts people.",
    ),
)
"""Every other rate that both surfaces have is the same number in both.

R2: the CTR of SMS is total clicks / delivered, as in the Stats API. R3: the CTR of WhatsApp is the Stats API's under
UNIQUE.
"""

OTHER_FORMULAS = (
    Difference(
        "",
        "campaign-stats.failure_rate",
        "(attempted - sent) / attempted",
        "the same",
        "Published as failed / attempted; the two are equal once every attempt has its outcome. One definition for "
        "both surfaces.",
    ),
    Difference(
        "EMAIL",
        "campaign-stats.adjusted_ctor",
        "unique human clicks / unique human opens",
        "the same",
        "Published as unique clicks / adjusted opens; clicks of machines would count. One definition for both "
        "surfaces.",
    ),
    Difference(
        "EMAIL",
        "campaign-stats.drops",
        "mails that the provider took and then dropped",
        "in the failure breakdown only",
        "Published without a definition; the two reasons of the failure breakdown that say so.",
    ),
    Difference(
        "CARDS",
        "campaign-stats.goal_{n}.{attribution}.cvr",
        "converted users / unique sent",
        "the same",
        "Published for cards without a source; one table of conversion bases serves both surfaces.",
    ),
)
"""Columns whose formula is not the published one."""
