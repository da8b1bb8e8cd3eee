"""Signing in and out, the first account, invitations, one's own account."""
