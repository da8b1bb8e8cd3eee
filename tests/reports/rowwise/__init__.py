"""Reports made row by row in plain Python, to compare with those made by columns (docs/reports.md)."""
