"""The runs that make each model, by name, and their commands; and the models of the papers that have none yet."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from edgefer.train.lessons import LessonSettings
from edgefer.train.settings import TrainingSettings

#: Run directories and settings, in the order in which they are made.
Runs = tuple[tuple[str, TrainingSettings], ...]


def _one(name: str, settings: TrainingSettings) -> Runs:
    return ((f"runs/{name}", settings),)


def _small_to_full(name: str, channels: str, mode: str = "concatenated") -> Runs:
    """Learn on small inputs, left off while the rate is high; then on full ones, down to zero."""
    small, full = f"runs/{name}-small", f"runs/{name}"
    settings = TrainingSettings(input=channels, mode=mode)
    return (
        (small, replace(settings, stages=((32, 22), (48, 8), (64, 5)), stop=24)),
        (full, replace(settings, stages=((64, 8),), rate=1.5e-3, average=0.995, start=small)),
    )


def _vgg13(name: str, channels: str) -> Runs:
    """Dropout as in the paper. Without batch normalisation a tenth of the others' rate is safe."""
    options: dict[str, Any] = {"rate": 3e-4, "dropout": 0.5, "weight_decay": 0.05}
    return _one(name, TrainingSettings(architecture="vgg13", input=channels, stages=((64, 40),), **options))


def _rtnn(name: str, channels: str, stl: bool = False, altered: float = 1.0) -> Runs:
    """Table I of Pandey et al., on FER-2013 instead of KDEF; one schedule for all, so that gains compare."""
    settings = TrainingSettings(
        architecture="rtnn",
        input=channels,
        mode="concatenated" if channels == "grey" else "parallel",
        stl=stl,
        labels="basic7",
        stages=((64, 60),),
        dropout=0.0,
        weight_decay=0.01,
        altered=altered,
    )
    return _one(name, settings)


def _divided(name: str, of: Runs, data: str, division: str, **more) -> tuple[str, Runs]:
    """One run of the same network on a set that is divided."""
    ((_, settings),) = of
    return name, _one(name, replace(settings, data=data, division=division, **more))


_QUICK = TrainingSettings(
    architecture="edgefer-s", stages=((32, 50), (48, 16), (64, 7)), dropout=0.2, weight_decay=0.05
)
_QUICK_AT_48 = replace(_QUICK, size=48, rate=1.5e-3)
_ON_FROM_FIRST: dict[str, Any] = {"teachers": "runs/edgefer-s-first", "start": "runs/edgefer-s-first"}
_QUICK_NANO = TrainingSettings(architecture="edgefer-nano", stages=((32, 60), (48, 30), (64, 15)), dropout=0.0)
_QUICK_NANO_AT_48 = replace(_QUICK_NANO, size=48, stages=((48, 12),), rate=1.5e-3, teachers="runs/edgefer-s-first")

#: One class an image.
_SEVEN_QUICK = TrainingSettings(
    architecture="edgefer-s",
    labels="basic7",
    size=48,
    stages=((48, 42),),
    rate=1.5e-3,
    schedule="cosine",
    mixup=0.2,
    cutmix=0.2,
    dropout=0.2,
    weight_decay=0.05,
    average=0.999,
    precision="bfloat16",
)

