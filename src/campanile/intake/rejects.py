"""The newest refused records of each workspace, for those who look for a mistake. In memory, without personal data."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable
from datetime import datetime

import msgspec

from campanile.intake.verdicts import Rejection
from campanile.kit.pii import masked

KEPT_RECORDS = 1_000
"""Records kept per workspace."""

KEPT_WORKSPACES = 1_000
"""Workspaces with records; the one that was refused something longest ago is forgotten first."""


class RejectedRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One refused record, as `GET /v1/ingest/rejects` shows it."""

    received_at: datetime
    request_id: str
    source: str
    index: int
    line: int | None = None
    event_id: str = ""
    """Addresses and numbers in it are masked."""
    code: str
    field: str = ""
    message: str


class Rejects:
    """Remembers refused records, the newest ones."""

    def __init__(self) -> None:
        self._records: OrderedDict[str, deque[RejectedRecord]] = OrderedDict()

    def add(
        self, workspace: str, source: str, request_id: str, received_at: datetime, rejections: Iterable[Rejection]
    ) -> None:
        """Remember what was refused of one request."""
        newest = list(rejections)[-KEPT_RECORDS:]
        if not newest:
            return
        records = self._records.setdefault(workspace, deque(maxlen=KEPT_RECORDS))
        self._records.move_to_end(workspace)
        while len(self._records) > KEPT_WORKSPACES:
            self._records.popitem(last=False)
        records.extend(
            RejectedRecord(
                received_at=received_at,
                request_id=request_id,
                source=source,
                index=item.index,
                line=item.line,
                event_id=masked(item.event_id),
                code=item.code,
                field=masked(item.field),
                message=item.message,
            )
            for item in newest
        )

    def newest(self, workspace: str, since: datetime | None = None) -> list[RejectedRecord]:
        """The records of a workspace refused at or after `since`, newest first."""
        records = self._records.get(workspace, ())
        return [record for record in reversed(records) if since is None or record.received_at >= since]
