"""One workspace neither sees nor changes anything of another; held for every route the application has."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from campanile.workspaces.schemas import CreatedWorkspace
from tests.contract.routes import (
    CASES,
    KEYLESS,
    KINDS,
    PUBLIC,
    REPORT_CASES,
    UNLIMITED,
    Call,
    Case,
    Ids,
    document,
    event,
    headers,
    key_of,
    report,
    routes_of,
)
from tests.stats.inprocess import InProcess, running
from tests.support.engines import EmbeddedEngine

NOW = datetime(2026, 3, 18, 12, 0, tzinfo=UTC)
SECRET = "Alpha launch plan"
"""Occurs in everything that workspace A has named."""

ACCIDENTS = frozenset(
    {
        "request_id",
        "code",
        "created_at",
        "updated_at",
        "last_commit_at",
        "last_commit_seconds",
        "id",
        "next_cursor",
        "response_id",
        "hook_id",
        "url",
        "secret",
        "rotated_at",
        "previous_valid_until",
    }
)
"""Members of answers that differ between two equal requests; those of commits speak of the whole process."""


@dataclass
class World:
    """A server with two workspaces; A has a campaign with events for each case, B has nothing."""

    server: InProcess
    a: CreatedWorkspace
    b: CreatedWorkspace
    report_id: str = ""
    run_id: str = ""
    hook_id: str = ""
    """Of A."""

    def make_report(self) -> None:
        """A report of A with its file, and A's daily dump."""
        definitions, workspace = self.server.services.definitions, self.a.workspace
        self.report_id = definitions.create(workspace, "somebody", report("Contract")).definition.id
        definitions.run(workspace, self.report_id, {})
        self.server.make_reports()
        (run,) = self.server.services.runs.latest(workspace.id, [self.report_id]).values()
        assert run["status"] == "SUCCESSFUL", run
        self.run_id = run["id"]

    def ask(self, case: Case, call: Call, workspace_id: str, key: str, app_key: str = "") -> Any:
        return self.server.client.request(
            case.method,
            call.path,
            content=call.content,
            headers=headers(case, call, workspace_id, key, app_key=app_key),
        )

    def view(self, ids: Ids, *, reports: bool) -> list[Any]:
        """What A sees of its reports, or of its campaign, through every route that reads."""
        self.server.fresh_window()
        seen = []
        for case in CASES:
            if reports is (case in REPORT_CASES) and (case.method == "GET" or case.route.endswith("campaign-stats")):
                key = key_of(self.a, sorted(case.kinds)[0])
                answers = [self.ask(case, call, self.a.workspace.id, key) for call in case.calls(ids)]
                assert 200 in {answer.status_code for answer in answers}, f"{case} shows nothing"
                seen += [shown(answer) for answer in answers]
        return seen


@pytest.fixture(name="world", scope="module")
def _world(embedded: EmbeddedEngine) -> Iterator[World]:
    # Otherwise a download says that it does not know a workspace.
    settings = {"hide_unknown_app_id": True, "daily_dump_time": "00:30", **UNLIMITED}
    with running(embedded, NOW, **settings) as server:
        create = server.services.workspaces.create
        world = World(server, create(f"{SECRET} A"), create("B"))
        for owner in (world.a, world.b):
            server.configure(owner.workspace.id, {"rate_limit": "1000000"})
        everything = [a_ids(world, number) for number in range(len(CASES))]
        server.import_campaigns(world.a, [document(ids, f"{SECRET} {ids.event_id}") for ids in everything])
        clicks = [event(ids, event_id=f"{ids.event_id}-click", type="click") for ids in everything]
        yesterday = event(everything[0], event_id="yesterday", time="2026-03-17T12:00:00Z")
        server.send_events(world.a, [*map(event, everything), *clicks, yesterday])
        world.make_report()
        world.hook_id = server.services.hooks.hooks.create(world.a.workspace.id, "postmark", name=SECRET).hook.id
        yield world


def a_ids(world: World, number: int) -> Ids:
    """What A uses in a case."""
    names = f"a{number:023}", f"alpha-{number}", f"alpha-user-{number}"
    return Ids(world.a.workspace.id, *names, world.report_id, world.run_id, world.hook_id)


def unknown_ids(number: int) -> Ids:
    """What nobody uses: the same shapes."""
    names = f"e{number:023}", f"empty-{number}", f"empty-user-{number}"
    return Ids("NOSUCHWORKSPACE000000000", *names, *(f"{kind}_00000000000000000000" for kind in ("rep", "run", "hk")))


def without_ids(text: str, ids: Ids) -> Any:
    """An answer in which the asker's own words and the accidents of one request are blanked."""
    for name, value in ids._asdict().items():
        text = text.replace(value, f"<{name}>")
    body = json.loads(text) if text else None
    return _blank(body)


def shown(answer: Any) -> Any:
    """What an answer says, but for the accidents of a request."""
    if "json" in answer.headers["content-type"] and answer.content:
        return _blank(answer.json())
    return answer.status_code, b64encode(answer.content)


def _blank(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: "*" if name in ACCIDENTS else _blank(member) for name, member in value.items()}
    return [_blank(member) for member in value] if isinstance(value, list) else value


def test_every_route_is_in_the_matrix(world: World) -> None:
    listed = {(case.method, case.route) for case in CASES}
    assert routes_of(world.server.client.app) - PUBLIC - {(case.method, case.route) for case in KEYLESS} == listed


@pytest.mark.parametrize("number", range(len(CASES)), ids=[str(case) for case in CASES])
def test_foreign_ids_are_like_unknown_ones(world: World, number: int) -> None:
    """With B's keys, A's ids and ids that nobody has get the same answers, and A's numbers do not move."""
    case, theirs, unknown = CASES[number], a_ids(world, number), unknown_ids(number)
    reports = case in REPORT_CASES
    before = world.view(theirs, reports=reports)
    for kind in sorted(case.kinds):
        key = key_of(world.b, kind)
        for their_call, unknown_call in zip(case.calls(theirs), case.calls(unknown), strict=True):
            given = world.ask(case, their_call, world.b.workspace.id, key)
            expected = world.ask(case, unknown_call, world.b.workspace.id, key)
            assert given.status_code == expected.status_code < 500, given.text
            assert without_ids(given.text, theirs) == without_ids(expected.text, unknown)
            assert SECRET not in given.text
    assert world.view(theirs, reports=reports) == before


@pytest.mark.parametrize("case", CASES, ids=str)
def test_other_kinds_of_keys_are_refused(world: World, case: Case) -> None:
    ids = a_ids(world, 0)
    for kind in set(KINDS) - case.kinds:
        for call in case.calls(ids):
            answer = world.ask(case, call, world.a.workspace.id, key_of(world.a, kind))
            assert answer.status_code == (401 if case.signed else 403), (kind, call.path)
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
