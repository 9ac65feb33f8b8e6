"""The kinds of model that can be run as recognizers, named by the tag of their manifests (models/manifest.py).

A maker gets the options and, by name, `manifest` (of the kind's own type) and `content`, the checked bytes of the
network, and `threads`; it gives a recognizer (recognize/base.py) after the self-test agreed.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from edgefer.support.registry import Entry, Options, Registry


class GeometryOptions(Options, frozen=True):
    """The options of a model that judges distances between points."""

    points: Annotated[
        Literal["classic", "landmarks"] | None,
        Meta(
            description="where the eighteen points come from: the classic chain of edges, circles and corners, or the "
            "68 landmarks; the model says which without it"
        ),
    ] = None
    nose: Annotated[
        str | None,
        Meta(
            description="a cascade file of OpenCV that finds the nose for the classic chain, in place of the landmarks"
        ),
    ] = None


class MicroOptions(Options, frozen=True):
    """The options of a model that spots micro-expressions."""

    method: Annotated[
        Literal["lstm", "flow"] | None,
        Meta(
            description="what spots: the network, or optical flow of regions without training; the model says which "
            "without it"
        ),
    ] = None


KINDS = Registry("kind of model")
KINDS.add(Entry("frame", "the expression in single face crops", "edgefer.recognize.frame:open_frame"))
KINDS.add(
    Entry("sketch", "the expression in emotion sketches, drawn from landmarks", "edgefer.recognize.sketch:open_sketch")
)
KINDS.add(Entry("clip", "the expression in the last second of a film", "edgefer.recognize.clip:open_clip"))
KINDS.add(
    Entry(
        "geometry",
        "the expression in twelve distances between eighteen points of a face",
        "edgefer.recognize.geometry:open_geometry",
        GeometryOptions,
    )
)
KINDS.add(
    Entry("units", "the action units in aligned face crops; gives no expression", "edgefer.recognize.units:open_units")
)
KINDS.add(
    Entry(
        "micro", "micro-expressions in films, as events", "edgefer.recognize.micro.recognizer:open_micro", MicroOptions
    )
)
