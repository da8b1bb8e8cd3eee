"""Answers of the server as values. Unknown members are ignored, so newer servers can add some."""

from __future__ import annotations

from typing import Any

import msgspec


class EventProblem(msgspec.Struct, frozen=True):
    """Why one event was not accepted."""

    code: str = ""
    message: str = ""
    field: str = ""
    index: int = -1
    """Position in the request, from 0."""
    event_id: str = ""


class EventResult(msgspec.Struct, frozen=True):
    """What became of the events of one request: received = accepted + duplicates + rejected."""

    received: int
    accepted: int
    duplicates: int
    rejected: int
    status: str = ""
    request_id: str = ""
    errors: tuple[EventProblem, ...] = ()
    errors_truncated: bool = False
    warnings: tuple[dict[str, Any], ...] = ()


class CampaignResult(msgspec.Struct, frozen=True):
    """What became of one campaign document."""

    campaign_id: str
    result: str
    """`created`, `updated` or `unchanged`."""
    revision: int = 0
    warnings: tuple[Any, ...] = ()


class CampaignLine(msgspec.Struct, frozen=True):
    """Why one document of an import was not accepted."""

    line: int = 0
    campaign_id: str | None = None
    details: tuple[dict[str, Any], ...] = ()


class CampaignImport(msgspec.Struct, frozen=True):
    """What became of the documents of one import request."""

    total: int
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    errors: tuple[CampaignLine, ...] = ()
    errors_truncated: bool = False


class StatsPage(msgspec.Struct, frozen=True):
    """One answer of the Stats API."""

    response_id: str
    total_campaigns: int
    current_page: int
    total_pages: int
    data: dict[str, Any]
