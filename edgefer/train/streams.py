"""Which planes of the input tensor go to which sub-network.

The runtime gives every network one NHWC tensor with the planes of `preprocess.CHANNELS`. Pandey et al. feed
the image and what is derived from it, its Sobel gradients (two planes) and its Laplacian, to a network in
two ways (sections IV.1 and IV.2): concatenated as channels of one input, or in parallel, each to a
sub-network of its own. A parallel network slices its planes inside the graph, so the runtime need not know.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgefer.errors import UsageError
from edgefer.preprocess.crop import CHANNELS

#: How the images reach the network: as channels of one input; each through a sub-network of its own; or each
#: through a first convolution of its own and one body whose weights they share.
MODES = ("concatenated", "parallel", "shared")

IMAGES = {"grey": "grey", "gx": "sobel", "gy": "sobel", "laplacian": "laplacian"}  # image a plane is part of


@dataclass(frozen=True)
class Stream:
    """Neighbouring planes of the input, start to stop (exclusive), that enter one sub-network together."""

    name: str
    start: int
    stop: int


@dataclass(frozen=True)
class Streams:
    """The streams of an input, in plane order.

    Attributes:
        planes: of the whole input.
        streams: one for a concatenated input, else one an image.
        shared: the streams differ in their first convolution only.
    """

    planes: int
    streams: tuple[Stream, ...]
    shared: bool = False

    @classmethod
    def of(cls, channels: str, mode: str = "concatenated") -> Streams:
        """The streams of a channels name in a mode.

        Raises:
            UsageError: channels or mode is not known, or there is one image only and nothing to part.
        """
        if channels not in CHANNELS:
            raise UsageError(f"unknown input {channels!r}; available: {', '.join(CHANNELS)}")
        if mode not in MODES:
            raise UsageError(f"unknown mode {mode!r}; available: {', '.join(MODES)}")
        planes = CHANNELS[channels]
        if mode == "concatenated":
            return cls(len(planes), (Stream("all", 0, len(planes)),))
        images = [IMAGES[plane] for plane in planes]
        names = list(dict.fromkeys(images))
        if len(names) == 1:
            raise UsageError(f"mode {mode!r} needs an input of two images or more, got {channels!r}")
        streams = (Stream(n, images.index(n), images.index(n) + images.count(n)) for n in names)
        return cls(len(planes), tuple(streams), mode == "shared")
