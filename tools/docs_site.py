"""Hooks of mkdocs.yml: what the site takes from the folder instead of from a list."""

from __future__ import annotations

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Lists the decisions, in order, at the end of the navigation: each has a page, and nobody forgets to list it."""
    folder = Path(config.docs_dir, "decisions")
    pages = ["decisions/README.md", *sorted(f"decisions/{page.name}" for page in folder.glob("[0-9]*.md"))]
    config.nav.append({"Decisions": pages})
    return config
