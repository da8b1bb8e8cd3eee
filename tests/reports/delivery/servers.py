"""Servers that take what is delivered: a mail server and a web server, in threads of the test."""

from __future__ import annotations

import contextlib
import email
import email.policy
import threading
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP


class Mail(NamedTuple):
    """A message with its envelope."""

    sender: str
    recipients: list[str]
    message: EmailMessage


class Mailbox:
    """What a mail server took. `answer` decides about each recipient."""

    def __init__(self) -> None:
        self.mails: list[Mail] = []
        self.answer: Callable[[str], str] = lambda _: "250 OK"
        self.answer_data: Callable[[], str] = lambda: "250 OK"

    async def handle_RCPT(self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        answer = self.answer(address)
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:
        answer = self.answer_data()
        if answer.startswith("250"):
            parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
            self.mails.append(Mail(envelope.mail_from, list(envelope.rcpt_tos), cast(EmailMessage, parsed)))
        return answer


@contextlib.contextmanager
def mail_server(port: int, **options: Any) -> Iterator[Mailbox]:
    """Listens on 127.0.0.1."""
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=port, **options)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


class Post(NamedTuple):
    """A request that arrived."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """What a web server got. `status` answers."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.posts: list[Post] = []
        self.status: Callable[[], int] = lambda: 204

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?x=1"


@contextlib.contextmanager
def web_server(port: int) -> Iterator[Receiver]:
    receiver = Receiver(port)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.posts.append(Post(self.path, headers, body))
            status = receiver.status()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", f"http://127.0.0.1:{port}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
