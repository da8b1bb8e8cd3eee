"""Random workspaces with random pasts, for property tests.

`histories()` draws anything senders may do; `lawful_histories()` only what the sender contract allows, wholly inside
the requested range (every invariant of the metric rules holds for those). Both shrink towards few, plain events.

The events are valid bodies for `POST /v1/events`, grouped in the batches in which they arrive. Snapshots and
conversions are not part of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from tests.oracle.model import CAMPAIGN_CONTROL, DEVICE_CHANNELS, GLOBAL_CONTROL, LEAVING, Workspace, day_start

Draw = Callable[[st.SearchStrategy[Any]], Any]
Fields = dict[str, Any]

DAYS = (
    ("UTC", date(2025, 3, 10)),
    ("Asia/Kolkata", date(2025, 3, 10)),
    ("America/New_York", date(2025, 3, 9)),  # 23 hours
    ("Europe/Berlin", date(2025, 10, 26)),  # 25 hours
    ("America/Santiago", date(2025, 9, 7)),  # no midnight
    ("America/Havana", date(2025, 11, 2)),  # two midnights
    ("Australia/Lord_Howe", date(2025, 4, 6)),  # half an hour longer
    ("Pacific/Kiritimati", date(2025, 1, 1)),  # fourteen hours ahead
)
"""Time zones, each with a day worth asking for."""

CHANNELS = (
    "EMAIL", "PUSH", "SMS", "WHATSAPP", "CONNECTOR", "FACEBOOK_AUDIENCE", "CARDS", "IN_APP",
    "MMS", "RCS", "OSM", "WEB_PERSONALIZATION", "CONNECTED_APPS", "GOOGLE_ADS_AUDIENCE",
)  # fmt: skip
PHONE = ("SMS", "MMS", "RCS", "WHATSAPP")
AUDIENCES = ("FACEBOOK_AUDIENCE", "GOOGLE_ADS_AUDIENCE")
ON_SCREEN = ("IN_APP", "OSM", "WEB_PERSONALIZATION")

BATCHES = 3
"""Batches in which the events of a history arrive; all events of one batch are accepted at the same instant."""
DAYS_AFTER = 3
"""Days between the range and the arrival of the first batch: nothing is in the future, nothing too old."""

_RICH = ("PUSH", "EMAIL")
"""Channels with more rules than others, drawn more often."""
_UNSTAGED = {
    "PUSH": "unregistered",
    "EMAIL": "smtp_exception",
    "IN_APP": "maximum_times_shown",
    "OSM": "url_changed",
    "WEB_PERSONALIZATION": "api_failure",
    "CARDS": "personalization_failed",
    "CONNECTOR": "http_500",
    "CONNECTED_APPS": "timeout",
    **dict.fromkeys(PHONE, "message_expired"),
    **dict.fromkeys(AUDIENCES, "api_error"),
}
_TYPES = (
    "sent", "attempted", "failed", "removed", "qualified", "undelivered", "delivered", "impression", "open", "click",
    "read", "close", "dismiss", "unsubscribe", "complaint", "synced", "hard_bounce", "soft_bounce", "deferred",
)  # fmt: skip
_DEVICE_STEPS = ("user_devices", "active_device_token")


@dataclass(frozen=True)
class History:
    """A workspace, its past in the order of arrival, and a question."""

    settings: Fields
    """`timezone`, `bot_mode`, `unsubscribe_bot`, `show_ios_impressions`."""
    campaigns: tuple[Fields, ...]
    """As in the golden fixtures, plus `delivery_type` and whether the control groups are enabled."""
    batches: tuple[tuple[Fields, ...], ...]
    """Bodies of events; the copies of an id that differ are in different batches."""
    request: Fields
    """`start_date`, `end_date`."""
    lawful: bool
    """The sender contract was kept and everything happened in the range."""

    @property
    def survivors(self) -> bool:
        """Whether some step of a funnel was reported instead of derived."""
        return any("step" in event for batch in self.batches for event in batch)

    @property
    def received_at(self) -> datetime:
        """When the first batch arrives; every further one comes a minute later."""
        last = date.fromisoformat(self.request["end_date"])
        return datetime(last.year, last.month, last.day, 12, tzinfo=UTC) + timedelta(days=DAYS_AFTER)

    def workspace(self) -> Workspace:
        """What the oracle needs: the same events with their time of acceptance."""
        events = [
            {**event, "received_at": (self.received_at + timedelta(minutes=number)).isoformat()}
            for number, batch in enumerate(self.batches)
            for event in batch
        ]
        return Workspace(self.campaigns, events, self.request, self.settings)


# ---- Parts -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Setting:
    """What the events of a history are drawn from."""

    timezone: str
    first: date
    last: date
    campaigns: tuple[Fields, ...]

    def inside(self) -> st.SearchStrategy[datetime]:
        """Instants of the first requested day, midnight included."""
        start = day_start(self.first, self.timezone)
        return st.sampled_from([0, 1, 90, 1200]).map(lambda minutes: start + timedelta(minutes=minutes))

    def around(self) -> st.SearchStrategy[datetime]:
        """Instants in, at, and just beside the range."""
        edges = (day_start(self.first, self.timezone), day_start(self.last + timedelta(days=1), self.timezone))
        near = st.sampled_from([0, -1, 1, 3_600_000, -3_600_000])
        return st.one_of(
            self.inside(),
            st.builds(lambda edge, ms: edge + timedelta(milliseconds=ms), st.sampled_from(edges), near),
            st.just(edges[0] + timedelta(hours=25)),
        )


def platforms_of(channel: str) -> tuple[str, ...]:
    if channel not in DEVICE_CHANNELS:
        return ("",)
    return ("WEB", "MWEB") if channel in ("OSM", "WEB_PERSONALIZATION") else ("ANDROID", "IOS")


def reasons_of(channel: str) -> list[str]:
    """One reason per stage, and one without; control groups are not among them."""
    staged = [min(reasons) for reasons in LEAVING.get(channel, {}).values() if reasons]
    return [_UNSTAGED[channel], *staged]


@st.composite
def _settings(draw: Draw) -> Fields:
    return {
        "bot_mode": draw(st.sampled_from(["off", "both", "adjusted_only"])),
        "unsubscribe_bot": draw(st.sampled_from(["count", "ignore"])),
        "show_ios_impressions": draw(st.booleans()),
    }


@st.composite
def _families(draw: Draw, channels: Sequence[str]) -> tuple[Fields, ...]:
    """One or two campaigns, each with up to two children."""
    campaigns: list[Fields] = []

    def campaign(channel: str, parent: str = "") -> Fields:
        number = len(campaigns) + 1
        return {
            "campaign_id": f"66e9330200000000000000{number:02x}",
            "channel": channel,
            "delivery_type": "ONE_TIME",
            "attempts": draw(st.sampled_from(["explicit", "explicit", "implied"])),
            "delivery_tracking": draw(st.sampled_from([True, True, False])),
            "campaign_control_group": draw(st.sampled_from([False, False, True])),
            "global_control_group": draw(st.sampled_from([False, False, True])),
            **({"platforms": draw(_configured(channel))} if channel in DEVICE_CHANNELS else {}),
            **({"parent_campaign_id": parent} if parent else {}),
        }

    for _ in range(draw(st.integers(1, 2))):
        root = campaign(draw(st.sampled_from([*channels, *(2 * [name for name in channels if name in _RICH])])))
        campaigns.append(root)
        children = draw(st.sampled_from([0, 0, 1, 2]))
        if children:
            root["delivery_type"] = "PERIODIC"
        for _ in range(children):
            campaigns += [campaign(root["channel"], root["campaign_id"])]
    return tuple(campaigns)


def _configured(channel: str) -> st.SearchStrategy[list[str]]:
    known = list(platforms_of(channel))
    return st.sampled_from([known[:1], known, known[1:]])


@st.composite
def _scenes(draw: Draw, channels: Sequence[str]) -> _Setting:
    timezone, day = draw(st.sampled_from(DAYS))
    first = day + timedelta(days=draw(st.sampled_from([0, -1])))
    last = first + timedelta(days=draw(st.sampled_from([0, 1])))
    return _Setting(timezone, first, last, draw(_families(channels)))


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _body(**fields: Any) -> Fields:
    """An event body without empty fields."""
    return {key: value for key, value in fields.items() if value not in ("", None)}


# ---- Stray events ------------------------------------------------------------------------------------------------


@st.composite
def _strays(draw: Draw, scene: _Setting, survivors: bool) -> Fields:
    """Any single event: no story behind it."""
    campaign = draw(st.sampled_from(scene.campaigns))
    channel = campaign["channel"]
    kind = draw(st.sampled_from((*_TYPES, *["qualified"] * 10) if survivors else _TYPES))
    person = draw(
        st.sampled_from(
            [
                {"user_id": "u1"},
                {"user_id": "u2"},
                {"user_id": "u3", "device_id": "d3"},
                {"user_id": "u1", "device_id": "d1"},
                {"device_id": "u1"},
            ]
        )
    )
    fields: Fields = {
        "ts": _text(draw(scene.around())),
        "type": kind,
        "campaign_id": campaign["campaign_id"],
        "channel": channel,
        "instance_id": draw(st.sampled_from(["", "i1", "i2"])),
        "platform": draw(
            st.sampled_from([*platforms_of(channel), *(["", "windows"] if channel in DEVICE_CHANNELS else [channel])])
        ),
        "locale": draw(st.sampled_from(["", "en", "fr"])),
        "variation": draw(st.sampled_from(["", "variation_1", "variation_2"])),
        **person,
    }
    if kind in ("failed", "undelivered"):
        fields["reason"] = draw(st.sampled_from(["", *reasons_of(channel)]))
    elif kind == "removed":
        device = ["inactive_device_token"] if channel == "PUSH" else []
        fields["reason"] = draw(st.sampled_from(["", *reasons_of(channel), CAMPAIGN_CONTROL, GLOBAL_CONTROL, *device]))
    elif kind in ("open", "click", "unsubscribe"):
        fields["machine"] = draw(st.booleans()) or None
    elif kind == "qualified" and survivors:
        fields["step"] = draw(st.sampled_from(["", *steps_of(channel)]))
    return _body(**fields)


def steps_of(channel: str) -> list[str]:
    """Values of `step` that mean something on the channel."""
    if channel in AUDIENCES:
        return ["eligible"]
    return [*LEAVING.get(channel, {}), *(_DEVICE_STEPS if channel == "PUSH" else ())]


# ---- Journeys ----------------------------------------------------------------------------------------------------


@st.composite
def _journeys(draw: Draw, scene: _Setting) -> list[Fields]:
    """What happens to one user in one instance, as the sender contract has it."""
    campaign = draw(st.sampled_from(scene.campaigns))
    channel, implied = campaign["channel"], campaign["attempts"] == "implied"
    moment = draw(scene.inside())
    who = draw(st.sampled_from(["u1", "u2", "u3", "u4"]))
    # A user takes part in an instance once: the same instance id stands for different instances of different users.
    instance = draw(st.sampled_from(["i1", "i2", "i3"]))
    place = {
        "locale": draw(st.sampled_from(["", "en", "fr"])),
        "variation": draw(st.sampled_from(["", "variation_1", "variation_2"])),
    }
    events: list[Fields] = []

    def tell(kind: str, **more: Any) -> None:
        events.append(
            _body(
                type=kind,
                ts=_text(moment),
                campaign_id=campaign["campaign_id"],
                channel=channel,
                instance_id=instance,
                user_id=who,
                **{**place, **more},
            )
        )

    def attempt(**more: Any) -> None:
        if not implied:
            tell("attempted", **more)

    def engage(*kinds: str, **more: Any) -> None:
        for kind in kinds:
            for _ in range(draw(st.sampled_from([0, 1, 2]))):
                machine = kind in ("open", "click") and channel == "EMAIL" and draw(st.booleans())
                tell(kind, machine=machine or None, **more)

    def message(**more: Any) -> None:
        """One message that was attempted with success or fails for its own reason."""
        if channel == "CARDS":
            tell("sent", **more)
            if draw(st.booleans()):
                tell("delivered", **more)
                engage("impression", "click", **more)
            return
        attempt(**more)
        outcome = draw(st.sampled_from(["arrived", "lost", "failed"]))
        if outcome == "failed":
            tell("failed", reason=_UNSTAGED[channel], **more)
            return
        tell("sent", **more)
        if channel == "PUSH":
            engage("impression", "click", **more)
        elif channel in AUDIENCES:
            tell("synced" if outcome == "arrived" else "undelivered", **more)
        elif channel not in ("CONNECTOR", "CONNECTED_APPS"):
            if outcome == "lost":
                lost = ["undelivered", "hard_bounce", "soft_bounce"] if channel == "EMAIL" else ["undelivered"]
                tell(draw(st.sampled_from(lost)), **more)
                return
            tell("delivered", **more)
            engage(*_ENGAGEMENT[channel], **more)
            if channel == "EMAIL" and draw(st.booleans()):
                tell(draw(st.sampled_from(["unsubscribe", "complaint"])))

    for platform in draw(st.sampled_from([platforms_of(channel), platforms_of(channel)[:1]])):
        device = {"platform": platform}
        if channel in ON_SCREEN:
            if draw(st.booleans()):
                engage("impression", "click", "close", **device)
            else:
                tell("failed", reason=_UNSTAGED[channel], **device)
            continue
        if channel == "CARDS":
            message(**device)
            continue
        tell("qualified", **device)
        fate = draw(st.sampled_from(["message", "stopped", "removed", "held out"]))
        staged = reasons_of(channel)[1:]
        if fate == "held out":
            tell("removed", reason=draw(st.sampled_from([CAMPAIGN_CONTROL, GLOBAL_CONTROL])), **device)
        elif fate == "removed" and channel in AUDIENCES:
            tell("removed", reason="no_identifier", **device)
        elif fate == "removed" and staged:
            tell("removed", reason=draw(st.sampled_from(staged)), **device)
        elif fate == "stopped" and staged:
            attempt(**device)
            tell("failed", reason=draw(st.sampled_from(staged)), **device)
        else:
            if channel == "PUSH" and draw(st.booleans()):
                tell("removed", reason="inactive_device_token", device_id=f"{who}-old", **device)
            for number in range(draw(st.sampled_from([1, 2])) if channel in ("PUSH", "RCS") else 1):
                message(**device, **({"device_id": f"{who}-{platform}-{number}"} if channel == "PUSH" else {}))
    return events


_ENGAGEMENT = {
    "EMAIL": ("open", "click"),
    "SMS": ("click",),
    "MMS": ("click",),
    "RCS": ("read", "click"),
    "WHATSAPP": ("read", "click"),
}


# ---- Histories ---------------------------------------------------------------------------------------------------


@st.composite
def lawful_histories(draw: Draw, channels: Sequence[str] = CHANNELS) -> History:
    """A past that keeps the sender contract, complete within the requested range. Repeats are allowed."""
    scene = draw(_scenes(channels))
    few = draw(st.sampled_from([0, 2, 4]))
    told = draw(st.lists(_journeys(scene), min_size=few, max_size=6, unique_by=_participation))
    events = [event for journey in told for event in journey]
    return _history(draw, scene, events, lawful=True)


@st.composite
def histories(draw: Draw, channels: Sequence[str] = CHANNELS) -> History:
    """Any past: journeys with missing pieces, events out of nowhere, beside the range, repeated and contradicted."""
    scene = draw(_scenes(channels))
    survivors = draw(st.booleans())
    told = [event for journey in draw(st.lists(_journeys(scene), max_size=3)) for event in journey]
    if told:
        missing = draw(st.sets(st.integers(0, len(told) - 1), max_size=4))
        told = [event for number, event in enumerate(told) if number not in missing]
    told += draw(st.lists(_strays(scene, survivors), min_size=draw(st.sampled_from([0, 4, 10])), max_size=15))
    return _history(draw, scene, told, lawful=False)


def _participation(journey: Sequence[Fields]) -> tuple[Any, ...]:
    """What may happen only once: a user takes part in an instance of a campaign."""
    return tuple(journey[0].get(key) for key in ("campaign_id", "instance_id", "user_id")) if journey else ()


def _history(draw: Draw, scene: _Setting, events: Sequence[Fields], *, lawful: bool) -> History:
    arrivals: list[tuple[int, Fields]] = []
    for number, event in enumerate(events):
        arrivals.append((draw(st.integers(0, BATCHES - 1)), {"event_id": f"e{number:03d}", **event}))
    originals = list(arrivals)
    if originals:
        repeats = draw(st.lists(st.integers(0, len(originals) - 1), max_size=3))
        arrivals += [(draw(st.integers(0, BATCHES)), originals[number][1]) for number in repeats]
        for number, other in draw(st.lists(st.tuples(*[st.integers(0, len(originals) - 1)] * 2), max_size=2)):
            contradiction = {**originals[other][1], "event_id": originals[number][1]["event_id"]}
            # After all copies of what it contradicts, or in an otherwise quiet history before all of them.
            arrivals.append((-1 if not lawful and draw(st.booleans()) else BATCHES + 1, contradiction))
    return History(
        settings={"timezone": scene.timezone, **draw(_settings())},
        campaigns=scene.campaigns,
        batches=_batches(arrivals),
        request={"start_date": scene.first.isoformat(), "end_date": scene.last.isoformat()},
        lawful=lawful,
    )


def _batches(arrivals: Sequence[tuple[int, Fields]]) -> tuple[tuple[Fields, ...], ...]:
    """Events by batch; a batch never holds two different events with one id."""
    batches: list[list[Fields]] = []
    for number in sorted({number for number, _ in arrivals}):
        late: list[Fields] = []
        batch: list[Fields] = []
        for event in (event for place, event in arrivals if place == number):
            clash = any(other["event_id"] == event["event_id"] and other != event for other in batch)
            (late if clash else batch).append(event)
        batches += [batch, *([event] for event in late)]
    return tuple(tuple(batch) for batch in batches)
