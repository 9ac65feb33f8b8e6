"""The 68 landmarks of a face made up of straight numbers, so that its sketch can be worked out by hand."""

from __future__ import annotations

import numpy as np


def a_face() -> np.ndarray:
    """68 points of a plain face 200 pixels wide, symmetric about x = 200."""
    points = np.zeros((68, 2))
    angle = np.linspace(np.pi, 0, 17)
    points[:17] = np.column_stack([200 + 100 * np.cos(angle), 180 + 130 * np.sin(angle)])
    points[17:22] = [(120, 140), (133, 130), (148, 127), (163, 130), (178, 137)]
    points[22:27] = [(400 - x, y) for x, y in points[17:22][::-1]]
    points[27:31] = [(200, y) for y in (160, 175, 190, 205)]
    points[31:36] = [(x, 220) for x in (180, 190, 200, 210, 220)]
    points[36:42] = [(135, 165), (147, 157), (160, 157), (172, 165), (160, 170), (147, 170)]
    points[42:48] = [(400 - x, y) for x, y in points[[39, 38, 37, 36, 41, 40]]]
    turn = np.linspace(np.pi, 3 * np.pi, 13)[:-1]
    points[48:60] = np.column_stack([200 + 40 * np.cos(turn), 255 + 15 * np.sin(turn)])
    turn = np.linspace(np.pi, 3 * np.pi, 9)[:-1]
    points[60:68] = np.column_stack([200 + 30 * np.cos(turn), 255 + 6 * np.sin(turn)])
    return points


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    a = np.deg2rad(degrees)
    return (points - 200) @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) + 200
