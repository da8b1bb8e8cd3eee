"""What the builder shows beside the fields: columns and campaigns to choose from, what is wrong, what is next."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from typing import Any, Protocol

import msgspec

from campanile.campaigns.schemas import Campaign, ListPage, ListQuery
from campanile.dashboard.builder import form, problems
from campanile.dashboard.builder.form import Custom, Given
from campanile.dashboard.reports.service import Coming, coming
from campanile.errors import CampanileError, Conflict, InvalidInput, Unprocessable
from campanile.jobs.schedule import Slot
from campanile.reports.schemas import CHANNELS, ReportWarning
from campanile.reports.service import (
    ColumnDef,
    Draft,
    Preview,
    catalogue,
    columns_by_key,
    default_keys,
    expression_columns,
    expression_faults,
    is_active,
)
from campanile.workspaces.schemas import Workspace

COLUMNS_FOUND = 40
"""Columns that a search shows."""
CAMPAIGNS_FOUND = 8
"""Campaigns that a search shows."""
GROUPS: dict[str, str] = {
    "": "All columns",
    "campaign": "About the campaign",
    "content": "Its message",
    "numbers": "Numbers",
    "platforms": "Numbers per platform",
    "goals": "Conversions",
}
"""Kinds of columns."""
PLATFORMS = frozenset({"android", "ios", "web", "mweb"})

REFUSALS = (Conflict, InvalidInput, Unprocessable)
"""What a document may be refused with."""


class Definitions(Protocol):
    """Knows definitions."""

    def check(self, workspace: Workspace, raw: object, definition_id: str | None = None) -> Draft: ...

    def upcoming(self, workspace: Workspace, timing: object) -> list[Slot]: ...


class Campaigns(Protocol):
    """Knows campaigns."""

    def page(self, workspace_id: str, query: ListQuery) -> ListPage: ...

    def get_many(self, workspace_id: str, ids: Collection[str]) -> dict[str, Campaign]: ...

    def tags(self, workspace_id: str) -> list[str]: ...


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody looks for in the lists of a form."""

    campaigns: str = ""
    columns: str = ""
    group: str = ""
    tab: str = ""
    """The channel whose columns are shown."""


class Column(msgspec.Struct, frozen=True):
    """A column in a list."""

    key: str
    header: str
    source: str
    numeric: bool


