"""Signing in: sessions end when they should, and guessing does not pay."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from campanile.audit.service import AuditService
from campanile.clock import FixedClock
from campanile.errors import Unauthenticated, Unavailable
from campanile.metadata import Metadata
from campanile.users.passwords import AT_A_TIME, MOST_WAITING, Passwords
from campanile.users.schemas import SESSION_MOST, LockedOut, SignedIn
from campanile.users.service import UserService
from campanile.users.sessions import (
    FAILURE_WINDOW,
    FAILURES_PER_ACCOUNT,
    FAILURES_PER_ADDRESS,
    LOCKED_FOR,
    SESSION_IDLE,
    SESSIONS_PER_USER,
)
from tests.users.conftest import CHEAP, PASSWORD
from tests.workspaces.conftest import MASTER

ANNA = "anna@example.com"


@pytest.fixture(autouse=True)
def _anna(users: UserService) -> None:
    users.create(ANNA, name="Anna", password=PASSWORD, role="admin")


def sign_in(users: UserService, password: str = PASSWORD, email: str = ANNA, address: str = "192.0.2.1") -> SignedIn:
    return users.sessions.sign_in(email, password, address=address, browser="Browser/1")


def fail(users: UserService, times: int, email: str = ANNA, address: str = "192.0.2.1") -> None:
    for _ in range(times):
        with pytest.raises(Unauthenticated):
            sign_in(users, "a wrong password", email, address)


def test_a_session_is_somebody(users: UserService, metadata: Metadata) -> None:
    signed_in = sign_in(users)
    session = users.sessions.get(signed_in.token)
    assert session is not None
    assert (session.user.email, session.user.role, session.browser) == (ANNA, "admin", "Browser/1")
    assert session.csrf == users.sessions.form_token(signed_in.token) != users.sessions.form_token("another")
    with metadata.read() as connection:
        stored = connection.execute(text("SELECT digest FROM sessions")).scalar_one()
        kept = connection.execute(text("SELECT password FROM users")).scalar_one()
    assert signed_in.token.encode() not in bytes(stored)
    assert kept.startswith("$argon2id$")
    assert users.sessions.get("") is users.sessions.get(signed_in.token[::-1]) is None


def test_an_unused_session_ends(users: UserService, clock: FixedClock) -> None:
    token = sign_in(users).token
    clock.advance(SESSION_IDLE.total_seconds() - 1)
    assert users.sessions.get(token) is not None
    clock.advance(SESSION_IDLE.total_seconds() - 1)
    assert users.sessions.get(token) is not None
    clock.advance(SESSION_IDLE.total_seconds() + 1)
    assert users.sessions.get(token) is None


def test_a_used_session_ends_as_well(users: UserService, clock: FixedClock) -> None:
    token = sign_in(users).token
    used = timedelta()
    while users.sessions.get(token) is not None:
        clock.advance(timedelta(days=1).total_seconds())
        used += timedelta(days=1)
    assert used == SESSION_MOST


def test_signing_out(users: UserService) -> None:
    one, two, three = (sign_in(users).token for _ in range(3))
    users.sessions.close(one)
    assert [users.sessions.get(token) is None for token in (one, two, three)] == [True, False, False]
    user = users.get(ANNA)
    assert users.sessions.close_all(user, but=three) == 1
    assert [users.sessions.get(token) is None for token in (two, three)] == [True, False]
    assert users.sessions.close_all(user) == 1
    assert users.sessions.list(user) == []


def test_a_user_has_so_many_sessions(users: UserService, clock: FixedClock) -> None:
    first = sign_in(users).token
    for _ in range(SESSIONS_PER_USER):
        clock.advance(1)
        last = sign_in(users).token
    assert users.sessions.get(first) is None
    assert users.sessions.get(last) is not None
    assert len(users.sessions.list(users.get(ANNA))) == SESSIONS_PER_USER


def test_a_sentence_is_shown_once(users: UserService) -> None:
    token = sign_in(users).token
    users.sessions.set_flash(token, "Saved.")
    session = users.sessions.get(token)
    assert session is not None
    assert session.flash == "Saved."
    users.sessions.set_flash(token, None)
    session = users.sessions.get(token)
    assert session is not None
    assert session.flash is None


def test_wrong_password_and_unknown_account_look_alike(users: UserService) -> None:
    said = set()
    for email in (ANNA, "nobody@example.com"):
        with pytest.raises(Unauthenticated) as caught:
            sign_in(users, "a wrong password", email)
        said.add((caught.value.message, caught.value.error_type))
    assert len(said) == 1


@pytest.mark.parametrize("email", [ANNA, "nobody@example.com"])
def test_an_account_is_locked_for_a_while(users: UserService, clock: FixedClock, email: str) -> None:
    """Whether it exists or not, from whatever address the attempts come."""
    for number in range(FAILURES_PER_ACCOUNT):
        fail(users, 1, email, f"192.0.2.{number}")
    with pytest.raises(LockedOut) as caught:
        sign_in(users, PASSWORD, email, "192.0.2.200")
    assert 0 < caught.value.retry_after <= LOCKED_FOR.total_seconds() + 1
    clock.advance(LOCKED_FOR.total_seconds())
    if email == ANNA:
        assert sign_in(users).user.email == ANNA
    else:
        fail(users, 1, email)


def test_locks_are_in_the_audit_log(users: UserService, audit: AuditService, clock: FixedClock) -> None:
    """Once each, with where the attempts came from; accounts that somebody invented are not."""
    fail(users, FAILURES_PER_ACCOUNT, ANNA, "192.0.2.9")
    with pytest.raises(LockedOut):
        sign_in(users, address="192.0.2.10")
    for number in range(FAILURES_PER_ADDRESS):
        fail(users, 1, f"user{number}@example.com", "192.0.2.11")
    until = (clock.now() + LOCKED_FOR).isoformat()
    entries = audit.page("WA", accounts="all")
    assert [
        (entry.action, entry.actor, entry.subject, entry.after) for entry in entries if entry.action.endswith(".locked")
    ] == [
        ("address.locked", "sign-in", "192.0.2.11", {"from": "192.0.2.11", "until": until}),
        ("account.locked", "sign-in", ANNA, {"from": "192.0.2.9", "until": until}),
    ]


def test_the_right_password_forgives_the_account(users: UserService, audit: AuditService) -> None:
    for _ in range(3):
        fail(users, FAILURES_PER_ACCOUNT - 1)
        sign_in(users)
    assert "account.locked" not in [entry.action for entry in audit.page("WA", accounts="all")]


def test_old_failures_are_forgotten(users: UserService, clock: FixedClock) -> None:
    fail(users, FAILURES_PER_ACCOUNT - 1)
    clock.advance(FAILURE_WINDOW.total_seconds())
    fail(users, FAILURES_PER_ACCOUNT - 1)
    sign_in(users)


def test_an_address_is_locked_whatever_it_asks_for(users: UserService) -> None:
    for number in range(FAILURES_PER_ADDRESS):
        fail(users, 1, f"user{number}@example.com")
    with pytest.raises(LockedOut):
        sign_in(users)
    assert sign_in(users, address="192.0.2.2").user.email == ANNA


def test_people_behind_one_address_do_not_lock_each_other_out(users: UserService) -> None:
    for _ in range(FAILURES_PER_ADDRESS * 2):
        sign_in(users)


def test_attempts_at_once_count(metadata: Metadata, clock: FixedClock, audit: AuditService) -> None:
    """Of any number of parallel guesses only as many are looked at as one after the other."""
    users = UserService(metadata, MASTER, clock, audit, _Patient(CHEAP))

    def guess(_: int) -> str:
        try:
            sign_in(users, "a wrong password")
        except LockedOut:
            return "locked"
        except Unauthenticated:
            return "looked at"
        return "in"

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(guess, range(FAILURES_PER_ACCOUNT * 3)))
    assert results.count("looked at") == FAILURES_PER_ACCOUNT
    assert results.count("locked") == FAILURES_PER_ACCOUNT * 2


class _Patient(Passwords):
    """Takes turns without sending anybody away; the crowd is not what is tested."""

    def fits(self, stored: str | None, password: str) -> bool:
        while True:
            try:
                return super().fits(stored, password)
            except Unavailable:
                continue


def test_a_crowd_is_asked_to_come_back() -> None:
    """More hashing than the server has turns for is refused at once instead of filling its threads."""

    passwords = Passwords(CHEAP)
    for _ in range(AT_A_TIME + MOST_WAITING):
        assert passwords._waiting.acquire(blocking=False)
    with pytest.raises(Unavailable):
        passwords.hash("a password")
    passwords._waiting.release()
    assert passwords.hash("a password").startswith("$argon2id$")


def test_a_hash_of_another_cost_is_renewed(users: UserService, metadata: Metadata, clock: FixedClock) -> None:
    def stored() -> str:
        with metadata.read() as connection:
            found: str = connection.execute(text("SELECT password FROM users")).scalar_one()
        return found

    before = stored()
    dearer = Passwords(PasswordHasher(time_cost=2, memory_cost=8, parallelism=1))
    sign_in(UserService(metadata, MASTER, clock, AuditService(metadata, clock), dearer))
    assert "t=1," in before
    assert "t=2," in stored()
    sign_in(users)
