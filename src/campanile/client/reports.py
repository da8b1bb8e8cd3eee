"""Report definitions and their runs, by the API of a Campanile server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import quote

PAGE = 100
"""Definitions asked for at once; the most the API gives."""

Document = dict[str, Any]


class Ask(Protocol):
    """Sends one request with a JSON body, if any, and returns the JSON object of the answer."""

    def __call__(
        self,
        method: str,
        path: str,
        content: object = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Document: ...


class Reports:
    """Every method raises as those of the client do. Creations and runs are repeated safely after lost answers."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def create(self, document: Mapping[str, object]) -> Document:
        """Store a definition; the answer is complete, with its id."""
        return self._ask("POST", "/v1/reports", document, headers=_once())

    def check(self, document: Mapping[str, object]) -> Document:
        """What `create` would store, with warnings and the next slots; nothing is stored."""
        return self._ask("POST", "/v1/reports", document, query={"dry_run": "true"})

    def all(self, *, text: str = "") -> Iterator[Document]:
        """All definitions whose name contains `text`, newest first."""
        query = {"limit": str(PAGE), **({"q": text} if text else {})}
        while True:
            page = self._ask("GET", "/v1/reports", query=query)
            yield from page.get("reports", ())
            cursor = page.get("next_cursor")
            if not cursor:
                return
            query["cursor"] = cursor

    def get(self, report_id: str) -> Document:
        """One definition."""
        return self._ask("GET", _path(report_id))

    def delete(self, report_id: str) -> None:
        """Delete a definition with all its files."""
        self._ask("DELETE", _path(report_id))

    def run(self, report_id: str, order: Mapping[str, object] | None = None) -> Document:
        """Start a run now; `order` may name another `window` and `file_date`. The answer is the run."""
        return self._ask("POST", f"{_path(report_id)}/run", order or {}, headers=_once())

    def run_state(self, run_id: str) -> Document:
        """A run: its status, progress, warnings and file."""
        return self._ask("GET", f"/v1/report-runs/{quote(run_id, safe='')}")


def _path(report_id: str) -> str:
    return f"/v1/reports/{quote(report_id, safe='')}"


def _once() -> dict[str, str]:
    """A key under which the server does a request once, however often it arrives."""
    return {"Idempotency-Key": secrets.token_hex(16)}
