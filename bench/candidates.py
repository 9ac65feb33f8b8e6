"""The networks whose cost is measured: those of the papers, and the variants of ours that were tried."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from edgefer.train.architectures import ARCHITECTURES, build
from edgefer.train.architectures.edgefer import CONFIGURATIONS, Configuration, Stage

BASE = "pandey grey+sobel"


@dataclass(frozen=True)
class Candidate:
    """A network to be timed: an architecture for an input, or a configuration of our own family."""

    architecture: str
    channels: str = "grey+sobel"
    mode: str = "concatenated"
    size: int = 64
    configuration: Configuration | None = None

    def build(self) -> Any:
        """The untrained keras.Model."""
        options: dict[str, Any] = {"configuration": self.configuration} if self.configuration else {}
        return build(self.architecture, self.channels, self.mode, size=self.size, **options)


def _fused(channels, blocks, stride=1, expansion=1):
    return Stage(channels, blocks, stride, expansion, fused=True)


def _ours(stem, stages, head, size=64, squeeze=0, channels="grey+sobel") -> Candidate:
    configuration = Configuration(stem, tuple(stages), head, size, squeeze)
    return Candidate("edgefer-s", channels, size=size, configuration=configuration)


#: Ours, by what they vary; the two that were picked are CONFIGURATIONS.
VARIED: dict[str, Candidate] = {
    **{
        f"{name} at 64": Candidate(name, size=64, configuration=replace(picked, size=64))
        for name, picked in CONFIGURATIONS.items()
    },
    "s deeper early": _ours((24, 2), [_fused(24, 2), _fused(48, 3, 2, 2), Stage(88, 4, 2), Stage(112, 3)], 256),
    "s wider inside": _ours((24, 2), [_fused(24, 2), _fused(48, 3, 2, 3), Stage(80, 4, 2), Stage(112, 3)], 256),
    "s all inverted": _ours((24, 2), [Stage(24, 2), Stage(48, 3, 2), Stage(80, 4, 2), Stage(112, 3)], 256),
    "s squeezed": _ours((24, 2), [_fused(24, 2), _fused(48, 3, 2, 3), Stage(80, 4, 2), Stage(112, 2)], 256, squeeze=8),
    "s wide early": _ours((32, 2), [_fused(32, 2), _fused(64, 3, 2, 3), Stage(80, 4, 2), Stage(96, 2)], 256),
    "s plain convolutions": _ours((24, 2), [_fused(24, 2), _fused(48, 4, 2), _fused(80, 4, 2), _fused(112, 1)], 256),
    "s at 48": _ours((32, 2), [_fused(32, 2), _fused(64, 3, 2, 3), Stage(80, 4, 2), Stage(112, 2)], 256, 48),
    "s stem of stride 1 at 48": _ours(
        (16, 1), [_fused(32, 2, 2), _fused(48, 3, 2, 3), Stage(80, 4, 2), Stage(112, 3)], 256, 48
    ),
    "nano wider inside": _ours(
        (16, 2), [_fused(16, 2), _fused(32, 2, 2, 3), Stage(48, 3, 2, 3), Stage(64, 2, 1, 3)], 128
    ),
    "nano narrow": _ours((16, 2), [_fused(16, 1), _fused(24, 2, 2, 3), Stage(48, 3, 2, 3), Stage(64, 1, 1, 3)], 160),
    "nano narrow at 48": _ours(
        (16, 2), [_fused(16, 1), _fused(24, 2, 2, 3), Stage(48, 3, 2, 3), Stage(64, 1, 1, 3)], 160, 48
    ),
    "nano narrow, grey, at 48": _ours(
        (16, 2), [_fused(16, 1), _fused(24, 2, 2, 3), Stage(48, 3, 2, 3), Stage(64, 1, 1, 3)], 160, 48, channels="grey"
    ),
    "nano at 48": _ours((16, 2), [_fused(16, 2), _fused(32, 2, 2, 3), Stage(48, 3, 2, 3), Stage(64, 2, 1, 3)], 160, 48),
    "nano plain convolutions at 48": _ours((16, 2), [_fused(16, 2), _fused(32, 3, 2), _fused(48, 3, 2)], 160, 48),
}

#: Everything that is timed, by name; the papers' networks first.
CANDIDATES: dict[str, Candidate] = {
    BASE: Candidate("pandey"),
    "pandey shared grey+sobel": Candidate("pandey", mode="shared"),
    "vgg13 grey": Candidate("vgg13", "grey"),
    "rtnn grey": Candidate("rtnn", "grey"),
    "rtnn parallel grey+sobel": Candidate("rtnn", mode="parallel"),
    "breuer grey": Candidate("breuer", "grey", size=48),
    **{
        name: Candidate(name, size=ARCHITECTURES[name].size, configuration=picked)
        for name, picked in CONFIGURATIONS.items()
    },
    **VARIED,
}


#: The recipes that train a network that is timed, by what they are judged on.
TRAINED: dict[str, dict[str, str]] = {
    "FER+": {
        BASE: "ferplus-sobel",
        "pandey shared grey+sobel": "ferplus-sobel-parallel",
        "vgg13 grey": "vgg13-grey",
        "edgefer-s": "edgefer-s",
        "edgefer-nano": "edgefer-nano",
    },
    "FER-2013": {
        "rtnn grey": "rtnn-grey",
        "breuer grey": "breuer-grey",
        "edgefer-s": "fer2013-edgefer-s",
        "edgefer-nano": "fer2013-edgefer-nano",
    },
}
