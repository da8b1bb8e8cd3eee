"""Looking campaigns up: search, labels for numbers, runs of parents (companion API contract 3–5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote

from campanile.client.drivers import Awaiting, Blocking, awaiting, awaiting_items, blocking, blocking_items
from campanile.client.effects import Emit, Steps, Stream
from campanile.client.session import Session, ask_json
from campanile.client.windows import distinct, groups

PATH = "/core-services/v1/campaigns"
PAGE = 15
"""Campaigns asked for at once; the most the API gives."""
REQUEST_ID = "campanile-client"

Row = dict[str, Any]
Shape = TypeVar("Shape")
Filter: TypeAlias = str | Sequence[str] | Mapping[str, str]


def search(
    session: Session,
    /,
    *,
    page: int = 1,
    limit: int = PAGE,
    include_children: bool = False,
    include_archived: bool = False,
    **filters: Filter,
) -> Steps[list[Row]]:
    """One page of campaigns with their whole configuration, newest first. Empty filters are left out."""
    body = _body(page, limit, filters, include_child_campaigns=include_children)
    rows = yield from _ask(session, "/search", {**body, "include_archive_campaigns": include_archived}, list[Row])
    return rows


def search_all(
    session: Session, /, *, include_children: bool = False, include_archived: bool = False, **filters: Filter
) -> Stream[Row]:
    """All campaigns that `search` finds; pages are asked for as they are needed."""
    for page in count(1):
        body = _body(page, PAGE, filters, include_child_campaigns=include_children)
        archived = {"include_archive_campaigns": include_archived}
        rows = yield from _ask(session, "/search", {**body, **archived}, list[Row])
        for row in rows:
            yield Emit(row)
        if len(rows) < PAGE:
            return


def meta(
    session: Session, /, *, page: int = 1, limit: int = PAGE, include_children: bool = True, **filters: Filter
) -> Steps[list[Row]]:
    """One page of names, parents and reach, newest first. Empty filters are left out."""
    body = _body(page, limit, filters, include_child_campaigns=include_children)
    rows = yield from _ask(session, "/meta", body, list[Row])
    return rows


def labels(session: Session, campaign_ids: Iterable[str]) -> Steps[dict[str, Row]]:
    """The `meta` rows of these campaigns by id; unknown ids are left out."""
    found: dict[str, Row] = {}
    for group in groups(distinct(campaign_ids), PAGE):
        rows = yield from meta(session, ids=group)
        found |= {row["campaign_id"]: row for row in rows}
    return found


def executions(session: Session, parent_id: str) -> Stream[Row]:
    """All runs of a parent, earliest first."""
    for page in count(1):
        answer = yield from _ask(session, f"/{quote(parent_id, safe='')}/executions", _body(page, PAGE, {}), Row)
        runs: list[Row] = answer.get("executions", [])
        for run in runs:
            yield Emit(run)
        if len(runs) < PAGE:
            return


class Campaigns(Blocking):
    """Every method raises as those of the client do. Filters are those of `campaign_fields`."""

    search = blocking(search)
    search_all = blocking_items(search_all)
    meta = blocking(meta)
    labels = blocking(labels)
    executions = blocking_items(executions)


class AsyncCampaigns(Awaiting):
    """As `Campaigns`."""

    search = awaiting(search)
    search_all = awaiting_items(search_all)
    meta = awaiting(meta)
    labels = awaiting(labels)
    executions = awaiting_items(executions)


def _ask(session: Session, path: str, body: Mapping[str, object], shape: type[Shape]) -> Steps[Shape]:
    budget = path.rpartition("/")[2]  # each of the endpoints has its own
    answer = yield from ask_json(session, "POST", f"{PATH}{path}", body, shape=shape, budget=budget)
    return answer


def _body(page: int, limit: int, filters: Mapping[str, Any], **flags: bool) -> dict[str, object]:
    fields = {name: value for name, value in filters.items() if value}
    wanted = {"campaign_fields": fields} if fields else {}
    return {"request_id": REQUEST_ID, "limit": limit, "page": page, **flags, **wanted}
