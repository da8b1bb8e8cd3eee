"""One record becomes one event, or is refused with a reason (ingest specification 1.9, 1.10, 1.12)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NoReturn, TypeGuard

import msgspec
from msgspec.structs import replace

from campanile.intake.attributes import canonical_attributes
from campanile.intake.event import Event
from campanile.intake.fields import MERGE_TYPE, PLACEHOLDER_IDS, WITHOUT_CAMPAIGN, money, text
from campanile.intake.limits import (
    DETAIL_CHARS,
    ID_CHARS,
    LABEL_CHARS,
    LINK_CHARS,
    MAX_USER_NUMBER,
    MESSAGE_ID_CHARS,
    USER_AGENT_CHARS,
)
from campanile.intake.machines import ACTS, machine_rules
from campanile.intake.notices import Notices
from campanile.intake.policy import Policy
from campanile.intake.shapes import KNOWN_FIELDS, PAYLOAD_TYPES, Shape, complete, joined_detail, memory, shape_of
from campanile.intake.times import instant
from campanile.intake.verdicts import Refused
from campanile.kit.hashing import identity_key
from campanile.kit.pii import address_in, clean_link, masked, pseudonym

__all__ = ["Validator", "complete", "is_event_id"]

_RARE = frozenset(
    {
        "reason_detail", "revenue", "attributes", "link", "link_id", "received_at", "from_user_id", "to_user_id",
        "user_agent", "ip_address",
    }
)  # fmt: skip
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_NOTHING: dict[str, object] = {}


def is_event_id(value: object) -> TypeGuard[str]:
    """Whether `value` may be an event id: 1 to 128 printable characters, no space at either end."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= ID_CHARS
        and value.isprintable()
        and value[0] != " "
        and value[-1] != " "
    )


def _is_plain_id(value: object) -> TypeGuard[str]:
    """Whether `value` certainly needs no second look as the id of a user or device."""
    return (
        isinstance(value, str)
        and 0 < len(value) <= ID_CHARS
        and value.isprintable()
        and "@" not in value
        and value[0] not in "+ "
        and value[-1] != " "
    )


