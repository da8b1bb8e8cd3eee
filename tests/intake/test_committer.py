"""What a group does to the log: every fact once, whoever sends it, however often, in whatever company."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from campanile.clock import FixedClock
from campanile.engine import Engine
from campanile.errors import EngineUnavailable, Unavailable
from campanile.intake import committer
from campanile.intake.committer import Outcome
from campanile.intake.event import EVENT_COLUMNS
from campanile.intake.keys import event_key, message_key
from tests.intake.worlds import (
    CAMPAIGN,
    NOW,
    OTHER_CAMPAIGN,
    Campaigns,
    House,
    campaign,
    event,
    message,
    rows,
    stored_ids,
    workspace,
)


@pytest.fixture
def house(chdb_engine: Engine, clock: FixedClock) -> House:
    return House(chdb_engine, clock)


def write(house: House, *events: object, atomic: bool = False) -> Outcome:
    return house.committer.write([house.batch(events, atomic=atomic)])[0]  # type: ignore[arg-type]


def test_every_field_arrives(house: House) -> None:
    full = event(
        "e-1", type="conversion", ts=NOW - timedelta(seconds=1, milliseconds=7), platform="EMAIL", locale="en",
        variation="variation_1", instance_id="i-1", device_id="d-1", reason="unknown_error", reason_detail="detail",
        step="after_fc", machine=True, name="purchase", goal="Goal 1", attribution="CLICK_THROUGH",
        revenue=Decimal("-12.3456"), currency="EUR", provider="ses", message_id="m-1", transport="sms",
        source="push_amplification", device_platform="IOS", flow_id="f-1", link="https://example.com/", link_id="l-1",
        attributes='{"a":1}',
    )  # fmt: skip
    write(house, full)
    names = (*EVENT_COLUMNS, "workspace_id", "event_key", "message_key", "sequence", "received_at")
    (stored,) = rows(house.engine, ", ".join(names))
    values = dict(zip(names, stored, strict=True))
    assert {name: values[name] for name in EVENT_COLUMNS} == {name: getattr(full, name) for name in EVENT_COLUMNS}
    assert values["workspace_id"] == "w"
    assert values["event_key"] == int.from_bytes(event_key("e-1"), "little")
    assert values["message_key"] == 0  # conversions may repeat
    assert values["received_at"] == NOW
    assert values["sequence"] == NOW.timestamp() * 1e6


def test_the_natural_key_is_stored(house: House) -> None:
    sent = message("e-1")
    write(house, sent)
    assert rows(house.engine, "message_key") == [(int.from_bytes(message_key(sent), "little"),)]


def test_new_events_are_accepted(house: House) -> None:
    outcome = write(house, event("a"), event("b"))
    assert (outcome.accepted, outcome.duplicates, outcome.rejected) == (2, frozenset(), {})
    assert stored_ids(house.engine) == ["a", "b"]


def test_a_repeated_batch_changes_nothing(house: House) -> None:
    write(house, event("a"), event("b"))
    outcome = write(house, event("a"), event("b"), event("c"))
    assert (outcome.accepted, outcome.duplicates) == (1, {0, 1})
    assert stored_ids(house.engine) == ["a", "b", "c"]


def test_the_first_copy_stays_whatever_comes_later(house: House) -> None:
    write(house, event("a", user_id="first"))
    house.clock.advance(60)
    assert write(house, event("a", user_id="second", ts=NOW - timedelta(days=50))).duplicates == {0}
    assert rows(house.engine, "event_id, user_id") == [("a", "first")]


def test_identical_copies_in_one_group_are_one(house: House) -> None:
    first, second = house.committer.write([house.batch([event("a"), event("a")]), house.batch([event("a")])])
    assert (first.accepted, len(first.duplicates), first.conflicting) == (1, 1, 0)
    assert (second.accepted, second.duplicates, second.conflicting) == (0, {0}, 0)
    assert rows(house.engine, "event_id", source="raw_events") == [("a",)]


@pytest.mark.parametrize("order", [("u-1", "u-2"), ("u-2", "u-1")])
def test_of_conflicting_copies_received_at_once_the_smallest_counts(house: House, order: tuple[str, str]) -> None:
    first, second = house.committer.write([house.batch([event("a", user_id=user)]) for user in order])
    assert rows(house.engine, "user_id") == [("u-1",)]
    winner, loser = (first, second) if order[0] == "u-1" else (second, first)
    assert (winner.accepted, winner.conflicting) == (1, 0)
    assert (loser.duplicates, loser.conflicting) == ({0}, 1)


def test_of_conflicting_copies_in_one_group_the_one_received_first_counts(house: House) -> None:
    early = house.batch([event("a", user_id="u-2")])
    house.clock.advance(0.001)
    late = house.batch([event("a", user_id="u-1")])
    house.committer.write([late, early])
    assert rows(house.engine, "user_id") == [("u-2",)]


def test_an_id_belongs_to_its_workspace(house: House) -> None:
    owners = [workspace("w"), workspace("v")]
    outcomes = house.committer.write([house.batch([event("a")], owner) for owner in owners])
    assert [outcome.accepted for outcome in outcomes] == [1, 1]
    assert stored_ids(house.engine, "w") == stored_ids(house.engine, "v") == ["a"]
    house.reopen()
    assert write(house, event("a")).duplicates == {0}


def test_a_message_happens_once_whoever_reports_it(house: House) -> None:
    assert write(house, message("own")).accepted == 1
    assert write(house, message("webhook")).duplicates == {0}
    house.reopen()
    assert write(house, message("webhook-again"), message("own")).duplicates == {0, 1}
    assert stored_ids(house.engine) == ["own"]


def test_a_message_happens_once_within_a_group(house: House) -> None:
    outcomes = house.committer.write([house.batch([message("own")]), house.batch([message("webhook"), message("own")])])
    assert sum(outcome.accepted for outcome in outcomes) == 1
    assert sum(outcome.conflicting for outcome in outcomes) == 0  # two reports of one fact contradict nothing
    assert len(stored_ids(house.engine)) == 1


def test_other_messages_are_others(house: House) -> None:
    write(
        house, message("a"), message("b", type="delivered"), message("c", message_id="m-2"), message("d", user_id="x")
    )
    write(house, message("e", transport="sms"), message("f", provider="apns"), message("g", device_id="d"))
    assert stored_ids(house.engine) == list("abcdefg")


def test_a_refused_copy_does_not_stand_in_the_way_of_a_good_one(house: House) -> None:
    house.campaigns.stored["w", CAMPAIGN] = campaign(CAMPAIGN)
    outcome = write(house, event("a", channel="PUSH", platform="ANDROID"), event("a"))
    assert outcome.accepted == 1
    assert outcome.rejected[0].type == "campaign_conflict"
    assert rows(house.engine, "channel") == [("EMAIL",)]


def test_known_events_survive_a_restart(house: House) -> None:
    write(house, *(event(f"e-{number}") for number in range(50)))
    house.reopen()
    assert write(house, *(event(f"e-{number}") for number in range(40, 60))).accepted == 10
    assert len(stored_ids(house.engine)) == 60


def test_known_events_are_found_while_the_log_is_still_being_read(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(house, event("a"))
    house.reopen()
    monkeypatch.setattr(house.log, "event_words", _unavailable)
    assert write(house, event("a"), event("b")).duplicates == {0}
    assert write(house, event("a"), event("b"), event("c")).duplicates == {0, 1}


def test_more_events_than_the_recent_keys_hold(house: House) -> None:
    house.recent_keys = 16
    house.reopen()
    for start in range(0, 100, 20):
        write(house, *(event(f"e-{number}") for number in range(start, start + 20)))
    assert write(house, *(event(f"e-{number}") for number in range(100))).accepted == 0
    assert len(rows(house.engine, "event_id", source="raw_events")) == 100


def test_sequences_grow_even_if_the_clock_does_not(house: House) -> None:
    write(house, event("a"))
    write(house, event("b"))
    house.clock.advance(-3600)
    house.reopen()
    write(house, event("c"))
    first, second, third = (row[1] for row in rows(house.engine, "event_id, sequence"))
    assert first < second < third


def test_an_unknown_campaign_is_registered(house: House) -> None:
    outcome = write(house, event("a", type="sent", locale="en"), event("b", ts=NOW), event("c", locale="de"))
    assert [(warning.code, warning.count) for warning in outcome.warnings] == [("campaign_auto_created", 1)]
    (hint,) = house.campaigns.hints
    assert (hint.campaign_id, hint.channel, hint.locales) == (CAMPAIGN, "EMAIL", {"en", "de"})
    assert (hint.first_at, hint.last_at, hint.sent_at) == (NOW - timedelta(hours=1), NOW, NOW - timedelta(hours=1))
    assert write(house, event("d")).warnings == ()


def test_duplicates_say_nothing_about_campaigns(house: House) -> None:
    write(house, event("a"))
    house.campaigns.hints.clear()
    write(house, event("a", campaign_id=OTHER_CAMPAIGN))
    assert house.campaigns.hints == []


def test_events_of_unknown_campaigns_are_refused_when_registration_is_off(house: House) -> None:
    (outcome,) = house.committer.write([house.batch([event("a")], workspace(auto_register_campaigns=False))])
    assert outcome.rejected[0].type == "unknown_campaign"
    assert stored_ids(house.engine) == []


def test_the_channel_comes_from_the_campaign(house: House) -> None:
    house.campaigns.stored["w", CAMPAIGN] = campaign(CAMPAIGN, "EMAIL")
    outcome = write(house, event("a", channel="", platform="IOS", locale="en"), event("b"))
    assert outcome.accepted == 2
    assert rows(house.engine, "event_id, channel, platform, device_platform, locale") == [
        ("a", "EMAIL", "EMAIL", "IOS", "en"),
        ("b", "EMAIL", "EMAIL", "", ""),
    ]


def test_without_any_channel_an_unknown_campaign_cannot_be_registered(house: House) -> None:
    assert write(house, event("a", channel="", platform="")).rejected[0].type == "unknown_campaign"


def test_contradictions_are_refused_one_by_one(house: House) -> None:
    outcome = write(
        house, event("a"), event("b", channel="SMS", platform="SMS"), event("c", parent_campaign_id=OTHER_CAMPAIGN),
        event("d", parent_campaign_id="68e0c0ffee00000000000003"), event("e", campaign_id="", channel=""),
    )  # fmt: skip
    assert {position: problem.type for position, problem in outcome.rejected.items()} == {
        1: "campaign_conflict",
        3: "campaign_conflict",
    }
    assert stored_ids(house.engine) == ["a", "c", "e"]


def test_values_beyond_the_limits_of_a_campaign_are_counted_under_other(chdb_engine: Engine, clock: FixedClock) -> None:
    house = House(chdb_engine, clock, Campaigns(locales=2))
    outcome = write(house, *(event(name, locale=name) for name in "abcd"))
    assert [(warning.code, warning.field, warning.count) for warning in outcome.warnings] == [
        ("campaign_auto_created", "campaign_id", 1),
        ("too_many_values", "locale", 2),
    ]
    assert rows(house.engine, "event_id, locale") == [("a", "a"), ("b", "b"), ("c", "other"), ("d", "other")]


def test_an_atomic_batch_is_stored_whole_or_not_at_all(house: House) -> None:
    house.campaigns.stored["w", CAMPAIGN] = campaign(CAMPAIGN)
    bad = event("b", channel="SMS", platform="SMS")
    outcome, other = house.committer.write(
        [house.batch([event("a"), bad], atomic=True), house.batch([event("a", user_id="z"), event("c")])]
    )
    assert (outcome.accepted, set(outcome.rejected)) == (0, {1})
    assert other.accepted == 2  # the refused batch takes nothing away from others
    assert write(house, event("b"), event("d"), atomic=True).accepted == 2
    assert stored_ids(house.engine) == ["a", "b", "c", "d"]


def _unavailable(*_: object, **__: object) -> None:
    raise EngineUnavailable("the store is away")


def test_a_failed_insert_is_not_acknowledged_and_not_remembered(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(house.engine, "append", _unavailable)
        with pytest.raises(EngineUnavailable):
            write(house, event("a"), message("b"))
    assert write(house, event("a"), message("b")).accepted == 2
    assert stored_ids(house.engine) == ["a", "b"]


def test_a_stored_insert_that_looked_failed_counts_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    append = house.engine.append

    def append_and_lose_the_answer(table: str, columns: dict[str, object]) -> None:
        append(table, columns)  # type: ignore[arg-type]
        _unavailable()

    with monkeypatch.context() as patch:
        patch.setattr(house.engine, "append", append_and_lose_the_answer)
        with pytest.raises(EngineUnavailable):
            write(house, event("a"), message("b"))
    outcome = write(house, event("a", user_id="other"), message("c"), event("d"))
    assert (outcome.accepted, outcome.duplicates) == (1, {0, 1})
    assert rows(house.engine, "event_id, user_id") == [("a", "u-1"), ("b", "u-1"), ("d", "u-1")]


def test_a_failed_lookup_refuses_the_group(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    write(house, event("a"))
    house.reopen()
    with monkeypatch.context() as patch:
        patch.setattr(house.engine, "ask", _unavailable)
        with pytest.raises(EngineUnavailable):
            write(house, event("a"))
    assert write(house, event("a")).duplicates == {0}


# --- groups in the event loop


def run(house: House, scenario: object) -> None:
    async def run_with_committer() -> None:
        house.committer.start()
        await scenario()  # type: ignore[operator]
        await house.committer.close()

    asyncio.run(run_with_committer())


def test_requests_of_a_moment_are_written_together(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[int] = []
    write_group = house.committer.write
    monkeypatch.setattr(house.committer, "write", lambda group: groups.append(len(group)) or write_group(group))

    async def scenario() -> None:
        outcomes = await asyncio.gather(*(house.committer.submit(house.batch([event(f"e-{n}")])) for n in range(20)))
        assert [outcome.accepted for outcome in outcomes] == [1] * 20

    run(house, scenario)
    assert sum(groups) == 20
    assert len(groups) <= 2
    assert len(stored_ids(house.engine)) == 20


def test_a_group_waits_for_what_is_being_read(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[int] = []
    write_group = house.committer.write
    monkeypatch.setattr(house.committer, "write", lambda group: groups.append(len(group)) or write_group(group))
    monkeypatch.setattr(committer, "EXPECTED_SECONDS", 30.0)

    async def reading(number: int, done: asyncio.Event) -> Outcome:
        with house.committer.expecting():
            await done.wait()
        return await house.committer.submit(house.batch([event(f"e-{number}")]))

    async def scenario() -> None:
        done = [asyncio.Event() for _ in range(3)]
        requests = [asyncio.ensure_future(reading(number, each)) for number, each in enumerate(done)]
        done[0].set()
        finished, _ = await asyncio.wait(requests, timeout=0.2)
        assert not finished
        done[1].set()
        requests[2].cancel()  # its body cannot be read: nobody waits for it any more
        finished, _ = await asyncio.wait(requests)
        assert len(finished) == 3

    run(house, scenario)
    assert groups == [2]


def test_a_group_waits_no_longer_than_it_has_to(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(committer, "EXPECTED_SECONDS", 0.01)

    async def scenario() -> None:
        with house.committer.expecting():
            outcome = await house.committer.submit(house.batch([event("a")]))
        assert outcome.accepted == 1

    run(house, scenario)


def test_a_group_is_bounded(chdb_engine: Engine, clock: FixedClock, monkeypatch: pytest.MonkeyPatch) -> None:
    house = House(chdb_engine, clock, commit_rows=2)
    groups: list[int] = []
    write_group = house.committer.write
    monkeypatch.setattr(
        house.committer, "write", lambda group: groups.append(sum(map(len, group))) or write_group(group)
    )

    async def scenario() -> None:
        batches = [house.batch([event(f"{n}-{i}") for i in range(4)]) for n in range(6)]
        large = house.batch([event(f"large-{i}") for i in range(30)])
        await asyncio.gather(*(house.committer.submit(batch) for batch in [*batches, large]))

    run(house, scenario)
    assert max(groups) == 30  # one request is never split
    assert sorted(groups)[-2] <= 10
    assert sum(groups) == 54


def test_a_failure_reaches_every_request_of_the_group_and_the_next_group_passes(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(house.engine, "append", _unavailable)
            results = await asyncio.gather(
                *(house.committer.submit(house.batch([event(f"e-{n}")])) for n in range(5)), return_exceptions=True
            )
        assert [type(result) for result in results] == [EngineUnavailable] * 5
        outcome = await house.committer.submit(house.batch([event(f"e-{n}") for n in range(5)]))
        assert outcome.accepted == 5

    run(house, scenario)


def test_a_defect_of_one_request_stays_its_own(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    register = house.registrar.register

    def choke(group: list[object], open_: object, **options: bool) -> object:
        if any("poison" in batch.event_id(0) for batch in group):  # type: ignore[attr-defined]
            raise ZeroDivisionError
        return register(group, open_, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(house.registrar, "register", choke)

    async def scenario() -> None:
        good, bad, other = await asyncio.gather(
            *(house.committer.submit(house.batch([event(name)])) for name in ("a", "poison", "b")),
            return_exceptions=True,
        )
        assert isinstance(bad, ZeroDivisionError)
        assert good.accepted == other.accepted == 1  # type: ignore[union-attr]

    run(house, scenario)
    assert stored_ids(house.engine) == ["a", "b"]


def test_a_caller_that_went_away_harms_nobody(house: House) -> None:
    async def scenario() -> None:
        leaving = asyncio.ensure_future(house.committer.submit(house.batch([event("a")])))
        staying = asyncio.ensure_future(house.committer.submit(house.batch([event("b")])))
        await asyncio.sleep(0)
        leaving.cancel()
        assert (await staying).accepted == 1

    run(house, scenario)
    assert "b" in stored_ids(house.engine)


def test_closing_writes_what_waits_and_takes_no_more(house: House) -> None:
    async def scenario() -> None:
        house.committer.start()
        waiting = [asyncio.ensure_future(house.committer.submit(house.batch([event(f"e-{n}")]))) for n in range(3)]
        await asyncio.sleep(0)
        await house.committer.close()
        assert [(await item).accepted for item in waiting] == [1, 1, 1]
        with pytest.raises(Unavailable) as refusal:
            await house.committer.submit(house.batch([event("late")]))
        assert refusal.value.error_type == "shutting_down"

    asyncio.run(scenario())
    assert stored_ids(house.engine) == ["e-0", "e-1", "e-2"]
