"""The teacher of action units on real faces: MediaPipe's blendshapes, from the points of its face mesh.

It judges photographs alone. Of warped ones it says next to nothing: at full intensity of AU12 its smile stays below
0.02, of AU1 its raised brow at 0.03; only a jaw that drops (0.22) and eyes that shut (0.47) move it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgefer.train.data.synthetic.units import FULL, UNITS
from edgefer.train.teachers import ROUND_MESH, MeshTeacher

#: Action unit to the blendshapes whose mean tells of it, what they give on a face at rest, and what is full intensity:
#: the median of the photographs of `faces.zip` that are tagged neutral, and about the highest hundredth of all. Cheeks
#: (AU6), lower lids (AU7: 0.4 at rest already) and nose (AU9) it does not see. AU25 is measured: the gap of the lips,
#: in eye distances.
COEFFICIENTS: dict[int, tuple[tuple[str, ...], float, float]] = {
    1: (("browInnerUp",), 0.03, 0.80),
    2: (("browOuterUpLeft", "browOuterUpRight"), 0.055, 0.80),
    4: (("browDownLeft", "browDownRight"), 0.035, 0.65),
    5: (("eyeWideLeft", "eyeWideRight"), 0.01, 0.15),
    12: (("mouthSmileLeft", "mouthSmileRight"), 0.0, 0.95),
    15: (("mouthFrownLeft", "mouthFrownRight"), 0.0, 0.35),
    17: (("mouthShrugLower",), 0.0, 0.60),
    20: (("mouthStretchLeft", "mouthStretchRight"), 0.01, 0.55),
    23: (("mouthPressLeft", "mouthPressRight", "mouthRollLower", "mouthRollUpper"), 0.04, 0.50),
    26: (("jawOpen",), 0.02, 0.50),
    43: (("eyeBlinkLeft", "eyeBlinkRight"), 0.07, 0.65),
}
LIPS_REST, LIPS_FULL = 0.04, 0.10


def told(coefficients: np.ndarray, names: Sequence[str], unit: int) -> np.ndarray:
    """Float (N,), 0 to 1: what the teacher's coefficients, (N, 52), say of a unit of COEFFICIENTS."""
    return coefficients[:, [names.index(name) for name in COEFFICIENTS[unit][0]]].mean(axis=1)


def intensities(coefficients: np.ndarray, names: Sequence[str], points: np.ndarray) -> np.ndarray:
    """Float32 (N, len(UNITS)), 0 to 5; nan where the teacher says nothing.

    Args:
        coefficients: float (N, 52). names: of the coefficients. points: float (N, 68, 2), of the same faces.
    """
    result = np.full((len(coefficients), len(UNITS)), np.nan, np.float32)
    for unit, (_, rest, full) in COEFFICIENTS.items():
        result[:, UNITS.index(unit)] = (told(coefficients, names, unit) - rest) / (full - rest)
    gap = np.linalg.norm(points[:, [61, 62, 63]] - points[:, [67, 66, 65]], axis=2).mean(axis=1)
    gap /= np.linalg.norm(points[:, 45] - points[:, 36], axis=1)
    result[:, UNITS.index(25)] = (gap - LIPS_REST) / (LIPS_FULL - LIPS_REST)
    return np.clip(result * FULL, 0, FULL)


class BlendshapeTeacher:
    """Both networks, by LiteRT.

    Args:
        data: directory with `teachers` and `landmarks`.
    """

    def __init__(self, data: Path):
        from ai_edge_litert.interpreter import Interpreter

        self._mesh = MeshTeacher(data)
        self._shapes = Interpreter(str(data / "teachers" / "face_blendshapes_v2.tflite"), num_threads=1)
        self._shapes.allocate_tensors()
        self._input = self._shapes.get_input_details()[0]["index"]
        self._output = self._shapes.get_output_details()[0]["index"]
        table = json.loads((data / "teachers" / "face_blendshapes_v2.json").read_text())
        self._rows = np.array(table["idx"])
        #: Of the coefficients, in order.
        self.names: tuple[str, ...] = tuple(table["names"])

    def coefficients(self, grey: np.ndarray, points: np.ndarray) -> np.ndarray:
        """Float32 (52,), 0 to 1, of the face whose 68 points are known, float (68, 2), pixels of the image."""
        eyes = points[45] - points[36]
        angle = float(np.arctan2(eyes[1], eyes[0]))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        level = points @ turn
        low, high = level.min(axis=0), level.max(axis=0)
        x, y = turn @ ((low + high) / 2)
        mesh, _ = self._mesh.look(grey, float(x), float(y), float((high - low).max()) * ROUND_MESH, angle)
        self._shapes.set_tensor(self._input, (mesh @ turn)[None, self._rows].astype(np.float32))
        self._shapes.invoke()
        return np.asarray(self._shapes.get_tensor(self._output)).ravel().copy()
