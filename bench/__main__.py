"""Run the measurements: `python -m bench [NAME …] [--all] [--write] [--smoke]`; without names, all but the long ones.

`--all` includes those; with `--smoke` they are always included.
`--write` records what was measured in `bench/results.json` and renews `docs/benchmarks.md` from everything recorded;
`--smoke` takes small sizes to see that everything still runs, and records nothing.
"""

from __future__ import annotations

import sys

from bench.report import RECORDED, REPORT, chapter, page, read_recorded, stamped, write_recorded
from bench.sections import SECTIONS


def main(arguments: list[str]) -> None:
    small = "--smoke" in arguments
    usual = [name for name, section in SECTIONS.items() if small or "--all" in arguments or not section.long]
    names = [argument for argument in arguments if not argument.startswith("--")] or usual
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        sys.exit(f"no such measurement: {', '.join(unknown)}; there are {', '.join(SECTIONS)}")
    for name in names:
        measured = stamped(SECTIONS[name].run(small))
        sys.stdout.write(chapter(name, measured) + "\n\n")
        sys.stdout.flush()
        if "--write" in arguments and not small:  # after each: an interrupted run keeps what it has
            write_recorded({**read_recorded(RECORDED), name: measured}, RECORDED)
            REPORT.write_text(page(read_recorded(RECORDED)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
