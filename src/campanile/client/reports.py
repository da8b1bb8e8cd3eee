"""Report definitions and their runs, by the API of a Campanile server."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from campanile.client.drivers import Awaiting, Blocking, awaiting, awaiting_items, blocking, blocking_items
from campanile.client.effects import Emit, Steps, Stream
from campanile.client.session import Session, ask_json

PAGE = 100
"""Definitions asked for at once; the most the API gives."""
PATH = "/v1/reports"

Document = dict[str, Any]


def create(session: Session, document: Mapping[str, object]) -> Steps[Document]:
    """Store a definition; the answer is complete, with its id."""
    return (yield from ask_json(session, "POST", PATH, document, shape=Document, headers=_once()))


def check(session: Session, document: Mapping[str, object]) -> Steps[Document]:
    """What `create` would store, with warnings and the next slots; nothing is stored."""
    return (yield from ask_json(session, "POST", PATH, document, shape=Document, query={"dry_run": "true"}))


def list_all(session: Session, *, text: str = "") -> Stream[Document]:
    """All definitions whose name contains `text`, newest first."""
    query = {"limit": str(PAGE), **({"q": text} if text else {})}
    while True:
        page = yield from ask_json(session, "GET", PATH, shape=Document, query=dict(query))
        for report in page.get("reports", ()):
            yield Emit(report)
        if not page.get("next_cursor"):
            return
        query["cursor"] = page["next_cursor"]


def get(session: Session, report_id: str) -> Steps[Document]:
    """One definition."""
    return (yield from ask_json(session, "GET", _path(report_id), shape=Document))


def delete(session: Session, report_id: str) -> Steps[None]:
    """Delete a definition with all its files."""
    yield from ask_json(session, "DELETE", _path(report_id), shape=Document)


def run(session: Session, report_id: str, order: Mapping[str, object] | None = None) -> Steps[Document]:
    """Start a run now; `order` may name another `window` and `file_date`. The answer is the run."""
    path = f"{_path(report_id)}/run"
    return (yield from ask_json(session, "POST", path, order or {}, shape=Document, headers=_once()))


def run_state(session: Session, run_id: str) -> Steps[Document]:
    """A run: its status, progress, warnings and file."""
    return (yield from ask_json(session, "GET", f"/v1/report-runs/{quote(run_id, safe='')}", shape=Document))


class Reports(Blocking):
    """Every method raises as those of the client do. Creations and runs are repeated safely after lost answers."""

    create = blocking(create)
    check = blocking(check)
    all = blocking_items(list_all)
    get = blocking(get)
    delete = blocking(delete)
    run = blocking(run)
    run_state = blocking(run_state)


class AsyncReports(Awaiting):
    """As `Reports`."""

    create = awaiting(create)
    check = awaiting(check)
    all = awaiting_items(list_all)
    get = awaiting(get)
    delete = awaiting(delete)
    run = awaiting(run)
    run_state = awaiting(run_state)


def _path(report_id: str) -> str:
    return f"{PATH}/{quote(report_id, safe='')}"


def _once() -> dict[str, str]:
    """A key under which the server does a request once, however often it arrives."""
    return {"Idempotency-Key": secrets.token_hex(16)}
