"""What needs a look now. Every rule is a constant here and a sentence on the page; nothing is learned or guessed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from campanile.dashboard import words
from campanile.dashboard.formats import number, percent
from campanile.metrics.formulas import channel_fraction, rate
from campanile.metrics.pairs import ZERO, Pair
from campanile.metrics.registry import RATES
from campanile.stats.schemas import Series

FAILURE_RATE_PERCENT = 5
"""Failure rates below this are daily life: dead tokens and closed mailboxes."""
FAILURE_RATE_FACTOR = 2
"""How many times the usual rate is a jump."""
FAILURE_MINIMUM_ATTEMPTS = 100
"""Attempts needed before a rate means something."""
FAILURE_RECENT_DAYS = 2
"""Days that are compared with the ones before: today alone may have just begun."""
FAILURE_USUAL_DAYS = 7
"""Days that say what is usual: a whole week, as weekends differ."""
SILENCE = timedelta(hours=1)
"""Time without events that is worth a word."""
SILENCE_MEMORY = timedelta(days=7)
"""A workspace that had no events for longer is asleep on purpose."""
REPORT_MEMORY = timedelta(days=7)
"""How long a failed report is shown."""
REPORTS_SHOWN = 3

METRICS = ("attempted", "sent")
"""What a failure rate is made of."""


class Alert(msgspec.Struct, frozen=True):
    """One thing worth a look."""

    kind: Literal["failure_rate", "silence", "report_failed"]
    tone: Literal["bad", "warn"]
    title: str
    text: str
    path: str
    """Below the workspace: where to look."""


def failure_jumps(by_channel: Mapping[str, Series]) -> list[Alert]:
    """Channels whose failure rate of the last days is far above that of the week before; daily series."""
    found = []
    for channel, series in by_channel.items():
        if not channel or RATES["failure_rate"].ratio(channel) is None:
            continue
        recent = _failed(channel, series, slice(-FAILURE_RECENT_DAYS, None))
        usual = _failed(channel, series, slice(-FAILURE_RECENT_DAYS - FAILURE_USUAL_DAYS, -FAILURE_RECENT_DAYS))
        if recent[1] < FAILURE_MINIMUM_ATTEMPTS or rate(*recent) < FAILURE_RATE_PERCENT:
            continue
        if usual[1] and recent[0] * usual[1] < FAILURE_RATE_FACTOR * usual[0] * recent[1]:
            continue
        before = f"{percent(rate(*usual))} in the week before" if usual[1] else "nothing was sent in the week before"
        found.append(
            Alert(
                "failure_rate",
                "bad",
                f"{words.channel(channel)}: {percent(rate(*recent))} of messages fail",
                f"{number(recent[0])} of {number(recent[1])} in the last {FAILURE_RECENT_DAYS} days; {before}.",
                f"/campaigns?channel={channel}&sort=active",
            )
        )
    return found


def _failed(channel: str, series: Series, days: slice) -> tuple[int, int]:
    """Failed and attempted messages of some days."""
    counts: dict[str, Pair] = {}
    for point in series.points[days]:
        for metric, pair in point.counts.items():
            known = counts.get(metric, ZERO)
            counts[metric] = Pair(known.total + pair.total, known.unique + pair.unique)
    return channel_fraction(RATES["failure_rate"], channel, counts, "TOTAL", True)


def silence(last_event_at: datetime | None, now: datetime, when: str) -> list[Alert]:
    """No event for a while, in a workspace that usually has some. `when` is the last event in words."""
    if last_event_at is None or not SILENCE <= now - last_event_at <= SILENCE_MEMORY:
        return []
    return [
        Alert(
            "silence",
            "warn",
            "No events for over an hour",
            f"The last one happened on {when}. If that is unusual, see whether the senders are refused.",
            "/settings/health",
        )
    ]


def failed_reports(failures: Sequence[Mapping[str, Any]], timezone_words: Mapping[datetime, str]) -> list[Alert]:
    """Reports that could not be made; newest first."""
    return [
        Alert(
            "report_failed",
            "bad",
            f"Report {failure['name']} failed",
            f"{timezone_words[failure['at']]}. {failure['message']}",
            f"/reports/runs/{failure['id']}",
        )
        for failure in failures
    ]
