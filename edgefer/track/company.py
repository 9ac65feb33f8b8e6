"""Who is where: which of the followed faces a face that was found may be, and which others are there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgefer.geometry import Box, iou
from edgefer.track.patch import Patch
from edgefer.track.state import Track


def others(tracks: Sequence[Track], track: Track, box: Box, least: float) -> list[Track]:
    """Other faces in view that overlap a box by more than `least`."""
    x0, _, x1, _ = box
    near = [each for each in tracks if each.box.x0 < x1 and each.box.x1 > x0 and each is not track]
    return [each for each in near if each.visible and iou(each.box, box) > least]


def is_free(tracks: Sequence[Track], grey: np.ndarray, track: Track, box: Box) -> bool:
    """Whether a face at `box` may be this one: no other in view is there, or is as near and more like it."""
    there, near = others(tracks, track, box, 0.3), iou(track.box, box) if track.visible else 0.0
    if any(iou(other.box, box) > near for other in there):
        return False
    patch = Patch(grey, box) if there else track.patch
    return all(other.likeness(patch) <= track.likeness(patch) for other in there)


def is_alone(tracks: Sequence[Track], track: Track, box: Box) -> bool:
    """Whether no other face reaches into a box, so that what it shows is this one alone."""
    return not others(tracks, track, box, 0.1)


def may_be(grey: np.ndarray, track: Track, places: tuple[Box, Box], now: int) -> bool:
    """Whether a face that was found may be this one: flow has carried it here, or one of the places shows it."""
    if track.visible and track.patch_ns == now:
        return True
    return any(track.may_be(Patch(grey, place), now) for place in places)


def is_known(tracks: Sequence[Track], grey: np.ndarray, box: Box, now: int) -> bool:
    """Whether a box belongs to a face that is being followed, or that was lost there and may be this one."""
    near = [track for track in tracks if not track.elsewhere and track.closeness(box, now) > 0]
    if not near or any(track.visible for track in near):
        return bool(near)
    patch = Patch(grey, box)
    return any(track.may_be(patch, now) for track in near)
