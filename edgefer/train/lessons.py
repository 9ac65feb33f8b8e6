"""What teachers say of altered versions of the training rows, kept once: students learn from it without running them.

    python -m edgefer.train.lessons runs/lessons --teachers runs/edgefer-l,runs/edgefer-l-2 --views 24

Each view is a version of every row, altered and mixed as in training and made again from its seed alone, so that only
scores are kept. They are the mean over the teachers, each calibrated on val, and over the image and its mirror image:
a student that sees either is taught what the teachers said of the very image. JAX alone makes the same draws again;
any device does.

The file `scores.npz` holds `scores` (float16: views, rows, classes), `val` (the same of the unaltered val rows) and
`about`, JSON: what made it, and how often each teacher and their mean are right on val. A run that was stopped goes on
after the last view on disk.

Reference: Beyer et al., Knowledge distillation: A good teacher is patient and consistent, CVPR 2022: teacher and
student see the same views, mixed ones too.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.errors import INTERRUPTED, EdgeferError, UsageError
from edgefer.labels import softmax
from edgefer.measure.datasets import Dataset
from edgefer.measure.statistics import fit_temperature, tempered
from edgefer.support.atomic import replacing, write_bytes
from edgefer.train.checkpoint import alone
from edgefer.train.command import check_numbers, read_table
from edgefer.train.settings import LARGEST_SIDE, TrainingSettings, load_data, targets

CHUNK = 256  # rows that are altered and mixed together
JUDGED = 1024  # images that are judged together
KEPT_EVERY = 4  # views between two states on disk
NAME = "scores.npz"


@dataclass(frozen=True)
class LessonSettings:
    """What decides lessons.

    Attributes:
        teachers: finished runs, separated by commas. data: as of a run. size: side of the views, pixels.
        views: of each row. mixup, cutmix: share of the chunks of rows that are mixed so.
    """

    teachers: str
    data: str = "fer2013_train_val.npz"
    labels: str = "ferplus8"
    rule: str = "plurality"
    rows: int = 0
    size: int = 48
    views: int = 24
    mixup: float = 0.2
    cutmix: float = 0.2
    seed: int = 1

    @property
    def teacher_names(self) -> list[str]:
        return [name for name in self.teachers.split(",") if name]

    def arguments(self) -> list[str]:
        """Those of the command that makes them again, but for the directory."""
        told = {n: v for n, v in asdict(self).items() if n == "teachers" or v != getattr(type(self), n, None)}
        return [word for name, value in told.items() for word in (f"--{name}", str(value))]


@dataclass(frozen=True)
class Lessons:
    """Lessons, read.

    Attributes:
        settings: that made them. scores: float16, shape (views, rows, classes).
    """

    settings: LessonSettings
    scores: np.ndarray

    @classmethod
    def read(cls, path: Path, train: Dataset) -> Lessons:
        """From a directory.

        Raises:
            UsageError: there are none, they are not finished, damaged, or of other rows or classes.
        """
        if not (path / NAME).exists():
            raise UsageError(f"{path}: holds no lessons; make them with python -m edgefer.train.lessons")
        scores, about = _read(path)
        if scores.shape[1] != len(train):
            raise UsageError(f"{path}: has lessons of {scores.shape[1]} rows, got {len(train)} to learn from")
        settings = LessonSettings(**about["settings"])
        if settings.labels != train.labels:
            raise UsageError(f"{path}: has lessons for the classes of {settings.labels}, got those of {train.labels}")
        if len(scores) < settings.views and not (path / "done.json").exists():
            raise UsageError(
                f"{path}: has {len(scores)} of {settings.views} views; the command that makes its lessons goes on"
            )
        return cls(settings, scores)

    def views_of(self, seed: int, epoch: int, rows: int) -> np.ndarray:
        """Which view of each row an epoch shows: each once before any comes again."""
        count = len(self.scores)
        first = np.random.default_rng([seed, 0]).integers(0, count, rows)
        order = np.random.default_rng([seed, 1 + epoch // count]).permutation(count)
        return order[(first + epoch) % count]

    def material(self, train: Dataset, wanted: np.ndarray, share: float, temperature: float) -> tuple[Any, Any]:
        """All views, and what a student is to say of them.

        Args:
            wanted: targets of the rows without teachers. share: of a target that is the teachers'.
            temperature: of their scores.

        Returns:
            Arrays on the accelerator: uint8 (views * rows, side, side) and float32 (views * rows, classes).
        """
        import jax.numpy as jnp

        images = np.stack([train.images[i] for i in range(len(train))])
        made = [view(self.settings, images, wanted, number) for number in range(len(self.scores))]
        said = tempered(self.scores.astype(np.float64), temperature).astype(np.float32)
        images, votes = (jnp.concatenate(each) for each in zip(*made, strict=True))
        return images, (1 - share) * votes + share * said.reshape(-1, said.shape[-1])


def view(settings: LessonSettings, images, wanted: np.ndarray, number: int):
    """A version of every row, and its targets: uint8 (rows, side, side) and float32 (rows, classes)."""
    import jax
    import jax.numpy as jnp

    rows = len(wanted)
    rng = np.random.default_rng([settings.seed, number])
    order = rng.permutation(rows)
    # a last chunk that is short takes rows from the first
    filled = np.resize(order, -(-rows // CHUNK) * CHUNK).reshape(-1, CHUNK)
    keys = jax.random.split(jax.random.fold_in(jax.random.key(settings.seed), number), len(filled))
    mixed = (settings.mixup, settings.cutmix)

    made = []
    for chunk, key in zip(filled, keys, strict=True):
        levels, mixed_targets = _compiled()(images[chunk], wanted[chunk], key, settings.size, mixed)
        made.append((levels.astype(jnp.uint8), mixed_targets))
    levels, said = (jnp.concatenate(each) for each in zip(*made, strict=True))
    back = np.argsort(order)
    return levels[:rows][back], said[:rows][back]


@cache
def _compiled():
    import jax

    from edgefer.train.data import on_device

    return jax.jit(on_device.altered, static_argnums=(3, 4))


def make(settings: LessonSettings, out: Path, until: float | None = None) -> dict[str, Any]:
    """Make lessons, or go on with them.

    Args:
        until: time.time() after which no further view is begun.

    Returns:
        What `about` holds.

    Raises:
        UsageError: a setting is out of its range, JAX is not there, a teacher is not finished, or the directory holds
            other lessons, or damaged ones.
    """
    for what, value, low, high in (("views", settings.views, 1, 10_000), ("size", settings.size, 16, LARGEST_SIDE)):
        if not low <= value <= high:
            raise UsageError(f"{what}: expected {low} to {high}, got {value}")
    if not settings.teacher_names:
        raise UsageError("teachers: expected finished runs, separated by commas, got none")
    of = TrainingSettings(
        data=settings.data,
        labels=settings.labels,
        rule=settings.rule,
        rows=settings.rows,
        mixup=settings.mixup,
        cutmix=settings.cutmix,
        seed=settings.seed,
    )
    if importlib.util.find_spec("jax") is None:
        raise UsageError("lessons: need JAX, which alone makes the same views again; pip install jax")
    from edgefer.train import runs
    from edgefer.train.data import on_device
    from edgefer.train.steps import computing

    train, val = load_data(of)
    votes = targets(train)
    shown = on_device.resized(val.images, settings.size)
    judges, said_of_val, right = [], [], {}
    compiled: dict[tuple, Callable[..., Any]] = {}
    for name in settings.teacher_names:
        run = Path(name)
        if not (run / "done.json").exists():
            raise UsageError(f"teacher {name}: the run is not finished; its own command makes it go on")
        own = TrainingSettings.read(run / "settings.json")
        if (own.size, own.labels) != (settings.size, settings.labels):
            raise UsageError(
                f"teacher {name}: expected side {settings.size} and {settings.labels}, got {own.size} and {own.labels}"
            )
        with computing(own.precision):
            model = runs.network(run, own)
        kind = (own.architecture, own.input, own.mode, own.stl, own.precision)
        if kind not in compiled:
            compiled[kind] = _said(model, own.input)
        judge = _judge(compiled[kind], model)
        logits = judge(shown)
        temperature = fit_temperature(logits[:, 0], val.truth)
        judges.append((judge, temperature))
        said_of_val.append(softmax(logits, 1 / temperature).mean(axis=1))
        right[name] = _right(logits[:, 0], val)
    mean = np.mean(said_of_val, axis=0)
    about = {"settings": asdict(settings), "teachers": right, "val_accuracy": _right(mean, val)}
    about |= {"val_rows": len(val), "train_rows": len(train)}
    print(json.dumps(about), flush=True)

    scores: list[np.ndarray] = []
    out.mkdir(parents=True, exist_ok=True)
    if (out / NAME).exists():
        made, others = _read(out)
        if others["settings"] != about["settings"]:
            raise UsageError(f"{out}: holds other lessons; choose another directory")
        scores = list(made)
    images = np.stack([train.images[i] for i in range(len(train))])
    for number in range(len(scores), settings.views):
        if until is not None and time.time() > until and scores:
            break
        levels, _ = view(settings, images, votes, number)
        said = np.mean([softmax(judge(levels), 1 / temperature).mean(axis=1) for judge, temperature in judges], axis=0)
        scores.append(said.astype(np.float16))
        if len(scores) % KEPT_EVERY == 0 or number == settings.views - 1:
            _keep(out, scores, mean, about)
            print(f"views: {len(scores)} of {settings.views}", flush=True)
    _keep(out, scores, mean, about)
    write_bytes(out / "done.json", (json.dumps({**about, "views": len(scores)}, indent=2) + "\n").encode())
    return about


def _read(path: Path) -> tuple[np.ndarray, dict[str, Any]]:
    kept = read_table(path / NAME, "what python -m edgefer.train.lessons writes", "scores", "about")
    return kept["scores"], json.loads(str(kept["about"]))


def _judge(compiled: Callable[..., Any], model: Any) -> Callable[[Any], np.ndarray]:
    """From images to the logits of a network: float32 (N, 2, classes), of each image and of its mirror image."""
    from edgefer.train.data import on_device

    weights = [variable.value for variable in model.trainable_variables]
    still = [variable.value for variable in model.non_trainable_variables]

    def judge(images):
        made = [compiled(weights, still, part) for part in on_device.parts(images, JUDGED)]
        return np.concatenate([np.asarray(each) for each in made])[: len(images)]

    return judge


def _said(model: Any, channels: str) -> Callable[..., Any]:
    """What `_judge` runs: compiled once for all teachers of a kind, whose weights it is given."""
    import jax
    import jax.numpy as jnp

    from edgefer.train.data import on_device

    def said(weights, still, levels):
        both = jnp.concatenate([levels, levels[:, :, ::-1]])
        logits, _ = model.stateless_call(weights, still, on_device.tensor(both, channels), training=False)
        return logits.reshape(2, len(levels), -1).swapaxes(0, 1)

    return jax.jit(said)


def _right(said: np.ndarray, val: Dataset) -> float:
    return 100 * int((said.argmax(axis=1) == val.truth).sum()) / len(val)


def _keep(out: Path, scores: list[np.ndarray], val: np.ndarray, about: dict[str, Any]) -> None:
    with replacing(out / NAME) as scratch, open(scratch, "wb") as file:
        about_it = json.dumps(about)
        np.savez_compressed(file, scores=np.stack(scores), val=val.astype(np.float16), about=np.array(about_it))


def main(argv: list[str] | None = None) -> int:
    """Command line; every setting is an option of the same name."""
    parser = argparse.ArgumentParser(prog="python -m edgefer.train.lessons", description=__doc__.split("\n")[0])
    parser.add_argument("out", type=Path, help="directory; unfinished lessons go on")
    parser.add_argument("--minutes", type=float, help="make no further view after this time")
    for name, default in asdict(LessonSettings("")).items():
        parser.add_argument(f"--{name}", type=type(default), default=default, required=name == "teachers")
    options = vars(parser.parse_args(argv))
    out, minutes = options.pop("out"), options.pop("minutes")
    try:
        if minutes is not None:
            check_numbers(minutes=(minutes, 0))
        out.mkdir(parents=True, exist_ok=True)
        with alone(out):
            make(LessonSettings(**options), out, None if minutes is None else time.time() + 60 * minutes)
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on after the last views on disk", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
