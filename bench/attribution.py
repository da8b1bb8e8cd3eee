"""Attribution: conversions of one campaign and of all, five types, against counting the same rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date, timedelta

from tests.support.attribution import campaign, service
from tests.support.log import workspace_of
from tests.support.processes import scratch_folder

from bench.measure import Measured, Ratio, middle, seconds
from campanile.attribution.rules import ATTRIBUTIONS, Attribution
from campanile.attribution.service import ALL_TOGETHER, BY_PLATFORM
from campanile.campaigns.schemas import Campaign
from campanile.engine import Engine, open_engine
from campanile.engine.questions import parse_question
from campanile.kit.times import Window, epoch_milliseconds, window
from campanile.settings import Settings

CAMPAIGNS = 200
NAMES = 20
"""Event names of goals: ten campaigns compete for each."""
TOUCHES = 10_000_000
GROWTH = 10
TIMEOUT_SECONDS = 900.0
FIRST, DAYS = date(2026, 1, 1), 30
LEVELS = [ALL_TOGETHER, BY_PLATFORM, 2, 3, 4, 5, 6, 7]

_COLUMNS = """(workspace_id, campaign_id, type, ts, user_id, event_key, sequence, received_at, channel, platform,
    locale, variation, instance_id, name, attributes, event_id)"""

FILL_TOUCHES = f"""INSERT INTO campanile.events {_COLUMNS}
SELECT 'w', leftPad(lower(hex(1 + c)), 24, '0') AS campaign, kind,
    toDateTime64('{{start}}', 3, 'UTC') + INTERVAL (cityHash64(c) % {DAYS - 3}) DAY
        + INTERVAL (transform(kind, ['open', 'click'], [3600, 7200], 0) + cityHash64(c, r, kind) % 80000) SECOND,
    concat('customer-', toString(cityHash64(c, r) % {{people}})), reinterpretAsUInt128(sipHash128(c, r, kind)), 1,
    now64(3), 'EMAIL', 'EMAIL', r % 4 = 0 ? 'de' : 'en', r % 2 = 0 ? 'variation_1' : 'variation_2', campaign, '', '',
    concat(toString(c), '-', toString(r), '-', kind)
FROM (SELECT intDiv(number, {{recipients}}) AS c, number % {{recipients}} AS r
    FROM numbers({{recipients}} * {CAMPAIGNS}))
ARRAY JOIN arrayConcat(['sent'], r % 12 < 7 ? ['open'] : [], r % 12 = 0 ? ['click'] : []) AS kind"""
"""Five touches for three recipients: 6.0 million sends, 3.5 million opens and half a million clicks of 10 million."""

FILL_ACTIONS = f"""INSERT INTO campanile.events {_COLUMNS}
SELECT 'w', '', 'custom',
    toDateTime64('{{start}}', 3, 'UTC') + INTERVAL (cityHash64(number, 1) % {DAYS * 86400}) SECOND,
    concat('customer-', toString(cityHash64(number, 2) % {{people}})), reinterpretAsUInt128(sipHash128('a', number)), 1,
    now64(3), '', '', '', '', '', concat('purchase-', toString(number % {NAMES})),
    concat('{{{{"amount":', toString(number % 100), '}}}}'), concat('a-', toString(number))
FROM numbers({{actions}})"""

COUNT = """-- keys: campaign_id, type
-- sums: total, uniques
SELECT campaign_id, type, count() AS total, uniqExact(user_key) AS uniques FROM {{events}}
WHERE (campaign_id IN {campaigns:Array(String)} OR campaign_id = '' AND name IN {names:Array(String)})
    AND ts >= fromUnixTimestamp64Milli({start:Int64}, 'UTC') AND ts < fromUnixTimestamp64Milli({end:Int64}, 'UTC')
