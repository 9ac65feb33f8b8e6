"""What the tracker keeps of one face."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from edgefer.geometry import Box, moved
from edgefer.track.patch import Patch, correlation, resemblance
from edgefer.values import Quality

#: How far from its box a face may be found and be the same one, sides of the box: at once, more for each
#: second its position was uncertain, and at most.
REACH, REACH_PER_S, MAX_REACH = 0.5, 3.0, 1.5
#: How much a face that was found there has to resemble it, by patch.resemblance: at once, less for each second since it
#: was last seen, and at least. Half of the pairs of two people have less than 0.49, and three quarters less than 0.6.
LIKE, LIKE_PER_S, LEAST_LIKE = 0.62, 0.2, 0.5
#: The same from one frame to the next, up to BETWEEN_S: there a head that tilts or nods, or another light, is far
#: likelier than another person.
NEXT_PER_S, NEXT_LEAST, BETWEEN_S = 0.4, 0.4, 1.25


@dataclass(slots=True)
class Track:
    """One face being followed.

    `patch` is of `patch_ns`, when the face was at `patch_box`; since the one before it moved by `speed`, pixels a ns.
    `appearance` is its pixels when the detector last found it alone, `confirmed_ns` when it last did; `certain_box` and
    `certain_patch` are of `certain_ns`, when it last resembled them; it `remains` when it still does, or when
    part of it is where it was. `scene` is an overview of the picture it last resembled them in; it is `elsewhere` while
    the picture shows another scene. `looked_ns` is when the detector last looked, `examined_ns` when it last did
    so thoroughly, `before_ns` the frame before this one, `seen_ns` the last frame the face was visible in, `judged_ns`
    that in which the gate judged it.
    """

    number: int
    box: Box
    patch: Patch
    born_ns: int
    scene: np.ndarray
    patch_box: Box = field(init=False)
    patch_ns: int = field(init=False)
    appearance: np.ndarray = field(init=False)
    certain_box: Box = field(init=False)
    certain_patch: Patch = field(init=False)
    certain_ns: int = field(init=False)
    confirmed_ns: int = field(init=False)
    looked_ns: int = field(init=False)
    examined_ns: int = field(init=False)
    seen_ns: int = field(init=False)
    visible: bool = True
    turned: bool = False
    resembles: bool = True
    remains: bool = True
    elsewhere: bool = False
    before_ns: int = 0
    quality: Quality | None = None
    judged_ns: int = 0
    speed: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        self.looked_ns = self.examined_ns = self.born_ns
        self.confirm(self.box, self.patch, self.born_ns)

    def confirm(self, box: Box, patch: Patch, now: int, turned: bool = False, alone: bool = True) -> None:
        """The detector found it at `box`; alone: no other face is in front of it, or it of one."""
        self.box = self.certain_box = box
        self.patch = self.certain_patch = patch
        self.patch_box, self.patch_ns = box, now
        if alone:
            self.appearance = patch.face.copy()
        self.confirmed_ns = self.certain_ns = self.seen_ns = now
        self.visible, self.resembles, self.turned = True, True, turned

    def likeness(self, patch: Patch) -> float:
        """How well a patch resembles the face as it last was alone, -1 to 1."""
        return correlation(patch.face, self.appearance)

    def may_be(self, patch: Patch, now: int) -> bool:
        """Whether a face that is found where this one is, or was, resembles it enough to be the same person's."""
        face, then = (self.patch.face, self.patch_ns) if self.visible else (self.appearance, self.certain_ns)
        since_s = (now - then) / 1e9
        if then >= self.before_ns and since_s <= BETWEEN_S:
            least = max(LIKE - NEXT_PER_S * since_s, NEXT_LEAST)
        else:
            least = max(LIKE - LIKE_PER_S * since_s, LEAST_LIKE)
        return resemblance(face, patch) >= least

    def carry(self, box: Box, patch: Patch, now: int) -> None:
        """Flow has found it at `box`."""
        (x0, y0), (x1, y1) = self.patch_box.centre, box.centre
        since_ns = max(1, now - self.patch_ns)
        self.speed = (x1 - x0) / since_ns, (y1 - y0) / since_ns
        self.box, self.patch, self.patch_box, self.patch_ns = box, patch, box, now

    def go_on(self, since_ns: int) -> None:
        """It is not looked at in this frame: its box moves on as it did."""
        self.box = moved(self.box, self.speed[0] * since_ns, self.speed[1] * since_ns)

    def return_to_certain(self) -> None:
        """Flow may have followed what hides it: it is where it last was for certain."""
        self.box = self.patch_box = self.certain_box
        self.patch, self.patch_ns, self.speed = self.certain_patch, self.certain_ns, (0.0, 0.0)

    def closeness(self, box: Box, now: int) -> float:
        """How well a box fits it: 1 when equal, 0 beyond its reach or from 1.6 times its size."""
        sides = [max(each.width, each.height) for each in (self.box, box)]
        smaller, larger = min(sides), max(sides)
        if smaller <= 0 or larger > 1.6 * smaller:
            return 0.0
        reach = min(REACH + REACH_PER_S * (now - self.certain_ns) / 1e9, MAX_REACH)
        return max(0.0, 1 - math.dist(self.box.centre, box.centre) / larger / reach)
