"""`campanile import`."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from campanile.cli.connection import DEFAULT_SERVER, ClientKey, Server, ServerFailed, Workspace, connect
from campanile.cli.importer import campaigns, progress
from campanile.cli.importer.batches import MAX_BATCH, Batch, batches, send
from campanile.cli.importer.mapping import Converter, MappingFile, read_mapping
from campanile.cli.importer.places import fingerprint
from campanile.cli.importer.run import FileImport, Plan
from campanile.cli.importer.sources import Format, Position, Source, expand, open_source
from campanile.cli.importer.state import Counters
from campanile.cli.options import WrongUsage, constants_of
from campanile.cli.output import stderr, stdout, table
from campanile.client import CampaignImport, Client, ClientError, RetryPolicy
from campanile.errors import InvalidInput

MAX_JOBS = 16
"""Batches on their way at a time; the server slows down clients that want more."""
SHOWN_EVENTS = 5
SHOWN_ERRORS = 20


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How files are read and mapped."""

    kind: str
    format: Format | None
    mapping: MappingFile | None
    constants: dict[str, str]
    timezone: str
    time_format: str
    delimiter: str
    null: str
    retry: bool


def import_files(
    *files: Annotated[str, Parameter(help="Files, folders or patterns; s3://BUCKET/KEY; - is standard input.")],
    workspace: Workspace = "",
    server: Server = DEFAULT_SERVER,
    key: ClientKey = "",
    kind: Annotated[
        Literal["auto", "events", "campaigns"], Parameter(help="What the files hold.", show_default=True)
    ] = "auto",
    format: Annotated[
        Literal["auto", "ndjson", "csv", "parquet"], Parameter(help="Format of the files.", show_default=True)
    ] = "auto",
    preset: Annotated[
        Literal["native", "retry"], Parameter(help="retry: the files are error files of earlier imports.")
    ] = "native",
    map: Annotated[Path | None, Parameter(name="--map", help="Mapping file (TOML or JSON).")] = None,
    set: Annotated[
        list[str] | None, Parameter(name="--set", negative="", help="FIELD=VALUE for every event; repeatable.")
    ] = None,
    timezone: Annotated[str, Parameter(help="Time zone of times without offset.")] = "",
    time_format: Annotated[str, Parameter(help="rfc3339, epoch, epoch_ms, epoch_us or a strptime pattern.")] = "",
    delimiter: Annotated[str, Parameter(help="Separator of CSV columns; a comma if not given.")] = "",
    null: Annotated[str, Parameter(help="Text that stands for nothing in CSV, next to the empty text.")] = "",
    batch: Annotated[int, Parameter(help="Rows per request.", show_default=True)] = MAX_BATCH,
    jobs: Annotated[int, Parameter(help="Requests on their way at a time.", show_default=True)] = 2,
    max_errors: Annotated[
        str, Parameter(help="Rejected rows after which the import ends, or all.", show_default=True)
    ] = "1000",
    errors: Annotated[Path | None, Parameter(help="File for rejected rows; beside the input if not given.")] = None,
    dry_run: Annotated[bool, Parameter(negative="", help="Show the mapping and check the first rows only.")] = False,
    resume: Annotated[bool, Parameter(negative="", help="Go on with an interrupted import, or fail.")] = False,
    restart: Annotated[bool, Parameter(negative="", help="Start over, even after an interruption.")] = False,
    progress: Annotated[
        Literal["auto", "plain", "json", "none"], Parameter(help="How progress is shown.", show_default=True)
    ] = "auto",
    summary: Annotated[Path | None, Parameter(help="Write the summary as JSON to this file.")] = None,
) -> int:
    """Load events or campaigns through a server.

    An interrupted import goes on where it stopped when the same command is given again; loading a file twice
    counts its events once. Exit codes: 0 all is in, 1 some rows were rejected, 2 given up, 3 wrong usage.
    """
    if not files:
        raise WrongUsage("say which files to import")
    if resume and restart:
        raise WrongUsage("--resume and --restart exclude each other")
    if not 1 <= batch <= MAX_BATCH:
        raise WrongUsage(f"--batch must be a number from 1 to {MAX_BATCH}")
    if not 1 <= jobs <= MAX_JOBS:
        raise WrongUsage(f"--jobs must be a number from 1 to {MAX_JOBS}")
    if max_errors != "all" and not max_errors.isdecimal():
        raise WrongUsage("--max-errors must be a number or all")
    options = Options(
        kind=kind,
        format=None if format == "auto" else format,
        mapping=read_mapping(map) if map else None,
        constants=constants_of(set or []),
        timezone=timezone,
        time_format=time_format,
        delimiter=_delimiter(delimiter),
        null=null,
        retry=preset == "retry",
    )
    plan = Plan(
        batch=batch,
        jobs=jobs,
        max_errors=None if max_errors == "all" else int(max_errors),
        errors=errors,
        resume=True if resume else False if restart else None,
        retry=options.retry,
    )
    names = expand(files)
    if dry_run:
        return _dry_run(names, options, plan, server, workspace, key)
    if errors is not None and len(names) > 1:
        raise WrongUsage("--errors goes with a single input file; otherwise each file gets its own")
    stopping = threading.Event()

    def pause(seconds: float) -> None:
        if stopping.wait(seconds):
            raise ServerFailed("interrupted")

    with connect(server, workspace, key, RetryPolicy(sleep=pause)) as client:
        return _Run(client, options, plan, progress, summary, stopping).run(names)