GROUP BY campaign_id, type"""
"""The plain counting question over the rows that attribution reads."""

Times = dict[tuple[str, str], list[float]]
"""(campaigns asked about, attribution type or `count`) → seconds per round."""


def run(rounds: int = 3, touches: int = TOUCHES) -> Measured:
    """One size, and a tenth of it: cost must not grow faster than the data by much."""
    small, large = _times(touches // GROWTH, rounds), _times(touches, rounds)
    shown = f"{touches / 1e6:g} M touches, {touches / 5e6:g} M conversions, {CAMPAIGNS} campaigns"
    ratios = [
        _ratio(f"{shown}: {asked}, {kind} ÷ counting the same rows", "–", large[asked, kind], large[asked, "count"])
        for asked, kind in large
        if kind != "count"
    ]
    ratios += [
        _ratio(f"{asked}, {kind}: ten times the data", f"≤ {GROWTH + 2}", large[asked, kind], small[asked, kind])
        for asked, kind in large
        if kind != "count"
    ]
    return Measured(tuple(ratios))


def _ratio(what: str, aim: str, over: list[float], under: list[float]) -> Ratio:
    values = tuple(a / b for a, b in zip(over, under, strict=True))
    return Ratio(what, aim, values, f"{middle(over):.2f} against {middle(under):.2f} s")


def _times(touches: int, rounds: int) -> Times:
    with scratch_folder("bench") as folder:
        engine = open_engine(Settings(data=str(folder), query_timeout=TIMEOUT_SECONDS))
        try:
            engine.migrate()
            _fill(engine, touches)
            return _measured(engine, rounds)
        finally:
            engine.close()


def _fill(engine: Engine, touches: int) -> None:
    values = {
        "start": f"{FIRST.isoformat()} 00:00:00",
        "recipients": touches * 3 // 5 // CAMPAIGNS,
        "people": touches * 2 // 25,
        "actions": touches // 5,
    }
    with engine._write() as client:  # type: ignore[attr-defined]
        client.command(FILL_TOUCHES.format(**values))
        client.command(FILL_ACTIONS.format(**values))
        client.command("OPTIMIZE TABLE campanile.events FINAL")


def _measured(engine: Engine, rounds: int) -> Times:
    campaigns = [_campaign(number) for number in range(CAMPAIGNS)]
    days = window(FIRST, FIRST + timedelta(days=DAYS - 1), "UTC")
    work: dict[tuple[str, str], Callable[[], None]] = {}
    for asked, targets in (("one campaign", campaigns[:1]), ("all campaigns", campaigns)):
        work[asked, "count"] = _counting(engine, targets, days)
        for kind in ATTRIBUTIONS:
            work[asked, kind] = _attributing(engine, campaigns, targets, days, kind)
    times: Times = {key: [] for key in work}
    for side in work.values():
        side()
    for _ in range(rounds):
        for key, side in work.items():
            times[key].append(seconds(side))
    return times


def _attributing(
    engine: Engine, campaigns: list[Campaign], targets: list[Campaign], days: Window, kind: Attribution
) -> Callable[[], None]:
    conversions, place = service(engine, campaigns), workspace_of("w", {})
    certain = len(targets) > 1 and kind in ("VIEW_THROUGH", "TOTAL_CONVERSIONS")  # clicks may be too few for the rest

    def ask() -> None:
        found = asyncio.run(conversions.credited(place, targets, [LEVELS] * len(targets), days, kind))
        assert found or not certain

    return ask


def _counting(engine: Engine, targets: list[Campaign], days: Window) -> Callable[[], None]:
    question = parse_question("count", COUNT)
    parameters = {
        "workspace": "w",
        "campaigns": [target.campaign_id for target in targets],
        "names": sorted({goal.event for target in targets for goal in target.goals}),
        "start": epoch_milliseconds(days.start),
        "end": epoch_milliseconds(days.end),
    }

    def ask() -> None:
        assert len(engine._run(question, parameters)) == 3 * len(targets) + 1

    return ask


def _campaign(number: int) -> Campaign:
    return campaign(
        {
            "campaign_id": f"{number + 1:024x}",
            "channel": "EMAIL",
            "attribution_window_in_hours": 24 * (1 + number % 5),
            "goals": [
                {
                    "goal_name": "Purchase",
                    "goal_event_name": f"purchase-{number % NAMES}",
                    "revenue_attribute": "amount",
                }
            ],
        }
    )
