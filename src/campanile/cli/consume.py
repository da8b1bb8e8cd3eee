"""`campanile consume`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from cyclopts import Parameter

from campanile.cli.connection import DEFAULT_SERVER, ClientKey, Server, Workspace, connect
from campanile.cli.importer.batches import MAX_BATCH
from campanile.cli.importer.mapping import Converter, read_mapping
from campanile.cli.options import OK, PROBLEMS, WrongUsage, constants_of
from campanile.cli.output import print_json
from campanile.client import Client, RetryPolicy
from campanile.errors import ConfigurationError

if TYPE_CHECKING:
    from campanile.cli.consumer.loop import Totals
    from campanile.cli.consumer.messages import Broker

TOPICS = {"events": "campanile.events.v1", "funnel": "campanile.funnel.v1"}
"""Where events and counts are read from if nobody says otherwise."""
ONE_ATTEMPT = RetryPolicy(attempts=1)
"""The consumer waits by itself, so that the broker knows that it is still there."""


def consume(
    *,
    kafka: Annotated[
        str, Parameter(env_var="CAMPANILE_KAFKA", help="Addresses of Kafka brokers: HOST:PORT,HOST:PORT.")
    ] = "",
    nats: Annotated[str, Parameter(env_var="CAMPANILE_NATS", help="Address of a NATS server: nats://HOST:PORT.")] = "",
    topic: Annotated[str, Parameter(help="Topic or subject; campanile.events.v1 if not given.")] = "",
    group: Annotated[
        str, Parameter(help="Consumer group; in NATS the durable consumer.", show_default=True)
    ] = "campanile",
    workspace: Workspace = "",
    server: Server = DEFAULT_SERVER,
    key: ClientKey = "",
    kind: Annotated[
        Literal["events", "funnel"], Parameter(help="What the messages hold.", show_default=True)
    ] = "events",
    map: Annotated[Path | None, Parameter(name="--map", help="Mapping file (TOML or JSON) for other JSON.")] = None,
    set: Annotated[
        list[str] | None, Parameter(name="--set", negative="", help="FIELD=VALUE for every event; repeatable.")
    ] = None,
    backfill: Annotated[bool, Parameter(negative="", help="Take events older than 90 days, too.")] = False,
    batch: Annotated[int, Parameter(help="Messages per request.", show_default=True)] = MAX_BATCH,
    dead_letters: Annotated[
        str, Parameter(help="Topic for messages that cannot be counted, in place of the error file.")
    ] = "",
    errors: Annotated[
        Path | None, Parameter(help="File for messages that cannot be counted; <topic>.errors.ndjson if not given.")
    ] = None,
    once: Annotated[bool, Parameter(negative="", help="End when nothing is left to read.")] = False,
    kafka_config: Annotated[Path | None, Parameter(help="Settings of librdkafka, one name=value a line.")] = None,
    nats_stream: Annotated[str, Parameter(help="Stream of the subject; found by itself if not given.")] = "",
    nats_credentials: Annotated[Path | None, Parameter(help="Credentials file of a NATS user.")] = None,
    ack_wait: Annotated[
        float, Parameter(help="Seconds after which NATS gives unacknowledged messages to others.", show_default=True)
    ] = 30.0,
    metrics_port: Annotated[int | None, Parameter(help="Port at which Prometheus finds metrics.")] = None,
    metrics_host: Annotated[str, Parameter(help="Address of that port.", show_default=True)] = "127.0.0.1",
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Parameter(help="What is logged.", show_default=True)
    ] = "info",
) -> int:
    """Read events from Kafka or NATS JetStream and send them through a server, until SIGTERM or Ctrl-C.

    Messages are acknowledged when the server has stored them; what is delivered twice counts once. At the end it
    prints what became of the messages. Exit codes: 0 ended as asked, 1 some messages were dead letters, 2 the server
    refuses, 3 wrong usage.
    """
    if bool(kafka) == bool(nats):
        raise WrongUsage("say where to read from: either --kafka or --nats")
    if not 1 <= batch <= MAX_BATCH:
        raise WrongUsage(f"--batch must be a number from 1 to {MAX_BATCH}")
    if not ack_wait > 0:
        raise WrongUsage("--ack-wait must be more than 0 seconds")
    if dead_letters and errors is not None:
        raise WrongUsage("--dead-letters and --errors exclude each other")
    if kind == "funnel" and (map or set or backfill):
        raise WrongUsage("--map, --set and --backfill are for events")
    constants = constants_of(set or [])
    converter = Converter(None, read_mapping(map) if map else None, constants=constants) if map or constants else None
    topic = topic or TOPICS[kind]

    import structlog  # with the other packages of brokers, after mistakes in flags have shown

    from campanile.cli.consumer.delivery import Delivery
    from campanile.cli.consumer.graves import FileGraves, Graves, TopicGraves
    from campanile.cli.consumer.loop import Consumer
    from campanile.http.logs import configure_logging

    configure_logging(log_level)
    log = structlog.get_logger("campanile.consumer").bind(topic=topic, group=group)
    broker: Broker
    if kafka:
        from campanile.cli.consumer.kafka import KafkaBroker, read_properties

        broker = KafkaBroker(
            kafka, topic, group, log, properties=read_properties(kafka_config) if kafka_config else None
        )
    else:
        from campanile.cli.consumer.jetstream import NatsBroker

        broker = NatsBroker(
            nats, topic, group, log,
            stream=nats_stream, credentials=nats_credentials, ack_wait=ack_wait, batch=batch,
        )  # fmt: skip

    async def work(client: Client, graves: Graves) -> Totals:
        from campanile.cli.serving import stop_signals

        stopping = asyncio.Event()
        delivery = Delivery(client, kind=kind, converter=converter, backfill=backfill)
        consumer = Consumer(broker, delivery, graves, stopping, log, batch=batch, once=once)
        with stop_signals(stopping):
            log.info("ready", server=server, workspace=client.workspace_id)
            return await consumer.run()

    with contextlib.ExitStack() as stack:
        client = stack.enter_context(connect(server, workspace, key, ONE_ATTEMPT))
        graves: Graves
        if dead_letters:
            graves = TopicGraves(broker, dead_letters)
        else:
            graves = FileGraves(errors or Path(f"{topic}.errors.ndjson"))
        stack.callback(graves.close)
        if metrics_port is not None:
            stack.enter_context(_metrics(metrics_host, metrics_port))
        totals = asyncio.run(work(client, graves))
    log.info("stopped", **msgspec.structs.asdict(totals))
    print_json(totals)
    return PROBLEMS if totals.dead else OK


@contextlib.contextmanager
def _metrics(host: str, port: int) -> Iterator[None]:
    """Answer Prometheus while the block runs.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    from prometheus_client import start_http_server

    try:
        server, thread = start_http_server(port, host)
    except OSError as error:
        raise ConfigurationError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
