"""`campanile completion`."""

from __future__ import annotations

import importlib
import sys
from typing import Annotated, Literal

from cyclopts import App, Parameter


def completion(shell: Annotated[Literal["bash", "zsh", "fish"], Parameter(help="Your shell.")], /) -> int:
    """Print a script that completes commands, flags and their values.

    Put it, for bash, into ~/.local/share/bash-completion/completions/campanile; for zsh, into _campanile in a folder
    of $fpath; for fish, into ~/.config/fish/completions/campanile.fish.
    """
    from campanile.cli.main import COMMANDS, app

    for group, name, target, text in COMMANDS:
        try:
            importlib.import_module(f"campanile.cli.{target.partition(':')[0]}")
        except ModuleNotFoundError:  # a command of the server, in an installation without it: complete its name
            del group[name]
            group.command(App(name=name, help=text))
    sys.stdout.write(app.generate_completion(prog_name="campanile", shell=shell))
    return 0
