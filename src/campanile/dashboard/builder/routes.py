"""The report builder: every button sends the whole form, and the answer is the form as it is then."""

from __future__ import annotations

from functools import partial
from hashlib import blake2b
from http import HTTPStatus
from typing import Protocol
from zoneinfo import available_timezones

import msgspec
from litestar import route
from litestar.di import NamedDependency
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath, SkipValidation

from campanile.campaigns.service import CampaignService
from campanile.dashboard import words
from campanile.dashboard.builder import actions, form, service
from campanile.dashboard.builder.form import Given
from campanile.dashboard.builder.problems import STEPS, Trouble
from campanile.dashboard.builder.service import GROUPS, BuilderPages, Search
from campanile.dashboard.reports import phrases
from campanile.dashboard.reports.routes import ReportGate, in_thread, new_ticket, only_once
from campanile.errors import CampanileError, InvalidInput, PreconditionFailed, RateLimited, Unprocessable
from campanile.http.pages import PageResponse
from campanile.http.visits import AnyRequest, Visit, enter_workspace
from campanile.reports.schemas import CHANNELS
from campanile.reports.service import STATUSES, PreviewService, delivery_types, document

BASE = "/w/{workspace_id:str}/reports"
FORM_BYTES = 512 * 1024
"""Size of a form: a definition of the largest size, and what its encoding adds."""
SEARCH_CHARACTERS = 200
PREVIEWS_PER_MINUTE = 60
"""Previews of one person: each counts rows, and somebody who types asks for many."""
PREFILLED = 50
"""Campaigns that a link may choose."""


class BuilderGate(ReportGate, Protocol):
    """What these pages need of the services."""

    @property
    def campaigns(self) -> CampaignService: ...
    @property
    def previews(self) -> PreviewService: ...


Services = NamedDependency[SkipValidation[BuilderGate]]
Id = FromPath[str]


def builder_routes() -> list[HTTPRouteHandler]:
    """The routes of the builder."""
    return [new_report, build_new, edit_report, build_edited, preview]


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """A form that is being filled in."""

    given: Given
    search: Search = Search()
    step: int = 1
    report_id: str | None = None
    """Of the definition that is edited."""
    version: str = ""
    """What that was when its form was opened."""
    state: str = ""


@route(BASE + "/new", http_method=["GET"], include_in_schema=False)
async def new_report(request: AnyRequest, services: Services, workspace_id: Id) -> PageResponse:
    """An empty form; `campaign` parameters choose campaigns."""
    visit = await enter_workspace(request, services, workspace_id, "analyst")
    given = Given(zone=visit.workspace.settings.timezone, last="", start="")
    ids = tuple(dict.fromkeys(request.query_params.getall("campaign", [])))[:PREFILLED]
    if ids:
        known = await in_thread(partial(services.campaigns.get_many, workspace_id, ids))
        used = {campaign.channel for campaign in known.values()}
        given = msgspec.structs.replace(
            given,
            mode="manual",
            ids=tuple(campaign_id for campaign_id in ids if campaign_id in known),
            channels=tuple(token for token, channel in CHANNELS.items() if channel in used),
        )
    return await _show(visit, services, Work(given=given))


@route(BASE + "/new", http_method=["POST"], status_code=200, include_in_schema=False)
async def build_new(request: AnyRequest, services: Services, workspace_id: Id) -> PageResponse:
    """The form after one of its buttons; saved, the page of the report."""
    visit = await enter_workspace(request, services, workspace_id, "analyst", form_bytes=FORM_BYTES)
    return await _work(visit, services, _read(visit, None))


@route(BASE + "/{report_id:str}/edit", http_method=["GET"], include_in_schema=False)
async def edit_report(request: AnyRequest, services: Services, workspace_id: Id, report_id: Id) -> PageResponse:
    """The form of a definition that is there."""
    visit = await enter_workspace(request, services, workspace_id, "analyst")
    found = await in_thread(partial(services.definitions.get, workspace_id, report_id))
    given = form.of_document(document(found.spec), visit.workspace.settings.timezone)
    work = Work(given=given, report_id=report_id, version=str(found.version), state=found.state)
    return await _show(visit, services, work)


@route(BASE + "/{report_id:str}/edit", http_method=["POST"], status_code=200, include_in_schema=False)
async def build_edited(request: AnyRequest, services: Services, workspace_id: Id, report_id: Id) -> PageResponse:
    """The same for a definition that is there."""
    visit = await enter_workspace(request, services, workspace_id, "analyst", form_bytes=FORM_BYTES)
    found = await in_thread(partial(services.definitions.get, workspace_id, report_id))
    work = msgspec.structs.replace(_read(visit, report_id), state=found.state)
    return await _work(visit, services, work)


def _read(visit: Visit, report_id: str | None) -> Work:
    fields = visit.form
    step = fields.text("step")
    search = Search(
        campaigns=fields.text("find")[:SEARCH_CHARACTERS],
        columns=fields.text("columns_find")[:SEARCH_CHARACTERS],
        group=fields.text("columns_group"),
        tab=fields.text("tab"),
    )
    return Work(
        given=form.given(fields),
        search=search,
        step=int(step) if step in ("1", "2", "3") else 1,
        report_id=report_id,
        version=fields.text("version"),
    )


