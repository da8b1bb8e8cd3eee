"""Who belongs to a workspace, and how people get in: by a link that works once."""

from __future__ import annotations

import builtins
import secrets
from datetime import timedelta

from campanile.audit.schemas import OPERATOR
from campanile.audit.service import AuditService
from campanile.clock import Clock
from campanile.errors import Conflict, InvalidInput, NotFound
from campanile.metadata import AnyRow, Connection, Metadata
from campanile.users import repository
from campanile.users.schemas import ROLES, Invitation, Member, Role, User, at_least
from campanile.users.sessions import Digests

INVITATION_LIVES = timedelta(days=7)
MOST_INVITATIONS = 100
"""Open invitations of a workspace."""
WORKSPACES_LISTED = 200
"""Workspaces a page lists for one user."""


class Members:
    """Memberships and invitations. Thread-safe; every change is in the audit log of the workspace."""

    def __init__(self, metadata: Metadata, digests: Digests, clock: Clock, audit: AuditService) -> None:
        self._metadata = metadata
        self._digests = digests
        self._clock = clock
        self._audit = audit

    def workspaces(self, user: User) -> builtins.list[tuple[str, str]]:
        """(id, name) of the workspaces somebody may open, by name; at most `WORKSPACES_LISTED`."""
        with self._metadata.read() as connection:
            everywhere = user.role is not None
            rows = repository.workspaces(connection, user.id, everywhere=everywhere, limit=WORKSPACES_LISTED)
        return [(row.id, row.name) for row in rows]

    def list(self, workspace_id: str) -> builtins.list[Member]:
        """Everybody who may open a workspace, by address."""
        with self._metadata.read() as connection:
            rows = repository.members(connection, workspace_id)
        return [_member(row) for row in rows]

    def set_role(self, workspace_id: str, user_id: str, role: Role, *, by: str = OPERATOR, joins: bool = True) -> None:
        """Give a user a role in a workspace.

        Args:
            joins: whether the user may be new to the workspace; others join by invitation.

        Raises:
            InvalidInput: no such role. NotFound: no such user or workspace.
            Conflict: `last_admin`: somebody must be able to undo it.
        """
        with self._metadata.begin() as connection:
            self.give_role(connection, workspace_id, user_id, role, by=by, joins=joins)

    def give_role(
        self,
        connection: Connection,
        workspace_id: str,
        user_id: str,
        role: Role,
        *,
        by: str,
        joins: bool = True,
    ) -> None:
        """`set_role` inside a transaction."""
        checked_role(role)
        self._lock(connection, workspace_id)
        row = repository.user(connection, user_id)
        before = repository.memberships(connection, user_id).get(workspace_id)
        if row is None or (before is None and not joins):
            raise NotFound("There is no such user.", attribute="user_id")
        repository.set_membership(connection, user_id, workspace_id, role, self._clock.now())
        self._keep_an_admin(connection, workspace_id, before)
        self._note(connection, workspace_id, "member.role_changed", row.email, before, role, by)

    def remove(self, workspace_id: str, user_id: str, *, by: str = OPERATOR) -> None:
        """End a membership; the account stays.

        Raises:
            NotFound: not a member. Conflict: `last_admin`.
        """
        with self._metadata.begin() as connection:
            self._lock(connection, workspace_id)
            row = repository.user(connection, user_id)
            before = repository.memberships(connection, user_id).get(workspace_id)
            if row is None or before is None:
                raise NotFound("There is no such member.", attribute="user_id")
            repository.remove_membership(connection, user_id, workspace_id)
            self._keep_an_admin(connection, workspace_id, before)
            self._note(connection, workspace_id, "member.removed", row.email, before, None, by)

    # --- invitations

    def invitations(self, workspace_id: str) -> builtins.list[Invitation]:
        """Those still open, oldest first."""
        with self._metadata.read() as connection:
            rows = repository.invitations(connection, workspace_id, self._clock.now())
        return [_invitation(row) for row in rows]

    def invite(self, workspace_id: str, email: str, role: Role, *, by: str = OPERATOR) -> str:
        """The token of a new invitation, which is shown this once; an earlier one for the same address is replaced.

        Args:
            email: as `users.service.checked_email` returns it.

        Raises:
            InvalidInput: no such role. NotFound: no such workspace.
            Conflict: `already_member`, or `too_many_invitations`.
        """
        checked_role(role)
        token, now = secrets.token_urlsafe(32), self._clock.now()
        with self._metadata.begin() as connection:
            self._lock(connection, workspace_id)
            if any(row.email == email for row in repository.members(connection, workspace_id)):
                raise Conflict(f"{email} belongs to this workspace.", attribute="email", type="already_member")
            others = []
            for row in repository.invitations(connection, workspace_id, now):
                if row.email == email:
                    repository.remove_invitation(connection, workspace_id, row.id)
                else:
                    others.append(row)
            if len(others) >= MOST_INVITATIONS:
                message = f"A workspace may have {MOST_INVITATIONS} open invitations; take one back first."
                raise Conflict(message, attribute="email", type="too_many_invitations")
            values = {
                "id": f"inv_{secrets.token_hex(8)}",
                "digest": self._digest(token),
                "workspace_id": workspace_id,
                "email": email,
                "role": role,
                "created_at": now,
                "created_by": by,
                "expires_at": now + INVITATION_LIVES,
            }
            repository.add_invitation(connection, values)
            self._note(connection, workspace_id, "member.invited", email, None, role, by)
        return token

    def invitation(self, token: str) -> Invitation:
        """The invitation behind a link.

        Raises:
            NotFound: used, taken back, expired, or never made.
        """
        with self._metadata.read() as connection:
            return _invitation(self._invited(connection, token))

    def accept(self, token: str, user: User) -> str:
        """Let a user in; returns the id of the workspace. A greater role that the user has already stays.

        Raises:
            NotFound: as `invitation`. Conflict: `other_address`: the invitation is for somebody else.
        """
        with self._metadata.begin() as connection:
            return self.let_in(connection, token, user)

    def let_in(self, connection: Connection, token: str, user: User) -> str:
        """`accept` inside a transaction."""
        row = self._invited(connection, token)
        workspace_id: str = row.workspace_id
        if row.email != user.email:
            message = f"This invitation is for {row.email}; you are signed in as {user.email}."
            raise Conflict(message, type="other_address")
        self._lock(connection, workspace_id)
        repository.remove_invitation(connection, workspace_id, row.id)
        held = repository.memberships(connection, user.id).get(workspace_id)
        if not at_least(held, row.role):
            repository.set_membership(connection, user.id, workspace_id, row.role, self._clock.now())
        self._note(connection, workspace_id, "member.joined", user.email, held, row.role, user.email)
        return workspace_id

    def withdraw(self, workspace_id: str, invitation_id: str, *, by: str = OPERATOR) -> None:
        """Take an invitation back.

        Raises:
            NotFound: no such invitation in this workspace.
        """
        with self._metadata.begin() as connection:
            row = repository.remove_invitation(connection, workspace_id, invitation_id)
            if row is None:
                raise NotFound("There is no such invitation.", attribute="invitation_id")
            self._note(connection, workspace_id, "member.invitation_withdrawn", row.email, row.role, None, by)

    # --- inside

    def _digest(self, token: str) -> bytes:
        return self._digests.digest(f"invitation:{token}")

    def _invited(self, connection: Connection, token: str) -> AnyRow:
        row = repository.invitation(connection, self._digest(token), self._clock.now())
        if row is None:
            raise NotFound("This invitation is not valid any more.")
        return row

    @staticmethod
    def _lock(connection: Connection, workspace_id: str) -> None:
        if repository.lock_workspace(connection, workspace_id) is None:
            raise NotFound(f"there is no workspace {workspace_id}", attribute="workspace_id")

    @staticmethod
    def _keep_an_admin(connection: Connection, workspace_id: str, before: str | None) -> None:
        if before == "admin" and not any(
            "admin" in (row.role, row.membership) for row in repository.members(connection, workspace_id)
        ):
            raise Conflict("A workspace needs an administrator: make somebody else one first.", type="last_admin")

    def _note(
        self,
        connection: Connection,
        workspace_id: str,
        action: str,
        email: str,
        before: str | None,
        after: str | None,
        by: str,
    ) -> None:
        self._audit.note(
            connection,
            workspace_id=workspace_id,
            actor=by,
            action=action,
            subject=email,
            before={} if before is None else {"role": before},
            after={} if after is None else {"role": after},
        )


def checked_role(role: Role) -> Role:
    """
    Raises:
        InvalidInput: no such role.
    """
    if role not in ROLES:
        raise InvalidInput(f"role must be one of: {', '.join(ROLES)}", attribute="role")
    return role


def _member(row: AnyRow) -> Member:
    role = min((held for held in (row.role, row.membership) if held is not None), key=ROLES.index)
    return Member(row.id, row.email, row.name, role, row.role is not None)


def _invitation(row: AnyRow) -> Invitation:
    return Invitation(row.id, row.workspace_id, row.email, row.role, row.created_by, row.created_at, row.expires_at)
