"""Campaign statistics over any number of campaigns and days (Stats API contract 3–6, 9)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Literal

from campanile.client.effects import Steps
from campanile.client.errors import Unreachable
from campanile.client.results import Stats, WindowStats, refuse_unique
from campanile.client.schemas import StatsPage
from campanile.client.session import Session, ask_json
from campanile.client.windows import IDS_PER_REQUEST, Window, distinct, groups, parse_day, windows

PATH = "/core-services/v1/campaign-stats"
PAGE = 10
"""Campaigns per page; the most the API gives."""
MAX_PAGES = 10_000
"""Pages asked for at most, should a server never come to an end."""
REQUEST_ID = "campanile-client"

MetricType = Literal["TOTAL", "UNIQUE"]
Attribution = Literal["VIEW_THROUGH", "CLICK_THROUGH", "IN_SESSION", "TOTAL_CONVERSIONS", "CLICK_CONVERSIONS"]


def stats(
    session: Session,
    campaign_ids: Iterable[str] | str | None = None,
    *,
    start_date: date | str,
    end_date: date | str,
    metric_type: MetricType = "TOTAL",
    attribution_type: Attribution = "VIEW_THROUGH",
    window_days: int | None = None,
) -> Steps[Stats]:
    """Statistics of any campaigns over any days, in as many requests as the API needs.

    TOTAL numbers of more than 31 days are put together from windows of 30 days; figures that count people cannot be,
    and are named in `left_out`. UNIQUE numbers of more than 31 days are refused before anything is asked.

    Args:
        campaign_ids: ids, at most ten of which go into one request; None: all campaigns with activity.
        start_date, end_date: days in the workspace's time zone, both included.
        window_days: give one result per window of so many days (1–31), labelled and not added up.

    Raises:
        WrongQuestion: the days make no sense. NotAdditive: UNIQUE numbers would have to be added up.
        Unreachable: no answer after all retries. Refused: the server says no.
    """
    first, last = parse_day(start_date, "start_date"), parse_day(end_date, "end_date")
    wanted = windows(first, last, window_days)
    if window_days is None:
        refuse_unique(metric_type, wanted)
    ids = None if campaign_ids is None else distinct(campaign_ids)
    parts = []
    for window in wanted:
        data = yield from _window(session, ids, window, metric_type, attribution_type)
        parts.append(WindowStats(window, data))
    found = {name for part in parts for name in part.data}
    answer = Stats(
        metric_type=metric_type,
        attribution_type=attribution_type,
        parts=tuple(parts),
        missing=tuple(name for name in ids or () if name not in found),
    )
    return answer if window_days is not None else answer.merged()


def stats_page(
    session: Session,
    *,
    start_date: str,
    end_date: str,
    campaign_ids: Sequence[str] = (),
    metric_type: str = "TOTAL",
    attribution_type: str = "VIEW_THROUGH",
    offset: int = 0,
    limit: int = PAGE,
    request_id: str = REQUEST_ID,
) -> Steps[StatsPage]:
    """One request of the Stats API as it is: dates are `YYYY-MM-DD`, both included, at most 31 days and 10 ids."""
    body: dict[str, Any] = {
        "request_id": request_id,
        "start_date": start_date,
        "end_date": end_date,
        "attribution_type": attribution_type,
        "metric_type": metric_type,
        "offset": offset,
        "limit": limit,
    }
    if campaign_ids:
        body["campaign_ids"] = list(campaign_ids)
    page = yield from ask_json(session, "POST", PATH, body, shape=StatsPage, budget=PATH)
    return page


def _window(
    session: Session, ids: Sequence[str] | None, window: Window, metric_type: str, attribution: str
) -> Steps[dict[str, Any]]:
    """The `data` of all pages of all groups of ids, in the order they were asked for."""
    data: dict[str, Any] = {}
    for group in [()] if ids is None else groups(ids, IDS_PER_REQUEST):
        for number in range(MAX_PAGES):
            offset = number * PAGE
            page = yield from stats_page(
                session,
                start_date=window.first.isoformat(),
                end_date=window.last.isoformat(),
                campaign_ids=group,
                metric_type=metric_type,
                attribution_type=attribution,
                offset=offset,
            )
            data |= page.data
            if not page.data or page.current_page >= page.total_pages or offset + PAGE >= page.total_campaigns:
                break
        else:
            raise Unreachable(f"{session.base_url} does not come to an end: {MAX_PAGES:,} pages")
    return data
