"""Workspaces and keys, as the command line and the routes use them."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from campanile.clock import FixedClock
from campanile.errors import ConfigurationError, Conflict, InvalidInput, NotFound
from campanile.metadata import Metadata
from campanile.metadata.models import Base, KeyRow
from campanile.workspaces.schemas import SCOPES, KeyKind
from campanile.workspaces.secrets import MasterKey
from campanile.workspaces.service import WorkspaceService
from tests.workspaces.conftest import MASTER


def kind_of(workspaces: WorkspaceService, workspace_id: str, secret: str) -> str | None:
    principal = workspaces.authenticate(workspace_id, secret)
    return None if principal is None else principal.kind


# --- workspaces


def test_a_workspace_is_made_with_random_id_and_keys(workspaces: WorkspaceService, clock: FixedClock) -> None:
    created = workspaces.create("  Shop  ")
    workspace = created.workspace
    assert re.fullmatch(r"[A-Z0-9]{24}", workspace.id)
    assert (workspace.name, workspace.created_at, workspace.settings.timezone) == ("Shop", clock.now(), "UTC")
    assert len(workspace.pseudonym_key) == 32
    values = (created.report_key, created.ingest_key, created.manage_key)
    assert [value[:5] for value in values] == ["cmpr_", "cmpi_", "cmpm_"]
    assert all(len(value) >= 40 for value in values)
    assert [kind_of(workspaces, workspace.id, value) for value in values] == ["report", "ingest", "manage"]
    assert workspaces.get(workspace.id) == workspace


def test_ids_zones_and_keys_may_be_chosen(workspaces: WorkspaceService) -> None:
    created = workspaces.create(
        "Demo", id="WS_demo-1", timezone="America/New_York", report_key="12345678", ingest_key="!" * 256
    )
    assert created.workspace.id == "WS_demo-1"
    assert created.workspace.settings.timezone == "America/New_York"
    assert kind_of(workspaces, "WS_demo-1", "12345678") == "report"
    assert kind_of(workspaces, "WS_demo-1", "!" * 256) == "ingest"


@pytest.mark.parametrize(
    ("arguments", "attribute"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 257}, "name"),
        ({"name": "two\nlines"}, "name"),
        ({"id": ""}, "id"),
        ({"id": "x" * 65}, "id"),
        ({"id": "with:colon"}, "id"),
        ({"id": "ümlaut"}, "id"),
        ({"timezone": "Berlin"}, "timezone"),
        ({"report_key": "1234567"}, "report_key"),
        ({"ingest_key": "x" * 257}, "ingest_key"),
        ({"manage_key": "with space"}, "manage_key"),
        ({"manage_key": "umlaut-ü"}, "manage_key"),
    ],
)
def test_what_does_not_fit_is_named(workspaces: WorkspaceService, arguments: dict[str, Any], attribute: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        workspaces.create(**{"name": "Shop", **arguments})
    assert caught.value.problems[0].attribute == attribute
    assert workspaces.list() == []


def test_an_id_exists_once(workspaces: WorkspaceService) -> None:
    first = workspaces.create("One", id="W")
    with pytest.raises(Conflict) as caught:
        workspaces.create("Two", id="W")
    assert caught.value.error_type == "workspace_exists"
    assert [workspace.name for workspace in workspaces.list()] == ["One"]
    assert kind_of(workspaces, "W", first.manage_key) == "manage"


def test_one_of_many_creators_wins(metadata: Metadata, clock: FixedClock) -> None:
    services = [WorkspaceService(metadata, MASTER, clock) for _ in range(6)]

    def create(service: WorkspaceService) -> bool:
        try:
            service.create("Shop", id="W")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(len(services)) as pool:
        assert sorted(pool.map(create, services)) == [False] * 5 + [True]
    assert len(services[0].list_keys("W")) == 3


def test_equal_keys_in_one_workspace_are_refused(workspaces: WorkspaceService) -> None:
    with pytest.raises(Conflict) as caught:
        workspaces.create("Shop", report_key="same-key", ingest_key="same-key")
    assert caught.value.error_type == "duplicate_key"
    assert workspaces.list() == []


def test_workspaces_are_listed_oldest_first(workspaces: WorkspaceService, clock: FixedClock) -> None:
    for name in ("Z", "A", "M"):
        workspaces.create(name, id=name)
        clock.advance(1)
    assert [workspace.id for workspace in workspaces.list()] == ["Z", "A", "M"]
    assert workspaces.get("nobody") is None


# --- authentication


def test_only_the_right_workspace_and_the_right_key_authenticate(workspaces: WorkspaceService) -> None:
    one, two = workspaces.create("One", id="W1"), workspaces.create("Two", id="W2")
    for secret in ("", one.report_key[:-1], one.report_key + "x", one.report_key.upper(), "W1", "\udc80"):
        assert workspaces.authenticate("W1", secret) is None
    assert workspaces.authenticate("W1", two.report_key) is None
    assert workspaces.authenticate("w1", one.report_key) is None
    assert workspaces.authenticate("nobody", one.report_key) is None
    assert workspaces.authenticate("", one.report_key) is None


def test_a_principal_says_what_it_may_do(workspaces: WorkspaceService) -> None:
    created = workspaces.create("Shop", id="W")
    kinds: dict[KeyKind, str] = {
        "report": created.report_key,
        "ingest": created.ingest_key,
        "manage": created.manage_key,
    }
    for kind, secret in kinds.items():
        principal = workspaces.authenticate("W", secret)
        assert principal is not None
        assert (principal.kind, principal.scopes, principal.stats_dialect) == (kind, SCOPES[kind], None)
        assert principal.workspace == created.workspace
        assert principal == workspaces.authenticate("W", secret) == workspaces.authenticate_bearer(secret)


def test_a_bearer_value_that_two_workspaces_chose_belongs_to_neither(workspaces: WorkspaceService) -> None:
    workspaces.create("One", id="W1", report_key="demo-key")
    assert workspaces.authenticate_bearer("demo-key") is not None
    workspaces.create("Two", id="W2", report_key="demo-key")
    assert workspaces.authenticate_bearer("demo-key") is None
    for name in ("W1", "W2"):
        principal = workspaces.authenticate(name, "demo-key")
        assert principal is not None
        assert principal.workspace.id == name


def test_a_wrong_key_and_an_unknown_workspace_ask_the_same(workspaces: WorkspaceService, metadata: Metadata) -> None:
    from sqlalchemy import event

    workspaces.create("Shop", id="W")
    asked: list[str] = []
    event.listen(metadata.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    workspaces.authenticate("W", "wrong-key")
    known = asked[:]
    asked.clear()
    workspaces.authenticate("nobody", "wrong-key")
    assert asked == known != []


def test_no_value_of_a_key_is_in_the_database(workspaces: WorkspaceService, metadata: Metadata) -> None:
    created = workspaces.create("Shop", report_key="report-key-in-clear")
    secrets = [created.report_key, created.ingest_key, created.manage_key]
    raw = [secret.encode() for secret in secrets] + [created.workspace.pseudonym_key]
    with metadata.read() as connection:
        for table in Base.metadata.sorted_tables:
            for row in connection.execute(select(table)):
                text = b"|".join(item if isinstance(item, bytes) else str(item).encode() for item in row)
                assert not any(secret in text for secret in raw), table.name


def test_another_master_key_is_refused_at_the_start(workspaces: WorkspaceService, metadata: Metadata) -> None:
    clock = FixedClock(workspaces.create("Shop").workspace.created_at)
    with pytest.raises(ConfigurationError, match="secret key"):
        WorkspaceService(metadata, MasterKey("another master key, also long enough"), clock)
    WorkspaceService(metadata, MASTER, clock)


# --- keys


def test_keys_of_all_kinds_can_be_added_narrowed_and_listed(workspaces: WorkspaceService, clock: FixedClock) -> None:
    workspaces.create("Shop", id="W")
    clock.advance(1)
    made = workspaces.create_key("W", "manage", name="etl", scopes=["campaigns:read"], stats_dialect="live")
    assert made.key.scopes == {"campaigns:read"}
    assert made.key.created_at == clock.now()
    principal = workspaces.authenticate("W", made.value)
    assert principal is not None
    assert (principal.scopes, principal.stats_dialect) == ({"campaigns:read"}, "live")
    listed = workspaces.list_keys("W")
    assert {key.kind for key in listed[:3]} == {"report", "ingest", "manage"}
    assert listed[3] == made.key


@pytest.mark.parametrize(
    ("arguments", "attribute"),
    [
        ({"kind": "root"}, "kind"),
        ({"kind": "report", "scopes": ["ingest:write"]}, "scopes"),
        ({"kind": "report", "scopes": []}, "scopes"),
        ({"kind": "report", "stats_dialect": "klingon"}, "stats_dialect"),
        ({"kind": "report", "value": "short"}, "value"),
        ({"kind": "report", "name": "two\nlines"}, "name"),
    ],
)
def test_keys_that_cannot_be(workspaces: WorkspaceService, arguments: dict[str, Any], attribute: str) -> None:
    workspaces.create("Shop", id="W")
    with pytest.raises(InvalidInput) as caught:
        workspaces.create_key("W", **arguments)
    assert caught.value.problems[0].attribute == attribute
    assert len(workspaces.list_keys("W")) == 3


def test_ten_active_keys_of_one_kind(workspaces: WorkspaceService) -> None:
    workspaces.create("Shop", id="W")
    made = [workspaces.create_key("W", "ingest") for _ in range(9)]
    with pytest.raises(Conflict) as caught:
        workspaces.create_key("W", "ingest")
    assert caught.value.error_type == "too_many_keys"
    workspaces.create_key("W", "report")
    workspaces.archive_key("W", made[0].key.id)
    workspaces.create_key("W", "ingest")


def test_parallel_creators_do_not_exceed_ten(metadata: Metadata, clock: FixedClock) -> None:
    services = [WorkspaceService(metadata, MASTER, clock) for _ in range(4)]
    services[0].create("Shop", id="W")

    def create(number: int) -> bool:
        try:
            services[number % 4].create_key("W", "report")
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(create, range(16))) == 9


def test_a_regenerated_key_dies_at_once_in_every_process(metadata: Metadata, clock: FixedClock) -> None:
    here, there = (WorkspaceService(metadata, MASTER, clock) for _ in range(2))
    created = here.create("Shop", id="W")
    key = next(key for key in here.list_keys("W") if key.kind == "report")
    value = created.report_key
    for _ in range(5):
        assert kind_of(there, "W", value) == kind_of(here, "W", value) == "report"
        clock.advance(1)
        made = here.regenerate_key("W", key.id)
        assert made.value != value
        assert made.key.regenerated_at == clock.now()
        assert (
            there.authenticate("W", value) is here.authenticate("W", value) is there.authenticate_bearer(value) is None
        )
        value = made.value
    assert here.report_key("W") == value


def test_an_archived_key_is_dead_for_good(metadata: Metadata, clock: FixedClock) -> None:
    here, there = (WorkspaceService(metadata, MASTER, clock) for _ in range(2))
    created = here.create("Shop", id="W")
    key = next(key for key in here.list_keys("W") if key.kind == "report")
    assert kind_of(there, "W", created.report_key) == "report"
    assert here.archive_key("W", key.id).archived_at == clock.now()
    assert there.authenticate("W", created.report_key) is None
    for attempt in (here.archive_key, here.regenerate_key):
        with pytest.raises(Conflict) as caught:
            attempt("W", key.id)
        assert caught.value.error_type == "key_archived"
    with pytest.raises(NotFound):
        here.report_key("W")
    with metadata.read() as connection:
        row = connection.execute(select(KeyRow.digest, KeyRow.sealed).where(KeyRow.id == key.id)).one()
    assert tuple(row) == (None, None)


def test_keys_of_others_cannot_be_touched(workspaces: WorkspaceService) -> None:
    workspaces.create("One", id="W1")
    workspaces.create("Two", id="W2")
    key = workspaces.list_keys("W1")[0]
    for attempt in (workspaces.archive_key, workspaces.regenerate_key):
        with pytest.raises(NotFound):
            attempt("W2", key.id)
    for unknown in (workspaces.list_keys, lambda name: workspaces.create_key(name, "report")):
        with pytest.raises(NotFound):
            unknown("nobody")
    assert workspaces.list_keys("W1")[0] == key


def test_a_value_may_be_chosen_when_regenerating_but_not_twice(workspaces: WorkspaceService) -> None:
    created = workspaces.create("Shop", id="W")
    key = next(key for key in workspaces.list_keys("W") if key.kind == "ingest")
    assert workspaces.regenerate_key("W", key.id, value="chosen-value").value == "chosen-value"
    assert kind_of(workspaces, "W", "chosen-value") == "ingest"
    with pytest.raises(InvalidInput):
        workspaces.regenerate_key("W", key.id, value="short")
    for taken in (created.report_key, "chosen-value"):
        with pytest.raises(Conflict) as caught:
            workspaces.regenerate_key("W", key.id, value=taken)
        assert caught.value.error_type == "duplicate_key"


def test_report_keys_can_be_read_again_by_scope(workspaces: WorkspaceService, clock: FixedClock) -> None:
    workspaces.create("Shop", id="W", report_key="demo-campaign-key-A1")
    clock.advance(1)
    second = workspaces.create_key("W", "report")
    workspaces.create_key("W", "report", scopes=["stats:read"])
    assert workspaces.report_keys("W") == ("demo-campaign-key-A1", second.value)
    assert workspaces.report_key("W") == "demo-campaign-key-A1"
    assert workspaces.report_keys("nobody") == ()


def test_the_cache_of_credentials_is_bounded(workspaces: WorkspaceService, monkeypatch: pytest.MonkeyPatch) -> None:
    from campanile.workspaces import service

    monkeypatch.setattr(service, "CACHED_CREDENTIALS", 2)
    created = workspaces.create("Shop", id="W")
    secrets = (created.report_key, created.ingest_key, created.manage_key)
    for _ in range(2):
        assert [kind_of(workspaces, "W", secret) for secret in secrets] == ["report", "ingest", "manage"]
    assert len(workspaces._cache) <= 2


def test_credentials_are_recalled_until_anything_changes(workspaces: WorkspaceService, metadata: Metadata) -> None:
    created = workspaces.create("Shop", id="W")
    assert workspaces.recall("W", created.report_key) is None
    found = workspaces.authenticate("W", created.report_key)
    if metadata.change_counter() is None:
        assert workspaces.recall("W", created.report_key) is None
        return
    assert workspaces.recall("W", created.report_key) == found
    assert workspaces.recall("W", "another key") is None
    assert workspaces.recall(None, created.report_key) is None
    workspaces.update_settings("W", {"timezone": "Asia/Tokyo"})
    assert workspaces.recall("W", created.report_key) is None
