"""Senders and readers for tests against a real server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import httpx

from tests.support.server import Credentials

RETRY_STATUS = frozenset({408, 429, 500, 502, 503, 504})


class Sender:
    """Posts batches of `sent` events, each of a user of its own, and remembers what became of every one.

    `acknowledged` holds the event ids of answered requests, `sent` all ids that ever left. A batch without an answer
    stays in `open` and is sent again with the same bytes by `resend`, as an honest client does.
    """

    def __init__(self, url: str, credentials: Credentials, campaign_id: str, name: str) -> None:
        self.credentials = credentials
        self.campaign_id = campaign_id
        self.name = name
        self.acknowledged: set[str] = set()
        self.sent: set[str] = set()
        self.open: list[list[str]] = []
        self.refusals: list[str] = []
        """Texts of the answers 5xx and 429."""
        self.accepted = 0
        """Events that a server said were new to it."""
        self._url = url
        self._client = httpx.Client(timeout=30)
        self._time = datetime.now(UTC).isoformat(timespec="seconds")

    def close(self) -> None:
        self._client.close()

    def address(self, url: str) -> None:
        """Send to another server from now on."""
        self._url = url

    def send(self, count: int) -> bool:
        """Send `count` new events; whether they were acknowledged."""
        start = len(self.sent)
        return self.post([f"{self.name}-{number}" for number in range(start, start + count)])

    def resend(self) -> bool:
        """Send every batch again that got no answer; whether all of them are acknowledged now."""
        waiting, self.open = self.open, []
        return all([self.post(ids) for ids in waiting])  # noqa: C419 - every batch is sent, whatever the first got

    def send_until(self, stop: threading.Event, sizes: Iterable[int]) -> None:
        """Send batches of the given sizes until told to stop or until one gets no answer."""
        for size in sizes:
            if stop.is_set() or not self.send(size):
                return

    def post(self, ids: list[str]) -> bool:
        """Send the events with these ids; whether they were acknowledged."""
        lines = [json.dumps(self._event(event_id)) for event_id in ids]
        self.sent.update(ids)
        try:
            answer = self._client.post(
                f"{self._url}/v1/events",
                content="\n".join(lines).encode(),
                headers={
                    "Content-Type": "application/x-ndjson",
                    "Authorization": f"Bearer {self.credentials.ingest_key}",
                },
            )
        except httpx.TransportError:
            self.open.append(ids)
            return False
        if answer.status_code in RETRY_STATUS:
            self.refusals.append(answer.text)
            self.open.append(ids)
            return False
        body = answer.json()
        assert answer.status_code == 200, body
        assert body["accepted"] + body["duplicates"] == len(ids), body
        self.acknowledged.update(ids)
        self.accepted += body["accepted"]
        return True

    def _event(self, event_id: str) -> dict[str, str]:
        return {
            "event_id": event_id,
            "type": "sent",
            "time": self._time,
            "campaign_id": self.campaign_id,
            "channel": "PUSH",
            "platform": "ANDROID",
            "user_id": f"user-{event_id}",
        }


class Reader:
    """Asks the Stats API for one campaign over yesterday to tomorrow."""

    def __init__(self, url: str, credentials: Credentials, campaign_id: str) -> None:
        self.campaign_id = campaign_id
        self.address(url)
        self._client = httpx.Client(
            timeout=60,
            auth=(credentials.workspace_id, credentials.report_key),
            headers={"MOE-APPKEY": credentials.workspace_id},
        )

    def close(self) -> None:
        self._client.close()

    def address(self, url: str) -> None:
        """Ask another server from now on."""
        self._url = f"{url}/core-services/v1/campaign-stats"

    def performance(self, metric_type: str = "TOTAL") -> dict[str, float]:
        """`performance_stats` of the campaign on ANDROID; empty when the campaign is unknown."""
        today = datetime.now(UTC).date()
        answer = self._client.post(
            self._url,
            json={
                "request_id": "test",
                "campaign_ids": [self.campaign_id],
                "start_date": str(today - timedelta(days=1)),
                "end_date": str(today + timedelta(days=1)),
                "attribution_type": "VIEW_THROUGH",
                "metric_type": metric_type,
            },
        )
        assert answer.status_code == 200, (answer.status_code, answer.text)
        data = answer.json()["data"]
        if self.campaign_id not in data:
            return {}
        node = data[self.campaign_id][0]["platforms"]["android"]["locales"]["all_locales"]["variations"]
        stats: dict[str, float] = node["all_variations"]["performance_stats"]
        return stats

    def count(self) -> int:
        """How many `sent` events the campaign has."""
        return int(self.performance().get("sent", 0))