#: What a GPU is for: wide teachers, what they say of altered rows kept once, and students that learn from it. With a
#: time limit fewer epochs are run: edgefer-nano-lessons has those for which there was time when it was made.
_WIDE = TrainingSettings(
    architecture="edgefer-l",
    size=48,
    stages=((48, 80),),
    batch=256,
    rate=2e-3,
    schedule="cosine",
    mixup=0.25,
    cutmix=0.25,
    dropout=0.3,
    weight_decay=0.05,
    precision="bfloat16",
)
#: Of the seven classes of FER-2013; it goes on from what the votes taught.
_WIDE_SEVEN = replace(_WIDE, labels="basic7", voted=0.5, stages=((48, 40),), rate=1e-3, start="runs/edgefer-l")
_THREE, _FIVE = (("", "-2", "-3"), ("", "-2", "-3", "-4", "-5"))
LESSONS: dict[str, LessonSettings] = {
    "runs/lessons": LessonSettings(",".join(f"runs/edgefer-l{number}" for number in _THREE)),
    "runs/lessons-of-five": LessonSettings(",".join(f"runs/edgefer-l{number}" for number in _FIVE)),
    "runs/fer2013-lessons": LessonSettings(
        ",".join(f"runs/fer2013-edgefer-l{number}" for number in _THREE), labels="basic7"
    ),
}
_STUDENT = TrainingSettings(
    architecture="edgefer-s",
    size=48,
    stages=((48, 195),),
    batch=256,
    schedule="cosine",
    dropout=0.1,
    weight_decay=0.05,
    average=0.999,
    lessons="runs/lessons-of-five",
    distil=0.85,
    precision="bfloat16",
)
_SMALL_STUDENT: dict[str, Any] = {
    "architecture": "edgefer-nano",
    "stages": ((48, 246),),
    "rate": 4e-3,
    "dropout": 0.0,
    "weight_decay": 0.02,
    "precision": "float32",
    "lessons": "runs/lessons",
}
#: Rounded as it will be in int8, it goes on with what two of the students say: twenty minutes of one core. The small
#: one then goes on with what that one says.
_ROUNDED = TrainingSettings(
    architecture="edgefer-s",
    size=48,
    stages=((48, 3),),
    rate=2e-4,
    schedule="cosine",
    mixup=0.2,
    cutmix=0.2,
    dropout=0.0,
    weight_decay=0.05,
    teachers="runs/edgefer-s-lessons,runs/edgefer-s-lessons-2",
    distil=0.85,
    quantisation_aware=True,
    start="runs/edgefer-s-lessons",
)
_SMALL_ROUNDED = replace(
    _ROUNDED,
    architecture="edgefer-nano",
    weight_decay=0.02,
    average=0.999,
    teachers="edgefer-s",
    start="runs/edgefer-nano-lessons",
)
_SEVEN_STUDENT = replace(_STUDENT, labels="basic7", voted=0.5, stages=((48, 150),), lessons="runs/fer2013-lessons")

