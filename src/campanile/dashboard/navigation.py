"""What the header and the settings offer. A page that is not listed here can only be reached from another page."""

from __future__ import annotations

import msgspec

from campanile.users.schemas import Role, at_least


class Item(msgspec.Struct, frozen=True):
    """One link."""

    label: str
    path: str
    """Below the workspace, such as `/campaigns`; empty for the overview."""
    role: Role = "viewer"
    """Who sees it; the route decides again who may use it."""


MAIN: tuple[Item, ...] = (
    Item("Overview", ""),
    Item("Campaigns", "/campaigns"),
    Item("Reports", "/reports"),
    Item("Settings", "/settings"),
)
"""The header, from left to right. The first one is where a workspace opens."""

SETTINGS: tuple[Item, ...] = (
    Item("APIs", "/settings/apis"),
    Item("Numbers", "/settings/numbers"),
    Item("Stats API", "/settings/stats-api"),
    Item("Intake", "/settings/intake"),
    Item("Intake health", "/settings/health"),
    Item("Webhooks", "/settings/webhooks"),
    Item("Mail", "/settings/mail"),
    Item("Users", "/settings/users", "admin"),
    Item("Audit log", "/settings/audit", "admin"),
)
"""The side of the settings, from top to bottom."""


class Link(msgspec.Struct, frozen=True):
    """A link as a page shows it."""

    label: str
    url: str
    current: bool
    """Whether the reader is there, or below it."""


def links(items: tuple[Item, ...], workspace_id: str, role: Role, path: str) -> list[Link]:
    """The links somebody with this role sees on the page at `path`."""
    base = f"/w/{workspace_id}"
    shown = []
    for item in items:
        if at_least(role, item.role):
            url = base + item.path
            here = path == url or (item.path != "" and path.startswith(f"{url}/"))
            shown.append(Link(item.label, url, here))
    return shown
