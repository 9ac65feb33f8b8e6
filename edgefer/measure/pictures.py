"""Pictures of a model's figures: its confusion matrix, and how far its scores can be relied upon."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np

from edgefer.measure.evaluate import Report
from edgefer.support import drawing

Colour = tuple[int, int, int]


def confusion(report: Report) -> np.ndarray:
    """Cells shaded by the share of their row, truth on the left, prediction below; sizes in pixels."""
    cell, left, top, below, right = 92, 150, 84, 84, 30
    count = len(report.labels)
    side = cell * count
    picture = np.full((top + side + below, left + side + right, 3), 255, np.uint8)
    write = partial(drawing.write, picture)
    title = f"{report.model}: accuracy {report.accuracy:.2f} % on {report.rows} rows"
    write(title, left, 28, 0.65, anchor="start")
    write(f"macro-F1 {report.macro_f1:.2f} %, split {report.data.split}", left, 56, 0.5, anchor="start")
    for row, label in enumerate(report.labels):
        middle = top + cell * (row + 0.5)
        write(label, left - 12, middle - 9, anchor="end")
        write(f"{report.support[row]} rows", left - 12, middle + 11, 0.4, (120, 120, 120), "end")
        write(label, left + cell * (row + 0.5), top + side + 20, 0.48)
        for column in range(count):
            share = report.confusion[row, column] / max(1, report.support[row])
            x, y = left + cell * column, top + cell * row
            words = shaded_cell(picture, (x, y, cell, cell), share)
            write(f"{100 * share:.0f} %", x + cell / 2, y + cell / 2 - 10, 0.6, words)
            write(str(report.confusion[row, column]), x + cell / 2, y + cell / 2 + 16, 0.42, words)
    write("prediction", left + side / 2, top + side + 56, 0.55)
    write("truth", left - 12, top - 16, 0.55, anchor="end")
    return picture


def shaded_cell(picture: np.ndarray, cell: tuple[int, int, int, int], share: float) -> Colour:
    """Fill a cell (left, top, width, height) by a share, 0 to 1; gives the colour to write on it with."""
    x, y, width, height = cell
    paper, deep = np.array([250.0, 246.0, 240.0]), np.array([120.0, 72.0, 16.0])
    colour = (paper + (deep - paper) * share).tolist()
    cv2.rectangle(picture, (x, y), (x + width - 2, y + height - 2), colour, -1)
    return (255, 255, 255) if share > 0.45 else drawing.INK


def reliability(report: Report) -> np.ndarray:
    """A bar a bin, as high as its accuracy, and the diagonal; below it how many rows the bin has."""
    bins, side, left, top, counts = report.calibration, 480, 80, 84, 90
    picture = np.full((top + side + counts + 76, left + side + 40, 3), 255, np.uint8)
    write = partial(drawing.write, picture)
    bottom, floor = top + side, top + side + counts + 16
    title = f"{report.model}: ECE {bins.ece:.2f} % on {report.rows} rows"
    write(title, left, 28, 0.65, anchor="start")
    before = f"{report.calibration_before.ece:.2f} % {report.before}"
    write(f"{before}, split {report.data.split}", left, 56, anchor="start")
    for index, rows in enumerate(bins.rows):
        x0, x1 = (round(left + side * edge) for edge in bins.edges[index : index + 2])
        if not rows:
            continue
        height = round(side * bins.accuracy[index])
        cv2.rectangle(picture, (x0 + 1, bottom - height), (x1 - 2, bottom), (120, 72, 16), -1)
        share = round(counts * rows / bins.rows.max())
        cv2.rectangle(picture, (x0 + 1, floor - share), (x1 - 2, floor), (190, 190, 190), -1)
        y = bottom - side * bins.confidence[index]
        cv2.line(picture, (x0 + 1, round(y)), (x1 - 2, round(y)), (40, 40, 200), 2)
    cv2.rectangle(picture, (left, top), (left + side, bottom), drawing.INK, 1)
    cv2.line(picture, (left, bottom), (left + side, top), (120, 120, 120), 1, cv2.LINE_AA)
    cv2.line(picture, (left, floor), (left + side, floor), drawing.INK, 1)
    for tick in range(0, 101, 20):
        write(f"{tick} %", left - 10, bottom - side * tick / 100, 0.42, anchor="end")
        write(f"{tick} %", left + side * tick / 100, floor + 16, 0.42)
    write("confidence (red: its mean in the bin)", left + side / 2, floor + 42, 0.5)
    write("accuracy", left - 10, top - 14, 0.5)
    write("rows", left - 10, floor - counts / 2, 0.42, anchor="end")
    return picture
