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
from pathlib import Path
from typing import Any

from edgefer.train import architectures
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


def _rtnn(name: str, channels: str, stl: bool = False) -> Runs:
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

#: A teacher is as good as what is taught to it, so they learn as the students do, but from the votes alone.
_OURS = TrainingSettings(
    architecture="edgefer-s",
    size=48,
    stages=((32, 30), (48, 70)),
    schedule="cosine",
    mixup=0.2,
    cutmix=0.2,
    dropout=0.2,
    weight_decay=0.05,
)
_TEACHERS = ("runs/edgefer-s-teacher", "runs/edgefer-s-teacher-2", "runs/edgefer-s-teacher-3", "runs/vgg13-sobel")
_TAUGHT = replace(_OURS, teachers=",".join(_TEACHERS), distil=0.7)
#: No parameters to spare for dropout, and more epochs.
_NANO: dict[str, Any] = {
    "architecture": "edgefer-nano",
    "stages": ((32, 40), (48, 100)),
    "dropout": 0.0,
    "weight_decay": 0.02,
}
#: One class an image, and no teachers with these classes.
_SEVEN: dict[str, Any] = {"labels": "basic7", "smoothing": 0.1}

#: What a GPU is for: wide teachers, what they say of altered rows kept once, and students that learn from it. With a
#: time limit fewer epochs are run.
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
LESSONS: dict[str, LessonSettings] = {
    "runs/lessons": LessonSettings("runs/edgefer-l,runs/edgefer-l-2,runs/edgefer-l-3", views=24)
}
_STUDENT = TrainingSettings(
    architecture="edgefer-s",
    size=48,
    stages=((48, 300),),
    batch=256,
    schedule="cosine",
    dropout=0.1,
    weight_decay=0.05,
    average=0.999,
    lessons="runs/lessons",
    distil=0.85,
)
_SMALL_STUDENT: dict[str, Any] = {
    "architecture": "edgefer-nano",
    "stages": ((48, 400),),
    "rate": 4e-3,
    "dropout": 0.0,
    "weight_decay": 0.02,
}

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
    "edgefer-s": (
        ("runs/edgefer-s-small", replace(_QUICK, stop=69)),
        (
            "runs/edgefer-s-first",
            replace(_QUICK_AT_48, stages=((48, 6),), rate=4e-4, average=0.995, start="runs/edgefer-s-small"),
        ),
        ("runs/edgefer-s", replace(_QUICK_AT_48, stages=((48, 30),), schedule="cosine", dropout=0.1, **_ON_FROM_FIRST)),
    ),
    "edgefer-nano": (
        ("runs/edgefer-nano-small", replace(_QUICK_NANO, stop=59)),
        ("runs/edgefer-nano", replace(_QUICK_NANO_AT_48, average=0.995, start="runs/edgefer-nano-small")),
    ),
    # what it learnt from the votes serves for the seven classes of FER-2013
    "fer2013-edgefer-s": _one(
        "fer2013-edgefer-s", replace(_OURS, stages=((48, 16),), rate=1.5e-3, start="runs/edgefer-s-first", **_SEVEN)
    ),
    # the same with more epochs and an ensemble that teaches them, for a GPU
    "edgefer-s-teacher": _one("edgefer-s-teacher", _OURS),
    "edgefer-s-taught": _one("edgefer-s-taught", _TAUGHT),
    "edgefer-nano-taught": _one("edgefer-nano-taught", replace(_TAUGHT, **_NANO)),
    "fer2013-edgefer-nano": _one("fer2013-edgefer-nano", replace(_OURS, **_NANO, **_SEVEN)),
    "edgefer-l": _one("edgefer-l", _WIDE),
    "edgefer-nano-lessons": _one("edgefer-nano-lessons", replace(_STUDENT, **_SMALL_STUDENT)),
    "edgefer-s-lessons": _one("edgefer-s-lessons", _STUDENT),
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
    ]
)

#: Models small enough to ship. Others are exported to build/models.
_TEACHING = ("edgefer-s-teacher", "edgefer-l")
SHIPPED = tuple(name for name in RECIPES if name.startswith(("ferplus-", "edgefer-")) and name not in _TEACHING)

#: Runs of each model: those of Tables II and IV, of which the paper prints average, least and most; the
#: folds; and the seeds of a teacher.
REPEATED = {
    **{name: 4 for name in RECIPES if name.startswith(("ferplus-", "vgg13-"))},
    **{"folds-breuer-grey": 10, "ckplus-breuer-grey": 10, "edgefer-s-teacher": 3, "edgefer-l": 3},
    "edgefer-nano-lessons": 2,
    "edgefer-s-lessons": 2,
}