async def _work(visit: Visit, services: BuilderGate, work: Work) -> PageResponse:
    word = visit.form.text("do")
    if word in ("save", "draft"):
        return await _save(visit, services, work, draft=word == "draft")
    if word.startswith("tab:"):
        search = msgspec.structs.replace(work.search, tab=word.removeprefix("tab:"))
        return await _show(visit, services, msgspec.structs.replace(work, search=search))
    if word in ("step:1", "step:2", "step:3"):
        return await _show(visit, services, work, wanted=int(word[-1]))
    given = actions.act(work.given, word, visit.workspace.settings.attribution_model)
    return await _show(visit, services, msgspec.structs.replace(work, given=given))


async def _save(visit: Visit, services: BuilderGate, work: Work, *, draft: bool) -> PageResponse:
    """Store the form; what is wrong with it is said in the step it belongs to."""
    definitions, workspace, by = services.definitions, visit.workspace, visit.user.email
    raw = form.raw(work.given)
    report_id = work.report_id
    try:
        if report_id is None:
            raw["state"] = "DRAFT" if draft else "ACTIVE"
            report_id = await only_once(visit, services, lambda: definitions.create(workspace, by, raw).definition.id)
        else:
            known = frozenset({int(work.version)}) if work.version.isdecimal() else frozenset[int]()
            saved = await in_thread(partial(definitions.replace, workspace, by, report_id, raw, if_match=known))
            work = msgspec.structs.replace(work, version=str(saved.definition.version))
            if saved.definition.state == "DRAFT" and not draft:
                await in_thread(partial(definitions.activate, workspace, report_id, by=by))
    except service.REFUSALS as error:
        return await _show(visit, services, work, error=error)
    except PreconditionFailed:
        sentence = "Somebody else saved this report meanwhile. Open it again in another tab to see what is new."
        return await _show(visit, services, work, error=InvalidInput(sentence, type="version_mismatch"))
    flash = "Saved. The next run uses it."
    if work.state in ("", "DRAFT"):
        started = "The report is being made." if work.given.schedule == "asap" else "The report is active."
        flash = "Saved as a draft." if draft else started
    return await visit.redirect(visit.url(f"/reports/{report_id}"), flash=flash)


async def _show(
    visit: Visit,
    services: BuilderGate,
    work: Work,
    *,
    wanted: int | None = None,
    error: CampanileError | None = None,
) -> PageResponse:
    """The form: at the step somebody wants to see, unless an earlier one is wrong; after a refusal, where that belongs.

    What is wrong with a step is said when somebody wants to go on from it.
    """
    pages = BuilderPages(services.definitions, services.campaigns)
    board = await in_thread(partial(pages.board, visit.workspace, work.given, work.search, work.report_id))
    shown: list[Trouble] = []
    step = work.step
    if error is not None:
        shown = service.refused(error)
        step = shown[0].step if shown[0].field else work.step
    elif wanted is not None:
        shown = [trouble for trouble in board.troubles if trouble.step < wanted]
        step = shown[0].step if shown else wanted
    return await visit.render(
        "builder/page.html",
        status=HTTPStatus.UNPROCESSABLE_ENTITY if shown else HTTPStatus.OK,
        title=work.given.name or ("New report" if work.report_id is None else "Report"),
        work=work,
        given=work.given,
        board=board,
        step=step,
        steps=STEPS,
        errors={trouble.field: trouble.sentence for trouble in shown if trouble.step == step},
        elsewhere=[trouble for trouble in shown if trouble.step != step],
        channels=list(CHANNELS),
        channel=phrases.channel,
        delivery_types=delivery_types,
        statuses=list(STATUSES),
        groups=GROUPS,
        phrases=phrases,
        words=words,
        zones=sorted(available_timezones()),
        ticket=new_ticket(),
        action=visit.url("/reports/new" if work.report_id is None else f"/reports/{work.report_id}/edit"),
        base=visit.url("/reports"),
    )


@route(BASE + "/preview", http_method=["POST"], status_code=200, include_in_schema=False)
async def preview(request: AnyRequest, services: Services, workspace_id: Id) -> PageResponse:
    """The first rows that files would have now; nothing (204) while that is what is shown already."""
    visit = await enter_workspace(request, services, workspace_id, "analyst", form_bytes=FORM_BYTES)
    given = form.given(visit.form)
    raw = service.sample(given, visit.workspace.settings.attribution_model)
    digest = blake2b(msgspec.json.encode(raw, order="deterministic"), digest_size=12).hexdigest()
    if visit.form.text("seen") == digest:
        return PageResponse(b"", status_code=HTTPStatus.NO_CONTENT)
    quota = await services.limiter.hit(f"report-previews:{visit.user.id}", PREVIEWS_PER_MINUTE)
    if not quota.allowed:
        raise RateLimited("Too many previews; wait a moment.", retry_after=quota.retry_after)
    found, troubles = None, []
    try:
        spec = await in_thread(partial(services.definitions.spec, visit.workspace, raw))
        found = await in_thread(partial(services.previews.preview, visit.workspace, spec))
    except (InvalidInput, Unprocessable) as error:
        troubles = service.refused(error)
    return await visit.render(
        "builder/preview.html",
        title="Preview",
        preview=found,
        troubles=troubles,
        digest=digest,
        tab=visit.form.text("tab"),
        channel=phrases.channel,
        days=None if found is None else phrases.days(*service.window(found)),
    )
