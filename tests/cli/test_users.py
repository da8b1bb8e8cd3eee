"""`campanile user …` on a real metadata database."""

from __future__ import annotations

import io

import pytest

from tests.cli.test_workspaces import Cli, cli

pytestmark = pytest.mark.slow

__all__ = ["cli"]

ANNA = "anna@example.com"


def test_a_new_user_has_a_password_shown_once(cli: Cli) -> None:
    made = cli.json("user", "create", "Anna@Example.com", "--role", "admin", "--name", "Anna")
    assert (made["email"], made["role"], made["workspaces"]) == (ANNA, "admin", {})
    assert len(made["password"]) == 20
    (listed,) = cli.json("user", "list")
    assert "password" not in listed
    assert listed["user_id"] == made["user_id"]
    shown = cli.text("user", "list")
    assert "admin everywhere" in shown
    assert made["password"] not in shown


def test_a_password_from_standard_input_is_not_printed(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("a good password\n"))
    text = cli.text("user", "create", ANNA, "--role", "viewer", "--password-stdin")
    assert "a good password" not in text
    assert "assword" not in text
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert "10 to 256" in cli.text("user", "reset-password", ANNA, "--password-stdin", code=2)


def test_roles(cli: Cli) -> None:
    workspace = cli.json("workspace", "create", "Shop", "--id", "W")["workspace_id"]
    cli.json("user", "create", ANNA, "--role", "viewer", "--workspace", workspace)
    assert cli.json("user", "set-role", ANNA, "admin", "--workspace", workspace)["workspaces"] == {"W": "admin"}
    assert cli.json("user", "set-role", ANNA, "analyst")["role"] == "analyst"
    assert cli.json("user", "set-role", ANNA, "none")["role"] is None
    assert "needs an administrator" in cli.text("user", "set-role", ANNA, "none", "--workspace", workspace, code=2)
    assert "no workspace" in cli.text("user", "set-role", ANNA, "viewer", "--workspace", "V", code=2)


def test_mistakes(cli: Cli) -> None:
    cli.json("user", "create", ANNA, "--role", "viewer")
    assert "has an account already" in cli.text("user", "create", ANNA, "--role", "viewer", code=2)
    assert "has no account" in cli.text("user", "set-role", "bob@example.com", "viewer", code=2)
    assert "not an e-mail address" in cli.text("user", "create", "anna", "--role", "viewer", code=2)
    assert "no workspace" in cli.text("user", "create", "c@example.com", "--role", "viewer", "--workspace", "V", code=2)
    assert [user["email"] for user in cli.json("user", "list")] == [ANNA]


def test_the_end_of_a_user(cli: Cli) -> None:
    cli.json("user", "create", ANNA, "--role", "viewer")
    reset = cli.json("user", "reset-password", ANNA)
    assert reset["email"] == ANNA
    assert len(reset["password"]) == 20
    assert cli.text("user", "sign-out", ANNA) == "Sessions ended: 0\n"
    cli.text("user", "remove", ANNA)
    assert cli.json("user", "list") == []
