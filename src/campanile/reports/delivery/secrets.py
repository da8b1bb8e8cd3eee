"""Secrets of deliveries. They are derived from the secret of the workspace, so a repeated message repeats them."""

from __future__ import annotations

import base64
from hashlib import blake2b, sha256

from campanile.workspaces.schemas import Workspace


def link_token(workspace: Workspace, file_id: str) -> str:
    """256 bits that open one file; only whoever got the mail knows them."""
    return base64.urlsafe_b64encode(_derived(workspace, b"report-link", file_id)).decode().rstrip("=")


def link_digest(token: str) -> bytes:
    """What is stored of a token: it finds the file, but opens nothing."""
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


def webhook_secret(workspace: Workspace) -> str:
    """What webhooks of a workspace are signed with, in the form of the Standard Webhooks scheme."""
    return "whsec_" + base64.b64encode(_derived(workspace, b"report-webhook", workspace.id)).decode()


def _derived(workspace: Workspace, purpose: bytes, text: str) -> bytes:
    return blake2b(text.encode(), key=workspace.pseudonym_key, person=purpose[:16], digest_size=32).digest()
