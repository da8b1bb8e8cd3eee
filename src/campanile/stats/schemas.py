"""The request of the Stats API, checked field by field in the order of its contract (Stats API 3, 4, 8)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, Literal, get_args

import msgspec

from campanile.campaigns.schemas import Campaign
from campanile.errors import InvalidInput
from campanile.metrics.pairs import MetricType, Pair

Attribution = Literal["VIEW_THROUGH", "CLICK_THROUGH", "IN_SESSION", "TOTAL_CONVERSIONS", "CLICK_CONVERSIONS"]

MAX_BODY_BYTES = 64 * 1024
"""Largest request body, in bytes."""

MAX_DEPTH = 32
"""Levels of nesting a body may have; the outermost object is the first."""

REQUEST_ID_CHARACTERS = 256
CAMPAIGN_ID_CHARACTERS = 64
SPAN_DAYS = 30
"""Largest difference between the two dates, so at most 31 calendar days."""

FIRST_YEAR = 1970
MAX_LIMIT = 10
"""Campaigns per page, and the default."""

VALUE_CHARACTERS = 64
"""Characters of an offending value that an error shows."""

OFFSET_BITS = 10_000
"""An offset has no maximum of its own, but page numbers derived from it must stay printable numbers."""

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class StatsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A valid request."""

    request_id: str
    campaign_ids: tuple[str, ...]
    """Empty: all campaigns with activity."""
    first: date
    last: date
    attribution: Attribution
    metric_type: MetricType
    offset: int = 0
    limit: int = MAX_LIMIT


Number = int | float | Decimal
"""A value of the answer: whole numbers are always `int`, money with a fraction is `Decimal`."""


class GoalStats(msgspec.Struct, frozen=True):
    """Conversions of one goal in one node (Stats API 7.3)."""

    name: str
    event: str
    """Event that fulfils the goal; empty when only its sender knows."""
    tracks_revenue: bool
    conversions: int
    total: int
    unique: int
    cvr: Number
    uplift: Number
    gcg_uplift: Number
    revenue: Number
    average_order_value: Number
    average_revenue_per_user: Number


class Node(msgspec.Struct, frozen=True):
    """What an answer says about one node."""

    performance: dict[str, int | float] | None
    """None for control groups: nobody in them got a message."""
    goals: list[GoalStats]
    funnel: dict[str, int]
    failures: dict[str, int]


Tree = dict[str, dict[str, dict[str, Node]]]
"""Platform → locale → variation → node, each level in the order of the answer."""


class Measured(msgspec.Struct, frozen=True):
    """What the Stats API says about one campaign, under both metric types, with the nodes over all platforms."""

    campaign: Campaign
    total: Tree
    unique: Tree


SeriesUnit = Literal["hour", "day", "week", "month"]


class Point(msgspec.Struct, frozen=True):
    """One stretch of a time series."""

    start: datetime
    """In the zone of the workspace."""
    counts: dict[str, Pair]
    """By metric key of the registry, those that were asked for; users are distinct within the stretch."""


class Series(msgspec.Struct, frozen=True):
    """Counts over time."""

    unit: SeriesUnit
    points: tuple[Point, ...]
    undated: bool
    """Whether there are counts that were reported per day, which a series by hour cannot show."""


