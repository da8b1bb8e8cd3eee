"""What counts as a touch, for how long, and who wins: the rules of attribution as tables, without any I/O.

Conversions specification 2 to 4. Everything here is a pure function of channel, event type and settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal, NamedTuple, get_args

import msgspec

from campanile.metrics.channels import CAMPAIGN_CONTROL_GROUP, GLOBAL_CONTROL_GROUP
from campanile.metrics.reasons import CAMPAIGN_CONTROL, GLOBAL_CONTROL

Attribution = Literal["VIEW_THROUGH", "CLICK_THROUGH", "IN_SESSION", "TOTAL_CONVERSIONS", "CLICK_CONVERSIONS"]
Kind = Literal["view", "click", "session", "last", "last_click", "send"]
"""Which touches earn credit; `send` is no attribution type but the start of intent-to-treat windows."""

ATTRIBUTIONS: tuple[Attribution, ...] = get_args(Attribution)
KINDS: dict[Attribution, Kind] = {
    "VIEW_THROUGH": "view",
    "CLICK_THROUGH": "click",
    "IN_SESSION": "session",
    "TOTAL_CONVERSIONS": "last",
    "CLICK_CONVERSIONS": "last_click",
}
LAST_INTERACTION: frozenset[Kind] = frozenset({"last", "last_click"})
"""Kinds under which all campaigns of a workspace compete for a conversion."""

SESSION = timedelta(minutes=30)
"""How long a session lasts after a click; activity does not extend it."""
DEFAULT_WINDOW_HOURS = 36
"""Attribution window where neither goal nor campaign names one."""

CLICK_DEPTH = 3


class Touch(NamedTuple):
    """What an event of a campaign starts, and how deep it goes in the last-interaction model."""

    view: bool = False
    click: bool = False
    send: bool = False
    depth: int = 1


_CLICK = Touch(click=True, depth=CLICK_DEPTH)
_SENT = Touch(send=True)
_SENT_SEEN = Touch(view=True, send=True, depth=2)
_SEEN = Touch(view=True, depth=2)
_SHOWN = Touch(view=True, send=True, depth=2)
_HANDED_OVER = Touch(view=True, send=True)

TOUCHES: dict[str, dict[str, Touch]] = {
    "PUSH": {"sent": _SENT, "impression": _SEEN, "click": _CLICK},
    "EMAIL": {"sent": _SENT, "delivered": Touch(), "open": _SEEN, "click": _CLICK},
    "SMS": {"sent": _SENT, "delivered": _SEEN, "click": _CLICK},
    "MMS": {"sent": _SENT, "delivered": _SEEN, "click": _CLICK},
    "WHATSAPP": {"sent": _SENT, "delivered": Touch(view=True), "read": Touch(depth=2), "click": _CLICK},
    "RCS": {"sent": _SENT, "delivered": Touch(view=True), "read": Touch(depth=2), "click": _CLICK},
    "IN_APP": {"impression": _SHOWN, "click": _CLICK},
    "OSM": {"impression": _SHOWN, "click": _CLICK},
    "WEB_PERSONALIZATION": {"impression": _SHOWN, "click": _CLICK},
    "CARDS": {"sent": _SENT, "delivered": Touch(), "impression": _SEEN, "click": _CLICK},
    "CONNECTOR": {"sent": _HANDED_OVER, "click": _CLICK},
    "CONNECTED_APPS": {"sent": _HANDED_OVER, "click": _CLICK},
    "FACEBOOK_AUDIENCE": {"synced": _HANDED_OVER, "click": _CLICK},
    "GOOGLE_ADS_AUDIENCE": {"synced": _HANDED_OVER, "click": _CLICK},
    "OTHER": {"click": _CLICK},
}
"""Event types that are touches, by channel."""
UNTRACKED_CHANNELS = ("PUSH", "SMS", "MMS")
"""Channels whose sends are views where nobody reports deliveries."""

BOUND_CHANNELS = frozenset({"PUSH", "IN_APP", "OSM", "WEB_PERSONALIZATION"})
"""Channels whose touches happen on one platform."""
PLATFORM_CLASSES: dict[str, int] = {
    "ANDROID": 1, "IOS": 2, "WEB": 3, "MWEB": 3, "WINDOWS": 4, "ANDROID_TV": 5, "FIRE_OS": 6, "TVOS": 7, "TIZEN": 8,
    "WEBOS": 9, "ROKU": 10, "TV": 11,
}  # fmt: skip
"""Platforms of one class count as the same one; every other platform is unknown and matches all."""

CONTROL_GROUPS: tuple[str, ...] = (CAMPAIGN_CONTROL_GROUP, GLOBAL_CONTROL_GROUP)
"""Variation keys of the two groups; the place in this list, from 1, is the number of the book."""
CONTROL_REASONS: tuple[str, ...] = (CAMPAIGN_CONTROL, GLOBAL_CONTROL)
"""Reasons of removals that are hold-outs, in the same order."""


class Rules(msgspec.Struct, frozen=True):
    """The settings of a workspace that change what is credited; all defaults are those of the specification."""

    exclude_machine: bool = False
    """Whether opens and clicks made by machines are no touches."""
    cross_platform: bool = False
    """Whether a touch on one platform is credited for a conversion on another in the all-interactions types."""
    view_starts: Mapping[str, str] = {}
    """Channel → the event type that starts its view-through window instead of the usual ones."""
    view_sessions: frozenset[str] = frozenset()
    """Channels whose sessions start with a view instead of a click."""


def touches(channel: str, *, tracked: bool, rules: Rules) -> dict[str, Touch]:
    """Event types of a channel that are touches; `tracked`: deliveries of this campaign's sends are reported."""
    found = dict(TOUCHES.get(channel, {}))
    if not tracked and channel in UNTRACKED_CHANNELS:
        found["sent"] = _SENT_SEEN
    start = rules.view_starts.get(channel)
    if start is not None:
        found.setdefault(start, Touch())
        found = {event: touch._replace(view=event == start) for event, touch in found.items()}
    return found


def ranks(channel: str, kind: Kind, *, tracked: bool, rules: Rules) -> dict[str, int]:
    """Event types that are touches of a kind, each with its rank: the greater wins before the later.

    Only the last-interaction model ranks; elsewhere all touches are worth 1.
    """
    found = touches(channel, tracked=tracked, rules=rules)
    if kind == "last":
        return {event: touch.depth for event, touch in found.items()}
    if kind == "session" and channel in rules.view_sessions:
        kind = "view"
    return {event: 1 for event, touch in found.items() if _is(touch, kind)}


TRIED, SENT, VIEWED, SEEN, TOUCHED = 1, 2, 4, 8, 16
"""Roles of an event in an experiment, as bits: an attempt or what came of it, a send, a view, a view or a click, any
touch at all."""
ATTEMPTS = ("attempted", "sent", "failed")


def roles(channel: str, *, tracked: bool, rules: Rules) -> dict[str, int]:
    """Event types of a channel that put somebody into an arm of an experiment (conversions specification 9.2, 9.3)."""
    found = dict.fromkeys(ATTEMPTS, TRIED)
    for event, touch in touches(channel, tracked=tracked, rules=rules).items():
        role = TOUCHED | touch.view * (VIEWED | SEEN) | touch.click * SEEN | touch.send * (SENT | TRIED)
        found[event] = found.get(event, 0) | role
    return found


def _is(touch: Touch, kind: Kind) -> bool:
    if kind == "view":
        return touch.view
    return touch.send if kind == "send" else touch.click
