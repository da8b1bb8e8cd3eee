"""What happens to the messages of a campaign: who is addressed, what fails, who reacts and when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np

from campanile.demo.people import LOCALES, PLATFORMS, Floats, Ints, People
from campanile.demo.plans import AUDIENCE, INBOUND, TIMEZONE, Plan
from campanile.demo.table import REASONS, VARIATIONS, Table, Targets

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

NO_REASON = -1

REMOVED: Mapping[str, Mapping[str, float]] = {
    "PUSH": {"no_active_token": 0.021, "uninstalled": 0.013, "no_device": 0.004},
    "FACEBOOK_AUDIENCE": {"no_address": 0.012},
    "GOOGLE_ADS_AUDIENCE": {"no_address": 0.016},
    "CONNECTOR": {"frequency_cap": 0.02},
}
"""Shares that leave before an attempt, next to control groups; people without an e-mail address come on top."""

FAILED: Mapping[str, Mapping[str, float]] = {
    "PUSH": {
        "frequency_cap": 0.031, "dnd": 0.008, "min_delay": 0.006, "duplicate": 0.004, "personalization": 0.002,
        "invalid_token": 0.019, "provider_rejected": 0.004,
    },
    "EMAIL": {
        "previously_bounced": 0.012, "suppressed": 0.004, "duplicate": 0.005, "invalid_address": 0.003,
        "frequency_cap": 0.016, "personalization": 0.002,
    },
    "SMS": {"frequency_cap": 0.014, "dnd": 0.011, "duplicate": 0.006, "invalid_address": 0.009},
    "WHATSAPP": {"frequency_cap": 0.008, "invalid_address": 0.006, "not_opted_in": 0.021},
    "CONNECTOR": {"http_500": 0.008, "timeout": 0.004, "personalization": 0.002},
    "CARDS": {},
}  # fmt: skip
"""Shares of the attempts that are not sent."""

UNDELIVERED: Mapping[str, Mapping[str, float]] = {
    "EMAIL": {"policy_blocked": 0.0015},
    "SMS": {"unreachable": 0.018, "unknown_recipient": 0.007, "expired": 0.004},
    "WHATSAPP": {"unreachable": 0.024, "expired": 0.006},
}
"""Shares of the sent messages reported as not delivered."""

_HOURLY = np.array([1, 1, 1, 1, 1, 2, 5, 8, 9, 9, 9, 9, 10, 9, 8, 8, 9, 11, 13, 15, 16, 14, 9, 4], dtype=np.float64)
HOURLY: Floats = _HOURLY / _HOURLY.sum()
"""How activity spreads over the local hours of a day."""


class Calendar:
    """Local days of the shop as epoch milliseconds."""

    def __init__(self, today: date) -> None:
        self.today = today
        self.zone = ZoneInfo(TIMEZONE)
        self.end = self.instant(0, 0.0)
        """Midnight at the start of today: nothing happens from here on."""

    def day(self, days_ago: int) -> date:
        return self.today - timedelta(days=days_ago)

    def moment(self, days_ago: int, hour: float) -> datetime:
        return datetime.combine(self.day(days_ago), time(int(hour), round(hour % 1 * 60)), tzinfo=self.zone)

    def instant(self, days_ago: int, hour: float) -> int:
        return round(self.moment(days_ago, hour).timestamp() * 1000)

    def hours(self, instants: Ints) -> Ints:
        """Local hours; the offset of today serves for all days, an hour more or less does no harm here."""
        offset = self.moment(0, 12).utcoffset() or timedelta()
        return (instants + round(offset.total_seconds() * 1000)) // HOUR % 24

    def awake(self, rng: np.random.Generator, instants: Ints) -> Ints:
        """Move most of what would happen at night into the morning."""
        hours = self.hours(instants)
        sleeping = (hours < 6) & (rng.random(instants.size) < 0.85)
        delay = (7 - hours) * HOUR + rng.integers(0, 2 * HOUR, size=instants.size)
        return np.where(sleeping, instants + delay, instants)

    def daytimes(self, rng: np.random.Generator, days_ago: Ints) -> Ints:
        """Random instants on the given days, busy hours more often."""
        starts = {int(day): self.instant(int(day), 0.0) for day in np.unique(days_ago)}
        midnight = np.array([starts[int(day)] for day in days_ago], dtype=np.int64)
        hour = rng.choice(24, size=days_ago.size, p=HOURLY)
        return midnight + hour * HOUR + rng.integers(0, HOUR, size=days_ago.size)


class Scribe:
    """Writes the events of one campaign."""

    def __init__(self, plan: Plan, people: People, calendar: Calendar, rng: np.random.Generator) -> None:
        self.plan = plan
        self.people = people
        self.calendar = calendar
        self.rng = rng
        self.table = Table(plan)

    def write(self) -> Table:
        """All events of the campaign up to today."""
        if self.plan.has_events:
            if self.plan.style == INBOUND:
                self._inbound()
            elif self.plan.style == AUDIENCE:
                self._audience()
            else:
                self._outbound()
            self.table.cut(self.calendar.end)
        return self.table

    # Addressees

    def _draw(self, count: int) -> Ints:
        allowed = self.people.reachable(self.plan.channel, self.plan.platforms).copy()
        if self.plan.only_locale:
            allowed &= self.people.locale == LOCALES.index(self.plan.only_locale)
        candidates = np.flatnonzero(allowed)
        return np.sort(self.rng.choice(candidates, size=min(count, candidates.size), replace=False)).astype(np.int64)

    def _addressees(self) -> Targets:
        """One target per person and send, not yet split by platform."""
        plan = self.plan
        if plan.delivery_type == "EVENT_TRIGGERED" and plan.style != INBOUND:
            drawn, days = [], []
            for days_ago in range(plan.days_ago, plan.days_ago - plan.duration, -1):
                persons = self._draw(max(1, int(self.rng.poisson(plan.audience))))
                drawn.append(persons)
                days.append(np.full(persons.size, days_ago, dtype=np.int64))
            person, days_ago_all = np.concatenate(drawn), np.concatenate(days)
            start = self.calendar.awake(self.rng, self.calendar.daytimes(self.rng, days_ago_all))
            instance = np.arange(1, person.size + 1, dtype=np.int64)
        else:
            person = self._draw(plan.audience)
            start = np.full(person.size, self.calendar.instant(plan.days_ago, plan.hour), dtype=np.int64)
            instance = np.zeros(person.size, dtype=np.int64)
        zero = np.zeros(person.size, dtype=np.int64)
        return Targets(
            person=person,
            platform=zero,
            device=zero,
            locale=self.people.locale[person] if plan.locales else zero,
            variation=self._variations(person.size),
            instance=instance,
            start=start,
        )

    def _variations(self, count: int) -> Ints:
        if not self.plan.variations:
            return np.zeros(count, dtype=np.int64)
        weights = np.array([variation.percent for variation in self.plan.variations], dtype=np.float64)
        numbers = np.array([VARIATIONS.index(variation.name) for variation in self.plan.variations], dtype=np.int64)
        return self.rng.choice(numbers, size=count, p=weights / weights.sum())

    def _by_platform(self, targets: Targets) -> Targets:
        """One target per person and platform the campaign addresses."""
        if not self.plan.platforms:
            return targets
        parts = []
        for platform in self.plan.platforms:
            part = targets.where(self.people.platform[platform][targets.person])
            parts.append(replace(part, platform=np.full(part.count, PLATFORMS.index(platform), dtype=np.int64)))
        return concatenate(parts)

    # Stages

    def _reasons(self, count: int, shares: Mapping[str, float]) -> Ints:
        """For each of `count` messages the number of one reason, or `NO_REASON`."""
        chosen = np.full(count, NO_REASON, dtype=np.int64)
        if shares:
            edges = np.cumsum(list(shares.values()))
            position = np.searchsorted(edges, self.rng.random(count), side="right")
            numbers = np.array([*(REASONS.index(reason) for reason in shares), NO_REASON], dtype=np.int64)
            chosen = numbers[position]
        return chosen

    def _draw_groups(self, addressees: Targets) -> tuple[Targets, Ints]:
        """Targets per platform, and the control group each is drawn into: 0, 1 (campaign) or 2 (global)."""
        plan = self.plan
        share = plan.control if plan.held_out is None else plan.held_out
        by_global = self.people.global_control[addressees.person] & plan.global_control
        by_campaign = ~by_global & (self.rng.random(addressees.count) < share / 100)
        number = np.where(by_global, 2, np.where(by_campaign, 1, 0)).astype(np.int64)
        marked = replace(addressees, variation=addressees.variation + 10 * number)
        spread = self._by_platform(marked)
        drawn = spread.variation // 10
        return replace(spread, variation=spread.variation % 10), drawn

    def _hold_out(self, targets: Targets, drawn: Ints) -> Targets:
        """Write the hold-outs among the targets that could be reached; the rest."""
        for code, reason in ((1, "campaign_control_group"), (2, "global_control_group")):
            group = targets.where(drawn == code)
            self.table.add("removed", group, group.start - 40 * SECOND, reason=reason, named=False)
        return targets.where(drawn == 0)

    def _jitter(self, count: int, longest: int) -> Ints:
        return self.rng.integers(0, max(1, longest), size=count)

    def _delay(self, count: int, median: float, spread: float = 1.2) -> Ints:
        """Waiting times in milliseconds, log-normal."""
        return np.minimum(self.rng.lognormal(np.log(median), spread, size=count), 6 * DAY).astype(np.int64)

    def _outbound(self) -> None:
        plan, table = self.plan, self.table
        addressees = self._addressees()
        everyone, drawn = self._draw_groups(addressees)
        if plan.channel == "CARDS":
            self._cards(self._hold_out(everyone, drawn))
            return
        table.add("qualified", everyone, everyone.start - MINUTE, named=False)

        reasons = self._reasons(everyone.count, REMOVED.get(plan.channel, {}))
        if plan.channel == "EMAIL":
            reasons = np.where(self.people.email[everyone.person], reasons, REASONS.index("no_address"))
        gone = reasons != NO_REASON
        leaving = everyone.where(gone)
        table.add("removed", leaving, leaving.start - 50 * SECOND, reason=reasons[gone], named=False)

        tried = self._devices(self._hold_out(everyone.where(~gone), drawn[~gone]))
        tried = replace(tried, start=tried.start + self._jitter(tried.count, 25 * MINUTE))
        table.add("attempted", tried, tried.start)
        reasons = self._reasons(tried.count, FAILED[plan.channel])
        failing = tried.where(reasons != NO_REASON)
        table.add("failed", failing, failing.start + SECOND, reason=reasons[reasons != NO_REASON])
        sent = tried.where(reasons == NO_REASON)
        sent = replace(sent, start=sent.start + 200 + self._jitter(sent.count, 4 * SECOND))
        table.add("sent", sent, sent.start)
        if plan.channel == "PUSH":
            self._push(sent)
        elif plan.channel == "EMAIL":
            self._email(sent)
        elif plan.channel == "SMS":
            self._sms(sent)
        elif plan.channel == "WHATSAPP":
            self._whatsapp(sent)

    def _devices(self, targets: Targets) -> Targets:
        """Push goes to devices: some people have two phones, some of those are switched off for good."""
        if self.plan.channel != "PUSH":
            return targets
        first = replace(targets, device=np.ones(targets.count, dtype=np.int64))
        android = targets.platform == PLATFORMS.index("ANDROID")
        second = targets.where(android & self.people.two_phones[targets.person])
        second = replace(second, device=np.full(second.count, 2, dtype=np.int64))
        inactive = self.rng.random(second.count) < 0.3
        lost = second.where(inactive)
        self.table.add("removed", lost, lost.start - 10 * SECOND, reason="inactive_device", named=False)
        return concatenate([first, second.where(~inactive)])

    def _keen(self, targets: Targets) -> Floats:
        """How likely people react, around 1: their own interest, the campaign, the variation."""
        factor = 0.35 + 1.95 * self.people.engagement[targets.person]
        lifts = np.ones(len(VARIATIONS))
        for variation in self.plan.variations:
            lifts[VARIATIONS.index(variation.name)] = variation.lift
        return factor * lifts[targets.variation] * self.plan.engagement

    def _react(
        self, kind: str, seen: Targets, rate: float, median: float, *, again: float = 0.0, machine: bool = False
    ) -> Targets:
        """Some of `seen` do something later, a few of them several times; the targets, started at the first time."""
        keen = self._keen(seen)
        acting = seen.where(self.rng.random(seen.count) < rate * keen)
        first = self.calendar.awake(self.rng, acting.start + SECOND + self._delay(acting.count, median))
        acting = replace(acting, start=first)
        self.table.add(kind, acting, first, machine=machine)
        if again:
            extra = self.rng.poisson(again, size=acting.count).astype(np.int64)
            owner = np.repeat(np.arange(acting.count), extra)
            number = np.arange(owner.size) - np.repeat(np.cumsum(extra) - extra, extra)
            more = acting.where(owner)
            later = self.calendar.awake(self.rng, more.start + MINUTE + self._delay(more.count, 5 * HOUR))
            self.table.add(kind, more, later, repeat=number + 1, machine=machine)
        return acting

    # Channels

    def _push(self, sent: Targets) -> None:
        shares = np.zeros(len(PLATFORMS))
        for platform, share in (("ANDROID", 0.74), ("IOS", 0.66), ("WEB", 0.81)):
            shares[PLATFORMS.index(platform)] = share
        shown = sent.where(self.rng.random(sent.count) < shares[sent.platform])
        shown = replace(shown, start=shown.start + SECOND + self._delay(shown.count, 40 * SECOND, 1.6))
        self.table.add("impression", shown, shown.start)
        self._react("click", shown, 0.062, 25 * MINUTE, again=0.05)

    def _undelivered(self, sent: Targets) -> Targets:
        """Write what does not arrive, return the rest."""
        reasons = self._reasons(sent.count, UNDELIVERED.get(self.plan.channel, {}))
        lost = sent.where(reasons != NO_REASON)
        self.table.add("undelivered", lost, lost.start + MINUTE, reason=reasons[reasons != NO_REASON])
        return sent.where(reasons == NO_REASON)

    def _email(self, sent: Targets) -> None:
        table = self.table
        rest = self._undelivered(sent)
        luck = self.rng.random(rest.count)
        hard, soft = rest.where(luck < 0.004), rest.where((luck >= 0.004) & (luck < 0.013))
        table.add("hard_bounce", hard, hard.start + 2 * SECOND, reason="unknown_recipient")
        table.add("soft_bounce", soft, soft.start + 40 * MINUTE, reason="mailbox_full")
        arrived = rest.where(luck >= 0.013)
        arrived = replace(arrived, start=arrived.start + SECOND + self._jitter(arrived.count, 20 * SECOND))
        table.add("delivered", arrived, arrived.start)
        private = self.people.private_mail[arrived.person]
        prefetched = arrived.where(private & (self.rng.random(arrived.count) < 0.9))
        times = prefetched.start + self._delay(prefetched.count, 8 * MINUTE, 1.5)
        table.add("open", prefetched, times, machine=True, repeat=100)
        scanned = arrived.where(self.rng.random(arrived.count) < 0.006)
        table.add("click", scanned, scanned.start + 3 * SECOND, machine=True, repeat=100)
        opened = self._react("open", arrived, 0.24, 3 * HOUR, again=0.35)
        self._react("click", opened, 0.16, 3 * MINUTE, again=0.3)
        leaving = opened.where(self.rng.random(opened.count) < 0.007)
        table.add("unsubscribe", leaving, leaving.start + 30 * SECOND)
        angry = arrived.where(self.rng.random(arrived.count) < 0.0005)
        table.add("complaint", angry, angry.start + self._delay(angry.count, 6 * HOUR))

    def _sms(self, sent: Targets) -> None:
        if not self.plan.delivery_tracking:
            self._react("click", sent, 0.05, 20 * MINUTE, again=0.1)
            return
        rest = self._undelivered(sent)
        arrived = rest.where(self.rng.random(rest.count) < 0.985)
        arrived = replace(arrived, start=arrived.start + 2 * SECOND + self._delay(arrived.count, 6 * SECOND))
        self.table.add("delivered", arrived, arrived.start)
        self._react("click", arrived, 0.075, 15 * MINUTE, again=0.12)

    def _whatsapp(self, sent: Targets) -> None:
        arrived = self._undelivered(sent)
        arrived = replace(arrived, start=arrived.start + SECOND + self._delay(arrived.count, 5 * SECOND))
        self.table.add("delivered", arrived, arrived.start)
        read = arrived.where(self.rng.random(arrived.count) < 0.71)
        times = self.calendar.awake(self.rng, read.start + SECOND + self._delay(read.count, 40 * MINUTE))
        read = replace(read, start=times)
        self.table.add("read", read, times)
        self._react("click", read, 0.17, 5 * MINUTE, again=0.15)

    def _cards(self, sent: Targets) -> None:
        sent = replace(sent, start=sent.start + self._jitter(sent.count, 10 * MINUTE))
        self.table.add("sent", sent, sent.start)
        opened = self._react("delivered", sent, 0.55, 9 * HOUR)
        shown = replace(opened, start=opened.start + SECOND)
        self.table.add("impression", shown, shown.start)
        self._react("click", shown, 0.16, MINUTE, again=0.1)

    def _inbound(self) -> None:
        """Shown several times to people who use the app or the site while the campaign runs."""
        plan, table, rng = self.plan, self.table, self.rng
        people = self._addressees()
        days_ago = plan.days_ago - rng.integers(0, plan.duration, size=people.count)
        people = replace(people, start=self.calendar.daytimes(rng, days_ago))
        seen = self._hold_out(*self._draw_groups(people))
        reasons = self._reasons(
            seen.count, {"max_shown": 0.021, "higher_priority_campaign_available": 0.034, "image_failure": 0.004}
        )
        missed = seen.where(reasons != NO_REASON)
        table.add("failed", missed, missed.start, reason=reasons[reasons != NO_REASON])
        seen = seen.where(reasons == NO_REASON)
        table.add("impression", seen, seen.start)
        shows = np.minimum(rng.poisson(0.7, size=seen.count), max(0, plan.duration - 1)).astype(np.int64)
        owner = np.repeat(np.arange(seen.count), shows)
        number = np.arange(owner.size) - np.repeat(np.cumsum(shows) - shows, shows)
        again = seen.where(owner)
        table.add("impression", again, self.calendar.awake(rng, again.start + (number + 1) * DAY), repeat=number + 1)
        clicked = rng.random(seen.count) < np.minimum(0.95, 0.09 * self._keen(seen))
        click = seen.where(clicked)
        table.add("click", click, click.start + 2 * SECOND + self._jitter(click.count, 20 * SECOND))
        rest = seen.where(~clicked)
        luck = rng.random(rest.count)
        closed, faded = rest.where(luck < 0.42), rest.where((luck >= 0.42) & (luck < 0.6))
        table.add("close", closed, closed.start + SECOND + self._jitter(closed.count, 9 * SECOND))
        table.add("dismiss", faded, faded.start + 15 * SECOND)

    def _audience(self) -> None:
        table = self.table
        everyone = self._addressees()
        table.add("qualified", everyone, everyone.start - MINUTE)
        reasons = self._reasons(everyone.count, REMOVED[self.plan.channel])
        unknown = everyone.where(reasons != NO_REASON)
        table.add("removed", unknown, unknown.start - 30 * SECOND, reason=reasons[reasons != NO_REASON])
        tried = everyone.where(reasons == NO_REASON)
        tried = replace(tried, start=tried.start + self._jitter(tried.count, 10 * MINUTE))
        table.add("attempted", tried, tried.start)
        reasons = self._reasons(tried.count, {"data_error": 0.004})
        broken = tried.where(reasons != NO_REASON)
        table.add("failed", broken, broken.start + SECOND, reason=reasons[reasons != NO_REASON])
        sent = tried.where(reasons == NO_REASON)
        table.add("sent", sent, sent.start + 2 * SECOND)
        synced = sent.where(self.rng.random(sent.count) < 0.94)
        table.add("synced", synced, synced.start + 2 * HOUR)


def replace(targets: Targets, **columns: Ints) -> Targets:
    """A copy with some columns exchanged."""
    return Targets(**{name: columns.get(name, getattr(targets, name)) for name in targets.__struct_fields__})


def concatenate(parts: list[Targets]) -> Targets:
    """The targets of all parts."""
    names = Targets.__struct_fields__
    return Targets(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
