"""Definitions of reports: written, changed, switched on and off, deleted (report specification 2, 7.1, 8, 15)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from campanile.audit.schemas import OPERATOR, Values
from campanile.audit.service import AuditService
from campanile.campaigns.service import CampaignService
from campanile.clock import Clock
from campanile.errors import Conflict, NotFound, PreconditionFailed, Problem, Unprocessable
from campanile.jobs.schedule import Slot, next_slots
from campanile.metadata import Connection, Metadata
from campanile.reports import listing, notices, orders, parts, repository
from campanile.reports.documents import changes, document, merged
from campanile.reports.names import copy_name, is_name, stem_key
from campanile.reports.ports import Run, Runs
from campanile.reports.reading import Fields, Findings
from campanile.reports.schemas import (
    ReportDefinition,
    ReportSpec,
    ReportWarning,
    State,
    Version,
)
from campanile.reports.slots import due_at, placed
from campanile.reports.spec import Circumstances, read
from campanile.workspaces.schemas import Workspace

DEFINITIONS = 500
"""Definitions of one workspace."""
VERSIONS = 100
"""Versions that a history shows, the newest ones."""

Revisions = frozenset[int]
"""Versions named by a condition of a request."""


class View(NamedTuple):
    """A definition with everything that is shown beside it."""

    definition: ReportDefinition
    warnings: Sequence[ReportWarning]
    slots: Sequence[Slot]
    """The next ones."""
    last_run: Run | None


class Draft(NamedTuple):
    """What a document would become."""

    spec: ReportSpec
    state: State
    warnings: Sequence[ReportWarning]
    slots: Sequence[Slot]


class Page(NamedTuple):
    """Some definitions, and where to go on."""

    views: Sequence[View]
    next_cursor: str | None


class DefinitionService:
    """Thread-safe. Definitions of another workspace behave as unknown ones.

    Every change is in the audit log; `by` and `author` are who it says it was: the id of an API key, or an address.
    """

    def __init__(self, metadata: Metadata, clock: Clock, campaigns: CampaignService, runs: Runs) -> None:
        self._metadata = metadata
        self._clock = clock
        self._campaigns = campaigns
        self._runs = runs
        self._audit = AuditService(metadata, clock)

    # --- reading

    def get(self, workspace_id: str, definition_id: str) -> ReportDefinition:
        """
        Raises:
            NotFound: no such definition, or it is deleted.
        """
        with self._metadata.read() as connection:
            return _known(repository.find(connection, workspace_id, definition_id))

    def view(self, workspace: Workspace, definition_id: str) -> View:
        """
        Raises:
            NotFound: no such definition.
        """
        definition = self.get(workspace.id, definition_id)
        return self._view(workspace, definition, self._runs.latest(workspace.id, [definition.id]))

    def page(self, workspace: Workspace, query: listing.Query) -> Page:
        """Definitions in the wanted order. Their warnings leave out what campaigns exist.

        Raises:
            InvalidInput: `invalid_cursor`.
        """
        with self._metadata.read() as connection:
            ids, cursor = listing.page(repository.index(connection, workspace.id), query)
            found = repository.many(connection, workspace.id, ids)
        last = self._runs.latest(workspace.id, ids)
        definitions = [found[definition_id] for definition_id in ids if definition_id in found]
        return Page([self._view(workspace, item, last, campaigns=False) for item in definitions], cursor)

    def versions(self, workspace_id: str, definition_id: str) -> list[Version]:
        """The newest saves, newest first.

        Raises:
            NotFound: no such definition.
        """
        with self._metadata.read() as connection:
            _known(repository.find(connection, workspace_id, definition_id))
            rows = repository.versions(connection, definition_id, VERSIONS + 1)
        older: list[ReportSpec | None] = [spec for _, _, _, spec in rows[1:]]
        return [
            Version(
                version=number,
                saved_at=saved_at,
                saved_by=author,
                changes=() if before is None else changes(before, spec),
            )
            for (number, author, saved_at, spec), before in zip(rows[:VERSIONS], [*older, None], strict=False)
        ]

    def spec(self, workspace: Workspace, raw: object) -> ReportSpec:
        """The specification in a document that is not to be stored; as in a draft, parts may be missing.

        Raises:
            InvalidInput, Unprocessable: everything wrong with it.
        """
        return read(raw, msgspec.structs.replace(self._circumstances(workspace), state="DRAFT")).spec

    def check(self, workspace: Workspace, raw: object, definition_id: str | None = None) -> Draft:
        """What `create` would store, or `replace` with a definition that is there.

        Raises:
            NotFound: no such definition.
            InvalidInput, Unprocessable: everything wrong with the document.
            Conflict: `name_conflict`, `limit_reached`.
        """
        stored = None if definition_id is None else self.get(workspace.id, definition_id)
        given = self._circumstances(workspace, stored)
        found = read(raw, given)
        with self._metadata.read() as connection:
            if stored is None:
                self._refuse_new(connection, workspace.id, found.spec.name)
            elif stem_key(found.spec.name) != stem_key(stored.spec.name):
                self._refuse_name(connection, workspace.id, found.spec.name, stored.id)
        slots = notices.coming(found.spec, given)
        unknown = self._unknown_campaigns(workspace.id, found.spec)
        warnings = notices.warnings(found.spec, given, slots, unknown)
        return Draft(found.spec, found.state or "ACTIVE", warnings, slots)

    def upcoming(self, workspace: Workspace, timing: object) -> list[Slot]:
        """The next slots of a schedule that is being written, if it were activated now.

        Args:
            timing: the member `schedule` of a document.

        Raises:
            InvalidInput, Unprocessable: everything wrong with it.
        """
        find = Findings()
        now = self._clock.now()
        zone = workspace.settings.timezone
        found = parts.schedule(Fields(find, timing, "schedule"), timezone=zone, now=now, before=None)
        find.raise_any({"schedule": timing})
        return [] if found is None else next_slots(found, now, notices.SHOWN_SLOTS)

    # --- writing

    def create(self, workspace: Workspace, author: str, raw: object) -> View:
        """Store a new definition; unless it is a draft, it is active at once.

        Raises:
            InvalidInput, Unprocessable: everything wrong with the document.
            Conflict: `name_conflict`, `limit_reached`.
        """
        found = read(raw, self._circumstances(workspace))
        definition = self._add(workspace.id, author, found.spec, found.state or "ACTIVE")
        return self._view(workspace, definition, {})

    def duplicate(self, workspace: Workspace, author: str, definition_id: str, name: str | None = None) -> View:
        """A draft with everything of the original, under `name` or one made from its name.

        Raises:
            NotFound: no such definition.
            Unprocessable: `name_invalid`.
            Conflict: `name_conflict`, `limit_reached`.
        """
        original = self.get(workspace.id, definition_id)
        if name is None:
            with self._metadata.read() as connection:
                taken = {row.stem_key for row in repository.index(connection, workspace.id)}
            name = copy_name(original.spec.name, taken)
        elif not is_name(name):
            raise Unprocessable("name is not one that a report may have.", attribute="name", type="name_invalid")
        spec = msgspec.structs.replace(original.spec, name=name)
        return self._view(workspace, self._add(workspace.id, author, spec, "DRAFT"), {})

    def replace(
        self, workspace: Workspace, author: str, definition_id: str, raw: object, *, if_match: Revisions | None = None
    ) -> View:
        """Save another document; the next run uses it, running ones keep their version.

        A schedule that changes starts anew, and makes a completed definition active again.

        Raises:
            NotFound: no such definition.
            PreconditionFailed: `version_mismatch`.
            InvalidInput, Unprocessable: everything wrong with the document.
            Conflict: `name_conflict`, `invalid_state` when the document asks for another state.
        """
        return self._save(workspace, author, definition_id, lambda _: raw, if_match)

    def patch(
        self, workspace: Workspace, author: str, definition_id: str, patch: object, *, if_match: Revisions | None = None
    ) -> View:
        """Save the document that a JSON merge patch makes of the present one; otherwise as `replace`."""
        return self._save(workspace, author, definition_id, lambda spec: merged(document(spec), patch), if_match)

    def activate(self, workspace: Workspace, definition_id: str, *, by: str = OPERATOR) -> View:
        """Switch a draft on, or a paused definition on again: it starts with its next future slot.

        Raises:
            NotFound: no such definition.
            Unprocessable: the draft lacks its schedule or delivery, or has no run in the future.
            Conflict: `invalid_state` for a completed one, which needs a new schedule.
        """
        return self._move(workspace, definition_id, ("DRAFT", "PAUSED"), "ACTIVE", by)

    def resume(self, workspace: Workspace, definition_id: str, *, by: str = OPERATOR) -> View:
        """Switch a paused definition on again. Slots it missed are not made up for.

        Raises:
            NotFound: no such definition. Conflict: `invalid_state`.
            Unprocessable: `schedule_empty`, there is no run in the future; it stays paused.
        """
        return self._move(workspace, definition_id, ("PAUSED",), "ACTIVE", by)

    def pause(self, workspace: Workspace, definition_id: str, *, by: str = OPERATOR) -> View:
        """Let slots pass without runs.

        Raises:
            NotFound: no such definition. Conflict: `invalid_state`.
        """
        return self._move(workspace, definition_id, ("ACTIVE",), "PAUSED", by)

    def delete(
        self, workspace_id: str, definition_id: str, *, if_match: Revisions | None = None, by: str = OPERATOR
    ) -> None:
        """Hide a definition, end its runs, purge its files, free its name.

        Raises:
            NotFound: no such definition. PreconditionFailed: `version_mismatch`.
        """
        with self._metadata.begin() as connection:
            definition = _known(repository.find(connection, workspace_id, definition_id, lock=True))
            _check_version(definition, if_match)
            deleted = msgspec.structs.replace(
                definition, state="DELETED", updated_at=self._clock.now(), next_slot=None, next_file_date=None
            )
            repository.change(connection, deleted, None)
            self._note(connection, definition, by, "report.deleted", before={"name": definition.spec.name})
        self._runs.retire(workspace_id, definition_id)

    # --- runs that somebody asks for

    def run(self, workspace: Workspace, definition_id: str, raw: object, *, by: str = OPERATOR) -> Run:
        """A run now, apart from the schedule.

        Args:
            raw: `{"window": {"start", "end"}, "file_date"}`, both optional: other days, another date in the name.

        Raises:
            NotFound: no such definition. Conflict: `invalid_state` for a draft.
            InvalidInput, Unprocessable: everything wrong with `raw`.
        """
        definition = self._runnable(workspace.id, definition_id)
        order = orders.read_run(raw, definition.spec, timezone=workspace.settings.timezone, now=self._clock.now())
        return self._runs.start(definition, file_date=order.file_date, window=order.window, trigger="manual", by=by)

    def backfill(self, workspace: Workspace, definition_id: str, raw: object, *, by: str = OPERATOR) -> Sequence[Run]:
        """Runs for past slots, each with its own file date.

        Args:
            raw: `{"from", "to", "overwrite"}`: dates of the first and the last slot; whether files that are there
                are made again.

        Raises:
            NotFound: no such definition. Conflict: `invalid_state` for a draft.
            InvalidInput, Unprocessable: everything wrong with `raw`.
        """
        definition = self._runnable(workspace.id, definition_id)
        order = orders.read_backfill(raw, definition.spec, now=self._clock.now())
        return self._runs.backfill(definition, order.slots, overwrite=order.overwrite, by=by)

    # --- inside

    def _runnable(self, workspace_id: str, definition_id: str) -> ReportDefinition:
        definition = self.get(workspace_id, definition_id)
        if definition.state == "DRAFT":
            raise _state_conflict("A draft cannot run; activate it first.")
        return definition

    def _circumstances(self, workspace: Workspace, definition: ReportDefinition | None = None) -> Circumstances:
        return Circumstances(
            now=self._clock.now(),
            timezone=workspace.settings.timezone,
            attribution_model=workspace.settings.attribution_model,
            recipient_allowed=workspace.settings.may_mail,
            state=None if definition is None else definition.state,
            previous=None if definition is None else definition.spec,
        )

    def _view(
        self,
        workspace: Workspace,
        definition: ReportDefinition,
        last_runs: Mapping[str, Run],
        *,
        campaigns: bool = True,
    ) -> View:
        given = self._circumstances(workspace, definition)
        slots = notices.coming(definition.spec, given, definition)
        unknown = self._unknown_campaigns(workspace.id, definition.spec) if campaigns else set()
        warnings = notices.warnings(definition.spec, given, slots, unknown)
        return View(definition, warnings, slots, last_runs.get(definition.id))

    def _unknown_campaigns(self, workspace_id: str, spec: ReportSpec) -> set[str]:
        if spec.campaigns == "all":
            return set()
        return set(spec.campaigns).difference(self._campaigns.get_many(workspace_id, spec.campaigns))

    def _add(self, workspace_id: str, author: str, spec: ReportSpec, state: State) -> ReportDefinition:
        now = self._clock.now()
        definition = ReportDefinition(
            id=repository.new_id(),
            workspace_id=workspace_id,
            spec=spec,
            version=1,
            state=state,
            created_at=now,
            updated_at=now,
            created_by=author,
            next_slot=None,
            next_file_date=None,
            slots_used=0,
        )
        if state == "ACTIVE":
            definition = placed(definition, now)
        with self._metadata.begin() as connection:
            self._refuse_new(connection, workspace_id, spec.name)
            if not repository.add(connection, definition, due_at(definition)):
                raise _name_conflict(None)
            after = {"name": spec.name, "state": definition.state}
            self._note(connection, definition, author, "report.created", after=after)
        return definition

    def _refuse_new(self, connection: Connection, workspace_id: str, name: str) -> None:
        if repository.count(connection, workspace_id) >= DEFINITIONS:
            raise Conflict(f"A workspace may have at most {DEFINITIONS} reports.", type="limit_reached")
        self._refuse_name(connection, workspace_id, name, "")

    def _refuse_name(self, connection: Connection, workspace_id: str, name: str, own_id: str) -> None:
        holder = repository.holder(connection, workspace_id, name)
        if holder is not None and holder.id != own_id:
            raise _name_conflict(f"{holder.name} ({holder.id})")
        if repository.carried(connection, workspace_id, stem_key(name), own_id, self._clock.now()):
            raise _name_conflict("a renamed report whose files have not expired yet")

    def _save(
        self,
        workspace: Workspace,
        author: str,
        definition_id: str,
        raw_of: Callable[[ReportSpec], object],
        if_match: Revisions | None,
    ) -> View:
        with self._metadata.begin() as connection:
            before = _known(repository.find(connection, workspace.id, definition_id, lock=True))
            _check_version(before, if_match)
            found = read(raw_of(before.spec), self._circumstances(workspace, before))
            rescheduled = found.spec.schedule != before.spec.schedule
            _check_state(before, found.state, rescheduled=rescheduled)
            after = before
            if found.spec != before.spec:
                if stem_key(found.spec.name) != stem_key(before.spec.name):
                    self._refuse_name(connection, workspace.id, found.spec.name, before.id)
                after = msgspec.structs.replace(
                    before, spec=found.spec, version=before.version + 1, updated_at=self._clock.now()
                )
                if rescheduled:
                    after = msgspec.structs.replace(after, slots_used=0)
                    if after.state in ("ACTIVE", "COMPLETED"):
                        after = placed(after, self._clock.now())
                if not repository.change(connection, after, due_at(after)):
                    raise _name_conflict(None)
                repository.add_version(connection, after, author)
                members = ", ".join(change.attribute for change in changes(before.spec, after.spec))
                old = {"version": before.version, "state": before.state}
                new = {"version": after.version, "state": after.state, "changed": members}
                self._note(connection, after, author, "report.changed", before=old, after=new)
        return self._view(workspace, after, self._runs.latest(workspace.id, [after.id]))

    def _move(
        self, workspace: Workspace, definition_id: str, allowed: tuple[State, ...], state: State, by: str
    ) -> View:
        with self._metadata.begin() as connection:
            before = _known(repository.find(connection, workspace.id, definition_id, lock=True))
            after = before
            if before.state != state:
                if before.state not in allowed:
                    raise _state_conflict(_refusal(before.state, state))
                after = msgspec.structs.replace(
                    before, state=state, updated_at=self._clock.now(), next_slot=None, next_file_date=None
                )
                if state == "ACTIVE":
                    after = self._started(after)
                repository.change(connection, after, due_at(after))
                old, new = {"state": before.state}, {"state": after.state}
                self._note(connection, after, by, "report.state_changed", before=old, after=new)
        return self._view(workspace, after, self._runs.latest(workspace.id, [after.id]))

    def _note(
        self,
        connection: Connection,
        definition: ReportDefinition,
        by: str,
        action: str,
        *,
        before: Values | None = None,
        after: Values | None = None,
    ) -> None:
        self._audit.note(
            connection,
            workspace_id=definition.workspace_id,
            actor=by,
            action=action,
            subject=definition.id,
            before=before,
            after=after,
        )

    def _started(self, definition: ReportDefinition) -> ReportDefinition:
        spec = definition.spec
        missing = [name for name in ("schedule", "delivery") if not getattr(spec, name)]
        if missing:
            problems = tuple(Problem("required", f"{name} is required.", name) for name in missing)
            first = problems[0]
            raise Unprocessable(first.message, attribute=first.attribute, type=first.type, problems=problems)
        found = placed(definition, self._clock.now())
        if found.state != "ACTIVE":
            message = "schedule has no run in the future."
            raise Unprocessable(message, attribute="schedule", type="schedule_empty")
        return found


def _known(definition: ReportDefinition | None) -> ReportDefinition:
    if definition is None:
        raise NotFound("There is no such report.", attribute="report_id")
    return definition


def _check_version(definition: ReportDefinition, if_match: Revisions | None) -> None:
    if if_match is not None and definition.version not in if_match:
        raise PreconditionFailed(f"The report is at version {definition.version}.", type="version_mismatch")


def _check_state(before: ReportDefinition, wanted: State | None, *, rescheduled: bool) -> None:
    """A document may repeat the state, and may say what becomes of a completed definition with a new schedule."""
    revived = wanted == "ACTIVE" and before.state == "COMPLETED" and rescheduled
    if wanted is not None and wanted != before.state and not revived:
        raise _state_conflict(_refusal(before.state, wanted))


def _refusal(state: State, wanted: State) -> str:
    if state == "COMPLETED":
        return "The report is completed; give it a new schedule."
    actions = "activate, pause and resume"
    return f"A report in state {state} cannot become {wanted} like this; states change by {actions}."


def _state_conflict(message: str) -> Conflict:
    return Conflict(message, attribute="state", type="invalid_state")


def _name_conflict(holder: str | None) -> Conflict:
    by = f" {holder}" if holder else " another report"
    return Conflict(f"name gives files that could be taken for those of{by}.", attribute="name", type="name_conflict")
