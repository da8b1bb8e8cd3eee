"""Which file a name, a link or a run means, and whether it may be had now (report API specification 5, 7)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import date

import msgspec

from campanile.clock import Clock
from campanile.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from campanile.metadata import Metadata
from campanile.reports import repository as definitions
from campanile.reports.delivery.secrets import link_digest
from campanile.reports.download.request import Asked, invalid_name
from campanile.reports.download.signature import is_signed
from campanile.reports.files.names import parse_daily_name, parse_name
from campanile.reports.files.store import FileStore
from campanile.reports.runs import repository
from campanile.reports.runs.schemas import UNFINISHED, File, Run
from campanile.reports.schemas import EmailDelivery
from campanile.workspaces.service import WorkspaceService

Parser = Callable[[str], tuple[str, date] | None]
"""Reads a file name: stem and date, or None."""


class BadSignature(Unauthenticated):
    """Missing or invalid; nothing is said about which, or about the file."""

    type = "bad_signature"


class Gone(NotFound):
    """The file has expired."""

    status = 410
    type = "expired"


class Linked(msgspec.Struct, frozen=True):
    """A file that a link opens, and for whom."""

    file: File
    workspace_id: str
    require_login: bool


def report_name(text: str) -> tuple[str, date] | None:
    """The grammar of report files."""
    return parse_name(text)


def daily_name(text: str) -> tuple[str, date] | None:
    """The grammar of daily dumps."""
    day = parse_daily_name(text)
    return None if day is None else ("", day)


class DownloadService:
    """Thread-safe. Blocks, but for `read`."""

    def __init__(
        self,
        metadata: Metadata,
        clock: Clock,
        workspaces: WorkspaceService,
        store: FileStore,
        *,
        hide_unknown: bool = False,
    ) -> None:
        """
        Args:
            hide_unknown: whether an unknown workspace is answered like a wrong signature.
        """
        self._metadata = metadata
        self._clock = clock
        self._workspaces = workspaces
        self._store = store
        self._hide_unknown = hide_unknown

    def check(self, asked: Asked, signature: str | None) -> None:
        """
        Raises:
            InvalidInput: there is no such workspace. BadSignature: missing or invalid.
        """
        secrets = self._workspaces.report_keys(asked.app_id)
        known = self._workspaces.get(asked.app_id) is not None
        signed = is_signed(signature, asked.app_id, asked.filename, secrets)
        if not known and not self._hide_unknown:
            raise InvalidInput("Invalid App Id", attribute="APP_ID", type="invalid_app_id")
        if not (known and signed):
            raise BadSignature("The signature is missing or invalid.")

    def by_name(self, asked: Asked, parse: Parser) -> File:
        """The file of a signed request.

        Raises:
            InvalidInput: nothing can have this name; or there is no such file, not yet, or not any more.
        """
        name = parse(asked.filename)
        if name is None:
            raise invalid_name()
        stem, day = name
        now = self._clock.now()
        with self._metadata.read() as connection:
            run = repository.named(connection, asked.app_id, stem, day, now)
            working = repository.name_in_work(connection, asked.app_id, stem, day)
        if run is not None and run.file is not None and now < run.file.expires_at:
            return run.file
        raise InvalidInput(_why_not(run, working), attribute="FILENAME", type="no_file")

    def by_run(self, workspace_id: str, run_id: str) -> File:
        """The file of a run.

        Raises:
            NotFound: no such run, or `no_data`. Conflict: `not_ready`, or `no_file` as it failed. Gone: `expired`.
        """
        now = self._clock.now()
        with self._metadata.read() as connection:
            run = repository.find_run(connection, run_id, now, workspace_id=workspace_id)
        if run is None:
            raise NotFound("There is no such run.", attribute="run_id")
        if run.state in UNFINISHED:
            raise Conflict("The run has not finished.", attribute="run_id", type="not_ready")
        if run.state == "NO_DATA":
            raise NotFound("Nothing matched, so the run made no file.", attribute="run_id", type="no_data")
        if run.file is None:
            raise Conflict(f"A run in state {run.state} has no file.", attribute="run_id", type="no_file")
        if now >= run.file.expires_at:
            raise Gone("The file has expired.", attribute="run_id")
        return run.file

    def by_link(self, token: str) -> Linked:
        """The file that a link opens.

        Raises:
            NotFound: no such link. Gone: the file has expired.
        """
        now = self._clock.now()
        with self._metadata.read() as connection:
            run = repository.linked(connection, link_digest(token), now)
            if run is None or run.file is None or run.definition_id is None:
                raise NotFound("There is no such link.", attribute="token")
            spec = definitions.spec_of(connection, run.definition_id, run.definition_version)
        if now >= run.file.expires_at:
            raise Gone("The file has expired.", attribute="token")
        mails = [] if spec is None else [found for found in spec.delivery if isinstance(found, EmailDelivery)]
        return Linked(run.file, run.workspace_id, any(mail.require_login for mail in mails))

    async def read(self, file: File, first: int, last: int) -> AsyncIterator[bytes]:
        """Bytes `first` to `last` of a file; it is open when this returns.

        Raises:
            FileUnreadable, StoreUnavailable: it cannot be read.
        """
        return await self._store.read(file.id, size=file.size, first=first, last=last)


def _why_not(run: Run | None, working: bool) -> str:
    if working:
        return "Report is not ready"
    if run is None:
        return "Report not found"
    if run.file is not None:
        return "Report has expired"
    return "Report generation failed" if run.state == "FAILED" else "Report not found"
