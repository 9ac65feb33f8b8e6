"""Clips whose class lies in the order of their frames alone: the onset of an expression, and the same frames reversed.

The question is what time adds. Every clip is in the set twice, as it was taken (onset) and backwards (offset), so
every frame stands under both classes, and whoever looks at frames without their order is right half the time. The last
frame of a clip does tell its class, an apex or a face at rest: a network that may choose its frame reads the answer
there, and its figure stands beside the others.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from edgefer.preprocess.crop import Preprocess
from edgefer.support.atomic import write_bytes
from edgefer.train.clips import edge, haddad, recurrent
from edgefer.train.clips.films import Films, read
from edgefer.train.clips.fit import HeadTraining, fit
from edgefer.train.clips.parameters import PRESETS
from edgefer.train.data.batches import Inputs, input_spec
from edgefer.train.export.quantise import quantise

#: What part of its strength an expression shows at most in a clip's first frame, and at least in its last.
LEAST, MOST = 0.15, 0.8
#: Least strength of an event, in parts of full intensity, and below which it counts as a weak one. At half of it the
#: corner of a mouth moves a third of a pixel, less than a head that sways.
WEAKEST, WEAK = 0.5, 0.6
#: Clips of an event that is judged at most, and windows that set the ranges of int8.
EACH, CALIBRATION = 2, 40
#: How a clip that is learnt from is changed, the same in all its frames: moved by so many pixels at most, its contrast
#: and its light by deviations of so much.
SHIFT, CONTRAST, LIGHT = 2, 0.15, 8.0
PARTS = ("train", "val", "test")
#: The heads on one frame network; those that see single frames do not teach it.
HEADS = ("edge", "lstm", "single", "last")


class Clips:
    """The clips of a part: its films, and where each begins.

    Attributes:
        films: the part. film, first: of each clip, its film and its first frame there.
        weak: bool, whether its event is.
    """

    def __init__(self, path: Path, taught: bool, seed: int = 0) -> None:
        self.films = read(path)
        self.film, self.first = onsets(self.films, edge.FRAMES, edge.FRAMES if taught else EACH, seed)
        self.weak = self.films.strength[self.film, self.first + edge.FRAMES - 1] < WEAK

    def __len__(self) -> int:
        return len(self.film)

    def take(self, rows: np.ndarray, reverse: np.ndarray) -> np.ndarray:
        """Crops of some clips, uint8 (N, FRAMES, SIDE, SIDE), backwards where `reverse` says so."""
        steps = np.arange(edge.FRAMES)
        at = self.first[rows, None] + np.where(reverse[:, None], steps[::-1], steps)
        return self.films.frames[self.film[rows, None], at]

    def levels(self, row: int, reverse: bool) -> np.ndarray:
        """The network's input for one clip, int8 (FRAMES, 48, 48, 3), by the runtime's own preprocessing."""
        preprocess = Preprocess(input_spec(edge.CHANNELS, edge.SIDE))
        return np.concatenate([preprocess(crop).copy() for crop in self.take(np.array([row]), np.array([reverse]))[0]])


def tensors(crops: np.ndarray) -> np.ndarray:
    """Clips, uint8 (N, FRAMES, SIDE, SIDE), as a network takes them: float32 (N, FRAMES * SIDE, SIDE, PLANES)."""
    stacked = Inputs(input_spec(edge.CHANNELS, edge.SIDE)).stack(crops.reshape(-1, edge.SIDE, edge.SIDE))
    return stacked.reshape(len(crops), -1, edge.SIDE, edge.PLANES)


def changed(crops: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Clips as another camera might have taken them: mirrored or not, moved a little, in other light."""
    crops = np.where((rng.random(len(crops)) < 0.5)[:, None, None, None], crops[..., ::-1], crops)
    padded = np.pad(crops, ((0, 0), (0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)), mode="edge").astype(np.float32)
    corners = rng.integers(2 * SHIFT + 1, size=(len(crops), 2))
    moved = np.stack(
        [clip[:, y : y + edge.SIDE, x : x + edge.SIDE] for clip, (y, x) in zip(padded, corners, strict=True)]
    )
    each = (len(crops), 1, 1, 1)
    lit = (moved - 128) * np.exp(rng.normal(0, CONTRAST, each)) + 128 + rng.normal(0, LIGHT, each)
    return np.clip(np.rint(lit), 0, 255).astype(np.uint8)


