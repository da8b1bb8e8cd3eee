"""Settings of one server: defaults, overlaid by a TOML file, by `CAMPANILE_*` variables, by command-line flags.

The struct is built once at start and passed in; nothing reads the environment later.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from campanile.errors import ConfigurationError

ENVIRONMENT_PREFIX = "CAMPANILE_"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings. Field `data` is read from `CAMPANILE_DATA`, and so on."""

    data: str = "./data"
    """Folder of the embedded engine, the metadata database, keys and report files."""
    engine_url: str = ""
    """`chdb:///folder` (default: `<data>/engine`) or `clickhouse://user:pass@host:8123/db?cluster=name`;
    several nodes as `host1:8123,host2:8123`, one per shard."""
    metadata_url: str = ""
    """`sqlite:///file` (default: `<data>/metadata.db`) or `postgresql://user:pass@host/db`."""
    files_url: str = ""
    """Where report files are kept: `file:///folder` (default: `<data>/files`) or
    `s3://bucket/prefix?endpoint=…&region=…`, with credentials from `AWS_…` variables or the role of the machine."""
    limiter_url: str = "memory://"
    """Where rate limits are counted: `memory://`, or `redis://host:port/0` shared by several processes."""
    secret_key: str = ""
    """Master key for stored secrets, at least 32 characters. Default: a file `secret.key` (mode 0600) in `data`."""
    base_url: str = ""
    """Public address of this server, used in links; default `http://<host>:<port>`."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = 8080
    """Port to listen on."""
    http_server: str = "granian"
    """`granian` or `uvicorn`."""
    log_level: str = "info"
    """`debug`, `info`, `warning` or `error`."""
    engine_handles: int = 4
    """Questions answered at the same time by the embedded engine (each holds one handle)."""
    query_timeout: float = 30.0
    """Seconds one question to the engine may take."""
    settled_after: float = 60.0
    """Seconds until events are prepared as integers on a cluster, and matched conversions anywhere; negative: never."""
    commit_interval: float = 0.02
    """Seconds the intake waits for more events before it writes a group."""
    commit_rows: int = 10_000
    """Events after which the intake writes a group at once."""
    intake_pending_bytes: int = 64 * 1024 * 1024
    """Bytes of decoded events that may wait for the store over all workspaces; beyond: 503."""
    intake_requests: int = 200
    """Intake requests in flight; beyond: 503."""
    intake_rate: int = 20_000
    """Events per second a workspace may send, sustained; beyond the burst: 429."""
    intake_burst: int = 100_000
    """Events a workspace may send at once before `intake_rate` applies."""
    machine_rules: str = ""
    """File with the rules by which opens and clicks of machines are told, as `docs/webhooks.md` describes; empty: the
    usual ones."""
    spool_bytes: int = 10 * 1024 * 1024 * 1024
    """Bytes of webhook deliveries that may wait on disk while the store is down; beyond: 503."""
    failed_logins_per_minute: int = 60
    """Failed authentications per source address and minute; beyond: 429."""
    trusted_proxies: str = ""
    """Addresses and networks of the proxies in front of this server, such as `127.0.0.1 192.0.2.0/24`: from them,
    `X-Forwarded-For` says who is calling. Empty: it is ignored."""
    campaign_calls_per_second: int = 10
    """Calls per second, workspace and endpoint of the campaign APIs (search, meta, executions); beyond: 429.
    0: no limit."""
    campaign_calls_per_minute: int = 100
    """The same for any 60 seconds."""
    campaign_calls_per_hour: int = 6000
    """The same for any 60 minutes."""
    report_jobs: int = 2
    """Reports and deliveries worked on at the same time by this process; 0 leaves them to `campanile worker`."""
    report_calls: int = 60
    """Calls of the report API per minute and key, downloads by name left out; beyond: 429."""
    report_content_type: str = "application/gzip"
    """Media type of downloads by name. They are zip archives; the default is what clients of the original expect."""
    hide_unknown_app_id: bool = False
    """Whether downloads of an unknown workspace answer 401 instead of saying that it is unknown."""
    daily_dump_time: str = ""
    """Local time of each workspace, such as `04:00`, at which its report of the day before is made; empty: never."""
    daily_dump_days: int = 400
    """Days for which those reports are kept."""
    smtp_url: str = ""
    """Mail server: `smtp://host:25`, `smtp+starttls://user:password@host:587` or `smtps://user:password@host:465`;
    empty: no mail is sent."""
    mail_from: str = "Campanile <reports@localhost>"
    """Sender of mails."""
    mail_subject: str = "Your Campanile data exports are ready"
    """Subject of mails with a report; may hold `{report_name}`, `{file_date}` and `{status}`."""
    mail_attachment_bytes: int = 1024 * 1024
    """Files up to this size are attached, besides the link; 0 for links only."""
    webhooks_to_private_addresses: bool = False
    """Whether webhooks may go to addresses that are not public, such as those of a local network."""
    min_free_bytes: int = 1024 * 1024 * 1024
    """Free disk space in `data` below which writes are refused (503)."""

    @property
    def data_path(self) -> Path:
        return Path(self.data).expanduser().resolve()

    @property
    def resolved_engine_url(self) -> str:
        return self.engine_url or f"chdb://{self.data_path / 'engine'}"

    @property
    def resolved_metadata_url(self) -> str:
        return self.metadata_url or f"sqlite:///{self.data_path / 'metadata.db'}"

    @property
    def resolved_files_url(self) -> str:
        return self.files_url or (self.data_path / "files").as_uri()

    @property
    def resolved_base_url(self) -> str:
        return (self.base_url or f"http://{self.host}:{self.port}").rstrip("/")


def load_settings(
    *,
    config: Path | None = None,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """Build the settings; later sources win, `None` flags are ignored.

    Raises:
        ConfigurationError: unreadable file, unknown name or a value of the wrong type; the message names it.
    """
    values: dict[str, Any] = {}
    if config is not None:
        values.update(_read_file(config))
    for name, text in (environment or {}).items():
        if name.startswith(ENVIRONMENT_PREFIX):
            key = name.removeprefix(ENVIRONMENT_PREFIX).lower()
            if key in Settings.__struct_fields__:
                values[key] = text
    values.update({key: value for key, value in (flags or {}).items() if value is not None})
    try:
        return msgspec.convert(values, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"settings: {error}") from error


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read the settings file {path}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not valid TOML: {error}") from error
