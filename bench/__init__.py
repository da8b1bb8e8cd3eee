"""Measurements: ratios taken side by side in one run. `make bench` runs them and says how to repeat each."""
