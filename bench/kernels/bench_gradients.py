"""sobel, laplacian and gradients, every variant beside OpenCV and NumPy."""

from __future__ import annotations

from cases import every_row, time_row


@every_row("sobel", "laplacian", "gradients")
def test_gradients(benchmark, op, size, row):
    time_row(benchmark, op, size, row)
