"""The dashboard in this process, with somebody of every role signed in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from campanile.users.schemas import ROLES, Role
from tests.stats.inprocess import InProcess, running
from tests.support.engines import EmbeddedEngine

PASSWORD = "correct horse battery"


class Person:
    """A browser: it keeps cookies, and sends the token of the page it saw last with its forms."""

    def __init__(self, server: InProcess, email: str = "") -> None:
        self._client = server.client
        self.email = email
        self.cookies: dict[str, str] = {}
        self.csrf = ""

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Any:
        return self.send("GET", path, headers=headers)

    def post(self, path: str, fields: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None) -> Any:
        return self.send("POST", path, {"csrf": self.csrf, **(fields or {})}, headers)

    def send(
        self, method: str, path: str, fields: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """One request; redirects are not followed."""
        self._client.cookies.clear()
        cookie = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        response = self._client.request(
            method,
            path,
            data=fields,
            headers={"Accept": "text/html", **({"Cookie": cookie} if cookie else {}), **(headers or {})},
            follow_redirects=False,
        )
        for name, value in response.cookies.items():
            self.cookies[name] = value
        for header in response.headers.get_list("set-cookie"):
            name, _, rest = header.partition("=")
            if rest.startswith((";", '"";')):
                self.cookies.pop(name, None)
        if found := re.search(r'name="csrf" value="(\w+)"', response.text):
            self.csrf = found.group(1)
        return response

    def sign_in(self, email: str, password: str = PASSWORD) -> Any:
        self.get("/sign-in")
        self.email = email
        return self.post("/sign-in", {"email": email, "password": password, "next": "/me"})


class Site:
    """Two workspaces. Of each role one person belongs to the first one; `stranger` administers the second."""

    def __init__(self, server: InProcess) -> None:
        self.server = server
        services = server.services
        self.services = services
        self.owner = services.workspaces.create("Shop", id="WSHOP")
        self.other = services.workspaces.create("Other", id="WOTHER")
        self.id = self.owner.workspace.id
        self.people: dict[str, Person] = {}
        places = [*((role, role, "WSHOP") for role in ROLES), ("stranger", "admin", "WOTHER")]
        for name, role, workspace_id in places:
            self.create(f"{name}@example.com", role, workspace_id)
            person = self.visitor()
            assert person.sign_in(f"{name}@example.com").status_code == 303
            person.get("/me")
            self.people[name] = person
        self.admin = self.people["admin"]
        self.viewer = self.people["viewer"]

    def visitor(self) -> Person:
        """A browser nobody is signed in with."""
        return Person(self.server)

    def create(self, email: str, role: Role, workspace_id: str) -> None:
        self.services.users.create(email, name=email, password=PASSWORD, role=role, workspace_id=workspace_id)

    def key_id(self, kind: str = "report") -> str:
        keys = self.services.workspaces.list_keys(self.id)
        return next(key.id for key in keys if key.kind == kind and key.archived_at is None)


@contextmanager
def opened(embedded: EmbeddedEngine, now: datetime) -> Iterator[Site]:
    """A running application with its people."""
    with running(embedded, now) as server:
        yield Site(server)