#: Run directories and settings, in order; the last run is the one that is exported. A model comes after its
#: teachers. Where a run is divided into folds, its repetitions are the other folds.
RECIPES: dict[str, Runs] = {
    # Pandey et al., Table IV
    "ferplus-sobel": _small_to_full("ferplus-sobel", "grey+sobel"),
    "ferplus-grey": _small_to_full("ferplus-grey", "grey"),
    "ferplus-laplacian": _small_to_full("ferplus-laplacian", "grey+laplacian"),
    "ferplus-laplacian-parallel": _small_to_full("ferplus-laplacian-parallel", "grey+laplacian", "shared"),
    "ferplus-sobel-parallel": _small_to_full("ferplus-sobel-parallel", "grey+sobel", "shared"),
    # Table II
    "vgg13-grey": _vgg13("vgg13-grey", "grey"),
    "vgg13-laplacian": _vgg13("vgg13-laplacian", "grey+laplacian"),
    "vgg13-sobel": _vgg13("vgg13-sobel", "grey+sobel"),
    # Table I
    "rtnn-grey": _rtnn("rtnn-grey", "grey"),
    "rtnn-stl": _rtnn("rtnn-stl", "grey", stl=True),
    "rtnn-laplacian": _rtnn("rtnn-laplacian", "grey+laplacian"),
    "rtnn-stl-sobel": _rtnn("rtnn-stl-sobel", "grey+sobel", stl=True),
    "rtnn-stl-laplacian": _rtnn("rtnn-stl-laplacian", "grey+laplacian", stl=True),
    "rtnn-stl-all": _rtnn("rtnn-stl-all", "grey+sobel+laplacian", stl=True),
    # Breuer and Kimmel, Table 2: rate and dropout are the paper's
    "breuer-grey": _one(
        "breuer-grey",
        TrainingSettings("breuer", "grey", labels="basic7", size=48, stages=((48, 60),), rate=1e-3, dropout=0.5),
    ),
    # our own, in hours of a processor: left off on small inputs, finished on ones as large as the
    # photographs, whose detail goes no further; edgefer-s then goes on with itself as its teacher
    "edgefer-s-quick": (
        ("runs/edgefer-s-small", replace(_QUICK, stop=69)),
        (
            "runs/edgefer-s-first",
            replace(_QUICK_AT_48, stages=((48, 6),), rate=4e-4, average=0.995, start="runs/edgefer-s-small"),
        ),
        (
            "runs/edgefer-s-quick",
            replace(_QUICK_AT_48, stages=((48, 30),), schedule="cosine", dropout=0.1, **_ON_FROM_FIRST),
        ),
    ),
    "edgefer-nano-quick": (
        ("runs/edgefer-nano-small", replace(_QUICK_NANO, stop=59)),
        ("runs/edgefer-nano-quick", replace(_QUICK_NANO_AT_48, average=0.995, start="runs/edgefer-nano-small")),
    ),
    # what it learnt from the votes serves for the seven classes of FER-2013; then it goes on with what the votes tell
    # of those: with AMX an hour and a half of one core each
    "fer2013-edgefer-s": (
        ("runs/fer2013-edgefer-s-first", replace(_SEVEN_QUICK, smoothing=0.1, start="edgefer-s")),
        (
            "runs/fer2013-edgefer-s",
            replace(_SEVEN_QUICK, voted=0.5, stages=((48, 54),), rate=1e-3, start="runs/fer2013-edgefer-s-first"),
        ),
    ),
    # and in minutes of a GPU
    "edgefer-l": _one("edgefer-l", _WIDE),
    "fer2013-edgefer-l": _one("fer2013-edgefer-l", _WIDE_SEVEN),
    # its seed is that of the best of five on val
    "edgefer-s-lessons": _one("edgefer-s-lessons", replace(_STUDENT, seed=2)),
    "edgefer-s": _one("edgefer-s", _ROUNDED),
    "edgefer-nano-lessons": _one("edgefer-nano-lessons", replace(_STUDENT, **_SMALL_STUDENT)),
    "edgefer-nano": _one("edgefer-nano", _SMALL_ROUNDED),
    "fer2013-edgefer-s-lessons": _one("fer2013-edgefer-s-lessons", _SEVEN_STUDENT),
}
RECIPES |= dict(
    [
        # Tables 1 and 2 of Breuer and Kimmel as they were made, in ten folds; CK+ has contempt
        _divided("folds-breuer-grey", RECIPES["breuer-grey"], TrainingSettings.data, "fold:1/10"),
        _divided("ckplus-breuer-grey", RECIPES["breuer-grey"], "CK+", "fold:1/10", labels="ferplus8", batch=32),
        # Table I of Pandey et al. on its own set, which they do not say how they divide
        *(
            _divided(f"{prefix}-{name}", RECIPES[name], "KDEF", division, batch=64)
            for prefix, division in (("kdef", "holdout"), ("kdef-subjects", "subject-holdout"))
            for name in list(RECIPES)
            if name.startswith("rtnn-")
        ),
        # of no table: whether it is our alterations that keep RTNN below what is published
        ("rtnn-grey-half", _rtnn("rtnn-grey-half", "grey", altered=0.5)),
    ]
)

#: Models small enough to ship. Others are exported to build/models.
_STAYS = ("-l", "-quick", "-lessons")
SHIPPED = tuple(
    name
    for name in RECIPES
    if name.startswith(("ferplus-", "edgefer-", "fer2013-edgefer-")) and not name.endswith(_STAYS)
)

#: Runs of each model: those of Tables II and IV, of which the paper prints average, least and most; the
#: folds; and the seeds of a teacher.
REPEATED = {
    **{name: 4 for name in RECIPES if name.startswith(("ferplus-", "vgg13-"))},
    **{"folds-breuer-grey": 10, "ckplus-breuer-grey": 10, "edgefer-l": 5, "fer2013-edgefer-l": 3},
    **{"edgefer-s-lessons": 5, "edgefer-nano-lessons": 2, "fer2013-edgefer-s-lessons": 2},
}

#: Models that commands of their own train: which, and the set that it takes where that is not made here.
ELSEWHERE: dict[str, tuple[str, str]] = {
    "edgefer-face": ("edgefer.train.detector.fit", ""),
    "edgefer-landmarks": ("edgefer.train.landmarks.fit", ""),
    "khan": ("edgefer.train.geometry export", ""),
    "geometry12": ("edgefer.train.geometry export", ""),
    "sketch": ("edgefer.train.sketch", ""),
    "units": ("edgefer.train.units", ""),
    "edgefer-clip": ("edgefer.train.clips", ""),
    "micro": ("edgefer.train.micro", ""),
    "haddad": ("edgefer.train.protocols tables", "CK+ and Oulu-CASIA"),
    "breuer-micro": ("edgefer.train.micro casme", "CASME II"),
}


