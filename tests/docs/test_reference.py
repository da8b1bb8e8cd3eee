"""The generated pages are current."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from campanile.cli.reference import cli_page, http_page, settings_page
from campanile.settings import Settings

REFERENCE = Path(__file__).parent.parent.parent / "docs" / "reference"


@pytest.mark.parametrize(("name", "page"), [("settings", settings_page), ("cli", cli_page), ("http", http_page)])
def test_page_is_current(name: str, page: Callable[[], str]) -> None:
    written = (REFERENCE / f"{name}.md").read_text(encoding="utf-8")
    assert written == page(), f"run: python -m campanile.cli.reference {name} > docs/reference/{name}.md"


def test_every_setting_is_explained() -> None:
    page = settings_page()
    for name in Settings.__struct_fields__:
        assert f"| `{name}` |" in page, f"{name} has no text beside its field"