class GroupTotals(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of one campaign, of all campaigns of a channel, or of a whole workspace."""

    campaigns: int
    """Campaigns with activity, children not counted."""
    total: dict[str, int | float]
    """As `performance_stats` under TOTAL; over several channels by registry key."""
    unique: dict[str, int | float]
    fractions: dict[str, tuple[int, int]]
    """Rates under TOTAL: numerator and denominator, by registry key."""
    conversions: int
    """Of all goals."""
    converted: int
    """(User, instance) pairs per goal, added over goals and campaigns."""
    revenue: dict[str, Decimal]
    """By currency; '' where goals name none."""


class Totals(msgspec.Struct, frozen=True):
    """Numbers of a workspace."""

    everything: GroupTotals
    channels: dict[str, GroupTotals]
    """Channels with activity, in the order of the registry."""
    campaigns: tuple[tuple[Campaign, GroupTotals], ...]
    """Campaigns with activity that are no children."""


class InvalidField(InvalidInput):
    """A field of the request is missing or wrong; the message has the form that clients of the API know."""

    def __init__(self, field: str, value: object) -> None:
        shown = (character for character in str(value) if unicodedata.category(character) != "Cc")
        text = "".join(islice(shown, VALUE_CHARACTERS))
        message = f"{field} - Some of the field values are invalid: {field} : {text}"
        super().__init__(message, attribute=field, type="invalid_field")


def parse_request(body: bytes, *, max_campaign_ids: int) -> StatsRequest:
    """The request in a body.

    Raises:
        InvalidInput: the body as a whole is no JSON object, or too deep (no `attribute`).
        InvalidField: the first field, in the order of the contract, that is missing or wrong.
    """
    fields = parse_object(body)
    return StatsRequest(
        request_id=_request_id(fields.get("request_id")),
        campaign_ids=(ids := _campaign_ids(fields.get("campaign_ids"), max_campaign_ids)),
        first=(first := _day("start_date", fields.get("start_date"))),
        last=_last_day(fields.get("end_date"), first),
        attribution=_choice("attribution_type", fields.get("attribution_type"), Attribution),
        metric_type=_choice("metric_type", fields.get("metric_type"), MetricType),
        offset=_integer("offset", fields.get("offset"), default=0),
        # Clients that may name more ids than fit on a page do not turn pages: they take what is missing for zero.
        limit=_integer("limit", fields.get("limit"), default=max(MAX_LIMIT, len(ids)), low=1, high=MAX_LIMIT),
    )


def parse_object(body: bytes) -> Mapping[str, Any]:
    """The JSON object in a body; of repeated members the last one counts.

    Raises:
        InvalidInput: empty, not UTF-8, not JSON, not an object, or nested deeper than `MAX_DEPTH`.
    """
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput("The body is not JSON.", type="invalid_json") from error
    if not isinstance(value, dict):
        raise InvalidInput("The body is not a JSON object.", type="not_an_object")
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return value
    raise InvalidInput(f"The body is nested deeper than {MAX_DEPTH} levels.", type="too_deep")


def _request_id(value: object) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= REQUEST_ID_CHARACTERS:
        raise InvalidField("request_id", value)
    return value


def _campaign_ids(value: object, maximum: int) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise InvalidField("campaign_ids", value)
    if len(value) > maximum:
        raise InvalidField("campaign_ids", len(value))
    for item in value:
        if not isinstance(item, str) or not 1 <= len(item) <= CAMPAIGN_ID_CHARACTERS:
            raise InvalidField("campaign_ids", item)
    for position, item in enumerate(value):
        if item in value[:position]:
            raise InvalidField("campaign_ids", item)
    return tuple(value)


def _day(field: str, value: object) -> date:
    if isinstance(value, str) and _DATE.fullmatch(value):
        try:
            day = date.fromisoformat(value)
        except ValueError as error:
            raise InvalidField(field, value) from error
        if day.year >= FIRST_YEAR:
            return day
    raise InvalidField(field, value)


def _last_day(value: object, first: date) -> date:
    last = _day("end_date", value)
    if not 0 <= (last - first).days <= SPAN_DAYS:
        raise InvalidField("end_date", value)
    return last


def _choice(field: str, value: object, choices: Any) -> Any:
    if not isinstance(value, str) or value not in get_args(choices):
        raise InvalidField(field, value)
    return value


def _integer(field: str, value: object, *, default: int, low: int = 0, high: int | None = None) -> int:
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool) or value < low or value.bit_length() > OFFSET_BITS:
        raise InvalidField(field, value)
    if high is not None and value > high:
        raise InvalidField(field, value)
    return value
