"""The detectors that can be chosen.

A maker gets its options and, by name, `min_face_px`, `max_side_px` and `threads`; it gives a Detector
(detect/base.py).
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from edgefer.support.registry import Entry, Options, Registry
from edgefer.support.typed import MODEL_PATH


class Network(Options, frozen=True):
    """The options of a detector that runs a network from a model directory."""

    model: Annotated[
        str,
        Meta(
            min_length=1,
            description="model directory of the network, as `edgefer models pack` makes it of a file, "
            "relative to the profile; or the name of an installed one",
            extra={MODEL_PATH: True},
        ),
    ]


class OwnNetwork(Options, frozen=True):
    """The options of our own network."""

    model: Annotated[
        str,
        Meta(
            min_length=1,
            description="its model directory: an installed or a shipped one by name, or a path",
            extra={MODEL_PATH: True},
        ),
    ] = "edgefer-face"


class NetworkEntry(Entry, frozen=True):
    """A row of a detector that runs a network.

    Attributes:
        network: "package.module:Class", called with the network's bytes and a name for messages.
        file: name of the network in its model directory.
        paper: for the manifest.
    """

    network: str = ""
    file: Literal["model.tflite", "model.onnx"] = "model.tflite"
    paper: str = ""


DETECTORS = Registry("detector")
DETECTORS.add(
    NetworkEntry(
        "edgefer",
        "our own small network, through LiteRT; its model ships",
        "edgefer.detect.edgefer:open_edgefer",
        OwnNetwork,
        "model",
        network="edgefer.detect.edgefer:EdgeferDetector",
        paper="none; our own",
    )
)
DETECTORS.add(
    Entry(
        "haar",
        "OpenCV's Haar cascades, by our kernels; their files come with OpenCV 4 only",
        "edgefer.detect.haar:open_haar",
    )
)
DETECTORS.add(
    NetworkEntry(
        "yunet",
        "YuNet, through OpenCV",
        "edgefer.detect.yunet:open_yunet",
        Network,
        "model",
        network="edgefer.detect.yunet:YuNetDetector",
        file="model.onnx",
        paper="Wu, Peng and Yu, YuNet: A Tiny Millisecond-level Face Detector, 2023",
    )
)
DETECTORS.add(
    NetworkEntry(
        "blazeface",
        "BlazeFace short range, through LiteRT",
        "edgefer.detect.blazeface:open_blazeface",
        Network,
        "model",
        network="edgefer.detect.blazeface:BlazeFaceDetector",
        paper="Bazarevsky et al., BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs, 2019",
    )
)


def network_detectors() -> list[NetworkEntry]:
    """The rows whose detector runs a network."""
    return [entry for entry in DETECTORS if isinstance(entry, NetworkEntry)]
