"""Telling people and servers about finished runs: e-mail, webhooks, links."""
