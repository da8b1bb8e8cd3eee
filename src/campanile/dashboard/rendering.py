"""Templates: autoescaped, strict about names, with the filters and links every page uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from campanile import __version__
from campanile.dashboard import formats, navigation
from campanile.dashboard.assets import HERE, Assets


class Renderer:
    """Renders the templates of this folder. Thread-safe.

    Everything put into a template is escaped. A template that names something it was not given is a defect and fails.
    """

    def __init__(self, assets: Assets) -> None:
        self.assets = assets
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters.update(formats.FILTERS)
        self._environment.globals.update(
            asset=assets.url, assets_missing=bool(assets.missing), version=__version__, nothing=formats.NOTHING
        )

    def render(self, template: str, context: Mapping[str, Any]) -> bytes:
        """The HTML of a template, in UTF-8."""
        workspace, role, path = context.get("workspace"), context.get("role"), context.get("path", "")
        shared: dict[str, Any] = {
            "user": None,
            "role": None,
            "workspace": None,
            "workspaces": [],
            "csrf": "",
            "flash": None,
            "theme": "auto",
            "nav": [],
            "settings_nav": [],
        }
        if workspace is not None and role is not None:
            shared["nav"] = navigation.links(navigation.MAIN, workspace.id, role, path)
            shared["settings_nav"] = navigation.links(navigation.SETTINGS, workspace.id, role, path)
        html = self._environment.get_template(template).render({**shared, **context})
        return html.encode("utf-8", "replace")  # texts may hold halves of characters, which UTF-8 cannot
