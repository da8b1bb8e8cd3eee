"""`campanile serve`."""

from __future__ import annotations

from typing import Annotated

import structlog
from cyclopts import Parameter

from campanile.cli.options import Config, Data, settings_of


def serve(
    *,
    host: Annotated[str | None, Parameter(help="Address to listen on (CAMPANILE_HOST; 127.0.0.1).")] = None,
    port: Annotated[int | None, Parameter(help="Port to listen on (CAMPANILE_PORT; 8080).")] = None,
    data: Data = None,
    config: Config = None,
) -> int:
    """Start the server and run until SIGTERM or Ctrl-C; running requests are finished first.

    Everything else is set in the settings file or in CAMPANILE_* variables. Logs are JSON lines on standard error.
    """
    settings = settings_of(config, host=host, port=port, data=data)

    from campanile.app import create_app  # large; after the settings, so that their errors show at once
    from campanile.cli.serving import check_address, run_server
    from campanile.clock import SystemClock
    from campanile.http.logs import configure_logging

    configure_logging(settings.log_level)
    check_address(settings)  # before anything is opened
    app = create_app(settings, SystemClock())
    if (token := app.state.services.users.setup_token()) is not None:
        structlog.get_logger("campanile.server").warning(
            "no_user_yet", create_one=f"{settings.resolved_base_url}/setup?token={token}"
        )
    run_server(app, settings)
    return 0
