"""The campaigns of the sample shop, declared: who is addressed, when, and how people react."""

from __future__ import annotations

from hashlib import sha256

import msgspec

SHOP = "Northwind Outdoor"
TIMEZONE = "Europe/Berlin"
CURRENCY = "EUR"
DAYS = 60
"""Days of history before today."""
NEWSLETTERS = 8
"""Weekly runs of the periodic newsletter."""

PURCHASE_EVENT = "order_placed"
PURCHASE_GOAL = "Purchase"
VISIT_EVENT = "store_visit"
VISIT_GOAL = "Store visit"
CART_EVENT = "cart_abandoned"

OUTBOUND = "outbound"
"""Sent to people at a set time, or after something they did."""
INBOUND = "inbound"
"""Shown while people use the app or the site."""
AUDIENCE = "audience"
"""Copied to an advertising platform."""


def object_id(key: str) -> str:
    """The 24-digit id of a campaign or flow of the sample shop."""
    return sha256(f"northwind-outdoor:{key}".encode()).hexdigest()[:24]


class Variation(msgspec.Struct, frozen=True):
    """One version of the message."""

    name: str
    percent: int
    lift: float
    """Factor on opens and clicks."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign. Shares and rates are fractions of 1."""

    key: str
    name: str
    channel: str
    """As events spell it; `document_channel` is the spelling of campaign documents."""
    document_channel: str = ""
    style: str = OUTBOUND
    delivery_type: str = "ONE_TIME"
    status: str = "SENT"
    days_ago: int = 1
    """Local days between the send (or the first day) and today."""
    hour: float = 9.0
    """Local time of the send."""
    duration: int = 1
    """Days an inbound or triggered campaign runs."""
    audience: int = 0
    """People addressed; per day for triggered campaigns."""
    platforms: tuple[str, ...] = ()
    locales: tuple[str, ...] = ()
    only_locale: str = ""
    """Restrict the audience to people with this locale."""
    variations: tuple[Variation, ...] = ()
    control: int = 0
    """Percentage of the audience held out by the campaign."""
    global_control: bool = True
    delivery_tracking: bool = True
    held_out: float | None = None
    """Percentage really held out, where the sender got it wrong."""
    engagement: float = 1.0
    """Factor on opens and clicks of this campaign."""
    buying: float = 1.0
    """Factor on purchases after a view or a click."""
    goals: tuple[str, ...] = (PURCHASE_EVENT,)
    tags: tuple[str, ...] = ()
    team: str = "CRM"
    flow: str = ""
    parent: str = ""
    """Key of the periodic campaign this one is a run of."""

    @property
    def campaign_id(self) -> str:
        return object_id(self.key)

    @property
    def parent_id(self) -> str:
        return object_id(self.parent) if self.parent else ""

    @property
    def has_events(self) -> bool:
        return self.audience > 0


CART_FLOW = "Cart recovery"

WINNER, INCONCLUSIVE, MISMATCH = "email-hut-voucher", "email-boot-care", "sms-double-points"
"""The three experiments that the demo tells about."""

_TWO = (Variation("variation_1", 48, 1.0), Variation("variation_2", 47, 1.18))
_VOUCHER = (Variation("variation_1", 50, 1.0), Variation("variation_2", 50, 1.7))
_THREE = (Variation("variation_1", 34, 0.82), Variation("variation_2", 33, 1.0), Variation("variation_3", 33, 1.55))

