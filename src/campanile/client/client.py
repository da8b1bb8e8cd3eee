"""The clients: blocking and async. Both ask the same questions; see the modules the methods come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import quote

import httpx

from campanile.client.campaigns import AsyncCampaigns, Campaigns
from campanile.client.downloads import download
from campanile.client.drivers import AsyncDriver, Awaiting, Blocking, BlockingDriver, awaiting, blocking
from campanile.client.effects import Steps
from campanile.client.events import ndjson_request, post_events, post_funnel, send_events
from campanile.client.hooks import AsyncHooks, Hooks
from campanile.client.reports import AsyncReports, Reports
from campanile.client.retries import RetryPolicy
from campanile.client.schemas import CampaignImport, CampaignResult
from campanile.client.session import Session, ask, ask_json, decode
from campanile.client.stats import stats, stats_page

TIMEOUT_SECONDS = 90.0
"""Seconds without a byte after which an answer counts as lost; a request for many campaigns may take long."""


def experiment(
    session: Session,
    campaign_id: str,
    *,
    start_date: str = "",
    end_date: str = "",
    attribution_types: Sequence[str] = (),
    goal: str = "",
) -> Steps[dict[str, Any]]:
    """What a campaign caused, and which variation is best, as `GET /v1/campaigns/{id}/experiment` answers.

    Without dates everything the campaign sent, at most the last year; rates and differences are in percent.
    """
    given = {
        "start_date": start_date,
        "end_date": end_date,
        "attribution_type": ",".join(attribution_types),
        "goal": goal,
    }
    query = {name: value for name, value in given.items() if value}
    path = f"/v1/campaigns/{quote(campaign_id, safe='')}/experiment"
    return (yield from ask_json(session, "GET", path, shape=dict[str, Any], query=query))


def put_campaign(session: Session, campaign_id: str, document: Mapping[str, object]) -> Steps[CampaignResult]:
    """Create or replace one campaign."""
    path = f"/v1/campaigns/{quote(campaign_id, safe='')}"
    return (yield from ask_json(session, "PUT", path, document, shape=CampaignResult))


def import_campaigns(
    session: Session, ndjson: bytes, *, mode: str = "replace", dry_run: bool = False
) -> Steps[CampaignImport]:
    """Create or change campaigns, one document per line; `mode` is `replace`, `merge` or `skip`."""
    query = {"mode": mode, **({"dry_run": "true"} if dry_run else {})}
    request = ndjson_request("/v1/campaigns/import", ndjson, query, {}, accepted=frozenset({200}))
    answer = yield from ask(session, request)
    return decode(session, answer, CampaignImport)


class Client(Blocking):
    """Speaks for one workspace with one key. Thread-safe; close it, or use it as a context manager.

    Every method raises `Unreachable` when no answer arrives after all retries, and `Refused` when the server says no.
    """

    def __init__(
        self,
        base_url: str,
        workspace_id: str,
        key: str,
        *,
        retry: RetryPolicy | None = None,
        timeout: float = TIMEOUT_SECONDS,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """
        Args:
            base_url: of a Campanile server, or `moengage(1)` for a data centre of MoEngage.
            key: what the methods need: the report key for statistics, the ingest key for events, …
            timeout: seconds without a byte after which an answer counts as lost.

        Raises:
            ValueError: `base_url` is none.
        """
        session = Session(base_url, workspace_id, key, retry or RetryPolicy())
        super().__init__(BlockingDriver(session, timeout, transport))

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._driver.close()

    stats = blocking(stats)
    stats_page = blocking(stats_page)
    experiment = blocking(experiment)
    download = blocking(download)
    send_events = blocking(send_events)
    post_events = blocking(post_events)
    post_funnel = blocking(post_funnel)
    put_campaign = blocking(put_campaign)
    import_campaigns = blocking(import_campaigns)

    @property
    def hooks(self) -> Hooks:
        """Hooks of providers, and events that could not be stored."""
        return Hooks(self._driver)

    @property
    def reports(self) -> Reports:
        """Report definitions of the workspace, and their runs."""
        return Reports(self._driver)

    @property
    def campaigns(self) -> Campaigns:
        """Search, names, parents and runs of campaigns."""
        return Campaigns(self._driver)


class AsyncClient(Awaiting):
    """As `Client`, with `await`."""

    def __init__(
        self,
        base_url: str,
        workspace_id: str,
        key: str,
        *,
        retry: RetryPolicy | None = None,
        timeout: float = TIMEOUT_SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Arguments and errors are those of `Client`."""
        session = Session(base_url, workspace_id, key, retry or RetryPolicy())
        super().__init__(AsyncDriver(session, timeout, transport))

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._driver.close()

    stats = awaiting(stats)
    stats_page = awaiting(stats_page)
    experiment = awaiting(experiment)
    download = awaiting(download)
    send_events = awaiting(send_events)
    post_events = awaiting(post_events)
    post_funnel = awaiting(post_funnel)
    put_campaign = awaiting(put_campaign)
    import_campaigns = awaiting(import_campaigns)

    @property
    def hooks(self) -> AsyncHooks:
        """Hooks of providers, and events that could not be stored."""
        return AsyncHooks(self._driver)

    @property
    def reports(self) -> AsyncReports:
        """Report definitions of the workspace, and their runs."""
        return AsyncReports(self._driver)

    @property
    def campaigns(self) -> AsyncCampaigns:
        """Search, names, parents and runs of campaigns."""
        return AsyncCampaigns(self._driver)
