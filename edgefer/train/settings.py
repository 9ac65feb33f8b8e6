"""What decides a training run, and what follows from it at once: its data, its network, its rate."""

from __future__ import annotations

import argparse
import json
import math
import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from edgefer.errors import UsageError
from edgefer.labels import label_set
from edgefer.measure import datasets
from edgefer.measure.datasets.base import fingerprint
from edgefer.train import architectures
from edgefer.train.data.augment import Alterations
from edgefer.train.data.splits import divide

LARGEST_SIDE = 64
SCHEDULES = ("linear", "cosine")
PRECISIONS = ("float32", "bfloat16")
MOST_SEED = 10**9
MOST_OPERATIONS = 9

#: What every command tells; other settings it leaves out where they are nothing, or what runs did before there was
#: such a setting, so that those on record stay as they are.
TOLD = (
    *("architecture", "input", "data", "stages", "batch", "rate"),
    *("warmup", "weight_decay", "dropout", "average", "seed"),
)


def read_json(path: Path) -> dict:
    """One of a run's JSON files.

    Raises:
        UsageError: it is not there, or damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; expected a run in {path.parent}") from None
    except ValueError as error:
        raise UsageError(f"{path}: damaged, {error}; copy it again, or train the run again") from None
    if not isinstance(content, dict):
        raise UsageError(f"{path}: expected a JSON object, got {type(content).__name__}")
    return content


@dataclass(frozen=True)
class TrainingSettings:
    """What decides the outcome of a run, up to rounding that differs between machines.

    Attributes:
        architecture: a name in architectures.ARCHITECTURES. input: planes, a name in preprocess.CHANNELS.
        mode: how the planes reach the network, one of architectures.MODES.
        stl: a spatial transformer before the network, or before each of its streams.
        labels: ferplus8, the classes and votes of FER+; or basic7, the classes of FER-2013.
        rule: by which the votes of FER+ teach, one of datasets.RULES. With plurality, rows without a majority
            teach too; with crossentropy, the outlier rule of the FER+ authors; the target is the
            distribution of the votes. With majority it is the one class. val is by majority always.
        size: full side of the input, pixels; the last stage must have it.
        data: file or folder, see `find_data`. division: how its rows are parted into those that teach and
            those that judge, in the words of splits.divide; empty for its own train and val. rows: learn from
            this many of them, drawn once and the same for every seed; 0 for all.
        stages: (side, epochs) in order. The network is convolutional with a mean at its end, so it can learn
            the most on small inputs, at a fraction of the cost, and finish on full ones. One with dense
            layers takes inputs of one size.
        rate: peak learning rate; rises over the first `warmup` of all steps, then falls to zero by the
            schedule, one of SCHEDULES. Counted in images, so that stages are weighted by what they see.
        altered: share of the images that are moved, lit otherwise and so on, see `data.augment`; the others are
            mirrored or not, and no more. moved_alone: they are moved, turned and stretched, and no more.
        randaugment: so many operations of `data.randaugment` in place of those; 0 for none.
        mixup, cutmix: share of the batches in which images are blended, or get a part of another one, and
            their targets likewise.
        smoothing: share of each target that is spread evenly over all classes.
        voted: share of each target that is what the voters of FER+ tell of the class FER-2013 gives, see `data.voted`.
        teachers: runs or models, separated by commas, whose scores are mixed into the targets.
        distil: share of the target that is the teachers'. temperature: of their scores, after they were
            calibrated and averaged; above 1 makes them more even.
        lessons: directory of what teachers said of altered rows, see `edgefer.train.lessons`; the network then learns
            from those, and from no other alterations. Under JAX alone.
        precision: in which the network computes while it learns, float32 or bfloat16; its weights are float32.
        quantisation_aware: go on from `start`, a finished run, with weights and activations rounded as they
            will be in int8.
        stop: leave off after this many epochs, for another run to start from; 0 to run to the end.
        start: directory of a run whose averaged weights this one begins with, or an int8 model; empty for random ones.
        sam: radius of sharpness-aware minimisation, see `steps.Ascent`; 0 for none.
        average: decay of the moving average of the weights, by step; the averaged weights are the ones that
            ship.

    Raises:
        UsageError: a value is out of its range.
    """

    architecture: str = "pandey"
    input: str = "grey+sobel"
    mode: str = "concatenated"
    stl: bool = False
    labels: str = "ferplus8"
    rule: str = "plurality"
    size: int = 64
    data: str = "fer2013_train_val.npz"
    division: str = ""
    rows: int = 0
    stages: tuple[tuple[int, int], ...] = ((32, 22), (48, 8), (64, 5))
    batch: int = 128
    rate: float = 3e-3
    warmup: float = 0.05
    schedule: str = "linear"
    weight_decay: float = 0.02
    dropout: float = 0.1
    altered: float = 1.0
    moved_alone: bool = False
    randaugment: int = 0
    mixup: float = 0.0
    cutmix: float = 0.0
    smoothing: float = 0.0
    voted: float = 0.0
    teachers: str = ""
    distil: float = 0.5
    temperature: float = 1.0
    lessons: str = ""
    precision: str = "float32"
    quantisation_aware: bool = False
    sam: float = 0.0
    average: float = 0.998
    seed: int = 1
    stop: int = 0
    start: str = ""

    def __post_init__(self):
        if not self.stages:
            raise UsageError("stages: expected side:epochs, as in 32:24,64:6, got none")
        for name in ("altered", "mixup", "cutmix", "smoothing", "voted", "distil", "warmup", "average"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name}: expected a share, 0 to 1, got {getattr(self, name):g}")
        if self.mixup + self.cutmix > 1:
            raise UsageError(f"mixup and cutmix: expected 1 at most together, got {self.mixup + self.cutmix:g}")
        for name, low, high in (("dropout", 0, 1), ("weight_decay", 0, math.inf), ("sam", 0, math.inf)):
            if not low <= getattr(self, name) < high:
                raise UsageError(f"{name}: expected from {low} to below {high:g}, got {getattr(self, name):g}")
        for name in ("rate", "temperature"):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"{name}: expected a number above 0, got {getattr(self, name):g}")
        if not 0 <= self.randaugment <= MOST_OPERATIONS:
            raise UsageError(f"randaugment: expected 0 to {MOST_OPERATIONS} operations, got {self.randaugment}")
        if self.rows < 0:
            raise UsageError(f"rows: expected 0, for all, or more, got {self.rows}")
        if self.batch < 1:
            raise UsageError(f"batch: expected 1 row or more, got {self.batch}")
        if not 0 <= self.seed <= MOST_SEED:
            raise UsageError(f"seed: expected from 0 to {MOST_SEED}, got {self.seed}")
        if not 0 <= self.stop <= self.epochs:
            raise UsageError(f"stop: expected 0 or up to {self.epochs}, the epochs of its stages, got {self.stop}")
        try:
            label_set(self.labels)
        except ValueError as error:
            raise UsageError(str(error)) from None
        if self.precision not in PRECISIONS:
            raise UsageError(f"unknown precision {self.precision!r}; available: {', '.join(PRECISIONS)}")
        if self.lessons and (self.teachers or self.mixup or self.cutmix or self.alterations != Alterations()):
            raise UsageError("lessons: hold teachers, alterations, mixup and cutmix already; leave those out")
        if self.quantisation_aware and not self.start:
            raise UsageError("quantisation_aware: goes on from a finished run; name it with --start")
        if self.schedule not in SCHEDULES:
            raise UsageError(f"unknown schedule {self.schedule!r}; available: {', '.join(SCHEDULES)}")

    @classmethod
    def read(cls, path: Path) -> TrainingSettings:
        """From a run's settings.json; what an older run's file lacks, that run did by default.

        Raises:
            UsageError: it is not there, damaged, or holds other things.
        """
        fields = read_json(path)
        try:
            return cls.of(fields)
        except (TypeError, ValueError, AttributeError) as error:
            raise UsageError(f"{path}: not the settings of a run: {error}") from None
        except UsageError as error:
            raise UsageError(f"{path}: {error}") from None

    @classmethod
    def of(cls, fields: dict) -> TrainingSettings:
        """From what their JSON holds."""
        stages = tuple((side, epochs) for side, epochs in fields.get("stages", cls.stages))
        return cls(**{**fields, "stages": stages})

    def words(self) -> dict[str, str]:
        """The settings that a command tells, as its options have them; "" for a switch."""
        fields = {**asdict(self), "stages": ",".join(f"{side}:{epochs}" for side, epochs in self.stages)}
        return {
            name.replace("_", "-"): "" if value is True else str(value)
            for name, value in fields.items()
            if name in TOLD or value != getattr(type(self), name)
        }

    def arguments(self) -> list[str]:
        """Those of the command that repeats the run, but for its directory."""
        words = (word for name, value in self.words().items() for word in (f"--{name}", value))
        return [word for word in words if word]

    @property
    def alterations(self) -> Alterations:
        """What is done to its images."""
        return Alterations(self.altered, self.randaugment, self.moved_alone)

    @property
    def teacher_names(self) -> list[str]:
        """Runs or models it learns from."""
        return [name for name in self.teachers.split(",") if name]

    @property
    def needed(self) -> list[str]:
        """Runs, models or lessons that must be there first: what it starts from, and what teaches it."""
        return [name for name in (self.start, self.lessons, *self.teacher_names) if name]

    def side(self, epoch: int) -> int:
        """Side of the inputs in an epoch, counted from 0."""
        for side, epochs in self.stages:
            if epoch < epochs:
                return side
            epoch -= epochs
        raise ValueError("epoch beyond the last stage")

    @property
    def epochs(self) -> int:
        return sum(epochs for _, epochs in self.stages)


def find_data(name: str) -> Path:
    """Where data of that name is: at its path, or under EDGEFER_DATA or `fer2013/` there; else its path."""
    shared = Path(os.environ.get("EDGEFER_DATA", "../shared/data"))
    candidates = (Path(name), shared / name, shared / "fer2013" / name)
    return next((path for path in candidates if path.exists()), candidates[0])


def load_data(settings: TrainingSettings) -> tuple[datasets.Dataset, datasets.Dataset]:
    """The rows a run learns from, and those its choices are made on: train and val, or a division.

    What is divided is train, or all of a folder without splits; the seed of the division is always 1, so that
    folds belong together whatever the seed of their runs. Rows on the second side that are byte-equal to one
    on the first are dropped.

    Raises:
        UsageError: the data is neither at its path nor under EDGEFER_DATA, or cannot be read; has no splits
            and is not divided, or cannot be divided so; has other classes than the settings say; or nothing is left
            to judge.
    """
    path = find_data(settings.data)
    whole: str | None = "train"
    if path.is_dir() and not datasets.splits_in(path):
        if not settings.division:
            raise UsageError(f"{path}: has no train and val; divide it, as by --division fold:1/10")
        whole = None
    train = datasets.load(path, whole, labels=settings.labels, rule=settings.rule)
    if train.labels != settings.labels:
        raise UsageError(f"{path}: has the classes of {train.labels}, got --labels {settings.labels}")
    if not settings.division:
        return _drawn(train, settings.rows), _unseen(datasets.load(path, "val", labels=settings.labels), train)
    train, judged = divide(train, settings.division)
    judged = replace(judged, rule=f"{judged.rule}; {settings.division} of {judged.split}", dropped={})
    return _drawn(train, settings.rows), _unseen(judged, train)


def _unseen(judged: datasets.Dataset, train: datasets.Dataset) -> datasets.Dataset:
    """The rows that are byte-equal to none of train."""
    known = {fingerprint(image) for image in train.images}
    new = np.array([fingerprint(image) not in known for image in judged.images], bool)
    if not new.any():
        raise UsageError(f"{judged.source}: no row is left to judge: all {len(new)} are duplicates of train")
    if new.all():
        return judged
    dropped = {**judged.dropped, "duplicates of a row it learns from": int((~new).sum())}
    return replace(judged.take(np.flatnonzero(new)), dropped=dropped)


def _drawn(train: datasets.Dataset, rows: int) -> datasets.Dataset:
    """That many rows, in order; all of them for 0 or where there are no more."""
    if not 0 < rows < len(train):
        return train
    chosen = np.sort(np.random.default_rng(1).choice(len(train), rows, replace=False))
    return replace(train.take(chosen), dropped={**train.dropped, "not drawn": len(train) - rows})


def targets(data: datasets.Dataset, votes: bool = True) -> np.ndarray:
    """What the network is to say of each row: the distribution of its votes, or all on its one class.

    Args:
        votes: whether they count, where there are any.

    Returns:
        float32, shape (N, classes), rows sum to one.
    """
    classes = len(label_set(data.labels))
    if votes and data.distributions is not None and data.distributions.shape[1] == classes:
        return data.distributions
    return np.eye(classes, dtype=np.float32)[data.truth]


def learning_rate(settings: TrainingSettings, progress: float) -> float:
    """Rate at a point of the run, progress 0 to 1."""
    if progress < settings.warmup or settings.warmup == 1:
        return settings.rate * max(progress, 1e-3) / settings.warmup
    left = (1 - progress) / (1 - settings.warmup)
    if settings.schedule == "cosine":
        # Loshchilov and Hutter, SGDR, ICLR 2017, equation 5, without restarts
        left = (1 - math.cos(math.pi * left)) / 2
    return settings.rate * left


def share_left(seconds: float, each: list[float], epochs: int) -> float:
    """What part of the rest of a run the next epoch is, when a time is set.

    Args:
        seconds: left. each: what the epochs so far took; the first compiles, and does not count. epochs: left
            of those asked for.
    """
    if seconds <= 0:
        return 1.0
    if len(each) < 2:
        return 1 / epochs
    return 1 / max(1, min(epochs, math.floor(seconds / float(np.mean(each[1:][-3:])))))


def build(settings: TrainingSettings, size: int | None = None, dropout: float = 0.0):
    """The network of a run, uncompiled; without dropout unless it is asked for.

    Args:
        size: side of its inputs, pixels; None for that of the stages, open where they differ.

    Raises:
        UsageError: a name is not known, or the stages do not fit the network.
    """
    sides = {side for side, _ in settings.stages}
    if settings.stages[-1][0] != settings.size:
        raise UsageError(f"stages: the last one must have the full side, {settings.size}, got {settings.stages[-1][0]}")
    if size is None and len(sides) == 1:
        size = settings.size
    network = settings.architecture, settings.input, settings.mode, settings.stl
    model = architectures.build(*network, len(label_set(settings.labels)), size, dropout)
    if settings.quantisation_aware:
        from edgefer.train.export.fake_quantise import fake_quantised

        return fake_quantised(model)
    return model


def parse_stages(text: str) -> tuple[tuple[int, int], ...]:
    """`32:24,64:6` to ((32, 24), (64, 6))."""
    try:
        stages = tuple((int(side), int(epochs)) for side, epochs in (s.split(":") for s in text.split(",")))
    except ValueError:
        stages = ()
    if not stages or any(not 16 <= side <= LARGEST_SIDE or epochs < 1 for side, epochs in stages):
        raise argparse.ArgumentTypeError(
            f"expected side:epochs,... with sides 16 to {LARGEST_SIDE}, as in 32:24,64:6, got {text!r}"
        )
    return stages
