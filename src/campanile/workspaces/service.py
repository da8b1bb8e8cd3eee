"""Workspaces and keys: what the rest of the program and the command line may do with them."""

from __future__ import annotations

import builtins
import hmac
import secrets
import threading
from collections.abc import Callable, Collection, Mapping

import msgspec

from campanile.audit.schemas import OPERATOR, Values
from campanile.audit.service import AuditService
from campanile.clock import Clock
from campanile.errors import ConfigurationError, Conflict, InvalidInput, NotFound
from campanile.metadata import AnyRow, Connection, Metadata
from campanile.workspaces import keys, repository
from campanile.workspaces.schemas import (
    KEY_KINDS,
    SCOPES,
    CreatedKey,
    CreatedWorkspace,
    Dialect,
    Key,
    KeyKind,
    Principal,
    Workspace,
)
from campanile.workspaces.secrets import MasterKey
from campanile.workspaces.settings import load_settings, parse_settings

NAME_CHARACTERS = 256
"""Longest name of a workspace or key."""
CACHED_CREDENTIALS = 10_000
"""Successful authentications remembered per process, about 1 kB each."""
PSEUDONYM_KEY_BYTES = 32


class WorkspaceService:
    """Thread-safe. All changes are visible to every process at once."""

    def __init__(
        self,
        metadata: Metadata,
        master_key: MasterKey,
        clock: Clock,
        *,
        noticed: Callable[[Workspace], None] = lambda _: None,
    ) -> None:
        """
        Args:
            noticed: is told about every workspace that is read, before anybody else uses it.

        Raises:
            ConfigurationError: the database was filled under another master key.
        """
        self._metadata = metadata
        self._master = master_key
        self._clock = clock
        self._noticed = noticed
        self._audit = AuditService(metadata, clock)
        self._cache: dict[tuple[str | None, bytes], Principal] = {}
        self._cache_counter: int | None = None
        self._cache_lock = threading.Lock()
        with metadata.begin() as connection:
            fingerprint = repository.keep_fact(connection, "master_key", master_key.fingerprint)
        if fingerprint != master_key.fingerprint:
            raise ConfigurationError(
                "the secret key is not the one this metadata database was made with", attribute="secret_key"
            )

    # --- workspaces

    def create(
        self,
        name: str,
        *,
        id: str | None = None,
        timezone: str = "UTC",
        report_key: str | None = None,
        ingest_key: str | None = None,
        manage_key: str | None = None,
        by: str = OPERATOR,
    ) -> CreatedWorkspace:
        """A new workspace with one key of each kind; values that are not given are made at random.

        Here and below, `by` is who the audit log says it was: an address, or the operator of the machine.

        Raises:
            InvalidInput: name, id, zone or a key value does not fit.
            Conflict: `workspace_exists`, or `duplicate_key` when two of the given values are equal.
        """
        workspace_id = keys.new_workspace_id() if id is None else keys.check_workspace_id(id)
        decided = parse_settings({"timezone": timezone})
        given: dict[KeyKind, str | None] = {"report": report_key, "ingest": ingest_key, "manage": manage_key}
        values = {
            kind: keys.new_value(kind) if value is None else keys.check_value(value, f"{kind}_key")
            for kind, value in given.items()
        }
        pseudonym_key = secrets.token_bytes(PSEUDONYM_KEY_BYTES)
        with self._metadata.begin() as connection:
            row = {
                "id": workspace_id,
                "name": _checked_name(name),
                "settings": msgspec.json.encode(decided).decode(),
                "pseudonym_key": self._master.seal(pseudonym_key, f"pseudonym:{workspace_id}"),
                "created_at": self._clock.now(),
            }
            if not repository.add_workspace(connection, row):
                raise Conflict(f"the workspace {workspace_id} exists already", type="workspace_exists")
            for kind, value in values.items():
                self._add_key(connection, workspace_id, kind, value, name="", scopes=None, stats_dialect=None)
            created = self._get(connection, workspace_id)
            after: Values = {"name": created.name, "timezone": created.settings.timezone}
            self._note(connection, workspace_id, "workspace.created", workspace_id, {}, after, by)
        return CreatedWorkspace(created, values["report"], values["ingest"], values["manage"])

    def get(self, workspace_id: str) -> Workspace | None:
        with self._metadata.read() as connection:
            row = repository.workspace(connection, workspace_id)
        return None if row is None else self._workspace(row)

    def update_settings(self, workspace_id: str, changes: Mapping[str, str], *, by: str = OPERATOR) -> Workspace:
        """Change settings from texts such as `timezone` → `Europe/Berlin`; an empty text means the default.

        Raises:
            InvalidInput: an unknown name or a value that does not fit; nothing is changed.
            NotFound: no such workspace.
        """
        parsed = parse_settings(changes)
        with self._metadata.begin() as connection:
            row = repository.lock_workspace(connection, workspace_id)
            if row is None:
                raise _unknown(workspace_id)
            decided, before = load_settings(row.settings)
            repository.set_settings(connection, workspace_id, msgspec.json.encode(decided | parsed).decode())
            old = {name: getattr(before, name) for name in parsed if getattr(before, name) != parsed[name]}
            if old:
                new = {name: parsed[name] for name in old}
                self._note(connection, workspace_id, "settings.changed", workspace_id, old, new, by)
            return self._get(connection, workspace_id)

    # --- authentication

    def authenticate(self, workspace_id: str, secret: str) -> Principal | None:
        """The holder of an active key of any kind; a wrong key and an unknown workspace cost the same."""
        return self._authenticate(workspace_id, secret)

    def authenticate_bearer(self, secret: str) -> Principal | None:
        """As `authenticate`, by the key alone. A value that two workspaces chose alike belongs to neither."""
        return self._authenticate(None, secret)

    def recall(self, workspace_id: str | None, secret: str) -> Principal | None:
        """Either of the two without blocking, None if the database has to be asked."""
        wanted = (workspace_id, self._master.digest(secret))
        counter = self._metadata.change_counter()
        with self._cache_lock:
            return self._cache.get(wanted) if counter is not None and counter == self._cache_counter else None

    def _authenticate(self, workspace_id: str | None, secret: str) -> Principal | None:
        digest = self._master.digest(secret)
        wanted = (workspace_id, digest)
        counter = self._metadata.change_counter()
        if counter is not None:
            with self._cache_lock:
                if counter != self._cache_counter:
                    self._cache.clear()
                    self._cache_counter = counter
                elif (known := self._cache.get(wanted)) is not None:
                    return known
        with self._metadata.read() as connection:
            rows = repository.credentials(connection, digest, workspace_id)
        if len(rows) != 1 or not hmac.compare_digest(rows[0].digest, digest):
            return None
        row = rows[0]
        principal = Principal(
            workspace=self._workspace(row),
            key_id=row.key_id,
            kind=row.kind,
            scopes=_scopes(row),
            stats_dialect=row.stats_dialect,
        )
        with self._cache_lock:
            # Only if nothing was committed since before the question was asked.
            if counter is not None and counter == self._cache_counter and len(self._cache) < CACHED_CREDENTIALS:
                self._cache[wanted] = principal
        return principal

    # --- keys

    def create_key(
        self,
        workspace_id: str,
        kind: KeyKind,
        *,
        name: str = "",
        value: str | None = None,
        scopes: Collection[str] | None = None,
        stats_dialect: Dialect | None = None,
        by: str = OPERATOR,
    ) -> CreatedKey:
        """One more key; `scopes` may narrow what its kind allows.

        Raises:
            InvalidInput: kind, name, value, scopes or dialect does not fit.
            NotFound: no such workspace.
            Conflict: `too_many_keys`, or `duplicate_key` when the workspace has a key with this value.
        """
        if kind not in KEY_KINDS:
            raise InvalidInput(f"kind must be one of: {', '.join(KEY_KINDS)}", attribute="kind")
        if stats_dialect not in (None, "docs", "live"):
            raise InvalidInput("stats_dialect must be docs or live", attribute="stats_dialect")
        if scopes is not None and (not scopes or not SCOPES[kind].issuperset(scopes)):
            allowed = ", ".join(sorted(SCOPES[kind]))
            raise InvalidInput(f"scopes of a {kind} key must be some of: {allowed}", attribute="scopes")
        value = keys.new_value(kind) if value is None else keys.check_value(value, "value")
        with self._metadata.begin() as connection:
            if repository.lock_workspace(connection, workspace_id) is None:
                raise _unknown(workspace_id)
            key_id = self._add_key(
                connection, workspace_id, kind, value, name=name, scopes=scopes, stats_dialect=stats_dialect
            )
            created = _found(connection, workspace_id, key_id)
            after: Values = {"kind": kind, "name": created.name, "scopes": " ".join(sorted(created.scopes))}
            self._note(connection, workspace_id, "key.created", key_id, {}, after, by)
            return CreatedKey(created, value)

    def list_keys(self, workspace_id: str) -> builtins.list[Key]:
        """All keys, archived ones included, oldest first.

        Raises:
            NotFound: no such workspace.
        """
        with self._metadata.read() as connection:
            if repository.workspace(connection, workspace_id) is None:
                raise _unknown(workspace_id)
            return [_key(row) for row in repository.keys(connection, workspace_id)]

    def regenerate_key(
        self, workspace_id: str, key_id: str, *, value: str | None = None, by: str = OPERATOR
    ) -> CreatedKey:
        """Give a key a new value; the old one stops working at once.

        Raises:
            InvalidInput: the given value does not fit.
            NotFound: no such key.
            Conflict: `key_archived`, or `duplicate_key` when the workspace has a key with this value.
        """
        if value is not None:
            keys.check_value(value, "value")
        with self._metadata.begin() as connection:
            key = self._active(connection, workspace_id, key_id)
            value = keys.new_value(key.kind) if value is None else value
            self._refuse_duplicate(connection, workspace_id, value)
            changes = self._secrets(workspace_id, key_id, key.kind, value)
            repository.change_key(connection, key_id, {**changes, "regenerated_at": self._clock.now()})
            after: Values = {"kind": key.kind, "name": key.name}
            self._note(connection, workspace_id, "key.regenerated", key_id, {}, after, by)
            return CreatedKey(_found(connection, workspace_id, key_id), value)

    def archive_key(self, workspace_id: str, key_id: str, *, by: str = OPERATOR) -> Key:
        """Switch a key off for good; it stops working at once.

        Raises:
            NotFound: no such key.
            Conflict: `key_archived` already.
        """
        with self._metadata.begin() as connection:
            key = self._active(connection, workspace_id, key_id)
            before: Values = {"kind": key.kind, "name": key.name}
            self._note(connection, workspace_id, "key.archived", key_id, before, {}, by)
            repository.change_key(
                connection, key_id, {"digest": None, "sealed": None, "archived_at": self._clock.now()}
            )
            return _found(connection, workspace_id, key_id)

    def report_keys(self, workspace_id: str) -> tuple[str, ...]:
        """The values of all active report keys that may read reports, oldest first: candidates of the report signature.

        Empty for an unknown workspace.
        """
        with self._metadata.read() as connection:
            rows = repository.sealed_values(connection, workspace_id)
        return tuple(
            self._master.open(row.sealed, f"key:{workspace_id}:{row.id}").decode()
            for row in rows
            if not row.scopes or "reports:read" in row.scopes.split()
        )

    def report_key(self, workspace_id: str) -> str:
        """The value of the oldest active report key.

        Raises:
            NotFound: no such workspace, or it has no active report key.
        """
        values = self.report_keys(workspace_id)
        if not values:
            raise NotFound(f"the workspace {workspace_id} has no active report key")
        return values[0]

    # --- inside

    def _get(self, connection: Connection, workspace_id: str) -> Workspace:
        row = repository.workspace(connection, workspace_id)
        if row is None:
            raise _unknown(workspace_id)
        return self._workspace(row)

    def _workspace(self, row: AnyRow) -> Workspace:
        _, settings = load_settings(row.settings)
        pseudonym_key = self._master.open(row.pseudonym_key, f"pseudonym:{row.id}")
        workspace = Workspace(row.id, row.name, settings, row.created_at, pseudonym_key, row.merged_through)
        self._noticed(workspace)
        return workspace

    def _note(
        self,
        connection: Connection,
        workspace_id: str,
        action: str,
        subject: str,
        before: Values,
        after: Values,
        by: str,
    ) -> None:
        self._audit.note(
            connection,
            workspace_id=workspace_id,
            actor=by,
            action=action,
            subject=subject,
            before=before,
            after=after,
        )

    def _add_key(
        self,
        connection: Connection,
        workspace_id: str,
        kind: KeyKind,
        value: str,
        *,
        name: str,
        scopes: Collection[str] | None,
        stats_dialect: Dialect | None,
    ) -> str:
        if repository.count_active(connection, workspace_id, kind) >= keys.ACTIVE_KEYS:
            raise Conflict(
                f"a workspace may have {keys.ACTIVE_KEYS} active {kind} keys; archive one first", type="too_many_keys"
            )
        self._refuse_duplicate(connection, workspace_id, value)
        key_id = keys.new_key_id()
        repository.add_key(
            connection,
            {
                "id": key_id,
                "workspace_id": workspace_id,
                "kind": kind,
                "name": _checked_name(name or kind),
                "scopes": " ".join(sorted(scopes or ())),
                "stats_dialect": stats_dialect,
                "created_at": self._clock.now(),
                **self._secrets(workspace_id, key_id, kind, value),
            },
        )
        return key_id

    def _secrets(self, workspace_id: str, key_id: str, kind: KeyKind, value: str) -> dict[str, bytes | None]:
        readable = kind == "report"  # the signature of report downloads is computed from the value itself
        sealed = self._master.seal(value.encode(), f"key:{workspace_id}:{key_id}") if readable else None
        return {"digest": self._master.digest(value), "sealed": sealed}

    def _refuse_duplicate(self, connection: Connection, workspace_id: str, value: str) -> None:
        if repository.digest_exists(connection, workspace_id, self._master.digest(value)):
            raise Conflict("the workspace has a key with this value already", type="duplicate_key")

    def _active(self, connection: Connection, workspace_id: str, key_id: str) -> Key:
        repository.lock_workspace(connection, workspace_id)
        key = _found(connection, workspace_id, key_id)
        if key.archived_at is not None:
            raise Conflict(f"the key {key_id} is archived, which is for good", type="key_archived")
        return key

    def list(self) -> builtins.list[Workspace]:
        """All workspaces, oldest first."""
        with self._metadata.read() as connection:
            return [self._workspace(row) for row in repository.workspaces(connection)]


def _key(row: AnyRow) -> Key:
    return Key(
        id=row.id,
        workspace_id=row.workspace_id,
        kind=row.kind,
        name=row.name,
        scopes=_scopes(row),
        stats_dialect=row.stats_dialect,
        created_at=row.created_at,
        regenerated_at=row.regenerated_at,
        archived_at=row.archived_at,
    )


def _found(connection: Connection, workspace_id: str, key_id: str) -> Key:
    row = repository.key(connection, workspace_id, key_id)
    if row is None:
        raise NotFound(f"there is no key {key_id} in this workspace")
    return _key(row)


def _scopes(row: AnyRow) -> frozenset[str]:
    kind: KeyKind = row.kind
    return SCOPES[kind].intersection(row.scopes.split()) if row.scopes else SCOPES[kind]


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= NAME_CHARACTERS or not name.isprintable():
        raise InvalidInput(f"name must have 1 to {NAME_CHARACTERS} printable characters", attribute="name")
    return name


def _unknown(workspace_id: str) -> NotFound:
    return NotFound(f"there is no workspace {workspace_id}")
