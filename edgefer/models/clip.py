"""The manifest of models that judge some seconds of a face; see models/manifest.py."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from edgefer.models.manifest import Input, NetworkManifest


class ClipInput(Input, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The tensor a network for clips takes: the frames one below the other, the oldest first.

    Attributes:
        height, width, channels: of one frame.
        frames: in a window.
        rate_hz: frames a second, of media time.
        min_face_px: smallest side of a face, pixels of the source, in which the movements it was taught can be seen.
    """

    frames: Annotated[int, Meta(ge=2, le=64)]
    rate_hz: Annotated[float, Meta(ge=1, le=200)]
    min_face_px: Annotated[float, Meta(ge=0, le=1024)] = 0.0


class ClipManifest(NetworkManifest, tag="clip", frozen=True, kw_only=True):
    """A network that scores the expression of a face in a window of time."""

    input: ClipInput

    @property
    def crop_margin(self) -> float:
        return self.input.crop_margin

    def figures(self) -> tuple[str, str, str]:
        size, labels, accuracy = super().figures()
        made = self.metrics is not None and self.metrics.rule.startswith("synthetic")  # from faces that move as told
        accuracy = f"synthetic: {accuracy}" if accuracy and made else accuracy
        return f"{self.input.frames} x {size}", labels, accuracy
