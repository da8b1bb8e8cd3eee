"""Mails as a mail server gets them."""

from __future__ import annotations

import re
import ssl
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiosmtpd.smtp import AuthResult

from campanile.errors import ConfigurationError
from campanile.reports.delivery.email import MailNotSent, MailRefused, MailServer, parse_smtp, send
from campanile.reports.delivery.messages import Facts, Sender, mail
from campanile.reports.files.writing import Part
from campanile.reports.runs.schemas import File, Run
from campanile.reports.schemas import ReportWarning
from tests.reports.delivery.servers import mail_server
from tests.support.processes import free_ports

NOW = datetime(2025, 3, 2, 6, 0, tzinfo=UTC)
SENDER = Sender(address="Reports <reports@example.com>", subject="Ready: {report_name} {file_date} {status}",
                domain="example.com")  # fmt: skip
LINK = "https://reports.example.com/v1/export/file/abc"
RUN = Run(
    id="run_1",
    workspace_id="W",
    definition_id="rep_1",
    definition_version=1,
    stem="Daily_sales",
    by_name=True,
    trigger="schedule",
    slot_at=NOW,
    file_date=date(2025, 3, 2),
    first_day=date(2025, 2, 23),
    last_day=date(2025, 3, 1),
    state="SUCCESSFUL",
    created_at=NOW,
    finished_at=NOW,
    attempt=1,
    warnings=(ReportWarning(code="data_incomplete", message="<b>Some</b> rows came late."),),
    parts=(
        Part(name="a", channel="PUSH", rows=12_000, bytes=1, sha256="", columns=()),
        Part(name="b", channel="EMAIL", rows=1, bytes=1, sha256="", columns=()),
    ),
    file=File(
        id="f",
        name="Daily_sales_20250302.zip",
        size=123_456,
        sha256="",
        generated_at=NOW,
        expires_at=NOW + timedelta(days=7),
        forgotten_at=NOW + timedelta(days=37),
        purged_at=None,
    ),
)
FACTS = Facts(run=RUN, report_name="Daily sales", event="SUCCESSFUL", timezone="Asia/Kolkata", link=LINK)


def text(message: Any) -> str:
    part = message.get_body(("plain",))
    return str(part.get_content())


def test_a_finished_report() -> None:
    message = mail(FACTS, "a@example.com", SENDER, now=NOW, attachment=None)
    assert message["To"] == "a@example.com"
    assert message["Subject"] == "Ready: Daily sales 20250302 finished"
    assert message["Auto-Submitted"] == "auto-generated"
    assert (message["X-Campanile-Report-Id"], message["X-Campanile-Run-Id"]) == ("rep_1", "run_1")
    assert message.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
    assert text(message).splitlines() == [
        "Report: Daily sales",
        "Dates: 2025-02-23 to 2025-03-01 (Asia/Kolkata)",
        "File: Daily_sales_20250302.zip, 123.5 kB",
        "PUSH: 12000 rows",
        "EMAIL: 1 row",
        "",
        LINK,
        "",
        "Link valid until 2025-03-09 11:30 Asia/Kolkata",
        "Note: <b>Some</b> rows came late.",
    ]
    assert re.findall(r"https?://\S+", text(message)) == [LINK], "robots take the first address they find"


def test_the_html_says_the_same_and_is_escaped() -> None:
    message = mail(FACTS, "a@example.com", SENDER, now=NOW, attachment=None)
    part = message.get_body(("html",))
    assert part is not None
    html = part.get_content()
    assert f'<a href="{LINK}">{LINK}</a>' in html
    assert "&lt;b&gt;Some&lt;/b&gt; rows" in html
    assert "<b>" not in html
    for line in text(message).splitlines():
        assert line in re.sub(r"</?[a-z][^>]*>", "\n", html).replace("&lt;", "<").replace("&gt;", ">").splitlines()


def test_an_attachment_goes_beside_both() -> None:
    message = mail(FACTS, "a@example.com", SENDER, now=NOW, attachment=b"PK\x03\x04")
    assert message.get_content_type() == "multipart/mixed"
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "Daily_sales_20250302.zip"
    assert attached.get_content_type() == "application/zip"
    assert attached.get_content() == b"PK\x03\x04"  # type: ignore[attr-defined]
    assert LINK in text(message)


