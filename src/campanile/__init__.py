"""Campanile: a self-hosted server for campaign statistics and campaign reports."""

__version__ = "0.1.0"
