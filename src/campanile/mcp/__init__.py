"""A server for agents (Model Context Protocol) that reads statistics, campaigns, experiments and reports."""