def repetition(name: str, number: int) -> Runs:
    """The runs of a model with another seed, or of another fold, in directories of their own.

    What starts from another model's run starts from the one with the same number, where that model has so many.

    Args:
        number: from 1, which is the recipe itself.
    """
    if number == 1:
        return RECIPES[name]
    directories = {run: f"{run}-{number}" for run, _ in RECIPES[name]}
    for other, count in REPEATED.items():
        if count >= number:
            directories.setdefault(RECIPES[other][-1][0], f"{RECIPES[other][-1][0]}-{number}")
    return tuple(
        (directories[run], replace(_repeated(settings, number), start=directories.get(settings.start, settings.start)))
        for run, settings in RECIPES[name]
    )


def _repeated(settings: TrainingSettings, number: int) -> TrainingSettings:
    division = re.sub(r"fold:1/", f"fold:{number}/", settings.division)
    if division != settings.division:
        return replace(settings, division=division)
    return replace(settings, seed=settings.seed + number - 1)


_REPETITIONS = [(name, number) for name in RECIPES for number in range(1, REPEATED.get(name, 1) + 1)]
#: Model and number of every run that is the last of its kind, by directory.
OWNERS: dict[str, tuple[str, int]] = {repetition(*own)[-1][0]: own for own in _REPETITIONS}
#: The same of every run, those that others only start from or learn from included.
MAKERS: dict[str, tuple[str, int]] = {run: own for own in _REPETITIONS for run, _ in repetition(*own)}


def taught_by(settings: TrainingSettings) -> list[str]:
    """Runs and models a run needs, those behind its lessons in their place."""
    lessons = LESSONS.get(settings.lessons)
    return [name for name in settings.needed if name not in LESSONS] + (lessons.teacher_names if lessons else [])


def in_order(names: Iterable[str]) -> list[tuple[str, int]]:
    """Models and numbers of all runs of these models, and of the teachers they need, teachers first."""
    order: dict[tuple[str, int], None] = {}

    def add(name: str, number: int) -> None:
        for _, settings in repetition(name, number):
            for needed in taught_by(settings):
                if needed in MAKERS and MAKERS[needed] != (name, number):
                    add(*MAKERS[needed])
        order[name, number] = None

    for name in names:
        for number in range(1, REPEATED.get(name, 1) + 1):
            add(name, number)
    return list(order)


def epochs(runs: Runs) -> dict[int, int]:
    """What runs cost: epochs by side of the inputs, those after a stop left out."""
    counts: Counter[int] = Counter()
    for _, settings in runs:
        counts.update(settings.side(epoch) for epoch in range(settings.stop or settings.epochs))
    return dict(counts)


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        module: what `python -m` runs. arguments: what it is given.
        backend: of Keras, which it cannot do without; empty where any will do.
    """

    module: str
    arguments: list[str]
    backend: str = ""

    def __str__(self) -> str:
        return shlex.join(["python", "-m", self.module, *self.arguments])

    def run(self, **options: Any) -> subprocess.CompletedProcess:
        """Print the command and run it; `options` are those of subprocess.run."""
        print(f"\n$ {self}", flush=True)
        backend = {"KERAS_BACKEND": self.backend} if self.backend else {}
        command = [sys.executable, "-m", self.module, *self.arguments]
        return subprocess.run(command, check=False, env={**os.environ, **backend}, **options)


def fit_step(run: str, settings: TrainingSettings) -> Step:
    """What trains a run."""
    return Step("edgefer.train.fit", [*settings.arguments(), "--out", run])


def chain(runs: Runs) -> list[Step]:
    """What makes some runs, with the lessons that are made for them."""
    made: list[Step] = []
    for run, settings in runs:
        if settings.lessons in LESSONS:
            made.append(lessons_step(settings.lessons))
        made.append(fit_step(run, settings))
    return made


def lessons_step(directory: str) -> Step:
    """What makes the lessons of a directory."""
    return Step("edgefer.train.lessons", [directory, *LESSONS[directory].arguments()], backend="jax")


def export_step(run: str, *options: str) -> Step:
    """What exports a run: any backend trains, but only TensorFlow converts."""
    return Step("edgefer.train.export", [run, *options], backend="tensorflow")
