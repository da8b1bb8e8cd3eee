"""What the rest of the program may ask and tell about campaigns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from campanile.campaigns import imports, repository, vocabulary
from campanile.campaigns.catalogue import Catalogue, resolve_all
from campanile.campaigns.document import canonical, respell
from campanile.campaigns.listing import repository as directory
from campanile.campaigns.memory import LOOKED_UP_IDS, CampaignMemory
from campanile.campaigns.order import Order, Orders
from campanile.campaigns.records import StoredCampaign, shown
from campanile.campaigns.registration import Registrar, contradiction
from campanile.campaigns.schemas import (
    COUNTED_CAMPAIGNS,
    TAGS_OFFERED,
    Campaign,
    CampaignDocument,
    CampaignHint,
    ImportMode,
    ImportReport,
    Listed,
    ListPage,
    ListQuery,
    Revisions,
    Written,
)
from campanile.campaigns.shelf import Shelf, write_document
from campanile.campaigns.windows import window_remarks
from campanile.clock import Clock
from campanile.errors import InvalidInput, PreconditionFailed, Problem
from campanile.metadata import Metadata
from campanile.workspaces.schemas import Workspace

DOCUMENT_BYTES = imports.LINE_BYTES
"""Size of one document."""
IMPORT_BYTES = imports.BODY_BYTES
"""Size of an import, unpacked."""


class CampaignService:
    """Thread-safe. Ids of another workspace behave as unknown ones; ids are compared in lower case."""

    def __init__(self, metadata: Metadata, clock: Clock) -> None:
        self._metadata = metadata
        self._clock = clock
        self._registrar = Registrar(metadata, clock)
        self._catalogue = Catalogue(metadata)
        self._memory = CampaignMemory(metadata)
        self._orders = Orders(metadata)

    # --- reading

    def get(self, workspace_id: str, campaign_id: str) -> Campaign | None:
        return self.get_many(workspace_id, [campaign_id]).get(campaign_id)

    def get_many(self, workspace_id: str, ids: Collection[str]) -> dict[str, Campaign]:
        """Those of the campaigns that exist, archived ones included, by id as it was asked for, in that order."""
        wanted = _stored_ids(ids)
        known = self._memory.current(workspace_id)
        missing = set(wanted.values()).difference(known.campaigns)
        found: dict[str, Campaign | None] = dict.fromkeys(missing)
        if missing:
            with self._metadata.read() as connection:
                records = repository.records(connection, workspace_id, missing)
                found |= {item.campaign_id: item for item in resolve_all(connection, workspace_id, [*records.values()])}
        if len(missing) <= LOOKED_UP_IDS:
            known.campaigns.update(found)
        everyone = {
            name: found[stored] if stored in found else known.campaigns[stored] for name, stored in wanted.items()
        }
        return {name: campaign for name, campaign in everyone.items() if campaign is not None}

    def children_of(self, workspace_id: str, parent_ids: Collection[str]) -> dict[str, list[Campaign]]:
        """Children by parent, archived ones included, oldest first; campaigns without children are left out."""
        known = self._memory.current(workspace_id)
        missing = set(parent_ids).difference(known.children)
        found: dict[str, list[Campaign]] = {name: [] for name in missing}
        if missing:
            with self._metadata.read() as connection:
                records = repository.children(connection, workspace_id, missing)
                for campaign in resolve_all(connection, workspace_id, records):
                    if campaign.parent_id is not None:
                        found[campaign.parent_id].append(campaign)
        if len(missing) <= LOOKED_UP_IDS:
            known.children.update((name, tuple(children)) for name, children in found.items())
        families = {name: found[name] if name in found else list(known.children[name]) for name in parent_ids}
        return {name: children for name, children in families.items() if children}

    def recall(self, workspace_id: str, ids: Collection[str]) -> dict[str, Campaign] | None:
        """`get_many` without blocking; None if the database has to be asked."""
        known = self._memory.at_hand(workspace_id)
        if known is None:
            return None
        wanted = _stored_ids(ids)
        found = known.of_ids(wanted.values())
        return None if found is None else {name: found[stored] for name, stored in wanted.items() if stored in found}

    def recall_children(self, workspace_id: str, parent_ids: Collection[str]) -> dict[str, list[Campaign]] | None:
        """`children_of` without blocking; None if the database has to be asked."""
        known = self._memory.at_hand(workspace_id)
        return None if known is None else known.of_parents(parent_ids)

    def order(self, workspace_id: str) -> Order:
        """Which campaigns are listed, and in which order; the same object as before while that does not change."""
        return self._orders.of(workspace_id)

    def everything(self, workspace_id: str) -> list[Campaign]:
        """All campaigns, archived ones included, by creation time, then id."""
        return list(self._catalogue.everything(workspace_id))

    def page(self, workspace_id: str, query: ListQuery) -> ListPage:
        """A page of the list of campaigns, in the order and from the place that the query says."""
        with self._metadata.read() as connection:
            found = directory.page(connection, workspace_id, query)
            ids = [campaign_id for _, campaign_id in found.positions]
            records = repository.records(connection, workspace_id, ids)
            known = {item.campaign_id: item for item in resolve_all(connection, workspace_id, list(records.values()))}
            children = directory.children_counts(connection, workspace_id, ids)
            tags = directory.tags_of(connection, workspace_id, found.tagged_as.values())
        return ListPage(
            items=tuple(
                Listed(known[name], tuple(tags.get(found.tagged_as[name], ())), children.get(name, 0)) for name in ids
            ),
            total=min(found.total, COUNTED_CAMPAIGNS),
            uncounted=found.total > COUNTED_CAMPAIGNS,
            first=found.positions[0] if found.positions and found.more_before else None,
            last=found.positions[-1] if found.positions and found.more_behind else None,
        )

    def tags(self, workspace_id: str) -> list[str]:
        """The tags of a workspace in alphabetical order, as many as a filter offers."""
        with self._metadata.read() as connection:
            return directory.all_tags(connection, workspace_id, TAGS_OFFERED)

    def documents(self, workspace_id: str, ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """The canonical documents of those that exist, inherited members filled in, by id.

        Documents may be large: ask for some hundred at a time. `total_child_campaigns` is not counted here.
        """
        with self._metadata.read() as connection:
            own = repository.stored_campaigns(connection, workspace_id, ids)
            parents = {item.record.parent_id for item in own.values() if item.record.parent_id is not None}
            above = repository.stored_campaigns(connection, workspace_id, parents)
        return {name: shown(item, above.get(item.record.parent_id or ""), 0) for name, item in own.items()}

    def document(self, workspace_id: str, campaign_id: str) -> CampaignDocument | None:
        """The complete canonical document, inherited members filled in."""
        name = vocabulary.campaign_id(campaign_id)
        if name is None:
            return None
        with self._metadata.read() as connection:
            own = repository.stored_campaigns(connection, workspace_id, [name]).get(name)
            if own is None:
                return None
            parent_id = own.record.parent_id
            parents = repository.stored_campaigns(connection, workspace_id, [] if parent_id is None else [parent_id])
            children = repository.count_children(connection, workspace_id, name)
        late = self._registrar.late(workspace_id, name)
        if late is not None and (own.record.last_event_at is None or late > own.record.last_event_at):
            own = StoredCampaign(msgspec.structs.replace(own.record, last_event_at=late), own.document)
        parent = None if parent_id is None else parents.get(parent_id)
        return CampaignDocument(shown(own, parent, children), own.record.revision)

    # --- writing

    def put(
        self,
        workspace_id: str,
        campaign_id: str,
        raw: object,
        *,
        if_match: Revisions | None = None,
        if_none_match: Revisions | None = None,
    ) -> Written:
        """Replace the written configuration of a campaign, or create it; doing so twice changes nothing.

        Args:
            raw: the decoded JSON document, in any accepted spelling.
            if_match: the campaign must exist with one of these revisions.
            if_none_match: the campaign must not exist with one of these revisions.

        Raises:
            InvalidInput: everything wrong with the fields.
            Conflict: `unknown_parent`, `parent_is_child`, `has_children`, `parent_channel`, `immutable`.
            PreconditionFailed: the revision is not as demanded.
            NotFound: no such workspace.
        """
        document, warnings = self._read(campaign_id, raw)
        name = document["campaign_id"]
        with self._metadata.begin() as connection:
            shelf = Shelf(connection, workspace_id)
            parent_id = document.get("parent_id")
            shelf.fetch({name, parent_id or name}, future_children=[] if parent_id is None else [name])
            before = shelf.get(name)
            revision = None if before is None else before.record.revision
            if if_match is not None and not _among(revision, if_match):
                raise PreconditionFailed("If-Match: the campaign has another revision, or does not exist")
            if if_none_match is not None and _among(revision, if_none_match):
                raise PreconditionFailed("If-None-Match: the campaign exists already")
            if before is not None and before.record.parent_id is not None:
                shelf.fetch({before.record.parent_id})
            written = write_document(shelf, document, source="api", now=self._clock.now())
            shelf.save()
        self._registrar.forget(workspace_id)
        return msgspec.structs.replace(written, warnings=warnings)

    def import_lines(
        self,
        workspace_id: str,
        body: bytes,
        *,
        mode: ImportMode = "replace",
        abort_on_error: bool = False,
        dry_run: bool = False,
    ) -> ImportReport:
        """Write the documents of an NDJSON body: `imports.import_lines` says how and what it raises."""
        report = imports.import_lines(
            self._metadata,
            workspace_id,
            body,
            now=self._clock.now(),
            mode=mode,
            abort_on_error=abort_on_error,
            dry_run=dry_run,
        )
        self._registrar.forget(workspace_id)
        return report

    # --- events

    def register(self, workspace: Workspace, hints: Sequence[CampaignHint]) -> dict[str, Campaign | Problem]:
        """Make sure that the campaigns of events exist, and remember what the events show of them.

        Call it before the events are stored. Costs microseconds when nothing is new. Several hints on one campaign may
        contradict each other: the first acceptable one decides, the answer is the campaign then, and `contradiction`
        tells which events do not belong to it.

        Of an answered campaign, channel, parent and observed values are those of now; other members may be older. A
        platform, locale or variation that is not among the observed ones is beyond their limit: count it under
        `OVERFLOW_PLATFORM` or `OVERFLOW`.

        Returns:
            By campaign id: the campaign, or why no event of these hints can be taken (`unknown_campaign`,
            `campaign_conflict`, `invalid_value`).

        Raises:
            Unavailable: the database cannot be reached and something is new.
        """
        return self._registrar.register(workspace, hints)

    @staticmethod
    def contradiction(campaign: Campaign, *, channel: str = "", parent_id: str = "") -> Problem | None:
        """Why an event with this channel and parent (empty: not said) does not belong to `campaign`."""
        return contradiction(campaign, channel, parent_id)

    def flush(self) -> None:
        """Write the event times that are kept in memory; to be called before the process ends.

        Raises:
            Unavailable: the database cannot be reached.
        """
        self._registrar.flush()

    @staticmethod
    def _read(campaign_id: str, raw: object) -> tuple[dict[str, Any], tuple[Any, ...]]:
        if not isinstance(raw, dict):
            raise InvalidInput("the document must be a JSON object", attribute="body", type="type")
        document, warnings = respell(raw)
        given = document.pop("campaign_id", None)
        name = vocabulary.campaign_id(campaign_id)
        document, problems = canonical(document)
        if name is None:
            problems.insert(0, Problem("format", "campaign_id must be 24 hexadecimal characters", "campaign_id"))
        elif given is not None and (not isinstance(given, str) or given.lower() != name):
            problems.insert(0, Problem("format", "campaign_id must equal the id in the path", "campaign_id"))
        elif document.get("parent_id") == name:
            problems.append(Problem("format", "a campaign cannot be its own parent", "parent_id"))
        if problems:
            first = problems[0]
            raise InvalidInput(first.message, attribute=first.attribute, type=first.type, problems=tuple(problems))
        return {"campaign_id": name, **document}, (*warnings, *window_remarks(document))


def _stored_ids(ids: Collection[str]) -> dict[str, str]:
    """Ids as they were asked for, with how they are stored; those that cannot be one are left out."""
    return {name: stored for name in ids if (stored := vocabulary.campaign_id(name)) is not None}


def _among(revision: int | None, revisions: Revisions) -> bool:
    return revision is not None and (revisions == "*" or revision in revisions)
