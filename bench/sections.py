"""All measurements by name, in the order of the report."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bench import attribution, dashboard, floor, importing, intake, listing, live, reports, settled, stats
from bench.measure import Measured


class Section(NamedTuple):
    """One measurement of the report."""

    title: str
    run: Callable[[bool], Measured]
    """Measures; True takes small sizes, to see that it runs."""
    caveats: tuple[str, ...] = ()
    """What a reader has to know to read the numbers right."""
    long: bool = False
    """Takes many minutes and is left out unless it is named, or all are asked for."""


SECTIONS = {
    "intake": Section(
        "Intake",
        lambda small: intake.run(rounds=1, per_round=20_000) if small else intake.run(),
        (
            "The bare insert takes rows that are ready as Arrow tables. The intake parses JSON, checks every rule, "
            "looks every id up and answers with a verdict per event.",
            "Our client, import and consumer send 10,000 events per request, the most a request may hold. Requests of "
            "2,000 from five clients make groups of ten thousand, and nobody reads while all five wait for theirs.",
            "Rounds differ by how many merges fall into them. An insert of ten thousand rows takes 13 ms, 6 of them "
            "for being an insert; merging a row takes as long as inserting it, and the longer the load, the more often "
            "each row is merged.",
            "Each side is measured while the other one rests: the merges that follow an insert would otherwise slow "
            "the other side down. The last row counts the merges in, for both sides.",
            "The bare insert keeps one processor busy, the intake both: it reads JSON and checks, looks ids up, "
            "inserts, and the engine merges meanwhile; the client and the server share the two processors.",
        ),
    ),
    "import": Section(
        "Import of files",
        lambda small: importing.run(rows=20_000, compared=5_000, rounds=1) if small else importing.run(),
        (
            "Reading, mapping and packing share two processors with the server, which unpacks and checks every row.",
            "The engine merges what was written while it takes more.",
        ),
        long=True,
    ),
    "stats": Section(
        "Stats API",
        lambda small: stats.run(rounds=1, recipients=2_000) if small else stats.run(),
        (
            "The hand-written query and PostgreSQL count only what one statement can: events and distinct users per "
            "campaign and type. Our answer also has funnels, failures, conversions and rates.",
            "PostgreSQL runs with `fsync=off` and default memory; its table is vacuumed, its index covers the query.",
        ),
    ),
    "settled": Section(
        "Settled answers",
        lambda small: settled.run(rounds=1, recipients=2_000) if small else settled.run(),
        (
            "The direct question counts events and distinct users per campaign and type, all that one statement can. "
            "Our answer also has funnels, failures, conversions and rates. No range of days is asked for twice, but "
            "where it says so.",
            "A campaign is answered from integers when it was asked for once; here nothing comes in meanwhile.",
            "PostgreSQL runs with `fsync=off` and default memory; its table is vacuumed, its index covers the query.",
        ),
    ),
    "listing": Section(
        "Lists without ids",
        lambda small: listing.run(rounds=1, many=300, few=30) if small else listing.run(),
        ("The first question after a start reads all events of the range and the order of all campaigns.",),
    ),
    "live": Section(
        "Queries under load",
        lambda small: live.run(seconds=2, rounds=1, rate=2_000, before=20_000, warming=2) if small else live.run(),
        (
            "A query's time begins when it is due, so one that waits for another counts in full.",
            "Five of the twenty campaigns get the events; a page has two or three of them. Before the time is "
            "taken, pages are asked for until they come quickly, for twenty seconds at most.",
            "The log alone cannot keep up: its pages wait for each other, so it is asked for a quarter of the time.",
            "The client and the server share the two processors.",
        ),
    ),
    "attribution": Section(
        "Attribution",
        lambda small: attribution.run(rounds=1, touches=50_000) if small else attribution.run(),
        (
            "Nothing is stored ahead: every answer is computed from the log, with all levels of the tree.",
            "Ten campaigns compete for each event; windows are one to five days, the range is thirty.",
        ),
        long=True,
    ),
    "dashboard": Section(
        "Dashboard",
        lambda small: dashboard.run(rounds=1, recipients=2_000, campaigns=200) if small else dashboard.run(),
        (
            "The bare question counts events and distinct users of the campaigns shown, in one statement over the same "
            "events in an engine of its own. The pages also count funnels, failures, conversions and the time series.",
        ),
        long=True,
    ),
    "reports": Section(
        "Reports",
        lambda small: (
            reports.run(rounds=1, campaigns=20, users=6, spreadsheet=2_000, large=100) if small else reports.run()
        ),
        (
            "A report asks with bounded questions, two portions of its rows side by side, so that memory stays flat "
            "and other questions get their turn; before that it looks which campaigns have events at all. It computes "
            "every cell exactly, guards formulas, and compresses and syncs an archive. The single statement of the "
            "engine does none of this, and keeps all groups in memory.",
            "The bare library writes ready rows without number formats for money or cleaned texts; ours gets the same "
            "rows, in another process.",
        ),
    ),
    "floor": Section(
        "HTTP floor",
        lambda small: floor.run(rounds=1, seconds=0.5) if small else floor.run(),
        (
            "The echo sends the body of the request back: it neither authenticates nor looks anything up.",
            "50 campaigns of 100 events are asked for five ranges each, in turn: what is said about a campaign and a "
            "range is written once and said again for as long as the campaign's log stands still.",
        ),
    ),
    "memory": Section(
        "Memory",
        lambda small: intake.memory(60_000 if small else intake.MEMORY_EVENTS),
        ("Resident memory of the server and its child processes, as the operating system counts it.",),
        long=True,
    ),
}
