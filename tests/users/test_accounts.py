"""Accounts, memberships, invitations, and what the audit log says of them."""

from __future__ import annotations

import pytest

from campanile.audit.schemas import Accounts
from campanile.audit.service import AuditService
from campanile.clock import FixedClock
from campanile.errors import Conflict, InvalidInput, NotFound, Unauthenticated
from campanile.users.members import INVITATION_LIVES
from campanile.users.schemas import at_least
from campanile.users.service import UserService, checked_email
from tests.users.conftest import PASSWORD

ANNA, BOB = "anna@example.com", "bob@example.com"


def signs_in(users: UserService, email: str, password: str = PASSWORD) -> bool:
    try:
        users.sessions.sign_in(email, password, address="192.0.2.1", browser="")
    except Unauthenticated:
        return False
    return True


def actions(audit: AuditService, workspace_id: str) -> list[tuple[str, str, str, dict[str, object], dict[str, object]]]:
    """(actor, action, subject, before, after), oldest first."""
    return [
        (entry.actor, entry.action, entry.subject, dict(entry.before), dict(entry.after))
        for entry in reversed(audit.page(workspace_id))
    ]


def test_the_first_account(users: UserService) -> None:
    token = users.setup_token()
    assert token is not None
    assert token == users.setup_token()
    for wrong in ("", token[:-1], token + "0", "ä" * 32):
        with pytest.raises(NotFound):
            users.set_up(wrong, email=ANNA, name="Anna", password=PASSWORD)
    with pytest.raises(InvalidInput):
        users.set_up(token, email="anna", name="Anna", password=PASSWORD)
    made = users.set_up(token, email=f" {ANNA.upper()} ", name="Anna", password=PASSWORD)
    assert (made.email, made.role) == (ANNA, "admin")
    assert users.setup_token() is None
    with pytest.raises(NotFound):
        users.set_up(token, email=BOB, name="Bob", password=PASSWORD)
    assert signs_in(users, ANNA)


