"""Short forms of the recipes: `python -m edgefer.train short [NAME …]`.

Every network, by the same code, on part of the rows and for a few epochs.
They show, in minutes of a CPU, that a recipe runs from its rows to an exported model, whether its network begins to
learn, and what inputs are worth where all train equally shortly. What they reach says nothing of what the whole
recipe would. Networks of one kind get the same rows and epochs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from edgefer.train import architectures
from edgefer.train.recipes import OWNERS, RECIPES, Step, export_step, in_order
from edgefer.train.settings import TrainingSettings

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
