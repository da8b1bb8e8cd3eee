"""Attribution by brute force: slow, obvious, and written from the rules alone.

Takes histories as the golden examples describe them: campaigns with goals, and events in the order of their arrival.
Every touch is compared with every goal event of the same person; nothing is indexed, nothing is shared with the
program under test.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from tests.oracle.conditions import Fields, amount, holds

TYPES = ("VIEW_THROUGH", "CLICK_THROUGH", "IN_SESSION", "TOTAL_CONVERSIONS", "CLICK_CONVERSIONS")
ALL_INTERACTIONS = TYPES[:3]
CLICK_TYPES = ("CLICK_THROUGH", "IN_SESSION", "CLICK_CONVERSIONS")
TARGET = "target"
CONTROLS = ("campaign_control_group", "global_control_group")
DEFAULT_WINDOW_HOURS = 36
SESSION = timedelta(minutes=30)

BOUND = ("PUSH", "IN_APP", "OSM", "WEB_PERSONALIZATION")
"""Channels whose touches happen on a platform."""
CLASSES = {
    "ANDROID": "ANDROID", "IOS": "IOS", "WEB": "WEB", "MWEB": "WEB", "WINDOWS": "WINDOWS",
    "ANDROID_TV": "ANDROID_TV", "FIRE_OS": "FIRE_OS", "TVOS": "TVOS", "TIZEN": "TIZEN", "WEBOS": "WEBOS",
    "ROKU": "ROKU", "TV": "TV",
}  # fmt: skip


# ---- What the rules call a touch ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Touch:
    event_id: str
    user: str
    at: datetime
    root: str
    campaign: str
    instance: str
    book: str
    view: bool
    click: bool
    send: bool
    depth: int
    platform: str
    """Of the touch, upper case; for channels without device platforms the channel."""
    platform_class: str
    """Empty: matches every conversion."""
    locale: str
    variation: str


@dataclass(frozen=True)
class Goal:
    name: str
    event: str
    condition: Fields | None
    revenue_path: str
    window: timedelta


@dataclass(frozen=True)
class Credit:
    kind: str
    """An attribution type, or `send` for credits that start at the send."""
    book: str
    root: str
    campaign: str
    goal: str
    event_id: str
    user: str
    instance: str
    platform: str
    locale: str
    variation: str
    touched_at: datetime
    converted_at: datetime
    revenue: Decimal

    @property
    def pair(self) -> tuple[str, str]:
        """What a unique number counts. Runs of one parent that share an instance id are one instance."""
        return self.user, self.instance


@dataclass(frozen=True)
class Result:
    total: int = 0
    unique: int = 0
    revenue: Decimal = Decimal(0)


def properties(channel: str, event: str, *, tracked: bool) -> tuple[bool, bool, bool, int] | None:
    """(view, click, send, depth) of an event of a channel; `tracked`: deliveries of its sends are reported."""
    if event == "click":
        return False, True, False, 3
    if event == "sent":
        if channel in ("PUSH", "SMS", "MMS"):
            return (False, False, True, 1) if tracked else (True, False, True, 2)
        if channel in ("EMAIL", "WHATSAPP", "RCS", "CARDS"):
            return False, False, True, 1
        if channel in ("CONNECTOR", "CONNECTED_APPS"):
            return True, False, True, 1
    if event == "delivered":
        if channel in ("EMAIL", "CARDS"):
            return False, False, False, 1
        if channel in ("SMS", "MMS"):
            return True, False, False, 2
        if channel in ("WHATSAPP", "RCS"):
            return True, False, False, 1
    if event == "impression":
        if channel in ("PUSH", "CARDS"):
            return True, False, False, 2
        if channel in ("IN_APP", "OSM", "WEB_PERSONALIZATION"):
            return True, False, True, 2
    if event == "open" and channel == "EMAIL":
        return True, False, False, 2
    if event == "read" and channel in ("WHATSAPP", "RCS"):
        return False, False, False, 2
    if event == "synced" and channel in ("FACEBOOK_AUDIENCE", "GOOGLE_ADS_AUDIENCE"):
        return True, False, True, 1
    return None


# ---- People ------------------------------------------------------------------------------------------------------


class People:
    """Ids of users; merged ones name one person, however the merges were ordered."""

    def __init__(self, merges: Iterable[tuple[str, str]]) -> None:
        self._groups: list[set[str]] = []
        for left, right in merges:
            touched = [group for group in self._groups if left in group or right in group]
            self._groups = [group for group in self._groups if group not in touched]
            self._groups.append({left, right}.union(*touched))

    def person(self, user: str) -> str:
        for group in self._groups:
            if user in group:
                return min(group)
        return user


# ---- A history ---------------------------------------------------------------------------------------------------


class History:
    """Campaigns, events and what follows from them."""

    def __init__(self, campaigns: Sequence[Fields], events: Sequence[Fields], settings: Fields) -> None:
        self.campaigns = {campaign["campaign_id"]: campaign for campaign in campaigns}
        self.settings = settings
        self.events = first_copies(events)
        merges = [(e["from_user_id"], e["to_user_id"]) for e in events if e["type"] == "user_merge"]
        self.people = People(merges)
        self.touches = [touch for event in self.events if (touch := self._touch(event))]
        self.actions = [event for event in self.events if event["type"] == "custom"]
        self._credits: dict[str, list[Credit]] = {}

    # -- definitions

    def root_of(self, campaign: str) -> str:
        parent: str | None = self.campaigns[campaign].get("parent_campaign_id")
        return parent or campaign

    def members_of(self, campaign: str) -> set[str]:
        """The campaign and its children."""
        return {name for name, fields in self.campaigns.items() if campaign in (name, fields.get("parent_campaign_id"))}

    def goals_of(self, campaign: str) -> list[Goal]:
        """Goals of the reporting root of a campaign."""
        root = self.campaigns[self.root_of(campaign)]
        if root.get("delivery_type") == "API_TRIGGERED":
            return []
        hours = root.get("attribution_window_in_hours") or DEFAULT_WINDOW_HOURS
        return [
            Goal(
                name=goal["goal_name"],
                event=goal["goal_event_name"],
                condition=goal.get("goal_event_attribute"),
                revenue_path=goal.get("revenue_attribute") or "",
                window=timedelta(hours=goal.get("attribution_window_in_hours") or hours),
            )
            for goal in root.get("goals", [])
        ]

    def order_of(self, root: str) -> tuple[datetime, str]:
        """Of two campaigns touched in the same millisecond the later created one wins, then the larger id."""
        created = self.campaigns[root].get("created_at", "2000-01-01T00:00:00Z")
        return instant(created), root

    def _touch(self, event: Fields) -> Touch | None:
        campaign = event.get("campaign_id")
        if not campaign:
            return None
        root = self.campaigns[self.root_of(campaign)]
        channel = root["channel"]
        platform = platform_of(event, channel)
        book = TARGET
        if event["type"] == "removed":
            if event.get("reason") not in CONTROLS:
                return None
            book = event["reason"]
            view, click, send, depth = True, False, True, 0
        else:
            tracked = root.get("delivery_tracking", True)
            if channel == "PUSH" and platform == "IOS" and not self.settings.get("show_ios_impressions", True):
                tracked = False
            found = properties(channel, event["type"], tracked=tracked)
            if found is None or (self.settings.get("exclude_machine") and event.get("machine")):
                return None
            view, click, send, depth = found
        return Touch(
            event_id=event["event_id"],
            user=self.person(event),
            at=instant(event["ts"]),
            root=root["campaign_id"],
            campaign=campaign,
            instance=event.get("instance_id") or campaign,
            book=book,
            view=view,
            click=click,
            send=send,
            depth=depth,
            platform=platform,
            platform_class=CLASSES.get(platform, "") if channel in BOUND else "",
            locale=event.get("locale") or "",
            variation=event.get("variation") or "",
        )

    def person(self, event: Fields) -> str:
        return self.people.person(event["user_id"])

    # -- credits

    def credits(self, kind: str) -> list[Credit]:
        """All credits of one attribution type, in all three books; or of the kind `send`."""
        if kind not in self._credits:
            self._credits[kind] = [credit for action in self.actions for credit in self._decide(action, kind)]
        return self._credits[kind]

    def _decide(self, action: Fields, kind: str) -> Iterator[Credit]:
        converted_at = instant(action["ts"])
        person = self.person(action)
        qualified = [
            (touch, goal)
            for touch in self.touches
            if touch.user == person
            for goal in self.goals_of(touch.campaign)
            if satisfies(action, goal) and timedelta(0) <= converted_at - touch.at <= goal.window
        ]
        for book in (TARGET, *CONTROLS):
            pairs = [(touch, goal) for touch, goal in qualified if touch.book == book]
            if kind in ALL_INTERACTIONS or kind == "send":
                winners = self._each_campaign(pairs, action, kind)
            else:
                winners = self._one_campaign(pairs, kind)
            for touch, goal in winners:
                yield Credit(
                    kind=kind,
                    book=book,
                    root=touch.root,
                    campaign=touch.campaign,
                    goal=goal.name,
                    event_id=action["event_id"],
                    user=person,
                    instance=touch.instance,
                    platform=touch.platform,
                    locale=touch.locale,
                    variation=touch.variation,
                    touched_at=touch.at,
                    converted_at=converted_at,
                    revenue=amount(action.get("attributes", {}), goal.revenue_path)
                    if goal.revenue_path
                    else Decimal(0),
                )

    def _each_campaign(
        self, pairs: Sequence[tuple[Touch, Goal]], action: Fields, kind: str
    ) -> Iterator[tuple[Touch, Goal]]:
        """All Interactions: per campaign and goal the latest touch of the wanted kind."""
        for root, name in sorted({(touch.root, goal.name) for touch, goal in pairs}):
            wanted = [
                (touch, goal)
                for touch, goal in pairs
                if (touch.root, goal.name) == (root, name) and self._wanted(touch, action, kind)
            ]
            if wanted:
                yield max(wanted, key=lambda pair: (pair[0].at, pair[0].event_id))

    def _wanted(self, touch: Touch, action: Fields, kind: str) -> bool:
        if touch.book != TARGET:
            return True
        if kind == "send":
            return touch.send
        if not self._same_platform(touch, action):
            return False
        if kind == "VIEW_THROUGH":
            return touch.view
        return touch.click and (kind == "CLICK_THROUGH" or instant(action["ts"]) - touch.at <= SESSION)

    def _same_platform(self, touch: Touch, action: Fields) -> bool:
        own = CLASSES.get((action.get("platform") or "").upper(), "")
        return not touch.platform_class or not own or touch.platform_class == own

    def _one_campaign(self, pairs: Sequence[tuple[Touch, Goal]], kind: str) -> Iterator[tuple[Touch, Goal]]:
        """Last Interaction: the deepest, then latest touch of all campaigns, for each goal it qualifies for."""
        if not pairs:
            return
        winner = max((touch for touch, _ in pairs), key=lambda t: (t.depth, t.at, self.order_of(t.root), t.event_id))
        if kind == "CLICK_CONVERSIONS" and winner.book == TARGET and winner.depth != 3:
            return
        yield from ((touch, goal) for touch, goal in pairs if touch == winner)

    # -- numbers

    def result(
        self,
        kind: str,
        campaign: str,
        goal: str,
        *,
        book: str = TARGET,
        keep: Callable[[Credit], bool] = lambda _: True,
    ) -> Result:
        """Conversions of a campaign and its children under one goal."""
        members = self.members_of(campaign)
        kept = [
            credit
            for credit in self.credits(kind)
            if credit.book == book and credit.campaign in members and credit.goal == goal and keep(credit)
        ]
        return Result(len(kept), len({credit.pair for credit in kept}), sum((c.revenue for c in kept), Decimal(0)))

    def holdouts(
        self,
        campaign: str,
        book: str,
        *,
        platform: str = "",
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> set[tuple[str, str]]:
        """(user, instance) held out of a campaign or its children; on one platform if it is given."""
        members = self.members_of(campaign)
        return {
            (touch.user, touch.instance)
            for touch in self.touches
            if touch.book == book
            and touch.campaign in members
            and platform in ("", touch.platform)
            and (start is None or start <= touch.at)
            and (end is None or touch.at < end)
        }

    def local_day(self, moment: datetime) -> str:
        return moment.astimezone(ZoneInfo(self.settings["timezone"])).date().isoformat()

    def rate_base(self, campaign: str, kind: str) -> int:
        """What the unique conversions of the whole history are divided by."""
        root = self.campaigns[self.root_of(campaign)]
        channel, clicks = root["channel"], kind in CLICK_TYPES
        if channel == "EMAIL":
            return self._users(campaign, "click" if clicks else "open")
        if channel == "CARDS":
            return self._users(campaign, "sent")
        if channel in ("FACEBOOK_AUDIENCE", "GOOGLE_ADS_AUDIENCE"):
            return self._users(campaign, "synced")
        if channel == "PUSH":
            return self._count(campaign, "click" if clicks else "impression")
        if channel in ("SMS", "MMS", "RCS"):
            return self._count(campaign, "delivered" if root.get("delivery_tracking", True) else "sent")
        if channel == "WHATSAPP":
            return self._count(campaign, "delivered")
        if channel in ("CONNECTOR", "CONNECTED_APPS"):
            return self._count(campaign, "sent")
        return self._count(campaign, "impression")

    def _rows(self, campaign: str, event: str) -> list[Fields]:
        members = self.members_of(campaign)
        return [e for e in self.events if e["type"] == event and e.get("campaign_id") in members]

    def _count(self, campaign: str, event: str) -> int:
        return len(self._rows(campaign, event))

    def _users(self, campaign: str, event: str) -> int:
        return len({self.person(e) for e in self._rows(campaign, event)})


def satisfies(action: Fields, goal: Goal) -> bool:
    if action["name"] != goal.event:
        return False
    return goal.condition is None or holds(goal.condition, action.get("attributes", {}))


def first_copies(events: Iterable[Fields]) -> list[Fields]:
    """Of several events with one id the first to arrive."""
    found: dict[str, Fields] = {}
    for event in events:
        if event["type"] != "user_merge":
            found.setdefault(event["event_id"], event)
    return list(found.values())


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def platform_of(event: Fields, channel: str) -> str:
    if channel in BOUND:
        return (event.get("platform") or "UNKNOWN").upper()
    return channel


def percentage(part: int | Decimal, whole: int | Decimal) -> float:
    """Two decimals, half up; 0 of nothing is 0."""
    if not whole:
        return 0.0
    return float((Decimal(100) * part / whole).quantize(Decimal("0.01"), ROUND_HALF_UP))


def uplift(converted: int, base: int, control_converted: int, control: int) -> float:
    """Relative difference of two rates in percent; 0 where the control rate is 0 or unknown."""
    if not control or not control_converted:
        return 0.0
    rate = Decimal(converted) / base if base else Decimal(0)
    control_rate = Decimal(control_converted) / control
    value = 100 * (rate - control_rate) / control_rate
    return float(abs(value).quantize(Decimal("0.01"), ROUND_HALF_UP)) * (1 if value >= 0 else -1)


def quotient(revenue: Decimal, parts: int) -> float:
    return float((revenue / parts).quantize(Decimal("0.01"), ROUND_HALF_UP)) if parts else 0.0


def load(text: str) -> Any:
    """JSON with exact numbers."""
    return json.loads(text, parse_float=Decimal)
