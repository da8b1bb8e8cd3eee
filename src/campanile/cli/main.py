"""The command line: `campanile COMMAND`. Each command lives in a file of its own and is loaded when it is called."""

from __future__ import annotations

import contextlib
import difflib
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from cyclopts import App, CycloptsError, Parameter, UnknownCommandError

from campanile import __version__
from campanile.cli.options import FATAL, INTERRUPTED, OK, PROBLEMS, USAGE, WrongUsage
from campanile.errors import CampanileError

app = App(
    name="campanile",
    help="Campaign statistics and campaign reports: events in, exact numbers out.",
    version=__version__,
    help_format="plaintext",
    result_action="return_value",
    suppress_keyboard_interrupt=False,
    default_parameter=Parameter(show_default=False),
)
_workspace = App(name="workspace", help="Create, list and change workspaces; also while the server runs.")
_key = App(name="key", help="Create, list, replace and switch off the keys of a workspace.")
_user = App(name="user", help="Create, list and change users of the dashboard; also while the server runs.")
_report = App(name="report", help="Define, list, run, download and delete campaign reports, through a server.")

_campaigns = App(name="campaigns", help="Find campaigns, through a server that speaks the companion APIs.")
_hook = App(name="hook", help="Create, list, try, rotate and delete hooks to which providers post, through a server.")
_deadletter = App(name="deadletter", help="List and retry events of receivers that could not be stored.")

COMMANDS: tuple[tuple[App, str, str, str], ...] = (
    (app, "demo", "demo:demo", "Start a server with a sample shop, ask it for statistics, show how to go on."),
    (app, "serve", "serve:serve", "Start the server."),
    (app, "worker", "worker:worker", "Make and deliver reports beside servers."),
    (app, "import", "import_:import_files", "Load events or campaigns from files, through a server."),
    (app, "consume", "consume:consume", "Read events from Kafka or NATS JetStream, through a server."),
    (app, "stats", "stats:stats", "Ask a server for campaign statistics."),
    (_campaigns, "search", "campaigns:search", "Find campaigns by name, channel, status, tags and dates."),
    (app, "experiment", "experiment:experiment", "Ask what a campaign caused, and which variation is best."),
    (app, "mcp", "mcp:mcp", "Serve statistics to agents (Model Context Protocol), read-only."),
    (_report, "create", "report:create", "Define a report."),
    (_report, "list", "report:list_all", "List the reports of a workspace."),
    (_report, "show", "report:show", "Show a report."),
    (_report, "run", "report:run", "Make a report's file now."),
    (_report, "download", "report_download:download", "Download a report's file."),
    (_report, "delete", "report:delete", "Delete a report with all its files."),
    (_hook, "create", "hook:create", "Create a hook for a provider."),
    (_hook, "list", "hook:list_all", "List the hooks of a workspace."),
    (_hook, "show", "hook:show", "Show a hook."),
    (_hook, "rotate", "hook:rotate", "Give a hook a new secret or URL."),
    (_hook, "test", "hook:test", "Show what a delivery would do."),
    (_hook, "deliveries", "hook:deliveries", "List the last deliveries to a hook."),
    (_hook, "delete", "hook:delete", "Delete a hook."),
    (_deadletter, "list", "hook:dead_letters", "List events that could not be stored."),
    (_deadletter, "retry", "hook:retry", "Try them again."),
    (app, "completion", "completion:completion", "Print a script that completes commands in a shell."),
    (app, "migrate", "migrate:migrate", "Bring the event store and the metadata database up to date."),
    (app, "doctor", "doctor:doctor", "Check settings, disk, store, database and server, and say what to do."),
    (_workspace, "create", "workspace:create", "Create a workspace with one key of each kind."),
    (_workspace, "list", "workspace:list_all", "List all workspaces."),
    (_workspace, "set", "workspace:set_", "Change settings: workspace set ID timezone=Europe/Berlin …"),
    (_key, "create", "key:create", "Create one more key."),
    (_key, "list", "key:list_all", "List the keys of a workspace, without their values."),
    (_key, "regenerate", "key:regenerate", "Give a key a new value; the old one stops working at once."),
    (_key, "archive", "key:archive", "Switch a key off for good."),
    (_user, "create", "user:create", "Create a user."),
    (_user, "list", "user:list_all", "List all users and what they may do."),
    (_user, "set-role", "user:set_role", "Change what a user may do."),
    (_user, "reset-password", "user:reset_password", "Give a user another password and end all sessions."),
    (_user, "sign-out", "user:sign_out", "End all sessions of a user."),
    (_user, "remove", "user:remove", "Delete a user."),
)

for _group, _name, _target, _help in COMMANDS:
    _group.command(f"campanile.cli.{_target}", name=_name, help=_help)
app.command(_campaigns)
app.command(_report)
app.command(_hook)
app.command(_deadletter)
app.command(_workspace)
app.command(_key)
app.command(_user)


def run() -> None:
    """Entry point of the `campanile` script."""
    leave(main(sys.argv[1:]))


def leave(code: int) -> NoReturn:
    """End this process.

    After granian has served, its threads may still want the interpreter; Python before 3.14 answers that by ending
    them in a way that aborts the whole process. Everything of ours is closed by now, so the interpreter is left as
    it is.
    """
    if "granian" not in sys.modules:
        sys.exit(code)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # nobody reads any more
            stream.flush()
    os._exit(code)


def main(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; errors become one line on standard error."""
    try:
        result = app(list(arguments), exit_on_error=False, print_error=False)
    except UnknownCommandError as error:
        return _complain(_no_command(error), USAGE)
    except CycloptsError as error:
        return _complain(str(error), USAGE)
    except WrongUsage as error:
        return _complain(error.message, USAGE)
    except CampanileError as error:
        return _complain(error.message, FATAL)
    except ImportError as error:
        missing = _missing_package(error)
        if missing is None:
            raise
        extra = "brokers" if "consume" in arguments else "server"
        return _complain(
            f"this command needs the {extra} packages ({missing} is missing): pip install 'campanile[{extra}]'", FATAL
        )
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has enough of it; keep Python from complaining when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PROBLEMS
    return result if isinstance(result, int) else OK


def _no_command(error: UnknownCommandError) -> str:
    """What was typed, what may have been meant, where to look."""
    typed = " ".join(error.unused_tokens or ())
    group = " ".join(("campanile", *(error.command_chain or ())))
    names = [name for name in error.app or () if not name.startswith("-")]
    close = difflib.get_close_matches(typed.partition(" ")[0], names, n=1)
    meant = f"; did you mean {close[0]}?" if close else ","
    return f"there is no command {typed!r}{meant} see {group} --help"


def _missing_package(error: BaseException | None) -> str | None:
    """The foreign package whose absence caused an import to fail, if that was the cause."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name and error.name.split(".")[0] != "campanile":
            return error.name.split(".")[0]
        error = error.__cause__
    return None


def _complain(message: str, code: int) -> int:
    text = " ".join(message.split())
    sys.stderr.write(f"campanile: {text}\n")
    return code
