"""Clips whose class lies in the order of their frames alone: the onset of an expression, and the same frames reversed.

The question is what time adds. Every clip is in the set twice, as it was taken (onset) and backwards (offset), so
every frame stands under both classes, and whoever looks at frames without their order is right half the time. The last
frame of a clip does tell its class, an apex or a face at rest: a network that may choose its frame reads the answer
there, and its figure stands beside the others.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from edgefer.preprocess.crop import Preprocess
from edgefer.support.atomic import write_bytes
from edgefer.train.clips import edge, features, haddad, recurrent
from edgefer.train.clips.films import Films, read
from edgefer.train.clips.fit import HeadTraining, fit
from edgefer.train.clips.parameters import PRESETS
from edgefer.train.data.batches import Inputs, input_spec
from edgefer.train.export.quantise import quantise

CLASSES = ("onset", "offset")
#: What part of its strength an expression shows at most in a clip's first frame, and at least in its last.
LEAST, MOST = 0.15, 0.8
#: Least strength of an event, in parts of full intensity, and that of a strong one. At half of it the corner of a mouth
#: moves a third of a pixel, less than a head that sways.
WEAKEST, STRONG = 0.5, 0.85
#: Clips of an event that is judged at most, and windows that set the ranges of int8.
EACH, CALIBRATION = 2, 40
#: Of Beta(MIXED, MIXED) is the share of one clip in the mixture of two of one order that is learnt from.
MIXED = 0.6
PARTS = ("train", "val", "test")
#: How many times the steps of the 3D-CNN each head gets: an LSTM learns slower, and a step of it costs less.
STEPS = {"edge": 1.0, "lstm": 2.0, "single": 0.5, "last": 0.5}


class Clips:
    """The clips of a part: frames, features, and where each begins.

    Attributes:
        films: the part. film, first: of each clip, its film and its first frame there.
        strong: bool, whether its event is.
    """

    def __init__(self, path: Path, taught: bool, seed: int = 0) -> None:
        self.films = read(path)
        self.features = features.load(path)
        self.film, self.first = onsets(self.films, edge.FRAMES, edge.FRAMES if taught else EACH, seed)
        self.strong = self.films.strength[self.film, self.first + edge.FRAMES - 1] >= STRONG

    def __len__(self) -> int:
        return len(self.film)

    def take(self, rows: np.ndarray, reverse: np.ndarray) -> np.ndarray:
        """Features of some clips, float32 (N, FRAMES, 6, 6, 64), backwards where `reverse` says so."""
        return _windows(self.features, self.film[rows], self.first[rows], reverse).astype(np.float32)

    def levels(self, row: int, reverse: bool) -> np.ndarray:
        """The network's input for one clip, int8 (FRAMES, 48, 48, 3), by the runtime's own preprocessing."""
        preprocess = Preprocess(input_spec(edge.CHANNELS, edge.SIDE))
        first = self.first[row]
        crops = self.films.frames[self.film[row], first : first + edge.FRAMES]
        return np.concatenate([preprocess(crop).copy() for crop in (crops[::-1] if reverse else crops)])


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


def _windows(frames: np.ndarray, film: np.ndarray, first: np.ndarray, reverse: np.ndarray) -> np.ndarray:
    steps = np.arange(edge.FRAMES)
    at = first[:, None] + np.where(reverse[:, None], steps[::-1], steps)
    return frames[film[:, None], at]


def table(films: Path, run: Path, out: Path, training: HeadTraining) -> dict[str, Any]:
    """Trains the three networks where they are not trained yet, and measures them on the faces of test.

    Args:
        films: with the directories train, val and test, and their features. run: the frame network's.
        out: keeps the weights, the int8 networks and `order.json`.

    Returns:
        What is in order.json: a row for each network, and how many clips and faces.
    """
    out.mkdir(parents=True, exist_ok=True)
    train, val, test = (Clips(films / part, taught=part == "train") for part in PARTS)
    frame = edge.frame_network(run)
    heads = {
        "edge": edge.edge(2, centred=True),
        "lstm": recurrent.build(2),
        "single": edge.single(2),
        "last": edge.single(2),
    }
    done = {name: trained(name, head, train, val, out, training) for name, head in heads.items()}
    rows = np.random.default_rng(1).choice(len(train), min(CALIBRATION, len(train)), replace=False)
    inputs = Inputs(input_spec(edge.CHANNELS, edge.SIDE))
    looks = np.stack(
        [inputs.stack(train.films.frames[train.film[row], train.first[row] :][: edge.FRAMES]) for row in rows]
    )
    looks[1::2] = looks[1::2, ::-1]

    files = {"edge": out / "edge.tflite", "lstm": out / "lstm-step.tflite"}
    if not files["edge"].exists():
        whole = edge.window_network(frame, heads["edge"])
        write_bytes(files["edge"], quantise(whole, looks.reshape(len(looks), -1, edge.SIDE, edge.PLANES)))
    if not files["lstm"].exists():
        write_bytes(files["lstm"], recurrent.quantise_step(recurrent.step(frame, heads["lstm"]), looks))

    edge_hits, edge_ms = of_window(files["edge"].read_bytes(), test)
    lstm_hits, step_ms = of_steps(files["lstm"].read_bytes(), test)
    right = {
        "edge 3D-CNN, int8": edge_hits,
        "edge 3D-CNN, float": judged(heads["edge"], "edge", test),
        "LSTM, int8, step by step": lstm_hits,
        "LSTM, float": judged(heads["lstm"], "lstm", test),
        "single-frame CNN, mean of all frames": judged(heads["single"], "single", test),
        "single-frame CNN that knows which frame is last": judged(heads["last"], "last", test),
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
        "strong": 2 * int(test.strong.sum()),
        "faces": {part: faces(clips) for part, clips in zip(PARTS, (train, val, test), strict=True)},
        "rows": [
            {
                "network": name,
                "strong": _percent(hits[:, test.strong]),
                "photographs": _percent(hits[:, test.strong & real]),
                "drawn": _percent(hits[:, test.strong & ~real]),
                "all": _percent(hits),
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


def trained(
    name: str, head: keras.Model, train: Clips, val: Clips, out: Path, training: HeadTraining
) -> dict[str, Any]:
    """Trains a head, or takes its weights where it is trained already."""
    weights, record = out / f"{name}.weights.h5", out / f"{name}.json"
    if record.exists():
        head.load_weights(weights)
        return dict(json.loads(record.read_text()))
    keras.utils.set_random_seed(training.seed)

    def draw(rng: np.random.Generator, batch: int) -> tuple[np.ndarray, np.ndarray]:
        reverse = rng.random(batch) < 0.5
        x = train.take(rng.integers(len(train), size=batch), reverse)
        share = rng.beta(MIXED, MIXED, (batch, 1, 1, 1, 1)).astype(np.float32)
        x = share * x + (1 - share) * train.take(rng.integers(len(train), size=batch), reverse)
        mirrored = rng.random(batch) < 0.5
        x[mirrored] = x[mirrored, :, :, ::-1]
        if name == "single":  # any frame of the clip
            x = x[np.arange(batch), rng.integers(edge.FRAMES, size=batch)]
        elif name == "last":
            x = x[:, -1]
        return x, np.eye(2, dtype=np.float32)[reverse.astype(int)]

    training = replace(training, steps=round(STEPS[name] * training.steps))
    done = fit(head, draw, lambda model: _percent(judged(model, name, val)), training)
    head.save_weights(weights)
    write_bytes(record, (json.dumps(done, indent=2) + "\n").encode())
    return done


def judged(head: keras.Model, name: str, clips: Clips) -> np.ndarray:
    """Which clips a head judges right, bool (2, N): forwards and backwards; a single-frame one by its mean score."""
    hits = np.zeros((2, len(clips)), bool)
    for start in range(0, len(clips), 64):
        rows = np.arange(start, min(start + 64, len(clips)))
        for truth in (0, 1):
            x = clips.take(rows, np.full(len(rows), bool(truth)))
            if name == "single":
                logits = np.asarray(head.predict_on_batch(x.reshape(-1, *edge.FEATURES)))
                logits = logits.reshape(len(rows), edge.FRAMES, -1).mean(axis=1)
            else:
                logits = np.asarray(head.predict_on_batch(x[:, -1] if name == "last" else x))
            hits[truth, rows] = logits.argmax(axis=1) == truth
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
        f"network has seen, {result['strong']} of them strong, of at least {STRONG:.0%} of full intensity "
        f"({result['clips']['train']} clips of {result['faces']['train']} faces to learn from).",
        "",
        "| network | strong | of photographs | of drawn faces | all, from half of full intensity |",
        "|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        percents = " | ".join(f"{row[which]:.1f} %" for which in ("strong", "photographs", "drawn", "all"))
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
