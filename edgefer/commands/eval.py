"""`edgefer eval`: a model's accuracy on a data set."""

from __future__ import annotations

import argparse
import json
import os
from typing import TYPE_CHECKING, Any

from edgefer import defaults
from edgefer.commands.console import Commands
from edgefer.errors import UsageError
from edgefer.labels import LABEL_SETS, label_set
from edgefer.measure import add_data, load_data
from edgefer.support.atomic import check_spared, check_writable, file_key
from edgefer.support.names import shown
from edgefer.support.typed import whole_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from edgefer.measure.datasets import Dataset
    from edgefer.measure.evaluate import Group, Report
    from edgefer.measure.statistics import Calibration, Comparison

#: Problems of a data set that the text report prints before it only counts the rest.
PROBLEMS_SHOWN = 20


def add_parser(commands: Commands) -> None:
    """The command's arguments."""
    parser = commands.add(
        "eval",
        "measure a model's accuracy on a data set",
        "eval --data fer2013.csv --split val\n"
        "eval --model ferplus-sobel --data faces/ --confusion confusion.png\n"
        "eval --data fer2013_train_val.npz --json",
        execute,
    )
    add_data(parser)
    parser.add_argument(
        "--model", metavar="M", help="installed or shipped model, or model directory (default: the default model)"
    )
    parser.add_argument(
        "--labels", metavar="SET", help="label set to judge in, ferplus8, basic7 or costache4 (default: the model's)"
    )
    parser.add_argument(
        "--truth",
        choices=("votes", "emotions"),
        help="what says the class of a row of FER-2013 that has both: the voters of FER+, or its emotion column "
        "(default: what the model's own accuracy is of; with --labels the votes, and for basic7 the emotions)",
    )
    parser.add_argument(
        "--threads",
        metavar="N",
        type=whole_number(1, 64),
        default=1,
        help="threads of the network (default: %(default)s)",
    )
    parser.add_argument("--confusion", metavar="PNG", help="write the confusion matrix as a picture")
    parser.add_argument("--reliability", metavar="PNG", help="write the accuracy over the confidence as a picture")
    parser.add_argument("--compare", metavar="M", help="judge another model on the same rows and test the difference")
    parser.add_argument("--json", action="store_true", help="everything as one JSON object")


def execute(args: argparse.Namespace) -> int:
    """Judges the rows, prints the report and then writes the pictures that were asked for.

    Raises:
        UsageError, ModelError, EdgeferError: each with one line.
    """
    from edgefer.measure import pictures
    from edgefer.measure.evaluate import evaluate, open_recognizer
    from edgefer.support.drawing import save_picture

    beside = os.path.join(os.path.dirname(args.data), "fer2013.csv")  # a FER+ csv has its pixels there
    for option, path, other in (
        ("--confusion", args.confusion, args.reliability),
        ("--reliability", args.reliability, args.confusion),
    ):
        if path is not None:
            check_writable(path, option)
            check_spared(path, option, [args.data, beside])
            if other is not None and file_key(path) == file_key(other):
                raise UsageError(f"{option} {shown(path)}: both pictures go there; give each a file of its own")
    if args.labels is not None and args.labels not in LABEL_SETS:
        raise UsageError(f"unknown label set {args.labels!r}; available: {', '.join(LABEL_SETS)}")
    recognizer = open_recognizer(args.model if args.model is not None else defaults.MODEL, args.threads)
    against = open_recognizer(args.compare, args.threads) if args.compare is not None else None
    manifest = recognizer.manifest  # type: ignore[attr-defined]  # every kind that judges single faces has one
    data = _load(args, manifest)
    report = evaluate(recognizer, data, args.threads)
    if against is not None:
        # both on the rows that both can judge
        other = evaluate(against, report.data, args.threads)
        if len(other.data) < len(report.data):
            report = evaluate(recognizer, other.data, args.threads)
        report = report.compared(other)
    # what was found is told also where a disk is full by now
    print(report_json(report) if args.json else report_text(report))
    if args.confusion is not None:
        save_picture(pictures.confusion(report), args.confusion)
    if args.reliability is not None:
        save_picture(pictures.reliability(report), args.reliability)
    return 0


def _load(args: argparse.Namespace, manifest: Any) -> Dataset:
    """The rows, by the labels and the truth that were asked for, else by those of the model's own accuracy.

    Raises:
        UsageError: they have none of what was asked for.
    """
    from edgefer.measure.datasets import truth_of

    own = truth_of(manifest.metrics.rule) if args.labels is None else ""
    data = load_data(args, args.labels or manifest.output.labels, manifest.crop_margin, args.truth or own or None)
    if args.truth is not None and truth_of(data.rule) != args.truth:
        kind = {"votes": "votes of FER+", "emotions": "emotion column of FER-2013"}[args.truth]
        raise UsageError(f"--truth {args.truth}: {data.source} has no {kind}; leave --truth out")
    if args.labels not in (None, data.labels):
        lacking = ", ".join(name for name in label_set(args.labels) if name not in label_set(data.labels))
        raise UsageError(
            f"--labels {args.labels}: {data.source} has no {lacking}; take {data.labels}, or leave --labels out"
        )
    return data


