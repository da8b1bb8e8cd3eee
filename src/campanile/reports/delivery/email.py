"""Sending mails over SMTP."""

from __future__ import annotations

import smtplib
import ssl
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import msgspec

from campanile.errors import ConfigurationError

SMTP_SECONDS = 30.0
"""Time for each answer of the mail server."""
_PORTS = {"smtp": 25, "smtp+starttls": 587, "smtps": 465}


class MailRefused(Exception):
    """The mail server will never take this message."""


class MailNotSent(Exception):
    """It may work later."""


class MailServer(msgspec.Struct, frozen=True):
    """Where mails are handed in."""

    scheme: str
    host: str
    port: int
    user: str = ""
    password: str = ""


def parse_smtp(url: str) -> MailServer | None:
    """The setting `smtp_url`; None if it is empty.

    Raises:
        ConfigurationError: not such an address.
    """
    if not url:
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError("smtp_url has an invalid port", attribute="smtp_url") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        names = ", ".join(f"{name}://" for name in _PORTS)
        raise ConfigurationError(f"smtp_url must start with one of {names}", attribute="smtp_url")
    return MailServer(
        parts.scheme,
        parts.hostname,
        port or _PORTS[parts.scheme],
        unquote(parts.username or ""),
        unquote(parts.password or ""),
    )


def send(server: MailServer, message: EmailMessage) -> None:
    """Hand in a message. Blocks.

    Raises:
        MailRefused: permanently, for its recipient or its content. MailNotSent: anything else.
    """
    try:
        if server.scheme == "smtps":
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=SMTP_SECONDS, context=ssl.create_default_context()
            )
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=SMTP_SECONDS)
        with smtp:
            if server.scheme == "smtp+starttls":
                smtp.starttls(context=ssl.create_default_context())
            if server.user:
                smtp.login(server.user, server.password)
            smtp.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        ((code, text),) = error.recipients.values()
        raise _failure(code, text) from error
    except (smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        raise _failure(error.smtp_code, error.smtp_error) from error
    except (smtplib.SMTPException, OSError) as error:  # credentials and TLS may be put right
        raise MailNotSent(type(error).__name__) from error


def _failure(code: int, text: bytes | str) -> Exception:
    said = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    kind = MailRefused if code >= 500 else MailNotSent
    return kind(f"{code} {' '.join(said.split())[:200]}")
