"""Tables 4 to 8 of Haddad et al. with what was measured here: which runs they need, and their text.

What is not run is said to be not run; what is measured on faces that we made is called synthetic.
"""

from __future__ import annotations

import fcntl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import structs

from edgefer.train.clips.parameters import preset
from edgefer.train.protocols import paper
from edgefer.train.protocols.faces import Clips
from edgefer.train.protocols.folds import Run
from edgefer.train.protocols.plan import Plan, frames_digest
from edgefer.train.protocols.results import Difference, Result, compare, result

#: Table to its set, protocol and architectures, the first of which the others are compared with.
NEEDED: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "4": ("ckplus", "10-fold", tuple(paper.TABLE_4)),
    "5": ("oulu-casia", "10-fold", tuple(paper.TABLE_5)),
    "6": ("ckplus", "loso", ("c1",)),
    "7": ("ckplus", "10-fold", ("c1",)),
    "8": ("oulu-casia", "10-fold", ("c2",)),
}
#: Our own network beside the paper's, and how it is trained: on features, it learns in few epochs.
EDGE = "edge"
EDGE_TRAINING: dict[str, Any] = {"epochs": 5, "rate": 2e-3}
TITLES = {
    "4": "Table 4: p-values between architectures on CK+, 10-fold",
    "5": "Table 5: p-values between architectures on Oulu-CASIA, 10-fold",
    "6": "Table 6: LOSO on CK+",
    "7": "Table 7: 10-fold on CK+",
    "8": "Table 8: 10-fold on Oulu-CASIA",
}


@dataclass
class Study:
    """The runs of the tables in a folder, each in one of its own.

    Attributes:
        sets: the sets that are here, by layout. sizes: width, side, epochs and the like of the 3D-CNN's plans.
        frames: run of the frame network that our edge network stands on; None where its rows are left out.
    """

    folder: Path
    sets: Mapping[str, Clips]
    sizes: Mapping[str, Any]
    frames: Path | None = None

    def work(self, tables: Sequence[str]) -> None:
        """Do what the tables need and no other process does."""
        for table in tables:
            layout, protocol, architectures = NEEDED[table]
            for name in (*architectures, EDGE):
                run = self.run(layout, protocol, name, train=True)
                if run is not None:
                    run.work()

    def run(self, layout: str, protocol: str, name: str, train: bool = False) -> Run | None:
        """A run of an architecture; None where a set that it needs is not here, or weights that `train` would make."""
        if name == EDGE:
            return self._edge(layout, protocol)
        options, before = paper.ARCHITECTURES[name]
        if layout not in self.sets or (before and before not in self.sets):
            return None
        start = None
        plan = self._plan(layout, protocol, options)
        if before:
            first = self._plan(before, "all", options)
            start = self.folder / f"{options}-on-{before}-{first.digest}.npz"
            if train and not start.exists():
                self._pretrain(first, self.sets[before], start)
            if not start.exists():
                return None
            plan = structs.replace(plan, start=first.digest)
        return Run(self.folder / f"{layout}-{protocol}-{name}", plan, self.sets[layout], start)

    def _edge(self, layout: str, protocol: str) -> Run | None:
        if layout not in self.sets or self.frames is None:
            return None
        clips = self.sets[layout]
        plan = Plan(
            clips=clips.digest,
            protocol=protocol,
            parameters={},
            network=EDGE,
            augmentation=layout,
            frames=frames_digest(self.frames),
            seed=self.sizes["seed"],
            **EDGE_TRAINING,
        )
        return Run(self.folder / f"{layout}-{protocol}-{EDGE}", plan, clips, frames=self.frames)

    def _plan(self, layout: str, protocol: str, options: str) -> Plan:
        return Plan(
            clips=self.sets[layout].digest,
            protocol=protocol,
            parameters=preset(options).words(),
            augmentation=layout,
            **self.sizes,
        )

    def _pretrain(self, plan: Plan, clips: Clips, path: Path) -> None:
        from edgefer.train.protocols.learning import Learner

        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                Learner(plan, clips).learn_all(path)

    # -- text

    def text(self, tables: Sequence[str]) -> str:
        """The tables as Markdown."""
        return "\n\n".join(self._table(table) for table in tables) + "\n"

    def _table(self, table: str) -> str:
        layout, protocol, architectures = NEEDED[table]
        measured = {name: self._result(layout, protocol, name) for name in architectures}
        if table in ("4", "5"):
            lines = _by_fold({"4": paper.TABLE_4, "5": paper.TABLE_5}[table], measured, self._here(layout))
        else:
            printed = {"6": paper.TABLE_6, "7": paper.TABLE_7, "8": paper.TABLE_8}[table]
            own = self._result(layout, protocol, EDGE)
            lines = _against_others(printed, measured[architectures[0]], own, self._here(layout))
        return "\n".join([TITLES[table], "", *lines, "", self._under(layout, protocol, measured)])

    def _result(self, layout: str, protocol: str, name: str) -> Result | None:
        run = self.run(layout, protocol, name)
        folds = run.done() if run is not None else []
        if run is None or len(folds) < len(run.divisions):
            return None
        return result(folds, len(run.clips.labels))

    def _here(self, layout: str) -> str:
        return "synthetic" if layout in self.sets and self.sets[layout].synthetic else "here"

    def _under(self, layout: str, protocol: str, measured: Mapping[str, Result | None]) -> str:
        if layout not in self.sets:
            return f"Not run: no {layout} tree was given."
        clips = self.sets[layout]
        sizes = ", ".join(f"{name} {value:g}" for name, value in self.sizes.items())
        told = [
            f"{len(clips)} sequences of {len(np.unique(clips.subjects))} people; {sizes}.",
            "After the last epoch; in brackets after each fold's best, which the paper reports.",
        ]
        if clips.synthetic:
            told.insert(0, "Synthetic: faces that we made, not the set that the paper names.")
        if any(each is None for each in measured.values()):
            absent = ", ".join(name for name, each in measured.items() if each is None)
            told.append(f"Not run, or not all folds: {absent}.")
        return " ".join(told)


