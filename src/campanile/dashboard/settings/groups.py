"""The switches of a workspace as forms: which stand together, what they are called, what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args, get_origin, get_type_hints

import msgspec

from campanile.workspaces.schemas import WorkspaceSettings

Kind = Literal["text", "timezone", "choice", "switch", "number"]


class Switch(msgspec.Struct, frozen=True):
    """One setting on a form."""

    name: str
    label: str
    hint: str = ""
    choices: Mapping[str, str] = {}
    """Value → what people call it; for settings with a few values."""


class Group(msgspec.Struct, frozen=True):
    """One page of settings."""

    path: str
    title: str
    switches: tuple[Switch, ...]
    note: str = ""


class Shown(msgspec.Struct, frozen=True):
    """A setting as the page shows it."""

    switch: Switch
    kind: Kind
    value: str


GROUPS: tuple[Group, ...] = (
    Group(
        "numbers",
        "Numbers",
        (
            Switch(
                "timezone",
                "Time zone",
                "Whose calendar days all numbers use. History moves to the new days at once; nothing is lost.",
            ),
            Switch(
                "attribution_model",
                "Conversions shown first",
                "All interactions: every campaign with a touch inside its window earns credit. Last interaction: "
                "campaigns compete, and one wins.",
                {"all_interactions": "All interactions", "last_interaction": "Last interaction"},
            ),
            Switch(
                "attribution_cross_platform",
                "Platform of a conversion",
                "Whether a conversion must happen on the platform of the touch, where both are known.",
                {"match": "The platform of the touch", "any": "Any platform"},
            ),
            Switch("attribution_exclude_machine", "Opens and clicks made by machines earn no credit"),
            Switch(
                "attribution_view_start",
                "Starts of view-through windows",
                "Event types instead of the usual ones, such as EMAIL:delivered CARDS:click. Empty: the usual ones.",
            ),
            Switch(
                "attribution_session_start",
                "Sessions that start with a view",
                "Channels whose sessions start with a view instead of a click, such as IN_APP:view. Empty: none.",
            ),
            Switch(
                "bot_mode",
                "Machine opens and clicks",
                "Mail scanners open and click, too.",
                {
                    "off": "Count them like those of people",
                    "both": "Show both numbers",
                    "adjusted_only": "Leave them out",
                },
            ),
            Switch(
                "unsubscribe_bot",
                "Unsubscribes made by machines",
                "",
                {"count": "Count them", "ignore": "Leave them out"},
            ),
            Switch(
                "show_ios_impressions",
                "Count push impressions on iOS",
                "Off: impressions on iOS equal the sent messages.",
            ),
        ),
        "How long a touch earns credit is decided by each goal, else by its campaign.",
    ),
    Group(
        "stats-api",
        "Stats API",
        (
            Switch("stats_enabled", "The Stats API answers", "Off: every request is refused with 403."),
            Switch(
                "stats_dialect",
                "Dialect",
                "Spelling of the keys in answers. A key may have a dialect of its own.",
                {"docs": "As documented", "live": "As the live service answers"},
            ),
            Switch("rate_limit", "Requests per minute", "All keys together."),
            Switch("max_campaign_ids", "Campaigns per request"),
            Switch("list_inactive", "List campaigns without events in the range"),
            Switch("goal_key", "Goals are named by", "", {"name": "their name", "event": "their event"}),
            Switch("omit_untracked_revenue", "Leave revenue out where a goal has none", "Off: it is shown as 0."),
            Switch("extended_metrics", "Fields beyond the published samples"),
            Switch(
                "missing_appkey_status",
                "Status without MOE-APPKEY",
                "",
                {"400": "400", "401": "401"},
            ),
        ),
    ),
    Group(
        "intake",
        "Intake",
        (
            Switch("auto_register_campaigns", "The first event of an unknown campaign registers it"),
            Switch(
                "pii_mode",
                "User ids that are addresses or phone numbers",
                "Pseudonyms are made with a secret of this workspace, so the same person stays the same user.",
                {"hash": "Replace by a pseudonym", "reject": "Refuse the event", "allow": "Keep as they are"},
            ),
            Switch("reject_placeholder_ids", "Refuse user ids such as null or guest"),
            Switch("keep_link_query", "Keep the query string of links"),
            Switch("intake_rate", "Events per second, sustained", "Empty: the limit of the server."),
            Switch("intake_burst", "Events at once", "Empty: the limit of the server."),
        ),
    ),
    Group(
        "mail",
        "Mail",
        (
            Switch(
                "report_email_domains",
                "Domains that reports may be mailed to",
                "Such as example.com example.org. Empty: any.",
            ),
        ),
    ),
)

_TYPES = get_type_hints(WorkspaceSettings)


def group(path: str) -> Group | None:
    """The page at a path."""
    return next((found for found in GROUPS if found.path == path), None)


def shown(group: Group, settings: WorkspaceSettings, given: Mapping[str, str] | None = None) -> list[Shown]:
    """The settings of a page with their values, or with what somebody typed."""
    return [
        Shown(switch, _kind(switch), (given or {}).get(switch.name, _text(getattr(settings, switch.name))))
        for switch in group.switches
    ]


def typed(group: Group, form: Mapping[str, str]) -> dict[str, str]:
    """What a form says about the settings of a page: boxes that are not ticked are not sent."""
    return {
        switch.name: form.get(switch.name, "false" if _kind(switch) == "switch" else "") for switch in group.switches
    }


def _kind(switch: Switch) -> Kind:
    declared = _TYPES[switch.name]
    if switch.name == "timezone":
        return "timezone"
    if declared is bool:
        return "switch"
    if get_origin(declared) is Literal:
        return "choice"
    return "number" if declared is int or int in get_args(declared) else "text"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
