"""The generic head behind the pose (landmarks/pose.py): the mean of photographs of faces, by the landmark teacher.

    python -m edgefer.train.head --data DATA

prints its 68 points in thousandths of the distance between the outer corners of the eyes. The teacher gives depth, too;
every ninth photograph of `faces/faces.zip` of which it is sure is turned, scaled and moved to lie best on the mean of
them all (generalised Procrustes analysis), and the mean is made symmetric. It then looks where those photographs
look on average, so that pitch 0 is a person who looks into the camera.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from edgefer.train.teachers import MeshTeacher, photographs

#: Point i of a mirrored face is point MIRROR[i] of the face.
MIRROR = np.array(
    [
        *[*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1)],
        *[45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40],
        *[*range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1)],
    ]
)
#: How much each point counts where shapes are laid upon each other: less where a face moves.
WEIGHTS = np.ones(68)
WEIGHTS[:17] = WEIGHTS[48:] = 0.3
WEIGHTS /= WEIGHTS.sum()
EVERY, SURE, ROUNDS = 9, 0.95, 20


class DeepTeacher(MeshTeacher):
    """The teacher with the depth of its points."""

    def shape(self, grey: np.ndarray) -> tuple[np.ndarray, float]:
        """Float64 (68, 3), in pixels of the image, z away from the viewer; and the probability of a face."""
        points, score = self.label(grey)
        (x, y), side = points.mean(axis=0).tolist(), 1.5 * float(np.ptp(points, axis=0).max())
        mesh, _ = self.look(grey, x, y, side)
        depth = self._mesh.get_tensor(self._points).reshape(478, 3)[self._vertices, 2] * (side / 192)
        return np.column_stack([self.ibug(mesh), depth]), score


def laid_upon(shape: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A shape turned, scaled and moved to lie best on another, and its rotation; both (68, 3)."""
    centre, goal = WEIGHTS @ shape, WEIGHTS @ target
    centred = shape - centre
    left, values, right = np.linalg.svd(((target - goal) * WEIGHTS[:, None]).T @ centred)
    signs = np.array([1, 1, np.sign(np.linalg.det(left @ right))])
    rotation = (left * signs) @ right
    scale = (values * signs).sum() / (WEIGHTS @ np.square(centred).sum(axis=1))
    return scale * centred @ rotation.T + goal, rotation


def mean_head(shapes: list[np.ndarray]) -> np.ndarray:
    """Float64 (68, 3): their mean, symmetric, the eyes' outer corners 1 apart on the x axis."""
    mean = shapes[0]
    for _ in range(ROUNDS):
        mean = np.mean([laid_upon(shape, mean)[0] for shape in shapes], axis=0)
        mean = (mean + laid_upon(mean[MIRROR] * (-1, 1, 1), mean)[0]) / 2
        mean = mean - (mean[36] + mean[45]) / 2
        across = mean[45] - mean[36]
        x = across / np.linalg.norm(across)
        away = np.cross(x, mean[8])
        z = away / np.linalg.norm(away)
        mean = mean @ np.array([x, np.cross(z, x), z]).T / np.linalg.norm(across)
    # a head that is laid on a shape by a rotation R looks up by atan2(-R[2, 1], R[2, 2])
    turns = [laid_upon(mean, shape)[1] for shape in shapes]
    pitch = np.median([np.arctan2(-turn[2, 1], turn[2, 2]) for turn in turns])
    cosine, sine = np.cos(pitch), np.sin(pitch)
    return mean @ np.array([[1, 0, 0], [0, cosine, sine], [0, -sine, cosine]]).T


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("EDGEFER_DATA", "../shared/data")))
    arguments = parser.parse_args()
    teacher = DeepTeacher(arguments.data)
    images = [image for number, (_, image) in enumerate(photographs(arguments.data)) if number % EVERY == 0]
    shapes = [shape for shape, score in map(teacher.shape, images) if score >= SURE]
    print(f"{len(shapes)} photographs")
    for row in np.rint(1000 * mean_head(shapes)).astype(int).tolist():
        print(tuple(row), end=", ")
    print()


if __name__ == "__main__":
    main()
