"""Yaw, pitch and roll of a head from its 68 landmarks: a generic head, turned until it lies under them.

The camera is taken to be far away (weak perspective): image = scale * (first two rows of the rotation) * head + shift.
The best linear map is found by least squares, and the nearest scaled rotation to it by polar decomposition.
"""

from __future__ import annotations

import math

import numpy as np

from edgefer.values import Pose

#: Our generic head in thousandths of the distance between the outer corners of its eyes, from the middle between
#: them: x to the viewer's right, y down, z away from the viewer. The mean of 630 photographs of faces, mirrored and
#: averaged, as `python -m edgefer.train.head` makes it; pitch 0 is the mean direction of those photographs.
HEAD = (
    np.array(
        [
            *[(-825, 12, 436), (-827, 235, 607), (-804, 450, 618), (-762, 673, 537), (-679, 866, 432)],
            *[(-549, 1030, 319), (-380, 1161, 152), (-195, 1264, 20), (0, 1294, 2), (195, 1264, 20), (380, 1161, 152)],
            *[(549, 1030, 319), (679, 866, 432), (762, 673, 537), (804, 450, 618), (827, 235, 607), (825, 12, 436)],
            *[(-680, -145, 138), (-573, -231, -91), (-429, -264, -167), (-278, -246, -232), (-133, -198, -265)],
            *[(133, -198, -265), (278, -246, -232), (429, -264, -167), (573, -231, -91), (680, -145, 138)],
            *[(0, -27, -251), (0, 112, -352), (0, 248, -472), (0, 386, -497)],
            *[(-163, 489, -253), (-87, 518, -274), (0, 540, -293), (87, 518, -274), (163, 489, -253)],
            *[(-500, 0, 0), (-411, -47, -75), (-306, -47, -94), (-215, 18, -59), (-313, 34, -80), (-420, 33, -60)],
            *[(215, 18, -59), (306, -47, -94), (411, -47, -75), (500, 0, 0), (420, 33, -60), (313, 34, -80)],
            *[(-325, 770, -33), (-206, 709, -222), (-83, 680, -267), (0, 701, -276), (83, 680, -267)],
            *[(206, 709, -222), (325, 770, -33), (214, 889, -153), (94, 941, -184), (0, 950, -191)],
            *[(-94, 941, -184), (-214, 889, -153), (-275, 775, -54), (-84, 746, -198), (0, 755, -208)],
            *[(84, 746, -198), (275, 775, -54), (87, 835, -174), (0, 845, -184), (-87, 835, -174)],
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