def _delimiter(text: str) -> str:
    text = {"\\t": "\t", "tab": "\t"}.get(text, text)
    if len(text) > 1:
        raise WrongUsage("--delimiter must be one character")
    return text


def _open(name: str, options: Options) -> Source:
    chosen = "ndjson" if options.retry else options.format
    return open_source(name, format=chosen, delimiter=options.delimiter, null=options.null)


def _holds_campaigns(name: str, options: Options) -> bool:
    """Whether a file holds campaign documents; standard input cannot be looked at twice: there it is as said."""
    if options.kind != "auto" or options.mapping is not None or options.retry or name == "-":
        return options.kind == "campaigns"
    source = _open(name, options)
    try:
        first = next(source.rows(Position()), None)
        value = first.value if first is not None and isinstance(first.value, dict) else {}
        return campaigns.looks_like_campaigns(source, value)
    finally:
        source.close()


def _converter(source: Source, options: Options) -> Converter:
    prefix = f"imp:{fingerprint(source.place)[:16]}:" if source.place else ""
    return Converter(
        None if options.retry else source.columns,
        options.mapping,
        constants=options.constants,
        timezone=options.timezone,
        time_format=options.time_format,
        texts=source.format == "csv",
        id_prefix=prefix,
    )


class _Run:
    """One call of the command."""

    def __init__(
        self,
        client: Client,
        options: Options,
        plan: Plan,
        mode: progress.Mode,
        summary: Path | None,
        stopping: threading.Event,
    ) -> None:
        self._client = client
        self._options = options
        self._plan = plan
        self._mode = mode
        self._summary = summary
        self._stopping = stopping
        self._files: list[progress.FileSummary] = []
        self._total = Counters()
        self._warnings: dict[str, int] = {}
        self._documents: list[campaigns.Document] = []
        self._problems: list[campaigns.CampaignProblem] = []

    def run(self, names: list[str]) -> int:
        for name in names:
            is_campaigns = _holds_campaigns(name, self._options)
            source = _open(name, self._options)
            try:
                if is_campaigns:
                    self._collect(source)
                else:
                    self._events(source)
            finally:
                source.close()
        failed = self._total.rejected > 0
        result = progress.summary(self._files, self._total)
        if self._files:
            progress.print_summary(stdout(), self._files, self._total, self._warnings)
        if self._documents or self._problems:
            imported, problems = campaigns.send_documents(self._client, self._documents, dry_run=False)
            failed = _print_campaigns(imported, [*self._problems, *problems]) or failed
            result["campaigns"] = msgspec.to_builtins(imported)
        if self._summary is not None:
            _write(self._summary, result)
        return 1 if failed else 0

    def _collect(self, source: Source) -> None:
        for found in campaigns.documents(source, source.rows(Position())):
            if isinstance(found, campaigns.CampaignProblem):
                self._problems.append(found)
                continue
            self._documents.append(found)
            if len(self._documents) > campaigns.MAX_DOCUMENTS:
                raise InvalidInput(f"more than {campaigns.MAX_DOCUMENTS:,} campaigns: import the files one by one")

    def _events(self, source: Source) -> None:
        converter = _converter(source, self._options)
        remarks = stderr()
        if converter.unused:
            remarks.print(
                f"{source.name}: columns that are not imported: {', '.join(converter.unused)}", soft_wrap=True
            )
        job = FileImport(source, converter, self._client, self._plan, self._stopping)
        if job.resumed_rows:
            remarks.print(f"{source.name}: going on after {job.resumed_rows:,} rows")
        display = progress.display(self._mode, source.name, source.size, job.counters, remarks)
        try:
            job.run(display.update)
        except ClientError as error:
            again = "the same command goes on from here" if source.place else "standard input has to be sent again"
            raise ServerFailed(f"{source.name}: {error}; {job.counters.rows:,} rows are in, {again}") from error
        finally:
            display.finish()
        kept = str(job.error_file.path) if job.counters.rejected else ""
        self._files.append(progress.FileSummary(source.name, job.counters, job.resumed_rows, kept))
        self._total.add(job.counters)
        for name, count in job.warnings.items():
            self._warnings[name] = self._warnings.get(name, 0) + count


