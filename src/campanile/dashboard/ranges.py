"""What somebody looks at: days and attribution type, in the URL, and remembered for the next page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Literal, get_args
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec

from campanile.errors import InvalidInput
from campanile.kit.times import Window, window
from campanile.metrics.pairs import MetricType
from campanile.stats.schemas import Attribution, SeriesUnit
from campanile.workspaces.schemas import WorkspaceSettings

PRESETS: dict[str, tuple[str, int]] = {
    "1d": ("Today", 1),
    "7d": ("Last 7 days", 7),
    "14d": ("Last 14 days", 14),
    "30d": ("Last 30 days", 30),
    "90d": ("Last 90 days", 90),
    "365d": ("Last 365 days", 365),
}
"""Ranges that move with the day: label and number of days, today included."""
DEFAULT_PRESET = "30d"
MAX_DAYS = 400
"""Days of a range: a year with its comparison days; every day costs time in every question."""
HOURLY_DAYS = 14
"""Days that are shown by hour: more points than that nobody tells apart."""
ATTRIBUTION_LABELS: dict[Attribution, str] = {
    "VIEW_THROUGH": "View-through",
    "CLICK_THROUGH": "Click-through",
    "IN_SESSION": "In-session",
    "TOTAL_CONVERSIONS": "Last interaction",
    "CLICK_CONVERSIONS": "Last click",
}
UNIT_LABELS: dict[SeriesUnit, str] = {"hour": "Hour", "day": "Day", "week": "Week", "month": "Month"}
Shown = Literal["numbers", "percent"]


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Days and attribution type of a page."""

    preset: str
    """Key of `PRESETS`, empty for chosen days."""
    first: date
    last: date
    timezone: str
    attribution: Attribution
    metric_type: MetricType
    """Of tables that show one of them."""
    shown: Shown
    """Whether tables that split numbers show counts or rates."""
    unit: SeriesUnit
    """Of time series."""

    @property
    def window(self) -> Window:
        return window(self.first, self.last, self.timezone)

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def before(self) -> Window:
        """The same number of days before."""
        length = timedelta(days=self.days)
        return window(self.first - length, self.last - length, self.timezone)

    @property
    def units(self) -> tuple[SeriesUnit, ...]:
        """Units that make sense for the range."""
        longest = {"hour": HOURLY_DAYS, "day": MAX_DAYS, "week": MAX_DAYS, "month": MAX_DAYS}
        least = {"hour": 1, "day": 2, "week": 8, "month": 32}
        return tuple(unit for unit in get_args(SeriesUnit) if least[unit] <= self.days <= longest[unit])

    def query(self, **changes: str) -> str:
        """The query string of this view, with some members changed; empty values are left out."""
        days = {"range": self.preset} if self.preset else {"from": str(self.first), "to": str(self.last)}
        values = {
            **days,
            "attribution": self.attribution,
            "count": self.metric_type.lower(),
            "show": self.shown,
            "unit": self.unit,
            **changes,
        }
        return urlencode({name: value for name, value in values.items() if value})

    @property
    def remembered(self) -> str:
        """What a cookie keeps of it. Chosen days are not kept: they are about one question."""
        return f"{self.preset or DEFAULT_PRESET}.{self.attribution}"


def parse_view(parameters: Mapping[str, str], remembered: str, now: datetime, settings: WorkspaceSettings) -> View:
    """The view that a URL asks for; what it does not say is as remembered, else as the workspace says.

    Raises:
        InvalidInput: `range`, `from`, `to`, `attribution`, `count`, `show` or `unit` is none of those.
    """
    kept_preset, _, kept_attribution = remembered.partition(".")
    today = now.astimezone(ZoneInfo(settings.timezone)).date()
    preset, first, last = _days(parameters, kept_preset, today)
    usual: Attribution = "VIEW_THROUGH" if settings.attribution_model == "all_interactions" else "TOTAL_CONVERSIONS"
    attribution = parameters.get("attribution", "")
    if attribution and attribution not in ATTRIBUTION_LABELS:
        raise _wrong("attribution", ATTRIBUTION_LABELS)
    wanted = attribution or kept_attribution
    view = View(
        preset=preset,
        first=first,
        last=last,
        timezone=settings.timezone,
        attribution=next((name for name in ATTRIBUTION_LABELS if name == wanted), usual),
        metric_type="UNIQUE" if _choice(parameters, "count", ("total", "unique")) == "unique" else "TOTAL",
        shown="percent" if _choice(parameters, "show", ("numbers", "percent")) == "percent" else "numbers",
        unit="day",
    )
    asked = parameters.get("unit", "")
    if asked and asked not in UNIT_LABELS:
        raise _wrong("unit", UNIT_LABELS)
    fitting = view.units
    default = "hour" if view.days == 1 else "week" if view.days > 120 else "day"
    unit = next((name for name in fitting if name == asked), default)
    return msgspec.structs.replace(view, unit=unit)


def _days(parameters: Mapping[str, str], kept: str, today: date) -> tuple[str, date, date]:
    preset = parameters.get("range", "")
    chosen = parameters.get("from", ""), parameters.get("to", "")
    if preset in PRESETS or not any(chosen):
        if preset and preset not in PRESETS:
            raise _wrong("range", PRESETS)
        preset = preset or (kept if kept in PRESETS else DEFAULT_PRESET)
        return preset, today - timedelta(days=PRESETS[preset][1] - 1), today
    first, last = (_date(name, text) for name, text in zip(("from", "to"), chosen, strict=True))
    if not 0 <= (last - first).days < MAX_DAYS:
        raise InvalidInput(f"A range has 1 to {MAX_DAYS} days.", attribute="to", type="invalid_value")
    return "", first, last


def _date(name: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{name} must be a day such as 2026-03-18.", attribute=name, type="format") from error
    if not 1970 <= day.year < 2200:
        raise InvalidInput(f"{name} is too far away.", attribute=name, type="invalid_value")
    return day


def _choice(parameters: Mapping[str, str], name: str, allowed: tuple[str, ...]) -> str:
    value = parameters.get(name, "") or allowed[0]
    if value not in allowed:
        raise _wrong(name, allowed)
    return value


def _wrong(name: str, allowed: Iterable[str]) -> InvalidInput:
    return InvalidInput(f"{name} must be one of: {', '.join(allowed)}.", attribute=name, type="invalid_value")
