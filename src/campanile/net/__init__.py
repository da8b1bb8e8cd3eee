"""Connections this server makes to others."""
