"""Receiving hooks: where providers post."""
