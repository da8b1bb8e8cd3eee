"""Campaign documents from files. They are few and may be sent again at any time, so nothing is remembered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from campanile.cli.importer.mapping import plain_text_value
from campanile.cli.importer.sources import BadRow, Source
from campanile.client import CampaignImport, Client
from campanile.errors import InvalidInput

MARKS = frozenset({"basic_details", "campaign_delivery_type", "campaign_status", "conversion_goal_details"})
"""Members that only campaign documents have."""
DOCUMENTS_PER_REQUEST = 5_000
"""Documents sent at a time; the server takes 100,000 lines."""
BYTES_PER_REQUEST = 32 * 1024 * 1024
"""Uncompressed bytes sent at a time; the server takes 64 MiB."""
MAX_DOCUMENTS = 1_000_000
"""Documents one run may load: parents are sent first, so all of them are read before."""
LISTS = frozenset({"tags", "campaign_tags", "platforms", "basic_details.tags", "basic_details.platforms"})
"""Columns of tables that hold lists, written as `[a|b]` or `a`."""


class Document(msgspec.Struct, frozen=True):
    """One document and where it came from."""

    file: str
    row: int
    body: bytes
    is_child: bool


class CampaignProblem(msgspec.Struct, frozen=True):
    """A document that was not accepted."""

    file: str
    row: int
    campaign_id: str
    message: str


def looks_like_campaigns(source: Source, first: Mapping[str, Any]) -> bool:
    """Whether a file holds campaign documents and not events."""
    names = set(source.columns or first)
    if MARKS & {name.split(".")[0] for name in names}:
        return True
    return not names & {"type", "event_id", "time", "ts", "event"} and {"channel", "name"} <= names


def documents(source: Source, rows: Iterable[Any]) -> Iterator[Document | CampaignProblem]:
    """The documents of a file."""
    for row in rows:
        if isinstance(row.value, BadRow):
            yield CampaignProblem(source.name, row.number, "", row.value.message)
            continue
        value = _nested(row.value) if source.columns is not None else row.value
        is_child = bool(value.get("parent_id") or value.get("parent_campaign_id"))
        yield Document(source.name, row.number, msgspec.json.encode(value), is_child)


def _nested(row: Mapping[str, Any]) -> dict[str, Any]:
    """A table row as a document: `basic_details.name` becomes a member of `basic_details`."""
    document: dict[str, Any] = {}
    for name, given in row.items():
        value = plain_text_value(given) if isinstance(given, str) else given
        if name in LISTS and not isinstance(value, list):
            value = [value]
        inner = document
        *path, last = name.split(".")
        for part in path:
            inner = inner.setdefault(part, {})
            if not isinstance(inner, dict):
                raise InvalidInput(f"the columns {part} and {name} contradict each other")
        inner[last] = str(value) if last in ("name", "campaign_name", "team") else value
    return document


def send_documents(
    client: Client, found: list[Document], *, dry_run: bool
) -> tuple[CampaignImport, list[CampaignProblem]]:
    """Send documents, parents first.

    Raises:
        ClientError: the server cannot be reached or refuses.
    """
    ordered = sorted(found, key=lambda document: document.is_child)
    total = CampaignImport(total=0)
    problems: list[CampaignProblem] = []
    for part in _parts(ordered):
        answer = client.import_campaigns(b"\n".join(document.body for document in part), dry_run=dry_run)
        for error in answer.errors:
            document = part[error.line - 1] if 1 <= error.line <= len(part) else part[0]
            message = "; ".join(str(detail.get("message", "")) for detail in error.details) or "refused"
            problems.append(CampaignProblem(document.file, document.row, error.campaign_id or "", message))
        total = CampaignImport(
            total=total.total + answer.total,
            created=total.created + answer.created,
            updated=total.updated + answer.updated,
            unchanged=total.unchanged + answer.unchanged,
            skipped=total.skipped + answer.skipped,
            failed=total.failed + answer.failed,
        )
    return total, problems


def _parts(ordered: list[Document]) -> Iterator[list[Document]]:
    part: list[Document] = []
    size = 0
    for document in ordered:
        if part and (len(part) >= DOCUMENTS_PER_REQUEST or size + len(document.body) > BYTES_PER_REQUEST):
            yield part
            part, size = [], 0
        part.append(document)
        size += len(document.body)
    if part:
        yield part
