"""The HTTP client: authentication, compression, retries, and typed answers."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from campanile import __version__
from campanile.client.campaigns import Campaigns
from campanile.client.errors import Refused, Unreachable
from campanile.client.hooks import Hooks
from campanile.client.reports import Reports
from campanile.client.retries import RETRIED_STATUSES, RetryPolicy, parse_retry_after
from campanile.client.schemas import CampaignImport, CampaignResult, EventResult, StatsPage

NDJSON = "application/x-ndjson"
JSON = "application/json"
GZIP_LEVEL = 3
"""Events shrink to a tenth here; higher levels cost time and save little."""
TIMEOUT = httpx.Timeout(90.0, connect=10.0)
"""Seconds for an answer, and to connect."""
MAX_ERRORS_PER_REQUEST = 10_000
"""The most problems the events API lists in one answer."""

Answer = TypeVar("Answer")


class CampanileClient:
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
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.workspace_id = workspace_id
        self._retry = retry or RetryPolicy()
        token = base64.b64encode(f"{workspace_id}:{key}".encode()).decode("ascii")
        self._http = httpx.Client(
            base_url=self.base_url,
            headers={
                "Authorization": f"Basic {token}",
                "MOE-APPKEY": workspace_id,
                "User-Agent": f"campanile/{__version__}",
            },
            timeout=TIMEOUT,
            transport=transport,
        )

    def __enter__(self) -> CampanileClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def stats(
        self,
        *,
        start_date: str,
        end_date: str,
        campaign_ids: Sequence[str] = (),
        metric_type: str = "TOTAL",
        attribution_type: str = "VIEW_THROUGH",
        offset: int = 0,
        limit: int = 10,
        request_id: str = "campanile-client",
    ) -> StatsPage:
        """One page of campaign statistics; dates are `YYYY-MM-DD`, both included, at most 31 days."""
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
        answer = self._send("POST", "/core-services/v1/campaign-stats", msgspec.json.encode(body), JSON)
        return self._decode(answer, StatsPage)

    def experiment(
        self,
        campaign_id: str,
        *,
        start_date: str = "",
        end_date: str = "",
        attribution_types: Sequence[str] = (),
        goal: str = "",
    ) -> dict[str, Any]:
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
        return self._ask("GET", f"/v1/campaigns/{quote(campaign_id, safe='')}/experiment", query=query)

    def send_events(
        self, ndjson: bytes, *, backfill: bool = False, dry_run: bool = False, all_errors: bool = False
    ) -> EventResult:
        """Send events, one JSON object per line. Safe to repeat: events are counted once by their `event_id`.

        `backfill` lifts the age limit of live events for imports of history; `dry_run` only validates;
        `all_errors` asks for every problem instead of the first hundred.
        """
        query: dict[str, str] = {}
        if backfill:
            query["import"] = "true"
        if dry_run:
            query["dry_run"] = "true"
        if all_errors:
            query["max_errors"] = str(MAX_ERRORS_PER_REQUEST)
        answer = self._send("POST", "/v1/events", ndjson, NDJSON, query=query, accepted=(200, 207, 422))
        return self._decode(answer, EventResult)

    def put_campaign(self, campaign_id: str, document: Mapping[str, object]) -> CampaignResult:
        """Create or replace one campaign."""
        answer = self._send("PUT", f"/v1/campaigns/{campaign_id}", msgspec.json.encode(document), JSON)
        return self._decode(answer, CampaignResult)

    def import_campaigns(self, ndjson: bytes, *, mode: str = "replace", dry_run: bool = False) -> CampaignImport:
        """Create or change campaigns, one document per line; `mode` is `replace`, `merge` or `skip`."""
        query = {"mode": mode, **({"dry_run": "true"} if dry_run else {})}
        answer = self._send("POST", "/v1/campaigns/import", ndjson, NDJSON, query=query)
        return self._decode(answer, CampaignImport)

    @property
    def hooks(self) -> Hooks:
        """Hooks of providers, and events that could not be stored."""
        return Hooks(self._ask)

    @property
    def reports(self) -> Reports:
        """Report definitions of the workspace, and their runs."""
        return Reports(self._ask)

    @property
    def campaigns(self) -> Campaigns:
        """Search, names, parents and runs of campaigns."""
        return Campaigns(self._post)

    def _post(self, path: str, content: Mapping[str, object]) -> Any:
        return self._decode(self._send("POST", path, msgspec.json.encode(content), JSON), Any)

    def _ask(
        self,
        method: str,
        path: str,
        content: object = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """One JSON object in, one out; without `content` no body, and an empty answer is an empty object."""
        body, kind = (b"", "") if content is None else (msgspec.json.encode(content), JSON)
        answer = self._send(method, path, body, kind, query=query, headers=headers, accepted=range(200, 300))
        return self._decode(answer, dict[str, Any]) if answer.content else {}

    def _send(
        self,
        method: str,
        path: str,
        body: bytes,
        content_type: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        accepted: Sequence[int] = (200, 201),
    ) -> httpx.Response:
        headers = {**(headers or {}), **({"Content-Type": content_type} if content_type else {})}
        if content_type == NDJSON:
            body = gzip.compress(body, GZIP_LEVEL, mtime=0)
            headers["Content-Encoding"] = "gzip"
        attempt = 0
        while True:
            attempt += 1
            retry_after = None
            problem: Exception
            try:
                answer = self._http.request(method, path, content=body, headers=headers, params=query)
            except httpx.TransportError as error:
                problem = Unreachable(f"cannot reach {self.base_url}: {error or type(error).__name__}")
            else:
                if answer.status_code in accepted:
                    return answer
                retry_after = parse_retry_after(answer.headers.get("Retry-After"), answer.headers.get("Date"))
                problem = Refused(
                    answer.status_code, _explain(answer), retry_after=retry_after, problems=_problems(answer)
                )
                if answer.status_code not in RETRIED_STATUSES:
                    raise problem
            if attempt >= self._retry.attempts:
                raise problem
            self._retry.sleep(self._retry.wait(attempt, retry_after))

    def _decode(self, answer: httpx.Response, shape: type[Answer]) -> Answer:
        try:
            return msgspec.json.decode(answer.content, type=shape)
        except msgspec.DecodeError as error:
            if answer.status_code >= 400:
                raise Refused(answer.status_code, _explain(answer)) from error
            raise Unreachable(f"{self.base_url} gave an answer of an unknown form: {error}") from error


def _problems(answer: httpx.Response) -> tuple[str, ...]:
    """The sentences of an error answer that lists several."""
    try:
        found = msgspec.json.decode(answer.content, type=_Problems)
    except msgspec.DecodeError:
        return ()
    return tuple(problem["message"] for problem in found.errors if isinstance(problem.get("message"), str))


class _Problems(msgspec.Struct):
    errors: list[dict[str, Any]] = []


def _explain(answer: httpx.Response) -> str:
    """The sentence of an error answer, whichever of the known shapes it has."""
    try:
        body = msgspec.json.decode(answer.content)
    except msgspec.DecodeError:
        return answer.reason_phrase or "error"
    if isinstance(body, dict):
        inner = body.get("error")
        if isinstance(inner, dict) and inner.get("message"):
            return str(inner["message"])
        texts = [str(body[name]) for name in ("title", "description", "message") if body.get(name)]
        if texts:
            return ": ".join(texts)
    return answer.reason_phrase or "error"
