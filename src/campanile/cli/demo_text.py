"""What `campanile demo` prints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import msgspec
from rich.console import Console
from rich.rule import Rule
from rich.table import Table

from campanile.cli.output import table
from campanile.client.downloads import REPORTS, sign
from campanile.demo.check import Node, performance
from campanile.demo.plans import Plan, plan
from campanile.settings import Settings

STATS_PATH = "/core-services/v1/campaign-stats"
PASSWORD = "demo-password"  # noqa: S105 - as public as the keys of the sample shop
WRONG_SHOWN = 10
"""Wrong numbers that are listed."""
MAIL_FIELDS = ("sent", "delivered", "opened", "click", "open_rate", "ctr")
PUSH_FIELDS = ("attempted", "sent", "failed", "impression", "click", "ctr")
AB_TEST = "email-ab-tents"
PUSH = "push-summer-sale"


class Keys(msgspec.Struct, frozen=True):
    """The fixed credentials of a sample shop."""

    workspace_id: str
    report_key: str
    ingest_key: str
    manage_key: str
    email: str
    password: str


def answer(
    console: Console,
    settings: Settings,
    keys: Keys,
    answers: Mapping[str, Mapping[str, Any]],
    first: date,
    last: date,
) -> None:
    """The request, and of its answer what a marketer would look at."""
    body = stats_body(first, last, plan(AB_TEST), plan(PUSH))
    console.print(Rule("Stats API"))
    console.print(f"POST {settings.resolved_base_url}{STATS_PATH}\n{json.dumps(body)}", soft_wrap=True)
    data = answers["UNIQUE"]
    console.print(f"\nA/B test “{plan(AB_TEST).name}”, unique numbers, e-mail")
    versions = [(name, ("EMAIL", "all_locales", name)) for name in _variations(AB_TEST)]
    console.print(_rows(data, plan(AB_TEST), versions, MAIL_FIELDS))
    console.print(f"Push “{plan(PUSH).name}”, unique numbers")
    places = [
        (f"{platform} {locale}", (platform, locale, "all_variations"))
        for platform in (name.lower() for name in plan(PUSH).platforms)
        for locale in _locales(PUSH)
    ]
    console.print(_rows(data, plan(PUSH), places, PUSH_FIELDS))
    console.print("Shortened; one node of the answer in full:")
    node = _node(answers["TOTAL"], plan(PUSH).campaign_id)
    console.print(json.dumps(node, indent=2, ensure_ascii=False), soft_wrap=True)


def _variations(key: str) -> list[str]:
    return ["all_variations", *(variation.name for variation in plan(key).variations)]


def _locales(key: str) -> list[str]:
    return ["all_locales", *plan(key).locales]


def _rows(data: Mapping[str, Any], wanted: Plan, places: Sequence[tuple[str, Node]], fields: Sequence[str]) -> Table:
    rows = []
    for label, node in places:
        stats = performance(data, wanted.campaign_id, node) or {}
        rows.append((label, *(stats.get(field, "–") for field in fields)))
    return table(("", *fields), rows)


def _node(data: Mapping[str, Any], campaign_id: str) -> Any:
    try:
        return data[campaign_id][0]["platforms"]["ios"]["locales"]["all_locales"]["variations"]["all_variations"]
    except (KeyError, IndexError):
        return {}


def verdict(console: Console, checked: int, wrong: Sequence[str]) -> None:
    """Whether the server counted as we did."""
    if not wrong:
        console.print(f"Checked {checked:,} numbers against a count of our own: all equal.")
        return
    console.print(f"WRONG: {len(wrong):,} of {checked:,} numbers differ from a count of our own:")
    for sentence in wrong[:WRONG_SHOWN]:
        console.print(f"  {sentence}", soft_wrap=True)


def stats_body(first: date, last: date, *plans: Plan) -> dict[str, object]:
    return {
        "request_id": "demo",
        "campaign_ids": [wanted.campaign_id for wanted in plans],
        "start_date": first.isoformat(),
        "end_date": last.isoformat(),
        "attribution_type": "VIEW_THROUGH",
        "metric_type": "UNIQUE",
    }


def credentials(console: Console, settings: Settings, keys: Keys, first: date, last: date, report: str) -> None:
    """Addresses, keys, and lines to copy; `report` is the name of a file."""
    address = settings.resolved_base_url
    console.print(Rule("Credentials"))
    console.print(
        table(
            ("what", "value", "for"),
            [
                ("dashboard", address, "open it in a browser"),
                ("e-mail", keys.email, "signing in"),
                ("password", keys.password, "signing in"),
                ("server", address, "/openapi.json, /healthz, /readyz, /metrics"),
                ("workspace id", keys.workspace_id, "user name"),
                ("report key", keys.report_key, "Stats API, signatures of downloads"),
                ("ingest key", keys.ingest_key, "events"),
                ("manage key", keys.manage_key, "campaigns, reports"),
            ],
        )
    )
    console.print(Rule("Try it"))
    stats = json.dumps(stats_body(first, last, plan(AB_TEST)))
    event = json.dumps(
        {
            "event_id": "my-first-event",
            "type": "click",
            "time": f"{last}T12:00:00Z",
            "campaign_id": plan(PUSH).campaign_id,
            "channel": "PUSH",
            "platform": "IOS",
            "user_id": "u-me",
        }
    )
    lines = (
        f"curl -s {address}{STATS_PATH} -u {keys.workspace_id}:{keys.report_key} "
        f"-H 'MOE-APPKEY: {keys.workspace_id}' -H 'Content-Type: application/json' -d '{stats}'",
        f"curl -s {address}/v1/events -u {keys.workspace_id}:{keys.ingest_key} "
        f"-H 'Content-Type: application/json' -d '{event}'",
        f"curl -s {address}/v1/campaigns/{plan(AB_TEST).campaign_id} -u {keys.workspace_id}:{keys.manage_key}",
        f"curl -s {address}/v1/reports -u {keys.workspace_id}:{keys.manage_key}",
        f"curl -s {address}{REPORTS}/{keys.workspace_id}/{report} -o {report} "
        f"-H 'Signature: {sign(keys.workspace_id, report, keys.report_key)}'",
        f"campanile stats --server {address} --workspace {keys.workspace_id} --key {keys.report_key} "
        f"--campaign {plan(PUSH).campaign_id} --from {first} --to {last}",
        f"campanile report list --server {address} --workspace {keys.workspace_id} --key {keys.manage_key}",
    )
    for line in lines:
        console.print(f"\n{line}", soft_wrap=True)


def keep_serving(console: Console, settings: Settings) -> None:
    console.print(f"\nServing at {settings.resolved_base_url}; Ctrl-C ends it.")