class Validator:
    """Judges the records of one request, in their order. Not thread-safe."""

    def __init__(self, policy: Policy, now: datetime, idempotency_key: str | None = None) -> None:
        """`now` is the instant of receipt; `idempotency_key` names events that have no id of their own."""
        limits = policy.limits
        self._policy = policy
        self._idempotency_key = idempotency_key
        self._earliest = limits.earliest if limits.age is None else max(limits.earliest, now - limits.age)
        self._notice = now + limits.future_notice
        self._latest = now + limits.future
        self._shapes = memory.of(policy)
        self._days: set[int] = set()
        self.notices = Notices(KNOWN_FIELDS)

    @property
    def ordinary_times(self) -> tuple[int, int]:
        """First and last instant, in UTC epoch milliseconds, about which there is nothing to say."""
        return -((_EPOCH - self._earliest) // _MILLISECOND), (self._notice - _EPOCH) // _MILLISECOND

    def touch(self, days: Iterable[int]) -> None:
        """Days since 1970 on which events happened that others have judged."""
        self._days.update(day + _EPOCH.toordinal() for day in days)

    def shape(self, shared: dict[str, object]) -> Shape:
        """What events with these shared fields have in common. Raises `Refused`."""
        return self._shape(shared)

    def validate(self, record: dict[str, object], index: int) -> Event:
        """The event in `record`, which is consumed. Raises `Refused`.

        `index` is its position in the request. The checks for the common case stand inline: this runs for every
        event that arrives, and whatever is out of the ordinary is left to a method that knows the rule.
        """
        pop = record.pop
        event_id = pop("event_id", None)
        time, ts = pop("time", None), pop("ts", None)
        user_id, device_id = pop("user_id", None), pop("device_id", None)
        message_id, instance_id = pop("message_id", None), pop("instance_id", None)
        rare = None if _RARE.isdisjoint(record) else {name: pop(name, None) for name in _RARE}
        shape = self._shape(record)
        prototype = shape.event
        if prototype.type == MERGE_TYPE:
            event_id, user_id, rare = self._merge(event_id, rare or {}, (user_id, device_id, message_id, instance_id))
            device_id = message_id = instance_id = None

        if not is_event_id(event_id):
            event_id = self._event_id(event_id, index)
        moment = self._moment(time, ts) if ts is not None or time is None else instant(time, "time")
        if not self._earliest <= moment <= self._latest:
            self._refuse_time(moment)
        if not _is_plain_id(user_id) or user_id.lower() in PLACEHOLDER_IDS:
            user_id = self._user(user_id)
        if device_id is None:
            device_id = ""
        elif not _is_plain_id(device_id):
            device_id = self._without_address(text(device_id, "device_id", ID_CHARS), "device_id")
        if not user_id and not device_id:
            raise Refused("missing_field", "user_id", f"user_id or device_id is required for type {prototype.type}")
        message_id = "" if message_id is None else text(message_id, "message_id", MESSAGE_ID_CHARS)
        if instance_id is None or prototype.type in WITHOUT_CAMPAIGN:
            instance_id = prototype.instance_id
        else:
            instance_id = text(instance_id, "instance_id", LABEL_CHARS) or prototype.instance_id
        event = replace(
            prototype,
            event_id=event_id,
            ts=moment,
            user_id=user_id,
            device_id=device_id,
            message_id=message_id,
            instance_id=instance_id,
            **(_NOTHING if rare is None else self._rare(prototype, rare)),
        )
        day = moment.toordinal()
        if day not in self._days:
            self._add_day(day)
        if moment > self._notice:
            self.notices.add("time_ahead", "time")
        for name in shape.ignored:
            self.notices.add("unknown_field", name)
        return event

    def _shape(self, shared: dict[str, object]) -> Shape:
        key = (*shared, *shared.values())
        try:
            known = self._shapes.get(key)
        except TypeError:  # an unknown field that holds an object
            return shape_of(shared, self._policy)
        if known is not None:
            for name, kind in known.types:
                if shared[name].__class__ is not kind:
                    break
            else:
                return known
        known = self._shapes[key] = shape_of(shared, self._policy)
        return known

    def _event_id(self, value: object, index: int) -> str:
        if value is not None and not isinstance(value, str):
            raise Refused("invalid_type", "event_id", "event_id must be a string")
        if value is not None:
            raise Refused(
                "invalid_value",
                "event_id",
                f"event_id must be 1 to {ID_CHARS} printable characters without space at either end",
            )
        if self._idempotency_key is None:
            raise Refused("missing_event_id", "event_id", "event_id is required in a request without Idempotency-Key")
        return f"{self._idempotency_key}:{index}"

    @staticmethod
    def _moment(time: object, ts: object) -> datetime:
        if time is None and ts is None:
            raise Refused("missing_field", "time", "time is required")
        if time is None:
            return instant(ts, "ts")
        moment = instant(time, "time")
        if instant(ts, "ts") != moment:
            raise Refused("invalid_value", "ts", "ts contradicts time")
        return moment

    def _refuse_time(self, moment: datetime) -> NoReturn:
        if moment > self._latest:
            hours = self._policy.limits.future.total_seconds() / 3600
            raise Refused("time_in_future", "time", f"time must lie at most {hours:g} hours ahead")
        raise Refused("too_old", "time", f"time must not lie before {self._earliest:%Y-%m-%dT%H:%M:%SZ}")

    def _merge(
        self, event_id: object, rare: dict[str, object], others: tuple[object, ...]
    ) -> tuple[object, str, dict[str, object]]:
        """Event id, user and further fields of a merge. Without an id of its own it is called after the two users."""
        users = {}
        for field in ("from_user_id", "to_user_id"):
            users[field] = self._user(rare.get(field), field)
            if not users[field]:
                raise Refused("missing_field", field, f"{field} is required for type {MERGE_TYPE}")
        user_id, to_user_id = users.values()
        if user_id == to_user_id:
            raise Refused("invalid_value", "to_user_id", "to_user_id must be another user than from_user_id")
        if event_id is None and self._idempotency_key is None:
            event_id = f"{MERGE_TYPE}:{identity_key(user_id, to_user_id):032x}"
        for name, value in zip(("user_id", "device_id", "message_id", "instance_id"), others, strict=True):
            if value is not None:
                self._ignore(name, MERGE_TYPE)
        return event_id, user_id, {**dict.fromkeys(_RARE), **rare, "to_user_id": to_user_id}

    def _user(self, value: object, field: str = "user_id") -> str:
        """The user id of a value that is not plainly one."""
        if value is None:
            return ""
        if isinstance(value, int) and not isinstance(value, bool):
            if not -MAX_USER_NUMBER <= value <= MAX_USER_NUMBER:
                raise Refused("invalid_value", field, f"{field} as a number must be between -2^53 and 2^53")
            value = str(value)
        user_id = text(value, field, ID_CHARS)
        if self._policy.reject_placeholder_ids and user_id.strip().lower() in PLACEHOLDER_IDS:
            raise Refused("placeholder_user_id", field, f"{field} must name one person")
        return self._without_address(user_id, field)

    def _without_address(self, value: str, field: str) -> str:
        """The id itself, or the pseudonym of the address that it is."""
        if self._policy.pii_mode == "allow" or (address := address_in(value)) is None:
            return value
        if self._policy.pii_mode == "reject":
            raise Refused("pii_rejected", field, f"{field} must not be an e-mail address or phone number")
        return pseudonym(self._policy.pseudonym_key, address)

    def _rare(self, prototype: Event, rare: dict[str, object]) -> dict[str, object]:
        """Values of the fields that few events have."""
        changes: dict[str, object] = {}
        if rare["reason_detail"] is not None:
            detail = masked(text(rare["reason_detail"], "reason_detail", DETAIL_CHARS))
            changes["reason_detail"] = joined_detail(prototype.reason_detail, detail)
        if rare["link"] is not None:
            link = text(rare["link"], "link", LINK_CHARS)
            changes["link"] = clean_link(link, keep_query=self._policy.keep_link_query)
        if rare["link_id"] is not None:
            changes["link_id"] = text(rare["link_id"], "link_id", LABEL_CHARS)
        if prototype.type in PAYLOAD_TYPES:
            changes["revenue"] = money(rare["revenue"], "revenue")
            changes["attributes"] = canonical_attributes(
                rare["attributes"], self._policy, lambda name: self.notices.add("pii_dropped", f"attributes.{name}")
            )
        else:
            for name in ("revenue", "attributes"):
                if rare[name] is not None:
                    self._ignore(name, prototype.type)
        if prototype.type == MERGE_TYPE:
            changes["attributes"] = msgspec.json.encode({"to_user_id": rare["to_user_id"]}).decode()
        else:
            for name in ("from_user_id", "to_user_id"):
                if rare[name] is not None:
                    self._ignore(name, prototype.type)
        if rare["user_agent"] is not None or rare["ip_address"] is not None:
            self._look_at_caller(prototype, rare, changes)
        return changes

    def _look_at_caller(self, prototype: Event, rare: dict[str, object], changes: dict[str, object]) -> None:
        """Tell machines by their user agent and address, which are forgotten then."""
        agent = text(rare["user_agent"], "user_agent", USER_AGENT_CHARS)
        address = text(rare["ip_address"], "ip_address", LABEL_CHARS)
        if prototype.type in ACTS:
            found = machine_rules(self._policy.machine_rules).machine(prototype.type, agent, address)
            changes["machine"] = prototype.machine or found
            return
        for name in ("user_agent", "ip_address"):
            if rare[name] is not None:
                self._ignore(name, prototype.type)

    def _ignore(self, name: str, event_type: str) -> None:
        if self._policy.strict:
            raise Refused("invalid_value", name, f"{name} is not known for type {event_type}")
        self.notices.add("unknown_field", name)

    def _add_day(self, day: int) -> None:
        if len(self._days) >= self._policy.limits.days:
            raise Refused("too_many_days", "time", f"A request may touch {self._policy.limits.days} days")
        self._days.add(day)
