"""The providers whose webhooks are understood. A new one is a module, a line here and rows in `mappings.csv`."""

from __future__ import annotations

from campanile.hooks.providers.mailgun import Mailgun
from campanile.hooks.providers.postmark import Postmark
from campanile.hooks.providers.protocol import Provider
from campanile.hooks.providers.sendgrid import SendGrid
from campanile.hooks.providers.ses import AmazonSes
from campanile.hooks.providers.twilio import Twilio
from campanile.hooks.providers.whatsapp import WhatsApp

PROVIDERS: dict[str, Provider] = {
    provider.name: provider for provider in (SendGrid(), AmazonSes(), Mailgun(), Postmark(), Twilio(), WhatsApp())
}
"""By the name in the URL."""
