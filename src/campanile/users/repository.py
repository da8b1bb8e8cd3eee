"""SQL of people. Every function runs in the transaction of the caller."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from campanile.metadata import AnyRow
from campanile.metadata.models import WorkspaceRow
from campanile.metadata.people import InvitationRow, MembershipRow, SessionRow, SignInFailureRow, UserRow

_USER = (UserRow.id, UserRow.email, UserRow.name, UserRow.role, UserRow.password, UserRow.created_at)
_INVITATION = (
    InvitationRow.id,
    InvitationRow.workspace_id,
    InvitationRow.email,
    InvitationRow.role,
    InvitationRow.created_by,
    InvitationRow.created_at,
    InvitationRow.expires_at,
)

# --- users


def any_user(connection: Connection) -> bool:
    return connection.execute(select(UserRow.id).limit(1)).first() is not None


def user(connection: Connection, user_id: str) -> AnyRow | None:
    return connection.execute(select(*_USER).where(UserRow.id == user_id)).one_or_none()


def user_by_email(connection: Connection, email: str) -> AnyRow | None:
    return connection.execute(select(*_USER).where(UserRow.email == email)).one_or_none()


def users(connection: Connection) -> Sequence[AnyRow]:
    return connection.execute(select(*_USER).order_by(UserRow.created_at, UserRow.id)).all()


def add_user(connection: Connection, values: dict[str, Any]) -> bool:
    """Whether it was added; otherwise the address has an account."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(UserRow).values(**values).on_conflict_do_nothing(index_elements=["email"])
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount == 1


def change_user(connection: Connection, user_id: str, values: dict[str, Any]) -> None:
    connection.execute(update(UserRow).where(UserRow.id == user_id).values(**values))


def remove_user(connection: Connection, user_id: str) -> None:
    connection.execute(delete(SessionRow).where(SessionRow.user_id == user_id))
    connection.execute(delete(MembershipRow).where(MembershipRow.user_id == user_id))
    connection.execute(delete(UserRow).where(UserRow.id == user_id))


# --- memberships


def memberships(connection: Connection, user_id: str) -> dict[str, Any]:
    """Workspace id → role."""
    statement = select(MembershipRow.workspace_id, MembershipRow.role).where(MembershipRow.user_id == user_id)
    return {row.workspace_id: row.role for row in connection.execute(statement)}


def all_memberships(connection: Connection) -> dict[str, dict[str, Any]]:
    """User id → workspace id → role."""
    found: dict[str, dict[str, Any]] = {}
    statement = select(MembershipRow.user_id, MembershipRow.workspace_id, MembershipRow.role)
    for row in connection.execute(statement.order_by(MembershipRow.workspace_id)):
        found.setdefault(row.user_id, {})[row.workspace_id] = row.role
    return found


def members(connection: Connection, workspace_id: str) -> Sequence[AnyRow]:
    """Everybody who belongs to a workspace, those who belong everywhere included; `membership` is the role here."""
    here = (MembershipRow.user_id == UserRow.id) & (MembershipRow.workspace_id == workspace_id)
    statement = (
        select(UserRow.id, UserRow.email, UserRow.name, UserRow.role, MembershipRow.role.label("membership"))
        .outerjoin(MembershipRow, here)
        .where(or_(UserRow.role.is_not(None), MembershipRow.role.is_not(None)))
    )
    return connection.execute(statement.order_by(UserRow.email)).all()


def set_membership(connection: Connection, user_id: str, workspace_id: str, role: str, now: datetime) -> None:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    statement = dialect.insert(MembershipRow).values(
        user_id=user_id, workspace_id=workspace_id, role=role, created_at=now
    )
    changed = statement.on_conflict_do_update(index_elements=["user_id", "workspace_id"], set_={"role": role})
    connection.execute(changed)


def remove_membership(connection: Connection, user_id: str, workspace_id: str) -> None:
    connection.execute(
        delete(MembershipRow).where(MembershipRow.user_id == user_id, MembershipRow.workspace_id == workspace_id)
    )


def lock_workspace(connection: Connection, workspace_id: str) -> AnyRow | None:
    """Id and name of a workspace, whose members nobody else changes until the end of the transaction."""
    statement = select(WorkspaceRow.id, WorkspaceRow.name).where(WorkspaceRow.id == workspace_id)
    return connection.execute(statement.with_for_update(key_share=True)).one_or_none()


def workspaces(connection: Connection, user_id: str, *, everywhere: bool, limit: int) -> Sequence[AnyRow]:
    """(id, name) of the workspaces somebody belongs to, by name."""
    statement = select(WorkspaceRow.id, WorkspaceRow.name)
    if not everywhere:
        statement = statement.join(MembershipRow, MembershipRow.workspace_id == WorkspaceRow.id)
        statement = statement.where(MembershipRow.user_id == user_id)
    return connection.execute(statement.order_by(WorkspaceRow.name, WorkspaceRow.id).limit(limit)).all()


# --- invitations


def add_invitation(connection: Connection, values: dict[str, Any]) -> None:
    connection.execute(insert(InvitationRow).values(**values))


