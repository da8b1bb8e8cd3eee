"""What the log knows of a message: the registry of messages is the log itself (ingest specification 3.1)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from campanile.engine import Engine
from campanile.hooks.schemas import LAST_SEND_DAYS, REGISTRY_DAYS, KnownMessage

LOOKUP_IDS = 1_000
"""Message ids per question; bounds the size of the statement."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)

MessageId = tuple[str, str]
"""Provider and the id it gave."""


class Messages:
    """Looks for messages. Blocks."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def known(
        self, workspace_id: str, wanted: Collection[MessageId], now: datetime, *, after: int = 0
    ) -> dict[MessageId, KnownMessage]:
        """Those of the messages that a stored event tells something of; the first one that did counts.

        Args:
            after: only events stored with a later sequence.

        Raises:
            EngineUnavailable: the log cannot be read.
        """
        found: dict[MessageId, tuple[int, KnownMessage]] = {}
        ids = sorted({message_id for _, message_id in wanted})
        providers = sorted({provider for provider, _ in wanted})
        since = _milliseconds(now - REGISTRY_DAYS)
        for start in range(0, len(ids), LOOKUP_IDS):
            part = ids[start : start + LOOKUP_IDS]
            rows = self._engine.ask("messages", workspace_id, ids=part, providers=providers, mark=after, since=since)
            for provider, message_id, sequence, *fields in rows:
                name = (provider, message_id)
                if name in wanted and (name not in found or sequence < found[name][0]):
                    found[name] = sequence, KnownMessage(**dict(zip(_FIELDS, fields, strict=True)))
        return {name: message for name, (_, message) in found.items()}

    def last_send(self, workspace_id: str, user: str, channel: str, before: datetime) -> KnownMessage | None:
        """What was sent to a user on a channel in the days before a moment, the latest if there is more.

        Raises:
            EngineUnavailable: the log cannot be read.
        """
        rows = self._engine.ask(
            "last_send",
            workspace_id,
            user=user,
            channel=channel,
            since=_milliseconds(before - LAST_SEND_DAYS),
            until=_milliseconds(before),
        )
        if not rows:
            return None
        _, campaign_id, platform, locale, variation, instance_id, flow_id, device_id = max(rows)
        return KnownMessage(
            campaign_id=campaign_id,
            channel=channel,
            platform=platform,
            locale=locale,
            variation=variation,
            instance_id=instance_id,
            flow_id=flow_id,
            user_id=user,
            device_id=device_id,
        )


_FIELDS = (
    "campaign_id", "channel", "platform", "locale", "variation", "instance_id", "flow_id", "user_id", "device_id",
)  # fmt: skip


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND
