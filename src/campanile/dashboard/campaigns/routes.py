"""Pages about campaigns: the list, one campaign, its live numbers, and files of both."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any, Protocol, cast, get_args
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import msgspec
from litestar import route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, SkipValidation

from campanile.campaigns.schemas import Campaign, ListQuery, Relation, SortKey
from campanile.campaigns.service import CampaignService
from campanile.clock import Clock
from campanile.dashboard import words
from campanile.dashboard.campaigns import views
from campanile.dashboard.campaigns.service import (
    INSTANTS,
    ROWS,
    CampaignPages,
    ListRow,
    Numbers,
    decode_cursor,
    download,
    encode_cursor,
    split_labels,
)
from campanile.dashboard.ranges import ATTRIBUTION_LABELS, PRESETS, UNIT_LABELS, View, parse_view
from campanile.errors import InvalidInput, NotFound
from campanile.experiments.schemas import Experiment, ExperimentRequest
from campanile.experiments.service import ExperimentService
from campanile.http.pages import PageResponse
from campanile.http.visits import AnyRequest, PageGate, Visit, enter_workspace, make_cookie, read_cookie
from campanile.kit.spreadsheets import csv_file
from campanile.kit.times import day_start, epoch_milliseconds
from campanile.metrics.channels import CHANNELS
from campanile.metrics.words import conversion_words

REMEMBERED = "view"
"""Cookie with the range and the attribution type looked at last."""
REMEMBERED_SECONDS = 90 * 24 * 3600
SEARCH_CHARACTERS = 200
SORTS: tuple[SortKey, ...] = get_args(SortKey)
RELATIONS: dict[Relation, str] = {
    "": "All",
    "top": "No child campaigns",
    "parents": "Parents only",
    "children": "Children only",
}
VERDICT_TONES = {"better": "good", "winner": "good", "worse": "bad", "sample_ratio_mismatch": "warn"}
CSV = "text/csv; charset=utf-8"
JSON = "application/json"


class CampaignGate(PageGate, Protocol):
    """What these pages need of the services."""

    @property
    def clock(self) -> Clock: ...
    @property
    def campaigns(self) -> CampaignService: ...
    @property
    def analysis(self) -> Numbers: ...
    @property
    def experiments(self) -> ExperimentService: ...


Services = NamedDependency[SkipValidation[CampaignGate]]


def campaign_pages() -> list[HTTPRouteHandler]:
    """The routes of these pages."""
    return [
        campaign_list,
        campaign_csv,
        campaign_page,
        campaign_live,
        campaign_attributions,
        campaign_experiment,
        numbers_csv,
        numbers_json,
        activity_csv,
        attributions_csv,
        experiment_json,
    ]


class ClockGate(Protocol):
    """Knows what time it is."""

    @property
    def clock(self) -> Clock: ...


def view_of(visit: Visit, services: ClockGate) -> View:
    """What the request asks to see."""
    remembered = read_cookie(visit.request, visit.services, REMEMBERED)
    return parse_view(visit.request.query_params, remembered, services.clock.now(), visit.workspace.settings)


async def render_view(visit: Visit, template: str, view: View, **context: Any) -> PageResponse:
    """A page with pickers of range and attribution type; what was picked is remembered."""
    picked = {"range", "attribution"}.intersection(visit.request.query_params)
    cookies = [make_cookie(visit.services, REMEMBERED, view.remembered, seconds=REMEMBERED_SECONDS)] if picked else []
    return await visit.render(
        template,
        cookies=cookies,
        view=view,
        presets=PRESETS,
        attributions=ATTRIBUTION_LABELS,
        units=UNIT_LABELS,
        words=words,
        **context,
    )


def _pages(services: CampaignGate) -> CampaignPages:
    return CampaignPages(services.campaigns, services.analysis)


# --- the list


@route("/w/{workspace_id:str}/campaigns", http_method=["GET"], include_in_schema=False)
async def campaign_list(request: AnyRequest, services: Services, workspace_id: FromPath[str]) -> PageResponse:
    """Campaigns by search, filters and order, with their numbers in the range."""
    visit = await enter_workspace(request, services, workspace_id, "viewer")
    view = view_of(visit, services)
    query = _list_query(request, visit.workspace.settings.timezone)
    page, rows, tags = await _pages(services).rows(visit.workspace, query, view)
    return await render_view(
        visit,
        "campaigns/list.html",
        view,
        title="Campaigns",
        query=query,
        page=page,
        rows=rows,
        tags=tags,
        filters=_filters(request),
        channels=CHANNELS,
        relations=RELATIONS,
        base=visit.url("/campaigns"),
        sort_links=_sort_links(request, query),
        previous=_link(request, before=encode_cursor(page.first), after="") if page.first else "",
        following=_link(request, after=encode_cursor(page.last), before="") if page.last else "",
        csv_link=f"{visit.url('/campaigns.csv')}{_link(request)}",
    )


@route("/w/{workspace_id:str}/campaigns.csv", http_method=["GET"], include_in_schema=False)
async def campaign_csv(request: AnyRequest, services: Services, workspace_id: FromPath[str]) -> PageResponse:
    """The rows of a page of the list as a file."""
    visit = await enter_workspace(request, services, workspace_id, "viewer")
    view = view_of(visit, services)
    query = _list_query(request, visit.workspace.settings.timezone)
    _, rows, _ = await _pages(services).rows(visit.workspace, query, view)
    head = (
        "Campaign id", "Name", "Channel", "Status", "Delivery type", "Tags", "Parent id", "Children", "Created",
        "Sent at", "Sent", "Arrived", "Clicks", "Click rate", "Conversions", "Revenue",
    )  # fmt: skip
    return _file(csv_file(head, (_csv_row(row) for row in rows)), CSV, f"campaigns-{view.first}-{view.last}.csv")


def _csv_row(row: ListRow) -> tuple[object, ...]:
    campaign, numbers = row.listed.campaign, row.numbers
    return (
        campaign.campaign_id, campaign.name, campaign.channel, campaign.status, campaign.delivery_type,
        ", ".join(row.listed.tags), campaign.parent_id, row.listed.children, campaign.created_at.isoformat(),
        None if campaign.sent_time is None else campaign.sent_time.isoformat(), row.sent, row.arrived, row.clicks,
        row.click_rate, None if numbers is None else numbers.conversions,
        None if numbers is None else "; ".join(f"{paid} {code}".strip() for code, paid in numbers.revenue.items()),
    )  # fmt: skip


def _list_query(request: AnyRequest, timezone: str) -> ListQuery:
    """What a URL asks the list for.

    Raises:
        InvalidInput: the value of a parameter is none of those that exist.
    """
    parameters = request.query_params
    sort = parameters.get("sort") or "created"
    relation = parameters.get("relation") or ""
    if sort not in SORTS:
        raise InvalidInput(f"sort must be one of: {', '.join(SORTS)}.", attribute="sort", type="invalid_value")
    if any("\0" in value for _, value in parameters.multi_items()):  # databases refuse NUL in a text
        raise InvalidInput("The address cannot be read.", type="invalid_value")
    if relation not in RELATIONS:
        raise InvalidInput("relation is unknown.", attribute="relation", type="invalid_value")
    order = cast(SortKey, sort)
    return ListQuery(
        search=parameters.get("q", "")[:SEARCH_CHARACTERS],
        channels=_several(request, "channel"),
        statuses=_several(request, "status"),
        delivery_types=_several(request, "type"),
        tags=split_labels(parameters),
        created_from=_midnight(parameters.get("created_from", ""), "created_from", timezone, 0),
        created_before=_midnight(parameters.get("created_to", ""), "created_to", timezone, 1),
        relation=cast(Relation, relation),
        parent_id=parameters.get("parent", "")[:SEARCH_CHARACTERS],
        sort=order,
        descending=(parameters.get("dir") or _usual(order)) == "desc",
        after=decode_cursor(parameters.get("after", ""), order),
        before=decode_cursor(parameters.get("before", ""), order),
        limit=ROWS,
    )


def _usual(sort: SortKey) -> str:
    """Instants begin with the latest, texts with the first letter."""
    return "desc" if sort in INSTANTS else "asc"


def _several(request: AnyRequest, name: str) -> tuple[str, ...]:
    return tuple(value for value in request.query_params.getall(name, []) if value)


def _midnight(text: str, name: str, timezone: str, later: int) -> int:
    """The start of a day, or of the one after it, in milliseconds; 0 for no day."""
    if not text:
        return 0
    try:
        day = date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{name} must be a day such as 2026-03-18.", attribute=name, type="format") from error
    return max(1, epoch_milliseconds(day_start(day + timedelta(days=later), ZoneInfo(timezone))))


_FILTERS = ("q", "channel", "status", "type", "tags", "created_from", "created_to", "relation", "parent")


def _filters(request: AnyRequest) -> dict[str, str]:
    return {name: request.query_params.get(name, "") for name in _FILTERS}


def _sort_links(request: AnyRequest, query: ListQuery) -> dict[str, str]:
    """Where the head of each column leads: the other way round for the one that is sorted by."""
    links: dict[str, str] = {}
    for sort in SORTS:
        turned = "asc" if query.descending else "desc"
        links[sort] = _link(request, sort=sort, dir=turned if sort == query.sort else _usual(sort), after="", before="")
    return links


def _link(request: AnyRequest, **changes: str) -> str:
    """The query string of this request with some parameters changed, empty ones left out."""

    pairs = [(name, value) for name, value in request.query_params.multi_items() if name not in changes and value]
    pairs += [(name, value) for name, value in changes.items() if value]
    return f"?{urlencode(pairs)}"


# --- one campaign


@route("/w/{workspace_id:str}/campaigns/{campaign_id:str}", http_method=["GET"], include_in_schema=False)
async def campaign_page(
    request: AnyRequest, services: Services, workspace_id: FromPath[str], campaign_id: FromPath[str]
) -> PageResponse:
    """Everything about one campaign."""
    visit = await enter_workspace(request, services, workspace_id, "viewer")
    view = view_of(visit, services)
    pages = _pages(services)
    campaign, document, parent = await pages.find(visit.workspace, campaign_id)
    body = await pages.body(visit.workspace, campaign, view, services.clock.now())
    return await render_view(
        visit,
        "campaigns/page.html",
        view,
        title=campaign.name,
        campaign=campaign,
        document=document,
        parent=parent,
        body=body,
        base=visit.url(f"/campaigns/{campaign.campaign_id}"),
        list_base=visit.url("/campaigns"),
    )


@route("/w/{workspace_id:str}/campaigns/{campaign_id:str}/live", http_method=["GET"], include_in_schema=False)
async def campaign_live(
    request: AnyRequest, services: Services, workspace_id: FromPath[str], campaign_id: FromPath[str]
) -> PageResponse:
    """The sections of a campaign page, if anything has changed since `mark`; else 204 without a body."""
    visit, view, campaign, pages = await _asked(request, services, workspace_id, campaign_id)
    if await pages.unchanged(visit.workspace, campaign, request.query_params.get("mark", "")):
        return PageResponse(b"", status_code=204)
    body = await pages.body(visit.workspace, campaign, view, services.clock.now())
    return await render_view(
        visit,
        "campaigns/body.html",
        view,
        campaign=campaign,
        body=body,
        base=visit.url(f"/campaigns/{campaign.campaign_id}"),
        list_base=visit.url("/campaigns"),
    )


@route("/w/{workspace_id:str}/campaigns/{campaign_id:str}/attributions", http_method=["GET"], include_in_schema=False)
async def campaign_attributions(
    request: AnyRequest, services: Services, workspace_id: FromPath[str], campaign_id: FromPath[str]
) -> PageResponse:
    """Conversions under every attribution type, side by side."""
    visit, view, campaign, pages = await _asked(request, services, workspace_id, campaign_id)
    rows = await pages.attributions(visit.workspace, campaign, view)
    return await render_view(
        visit,
        "campaigns/attributions.html",
        view,
        title=f"Attribution types: {campaign.name}",
        campaign=campaign,
        rows=rows,
        goal_words=conversion_words("what stands below"),
        base=visit.url(f"/campaigns/{campaign.campaign_id}"),
    )


@route("/w/{workspace_id:str}/campaigns/{campaign_id:str}/experiment", http_method=["GET"], include_in_schema=False)
async def campaign_experiment(
    request: AnyRequest, services: Services, workspace_id: FromPath[str], campaign_id: FromPath[str]
) -> PageResponse:
    """What the campaign caused, by its control groups, and its variations against each other."""
    visit, view, campaign, _ = await _asked(request, services, workspace_id, campaign_id)
    found = await _experiment(visit, services, campaign, view)
    return await render_view(
        visit,
        "campaigns/experiment.html",
        view,
        title=f"Experiment: {campaign.name}",
        campaign=campaign,
        experiment=found,
        tones=VERDICT_TONES,
        base=visit.url(f"/campaigns/{campaign.campaign_id}"),
    )


@route("/w/{workspace_id:str}/campaigns/{campaign_id:str}/numbers.csv", http_method=["GET"], include_in_schema=False)
async def numbers_csv(
    request: AnyRequest, services: Services, workspace_id: FromPath[str], campaign_id: FromPath[str]
) -> PageResponse:
    """Every number of a campaign, one per row."""
    visit, view, campaign, pages = await _asked(request, services, workspace_id, campaign_id)
    found = await pages.measured(visit.workspace, campaign, view)
    rows: Iterable[tuple[object, ...]] = [] if found is None else views.flat(found, visit.workspace.settings)
    return _file(csv_file(views.FLAT_COLUMNS, rows), CSV, _name(campaign, view, "csv"))


@route("/w/{workspace_id:str}/campaigns/{campaign_id:str}/numbers.json", http_method=["GET"], include_in_schema=False)
async def numbers_json(
    request: AnyRequest, services: Services, workspace_id: FromPath[str], campaign_id: FromPath[str]
) -> PageResponse:
    """Every number of a campaign, as the Stats API nests them, under both metric types."""
    visit, view, campaign, pages = await _asked(request, services, workspace_id, campaign_id)
    found = await pages.measured(visit.workspace, campaign, view)
    if found is None:
        raise NotFound("This campaign has no statistics.")
    content = msgspec.json.Encoder(decimal_format="number").encode(download(found, view))
    return _file(content, JSON, _name(campaign, view, "json"))


@route("/w/{workspace_id:str}/campaigns/{campaign_id:str}/activity.csv", http_method=["GET"], include_in_schema=False)
async def activity_csv(
    request: AnyRequest, services: Services, workspace_id: FromPath[str], campaign_id: FromPath[str]
) -> PageResponse:
    """The time series of a campaign page."""
    visit, view, campaign, pages = await _asked(request, services, workspace_id, campaign_id)
    series = await pages.series(visit.workspace, campaign, view)
    columns = () if series is None else series.columns
    rows = () if series is None else series.rows
    head = ["Start", *(label for _, label, _ in columns)]
    content = csv_file(head, ((start.isoformat(), *values) for start, values in rows))
    return _file(content, CSV, _name(campaign, view, "csv", f"-by-{view.unit}"))


@route(
    "/w/{workspace_id:str}/campaigns/{campaign_id:str}/attributions.csv", http_method=["GET"], include_in_schema=False
)
async def attributions_csv(
    request: AnyRequest, services: Services, workspace_id: FromPath[str], campaign_id: FromPath[str]
) -> PageResponse:
    """Conversions under every attribution type, as a file."""
    visit, view, campaign, pages = await _asked(request, services, workspace_id, campaign_id)
    rows = await pages.attributions(visit.workspace, campaign, view)
    content = csv_file(views.ATTRIBUTION_COLUMNS, (views.attribution_row(row) for row in rows))
    return _file(content, CSV, _name(campaign, view, "csv", "-attributions"))


@route(
    "/w/{workspace_id:str}/campaigns/{campaign_id:str}/experiment.json", http_method=["GET"], include_in_schema=False
)
async def experiment_json(
    request: AnyRequest, services: Services, workspace_id: FromPath[str], campaign_id: FromPath[str]
) -> PageResponse:
    """What the experiment shows, as `GET /v1/campaigns/{id}/experiment` answers it."""
    visit, view, campaign, _ = await _asked(request, services, workspace_id, campaign_id)
    found = await _experiment(visit, services, campaign, view)
    return _file(msgspec.json.encode(found), JSON, f"experiment-{campaign.campaign_id}.json")


async def _experiment(visit: Visit, services: CampaignGate, campaign: Campaign, view: View) -> Experiment:
    wanted = ExperimentRequest(attributions=(view.attribution,))
    return await services.experiments.result(visit.workspace, campaign.campaign_id, wanted)


async def _asked(
    request: AnyRequest, services: CampaignGate, workspace_id: str, campaign_id: str
) -> tuple[Visit, View, Campaign, CampaignPages]:
    visit = await enter_workspace(request, services, workspace_id, "viewer")
    pages = _pages(services)
    campaign, _, _ = await pages.find(visit.workspace, campaign_id)
    return visit, view_of(visit, services), campaign, pages


def _name(campaign: Campaign, view: View, ending: str, what: str = "") -> str:
    """Made of what cannot hold anything strange."""
    return f"campaign-{campaign.campaign_id}-{view.first}-{view.last}{what}.{ending}"


def _file(content: bytes, media_type: str, name: str) -> PageResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return PageResponse(content, media_type=media_type, headers=headers)