_SINGLE: tuple[Plan, ...] = (
    Plan(
        key="email-spring-clearance", name="Spring clearance: last sizes", channel="EMAIL", status="ARCHIVED",
        days_ago=57, hour=10, audience=1_500, tags=("sale", "spring"),
    ),
    Plan(
        key="email-ab-tents", name="Tents & tarps: which subject line?", channel="EMAIL", days_ago=9, hour=7.5,
        audience=9_000, variations=_THREE, control=5, goals=(PURCHASE_EVENT, VISIT_EVENT), tags=("ab-test", "tents"),
    ),
    Plan(
        key="email-ssv", name="Sommerschlussverkauf – bis zu 40 % auf Zelte & Rucksäcke", channel="EMAIL", days_ago=33,
        hour=18, audience=2_600, only_locale="de", control=10, tags=("sale", "DACH"), team="DACH",
    ),
    Plan(
        key="push-summer-sale", name="Summer Sale: 48 hours only", channel="PUSH", days_ago=12, hour=17.5,
        audience=8_500, platforms=("ANDROID", "IOS", "WEB"), locales=("en", "de", "ja"), variations=_TWO, control=5,
        tags=("sale", "summer"),
    ),
    Plan(
        key="push-summer-ja", name="夏のアウトドア特集 — 新作バックパック入荷", channel="PUSH", days_ago=5, hour=11,
        audience=2_400, platforms=("ANDROID", "IOS"), only_locale="ja", tags=("new-arrivals", "日本"), team="Japan",
    ),
    Plan(
        key="sms-flash", name="24 h flash deal: headlamps", channel="SMS", days_ago=20, hour=12, audience=3_400,
        control=5, tags=("flash",),
    ),
    Plan(
        key="sms-pickup", name="Your order is ready for pick-up", channel="SMS", days_ago=27, hour=15, audience=2_500,
        global_control=False, delivery_tracking=False, tags=("service",), team="Stores",
    ),
    Plan(
        key="whatsapp-size-guide", name="Größenberatung Wanderschuhe", channel="WHATSAPP", days_ago=16, hour=16,
        audience=2_200, tags=("advice",), team="DACH",
    ),
    Plan(
        key="inapp-membership", name="Join the Summit Club", channel="IN_APP", style=INBOUND, status="RETIRED",
        delivery_type="EVENT_TRIGGERED", days_ago=25, duration=14, audience=3_800, platforms=("ANDROID", "IOS"),
        control=10, tags=("membership",), team="App",
    ),
    Plan(
        key="onsite-free-shipping", name="Free shipping from 50 €", channel="OSM", document_channel="ONSITE",
        style=INBOUND, status="ACTIVE", delivery_type="EVENT_TRIGGERED", days_ago=21, duration=20, audience=3_600,
        platforms=("WEB", "MWEB"), tags=("shipping",), team="Web",
    ),
    Plan(
        key="cards-weekend", name="Weekend picks", channel="CARDS", days_ago=14, hour=8, audience=2_600,
        tags=("cards",), team="App",
    ),
    Plan(
        key="web-hero", name="Homepage hero: hikers vs climbers", channel="WEB_PERSONALIZATION", style=INBOUND,
        status="ACTIVE", delivery_type="EVENT_TRIGGERED", days_ago=18, duration=17, audience=4_000,
        platforms=("WEB", "MWEB"), variations=_TWO, tags=("homepage",), team="Web",
    ),
    Plan(
        key="connector-loyalty", name="Sync loyalty tiers to the till", channel="CONNECTOR",
        document_channel="CONNECTORS", days_ago=22, hour=3, audience=2_800, goals=(), tags=("integration",),
        team="Stores",
    ),
    Plan(
        key="facebook-lookalike", name="Lookalike seed: tent buyers", channel="FACEBOOK_AUDIENCE",
        document_channel="FACEBOOK", style=AUDIENCE, days_ago=24, hour=6, audience=3_600, goals=(), tags=("ads",),
        team="Paid media",
    ),
    Plan(
        key="google-winback", name="Win-back: no order for 180 days", channel="GOOGLE_ADS_AUDIENCE",
        document_channel="GOOGLE ADS", style=AUDIENCE, days_ago=19, hour=6, audience=2_900, goals=(), tags=("ads",),
        team="Paid media",
    ),
    Plan(
        key=WINNER, name="10 € voucher for your next hut tour", channel="EMAIL", days_ago=13, hour=8, audience=6_000,
        variations=_VOUCHER, control=20, buying=3.2, tags=("voucher", "experiment"),
    ),
    Plan(
        key=INCONCLUSIVE, name="Care tips: waterproof your boots", channel="EMAIL", days_ago=17, hour=18,
        audience=6_000, control=10, buying=0.1, tags=("advice", "experiment"),
    ),
    Plan(
        key=MISMATCH, name="Double points weekend", channel="SMS", days_ago=11, hour=11, audience=3_000, control=15,
        held_out=10.5, buying=1.6, tags=("membership", "experiment"), team="Stores",
    ),
    Plan(
        key="flow-cart-push", name="Cart recovery 1: push after 1 hour", channel="PUSH", status="ACTIVE",
        delivery_type="EVENT_TRIGGERED", days_ago=DAYS, duration=DAYS, audience=45, platforms=("ANDROID", "IOS"),
        engagement=1.9, flow=CART_FLOW, tags=("cart",),
    ),
    Plan(
        key="flow-cart-email", name="Cart recovery 2: e-mail after 1 day", channel="EMAIL", status="ACTIVE",
        delivery_type="EVENT_TRIGGERED", days_ago=DAYS, duration=DAYS, audience=35, engagement=1.7, flow=CART_FLOW,
        tags=("cart",),
    ),
    Plan(
        key="push-autumn", name="Autumn collection: early access", channel="PUSH", status="SCHEDULED",
        days_ago=-7, hour=10, platforms=("ANDROID", "IOS", "WEB"), tags=("autumn",),
    ),
)  # fmt: skip

_NEWSLETTER = Plan(
    key="email-newsletter",
    name="Trail Mail: the weekly newsletter",
    channel="EMAIL",
    delivery_type="PERIODIC",
    status="ACTIVE",
    days_ago=4 + 7 * (NEWSLETTERS - 1),
    hour=6.5,
    tags=("newsletter",),
)


def _newsletter_run(number: int) -> Plan:
    return Plan(
        key=f"email-newsletter-{number}",
        name=f"Trail Mail: the weekly newsletter (run {number})",
        channel="EMAIL",
        delivery_type="PERIODIC",
        days_ago=4 + 7 * (NEWSLETTERS - number),
        hour=6.5,
        audience=2_800 + 60 * number,
        control=5,
        engagement=1.0 + 0.03 * (number % 3),
        parent=_NEWSLETTER.key,
        tags=("newsletter",),
    )


_NEWSLETTER_RUNS = tuple(_newsletter_run(number) for number in range(1, NEWSLETTERS + 1))

PLANS: tuple[Plan, ...] = (_NEWSLETTER, *_NEWSLETTER_RUNS, *_SINGLE)
"""Every campaign, parents before their runs."""


def plan(key: str) -> Plan:
    """The plan called `key`."""
    return next(candidate for candidate in PLANS if candidate.key == key)