def report_text(report: Report) -> str:
    """The report for a terminal; the accuracy is a line of its own."""
    from edgefer.measure.statistics import BINS

    lines = [
        f"model     {report.model}",
        f"data      {report.data.source}, split {report.data.split}",
        f"labels    {report.data.labels}",
        f"rule      {report.data.rule}",
        f"rows      {report.data.counts()}",
        "",
        f"accuracy {report.accuracy:.2f} % on {report.rows} rows",
        f"macro-F1 {report.macro_f1:.2f} %",
        f"ECE {report.calibration.ece:.2f} % in {BINS} bins "
        f"(by chance {report.calibration.ece_by_chance:.2f} %; "
        f"{report.calibration_before.ece:.2f} % {report.before}), "
        f"NLL {report.calibration.nll:.3f}, Brier {report.calibration.brier:.3f}",
        *(_against_text(*report.against, report.over_people) if report.against else []),
        "",
        f"{'class':<11}{'precision':>10}{'recall':>9}{'F1':>9}{'rows':>8}",
    ]
    for index, label in enumerate(report.labels):
        lines.append(
            f"{label:<11}{report.precision[index]:>10.2f}{report.recall[index]:>9.2f}{report.f1[index]:>9.2f}"
            f"{report.support[index]:>8}"
        )
    for name, groups in report.groups.items():
        lines += ["", f"{name:<20}{'accuracy':>9}{'95 % interval':>18}{'rows':>8}"]
        for group in groups:
            low, high = group.interval
            lines.append(f"{group.value:<20}{group.accuracy:>9.2f}{f'{low:.2f} to {high:.2f}':>18}{group.rows:>8}")
    if report.groups and report.people is not None:
        lines += ["", "intervals are by people, whose rows are alike"]
    width = max(6, len(str(report.rows)) + 1)
    lines += ["", "confusion (rows: truth, columns: prediction)"]
    lines.append(" " * 11 + "".join(f"{label[:4]:>{width}}" for label in report.labels))
    for index, label in enumerate(report.labels):
        lines.append(f"{label:<11}" + "".join(f"{count:>{width}}" for count in report.confusion[index]))
    problems = report.data.problems
    if problems:
        lines += ["", *problems[:PROBLEMS_SHOWN]]
        if len(problems) > PROBLEMS_SHOWN:
            lines.append(f"… and {len(problems) - PROBLEMS_SHOWN} more; --json lists all")
    return "\n".join(lines)


def report_json(report: Report) -> str:
    """Everything, as one JSON object; percentages unrounded."""
    by_class = {
        label: {
            "precision": float(report.precision[index]),
            "recall": float(report.recall[index]),
            "f1": float(report.f1[index]),
            "rows": int(report.support[index]),
        }
        for index, label in enumerate(report.labels)
    }
    content: dict[str, Any] = {
        "model": report.model,
        "data": report.data.source,
        "split": report.data.split,
        "rule": report.data.rule,
        "rows": report.rows,
        "dropped": report.data.dropped,
        "accuracy": report.accuracy,
        "macro_f1": report.macro_f1,
        "temperature": report.temperature,
        "offsets": dict(report.offsets),
        "calibration": _calibration_json(report.calibration),
        "calibration_before_temperature": _calibration_json(report.calibration_before),
        "labels": list(report.labels),
        "classes": by_class,
        "confusion": report.confusion.tolist(),
        "groups": {name: _groups_json(groups) for name, groups in report.groups.items()},
        "problems": report.data.problems,
    }
    if report.against:
        other, test = report.against
        content["against"] = {"model": other.model, "accuracy": other.accuracy, **test.json()}
        if report.over_people:
            content["against"]["over_people"] = report.over_people.json()
    return json.dumps(content, ensure_ascii=False, indent=2)


def _groups_json(groups: Sequence[Group]) -> dict[str, Any]:
    return {
        group.value: {"accuracy": group.accuracy, "low": low, "high": high, "rows": group.rows}
        for group in groups
        for low, high in (group.interval,)
    }


def _against_text(other: Report, test: Comparison, over_people: Comparison | None) -> list[str]:
    lines = [
        f"{test.difference:+.2f} points against {other.model} ({other.accuracy:.2f} %), 95 % interval "
        f"{test.low:+.2f} to {test.high:+.2f}, McNemar p = {test.p:.2g}"
    ]
    if over_people:
        lines[0] += ", too sure: rows of one person are alike"
        lines.append(
            f"{over_people.difference:+.2f} points over {over_people.pairs} people, each with the share of their rows, "
            f"95 % interval {over_people.low:+.2f} to {over_people.high:+.2f}, Student's p = {over_people.p:.2g}"
        )
    return lines


def _calibration_json(calibration: Calibration) -> dict[str, Any]:
    return {
        "ece": calibration.ece,
        "ece_by_chance": calibration.ece_by_chance,
        "nll": calibration.nll,
        "brier": calibration.brier,
        # the means of an empty bin are nan, which is no JSON
        "bins": [
            {
                "from": low,
                "to": high,
                "rows": rows,
                "confidence": mean if rows else 0.0,
                "accuracy": share if rows else 0.0,
            }
            for low, high, rows, mean, share in zip(
                calibration.edges[:-1].tolist(),
                calibration.edges[1:].tolist(),
                calibration.rows.tolist(),
                calibration.confidence.tolist(),
                calibration.accuracy.tolist(),
                strict=True,
            )
        ],
    }
