"""Flags that several commands share, settings made from them, and exit codes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from cyclopts import Parameter

from campanile.errors import InvalidInput
from campanile.settings import Settings, load_settings

OK = 0
PROBLEMS = 1
"""The command finished, and something it found or sent was wrong."""
FATAL = 2
"""The command could not do its work."""
USAGE = 3
"""The command was called the wrong way."""
INTERRUPTED = 130
"""Ended by Ctrl-C, as shells number it."""

EXIT_CODES = {
    OK: "done",
    PROBLEMS: "done, and something found, asked for or sent is wrong: rows were rejected, a campaign is unknown",
    FATAL: "not possible: the server cannot be reached or refuses, a file cannot be written, a package is missing",
    USAGE: "called the wrong way; nothing was done",
    INTERRUPTED: "ended by Ctrl-C",
}
"""What every command says by its exit code."""

Data = Annotated[str | None, Parameter(help="Data folder of the server (CAMPANILE_DATA; ./data).")]
Config = Annotated[Path | None, Parameter(env_var="CAMPANILE_CONFIG", help="Settings file in TOML.")]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON.")]


class WrongUsage(InvalidInput):
    """The flags of a command do not make sense; it ends with the exit code for that."""


def read_json(file: Path) -> object:
    """What a file holds.

    Raises:
        WrongUsage: it cannot be read, or is not JSON.
    """
    try:
        return msgspec.json.decode(file.read_bytes())
    except OSError as error:
        raise WrongUsage(f"cannot read {file}: {error.strerror}") from error
    except msgspec.MsgspecError as error:
        raise WrongUsage(f"{file} is not JSON: {error}") from error


def settings_of(config: Path | None, **flags: Any) -> Settings:
    """Defaults ← settings file ← environment ← flags; flags that are None were not given.

    Raises:
        ConfigurationError: a setting is unknown or has the wrong type.
    """
    return load_settings(config=config, environment=os.environ, flags=flags)


def constants_of(pairs: Sequence[str]) -> dict[str, str]:
    """The values of repeated FIELD=VALUE flags.

    Raises:
        WrongUsage: one has another form.
    """
    constants = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise WrongUsage(f"--set {pair!r} is not of the form FIELD=VALUE")
        constants[name] = value
    return constants
