"""The rows of a sheet, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from campanile.reports.goals import BlockGoals, ControlKey
from campanile.reports.rows import DOCUMENTS_AT_ONCE, _Block, _content_key, _Counter, _ms, _narrowed, _Portion
from campanile.reports.rows_repository import Activity
from campanile.reports.traits import Traits, campaign_goals
from tests.reports.rowwise.cells import RowFacts
from tests.reports.rowwise.numbers import PortionNumbers
from tests.reports.rowwise.questions import Questions
from tests.reports.rowwise.writer import Labels, Outline, RowWriter

FOREVER = 2**52


class RowwiseCounter(_Counter):
    """Chooses rows as reports do, and makes them one after the other."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._rowwise = RowWriter(self._columns, self._workspace.settings)
        self._writer = self._rowwise  # type: ignore[assignment]
        self._questions = Questions(self._repository._engine)
        everybody = {campaign.campaign_id for campaign in self._campaigns.everything(self._workspace.id)}
        self._extents = self._extents._replace(reported=everybody)

    def _activity(self, members: Collection[str], *, lifetime: bool) -> Iterable[Activity]:
        start, end = (0, FOREVER) if lifetime else (_ms(self._window.start), _ms(self._window.end))
        return self._repository.activity(self._workspace.id, members, start, end, self._as_of)

    def _count(self, todo: tuple[_Block, _Portion]) -> Any:
        return todo

    def _rows(self, todo: Any) -> Any:
        """The rows of a portion."""
        block, portion = todo
        scope = _narrowed(block.scope, portion)
        numbers = PortionNumbers(scope, self._needs, block.cells)
        numbers.fill(self._questions)
        self._uniques_added |= numbers.uniques_added
        outlines: list[Outline] = []
        for start in range(0, len(portion.numbers), DOCUMENTS_AT_ONCE):
            chosen = portion.numbers[start : start + DOCUMENTS_AT_ONCE]
            documents = self._documents(block.targets[number].campaign for number in chosen)
            for number in chosen:
                days = block.shapes[number].days if portion.days is None else portion.days
                self._outline(block, number, days, numbers, documents, outlines)
        return self._rowwise.rows(outlines)

    def _outline(
        self,
        block: _Block,
        number: int,
        days: Sequence[int],
        numbers: PortionNumbers,
        documents: Mapping[str, Mapping[str, Any]],
        outlines: list[Outline],
    ) -> None:
        """Append the rows of one target for some of its days."""
        target, shape, goals = block.targets[number], block.shapes[number], block.goals
        campaign = target.campaign
        wanted = campaign_goals(campaign, goals.names(number))
        document = documents.get(campaign.campaign_id, {})
        parent = documents.get(campaign.parent_id or "", {})
        traits = Traits(target, wanted, document, parent, self._zone)
        names = [goal.name for goal in wanted]
        places = [
            (variation, locale, self._rowwise.told(traits, _content_key(locale), _content_key(variation)))
            for variation in shape.fan.variations
            for locale in shape.fan.locales
        ]
        skip_zero_days = block.scope.by_day and self._spec.splits.skip_zero_days
        for day in days:
            rows: list[Outline] = []
            anything = False
            for variation, locale, told in places:
                facts = RowFacts(
                    numbers,
                    (number, day, locale.key, variation.key),
                    tracked=campaign.delivery_tracking,
                    names=names,
                    goals=goals.of(number).get((day, locale.key, variation.key), {}),
                    control=_control(goals, number, day),
                )
                counted_only = variation.counted_only or locale.counted_only
                counted = (counted_only or skip_zero_days) and facts.anything
                anything = anything or counted
                if counted or not counted_only:
                    shown = Labels(
                        block.scope.days[day] if block.scope.by_day else None,
                        variation.text,
                        locale.text or self._columns.locale_text(),
                    )
                    rows.append(Outline(told, shown, facts, campaign.campaign_id))
            if anything or not skip_zero_days:
                outlines.extend(rows)


def _control(goals: BlockGoals, number: int, day: int) -> Callable[[ControlKey], tuple[int, int]]:
    """Converting pairs of a control group, and all of them."""
    return lambda key: (goals.converted(number, day, key), goals.held(number, day, key[0], key[1]))
