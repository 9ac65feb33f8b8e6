"""Fixtures of the loop's tests."""

from __future__ import annotations

import logging

import pytest


@pytest.fixture
def log_lines():
    """What edgefer logs from here on, whatever the command line has set up before."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger = logging.getLogger("edgefer")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)
    logger.setLevel(level)
