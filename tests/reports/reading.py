"""Short ways to read a definition and to see what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from campanile.errors import CampanileError
from campanile.reports.documents import document
from campanile.reports.schemas import (
    ReportSpec,
)
from campanile.reports.spec import Circumstances, read
from tests.reports.samples import (
    SMALL,
    changed,
    circumstances,
)


def refused(raw: Any, given: Circumstances | None = None) -> CampanileError:
    with pytest.raises(CampanileError) as caught:
        read(raw, given or circumstances())
    return caught.value


def problems(base: dict[str, Any] = SMALL, given: Circumstances | None = None, **members: Any) -> list[tuple[str, str]]:
    """What is wrong with a changed definition: types and attributes."""
    error = refused(changed(base, **members), given)
    assert all(problem.message.endswith(".") and problem.attribute in problem.message for problem in error.problems)
    return [(problem.type, problem.attribute) for problem in error.problems]


def plain(found: ReportSpec) -> Any:
    return document(found)
