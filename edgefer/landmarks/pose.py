"""Yaw, pitch and roll of a head from its 68 landmarks: a generic head, turned until it lies under them.

The camera is taken to be far away (weak perspective): image = scale * (first two rows of the rotation) * head + shift.
The best linear map is found by least squares, and the nearest scaled rotation to it by polar decomposition.
"""

from __future__ import annotations

import math

import numpy as np

from edgefer.values import Pose

#: Our generic head in thousandths of the distance between the outer corners of its eyes, from the middle between
#: them: x to the viewer's right, y down, z away from the viewer. The mean of 635 photographs of faces, mirrored and
#: averaged, as `python -m edgefer.train.head` makes it; pitch 0 is the mean direction of those photographs.
HEAD = (
    np.array(
        [
            *[(-818, 16, 433), (-821, 238, 600), (-798, 451, 608), (-756, 673, 526), (-673, 865, 421)],
            *[(-544, 1027, 308)],
            *[(-377, 1156, 141), (-193, 1255, 10), (0, 1285, -9), (193, 1255, 10), (377, 1156, 141), (544, 1027, 308)],
            *[(673, 865, 421), (756, 673, 526), (798, 451, 608), (821, 238, 600), (818, 16, 433), (-674, -142, 139)],
            *[(-571, -230, -89), (-427, -261, -164), (-277, -242, -229), (-132, -192, -262), (132, -192, -262)],
            *[(277, -242, -229), (427, -261, -164), (571, -230, -89), (674, -142, 139), (0, -22, -248), (0, 114, -350)],
            *[(0, 248, -470), (0, 384, -496), (-161, 487, -254), (-87, 515, -276), (0, 538, -295), (87, 515, -276)],
            *[(161, 487, -254), (-500, 0, 0), (-410, -46, -74), (-305, -45, -92), (-214, 17, -58), (-312, 33, -79)],
            *[(-419, 32, -59), (214, 17, -58), (305, -45, -92), (410, -46, -74), (500, 0, 0), (419, 32, -59)],
            *[(312, 33, -79), (-323, 767, -38), (-205, 709, -225), (-83, 681, -270), (0, 702, -279), (83, 681, -270)],
            *[(205, 709, -225), (323, 767, -38), (213, 884, -158), (93, 934, -190), (0, 943, -197), (-93, 934, -190)],
            *[(-213, 884, -158), (-274, 772, -58), (-84, 746, -202), (0, 755, -212), (84, 746, -202), (274, 772, -58)],
            *[(87, 831, -178), (0, 841, -188), (-87, 831, -178)],
        ],
        np.float64,
    )
    / 1000
)

#: How much each point counts: the mouth moves without the head, and the contour is seen elsewhere as the head turns.
_WEIGHTS = np.ones(68)
_WEIGHTS[:17] = _WEIGHTS[48:] = 0.3
_WEIGHTS /= _WEIGHTS.sum()


def _solver() -> np.ndarray:
    """Float64, shape (3, 68): from points to the linear map that takes the head nearest to them."""
    centred = HEAD - _WEIGHTS @ HEAD
    weighted = centred * _WEIGHTS[:, None]
    return np.linalg.inv(weighted.T @ centred) @ weighted.T


_SOLVER = _solver()  # its rows sum to 0, so that a shift of the points makes no difference


def head_pose(points: np.ndarray) -> Pose | None:
    """Where a head looks; None where the points lie on one line.

    Args:
        points: float, shape (68, 2), x and y in pixels, in the order of iBUG.
    """
    (a, d), (b, e), (c, f) = (_SOLVER @ points).tolist()
    # the linear map is [[a, b, c], [d, e, f]]; its polar factor is (M M^T)^(-1/2) M
    xx, xy, yy = a * a + b * b + c * c, a * d + b * e + c * f, d * d + e * e + f * f
    root = math.sqrt(max(0.0, xx * yy - xy * xy))
    if not root > 1e-9 * (xx + yy):
        return None
    # (M M^T)^(1/2) = (M M^T + root) / norm, of determinant root
    norm = math.sqrt(xx + yy + 2 * root)
    p, q, r = (yy + root) / norm / root, -xy / norm / root, (xx + root) / norm / root
    first = (p * a + q * d, p * b + q * e, p * c + q * f)
    second = (q * a + r * d, q * b + r * e, q * c + r * f)
    third = (first[1] * second[2] - first[2] * second[1], first[2] * second[0] - first[0] * second[2])
    depth = first[0] * second[1] - first[1] * second[0]
    yaw = math.asin(min(1.0, max(-1.0, third[0])))
    return Pose(*map(math.degrees, (yaw, math.atan2(-third[1], depth), math.atan2(second[0], first[0]))))
