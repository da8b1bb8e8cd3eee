"""`campanile user …`."""

from __future__ import annotations

import sys
from typing import Annotated, Literal

from cyclopts import Parameter

from campanile.cli.options import Config, Data, Json, settings_of
from campanile.cli.output import print_json, stdout, table
from campanile.cli.stores import open_users
from campanile.users import passwords
from campanile.users.schemas import User

Email = Annotated[str, Parameter(help="Address the user signs in with.")]
Where = Annotated[
    str | None, Parameter(name="--workspace", help="Workspace id; without it the role counts in all workspaces.")
]
Stdin = Annotated[bool, Parameter(negative="", help="Read the password from standard input instead of making one.")]


def create(
    email: Email,
    /,
    *,
    role: Annotated[Literal["admin", "analyst", "viewer"], Parameter(help="What the user may do.")],
    name: Annotated[str, Parameter(help="What people call the user.")] = "",
    workspace: Where = None,
    password_stdin: Stdin = False,
    json: Json = False,
    data: Data = None,
    config: Config = None,
) -> int:
    """Create a user of the dashboard and print the password, which is shown this once.

    An admin changes settings, keys and users; an analyst defines and runs reports; a viewer looks.
    """
    password = _password(password_stdin)
    with open_users(settings_of(config, data=data)) as users:
        user = users.create(email, name=name, password=password, role=role, workspace_id=workspace)
    if json:
        shown = {} if password_stdin else {"password": password}
        print_json({**_as_json(user), **shown})
        return 0
    console = stdout()
    console.print(f"User {user.email}, {_roles(user)}")
    if not password_stdin:
        console.print("Password, shown this once:")
        console.print(password, soft_wrap=True)
    return 0


def list_all(*, json: Json = False, data: Data = None, config: Config = None) -> int:
    """List all users and what they may do."""
    with open_users(settings_of(config, data=data)) as users:
        known = users.list()
    if json:
        print_json([_as_json(user) for user in known])
        return 0
    rows = [(user.email, user.name, _roles(user), f"{user.created_at:%Y-%m-%d %H:%M}") for user in known]
    stdout().print(table(("e-mail", "name", "roles", "created (UTC)"), rows) if rows else "No users yet.")
    return 0


def set_role(
    email: Email,
    role: Annotated[Literal["admin", "analyst", "viewer", "none"], Parameter(help="The new role; none takes it away.")],
    /,
    *,
    workspace: Where = None,
    json: Json = False,
    data: Data = None,
    config: Config = None,
) -> int:
    """Change what a user may do, in one workspace or in all."""
    with open_users(settings_of(config, data=data)) as users:
        user = users.get(email)
        if workspace is None:
            users.set_role(email, None if role == "none" else role)
        elif role == "none":
            users.members.remove(workspace, user.id)
        else:
            users.members.set_role(workspace, user.id, role)
        user = users.get(email)
    if json:
        print_json(_as_json(user))
    else:
        stdout().print(f"User {user.email}, {_roles(user)}")
    return 0


def reset_password(
    email: Email, /, *, password_stdin: Stdin = False, json: Json = False, data: Data = None, config: Config = None
) -> int:
    """Give a user another password and print it; sessions end, and a lock after failed attempts is lifted."""
    password = _password(password_stdin)
    with open_users(settings_of(config, data=data)) as users:
        users.reset_password(email, password)
    if json:
        print_json({"email": email} if password_stdin else {"email": email, "password": password})
        return 0
    console = stdout()
    console.print(f"The password of {email} is changed; all sessions are ended.")
    if not password_stdin:
        console.print("Password, shown this once:")
        console.print(password, soft_wrap=True)
    return 0


def sign_out(email: Email, /, *, data: Data = None, config: Config = None) -> int:
    """End all sessions of a user."""
    with open_users(settings_of(config, data=data)) as users:
        ended = users.sessions.close_all(users.get(email))
    stdout().print(f"Sessions ended: {ended}")
    return 0


def remove(email: Email, /, *, data: Data = None, config: Config = None) -> int:
    """Delete a user; sessions end, what the user did stays in the audit log."""
    with open_users(settings_of(config, data=data)) as users:
        users.remove(email)
    stdout().print(f"User {email} is removed.")
    return 0


def _password(from_stdin: bool) -> str:
    return sys.stdin.readline().rstrip("\r\n") if from_stdin else passwords.generated()


def _roles(user: User) -> str:
    roles = [f"{user.role} everywhere"] if user.role else []
    roles += [f"{role} in {workspace}" for workspace, role in user.memberships.items()]
    return ", ".join(roles) or "no role"


def _as_json(user: User) -> dict[str, object]:
    return {
        "user_id": user.id,
        "email": user.email,
        "name": user.name,
        "role": user.role,
        "workspaces": dict(user.memberships),
        "created_at": user.created_at,
    }