def test_no_data_and_failures_have_no_link() -> None:
    nothing = msgspec.structs.replace(FACTS, event="NO_DATA", link="")
    message = mail(nothing, "a@example.com", SENDER, now=NOW, attachment=None)
    assert "No campaigns matched." in text(message)
    assert "http" not in text(message)
    failed = msgspec.structs.replace(
        FACTS, event="FAILED", link="", run=msgspec.structs.replace(RUN, error="query_timeout", attempt=3, file=None)
    )
    message = mail(failed, "owner@example.com", SENDER, now=NOW, attachment=None)
    assert message["Subject"] == "Your report Daily sales failed"
    assert "after 3 attempts: The event store took too long to answer. (query_timeout)" in text(message)
    assert "run_1" in text(message)


def test_a_message_sent_twice_is_the_same_message() -> None:
    first, again, other = (
        mail(FACTS, recipient, SENDER, now=NOW, attachment=None)["Message-ID"]
        for recipient in ("a@example.com", "A@example.com", "b@example.com")
    )
    assert first == again != other


def test_nothing_breaks_out_of_a_header() -> None:
    evil = msgspec.structs.replace(SENDER, subject="Hi\r\nBcc: x@example.com {report_name}")
    message = mail(FACTS, "a@example.com", evil, now=NOW, attachment=None)
    assert message["Subject"] == "Hi Bcc: x@example.com Daily sales"
    assert message["Bcc"] is None
    with pytest.raises((ValueError, IndexError)):
        mail(FACTS, "a@example.com\r\nBcc: b@example.com", SENDER, now=NOW, attachment=None)


def deliver(server: MailServer) -> None:
    send(server, mail(FACTS, "a@example.com", SENDER, now=NOW, attachment=b"x" * 200_000))


def test_a_mail_server_takes_it() -> None:
    (port,) = free_ports(1)
    with mail_server(port) as box:
        deliver(MailServer("smtp", "127.0.0.1", port))
    (found,) = box.mails
    assert (found.sender, found.recipients) == ("reports@example.com", ["a@example.com"])
    assert text(found.message).splitlines()[0] == "Report: Daily sales"
    (attached,) = found.message.iter_attachments()
    assert attached.get_content() == b"x" * 200_000  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [("550 no such user", MailRefused), ("451 try later", MailNotSent), ("452 too many recipients", MailNotSent)],
)
@pytest.mark.parametrize("place", ["recipient", "data"])
def test_refusals(answer: str, kind: type[Exception], place: str) -> None:
    (port,) = free_ports(1)
    with mail_server(port) as box:
        if place == "recipient":
            box.answer = lambda _: answer
        else:
            box.answer_data = lambda: answer
        with pytest.raises(kind, match=answer[:3]):
            deliver(MailServer("smtp", "127.0.0.1", port))
    assert box.mails == []


def test_nobody_there() -> None:
    with pytest.raises(MailNotSent, match="ConnectionRefusedError"):
        deliver(MailServer("smtp", "127.0.0.1", free_ports(1)[0]))


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Settings of a server whose certificate this process trusts."""
    key, file = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", file, "-days", "2"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*command, *subject], check=True, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return context


def test_starttls_and_a_password(certificate: ssl.SSLContext) -> None:
    (port,) = free_ports(1)
    options = {
        "tls_context": certificate,
        "require_starttls": True,
        "auth_required": True,
        "authenticator": lambda server, session, envelope, mechanism, data: AuthResult(
            success=(data.login, data.password) == (b"user", b"p@ss"),
            handled=False,  # so that the server answers
        ),
    }
    with mail_server(port, **options) as box:
        server = parse_smtp(f"smtp+starttls://user:p%40ss@localhost:{port}")
        assert server is not None
        deliver(server)
        with pytest.raises(MailNotSent, match="SMTPAuthenticationError"):
            deliver(msgspec.structs.replace(server, password="wrong"))
    assert len(box.mails) == 1


def test_a_certificate_nobody_vouches_for(certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    (port,) = free_ports(1)
    with (
        mail_server(port, tls_context=certificate) as box,
        pytest.raises(MailNotSent, match="SSLCertVerificationError"),
    ):
        deliver(MailServer("smtp+starttls", "localhost", port))
    assert box.mails == []


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("", None),
        ("smtp://mail.example.com", MailServer("smtp", "mail.example.com", 25)),
        ("smtp+starttls://u:p%3Aw@mail.example.com", MailServer("smtp+starttls", "mail.example.com", 587, "u", "p:w")),
        ("smtps://mail.example.com:4650", MailServer("smtps", "mail.example.com", 4650)),
    ],
)
def test_addresses_of_mail_servers(url: str, server: MailServer | None) -> None:
    assert parse_smtp(url) == server


@pytest.mark.parametrize("url", ["mail.example.com", "http://mail.example.com", "smtp://", "smtp://x:port"])
def test_other_addresses(url: str) -> None:
    with pytest.raises(ConfigurationError):
        parse_smtp(url)
