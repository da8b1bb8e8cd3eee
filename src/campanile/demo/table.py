"""Events of one campaign as columns, and as the JSON objects of the events API."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import numpy as np

from campanile.demo.people import LOCALES, PLATFORMS, Bools, Ints, People
from campanile.demo.plans import Plan, object_id

KINDS: tuple[str, ...] = (
    "qualified", "removed", "attempted", "sent", "failed", "undelivered", "delivered", "hard_bounce", "soft_bounce",
    "impression", "open", "read", "click", "close", "dismiss", "unsubscribe", "complaint", "synced",
)  # fmt: skip
VARIATIONS: tuple[str, ...] = ("", "variation_1", "variation_2", "variation_3")
REASONS: tuple[str, ...] = (
    "", "campaign_control_group", "global_control_group", "no_device", "no_active_token", "inactive_device",
    "uninstalled", "frequency_cap", "dnd", "min_delay", "duplicate", "personalization", "invalid_token",
    "provider_rejected", "no_address", "invalid_address", "previously_bounced", "suppressed", "unknown_recipient",
    "unreachable", "expired", "mailbox_full", "policy_blocked", "not_opted_in", "max_shown", "http_500", "timeout",
    "higher_priority_campaign_available", "image_failure", "data_error",
)  # fmt: skip
PERSONAL_PLATFORM_CHANNELS = frozenset({"PUSH", "IN_APP", "OSM", "WEB_PERSONALIZATION"})
"""Channels whose events name the platform of the person's device."""


class Targets(msgspec.Struct, frozen=True):
    """Addressees of messages: a person, perhaps a device, the time of the send. Parallel arrays."""

    person: Ints
    platform: Ints
    device: Ints
    """0: no device is named; otherwise 1, 2, … per person and platform."""
    locale: Ints
    variation: Ints
    instance: Ints
    """0, or the number of the trigger."""
    start: Ints
    """Epoch milliseconds of the send."""

    def where(self, chosen: Bools | Ints) -> Targets:
        """Some of the addressees, by mask or by position."""
        return Targets(*(getattr(self, name)[chosen] for name in self.__struct_fields__))

    @property
    def count(self) -> int:
        return int(self.person.size)


class Table:
    """The events of one campaign. Rows are added in blocks and never changed."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._blocks: dict[str, list[Ints]] = {name: [] for name in _COLUMNS}
        self._sealed: dict[str, Ints] | None = None

    def add(
        self,
        kind: str,
        targets: Targets,
        time: Ints,
        *,
        reason: str | Ints = "",
        machine: bool = False,
        repeat: int | Ints = 0,
        named: bool = True,
    ) -> None:
        """Append one event per target; `named=False` leaves locale and variation out (no message exists yet)."""
        zero = np.zeros(targets.count, dtype=np.int64)
        values = {
            "kind": zero + KINDS.index(kind),
            "person": targets.person,
            "platform": targets.platform,
            "device": targets.device,
            "locale": targets.locale if named else zero,
            "variation": targets.variation if named else zero,
            "instance": targets.instance,
            "time": time.astype(np.int64),
            "reason": zero + REASONS.index(reason) if isinstance(reason, str) else reason,
            "machine": zero + int(machine),
            "repeat": zero + repeat,
        }
        for name, value in values.items():
            self._blocks[name].append(value)

    def columns(self) -> dict[str, Ints]:
        """All columns, complete."""
        if self._sealed is None:
            empty = np.zeros(0, dtype=np.int64)
            self._sealed = {name: np.concatenate([empty, *blocks]) for name, blocks in self._blocks.items()}
        return self._sealed

    def cut(self, end: int) -> None:
        """Forget what would happen at or after the instant `end`."""
        columns = self.columns()
        keep = columns["time"] < end
        self._sealed = {name: value[keep] for name, value in columns.items()}

    def select(self, *kinds: str) -> dict[str, Ints]:
        """The columns of the events of some kinds."""
        columns = self.columns()
        mask = np.isin(columns["kind"], [KINDS.index(kind) for kind in kinds])
        return {name: value[mask] for name, value in columns.items()}

    def __len__(self) -> int:
        return int(self.columns()["kind"].size)

    def events(self, people: People) -> Iterator[dict[str, object]]:
        """The events as the API takes them, with ids that depend on the campaign and the addressee only."""
        plan = self.plan
        base: dict[str, object] = {"campaign_id": plan.campaign_id, "channel": plan.channel}
        if plan.parent:
            base["parent_campaign_id"] = plan.parent_id
        if plan.flow:
            base["flow_id"] = object_id(plan.flow)
        columns = self.columns()
        times = iso_times(columns["time"])
        own_platform = plan.channel in PERSONAL_PLATFORM_CHANNELS
        prefix = plan.campaign_id[:10]
        rows = zip(
            *(columns[name].tolist() for name in _COLUMNS if name != "time"),
            times,
            strict=True,
        )
        for kind, person, platform, device, locale, variation, instance, reason, machine, repeat, time in rows:
            name = KINDS[kind]
            message = f"nw-{prefix}-{instance}-{person}-{platform}{device}"
            tail = f":{REASONS[reason]}" if name == "removed" else f":{repeat}" if repeat else ""
            event: dict[str, object] = {
                "event_id": f"{message}:{name}{tail}",
                "type": name,
                "time": time,
                "user_id": people.user_id(person),
                **base,
            }
            if own_platform:
                event["platform"] = PLATFORMS[platform]
            if device:
                event["device_id"] = f"d-{person}-{platform}{device}"
            if locale:
                event["locale"] = LOCALES[locale]
            if variation:
                event["variation"] = VARIATIONS[variation]
            if instance:
                event["instance_id"] = f"trigger-{instance}"
            if reason:
                event["reason"] = REASONS[reason]
            if machine:
                event["machine"] = True
            yield event


_COLUMNS: tuple[str, ...] = (
    "kind", "person", "platform", "device", "locale", "variation", "instance", "reason", "machine", "repeat", "time",
)  # fmt: skip


def iso_times(milliseconds: Ints) -> list[str]:
    """Epoch milliseconds as RFC 3339 texts."""
    texts = np.datetime_as_string(milliseconds.astype("datetime64[ms]"), unit="ms")
    return [f"{text}Z" for text in texts.tolist()]
