"""The audit log: written in the transaction of the change it tells of, so neither exists without the other."""

from __future__ import annotations

import msgspec

from campanile.audit import repository
from campanile.audit.schemas import Accounts, Entry, Values
from campanile.clock import Clock
from campanile.metadata import Connection, Metadata


class AuditService:
    """Thread-safe."""

    def __init__(self, metadata: Metadata, clock: Clock) -> None:
        self._metadata = metadata
        self._clock = clock

    def note(
        self,
        connection: Connection,
        *,
        workspace_id: str | None,
        actor: str,
        action: str,
        subject: str,
        before: Values | None = None,
        after: Values | None = None,
    ) -> None:
        """Record a change inside the transaction that makes it. What is equal in `before` and `after` is left out."""
        old, new = dict(before or {}), dict(after or {})
        same = {name for name in old.keys() & new.keys() if old[name] == new[name]}
        repository.add(
            connection,
            {
                "workspace_id": workspace_id,
                "at": self._clock.now(),
                "actor": actor,
                "action": action,
                "subject": subject,
                "before": _text({name: value for name, value in old.items() if name not in same}),
                "after": _text({name: value for name, value in new.items() if name not in same}),
            },
        )

    def page(
        self, workspace_id: str, *, before: int | None = None, limit: int = 50, accounts: Accounts = "none"
    ) -> list[Entry]:
        """The newest entries of a workspace, at most `limit`, older than the entry `before`.

        Args:
            accounts: whose accounts are looked at, too: passwords, roles everywhere, sign-outs, locks.
        """
        with self._metadata.read() as connection:
            rows = repository.newest(connection, workspace_id, before, limit, accounts)
        return [
            Entry(
                row.id,
                row.workspace_id,
                row.at,
                row.actor,
                row.action,
                row.subject,
                msgspec.json.decode(row.before),
                msgspec.json.decode(row.after),
            )
            for row in rows
        ]


def _text(values: Values) -> str:
    return msgspec.json.encode(dict(values)).decode()
