"""One workspace neither sees nor changes anything of another; held for every route the application has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from campanile.workspaces.schemas import CreatedWorkspace
from tests.contract.routes import CASES, KINDS, PUBLIC, Call, Case, Ids, document, event, headers, key_of, routes_of
from tests.stats.inprocess import InProcess, running
from tests.support.engines import EmbeddedEngine

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
SECRET = "Alpha launch plan"
"""Occurs in everything that workspace A has named."""

ACCIDENTS = frozenset({"request_id", "code", "created_at", "updated_at", "last_commit_at", "last_commit_seconds"})
"""Members of answers that differ between two equal requests; the last two speak of the whole process."""


@dataclass
class World:
    """A server with two workspaces; A has a campaign with events for each case, B has nothing."""

    server: InProcess
    a: CreatedWorkspace
    b: CreatedWorkspace

    def ask(self, case: Case, call: Call, workspace_id: str, key: str, app_key: str = "") -> Any:
        return self.server.client.request(
            case.method,
            call.path,
            content=call.content,
            headers=headers(case, call, workspace_id, key, app_key=app_key),
        )

    def view(self, ids: Ids) -> list[Any]:
        """What A sees of its campaign through every route that reads, but for the accidents of single requests."""
        seen = []
        for case in CASES:
            if case.method == "GET" or case.route.endswith("campaign-stats"):
                key = key_of(self.a, sorted(case.kinds)[0])
                answers = [self.ask(case, call, self.a.workspace.id, key) for call in case.calls(ids)]
                assert 200 in {answer.status_code for answer in answers}, f"{case} shows nothing"
                seen += [_blank(answer.json()) for answer in answers]
        return seen


@pytest.fixture(name="world", scope="module")
def _world(embedded: EmbeddedEngine) -> Iterator[World]:
    with running(embedded, NOW) as server:
        create = server.services.workspaces.create
        world = World(server, create(f"{SECRET} A"), create("B"))
        for owner in (world.a, world.b):
            server.configure(owner.workspace.id, {"rate_limit": "1000000"})
        for number in range(len(CASES)):
            ids = a_ids(world, number)
            server.import_campaigns(world.a, [document(ids, f"{SECRET} {number}")])
            server.send_events(world.a, [event(ids), event(ids, event_id=f"{ids.event_id}-click", type="click")])
        yield world


def a_ids(world: World, number: int) -> Ids:
    """What A uses in a case."""
    return Ids(world.a.workspace.id, f"a{number:023}", f"alpha-{number}", f"alpha-user-{number}")


def unknown_ids(number: int) -> Ids:
    """What nobody uses: the same shapes."""
    return Ids("NOSUCHWORKSPACE000000000", f"e{number:023}", f"empty-{number}", f"empty-user-{number}")


def without_ids(text: str, ids: Ids) -> Any:
    """An answer in which the asker's own words and the accidents of one request are blanked."""
    for name, value in ids._asdict().items():
        text = text.replace(value, f"<{name}>")
    body = json.loads(text) if text else None
    return _blank(body)


def _blank(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: "*" if name in ACCIDENTS else _blank(member) for name, member in value.items()}
    return [_blank(member) for member in value] if isinstance(value, list) else value


def test_every_route_is_in_the_matrix(world: World) -> None:
    listed = {(case.method, case.route) for case in CASES}
    assert routes_of(world.server.client.app) - PUBLIC == listed


@pytest.mark.parametrize("number", range(len(CASES)), ids=[str(case) for case in CASES])
def test_foreign_ids_are_like_unknown_ones(world: World, number: int) -> None:
    """With B's keys, A's ids and ids that nobody has get the same answers, and A's numbers do not move."""
    case, theirs, unknown = CASES[number], a_ids(world, number), unknown_ids(number)
    before = world.view(theirs)
    for kind in sorted(case.kinds):
        key = key_of(world.b, kind)
        for their_call, unknown_call in zip(case.calls(theirs), case.calls(unknown), strict=True):
            given = world.ask(case, their_call, world.b.workspace.id, key)
            expected = world.ask(case, unknown_call, world.b.workspace.id, key)
            assert given.status_code == expected.status_code < 500, given.text
            assert without_ids(given.text, theirs) == without_ids(expected.text, unknown)
            assert SECRET not in given.text
    assert world.view(theirs) == before


@pytest.mark.parametrize("case", CASES, ids=str)
def test_other_kinds_of_keys_are_refused(world: World, case: Case) -> None:
    ids = a_ids(world, 0)
    for kind in set(KINDS) - case.kinds:
        for call in case.calls(ids):
            answer = world.ask(case, call, world.a.workspace.id, key_of(world.a, kind))
            assert answer.status_code == 403, (kind, call.path)
            assert SECRET not in answer.text


@pytest.mark.parametrize("case", CASES, ids=str)
def test_credentials_of_two_workspaces_do_not_mix(world: World, case: Case) -> None:
    a, b = world.a, world.b
    for call in case.calls(a_ids(world, 0)):
        for kind in case.kinds:
            assert world.ask(case, call, a.workspace.id, key_of(b, kind)).status_code == 401
            assert world.ask(case, call, b.workspace.id, key_of(a, kind)).status_code == 401
            other = world.ask(case, call, b.workspace.id, key_of(b, kind), app_key=a.workspace.id)
            assert other.status_code in (401, 403)
            world.server.fresh_window()
        nobody = world.server.client.request(case.method, call.path, content=call.content)
        assert nobody.status_code == 401


def test_public_routes_show_nothing_of_a_workspace(world: World) -> None:
    ids = a_ids(world, 0)
    for method, path in sorted(PUBLIC):
        answer = world.server.client.request(method, path)
        assert answer.status_code == 200
        for name in (SECRET, *(ids if path != "/metrics" else ids[1:])):
            assert name not in answer.text, path
