"""Whether every shipped network gives the same output for the same images on two machines.

    python arm_images.py write IMAGES.npy COUNT
    python arm_images.py read IMAGES.npy RESULTS.npz
    python arm_images.py compare HERE.npz THERE.npz

The images are faces cut out of the demo. They are made on one machine, and each reads them through its own
kernels and its own LiteRT. Both give the same bits on every processor: LiteRT where XNNPACK computes, as it
does by default, not where its own kernels do.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np

import edgefer
from edgefer.kernels import crop_resize
from edgefer.models import directory, runtime
from edgefer.models.clip import ClipManifest
from edgefer.models.manifest import FrameManifest, Input
from edgefer.preprocess.crop import Preprocess
from edgefer.sources.demo import CYCLE_S, FPS, Demo

SIDE = 160  # pixels, wider than any network's input
#: Of points in parts of the input's side: 0.02 pixels of 112.
FLOAT_TOLERANCE = 0.02 / 112
MODELS = Path(edgefer.__file__).parent / "models" / "shipped"
#: The int8 step of an LSTM, as edgefer/train/clips/recurrent.py writes it; its state goes from face to face.
STEP = Path(__file__).parents[1] / "fixtures" / "lstm_step.tflite"


def write(path: str, count: str) -> None:
    """Faces all over the demo's cycle, nearer and farther, shifted, every other one mirrored."""
    demo = Demo()
    rng = np.random.default_rng(3)
    images = np.empty((int(count), SIDE, SIDE), np.uint8)
    for i in range(len(images)):
        grey = demo.render(round(i * CYCLE_S * FPS / len(images))).grey
        half = rng.uniform(80, 160)
        x, y = rng.uniform(0.3, 0.7, 2) * grey.shape[::-1]
        left, top = max(0, round(x - half)), max(0, round(y - half))
        crop = grey[top : round(y + half), left : round(x + half)]
        images[i] = cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA)[:, :: 1 - i % 2 * 2]
    np.save(path, images)


def read(images: str, results: str) -> None:
    """What each network is given and what it answers."""
    faces, answers = np.load(images), {}
    for folder in sorted(MODELS.iterdir()):
        spec, content = directory.read(folder)
        if not spec.network.endswith(".tflite"):
            continue
        network = runtime.module.Interpreter(model_content=content)
        network.allocate_tensors()
        (given,) = network.get_input_details()
        if isinstance(spec, (FrameManifest, ClipManifest)):
            tensor_of = Preprocess(spec.input)
        else:
            tensor_of = partial(plain, given["shape"][1:].tolist())
        rows = []
        for number, face in enumerate(faces):
            tensor = window(spec, faces, number) if isinstance(spec, ClipManifest) else tensor_of(face).copy()
            network.set_tensor(given["index"], tensor)
            network.invoke()
            rows.append([tensor, *(network.get_tensor(output["index"]) for output in network.get_output_details())])
        for number, column in enumerate(zip(*rows, strict=True)):
            answers[f"{folder.name} {'input' if number == 0 else f'output {number}'}"] = np.stack(column)
    for number, column in enumerate(stepped(faces)):
        answers[f"{STEP.stem} output {number}"] = column
    np.savez(results, **answers)


def window(spec: ClipManifest, faces: np.ndarray, number: int) -> np.ndarray:
    """A face and those after it, as many as a window has frames."""
    preprocess = Preprocess(spec.input)
    following = (faces[(number + ahead) % len(faces)] for ahead in range(spec.input.frames))
    return np.concatenate([preprocess(face).copy() for face in following], axis=1)


def stepped(faces: np.ndarray) -> list[np.ndarray]:
    """What the LSTM's step gives for one face after the other: each of its outputs, stacked."""
    network = runtime.module.Interpreter(model_content=STEP.read_bytes())
    network.allocate_tensors()
    given = {tuple(each["shape"]): each for each in network.get_input_details()}
    image = next(each for shape, each in given.items() if len(shape) == 4)
    _, height, width, _ = image["shape"].tolist()
    spec = Input(
        height=height, width=width, channels="grey+sobel", scale=1 / 128, zero_point=0, value_range=(-1, 127 / 128)
    )
    preprocess, outputs = Preprocess(spec), network.get_output_details()
    state = {
        shape: np.full(shape, each["quantization"][1], np.int8) for shape, each in given.items() if each is not image
    }
    rows = []
    for face in faces:
        network.set_tensor(image["index"], preprocess(face))
        for shape, levels in state.items():
            network.set_tensor(given[shape]["index"], levels)
        network.invoke()
        rows.append([network.get_tensor(each["index"]) for each in outputs])
        for each, levels in zip(outputs, rows[-1], strict=True):
            if levels.shape in state:
                (scale, zero), (own_scale, own_zero) = each["quantization"], given[levels.shape]["quantization"]
                real = (levels.astype(np.float64) - zero) * scale
                state[levels.shape] = np.clip(np.rint(real / own_scale) + own_zero, -128, 127).astype(np.int8)
    return [np.stack(column) for column in zip(*rows, strict=True)]


def plain(shape: list[int], face: np.ndarray) -> np.ndarray:
    """The whole image as int8, shape (1, H, W, C): C is 1, or the pixels of a square block."""
    height, width, channels = shape
    side = round(channels**0.5)
    image = crop_resize(face, (0, 0, face.shape[1], face.shape[0]), (height * side, width * side))
    blocks = image.reshape(height, side, width, side).transpose(0, 2, 1, 3).reshape(1, *shape)
    return np.ascontiguousarray(blocks ^ np.uint8(128)).view(np.int8)


def compare(here: str, there: str) -> None:
    """Raises SystemExit where a network is given or answers anything else; float heads have FLOAT_TOLERANCE."""
    ours, theirs = np.load(here), np.load(there)
    if sorted(ours) != sorted(theirs) or not len(ours):
        raise SystemExit(f"arm_images: expected {sorted(ours)}, got {sorted(theirs)}")
    furthest = 0.0
    for name in sorted(ours):
        apart = np.abs(ours[name].astype(float) - theirs[name]).reshape(len(ours[name]), -1).max(axis=1)
        exact = ours[name].dtype == np.int8
        if (apart > (0 if exact else FLOAT_TOLERANCE)).any():
            raise SystemExit(
                f"arm_images: {name}: {int((apart > 0).sum())} of {len(apart)} images differ, by up to"
                f" {apart.max():g}; does LiteRT compute with XNNPACK on both machines?"
            )
        furthest = furthest if exact else max(furthest, float(apart.max()))
    names = ", ".join(sorted({key.split()[0] for key in ours}))
    print(f"{len(apart)} images alike: {names}; float outputs within {furthest:.1e}")


if __name__ == "__main__":
    {"write": write, "read": read, "compare": compare}[sys.argv[1]](*sys.argv[2:])