def onsets(films: Films, length: int, each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Film and first frame of clips in which one event goes from rest towards its apex and nothing else happens.

    Args:
        each: clips of an event at most, drawn by the seed.
    """
    rng, found = np.random.default_rng(seed), []
    for film in range(len(films)):
        of_event: dict[int, list[int]] = {}
        for first in range(films.share.shape[1] - length + 1):
            share, event = (kept[film, first : first + length] for kept in (films.share, films.event))
            shown = films.strength[film, first + length - 1] >= WEAKEST
            rises = share[0] <= LEAST and share[-1] >= MOST and (np.diff(share) >= -1e-6).all()
            if shown and rises and len(set(event.tolist()) - {-1}) == 1:
                of_event.setdefault(int(event[-1]), []).append(first)
        for firsts in of_event.values():
            chosen = rng.permutation(firsts)[:each]
            found += [(film, first) for first in sorted(chosen.tolist())]
    pairs = np.array(found, np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def networks() -> tuple[keras.Model, dict[str, keras.Model], keras.Model]:
    """The frame network, HEADS by name, and all in one: clips, (FRAMES * SIDE, SIDE, PLANES), to logits, (4, 2)."""
    frame = edge.movement()
    heads = {"edge": edge.edge(2, centred=True), "lstm": recurrent.build(2)}
    heads |= {name: edge.single(2, name=name) for name in ("single", "last")}
    given = keras.layers.Input((edge.FRAMES * edge.SIDE, edge.SIDE, edge.PLANES), name="clip")
    x = frame(ops.reshape(given, (-1, edge.SIDE, edge.SIDE, edge.PLANES)))
    seen = ops.reshape(x, (-1, edge.FRAMES, *edge.FEATURES))
    alone = ops.stop_gradient(seen)
    of_each = heads["single"](ops.reshape(alone, (-1, *edge.FEATURES)))
    mean = ops.mean(ops.reshape(of_each, (-1, edge.FRAMES, 2)), axis=1)
    logits = [heads["edge"](seen), heads["lstm"](seen), mean, heads["last"](alone[:, -1])]
    return frame, heads, keras.Model(given, ops.stack(logits, axis=1), name="order")


def table(films: Path, out: Path, training: HeadTraining) -> dict[str, Any]:
    """Trains the networks where they are not trained yet, and measures them on the faces of test.

    Args:
        films: with the directories train, val and test. out: keeps the weights, the int8 networks and `order.json`.

    Returns:
        What is in order.json: a row for each network, and how many clips and faces.
    """
    out.mkdir(parents=True, exist_ok=True)
    train, val, test = (Clips(films / part, taught=part == "train") for part in PARTS)
    keras.utils.set_random_seed(training.seed)
    frame, heads, whole = networks()
    done = trained(whole, train, val, out, training)
    rows = np.random.default_rng(1).choice(len(train), min(CALIBRATION, len(train)), replace=False)
    looks = tensors(train.take(rows, np.arange(len(rows)) % 2 == 1))

    files = {"edge": out / "edge.tflite", "lstm": out / "lstm-step.tflite"}
    if not files["edge"].exists():
        write_bytes(files["edge"], quantise(edge.window_network(frame, heads["edge"]), looks))
    if not files["lstm"].exists():
        steps = looks.reshape(len(looks), edge.FRAMES, edge.SIDE, edge.SIDE, edge.PLANES)
        write_bytes(files["lstm"], recurrent.quantise_step(recurrent.step(frame, heads["lstm"]), steps))

    edge_hits, edge_ms = of_window(files["edge"].read_bytes(), test)
    lstm_hits, step_ms = of_steps(files["lstm"].read_bytes(), test)
    of_edge, of_lstm, of_single, of_last = judged(whole, test)
    right = {
        "edge 3D-CNN, int8": edge_hits,
        "edge 3D-CNN, float": of_edge,
        "LSTM, int8, step by step": lstm_hits,
        "LSTM, float": of_lstm,
        "single-frame CNN, mean of all frames": of_single,
        "single-frame CNN that knows which frame is last": of_last,
    }
    real = test.films.real[test.film]
    of_frame = edge.operations(frame)
    costs = {
        "edge": edge.FRAMES * of_frame + edge.operations(edge.edge(2, centred=True, batch=1)),
        "lstm": edge.FRAMES * (of_frame + recurrent.operations(2)),
        "single": edge.FRAMES * (of_frame + edge.operations(heads["single"])),
    }
    result = {
        "clips": {part: 2 * len(clips) for part, clips in zip(PARTS, (train, val, test), strict=True)},
        "weak": 2 * int(test.weak.sum()),
        "faces": {part: faces(clips) for part, clips in zip(PARTS, (train, val, test), strict=True)},
        "rows": [
            {
                "network": name,
                "all": _percent(hits),
                "photographs": _percent(hits[:, real]),
                "drawn": _percent(hits[:, ~real]),
                "weak": _percent(hits[:, test.weak]),
            }
            for name, hits in right.items()
        ],
        "operations": costs | {"haddad": edge.operations(haddad.build(PRESETS["ckplus"], 2))},
        "bytes": {name: path.stat().st_size for name, path in files.items()},
        "milliseconds": {"edge, a window": edge_ms, "lstm, a step": step_ms},
        "training": done,
    }
    write_bytes(out / "order.json", (json.dumps(result, indent=2) + "\n").encode())
    return result


def trained(whole: keras.Model, train: Clips, val: Clips, out: Path, training: HeadTraining) -> dict[str, Any]:
    """Trains the network of all heads, or takes its weights where it is trained already."""
    weights, record = out / "order.weights.h5", out / "training.json"
    if record.exists():
        whole.load_weights(weights)
        return dict(json.loads(record.read_text()))

    def draw(rng: np.random.Generator, batch: int) -> tuple[np.ndarray, np.ndarray]:
        reverse = rng.random(batch) < 0.5
        crops = train.take(rng.integers(len(train), size=batch), reverse)
        truth = np.eye(2, dtype=np.float32)[reverse.astype(int)]
        return tensors(changed(crops, rng)), np.repeat(truth[:, None], len(HEADS), axis=1)

    done = fit(whole, draw, lambda model: _percent(judged(model, val)[:2]), training)
    whole.save_weights(weights)
    write_bytes(record, (json.dumps(done, indent=2) + "\n").encode())
    return done


def judged(whole: keras.Model, clips: Clips) -> np.ndarray:
    """Which clips each head judges right, bool (4, 2, N): forwards and backwards."""
    hits = np.zeros((len(HEADS), 2, len(clips)), bool)
    for start in range(0, len(clips), 64):
        rows = np.arange(start, min(start + 64, len(clips)))
        for truth in (0, 1):
            logits = np.asarray(whole.predict_on_batch(tensors(clips.take(rows, np.full(len(rows), bool(truth))))))
            hits[:, truth, rows] = (logits.argmax(axis=2) == truth).T
    return hits


def of_window(content: bytes, clips: Clips) -> tuple[np.ndarray, float]:
    """Which clips the int8 window network judges right, and the median of its time, ms, on one core."""
    from ai_edge_litert.interpreter import Interpreter

    network = Interpreter(model_content=content, num_threads=1)
    network.allocate_tensors()
    (given,), (output,) = network.get_input_details(), network.get_output_details()
    hits, spent = np.zeros((2, len(clips)), bool), []
    for row in range(len(clips)):
        for truth in (0, 1):
            network.set_tensor(given["index"], clips.levels(row, bool(truth)).reshape(given["shape"]))
            begin = time.perf_counter()
            network.invoke()
            spent.append(time.perf_counter() - begin)
            hits[truth, row] = network.get_tensor(output["index"])[0].argmax() == truth
    return hits, round(1000 * float(np.median(spent)), 3)


def of_steps(content: bytes, clips: Clips) -> tuple[np.ndarray, float]:
    """As of_window, of the int8 step network, which sees one frame after the other."""
    steps = recurrent.Steps(content)
    hits, spent = np.zeros((2, len(clips)), bool), []
    for row in range(len(clips)):
        for truth in (0, 1):
            steps.reset()
            for image in clips.levels(row, bool(truth)):
                begin = time.perf_counter()
                logits = steps(image[None])
                spent.append(time.perf_counter() - begin)
            hits[truth, row] = logits.argmax() == truth
    return hits, round(1000 * float(np.median(spent)), 3)


def faces(clips: Clips) -> int:
    """How many faces the clips show."""
    return len(np.unique(clips.films.identity[clips.film]))


def _percent(hits: np.ndarray) -> float:
    return round(100 * float(hits.mean()), 2) if hits.size else 0.0


def shown(result: dict[str, Any]) -> str:
    """The table as Markdown, with what the networks cost."""
    lines = [
        f"Onset against offset, synthetic: {result['clips']['test']} clips of {result['faces']['test']} faces that no "
        f"network has seen, {result['weak']} of them weak, below {WEAK:.0%} of full intensity; none is below "
        f"{WEAKEST:.0%} ({result['clips']['train']} clips of {result['faces']['train']} faces to learn from).",
        "",
        "| network | all | of photographs | of drawn faces | weak |",
        "|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        percents = " | ".join(f"{row[which]:.1f} %" for which in ("all", "photographs", "drawn", "weak"))
        lines.append(f"| {row['network']} | {percents} |")
    costs, paper = result["operations"], result["operations"]["haddad"]
    lines += [
        "",
        "| network | multiplications a window | fewer than Haddad's | int8, KiB | ms here |",
        "|---|---|---|---|---|",
    ]
    times = {"edge": "edge, a window", "lstm": "lstm, a step"}
    for name, count in costs.items():
        size = f"{result['bytes'][name] / 1024:.0f}" if name in result["bytes"] else ""
        spent = f"{result['milliseconds'][times[name]]:.2f} ({times[name].split(', ')[1]})" if name in times else ""
        lines.append(f"| {name} | {count / 1e6:,.0f} million | {paper / count:,.0f} x | {size} | {spent} |")
    return "\n".join(lines)