def _write(path: Path, value: object) -> None:
    try:
        path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror}") from error


def _print_campaigns(imported: CampaignImport, problems: list[campaigns.CampaignProblem]) -> bool:
    """Print what came of campaign documents; whether something was wrong."""
    console = stdout()
    console.print(
        f"Campaigns: {imported.total:,} sent, {imported.created:,} created, {imported.updated:,} updated, "
        f"{imported.unchanged:,} unchanged, {len(problems):,} refused"
    )
    for problem in problems[:SHOWN_ERRORS]:
        console.print(f"  {problem.file} row {problem.row} {problem.campaign_id}: {problem.message}", soft_wrap=True)
    return bool(problems) or imported.failed > 0


def _dry_run(names: list[str], options: Options, plan: Plan, server: str, workspace: str, key: str) -> int:
    """Show how the first rows would be imported; the server checks them when a key is given."""
    wrong = False
    for name in names:
        if _holds_campaigns(name, options):
            wrong = _dry_campaigns(name, options, server, workspace, key) or wrong
            continue
        source = _open(name, options)
        try:
            converter = _converter(source, options)
            _print_mapping(name, converter)
            batch = next(batches(source.rows(Position()), converter, name, plan.batch, retry=plan.retry), Batch())
        finally:
            source.close()
        console = stdout()
        for line in batch.lines[:SHOWN_EVENTS]:
            console.print(line.body.decode(), soft_wrap=True)
        rejected = batch.rejected
        if key and batch.lines:
            with connect(server, workspace, key) as client:
                rejected = send(client, batch, name, dry_run=True).rejected
        elif not key:
            console.print("Without a key the server is not asked: only the mapping was checked.")
        count = len(batch.lines) + len(batch.rejected) + batch.skipped
        console.print(f"{count:,} rows looked at, {len(rejected):,} would be rejected, {batch.skipped:,} left out")
        for row in rejected[:SHOWN_ERRORS]:
            console.print(f"  row {row.row}: {row.code} {row.field} {row.message}", soft_wrap=True)
        wrong = wrong or bool(rejected)
    return 1 if wrong else 0


def _print_mapping(name: str, converter: Converter) -> None:
    console = stdout()
    rows = converter.describe()
    console.print(f"{name}:" if rows else f"{name}: rows are events already and pass unchanged")
    if rows:
        console.print(table(("field", "comes from"), rows))
    if converter.unused:
        console.print(f"Not imported: {', '.join(converter.unused)}", soft_wrap=True)


def _dry_campaigns(name: str, options: Options, server: str, workspace: str, key: str) -> bool:
    source = _open(name, options)
    try:
        found = list(campaigns.documents(source, source.rows(Position())))
    finally:
        source.close()
    problems = [item for item in found if isinstance(item, campaigns.CampaignProblem)]
    documents = [item for item in found if isinstance(item, campaigns.Document)]
    with connect(server, workspace, key) as client:
        imported, refused = campaigns.send_documents(client, documents, dry_run=True)
    return _print_campaigns(imported, [*problems, *refused])