def _by_fold(
    printed: Mapping[str, tuple[tuple[float, ...], float, float | None]],
    measured: Mapping[str, Result | None],
    here: str,
) -> list[str]:
    count = 10
    rows = [["", *map(str, range(1, count + 1)), "average", "p, one-sided", "p, two-sided", "McNemar p", ""]]
    first = next(iter(measured.values()))
    for name, (folds, average, p) in printed.items():
        words = "" if p is None else "significant"
        rows.append([f"{name}, paper", *(f"{value:g}" for value in folds), f"{average:g}", f"{p or ''}", "", "", words])
        own = measured[name]
        if own is None:
            rows.append([f"{name}, {here}", *["not run"] * (count + 1), "", "", "", ""])
            continue
        told: Difference | None = compare(first, own) if first is not None and own is not first else None
        rows.append(
            [
                f"{name}, {here}",
                *(f"{value:.1f} ({best:.1f})" for value, best in zip(own.accuracies, own.best, strict=True)),
                f"{own.mean:.2f}",
                *(
                    (f"{told.one_sided:.5f}", f"{told.folds.p:.5f}", f"{told.rows.p:.5f}", told.words)
                    if told
                    else [""] * 4
                ),
            ]
        )
    return markdown(rows)


def _against_others(printed: Mapping[str, float], own: Result | None, edge: Result | None, here: str) -> list[str]:
    rows = [["approach", "paper, %", f"{here}, %"]]
    for name, value in printed.items():
        ours = ""
        if name == paper.OURS:
            ours = _overall(own)
        rows.append([name, f"{value:g}", ours])
    rows.append(["edge, a network of ours that devices run", "", _overall(edge)])
    return markdown(rows)


def _overall(own: Result | None) -> str:
    return "not run" if own is None else f"{own.overall:.2f} ({own.overall_best:.2f})"


def markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a table, the first row its head; columns as wide as their widest cell."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def confusion_table(matrix: np.ndarray, labels: Sequence[str]) -> list[str]:
    """Truth in rows, what was told in columns; a class that no sequence has is left out."""
    present = [place for place in range(len(labels)) if matrix[place].any() or matrix[:, place].any()]
    head = ["truth", *(labels[place] for place in present)]
    return markdown([head, *([labels[row], *(str(matrix[row, column]) for column in present)] for row in present)])
