"""Experiments: campaigns against their control groups, variations against each other."""
