"""What other parts of the house may use of reports: the services, and the values they take and answer."""

from __future__ import annotations

from campanile.reports.columns import ColumnDef, catalogue, columns_by_key, default_keys, is_active
from campanile.reports.content import expression_columns, expression_faults
from campanile.reports.definitions import DefinitionService, Draft, Page, View
from campanile.reports.documents import document
from campanile.reports.download.service import DownloadService
from campanile.reports.listing import Query
from campanile.reports.names import is_name, stem
from campanile.reports.periods import AbsolutePeriod, Period, RollingPeriod, covered
from campanile.reports.preview import Preview, PreviewService
from campanile.reports.runs.orders import ready_at
from campanile.reports.runs.schemas import ERRORS, UNFINISHED, File, Run, RunState
from campanile.reports.runs.service import Query as RunQuery
from campanile.reports.runs.service import RunService
from campanile.reports.spec import STATUSES, delivery_types

__all__ = [
    "ERRORS",
    "STATUSES",
    "UNFINISHED",
    "AbsolutePeriod",
    "ColumnDef",
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
    "catalogue",
    "columns_by_key",
    "covered",
    "default_keys",
    "delivery_types",
    "document",
    "expression_columns",
    "expression_faults",
    "is_active",
    "is_name",
    "ready_at",
    "stem",
]