def invitations(connection: Connection, workspace_id: str, now: datetime) -> Sequence[AnyRow]:
    statement = select(*_INVITATION).where(InvitationRow.workspace_id == workspace_id, InvitationRow.expires_at > now)
    return connection.execute(statement.order_by(InvitationRow.created_at, InvitationRow.id)).all()


def invitation(connection: Connection, digest: bytes, now: datetime) -> AnyRow | None:
    statement = select(*_INVITATION).where(InvitationRow.digest == digest, InvitationRow.expires_at > now)
    return connection.execute(statement).one_or_none()


def remove_invitation(connection: Connection, workspace_id: str, invitation_id: str) -> AnyRow | None:
    """The invitation that was there."""
    statement = select(*_INVITATION).where(
        InvitationRow.workspace_id == workspace_id, InvitationRow.id == invitation_id
    )
    found = connection.execute(statement).one_or_none()
    connection.execute(
        delete(InvitationRow).where(InvitationRow.workspace_id == workspace_id, InvitationRow.id == invitation_id)
    )
    return found


# --- sessions


def add_session(connection: Connection, values: dict[str, Any]) -> None:
    connection.execute(insert(SessionRow).values(**values))


def session(connection: Connection, digest: bytes, now: datetime) -> AnyRow | None:
    """A session that has not expired, with its user."""
    statement = select(
        SessionRow.digest,
        SessionRow.created_at.label("began_at"),
        SessionRow.seen_at,
        SessionRow.browser,
        SessionRow.flash,
        *_USER,
    ).join(UserRow, UserRow.id == SessionRow.user_id)
    statement = statement.where(SessionRow.digest == digest, SessionRow.expires_at > now)
    return connection.execute(statement).one_or_none()


def sessions(connection: Connection, user_id: str, now: datetime) -> Sequence[AnyRow]:
    statement = select(SessionRow.digest, SessionRow.created_at, SessionRow.seen_at, SessionRow.browser)
    statement = statement.where(SessionRow.user_id == user_id, SessionRow.expires_at > now)
    return connection.execute(statement.order_by(SessionRow.seen_at.desc())).all()


def change_session(connection: Connection, digest: bytes, values: dict[str, Any]) -> None:
    connection.execute(update(SessionRow).where(SessionRow.digest == digest).values(**values))


def remove_session(connection: Connection, digest: bytes) -> None:
    connection.execute(delete(SessionRow).where(SessionRow.digest == digest))


def remove_sessions(connection: Connection, user_id: str, *, but: bytes | None = None) -> int:
    """How many there were."""
    statement = delete(SessionRow).where(SessionRow.user_id == user_id)
    if but is not None:
        statement = statement.where(SessionRow.digest != but)
    return connection.execute(statement).rowcount


def remove_oldest_sessions(connection: Connection, user_id: str, keep: int) -> None:
    newest = (
        select(SessionRow.digest)
        .where(SessionRow.user_id == user_id)
        .order_by(SessionRow.seen_at.desc(), SessionRow.digest)
        .limit(keep)
    )
    connection.execute(
        delete(SessionRow).where(SessionRow.user_id == user_id, SessionRow.digest.not_in(newest.scalar_subquery()))
    )


def forget_expired(connection: Connection, now: datetime, failures_before: datetime) -> None:
    """Remove what no longer says anything."""
    connection.execute(delete(SessionRow).where(SessionRow.expires_at <= now))
    connection.execute(delete(InvitationRow).where(InvitationRow.expires_at <= now))
    unlocked = or_(SignInFailureRow.locked_until.is_(None), SignInFailureRow.locked_until <= now)
    connection.execute(delete(SignInFailureRow).where(SignInFailureRow.since <= failures_before, unlocked))


# --- failed attempts


def lock_failures(connection: Connection, subject: bytes, now: datetime) -> AnyRow:
    """The failures of an account or an address, which nobody else counts until the end of the transaction.

    Callers lock the account first, then the address: two of them must not wait for each other.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    blank = dialect.insert(SignInFailureRow).values(subject=subject, failures=0, since=now, locked_until=None)
    same = {"subject": subject}  # an update of nothing locks the row that is there
    connection.execute(blank.on_conflict_do_update(index_elements=["subject"], set_=same))
    statement = select(SignInFailureRow.failures, SignInFailureRow.since, SignInFailureRow.locked_until)
    return connection.execute(statement.where(SignInFailureRow.subject == subject)).one()


def set_failures(
    connection: Connection, subject: bytes, count: int, since: datetime, locked_until: datetime | None
) -> None:
    values = {"failures": count, "since": since, "locked_until": locked_until}
    connection.execute(update(SignInFailureRow).where(SignInFailureRow.subject == subject).values(**values))


def clear_failures(connection: Connection, subject: bytes) -> None:
    connection.execute(delete(SignInFailureRow).where(SignInFailureRow.subject == subject))


def forgive_failure(connection: Connection, subject: bytes) -> None:
    """One attempt less, and no lock: the attempt that was counted last did not fail."""
    values = {"failures": SignInFailureRow.failures - 1, "locked_until": None}
    connection.execute(update(SignInFailureRow).where(SignInFailureRow.subject == subject).values(values))
