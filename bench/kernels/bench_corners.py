"""shi_tomasi and good_corners, every variant beside OpenCV."""

from __future__ import annotations

from cases import every_row, time_row


@every_row("shi_tomasi", "good_corners")
def test_corners(benchmark, op, size, row):
    time_row(benchmark, op, size, row)
