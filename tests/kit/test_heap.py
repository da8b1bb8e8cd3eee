"""The garbage collector after a server is ready."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from campanile.kit.heap import keep_what_there_is


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


class Ring:
    """Refers to itself: only the collector can tell that nobody needs it."""

    def __init__(self) -> None:
        self.itself = self


def test_what_there_is_is_looked_at_no_more() -> None:
    before = len(gc.get_objects())
    keep_what_there_is()
    assert gc.get_freeze_count() > 0
    assert len(gc.get_objects()) < before / 10


def test_what_comes_later_is_collected() -> None:
    keep_what_there_is()
    ring = Ring()
    gone = weakref.ref(ring)
    del ring
    gc.collect()
    assert gone() is None


def test_garbage_from_before_is_collected_first() -> None:
    ring = Ring()
    gone = weakref.ref(ring)
    del ring
    keep_what_there_is()
    assert gone() is None
