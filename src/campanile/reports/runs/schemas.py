"""What a run is, and how answers show it (report specification 7.2, 15.2)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any, Literal, get_args

import msgspec

from campanile.reports.files.writing import Part
from campanile.reports.schemas import ReportWarning

RunState = Literal[
    "QUEUED",
    "WAITING_FOR_DATA",
    "RUNNING",
    "PACKAGING",
    "SUCCESSFUL",
    "NO_DATA",
    "FAILED",
    "CANCELLED",
    "MISSED",
    "EXPIRED",
]
STATES: tuple[RunState, ...] = get_args(RunState)
UNFINISHED: frozenset[RunState] = frozenset({"QUEUED", "WAITING_FOR_DATA", "RUNNING", "PACKAGING"})

Trigger = Literal["schedule", "manual", "backfill", "api", "daily"]
DeliveryType = Literal["email", "webhook"]
DeliveryState = Literal["PENDING", "SENT", "FAILED"]

FILE_LIFE = timedelta(days=7)
"""How long a file can be downloaded after it was generated."""
NAME_MEMORY = timedelta(days=30)
"""How long a name answers that its file has expired."""
RUN_MEMORY = timedelta(days=90)
"""How long a finished run is listed."""

ERRORS: dict[str, str] = {
    "definition_invalid": "The definition cannot be carried out any more; check it and save it again.",
    "row_limit": "The report has more rows than reports may have; choose fewer campaigns, days or splits.",
    "file_too_large": "The archive is larger than archives may be; choose fewer campaigns, days or columns.",
    "store_unavailable": "The event store or the store of files did not answer.",
    "disk_full": "There was no room for the file.",
    "deadline_exceeded": "The report was not finished in time.",
    "query_timeout": "The event store took too long to answer.",
    "internal": "Something unexpected happened; the log of the server knows more.",
}
"""What may go wrong with a run, with a sentence for its owner."""


class File(msgspec.Struct, frozen=True, kw_only=True):
    """A finished archive."""

    id: str
    name: str
    size: int
    sha256: str
    generated_at: datetime
    expires_at: datetime
    forgotten_at: datetime
    purged_at: datetime | None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One message about a run."""

    type: DeliveryType
    target: str
    event: RunState
    """The state it tells."""
    state: DeliveryState
    at: datetime
    """When it got into its state."""
    note: str
    """Why the last attempt failed."""


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One execution of one version of a definition; of the daily dump, when there is no definition."""

    id: str
    workspace_id: str
    definition_id: str | None
    definition_version: int
    stem: str
    by_name: bool
    """Whether its file can be asked for by its name."""
    trigger: Trigger
    slot_at: datetime | None
    file_date: date
    first_day: date
    last_day: date
    state: RunState
    created_at: datetime
    finished_at: datetime | None
    attempt: int = 0
    progress: float = 0.0
    as_of: datetime | None = None
    """When the last attempt began to read."""
    mark: int | None = None
    """Sequence of the last events it saw."""
    error: str | None = None
    warnings: tuple[ReportWarning, ...] = ()
    parts: tuple[Part, ...] = ()
    file: File | None = None
    deliveries: tuple[Delivery, ...] = ()

    @property
    def final(self) -> bool:
        return self.state not in UNFINISHED

    def document(self) -> dict[str, Any]:
        """The run as answers show it."""
        file = self.file
        return {
            "id": self.id,
            "definition_id": self.definition_id,
            "definition_version": self.definition_version,
            "trigger": self.trigger,
            "slot_at": self.slot_at,
            "file_date": f"{self.file_date:%Y%m%d}",
            "window": {"start": self.first_day, "end": self.last_day},
            "status": self.state,
            "attempt": self.attempt,
            "progress": self.progress,
            "created_at": self.created_at,
            "finished_at": self.finished_at,
            "as_of": self.as_of,
            "generated_at": None if file is None else file.generated_at,
            "expires_at": None if file is None else file.expires_at,
            "file_name": None if file is None else file.name,
            "size": None if file is None else file.size,
            "sha256": None if file is None else file.sha256,
            "files": [
                {name: getattr(part, name) for name in ("name", "channel", "rows", "bytes", "sha256")}
                for part in self.parts
            ],
            "warnings": self.warnings,
            "error": None if self.error is None else {"code": self.error, "message": ERRORS[self.error]},
            "deliveries": [
                {name: getattr(delivery, name) for name in ("type", "target", "event", "state", "at")}
                for delivery in self.deliveries
            ],
        }

    def manifest(self) -> dict[str, Any]:
        """Everything that is known of the files: what was read, and what was written (report specification 11)."""
        return {
            "run_id": self.id,
            "definition_id": self.definition_id,
            "definition_version": self.definition_version,
            "name": self.stem,
            "file_date": f"{self.file_date:%Y%m%d}",
            "window": {"start": self.first_day, "end": self.last_day},
            "as_of": self.as_of,
            "mark": self.mark,
            "warnings": self.warnings,
            "files": part_documents(self.parts),
        }


def part_documents(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Files of an archive with their columns."""
    return [
        {
            "name": part.name,
            "channel": part.channel,
            "rows": part.rows,
            "columns": part.columns,
            "bytes": part.bytes,
            "sha256": part.sha256,
        }
        for part in parts
    ]
