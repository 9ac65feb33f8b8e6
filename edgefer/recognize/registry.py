"""The kinds of model that can be run as recognizers, named by the tag of their manifests (models/manifest.py).

A maker gets the options and, by name, `manifest` (of the kind's own type) and `content`, the checked bytes of the
network, and `threads`; it gives a recognizer (recognize/base.py) after the self-test agreed.
"""

from __future__ import annotations

from edgefer.support.registry import Entry, Registry

KINDS = Registry("kind of model")
KINDS.add(Entry("frame", "the expression in single face crops", "edgefer.recognize.frame:open_frame"))
KINDS.add(
    Entry("sketch", "the expression in emotion sketches, drawn from landmarks", "edgefer.recognize.sketch:open_sketch")
)