@pytest.mark.parametrize("email", ["", "anna", "@example.com", "a b@example.com", "a@b@c", "<a@b.c>", "a@" + "b" * 254])
def test_what_is_no_address(email: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked_email(email)
    assert caught.value.attribute == "email"


@pytest.mark.parametrize("password", ["", "short", "a" * 12, "x" * 257, ANNA, "Anna of the Mill"])
def test_weak_passwords(users: UserService, password: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        users.create(ANNA, name="Anna of the Mill", password=password, role="viewer")
    assert caught.value.attribute == "password"
    assert password not in caught.value.message or not password


def test_one_account_per_address(users: UserService) -> None:
    users.create(ANNA, password=PASSWORD, role="viewer")
    with pytest.raises(Conflict):
        users.create(ANNA.title(), password=PASSWORD, role="viewer")


def test_an_account_of_an_unknown_workspace_is_not_made(users: UserService) -> None:
    with pytest.raises(NotFound):
        users.create(ANNA, password=PASSWORD, role="viewer", workspace_id="NOBODY")
    assert users.list() == []


def test_roles(users: UserService) -> None:
    users.create(ANNA, password=PASSWORD, role="analyst")
    users.create(BOB, password=PASSWORD, role="viewer", workspace_id="WA")
    anna, bob = users.get(ANNA), users.get(BOB)
    assert (anna.role_in("WA"), anna.role_in("WB"), anna.role_in("NEW")) == ("analyst", "analyst", "analyst")
    assert (bob.role_in("WA"), bob.role_in("WB")) == ("viewer", None)
    users.members.set_role("WA", anna.id, "admin")
    users.members.set_role("WB", anna.id, "viewer")
    anna = users.get(ANNA)
    assert (anna.role_in("WA"), anna.role_in("WB")) == ("admin", "analyst")
    users.set_role(ANNA, None)
    anna = users.get(ANNA)
    assert (anna.role_in("WA"), anna.role_in("WB"), anna.role_in("NEW")) == ("admin", "viewer", None)
    assert users.members.workspaces(bob) == [("WA", "A")]
    assert users.members.workspaces(anna) == [("WA", "A"), ("WB", "B")]
    assert [(member.email, member.role) for member in users.members.list("WA")] == [(ANNA, "admin"), (BOB, "viewer")]
    with pytest.raises(InvalidInput):
        users.members.set_role("WA", bob.id, "boss")  # type: ignore[arg-type]


def test_order_of_roles() -> None:
    assert [at_least("analyst", needed) for needed in ("admin", "analyst", "viewer")] == [False, True, True]
    assert not at_least(None, "viewer")


def test_a_workspace_keeps_an_admin(users: UserService) -> None:
    anna = users.create(ANNA, password=PASSWORD, role="admin", workspace_id="WA")
    users.create(BOB, password=PASSWORD, role="viewer", workspace_id="WA")
    for forbidden in (
        lambda: users.members.set_role("WA", anna.id, "viewer"),
        lambda: users.members.remove("WA", anna.id),
    ):
        with pytest.raises(Conflict) as caught:
            forbidden()
        assert caught.value.error_type == "last_admin"
    assert users.get(ANNA).role_in("WA") == "admin"
    users.members.set_role("WA", users.get(BOB).id, "admin")
    users.members.remove("WA", anna.id)
    assert users.get(ANNA).role_in("WA") is None


def test_removing_somebody(users: UserService) -> None:
    users.create(ANNA, password=PASSWORD, role="admin", workspace_id="WA")
    token = users.sessions.sign_in(ANNA, PASSWORD, address="", browser="").token
    users.remove(ANNA)
    assert users.sessions.get(token) is None
    assert not signs_in(users, ANNA)
    with pytest.raises(NotFound):
        users.remove(ANNA)


def test_passwords_change(users: UserService) -> None:
    anna = users.create(ANNA, password=PASSWORD, role="viewer")
    token = users.sessions.sign_in(ANNA, PASSWORD, address="", browser="").token
    with pytest.raises(Unauthenticated):
        users.change_password(anna, "not the old one", "another good one", address="")
    with pytest.raises(InvalidInput):
        users.change_password(anna, PASSWORD, "short", address="")
    assert users.sessions.get(token) is not None
    users.change_password(anna, PASSWORD, "another good one", address="")
    assert users.sessions.get(token) is None
    assert (signs_in(users, ANNA), signs_in(users, ANNA, "another good one")) == (False, True)
    users.reset_password(ANNA, "a third good one")
    assert signs_in(users, ANNA, "a third good one")


def test_an_invitation_makes_an_account(users: UserService, audit: AuditService) -> None:
    token = users.members.invite("WA", BOB, "analyst", by=ANNA)
    (invitation,) = users.members.invitations("WA")
    assert (invitation.email, invitation.role, invitation.created_by) == (BOB, "analyst", ANNA)
    assert users.members.invitations("WB") == []
    with pytest.raises(InvalidInput):
        users.join(token, name="Bob", password="short")
    made = users.join(token, name="Bob", password=PASSWORD)
    assert (made.email, made.role, dict(made.memberships)) == (BOB, None, {"WA": "analyst"})
    assert users.members.invitations("WA") == []
    with pytest.raises(NotFound):
        users.join(token, name="Bob", password=PASSWORD)
    assert actions(audit, "WA")[1:] == [
        (ANNA, "member.invited", BOB, {}, {"role": "analyst"}),
        (BOB, "member.joined", BOB, {}, {"role": "analyst"}),
    ]


def test_an_invitation_of_somebody_with_an_account(users: UserService) -> None:
    """Whoever has the link of another workspace cannot take an account over: the account signs in and accepts."""
    bob = users.create(BOB, password=PASSWORD, role="viewer", workspace_id="WB")
    token = users.members.invite("WA", BOB, "admin")
    with pytest.raises(Conflict):
        users.join(token, name="Not Bob", password="another good one")
    anna = users.create(ANNA, password=PASSWORD, role="viewer", workspace_id="WB")
    with pytest.raises(Conflict) as caught:
        users.members.accept(token, anna)
    assert caught.value.error_type == "other_address"
    assert users.members.accept(token, bob) == "WA"
    assert dict(users.get(BOB).memberships) == {"WA": "admin", "WB": "viewer"}
    assert signs_in(users, BOB)


def test_invitations_end(users: UserService, clock: FixedClock) -> None:
    first = users.members.invite("WA", BOB, "viewer")
    second = users.members.invite("WA", BOB, "analyst")
    with pytest.raises(NotFound):
        users.members.invitation(first)
    (open_one,) = users.members.invitations("WA")
    with pytest.raises(NotFound):
        users.members.withdraw("WB", open_one.id)
    users.members.withdraw("WA", open_one.id)
    with pytest.raises(NotFound):
        users.members.invitation(second)
    third = users.members.invite("WA", BOB, "viewer")
    clock.advance(INVITATION_LIVES.total_seconds())
    with pytest.raises(NotFound):
        users.join(third, name="Bob", password=PASSWORD)
    assert users.members.invitations("WA") == []


def test_a_lesser_invitation_takes_nothing_away(users: UserService) -> None:
    bob = users.create(BOB, password=PASSWORD, role="viewer", workspace_id="WB")
    token = users.members.invite("WA", BOB, "viewer")
    users.members.set_role("WA", bob.id, "admin")
    users.members.accept(token, bob)
    assert users.get(BOB).role_in("WA") == "admin"
    with pytest.raises(Conflict) as caught:
        users.members.invite("WA", BOB, "viewer")
    assert caught.value.error_type == "already_member"


def test_only_members_change_roles_by_their_id(users: UserService) -> None:
    stranger = users.create(BOB, password=PASSWORD, role="viewer", workspace_id="WB")
    with pytest.raises(NotFound):
        users.members.set_role("WA", stranger.id, "viewer", joins=False)
    assert users.get(BOB).role_in("WA") is None


def test_changes_of_accounts_are_told_to_those_concerned(users: UserService, audit: AuditService) -> None:
    """A workspace hears of its members' accounts, and of people who belong everywhere; not of others."""
    users.create(ANNA, name="Anna", password=PASSWORD, role="admin", workspace_id="WA")
    users.create(BOB, name="Bob", password=PASSWORD, role="viewer", workspace_id="WB")
    users.create("root@example.com", name="Root", password=PASSWORD, role="admin")
    users.change_password(users.get(ANNA), PASSWORD, "another good password", address="192.0.2.7")
    users.sessions.close_all(users.get(BOB), by=BOB, address="192.0.2.8")

    def told(workspace_id: str, accounts: Accounts) -> list[tuple[str, str]]:
        entries = audit.page(workspace_id, accounts=accounts)
        return [(entry.action, entry.subject) for entry in entries if entry.workspace_id is None]

    assert told("WA", "none") == []
    everywhere = ("user.created", "root@example.com")
    changed, ended = ("user.password_changed", ANNA), ("user.signed_out_everywhere", BOB)
    assert told("WA", "members") == [changed, everywhere, ("user.created", ANNA)]
    assert told("WB", "members") == [ended, everywhere, ("user.created", BOB)]
    assert told("WA", "all") == [ended, changed, everywhere, ("user.created", BOB), ("user.created", ANNA)]
    found = {entry.action: entry for entry in audit.page("WA", accounts="all")}
    assert found["user.password_changed"].after == {"from": "192.0.2.7"}
    assert found["user.signed_out_everywhere"].after == {"sessions ended": 0, "from": "192.0.2.8"}
