"""Benchmarks: `make bench`. Figures are ratios or percentiles of runs measured side by side, never pass or fail."""
