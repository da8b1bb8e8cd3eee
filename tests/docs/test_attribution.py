"""The page on attribution shows the golden files as they are, and goals that the server understands."""

from __future__ import annotations

import json
import re

from campanile.attribution.conditions import read_condition
from tests.docs.attribution import PAGE, example, examples, renewed
from tests.oracle.attribution_cases import CASES, is_fixture


def test_the_page_is_current() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == renewed(page), "run python -m tests.docs.attribution"


def test_the_page_shows_examples_of_every_kind() -> None:
    shown = examples(PAGE.read_text(encoding="utf-8"))
    assert len(shown) == len(set(shown)) >= 20
    assert all(is_fixture(name) for name in shown)


def test_every_example_can_be_shown() -> None:
    for name in filter(is_fixture, CASES):
        text = example(CASES[name])
        assert text.count("\n| --- |") == 2, name
        assert "None" not in text and "Decimal" not in text, name


def test_goals_on_the_page_are_understood() -> None:
    (block,) = re.findall(r"^```json\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (goal,) = json.loads(block)["conversion_goal_details"]["goals"]
    assert read_condition(json.dumps(goal["goal_event_attribute"])) is not None
