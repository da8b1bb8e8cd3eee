"""Rows of the companion APIs, made from complete documents (campaign specification 1.7, 1.8, 2.4, 3.2, 4.2, 6)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from campanile.campaigns.checks import parse_time
from campanile.campaigns.companion.repository import Execution
from campanile.campaigns.companion.schemas import Version
from campanile.campaigns.vocabulary import PLATFORM_CHANNELS

Document = dict[str, Any]
"""A document as `records.shown` completes it."""

_TITLES = {"SENDING": "Active", "FAILED": "Stopped"}
_UPPER = {"FAILED": "STOPPED"}
_RUNS = {
    "DRAFT": "Scheduled", "SCHEDULED": "Scheduled", "ACTIVE": "Sending", "SENDING": "Sending", "PAUSED": "Scheduled",
    "SENT": "Sent", "STOPPED": "Failed", "FAILED": "Failed", "RETIRED": "Sent", "ARCHIVED": "Sent",
}  # fmt: skip
_PARTS = (
    "campaign_content", "trigger_condition", "segmentation_details", "delivery_controls", "advanced",
    "control_group_details", "utm_params", "connector", "sender_name", "campaign_audience_limit",
)  # fmt: skip
"""Members of a row that are shown as they were written."""
_REACHING = frozenset({"ONE_TIME", "EVENT_TRIGGERED", "BUSINESS_EVENT_TRIGGERED"})


def search_row(document: Document, version: Version) -> dict[str, Any]:
    """The full configuration of a campaign."""
    status = status_text(document["status"], version)
    exact = version == "v5"
    row: dict[str, Any] = {"id": document["campaign_id"]} if exact else {}
    row |= {"campaign_id": document["campaign_id"], "status": status, "channel": document["channel"]}
    row |= _present(document, "campaign_delivery_type", "created_by", "updated_by")
    for name in ("created_at", "updated_at", "sent_time"):
        if name in document:
            row[name] = _spaced(_instant(document[name]), exact=exact)
    row |= _present(document, "flow_id", "flow_name", "parent_id")
    row["basic_details"] = document["basic_details"]
    row |= _present(document, *_PARTS)
    schedule = _schedule(document)
    if schedule:
        row["scheduling_details"] = schedule
    if "conversion_goal_details" in document:
        row["conversion_goal_details"] = _goals(document["conversion_goal_details"])
    if not exact:
        row |= {"campaign_status": status, "campaign_start_time": _start(document)}
        if "expiry_time" in schedule:
            row["campaign_end_time"] = schedule["expiry_time"]
    return row


def meta_row(document: Document, version: Version, children: int, reach: dict[str, Any] | None) -> dict[str, Any]:
    """What labels the numbers of a campaign. `reach`: the estimate where none was written."""
    basics = document["basic_details"]
    row: dict[str, Any] = {"id": document["campaign_id"]} if version == "v5" else {}
    row |= {
        "campaign_id": document["campaign_id"],
        "channel": document["channel"],
        "platform": basics.get("platforms", []) if has_platforms(document) else [],
        **_present(document, "created_by", "campaign_delivery_type"),
        "campaign_name": basics["name"],
    }
    if "team" in basics:
        row["campaign_team"] = basics["team"]
    row["campaign_tags"] = basics["tags"]
    row["campaign_status"] = status_text(document["status"], version)
    row["campaign_start_time"] = _start(document)
    if "parent_id" in document:
        row["parent_campaign_id"] = document["parent_id"]
    row |= _present(document, "flow_id", "flow_name")
    if counts_children(document):
        row["total_child_campaigns"] = children
    if shows_reach(document):
        written = document.get("reachability_details", {})
        shown = {**(reach or {}), **written} if "count" in written else reach
        if shown:
            row["reachability_details"] = {
                name: _with_t(_instant(value)) if name == "last_updated_time" else value
                for name, value in shown.items()
                if name in ("count", "last_updated_time")
            }
    return row


def execution_row(run: Execution) -> dict[str, Any]:
    """One run of a parent."""
    row: dict[str, Any] = {"campaign_id": run.campaign_id}
    if run.sent_time is not None:
        row["sent_time"] = _with_t(run.sent_time)
    return {**row, "status": _RUNS[run.status]}


def status_text(status: str, version: Version) -> str:
    """The status as V1 (`Active`) or V5 (`ACTIVE`) shows it."""
    return _UPPER.get(status, status) if version == "v5" else _TITLES.get(status, status.title())


def has_platforms(document: Document) -> bool:
    return document["channel"] in PLATFORM_CHANNELS or document["channel"] == "ONSITE"


def counts_children(document: Document) -> bool:
    return document.get("campaign_delivery_type") == "PERIODIC" and "parent_id" not in document


def shows_reach(document: Document) -> bool:
    """Whether the row has an estimate of reach at all."""
    return document["status"] == "SCHEDULED" and document.get("campaign_delivery_type") in _REACHING


def needs_reach(document: Document) -> bool:
    """Whether the estimate must be counted, because nobody wrote one."""
    return shows_reach(document) and "count" not in document.get("reachability_details", {})


def _schedule(document: Document) -> dict[str, Any]:
    written: dict[str, Any] = document.get("scheduling_details", {})
    return {
        name: _with_t(_instant(value)) if name in ("start_time", "expiry_time") else value
        for name, value in written.items()
    }


def _start(document: Document) -> str:
    planned = document.get("scheduling_details", {}).get("start_time") if "parent_id" not in document else None
    return _with_t(_instant(planned or document.get("sent_time") or document["created_at"]))


def _goals(details: Document) -> dict[str, Any]:
    """With the name of each goal under the second key that clients read."""
    goals = details.get("goals")
    if goals is None:
        return details
    return {**details, "goals": [{**goal, "name": goal["goal_name"]} for goal in goals]}


def _present(document: Document, *names: str) -> dict[str, Any]:
    return {name: document[name] for name in names if name in document}


def _instant(text: str) -> datetime:
    instant = parse_time(text)
    if instant is None:
        raise ValueError(f"a stored document has the time {text!r}")
    return instant


def _with_t(instant: datetime) -> str:
    """UTC without a zone; six digits of a second, or none."""
    return instant.replace(tzinfo=None).isoformat()


def _spaced(instant: datetime, *, exact: bool) -> str:
    return instant.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds" if exact else "auto")
