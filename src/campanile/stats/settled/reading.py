"""Reads integers: all of a target, or what the rows above its mark add to them.

What new rows of some users add is the integers of these users with them, less those without: integers add up over
users. Both come from one pass over the users' rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from campanile.engine import Engine
from campanile.stats.repository import stages_of
from campanile.stats.settled.batch import Batch, Fresh, Part
from campanile.stats.settled.entry import Integers, thresholds
from campanile.stats.settled.histories import Histories, cell_of

WIDE = {"UInt64": 8, "UInt128": 16, "UInt256": 32}
"""Days whose counts are the bytes of one number, by its type."""
MASK_DAYS = 64
"""Days that are bits of one number."""
SPREAD = 1000
"""In place of a threshold: pairs whose rows lie on several days."""

Rows = Mapping[int, Sequence[tuple[Any, ...]]]
"""By number of the part: (level, platform, locale, variation, thing, day, …)."""


class Reading:
    """One look at the log of a workspace, up to a sequence.

    Args:
        days: when the days start that have rows.
        horizon: milliseconds; what is further back is as good as never.
        through: everything above is left out.
    """

    def __init__(self, engine: Engine, workspace: str, days: Sequence[int], horizon: int, through: int | None) -> None:
        self._engine = engine
        self._workspace = workspace
        self._days = days
        self._horizon = horizon
        self._through = through

    def fresh(self, parts: Sequence[Part]) -> list[Fresh]:
        """Where the parts have rows above their marks."""
        batch = Batch(parts, self._days, self._horizon)
        return batch.fresh(self._engine.ask("settled_places", self._workspace, as_of=self._through, **batch.where()))

    def first(self, part: Part) -> Fresh:
        """The same of one part without a mark."""
        batch = Batch([part], self._days, self._horizon)
        (found,) = batch.fresh(self._engine.ask("settled_first", self._workspace, as_of=self._through, **batch.first()))
        return found

    def counts(self, parts: Sequence[Part]) -> Rows:
        """Metrics, with marks or without."""
        return self._ask("settled_counts", parts, range(len(parts)))

    def first_counts(self, parts: Sequence[Part]) -> Rows:
        """The same without marks, in the cheapest way that the number of days allows."""
        everyone = range(len(parts))
        wide = next((name for name, lanes in WIDE.items() if len(self._days) <= lanes), None)
        if wide is not None:
            lanes = [8 * place for place in range(len(self._days))]
            found = self._ask("settled_lanes", parts, everyone, wide=wide, lanes=lanes)
            if not any(row[-1] for rows in found.values() for row in rows):
                return found
        return self._masked(parts) if len(self._days) <= MASK_DAYS else self.counts(parts)

    def _masked(self, parts: Sequence[Part]) -> Rows:
        found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        everyone = range(len(parts))
        for number, rows in self._ask("settled_totals", parts, everyone).items():
            found[number] += [(*cell, day, day, total, 0) for *cell, day, total in rows]
        for number, rows in self._ask("settled_masks", parts, everyone, bits=list(range(len(self._days)))).items():
            found[number] += [(*cell, day, previous, 0, users) for *cell, day, previous, users in rows]
        return found

    def integers(
        self, parts: Sequence[Part], fresh: Sequence[Fresh], counts: Rows, known: Sequence[Integers] = ()
    ) -> list[Integers | None]:
        """What the rows above the marks add, per part; None where integers cannot tell.

        Args:
            fresh: where these rows are.
            counts: what they add to the metrics.
            known: integers without them; none where there are none.
        """
        failing = [number for number, each in enumerate(fresh) if each.sums.failures]
        converting = [number for number, each in enumerate(fresh) if each.conversions]
        failures = self._ask("settled_failures", parts, failing)
        attributed = self._ask("settled_attributed", parts, converting)
        revenue = self._ask("settled_revenue", parts, converting)
        found: list[Integers | None] = []
        for number, (part, each) in enumerate(zip(parts, fresh, strict=True)):
            depths: Histories[int] = Histories()
            had = sum((kinds.qualifications for kinds in known[number].kinds.values()), 0) if known else 0
            if each.sums.qualifications or (had and each.sums.failures):
                depths = self._depths(part)
            found.append(
                None
                if SPREAD in depths.things
                else Integers(
                    each.kinds,
                    Histories(counts.get(number, ())),
                    Histories(failures.get(number, ())),
                    Histories(attributed.get(number, ())),
                    {(cell_of(row), row[5]): Decimal(row[6]) for row in revenue.get(number, ())},
                    depths,
                )
            )
        return found

    def _depths(self, part: Part) -> Histories[int]:
        """How many come at least as far as a threshold; less how many did before, of those concerned."""
        channel = part.setting.channel
        stages = {**stages_of(channel), "thresholds": thresholds(channel), "spread": SPREAD}

        def reaching(through: int) -> Iterable[tuple[Any, ...]]:
            return self._ask("settled_depths", [part], [0], **stages, through=through).get(0, ())

        now = Histories[int](reaching(self._through or _ALL))
        if not part.mark:
            return now
        before = (
            (*cell, day, previous, -total, -unique) for *cell, day, previous, total, unique in reaching(part.mark)
        )
        return now.plus(Histories(before))

    def _ask(self, question: str, parts: Sequence[Part], numbers: Sequence[int], **more: Any) -> Rows:
        """Ask about some of the parts."""
        found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        if numbers:
            batch = Batch([parts[number] for number in numbers], self._days, self._horizon)
            parameters, cells = batch.what()
            for cell, *rest in self._engine.ask(
                question, self._workspace, as_of=self._through, **{**parameters, **more}
            ):
                place, node = cells[cell]
                found[numbers[place]].append((*node, *rest))
        return found


_ALL = 1 << 63
"""A sequence above all others."""
