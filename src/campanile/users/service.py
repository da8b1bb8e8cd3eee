"""Accounts: the first one, those of the command line, passwords. Belonging to workspaces is in `members`."""

from __future__ import annotations

import builtins
import hmac
import re
import secrets

from campanile.audit.schemas import OPERATOR, Values
from campanile.audit.service import AuditService
from campanile.clock import Clock
from campanile.errors import Conflict, InvalidInput, NotFound
from campanile.metadata import AnyRow, Connection, Metadata
from campanile.users import passwords, repository
from campanile.users.members import Members, checked_role
from campanile.users.passwords import Passwords
from campanile.users.schemas import Role, User
from campanile.users.sessions import Digests, Sessions, user_of

EMAIL_CHARACTERS = 254
NAME_CHARACTERS = 100
_EMAIL = re.compile(r"[^\s@\"<>()\[\],;:\\]+@[^\s@\"<>()\[\],;:\\]+")


class UserService:
    """Thread-safe. `sessions` signs people in and out, `members` says who belongs to a workspace."""

    def __init__(
        self, metadata: Metadata, digests: Digests, clock: Clock, audit: AuditService, hasher: Passwords | None = None
    ) -> None:
        self._metadata = metadata
        self._digests = digests
        self._clock = clock
        self._audit = audit
        self._passwords = hasher or Passwords()
        self.sessions = Sessions(metadata, digests, clock, self._passwords, audit)
        self.members = Members(metadata, digests, clock, audit)

    # --- the first account

    def setup_token(self) -> str | None:
        """What opens the page that makes the first account; None once there is one. The same in every process."""
        with self._metadata.read() as connection:
            if repository.any_user(connection):
                return None
        return self._digests.digest("setup of the first account").hex()[:32]

    def check_setup(self, token: str) -> None:
        """
        Raises:
            NotFound: the token is wrong, or there is an account already.
        """
        expected = self.setup_token()
        if expected is None or not hmac.compare_digest(expected.encode(), token.encode("utf-8", "replace")):
            raise NotFound("This link is not valid, or was used already.")

    def set_up(self, token: str, *, email: str, name: str, password: str) -> User:
        """Make the first account: an administrator of every workspace.

        Raises:
            NotFound: the token is wrong, or there is an account already.
            InvalidInput: a field does not fit.
        """
        self.check_setup(token)
        email, name, stored = checked_email(email), _checked_name(name), self._hashed(password, email, name)
        with self._metadata.begin() as connection:
            if repository.any_user(connection):
                raise NotFound("This link is not valid, or was used already.")
            return self._add(connection, email, name, stored, "admin", by=email)

    # --- accounts

    def has_account(self, email: str) -> bool:
        with self._metadata.read() as connection:
            return repository.user_by_email(connection, email) is not None

    def create(
        self,
        email: str,
        *,
        name: str = "",
        password: str,
        role: Role,
        workspace_id: str | None = None,
        by: str = OPERATOR,
    ) -> User:
        """A new account with a role in one workspace, or in every one.

        Raises:
            InvalidInput: a field does not fit. Conflict: `user_exists`. NotFound: no such workspace.
        """
        checked_role(role)
        email, name, stored = checked_email(email), _checked_name(name), self._hashed(password, email, name)
        with self._metadata.begin() as connection:
            if workspace_id is None:
                return self._add(connection, email, name, stored, role, by=by)
            user = self._add(connection, email, name, stored, None, by=by)
            self.members.give_role(connection, workspace_id, user.id, role, by=by)
            return user_of(connection, _found(connection, email))

    def join(self, token: str, *, name: str, password: str) -> User:
        """A new account for whoever holds an invitation; it belongs to the workspace of the invitation.

        Raises:
            NotFound: the invitation is not valid any more. InvalidInput: a field does not fit.
            Conflict: `user_exists`: the address has an account, which signs in and accepts.
        """
        email = self.members.invitation(token).email
        name, stored = _checked_name(name), self._hashed(password, email, name)
        with self._metadata.begin() as connection:
            user = self._add(connection, email, name, stored, None, by=email)
            self.members.let_in(connection, token, user)
            return user_of(connection, _found(connection, email))

    def list(self) -> builtins.list[User]:
        """Everybody, oldest account first."""
        with self._metadata.read() as connection:
            held = repository.all_memberships(connection)
            rows = repository.users(connection)
            return [User(row.id, row.email, row.name, row.role, held.get(row.id, {}), row.created_at) for row in rows]

    def get(self, email: str) -> User:
        """
        Raises:
            NotFound: no such account.
        """
        with self._metadata.read() as connection:
            return user_of(connection, _found(connection, email))

    def set_role(self, email: str, role: Role | None, *, by: str = OPERATOR) -> User:
        """The role in every workspace; None leaves the roles in single ones.

        Raises:
            NotFound: no such account.
        """
        if role is not None:
            checked_role(role)
        with self._metadata.begin() as connection:
            row = _found(connection, email)
            repository.change_user(connection, row.id, {"role": role})
            self._note(connection, "user.role_changed", row.email, {"role": row.role}, {"role": role}, by)
            return user_of(connection, _found(connection, email))

    def remove(self, email: str, *, by: str = OPERATOR) -> None:
        """Delete an account; its sessions end.

        Raises:
            NotFound: no such account.
        """
        with self._metadata.begin() as connection:
            row = _found(connection, email)
            repository.remove_user(connection, row.id)
            self._note(connection, "user.removed", row.email, {"role": row.role}, {}, by)

    # --- passwords

    def reset_password(self, email: str, password: str, *, by: str = OPERATOR) -> None:
        """Another password, without the old one; all sessions end, and a lock is lifted.

        Raises:
            NotFound: no such account. InvalidInput: `weak_password`.
        """
        email = checked_email(email)
        stored = self._hashed(password, email)
        with self._metadata.begin() as connection:
            row = _found(connection, email)
            self._set_password(connection, row.id, stored)
            repository.remove_sessions(connection, row.id)
            repository.clear_failures(connection, self._digests.digest(f"account:{email}"))
            self._note(connection, "user.password_reset", row.email, {}, {}, by)

    def change_password(self, user: User, old: str, new: str, *, address: str) -> None:
        """Another password for somebody who knows the old one; all sessions end.

        Raises:
            InvalidInput: `wrong_password` of the field `old_password`, `weak_password`.
            LockedOut: as for signing in.
        """
        stored = self._hashed(new, user.email, user.name)
        self.sessions.check(user.email, old, address=address)
        with self._metadata.begin() as connection:
            self._set_password(connection, user.id, stored)
            repository.remove_sessions(connection, user.id)
            self._note(connection, "user.password_changed", user.email, {}, {"from": address}, user.email)

    # --- inside

    def _add(self, connection: Connection, email: str, name: str, stored: str, role: Role | None, *, by: str) -> User:
        now = self._clock.now()
        values = {
            "id": f"usr_{secrets.token_hex(8)}",
            "email": email,
            "name": name,
            "password": stored,
            "role": role,
            "created_at": now,
            "password_at": now,
        }
        if not repository.add_user(connection, values):
            raise Conflict(f"{email} has an account already.", attribute="email", type="user_exists")
        self._note(connection, "user.created", email, {}, {"role": role}, by)
        return user_of(connection, _found(connection, email))

    def _set_password(self, connection: Connection, user_id: str, stored: str) -> None:
        repository.change_user(connection, user_id, {"password": stored, "password_at": self._clock.now()})

    def _hashed(self, password: str, *forbidden: str) -> str:
        return self._passwords.hash(passwords.check(password, *forbidden))

    def _note(self, connection: Connection, action: str, email: str, before: Values, after: Values, by: str) -> None:
        self._audit.note(
            connection, workspace_id=None, actor=by, action=action, subject=email, before=before, after=after
        )


def checked_email(text: str) -> str:
    """An address as it is stored: in lower case.

    Raises:
        InvalidInput: it does not look like one.
    """
    email = text.strip().lower()
    if len(email) > EMAIL_CHARACTERS or not email.isprintable() or _EMAIL.fullmatch(email) is None:
        raise InvalidInput("This is not an e-mail address.", attribute="email", type="invalid_email")
    return email


def _checked_name(text: str) -> str:
    name = text.strip()
    if len(name) > NAME_CHARACTERS or not name.isprintable():
        raise InvalidInput(f"A name has at most {NAME_CHARACTERS} printable characters.", attribute="name")
    return name


def _found(connection: Connection, email: str) -> AnyRow:
    row = repository.user_by_email(connection, email.strip().lower())
    if row is None:
        raise NotFound(f"{email.strip().lower()} has no account.", attribute="email")
    return row
