"""Gathers what bench_bars.py measures, prints it as a table and keeps it for the README."""

from __future__ import annotations

import json

import pytest
from result_tables import RESULTS, kernel_table, machine

_measured: list = []


@pytest.fixture
def bars() -> list:
    """Where a case leaves what it measured: (Case, Pair)."""
    return _measured


def pytest_terminal_summary(terminalreporter):
    if not _measured:
        return
    rows = [
        {
            "kernel": case.name,
            "size": case.size,
            "peer": case.peer,
            "bar": case.bar,
            "ours_us": pair.ours_ns / 1e3,
            "peer_us": pair.peer_ns / 1e3,
            "ratio": pair.ratio,
            "low": pair.low,
            "high": pair.high,
        }
        for case, pair in _measured
    ]
    terminalreporter.write_line("\n" + kernel_table(rows))
    from bench_bars import CASES  # not before the suites are collected

    if len(rows) == len(CASES):  # a part of them would not be a table of the kernels
        result = {"machine": machine(), "rows": rows}
        (RESULTS / "kernels.json").write_text(json.dumps(result, indent=1) + "\n")