#: Models of the papers that have no recipe yet, and what they are.
WITHOUT_RECIPE: dict[str, str] = {
    "khan": "Khan et al., MLP 12-12-7-7 on distances between 18 points",
    "breuer-units": "Breuer and Kimmel, action unit heads, micro-expressions",
    "haddad": "Haddad et al., 3D-CNN over 10 frames",
}


def repetition(name: str, number: int) -> Runs:
    """The runs of a model with another seed, or of another fold, in directories of their own.

    Args:
        number: from 1, which is the recipe itself.
    """
    if number == 1:
        return RECIPES[name]
    directories = {run: f"{run}-{number}" for run, _ in RECIPES[name]}
    return tuple(
        (directories[run], replace(_repeated(settings, number), start=directories.get(settings.start, "")))
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


def lessons_step(directory: str) -> Step:
    """What makes the lessons of a directory."""
    return Step("edgefer.train.lessons", [directory, *LESSONS[directory].arguments()], backend="jax")


def export_step(run: str, *options: str) -> Step:
    """What exports a run: any backend trains, but only TensorFlow converts."""
    return Step("edgefer.train.export", [run, *options], backend="tensorflow")


# short forms ------------------------------------------------------------------------------------------------------
# `python -m edgefer.train short [NAME …]`: every network, by the same code, on part of the rows and for a few epochs.
# They show, in minutes of a CPU, that a recipe runs from its rows to an exported model, whether its network begins to
# learn, and what inputs are worth where all train equally shortly. What they reach says nothing of what the whole
# recipe would. Networks of one kind get the same rows and epochs.

SHORT_FOLDER = "runs/short"
SHORT_SIDE = 32  # pixels, of networks that take any size
SHORT_BATCH = 32  # small, for many steps: the statistics of batch normalisation take hundreds to forget their start


@dataclass(frozen=True)
class ShortBudget:
    """What a short form is given.

    Attributes:
        rows: it learns from. epochs: over them. seeds: 1 to this, of networks with one stream; others take
            twice the time.
    """

    rows: int
    epochs: int
    seeds: int = 1


#: By architecture: some minutes of a core for each of a recipe's short forms.
BUDGETS = {
    "pandey": ShortBudget(4096, 5, 2),
    "vgg13": ShortBudget(1024, 2),
    "rtnn": ShortBudget(4096, 8),
    "breuer": ShortBudget(2048, 4),
    "edgefer-s": ShortBudget(4096, 5),
    "edgefer-nano": ShortBudget(4096, 5),
    "edgefer-l": ShortBudget(1024, 2),
}


def short_form(name: str, seed: int = 1) -> tuple[str, TrainingSettings]:
    """The run directory and settings of a recipe's short form."""
    settings = RECIPES[name][-1][1]
    budget, network = BUDGETS[settings.architecture], architectures.find(settings.architecture)
    side = SHORT_SIDE if network.any_size else settings.size
    teachers = dict.fromkeys(f"{SHORT_FOLDER}/{OWNERS[run][0]}" for run in settings.teacher_names if run in OWNERS)
    directory = f"{SHORT_FOLDER}/{name}" + (f"-{seed}" if seed > 1 else "")
    return directory, replace(
        settings,
        size=side,
        stages=((side, budget.epochs),),
        rows=budget.rows,
        batch=SHORT_BATCH,
        rate=RECIPES[name][0][1].rate,  # the later runs of a recipe begin with weights that are learnt
        teachers=",".join(teachers),
        lessons="",
        precision="float32",
        quantisation_aware=False,
        start="",
        seed=seed,
    )


def short_runs(names: Iterable[str]) -> dict[str, tuple[str, TrainingSettings]]:
    """Short forms of these recipes by the names of their directories, teachers first."""
    forms = {}
    for name in dict.fromkeys(name for name, _ in in_order(names)):
        settings = RECIPES[name][-1][1]
        repeats = settings.mode == "concatenated" and not settings.division
        seeds = BUDGETS[settings.architecture].seeds if repeats else 1
        for seed in range(1, seeds + 1):
            directory, settings = short_form(name, seed)
            forms[Path(directory).name] = directory, settings
    return forms


def short_export(directory: str, settings: TrainingSettings) -> tuple[Step, Path]:
    """The command that exports a short form, in the one way its network has, and what it writes."""
    out = Path("build/short") / Path(directory).name
    if settings.stl:
        out = out.with_suffix(".tflite")
    precision = ("--precision", "float32") if settings.stl else ()
    return export_step(directory, *precision, "--out", str(out)), out
