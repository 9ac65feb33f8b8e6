"""When the gate looks at a followed face, and what is said of its quality."""

from __future__ import annotations

import math

import numpy as np

from edgefer.track.quality import QualityGate
from edgefer.track.state import Track
from edgefer.values import Quality

#: The gate looks at the pixels of each face this often; its size counts in every frame.
JUDGE_INTERVAL_MS = 100.0


def judge(gate: QualityGate, grey: np.ndarray, visible: list[Track], now: int, since_ns: int) -> None:
    """Has the gate judge new faces, and of the others those whose turn it is, spread over frames.

    Args:
        grey: uint8, shape (H, W).
        visible: the faces in view.
        now, since_ns: media time, and since the frame before.
    """
    due = [track for track in visible if track.quality is None]
    count = math.ceil(len(visible) * since_ns / 1e6 / JUDGE_INTERVAL_MS - 0.05)  # a frame that comes a little late
    for track in sorted(visible, key=lambda track: track.judged_ns)[:count]:
        if track.quality is not None and (now - track.judged_ns) / 1e6 > JUDGE_INTERVAL_MS - since_ns / 2e6:
            due.append(track)
    for track in due:
        track.quality, track.judged_ns = gate.measure(grey, track.box), now


def verdict(track: Track, unconfirmed: bool) -> Quality:
    """The gate's last verdict on a face, with what only the tracker knows: pose and occlusion.

    Args:
        track: in view, and judged.
        unconfirmed: nothing has confirmed it for a while.
    """
    last = track.quality
    assert last is not None  # judged when it came in
    reasons = last.reasons
    if not track.resembles:
        reasons += ("occluded",)
    elif track.turned or (not reasons and unconfirmed):
        reasons += ("turned",)
    return Quality(max(track.box.width, track.box.height), last.sharpness, last.brightness, reasons)
