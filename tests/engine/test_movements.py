"""What a process knows about its own writes."""

from __future__ import annotations

import pyarrow as pa
import pytest

from campanile.engine import movements
from campanile.engine.movements import Movements


def rows(*names: tuple[str, str], sequence: int = 1) -> pa.Table:
    workspaces, campaigns = zip(*names, strict=True)
    sequences = range(sequence, sequence + len(names))
    return pa.table({"workspace_id": list(workspaces), "campaign_id": list(campaigns), "sequence": list(sequences)})


def test_a_write_moves_the_campaigns_it_names() -> None:
    known = Movements()
    moment = known.moment
    with known.writing(rows(("w", "a"), ("w", "b"), ("w", "a"), ("x", "c"))):
        pass
    moved = {
        (workspace, name): known.moved_since(moment, workspace, [name]) for workspace in ("w", "x") for name in "abc"
    }
    assert {name for name, value in moved.items() if value} == {("w", "a"), ("w", "b"), ("x", "c")}
    assert known.moved_since(moment, "w", ["c", "a"])
    assert not known.moved_since(known.moment, "w", ["a", "b"])
    assert not known.moved_since(moment, "w", [])


def test_what_was_read_during_a_write_is_moved_by_its_end() -> None:
    known = Movements()
    with known.writing(rows(("w", "a"))):
        during = known.moment
        assert not known.moved_since(during, "w", ["a"])
    assert known.moved_since(during, "w", ["a"])


def test_a_write_that_fails_moves_as_well() -> None:
    known = Movements()
    with pytest.raises(RuntimeError), known.writing(rows(("w", "a"))):
        during = known.moment
        raise RuntimeError
    assert known.moved_since(during, "w", ["a"])


def test_rows_without_campaigns_move_their_workspaces() -> None:
    known = Movements()
    moment = known.moment
    with known.writing(pa.table({"workspace_id": ["w", "w"]})):
        pass
    assert known.moved_since(moment, "w", ["a"])
    assert not known.moved_since(moment, "x", ["a"])


def test_changes_of_unknown_extent() -> None:
    known = Movements()
    moment = known.moment
    with known.changing("w"):
        during = known.moment
    assert known.moved_since(during, "w", ["a"])
    assert not known.moved_since(moment, "x", ["a"])
    with known.changing():
        during = known.moment
    assert known.moved_since(during, "x", ["a"])
    assert not known.moved_since(known.moment, "x", ["a"])


def test_forgetting_moves_everything_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(movements, "REMEMBERED_CAMPAIGNS", 3)
    known = Movements()
    with known.writing(rows(("w", "a"))):
        pass
    moment = known.moment
    with known.writing(rows(*(("w", name) for name in "bcd"))):
        pass
    assert known.moved_since(moment, "x", ["z"])
    assert not known.moved_since(known.moment, "w", ["a"])


def test_a_workspace_is_touched_by_any_of_its_campaigns() -> None:
    known = Movements()
    moment = known.moment
    with known.writing(rows(("w", "a"))):
        during = known.moment
    assert known.touched_since(during, "w")
    assert not known.touched_since(moment, "x")
    assert not known.replaced_since(moment)
    with known.changing("x"):
        pass
    assert known.touched_since(moment, "x")
    assert not known.replaced_since(moment)
    with known.changing():
        during = known.moment
    assert known.replaced_since(during)
    assert known.touched_since(during, "y")
    assert not known.replaced_since(known.moment)


def test_events_without_a_campaign_are_known_by_their_names() -> None:
    known = Movements()
    moment = known.moment
    with known.writing(
        pa.table({"workspace_id": ["w", "w"], "campaign_id": ["", "a"], "name": ["order placed", "a campaign's own"]})
    ):
        pass
    assert known.moved_since(moment, "w", [], ["order placed"])
    assert known.moved_since(moment, "w", [""])
    assert not known.moved_since(moment, "w", [], ["something else", "a campaign's own"])
    assert not known.moved_since(moment, "x", [], ["order placed"])
    assert known.moved_since(moment, "w", ["a"], ["something else"])


def test_what_can_be_seen_for_good_ends_before_the_writes_that_are_under_way() -> None:
    known = Movements()
    assert known.sight("w") == (known.moment, 0)
    with known.writing(rows(("w", "a"), ("w", "b"), sequence=5)):
        assert known.sight("w") == (known.moment, 4)
        assert known.sight("x") == (known.moment, 0)
    assert known.sight("w") == (known.moment, 6)
    with known.writing(rows(("w", "a"), sequence=7)), known.writing(rows(("w", "a"), sequence=8)):
        assert known.sight("w") == (known.moment, 6)
    with known.changing("w"):
        assert known.sight("w") is None, "nobody knows where"
    with known.changing():
        assert known.sight("w") is None
    assert known.sight("w") == (known.moment, 0), "not known any more"


def test_nothing_is_seen_for_good_while_a_write_is_overtaken() -> None:
    known = Movements()
    with known.writing(rows(("w", "a"), sequence=1)):
        with known.writing(rows(("w", "a"), sequence=2)):
            pass
        assert known.sight("w") is None
    assert known.sight("w") == (known.moment, 2)


def test_a_write_below_what_was_there_is_noticed() -> None:
    known = Movements()
    with known.writing(rows(("w", "a"), sequence=5)):
        pass
    moment = known.moment
    with known.writing(rows(("w", "a"), sequence=6)):
        assert known.ordered_since(moment, "w")
    assert known.ordered_since(moment, "w")
    with known.writing(rows(("w", "b"), sequence=6)):
        assert not known.ordered_since(moment, "w")
    assert not known.ordered_since(moment, "w")
    assert known.ordered_since(moment, "x")
    assert known.ordered_since(known.moment, "w")
    for change in (known.changing("w"), known.changing(), known.writing(pa.table({"workspace_id": ["w"]}))):
        moment = known.moment
        with change:
            pass
        assert not known.ordered_since(moment, "w")


def test_what_was_there_before_is_learnt() -> None:
    known = Movements()
    assert known.found("w", 10)
    assert not known.found("w", 10)
    assert known.sight("w") == (known.moment, 10)
    moment = known.moment
    with known.writing(rows(("w", "a"), sequence=9)):
        assert not known.ordered_since(moment, "w")
        assert known.sight("w") is None
