"""Run a command and draw what it prints as an SVG: `python tools/terminal_svg.py FILE START LINES COMMAND…`.

The picture in the README is made with it; fonts are the reader's own.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 104


def draw(output: str, start: str, lines: int, title: str) -> str:
    """`lines` lines of coloured terminal output, from the first one that holds `start`, without foreign resources."""
    shown = output.rstrip().splitlines()
    first = next(number for number, line in enumerate(shown) if start in line)
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
    console.print(Text.from_ansi("\n".join(shown[first : first + lines])))
    svg = console.export_svg(title=title)
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    return re.sub(r"font-family: [^;]+;", "font-family: ui-monospace, Menlo, Consolas, monospace;", svg)


if __name__ == "__main__":
    target, start, count, *command = sys.argv[1:]
    environment = {**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH), "TERM": "xterm-256color"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    Path(target).write_text(draw(done.stdout, start, int(count), "campanile demo"), encoding="utf-8")
