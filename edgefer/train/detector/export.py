"""From weights to a model directory: full int8 TFLite, without names and ranges that only a debugger reads.

    python -m edgefer.train.detector.export runs/edgefer-face --labels runs/labels --backgrounds FOLDER …

FIGURES.json is what `bench/detectors.py --json` wrote of the model; the card shows it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
from tensorflow.lite.tools import flatbuffer_utils

from edgefer.detect.network import pack
from edgefer.detect.registry import DETECTORS, NetworkEntry
from edgefer.models import store
from edgefer.support.atomic import replacing
from edgefer.train.checkpoint import load_weights
from edgefer.train.command import needed, reported
from edgefer.train.detector import network, scenes
from edgefer.train.detector.material import KEPT, read_sources
from edgefer.train.export.place import check_place, replace_directory
from edgefer.train.export.quantise import quantise
from edgefer.train.settings import read_json

#: Scenes that the ranges of the activations are read from.
SCENES = 400


def slim(content: bytes) -> bytes:
    """The same network without names, signatures and the ranges that were seen, and with equal vectors kept once.

    Zero points alone are a seventh of a small file: eight bytes for each channel, all of them zero.
    """
    model = flatbuffer_utils.convert_bytearray_to_object(bytearray(content))
    model.signatureDefs, model.metadata, model.description = [], [], None
    for graph in model.subgraphs:
        graph.name = None
        for tensor in graph.tensors:
            tensor.name = None
            if tensor.quantization is not None:
                tensor.quantization.min = tensor.quantization.max = None
    used = {0} | {tensor.buffer for graph in model.subgraphs for tensor in graph.tensors}
    for index, buffer in enumerate(model.buffers):
        if index not in used:
            buffer.data = None
    builder = _Sharing(1024)
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


class _Sharing(flatbuffers.Builder):
    """Writes vectors that are equal once."""

    def __init__(self, size: int):
        super().__init__(size)
        self._written: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: np.ndarray) -> int:  # noqa: N802 - the library's name
        key = (x.dtype.str, x.tobytes())
        if key not in self._written:
            self._written[key] = super().CreateNumpyVector(x)
        return self._written[key]


#: Licence words of the weights, and of what they were trained on.
LICENCE = "MIT, as far as the terms of the training images, which are not stated, allow"
TRAINING_DATA = (
    "face photographs of a repository under Apache-2.0, their own origin not stated: research use; FER-2013 pixels: "
    "research use, original terms unstated; pictures without faces: the free licences of the packages they come in; "
    "labels: YuNet, MIT, Shiqi Yu"
)

CARD = """# edgefer-face

Finds faces in a picture of 160x120 grey pixels: a square from above the brows to the chin, a score, and five key
points (the eyes, the nose, the corners of the mouth).

* Architecture: `edgefer/train/detector/network.py`. Paper: none; our own. {parameters} parameters.
* Input: int8, 30x40 blocks of 4x4 pixels, grey less 128. Output: int8, three grids of 8, 16 and 32 pixels a cell, each
  with a logit, a square and five points a cell. `edgefer/detect/edgefer.py` reads them.
* Size: {size} bytes; weights and activations are int8.

## What it does

{figures}

A face that is likely, but not sure at once, was looked at again in a mirror, and the landmark network was asked; all
scores together decide. Each photograph that was kept was taken as often as any other.

## What it was trained on

Scenes composed while it learned (`edgefer/train/detector/scenes.py`): face photographs and FER-2013 images, pasted
whole or cut out on pictures without faces and on drawn textures; 8 to 130 pixels, up to twelve in a scene, tilted to 52
degrees, relit, blurred, covered by drawn masks, sunglasses, hands and other things. Where the faces are, YuNet said.
One photograph in {kept} and the validation split of FER-2013 were kept from training, and one picture without faces in
four. Scenes in which it took something for a face were shown again. {scenes} scenes in the last run.

    python -m edgefer.train.detector.labels --out LABELS
{commands}
    python -m edgefer.train.detector.export RUN --labels LABELS --backgrounds FOLDER …

The time a run is given decides its length, so that a repeated run comes near these weights, not bit for bit to them.

Licence of the data: {data}. Licence of the weights: {licence}.

## Limits

* Heads turned by more than about 60 degrees, tilted by more than 45, or upside down were hardly seen in training.
* Faces below 10 pixels in a view of 160x120 are not found; the runtime lays views so that the faces wanted are larger.
* FER-2013's images come from web searches; where the other photographs come from is not stated. Who is in them is not
  recorded, so nothing can be said about how its errors differ by age, skin colour or gender. Expect them to differ.
* Prints, statues and drawings of faces may be found.
"""


def figures(path: Path | None) -> str:
    """Tables of what the bench measured."""
    if path is None:
        return "Not measured yet: `python bench/detectors.py` does."
    results, parts = json.loads(path.read_text()), []
    for title, rows in results.items():
        if title == "machine" or title == "times":
            continue
        head = ["detector", *next(iter(rows.values()))]
        body = [[name, *(f"{value:.4g}" for value in row.values())] for name, row in rows.items()]
        lines = [head, ["---"] * len(head), *body]
        parts.append(f"{title}:\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines))
    return "`python bench/detectors.py` says what is counted and how.\n\n" + "\n\n".join(parts)


@reported
def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="directory of a run of fit")
    parser.add_argument("--labels", type=Path, required=True, help="as for fit")
    parser.add_argument("--backgrounds", type=Path, nargs="+", required=True, help="as for fit")
    parser.add_argument("--network", choices=network.WIDTHS, default="edgefer-face", help="which it is")
    parser.add_argument("--figures", type=Path, help="what bench/detectors.py wrote of this model")
    parser.add_argument("--out", type=Path, default=store.SHIPPED / "edgefer-face", help="model directory to replace")
    chosen = parser.parse_args()
    check_place(chosen.out)
    model = network.build(network.WIDTHS[chosen.network])
    load_weights(model, chosen.run / "latest.weights.h5")
    done = read_json(chosen.run / "done.json")
    shown = figures(needed(chosen.figures, "figures, by python bench/detectors.py --json"))
    examples = chosen.run / "examples.npy"  # kept: to read the sources again takes longer than all else here
    if not examples.exists():
        composer = scenes.Composer(read_sources(chosen.labels, chosen.backgrounds, kept=False), seed=1000)
        with replacing(examples) as scratch, scratch.open("wb") as kept:
            np.save(kept, np.stack([composer.scene().image for _ in range(SCENES)]))
    content = slim(quantise(model, network.blocks(np.load(examples))))
    file = chosen.run / "model.tflite"
    file.write_bytes(content)
    card = CARD.format(
        parameters=model.count_params(),
        size=len(content),
        figures=shown,
        kept=KEPT,
        scenes=done["scenes"],
        commands="\n".join(f"    {command}" for command in done["commands"]),
        data=TRAINING_DATA,
        licence=LICENCE,
    )
    entry = DETECTORS.find("edgefer")
    assert isinstance(entry, NetworkEntry)
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=chosen.out.parent, prefix=".") as beside:
        made = Path(beside) / chosen.out.name
        pack(file, made, entry, name="edgefer-face", licence=LICENCE, training_data=TRAINING_DATA, card=card)
        replace_directory(made, chosen.out)
    print(f"{chosen.out}: {len(content)} bytes, {model.count_params()} parameters")


if __name__ == "__main__":
    sys.exit(main())
