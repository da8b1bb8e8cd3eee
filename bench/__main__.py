"""Run the measurements: `python -m bench [intake|stats|floor|memory …] [--write]`; without names, all of them.

`--write` renews `docs/benchmarks.md`, `--smoke` takes small sizes to see that everything still runs.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from bench import floor, intake, stats
from bench.measure import REPORT, Figure, Ratio, machine, revision, table, versions

ALL = ("intake", "stats", "floor", "memory")
MEMORY_EVENTS = 10_000_000

CAVEATS = """\
- Both sides of a ratio were measured right after each other, in rounds; the table shows the median and the range.
- Absolute figures are for orientation: they belong to this machine and this run, with client and server sharing its
  processors.
- The bare insert takes rows that are ready as Arrow tables. The intake parses JSON, checks every rule, looks every id
  up and answers with a verdict per event.
- The hand-written query and PostgreSQL count only what one statement can: events and distinct users per campaign and
  type. Our answer also has funnels, failures, conversions and rates.
- PostgreSQL runs with `fsync=off` and default memory; its table is vacuumed and its index covers the query."""


def main(arguments: list[str]) -> None:
    names = [name for name in arguments if not name.startswith("--")] or list(ALL)
    small = "--smoke" in arguments
    ratios: list[Ratio] = []
    figures: list[Figure] = []
    if "intake" in names:
        found, more = intake.run(rounds=2, per_round=20_000) if small else intake.run()
        ratios += found
        figures += [] if "memory" in names else more
    if "memory" in names:
        _, more = intake.run(rounds=1, per_round=20_000, until=60_000 if small else MEMORY_EVENTS)
        figures += more
    if "stats" in names:
        ratios += stats.run(rounds=2, recipients=2_000) if small else stats.run()
    if "floor" in names:
        ratios += floor.run(rounds=1, seconds=0.5) if small else floor.run()
    page = report(ratios, figures)
    sys.stdout.write(page)
    if "--write" in arguments:
        REPORT.write_text(page, encoding="utf-8")


def report(ratios: list[Ratio], figures: list[Figure]) -> str:
    """The page `docs/benchmarks.md`."""
    parts = [
        "# Benchmarks",
        "",
        f"Measured on {datetime.now(UTC):%Y-%m-%d} with `python -m bench --write` at revision {revision()}.",
        "",
        f"Machine: {machine()}. Versions: {versions()}.",
        "",
        table(ratios),
        "",
    ]
    if figures:
        parts += ["| figure | value | repeat |", "|---|---|---|"]
        parts += [f"| {figure.what} | {figure.value} | `{figure.command}` |" for figure in figures]
        parts.append("")
    return "\n".join([*parts, CAVEATS, ""])


if __name__ == "__main__":
    main(sys.argv[1:])
