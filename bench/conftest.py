"""Gathers what the bars of bench_kernels.py measure, prints it as a table and keeps it for the README."""

from __future__ import annotations

import json

import pytest
from common import RESULTS, kernel_table, machine

_measured: list[dict] = []


@pytest.fixture
def bars() -> list[dict]:
    """Where a case leaves what it measured: a row of the table."""
    return _measured


def pytest_terminal_summary(terminalreporter):
    if not _measured:
        return
    terminalreporter.write_line("\n" + kernel_table(_measured))
    from bench_kernels import BARS  # not before the suites are collected

    if len(_measured) == len(BARS):  # a part of them would not be a table of the kernels
        result = {"machine": machine(), "rows": _measured}
        (RESULTS / "kernels.json").write_text(json.dumps(result, indent=1) + "\n")
