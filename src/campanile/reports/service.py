"""What other parts of the house may use of reports: the services, and the values they take and answer."""

from __future__ import annotations

from campanile.reports.definitions import DefinitionService, Draft, Page, View
from campanile.reports.documents import document
from campanile.reports.download.service import DownloadService
from campanile.reports.listing import Query
from campanile.reports.names import stem
from campanile.reports.periods import AbsolutePeriod, Period, RollingPeriod, covered
from campanile.reports.preview import Preview, PreviewService
from campanile.reports.runs.schemas import ERRORS, UNFINISHED, File, Run, RunState
from campanile.reports.runs.service import Query as RunQuery
from campanile.reports.runs.service import RunService

__all__ = [
    "ERRORS",
    "UNFINISHED",
    "AbsolutePeriod",
    "DefinitionService",
    "DownloadService",
    "Draft",
    "File",
    "Page",
    "Period",
    "Preview",
    "PreviewService",
    "Query",
    "RollingPeriod",
    "Run",
    "RunQuery",
    "RunService",
    "RunState",
    "View",
    "covered",
    "document",
    "stem",
]
