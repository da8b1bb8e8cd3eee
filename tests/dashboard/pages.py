"""The one list of pages: every line is in the matrices of roles, names, accessibility, widths and screenshots.

Add a line for a new page; nothing else. Paths may name `{workspace}` and the ids that `tests/browser/shop.py` makes.
"""

from __future__ import annotations

from typing import NamedTuple

from campanile.users.schemas import Role


class Page(NamedTuple):
    """A page somebody can open by its address."""

    name: str
    """Of its screenshot."""
    path: str
    role: Role | None = "viewer"
    """The least role that sees it; None for pages without a session."""
    ready: str = "h1"
    """Selector of something that is there when the page is complete."""

    def __str__(self) -> str:
        return self.name


W = "/w/{workspace}"

PAGES: tuple[Page, ...] = (
    Page("sign-in", "/sign-in", None),
    Page("not-found", "/w/nobody", None),
    Page("workspaces", "/workspaces"),
    Page("account", "/me"),
    Page("overview", W),
    Page("campaigns", f"{W}/campaigns"),
    Page("campaign", f"{W}/campaigns/{{campaign}}"),
    Page("campaign-nasty", f"{W}/campaigns/{{nasty_campaign}}"),
    Page("reports", f"{W}/reports"),
    Page("report", f"{W}/reports/{{report}}"),
    Page("report-delete", f"{W}/reports/{{report}}/delete", "analyst"),
    Page("report-new", f"{W}/reports/new", "analyst", "#preview li"),
    Page("report-edit", f"{W}/reports/{{report}}/edit", "analyst", "#preview details"),
    Page("report-run", f"{W}/reports/runs/{{run}}"),
    Page("settings-apis", f"{W}/settings/apis"),
    Page("settings-key-regenerate", f"{W}/settings/apis/keys/{{key}}/regenerate", "admin"),
    Page("settings-numbers", f"{W}/settings/numbers"),
    Page("settings-stats-api", f"{W}/settings/stats-api"),
    Page("settings-intake", f"{W}/settings/intake"),
    Page("settings-health", f"{W}/settings/health"),
    Page("settings-webhooks", f"{W}/settings/webhooks"),
    Page("settings-webhooks-new", f"{W}/settings/webhooks/new/ses", "admin"),
    Page("settings-webhook", f"{W}/settings/webhooks/{{hook}}"),
    Page("settings-webhook-rotate", f"{W}/settings/webhooks/{{hook}}/rotate", "admin"),
    Page("settings-webhook-delete", f"{W}/settings/webhooks/{{hook}}/delete", "admin"),
    Page("settings-dead-letters", f"{W}/settings/webhooks/dead-letters"),
    Page("settings-mail", f"{W}/settings/mail"),
    Page("settings-users", f"{W}/settings/users", "admin"),
    Page("settings-audit", f"{W}/settings/audit", "admin"),
)
