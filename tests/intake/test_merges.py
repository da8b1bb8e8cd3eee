"""Merges of users: on one node and on two, late events, chains, circles, crashes at every step, two writers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any, ClassVar
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campanile.clock import FixedClock
from campanile.engine import Engine
from campanile.engine import engine as engine_module
from campanile.engine.questions import parse_question
from campanile.errors import EngineUnavailable
from campanile.intake.event import Event
from campanile.intake.merges import Aliases, Mark
from campanile.intake.repository import StoredMergeMarks, WorkspaceLocks
from campanile.metadata import Metadata, migrate, open_metadata
from campanile.workspaces.secrets import MasterKey
from campanile.workspaces.service import WorkspaceService
from tests.intake.parsing import event as parsed_event
from tests.intake.parsing import verdict
from tests.intake.worlds import Campaigns, House, event, workspace
from tests.oracle.attribution import People

STEPS = (("write", 1), ("append_events", 1), ("append_aliases", 1), ("copy_users", 1), ("write", 2))
"""What happens to a merge, one after the other, and for which time: the mark is written at the start and at the end."""


def merge(user: str, to_user: str, name: str = "") -> Event:
    return parsed_event(
        {
            "type": "user_merge",
            "event_id": name or f"m:{user}:{to_user}",
            "time": "2025-10-09T09:00:00Z",
            "from_user_id": user,
            "to_user_id": to_user,
        }
    )


class TestRecords:
    RECORD: ClassVar = {
        "type": "user_merge",
        "time": "2025-10-09T09:00:00Z",
        "from_user_id": "anon-9",
        "to_user_id": "known-1",
    }

    def test_both_users_are_stored(self) -> None:
        found = parsed_event(self.RECORD)
        assert (found.type, found.user_id, found.attributes) == ("user_merge", "anon-9", '{"to_user_id":"known-1"}')
        assert found.campaign_id == found.channel == found.instance_id == ""

    def test_without_an_id_the_users_name_it(self) -> None:
        again = parsed_event(self.RECORD)
        assert again.event_id == parsed_event(self.RECORD).event_id
        assert again.event_id != parsed_event({**self.RECORD, "to_user_id": "known-2"}).event_id
        assert parsed_event({**self.RECORD, "event_id": "e"}).event_id == "e"

    def test_addresses_become_the_pseudonyms_that_events_have(self) -> None:
        found = parsed_event({**self.RECORD, "from_user_id": "ada@example.com"})
        other = parsed_event(
            {
                "type": "custom",
                "event_id": "c",
                "time": "2025-10-09T09:00:00Z",
                "name": "n",
                "user_id": "ada@example.com",
            }
        )
        assert found.user_id == other.user_id != "ada@example.com"

    @pytest.mark.parametrize(
        ("changes", "expected"),
        [
            ({"from_user_id": None}, ("missing_field", "from_user_id")),
            ({"to_user_id": ""}, ("placeholder_user_id", "to_user_id")),
            ({"to_user_id": "guest"}, ("placeholder_user_id", "to_user_id")),
            ({"to_user_id": 1.5}, ("invalid_type", "to_user_id")),
            ({"to_user_id": "anon-9"}, ("invalid_value", "to_user_id")),
            ({"from_user_id": "x" * 129}, ("invalid_value", "from_user_id")),
            ({"time": None}, ("missing_field", "time")),
        ],
    )
    def test_refusals(self, changes: dict[str, Any], expected: tuple[str, str]) -> None:
        assert verdict({**self.RECORD, **changes}) == expected

    def test_numbers_are_ids_too(self) -> None:
        assert parsed_event({**self.RECORD, "to_user_id": 77}).attributes == '{"to_user_id":"77"}'


class TestAliases:
    def test_chains_end_where_the_last_merge_leads(self) -> None:
        aliases = Aliases()
        assert aliases.moves([("a", "b")]) == {"a": "b"}
        assert aliases.moves([("b", "c"), ("a", "d")]) == {"b": "d", "c": "d"}
        assert [aliases.canonical(user) for user in "abcde"] == ["d", "d", "d", "d", "e"]

    def test_what_is_one_already_moves_nothing(self) -> None:
        aliases = Aliases()
        aliases.moves([("a", "b"), ("b", "c")])
        assert aliases.moves([("a", "c"), ("c", "a")]) == {}

    def test_a_layer_changes_nothing_below(self) -> None:
        below = Aliases()
        below.moves([("a", "b")])
        above = Aliases(below)
        assert above.moves([("b", "c")]) == {"b": "c"}
        assert (above.canonical("a"), below.canonical("a"), len(above), len(below)) == ("c", "b", 2, 1)

    @given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef"))))
    def test_people_are_the_connected_ids(self, merges: list[tuple[str, str]]) -> None:
        aliases = Aliases()
        aliases.moves((user, other) for user, other in merges if not aliases.closes_circle(user, other))
        people = People(merges)
        for one in "abcdef":
            for other in "abcdef":
                same = aliases.canonical(one) == aliases.canonical(other)
                assert same == (people.person(one) == people.person(other))


def write(house: House, *events: Event) -> Any:
    (outcome,) = house.committer.write([house.batch(events)])
    return outcome


def people(house: House, owner: str = "w", **bounds: int) -> dict[str, str]:
    """Event id → the user that questions see, merges left out."""
    question = parse_question("test", "SELECT event_id, user_id FROM {{events}} WHERE type != 'user_merge'")
    with patch.object(engine_module, "load_question", lambda _: question):
        found = house.engine.ask("test", owner, **bounds)
    assert len(found) == len({name for name, _ in found}), "an event counts twice"
    return dict(found)


@pytest.fixture
def house(engine: Engine, clock: FixedClock) -> House:
    return House(engine, clock)


@pytest.mark.slow
def test_a_merge_gives_all_events_to_one_user(house: House) -> None:
    write(house, event("a", user_id="anon"), event("b", user_id="known"), event("c", user_id="other"))
    outcome = write(house, merge("anon", "known"))
    assert (outcome.accepted, outcome.rejected) == (1, {})
    assert people(house) == {"a": "known", "b": "known", "c": "other"}


@pytest.mark.slow
def test_many_users_on_both_shards(house: House) -> None:
    write(house, *(event(f"e{number}", user_id=f"u{number}") for number in range(40)))
    write(house, *(merge(f"u{number}", f"u{number % 5}") for number in range(5, 40)))
    assert people(house) == {f"e{number}": f"u{number % 5}" for number in range(40)}


@pytest.mark.slow
@pytest.mark.parametrize("reopened", [False, True])
def test_late_events_of_the_merged_id_go_to_the_other_one(house: House, reopened: bool) -> None:
    write(house, event("a", user_id="anon"), merge("anon", "known"), event("b", user_id="anon"))
    if reopened:
        house.reopen()
    write(house, event("c", user_id="anon"))
    assert people(house) == {"a": "known", "b": "known", "c": "known"}


@pytest.mark.slow
def test_chains_in_one_group_and_in_several(house: House) -> None:
    write(house, event("a", user_id="a"), event("b", user_id="b"), event("c", user_id="c"), event("d", user_id="d"))
    write(house, merge("a", "b"), merge("b", "c"))
    assert people(house) == {"a": "c", "b": "c", "c": "c", "d": "d"}
    write(house, merge("c", "d"))
    assert set(people(house).values()) == {"d"}
    write(house, event("late", user_id="a"))
    assert people(house)["late"] == "d"


@pytest.mark.slow
def test_circles_are_refused_and_repetitions_are_not(house: House) -> None:
    write(house, event("a", user_id="a"), event("b", user_id="b"))
    assert write(house, merge("a", "b")).accepted == 1
    assert write(house, merge("a", "b")).duplicates == {0}
    assert write(house, merge("a", "b", "again")).accepted == 1
    outcome = write(house, merge("b", "a"), merge("b", "c"), merge("c", "a"))
    assert {row: problem.type for row, problem in outcome.rejected.items()} == {0: "merge_circle", 2: "merge_circle"}
    assert set(people(house).values()) == {"c"}


@pytest.mark.slow
def test_an_event_that_came_under_both_ids_counts_once(house: House) -> None:
    write(house, event("a", user_id="anon"))
    assert write(house, event("a", user_id="known")).duplicates == {0}
    write(house, merge("anon", "known"))
    assert people(house) == {"a": "known"}


@pytest.mark.slow
def test_a_merge_of_the_future_is_known_before_its_events(house: House) -> None:
    write(house, merge("anon", "known"))
    write(house, event("a", user_id="anon"))
    assert people(house) == {"a": "known"}


@pytest.mark.slow
def test_a_rehearsal_merges_nothing(house: House) -> None:
    write(house, event("a", user_id="anon"))
    house.committer.write([house.batch([merge("anon", "known")])], rehearsal=True)
    assert people(house) == {"a": "anon"}
    assert house.marks.read("w").through is None


@pytest.mark.slow
def test_workspaces_keep_their_users_apart(house: House) -> None:
    other = workspace("v")
    house.committer.write([house.batch([event("a", user_id="anon")]), house.batch([event("a", user_id="anon")], other)])
    write(house, merge("anon", "known"))
    house.committer.write([house.batch([event("b", user_id="anon")], other)])
    assert set(people(house, "v").values()) == {"anon"}


class Crash(Exception):
    """The process ends here."""


class Failing:
    """A log, or marks, that end the process before or after one step."""

    def __init__(self, inner: Any, step: str, *, after: bool, error: type[Exception]) -> None:
        self._inner = inner
        self._step = step
        self._after = after
        self._error = error
        self.armed = 0
        """The step fails when it is taken for this time."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if name != self._step:
            return found

        def step(*arguments: Any) -> Any:
            self.armed -= 1
            if self.armed == 0 and not self._after:
                raise self._error("before " + name)
            result = found(*arguments)
            if self.armed == 0:
                raise self._error("after " + name)
            return result

        return step


