"""From counts to verdicts, without a store."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from campanile.experiments.results import MOST_VARIATIONS, experiment
from campanile.experiments.schemas import Effect
from campanile.experiments.statistics import CLUSTERED
from tests.experiments.counted import EVERYBODY, GROUP, LATER, answer, counts

SENT, HELD = ("", ""), (GROUP, "")


def effect(sent: tuple[int, int], held: tuple[int, int], **options: int) -> Effect:
    found = answer({SENT: sent[1], HELD: held[1]}, {SENT: sent[0], HELD: held[0]}, **options)
    return found.goals[0].control_groups[0].intention_to_treat


@pytest.mark.parametrize(
    ("sent", "held", "verdict", "words"),
    [
        ((800, 8000), (100, 2000), "better", "10.00 % against 5.00 %"),
        ((400, 8000), (200, 2000), "worse", "does harm"),
        ((404, 8000), (100, 2000), "no_difference", "No difference"),
        ((40, 400), (5, 99), "insufficient_data", "Not enough data yet"),
        ((40, 400), (0, 0), "no_control_group", "Nobody was held out"),
        ((0, 0), (5, 100), "nobody_reached", "reached nobody"),
        ((800, 8000), (100, 1500), "sample_ratio_mismatch", "before you trust"),
    ],
)
def test_verdicts(sent: tuple[int, int], held: tuple[int, int], verdict: str, words: str) -> None:
    found = effect(sent, held)
    assert found.verdict == verdict
    assert words in found.explanation


def test_a_group_that_is_too_small_is_no_mismatch_without_a_declared_share() -> None:
    assert effect((800, 8000), (100, 1500), control_share=0).verdict == "better"


def test_a_group_that_is_drawn_anew_for_every_trigger_divides_nothing() -> None:
    """Held out at 20 % of five triggers each, two thirds are held out at some time, and nearly all get a message."""
    found = answer({SENT: 9_990, HELD: 6_720}, {}, in_both=6_710, pairs_in_both=6_710).control_groups[0]
    assert (found.sample_ratio.status, found.sample_ratio.basis) == ("not_checked", "drawn_again")
    assert found.cautions == ("people_in_both_groups",)
    with_instances = answer({SENT: 40_000, HELD: 10_000}, {}, in_both=6_710).control_groups[0]
    assert with_instances.sample_ratio.status == "as_declared"


def test_numbers_are_rounded_once() -> None:
    found = effect((1, 3), (1, 7))
    assert (found.treatment.rate, found.control.rate) == (33.33, 14.29)
    assert (found.difference, found.uplift) == (19.0476, 133.33)
    assert effect((0, 8000), (0, 2000)).p_value == 1.0


def test_a_winner_must_beat_all_declared_or_not() -> None:
    sizes = {SENT: 4000, ("", "b"): 2000, ("", "a"): 2000}
    test = answer(sizes, {("", "a"): 100, ("", "b"): 200}).goals[0].variations
    assert test is not None
    assert (test.verdict, test.winner) == ("winner", "b")
    assert [side.name for side in test.variations] == ["a", "b"]
    assert "b wins with 10.00 %" in test.explanation
    even = answer(sizes, {("", "a"): 100, ("", "b"): 105}).goals[0].variations
    assert even is not None
    assert (even.verdict, even.winner) == ("no_winner", None)


def test_a_broken_split_has_no_winner() -> None:
    details = {"manual_distribution_percentage": {"a": 40, "b": 40}}
    sizes = {SENT: 4000, ("", "a"): 1800, ("", "b"): 2200}
    found = answer(sizes, {("", "a"): 90, ("", "b"): 220}, details=details)
    test = found.goals[0].variations
    assert test is not None
    assert (test.verdict, test.winner) == ("sample_ratio_mismatch", None)
    assert found.variation_split is not None
    assert found.variation_split.status == "mismatch"
    assumed = answer(sizes, {("", "a"): 90, ("", "b"): 220}).goals[0].variations
    assert assumed is not None
    assert assumed.winner == "b"


def test_few_variations_are_no_test_and_many_are_cut() -> None:
    assert answer({SENT: 100, ("", "a"): 100}, {}).goals[0].variations is None
    sizes = {("", f"v{number}"): 1000 + number for number in range(MOST_VARIATIONS + 5)}
    test = answer({SENT: 30_000, **sizes}, {}).goals[0].variations
    assert test is not None
    assert [side.name for side in test.variations] == [f"v{number}" for number in range(5, MOST_VARIATIONS + 5)]


def test_both_control_groups_have_their_own_comparison() -> None:
    everybody = (EVERYBODY, "")
    found = answer(
        {SENT: 8000, HELD: 2000, everybody: 200},
        {SENT: 800, HELD: 100, everybody: 2},
        attributions=("VIEW_THROUGH", "IN_SESSION"),
    )
    assert [group.group for group in found.control_groups] == [GROUP, EVERYBODY]
    assert found.control_groups[1].sample_ratio.basis == "nothing_declared"
    first, second = found.goals[0].control_groups
    assert (first.intention_to_treat.control.size, second.intention_to_treat.control.size) == (2000, 200)
    assert [attributed.attribution for attributed in second.attributed] == ["VIEW_THROUGH", "IN_SESSION"]
    assert second.attributed[0].wire.uplift == 150.0


def test_groups_that_are_switched_off_and_empty_are_left_out() -> None:
    assert answer({SENT: 100}, {}, campaign_control_group=False).control_groups == ()
    assert len(answer({SENT: 100, HELD: 3}, {}, campaign_control_group=False).control_groups) == 1


def test_cautions() -> None:
    assert answer({SENT: 100}, {}).cautions == ()
    found = counts({SENT: 100}, {})
    assert experiment(found, datetime(2026, 3, 19, 8, 59, tzinfo=UTC)).cautions == ("windows_open",)
    assert experiment(found, datetime(2026, 3, 19, 9, tzinfo=UTC)).cautions == ()
    nobody = counts({}, {}, last_at=datetime(1970, 1, 1, tzinfo=UTC))
    assert experiment(nobody, LATER).settled_at == datetime(2026, 3, 19, tzinfo=UTC)
    repeated = answer({SENT: 1101, HELD: 100}, {}, people={"": int(1100 / CLUSTERED)})
    assert repeated.cautions == ("repeated_people",)
    assert repeated.control_groups[0].cautions == ()
    both = answer({SENT: 1000, HELD: 200}, {}, in_both=2).control_groups[0]
    assert (both.in_both, both.cautions) == (2, ())
    assert answer({SENT: 1000, HELD: 200}, {}, in_both=3).control_groups[0].cautions == ("people_in_both_groups",)
