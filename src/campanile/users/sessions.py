"""Signing in: sessions of browsers, and locks after failed attempts."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from campanile.audit.schemas import OPERATOR, SIGN_IN
from campanile.audit.service import AuditService
from campanile.clock import Clock
from campanile.errors import Unauthenticated
from campanile.metadata import AnyRow, Connection, Metadata
from campanile.users import repository
from campanile.users.passwords import Passwords
from campanile.users.schemas import SESSION_MOST, LockedOut, Session, SignedIn, User

SESSION_IDLE = timedelta(days=7)
"""A session nobody uses ends after this."""
SEEN_EVERY = timedelta(minutes=5)
"""How exactly the last use is kept: not every request needs a write."""
SESSIONS_PER_USER = 50
"""Signed-in browsers per user; the longest unused is signed out by one more."""
FAILURES_PER_ACCOUNT = 10
"""Wrong passwords for one account within `FAILURE_WINDOW` after which it is locked."""
FAILURES_PER_ADDRESS = 30
"""The same for one address, behind which several people may sit."""
FAILURE_WINDOW = timedelta(minutes=15)
LOCKED_FOR = timedelta(minutes=15)
"""Guesses at this rate take longer than a password lives; people who mistyped can wait so long."""
BROWSER_CHARACTERS = 200
"""Characters kept of what a browser calls itself."""

_log = structlog.get_logger("campanile.users")


class Digests(Protocol):
    """What is needed of the master key."""

    def digest(self, secret: str) -> bytes: ...


class Sessions:
    """Sessions in the metadata database: every process sees them. Thread-safe."""

    def __init__(
        self, metadata: Metadata, digests: Digests, clock: Clock, passwords: Passwords, audit: AuditService
    ) -> None:
        self._metadata = metadata
        self._digests = digests
        self._clock = clock
        self._passwords = passwords
        self._audit = audit

    def sign_in(self, email: str, password: str, *, address: str, browser: str) -> SignedIn:
        """A new session for the holder of this password.

        Args:
            email: as `users.service` stores them.
            address: where the attempt comes from.

        Raises:
            Unauthenticated: no such account, or another password; which of them stays untold.
            LockedOut: too many failed attempts for this account or from this address; the password was not looked at.
        """
        user = self.check(email, password, address=address)
        return self.open(user, browser=browser)

    def check(self, email: str, password: str, *, address: str) -> User:
        """Whoever has this password, under the rules of `sign_in`."""
        account, source = self._digests.digest(f"account:{email}"), self._digests.digest(f"address:{address}")
        row, locked_until = self._attempt(email, account, source)
        fits = self._passwords.fits(row.password if row else None, password)
        if row is None or not fits:
            self._tell_of_locks(locked_until, email if row else None, address)
            raise Unauthenticated("The e-mail address or the password is wrong.", type="wrong_password")
        renewed = self._passwords.hash(password) if self._passwords.outdated(row.password) else None
        with self._metadata.begin() as connection:
            repository.clear_failures(connection, account)
            repository.forgive_failure(connection, source)
            if renewed is not None:
                repository.change_user(connection, row.id, {"password": renewed})
            return user_of(connection, row)

    def open(self, user: User, *, browser: str, flash: str | None = None) -> SignedIn:
        """A new session for somebody who has shown who they are; `flash` is shown on its first page."""
        token, now = secrets.token_urlsafe(32), self._clock.now()
        expires_at = now + SESSION_IDLE
        with self._metadata.begin() as connection:
            repository.forget_expired(connection, now, now - FAILURE_WINDOW)
            repository.remove_oldest_sessions(connection, user.id, SESSIONS_PER_USER - 1)
            values = {
                "digest": self._digest(token),
                "user_id": user.id,
                "created_at": now,
                "seen_at": now,
                "expires_at": expires_at,
                "browser": browser[:BROWSER_CHARACTERS],
                "flash": flash,
            }
            repository.add_session(connection, values)
        return SignedIn(token, user, expires_at)

    def get(self, token: str) -> Session | None:
        """The session behind a cookie; using it prolongs it."""
        digest, now = self._digest(token), self._clock.now()
        with self._metadata.read() as connection:
            row = repository.session(connection, digest, now)
            if row is None or not hmac.compare_digest(row.digest, digest):
                return None
            user = user_of(connection, row)
        if now - row.seen_at >= SEEN_EVERY:
            expires_at = min(now + SESSION_IDLE, row.began_at + SESSION_MOST)
            with self._metadata.begin() as connection:
                repository.change_session(connection, digest, {"seen_at": now, "expires_at": expires_at})
        return Session(
            id=_name(digest),
            user=user,
            csrf=self.form_token(token),
            flash=row.flash,
            created_at=row.began_at,
            seen_at=row.seen_at,
            browser=row.browser,
        )

    def form_token(self, cookie: str) -> str:
        """What forms shown under this cookie carry: nobody can make it who does not have the server's key."""
        return self._digests.digest(f"form:{cookie}").hex()

    def set_flash(self, token: str, sentence: str | None) -> None:
        """Keep a sentence for the next page of a session, or forget it."""
        with self._metadata.begin() as connection:
            repository.change_session(connection, self._digest(token), {"flash": sentence})

    def close(self, token: str) -> None:
        """Sign one browser out."""
        with self._metadata.begin() as connection:
            repository.remove_session(connection, self._digest(token))

    def close_all(self, user: User, *, but: str | None = None, by: str = OPERATOR, address: str = "") -> int:
        """Sign somebody out everywhere, except where the cookie is `but`; returns the number of browsers.

        Args:
            address: where it was asked for, for the audit log.
        """
        with self._metadata.begin() as connection:
            ended = repository.remove_sessions(connection, user.id, but=None if but is None else self._digest(but))
            self._audit.note(
                connection,
                workspace_id=None,
                actor=by,
                action="user.signed_out_everywhere",
                subject=user.email,
                after={"sessions ended": ended, **({"from": address} if address else {})},
            )
            return ended

    def list(self, user: User) -> list[Session]:
        """Where somebody is signed in, last used first."""
        with self._metadata.read() as connection:
            rows = repository.sessions(connection, user.id, self._clock.now())
        return [Session(_name(row.digest), user, "", None, row.created_at, row.seen_at, row.browser) for row in rows]

    def _attempt(self, email: str, account: bytes, source: bytes) -> tuple[AnyRow | None, dict[str, datetime]]:
        """Count an attempt as failed before the password is looked at, so that attempts made at once count, too.

        Returns the account, and what is locked until when if this attempt does fail.
        """
        now = self._clock.now()
        subjects = ((account, FAILURES_PER_ACCOUNT, "account"), (source, FAILURES_PER_ADDRESS, "address"))
        with self._metadata.begin() as connection:
            rows = [repository.lock_failures(connection, subject, now) for subject, _, _ in subjects]
            locks = [row.locked_until for row in rows if row.locked_until is not None and row.locked_until > now]
            if locks:
                raise _locked(max(locks), now)
            new: dict[str, datetime] = {}
            for row, (subject, most, what) in zip(rows, subjects, strict=True):
                fresh = now - row.since >= FAILURE_WINDOW
                count, since = (1, now) if fresh else (row.failures + 1, row.since)
                until = now + LOCKED_FOR if count >= most else None
                repository.set_failures(connection, subject, count, since, until)
                if until is not None:
                    new[what] = until
            return repository.user_by_email(connection, email), new

    def _tell_of_locks(self, locked: Mapping[str, datetime], email: str | None, address: str) -> None:
        """In the log, and in the audit log; addresses that are no account are inventions of whoever guesses."""
        for what, until in locked.items():
            _log.warning("sign_in_locked", what=what, until=until.isoformat())
            subject = email if what == "account" else address
            if subject:
                with self._metadata.begin() as connection:
                    self._audit.note(
                        connection,
                        workspace_id=None,
                        actor=SIGN_IN,
                        action=f"{what}.locked",
                        subject=subject,
                        after={"from": address, "until": until.isoformat(timespec="seconds")},
                    )

    def _digest(self, token: str) -> bytes:
        return self._digests.digest(f"session:{token}")


def user_of(connection: Connection, row: AnyRow) -> User:
    """The user of a row of the table."""
    return User(row.id, row.email, row.name, row.role, repository.memberships(connection, row.id), row.created_at)


def _locked(until: datetime, now: datetime) -> LockedOut:
    seconds = int((until - now).total_seconds()) + 1
    minutes = -(-seconds // 60)
    wait = "a minute" if minutes == 1 else f"{minutes} minutes"
    return LockedOut(f"Too many failed attempts. Try again in {wait}.", retry_after=seconds)


def _name(digest: bytes) -> str:
    return digest[:8].hex()