def broken(house: House, step: str, *, after: bool, error: type[Exception]) -> Callable[[int], None]:
    """Let a step of the house fail once; returns the trigger, which is told when."""
    log = Failing(house.log, step, after=after, error=error)
    marks = Failing(house.marks, step, after=after, error=error)
    house.merges._log, house.merges._marks, house.committer._log = log, marks, log

    def arm(time: int) -> None:
        log.armed = marks.armed = time

    return arm


@pytest.mark.slow
@pytest.mark.parametrize("restart", [True, False], ids=["restart", "same process"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("step", "time"), STEPS)
@pytest.mark.parametrize("first", [True, False], ids=["first merge", "later merge"])
def test_no_step_loses_or_doubles_anything(
    engine: Engine, clock: FixedClock, step: str, time: int, after: bool, restart: bool, first: bool
) -> None:
    house = House(engine, clock)
    names = [f"e{number}" for number in range(12)]
    write(house, *(event(name, user_id=f"u{number % 6}") for number, name in enumerate(names)))
    if not first:
        write(house, merge("u5", "u0"))
    before = people(house)
    arm = broken(house, step, after=after, error=Crash if restart else EngineUnavailable)
    arm(time)
    attempt = (merge("u1", "u2"), merge("u2", "u3"), event("new", user_id="u1"))
    with pytest.raises((Crash, EngineUnavailable)):
        write(house, *attempt)
    seen = people(house)
    merged = {**before, **{name: "u3" for name, user in before.items() if user in ("u1", "u2")}, "new": "u3"}
    assert seen in (before, {**before, "new": "u3"}, merged)
    if restart:
        house.reopen()
        house.committer.prepare("w")
    # Somebody else writes before the sender tries again.
    write(house, event("between", user_id="u1"))
    write(house, *attempt)
    assert people(house) == {**merged, "between": "u3"}


@pytest.mark.slow
def test_a_merge_that_the_store_finished_late_is_in_effect_when_it_is_repeated(house: House) -> None:
    write(house, event("a", user_id="anon"))
    lost = house.batch([merge("anon", "known")])
    columns = {name: lost.columns[name] for name in lost.columns.column_names}
    sequence = house.ledger.next_sequence(["w"])
    write(house, merge("x", "y"))  # another one is complete when the store is done with it
    house.log.append_events({**columns, "sequence": [sequence]})
    house.ledger.doubt(lost, np.array([True]))
    assert people(house) == {"a": "anon"}
    assert write(house, merge("anon", "known")).duplicates == {0}
    assert people(house) == {"a": "known"}


@pytest.mark.slow
def test_what_was_seen_up_to_a_sequence_does_not_change(house: House, clock: FixedClock) -> None:
    write(house, event("a", user_id="a"), event("b", user_id="b"))
    seen = []
    for number, name in enumerate("cde"):
        clock.advance(1)
        write(house, merge("ab"[number % 2] if number < 2 else "c", name), event(name, user_id="a"))
        mark = house.log.last_sequence("w")
        seen.append((mark, people(house, as_of=mark)))
    assert [people(house, as_of=mark) for mark, _ in seen] == [found for _, found in seen]
    assert seen[0][1] == {"a": "c", "b": "b", "c": "c"}
    assert people(house) == {"a": "e", "b": "d", "c": "e", "d": "e", "e": "e"}


@pytest.mark.slow
def test_a_refused_atomic_request_merges_nobody(house: House) -> None:
    refused = house.batch([merge("a", "b"), merge("b", "a")], atomic=True)
    other = house.batch([merge("b", "a", "other")])
    outcomes = house.committer.write([refused, other])
    assert [outcome.accepted for outcome in outcomes] == [0, 1]
    assert {row: problem.type for row, problem in outcomes[0].rejected.items()} == {1: "merge_circle"}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_any_order_and_repetition_gives_the_same_people(house: House, clock: FixedClock, seed: int) -> None:
    random = Random(seed)
    users = [f"u{number}" for number in range(6)]
    pairs = [tuple(random.sample(users, 2)) for _ in range(random.randint(1, 5))]
    acts = [event(f"e{number}", user_id=random.choice(users)) for number in range(10)]
    said = {act.event_id: act.user_id for act in acts}
    for attempt in range(3):
        owner = workspace(f"w{attempt}")
        facts = [*acts, *(merge(user, other) for user, other in pairs)]
        facts += random.sample(facts, len(facts) // 3)
        random.shuffle(facts)
        while facts:
            clock.advance(1)
            size = random.randint(1, 5)
            house.committer.write([house.batch(facts[:size], owner)])
            facts = facts[size:]
            if random.random() < 0.2:
                house.reopen()
        found = people(house, owner.id)
        expected = People(pairs)
        assert found.keys() == said.keys()
        for one, user in said.items():
            for other, person in said.items():
                assert (found[one] == found[other]) == (expected.person(user) == expected.person(person))


@pytest.fixture
def metadata(postgres_url: str) -> Iterator[Metadata]:
    opened = open_metadata(postgres_url)
    yield opened
    opened.close()


@pytest.fixture
def writers(cluster_engine: Engine, clock: FixedClock, metadata: Metadata) -> list[House]:
    """Two processes that share marks and locks."""
    campaigns, first = Campaigns(), House(cluster_engine, clock)
    return [House(cluster_engine, clock, campaigns, WorkspaceLocks(metadata), first.marks) for _ in range(2)]


@pytest.mark.slow
def test_writers_know_what_the_other_merged(writers: list[House]) -> None:
    one, other = writers
    write(one, event("a", user_id="anon"))
    write(other, event("b", user_id="known"))
    write(one, merge("anon", "known"))
    write(other, event("c", user_id="anon"), merge("known", "person"))
    write(one, event("d", user_id="anon"))
    assert set(people(one).values()) == {"person"}


@pytest.mark.slow
def test_a_writer_finishes_what_the_other_left_behind(writers: list[House]) -> None:
    one, other = writers
    write(other, event("a", user_id="anon"), event("b", user_id="known"))
    broken(one, "copy_users", after=True, error=Crash)(1)
    with pytest.raises(Crash):
        write(one, merge("anon", "known"))
    assert people(other) == {"a": "anon", "b": "known"}
    write(other, event("c", user_id="anon"))  # nobody has been told of the merge yet
    assert write(other, merge("anon", "known")).duplicates == {0}
    assert set(people(other).values()) == {"known"}
    assert set(people(other)) == {"a", "b", "c"}


@pytest.mark.slow
def test_a_new_merge_first_finishes_older_ones(writers: list[House]) -> None:
    one, other = writers
    write(other, event("a", user_id="a"), event("b", user_id="b"), event("c", user_id="c"))
    broken(one, "append_aliases", after=False, error=Crash)(1)
    with pytest.raises(Crash):
        write(one, merge("a", "b"))
    write(other, merge("b", "c"))
    assert set(people(other).values()) == {"c"}


@pytest.mark.slow
def test_events_that_the_store_finished_late_are_taken_along(house: House, clock: FixedClock) -> None:
    write(house, event("a", user_id="anon"), event("b", user_id="known"), merge("anon", "known"))
    clock.advance(1)
    late = house.batch([event("late", user_id="anon")])
    sequence = house.ledger.next_sequence(["w"])
    columns = {name: late.columns[name] for name in late.columns.column_names}
    house.log.append_events({**columns, "sequence": [sequence]})
    assert "late" not in people(house)
    house.reopen()
    house.committer.prepare("w")
    assert people(house) == {"a": "known", "b": "known", "late": "known"}
    house.reopen()
    house.committer.prepare("w")
    assert len(people(house)) == 3


def test_marks_are_kept_with_the_workspace(tmp_path: Path, clock: FixedClock) -> None:
    metadata = open_metadata(f"sqlite:///{tmp_path}/metadata.db")
    migrate(metadata.engine)
    seen: list[int | None] = []
    service = WorkspaceService(
        metadata,
        MasterKey("k" * 32),
        clock,
        noticed=lambda found: seen.append(found.merged_through),
    )
    created = service.create("Shop", id="merging")
    marks = StoredMergeMarks(metadata)
    assert marks.read("merging") == Mark()
    first = service.authenticate("merging", created.ingest_key)
    marks.write("merging", Mark(7, begun=True))
    second = service.authenticate("merging", created.ingest_key)
    stored = marks.read("merging")
    metadata.close()
    assert stored == Mark(7, begun=True)
    assert first is not None and second is not None
    assert (first.workspace.merged_through, second.workspace.merged_through, seen[-1]) == (None, 7, 7)