class Chosen(msgspec.Struct, frozen=True):
    """A campaign chosen by hand."""

    id: str
    name: str
    """Empty if it is not known."""
    channel: str


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """An own column, and whether its formula can be read."""

    custom: Custom
    error: str
    before: str
    """Of the formula, up to the fault."""
    after: str
    columns: tuple[str, ...]
    """Headers of the columns a right formula reads."""


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the builder shows beside the fields."""

    tab: str
    own: bool
    """Whether the columns of that channel were chosen."""
    columns: list[Column]
    found: list[Column]
    more: int
    """Columns that were found and are not shown."""
    chosen: list[Chosen]
    matches: list[Campaign]
    tags: list[str]
    customs: list[Checked]
    coming: list[Coming]
    warnings: Sequence[ReportWarning]
    troubles: list[problems.Trouble]
    """Everything wrong with the form as it is."""


class BuilderPages:
    """Read-only. Blocks: call it from a worker thread."""

    def __init__(self, definitions: Definitions, campaigns: Campaigns) -> None:
        self._definitions = definitions
        self._campaigns = campaigns

    def board(self, workspace: Workspace, given: Given, search: Search, definition_id: str | None) -> Board:
        """
        Raises:
            NotFound: no such definition.
        """
        document = form.raw(given)
        if definition_id is None:
            document["state"] = "DRAFT"
        troubles: list[problems.Trouble] = []
        draft: Draft | None = None
        try:
            draft = self._definitions.check(workspace, document, definition_id)
        except REFUSALS as error:
            troubles = problems.troubles(error.problems)
        model = workspace.settings.attribution_model
        tab = search.tab if search.tab in given.channels else next(iter(given.channels), "")
        keys = _keys(given, tab, model)
        offered = [] if not tab else [column for column in _found(tab, search, model) if column.key not in keys]
        return Board(
            tab=tab,
            own=tab in given.columns,
            columns=_named(given, tab, keys),
            found=offered[:COLUMNS_FOUND],
            more=max(0, len(offered) - COLUMNS_FOUND),
            chosen=self._chosen(workspace.id, given.ids),
            matches=self._matches(workspace.id, given, search.campaigns),
            tags=sorted({*self._campaigns.tags(workspace.id), *given.tags}),
            customs=[checked(custom, given.channels, model) for custom in given.custom],
            coming=self._coming(workspace, given, draft),
            warnings=() if draft is None else draft.warnings,
            troubles=troubles,
        )

    def _coming(self, workspace: Workspace, given: Given, draft: Draft | None) -> list[Coming]:
        if given.schedule == "asap":
            return []
        zone = workspace.settings.timezone
        if draft is not None:
            spec = draft.spec
            own = zone if spec.schedule is None else spec.schedule.time_zone
            return coming(spec.name, own, draft.slots, zone, spec.period)
        try:
            slots = self._definitions.upcoming(workspace, form.timing(given))
        except REFUSALS:
            return []
        return coming(given.name, given.zone or zone, slots, zone)

    def _chosen(self, workspace_id: str, ids: Sequence[str]) -> list[Chosen]:
        known = self._campaigns.get_many(workspace_id, ids)
        return [
            Chosen(name, known[name].name, known[name].channel) if name in known else Chosen(name, "", "")
            for name in ids
        ]

    def _matches(self, workspace_id: str, given: Given, text: str) -> list[Campaign]:
        channels = tuple(CHANNELS[token] for token in given.channels)
        query = ListQuery(search=text, channels=channels, limit=CAMPAIGNS_FOUND + len(given.ids))
        page = self._campaigns.page(workspace_id, query)
        found = [item.campaign for item in page.items if item.campaign.campaign_id not in given.ids]
        return found[:CAMPAIGNS_FOUND]


def _keys(given: Given, tab: str, model: str) -> tuple[str, ...]:
    if not tab:
        return ()
    own = form.custom_keys(form.keyed(given.custom), tab)
    chosen = given.columns.get(tab)
    if chosen is None:
        return (*default_keys(tab, model), *own)
    kept = [key for key in chosen if not key.startswith("custom.") or key in own]
    return (*kept, *(key for key in own if key not in kept))


def _named(given: Given, tab: str, keys: Sequence[str]) -> list[Column]:
    """The columns of a file, in order."""
    customs = {custom.key: custom for custom in form.keyed(given.custom)}
    known = columns_by_key(tab) if tab else {}
    found = []
    for key in keys:
        if key in customs:
            found.append(Column(key, customs[key].header or "Own column", customs[key].expression, False))
        elif key in known:
            found.append(_column(known[key]))
        else:
            found.append(Column(key, key, "", False))
    return found


def _column(column: ColumnDef) -> Column:
    return Column(column.key, column.header, column.source, column.numeric)


def _found(tab: str, search: Search, model: str) -> Iterator[Column]:
    """Columns of a channel by words of their header or key; those that splits add by themselves are left out."""
    words = search.columns.lower().split()
    for column in catalogue(tab):
        text = f"{column.header} {column.key}".lower()
        if (
            not column.key.startswith("split.")
            and is_active(column.attribution_dependent, model)
            and search.group in ("", _group(column.key))
            and all(word in text for word in words)
        ):
            yield _column(column)


def _group(key: str) -> str:
    first, *rest = key.split(".")
    if any(part.startswith("goal_") for part in rest):
        return "goals"
    if first != "campaign-stats":
        return first
    return "platforms" if rest[0] in PLATFORMS else "numbers"


def checked(custom: Custom, channels: Sequence[str], model: str) -> Checked:
    """An own column with what is wrong with its formula; an empty one is not complained about before it is saved."""
    where = [token for token in channels if not custom.channels or token in custom.channels]
    if not custom.expression.strip():
        return Checked(custom=custom, error="", before="", after="", columns=())
    faults = expression_faults(custom.expression, where, model)
    if not faults:
        keys = expression_columns(custom.expression, model)
        names = tuple(columns_by_key(token)[key].header for token in where[:1] for key in keys)
        return Checked(custom=custom, error="", before="", after="", columns=names)
    problem, position = faults[0]
    at = len(custom.expression) if position is None else position
    before = custom.expression[:at] if position is not None else ""
    after = custom.expression[at:] if position is not None else ""
    return Checked(custom=custom, error=f"{problem.message}.", before=before, after=after, columns=())


def refused(error: CampanileError) -> list[problems.Trouble]:
    """What saving was refused with."""
    return problems.troubles(error.problems)


def sample(given: Given, model: str) -> dict[str, Any]:
    """The document of a preview: what the form says, without what a preview does not need, and unfinished columns."""
    ready = tuple(
        custom
        for custom in given.custom
        if custom.header and custom.expression.strip() and not checked(custom, given.channels, model).error
    )
    shown = msgspec.structs.replace(given, custom=ready)
    return {**form.raw(shown), "name": "Preview", "delivery": None, "schedule": None}


def window(found: Preview) -> tuple[date, date]:
    """First and last day of a preview."""
    return date.fromisoformat(found.window["start"]), date.fromisoformat(found.window["end"])
