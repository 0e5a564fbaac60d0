"""Measuring agents: `evaluate`, metrics with intervals, reports, stored episodes, reward checks."""
