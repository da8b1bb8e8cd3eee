"""Texts are said again only while everything they depend on is the same."""

from __future__ import annotations

from datetime import date

import pytest

from campanile.kit.times import window
from campanile.stats import spoken
from campanile.stats.spoken import Phrase, Spoken
from campanile.workspaces.schemas import WorkspaceSettings
from tests.stats.examples import campaign

DAY = date(2026, 3, 1)
PHRASE = Phrase("w", window(DAY, DAY, "UTC"), "VIEW_THROUGH", "TOTAL", "docs")
SETTINGS = WorkspaceSettings()
ONE = campaign("a")
STANDING = object()


def remembering(text: bytes = b"text") -> Spoken:
    known = Spoken()
    known.keep(PHRASE, ONE, SETTINGS, STANDING, text)
    return known


def test_the_same_question_while_all_stands_still() -> None:
    known = remembering()
    assert known.recall(PHRASE, ONE, SETTINGS, STANDING) == b"text"
    assert known.recall(PHRASE, campaign("a"), WorkspaceSettings(), STANDING) == b"text"


def test_whatever_differs_makes_another_text() -> None:
    known = remembering()
    assert known.recall(PHRASE, ONE, SETTINGS, object()) is None
    assert known.recall(PHRASE, ONE, SETTINGS, None) is None
    assert known.recall(PHRASE, campaign("a", name="other"), SETTINGS, STANDING) is None
    assert known.recall(PHRASE, campaign("b"), SETTINGS, STANDING) is None
    assert known.recall(PHRASE, ONE, WorkspaceSettings(goal_key="event"), STANDING) is None
    others = {
        "workspace_id": "x",
        "days": window(DAY, DAY, "Asia/Tokyo"),
        "attribution": "CLICK_THROUGH",
        "metric_type": "UNIQUE",
        "dialect": "live",
    }
    for name, value in others.items():
        assert known.recall(PHRASE._replace(**{name: value}), ONE, SETTINGS, STANDING) is None, name


def test_numbers_that_move_are_not_remembered() -> None:
    known = Spoken()
    known.keep(PHRASE, ONE, SETTINGS, None, b"text")
    assert known.recall(PHRASE, ONE, SETTINGS, STANDING) is None


def test_the_texts_used_longest_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spoken, "MEMORY_BYTES", 2 * (spoken.KEY_BYTES + 100))
    known = Spoken()
    first, second, third = campaign("a"), campaign("b"), campaign("c")
    for one in (first, second):
        known.keep(PHRASE, one, SETTINGS, STANDING, bytes(100))
    known.keep(PHRASE, first, SETTINGS, STANDING, bytes(100))
    known.keep(PHRASE, third, SETTINGS, STANDING, bytes(100))
    found = [known.recall(PHRASE, one, SETTINGS, STANDING) is not None for one in (first, second, third)]
    assert found == [True, False, True]
    monkeypatch.setattr(spoken, "LARGEST_TEXT_BYTES", 10)
    known.keep(PHRASE, second, SETTINGS, STANDING, bytes(11))
    assert known.recall(PHRASE, second, SETTINGS, STANDING) is None
