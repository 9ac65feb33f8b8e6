"""The kinds of model that can be run as recognizers.

A maker gets the options and, by name, `manifest` (of the kind's own type) and `content`, the checked bytes of
the network, and `threads`; it gives a recognizer (recognize/base.py) after the self-test agreed.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgefer.models.manifest import FrameManifest, Manifest, add_kind
from edgefer.support.registry import Entry, Registry


@dataclass(frozen=True)
class Kind(Entry):
    """A row of the table: with the manifest of the kind's models."""

    manifest: type[Manifest] = Manifest


class Kinds(Registry):
    """A registry that also registers the manifests of its kinds."""

    def add(self, entry: Entry) -> None:
        if isinstance(entry, Kind):
            add_kind(entry.manifest)
        super().add(entry)


KINDS = Kinds("kind of model")
KINDS.add(
    Kind("frame", "the expression in single face crops", "edgefer.recognize.frame:open_frame", manifest=FrameManifest)
)
