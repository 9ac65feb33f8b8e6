"""`python -m edgefer.train.micro`: micro-expressions.

python -m edgefer.train.micro fields --data DATA --labels LABELS --part train --films 160 --out DIRECTORY
python -m edgefer.train.micro learn --fields DIRECTORY --out RUN
python -m edgefer.train.micro export --run RUN --fields DIRECTORY --val DIRECTORY --out MODEL
python -m edgefer.train.micro bar --data DATA --labels LABELS --model micro
python -m edgefer.train.micro casme TREE                   Table 4 of Breuer and Kimmel, one subject left out
python -m edgefer.train.micro casme-tree TREE              a tree like CASME II's, of made faces
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from edgefer.errors import EdgeferError


def _fields(arguments: argparse.Namespace) -> int:
    from edgefer.train.data.synthetic.identities import PARTS, photographs
    from edgefer.train.micro import material

    faces = photographs(arguments.data, arguments.labels, arguments.part)
    seed = arguments.seed * len(PARTS) + PARTS.index(arguments.part)
    for number, path in enumerate(material.write(faces, arguments.films, arguments.out, seed), 1):
        print(f"{number}/{arguments.films} {path}", flush=True)
    return 0


def _learn(arguments: argparse.Namespace) -> int:
    from edgefer.train.micro import material, network

    network.learn(
        [network.course(strip) for strip in material.read(arguments.fields)], arguments.out, arguments.steps,
        rate=arguments.rate, seed=arguments.seed, further=arguments.further,
        expression_weight=arguments.expression_weight,
    )  # fmt: skip
    return 0


def _bar(arguments: argparse.Namespace) -> int:
    import json

    import msgspec

    from edgefer.models import store
    from edgefer.train.data.synthetic.drawn import drawn
    from edgefer.train.data.synthetic.identities import photographs
    from edgefer.train.micro import bar, scores

    if arguments.data is None:
        faces = [drawn(90_000 + number) for number in range(arguments.films)]
    else:
        faces = photographs(arguments.data, arguments.labels, arguments.part)[: arguments.films]
    spotter = bar.recognizer(store.find(arguments.model) if arguments.model else None)
    rows: list[dict[str, object]] = []
    kept: dict[str, list[object]] = {way: [] for way in bar.METHODS}
    for fps in arguments.fps:
        tallies = bar.measure(faces, fps, spotter, arguments.scale, arguments.seconds, neutral=arguments.neutral)
        for way, tally in tallies.items():
            if not tally.truth and not tally.neutral_s:
                continue
            rows.append({"fps": f"{fps:g}", "way": way, **tally.row(), "expression right": tally.named_right})
            print("  ".join(str(value) for value in rows[-1].values()), flush=True)
            kept[way].append(msgspec.to_builtins(bar.figures(fps, tally)))
    print(scores.table(rows))
    if arguments.json is not None:
        rule = f"films of {arguments.seconds:g} s, {arguments.part} photographs, scale {arguments.scale}, one a face"
        arguments.json.write_text(json.dumps({"split": "test", "rule": rule, "films": len(faces), **kept}))
    return 0


def _export(arguments: argparse.Namespace) -> int:
    import json

    from edgefer.models import directory
    from edgefer.models.manifest import Training
    from edgefer.models.micro import MicroMetrics
    from edgefer.recognize.micro.learned import Network
    from edgefer.train.micro import choose, export, material, network, scores

    strips = material.read(arguments.fields)
    training = Training(
        data=f"{len(strips)} synthetic films of photographs of faces.zip that are warped (docs/synthetic.md)",
        split="train",
        rule="phase of each tick, and expression, by the script of the film",
        rows=sum(len(strip.events) for strip in strips),
        command="python -m edgefer.train.micro fields, then learn, then export",
        seed=0,
    )
    courses = [network.course(strip) for strip in strips[:24]]
    how: dict[str, Any] = {"begin": 0.5, "sure": 0.7, "method": "flow"}
    weights = arguments.run / "micro.weights.h5"
    first = export.export(weights, courses, arguments.out, arguments.name, training, **how)
    spotter = Network(directory.read(arguments.out)[1], first)
    films = [choose.watched(strip) for strip in material.read(arguments.val)]
    decoding, _ = choose.decoding(spotter, films)
    ways = {"flow": choose.by_flow, "lstm": choose.by_network(spotter, decoding, first.expression_labels)}
    tallies = {way: choose.tallied(films, found) for way, found in ways.items()}
    rows = [{"way": way, **tally.row(), "expression right": tally.named_right} for way, tally in tallies.items()]
    print(scores.table(rows))
    worth = {way: tally.f1(0.5) - choose.COST * tally.false_a_minute for way, tally in tallies.items()}
    how = {"begin": decoding.begin, "sure": decoding.sure, "method": max(worth, key=lambda way: worth[way])}
    metrics = export.NO_METRICS
    if arguments.figures is not None:
        metrics = MicroMetrics(**json.loads(arguments.figures.read_text()))
    export.export(
        weights, courses, arguments.out, arguments.name, training, metrics=metrics, card=arguments.card, **how
    )
    print(f"{arguments.out}: {how}")
    return 0


def _casme_tree(arguments: argparse.Namespace) -> int:
    from edgefer.train.data.synthetic.drawn import drawn
    from edgefer.train.data.synthetic.identities import photographs
    from edgefer.train.micro.casme_tree import write_casme2

    faces = [drawn(1000 * arguments.seed + number) for number in range(arguments.people)]
    if arguments.data is not None:
        faces = photographs(arguments.data, arguments.labels, arguments.part)[: arguments.people]
    print(f"{arguments.out}: {write_casme2(arguments.out, faces, seed=arguments.seed)} sequences of {len(faces)} faces")
    return 0


def _casme(arguments: argparse.Namespace) -> int:
    from edgefer.train.micro import casme

    plan = casme.Plan(
        tuple(arguments.filters), arguments.hidden, arguments.cells, cnn_epochs=arguments.cnn_epochs,
        lstm_epochs=arguments.lstm_epochs, motion=arguments.input == "motion", seed=arguments.seed,
    )  # fmt: skip
    rows = casme.read(arguments.tree, plan.motion)
    found = casme.table4(rows, plan, lambda line: print(line, flush=True))
    print(f"{found['rows']} sequences of {found['subjects']} subjects; left out: {rows.dropped or 'none'}")
    print("| Method | Accuracy |\n|---|---|")
    for name, accuracy in casme.PAPER.items():
        print(f"| {name}, on CASME II, as printed | {accuracy:.2f} % |")
    print(f"| here, {arguments.tree.name} | {found['accuracy']:.2f} % |")
    print(f"macro F1 {found['macro_f1']:.3f}; the most frequent class alone: {found['most_frequent']:.2f} %")
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m edgefer.train.micro", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    acts = parser.add_subparsers(required=True)
    fields = acts.add_parser("fields", help="make films and write their fields of motion")
    fields.set_defaults(act=_fields)
    fields.add_argument("--data", type=Path, required=True, help="directory with faces/faces.zip")
    fields.add_argument("--labels", type=Path, required=True, help="directory that edgefer.train.teachers wrote")
    fields.add_argument("--part", default="train", help="photographs to take: train, val or test (%(default)s)")
    fields.add_argument("--films", type=int, default=400)
    fields.add_argument("--out", type=Path, required=True)
    fields.add_argument("--seed", type=int, default=0)
    learn = acts.add_parser("learn", help="train the CNN and the LSTM on written fields")
    learn.set_defaults(act=_learn)
    learn.add_argument("--fields", type=Path, required=True, help="directory that `fields` wrote")
    learn.add_argument("--out", type=Path, required=True, help="directory of the run")
    learn.add_argument("--steps", type=int, default=1500)
    learn.add_argument("--rate", type=float, default=3e-3)
    learn.add_argument(
        "--expression-weight", type=float, default=0.3, help="of expressions beside phases (%(default)s)"
    )
    learn.add_argument("--further", type=Path, help="weights of a run, from which this one goes on")
    learn.add_argument("--seed", type=int, default=0)
    bar = acts.add_parser("bar", help="measure whole runs on films of faces unseen before: F1, onset, false events")
    bar.set_defaults(act=_bar)
    bar.add_argument("--data", type=Path, help="directory with faces/faces.zip; drawn faces where it is not given")
    bar.add_argument("--labels", type=Path, help="directory that edgefer.train.teachers wrote")
    bar.add_argument("--part", default="test", help="photographs to take (%(default)s)")
    bar.add_argument("--model", default="", help="model directory or name; flow alone where it is not given")
    bar.add_argument("--films", type=int, default=24)
    bar.add_argument("--seconds", type=float, default=8.0)
    bar.add_argument("--fps", type=float, nargs="+", default=[30.0, 60.0, 200.0])
    bar.add_argument("--scale", choices=["move", "strength"], default="move")
    bar.add_argument("--json", type=Path, help="write the figures, as `export --figures` takes them")
    bar.add_argument("--neutral", action="store_true", help="films without micro-expressions")
    export = acts.add_parser("export", help="choose on films of val, and write the model directory")
    export.set_defaults(act=_export)
    export.add_argument("--run", type=Path, required=True, help="directory that `learn` wrote")
    export.add_argument("--fields", type=Path, required=True, help="fields of train, for the ranges of int8")
    export.add_argument("--val", type=Path, required=True, help="fields of val, to choose on")
    export.add_argument("--out", type=Path, required=True)
    export.add_argument("--name", default="micro")
    export.add_argument("--figures", type=Path, help="what `bar --json` wrote")
    export.add_argument("--card", type=Path, help="model card to copy")
    tree = acts.add_parser("casme-tree", help="write a tree like CASME II's, of made faces")
    tree.set_defaults(act=_casme_tree)
    tree.add_argument("out", type=Path)
    tree.add_argument("--people", type=int, default=8)
    tree.add_argument("--data", type=Path, help="directory with faces/faces.zip; drawn faces where it is not given")
    tree.add_argument("--labels", type=Path, help="directory that edgefer.train.teachers wrote")
    tree.add_argument("--part", default="train", help="photographs to take (%(default)s)")
    tree.add_argument("--seed", type=int, default=0)
    casme = acts.add_parser("casme", help="Table 4 of Breuer and Kimmel on a CASME II tree, one subject left out")
    casme.set_defaults(act=_casme)
    casme.add_argument("tree", type=Path)
    casme.add_argument("--input", choices=["grey", "motion"], default="grey", help="motion: difference to the first")
    casme.add_argument("--filters", type=int, nargs=3, default=[64, 128, 256])
    casme.add_argument("--hidden", type=int, default=512)
    casme.add_argument("--cells", type=int, default=128)
    casme.add_argument("--cnn-epochs", type=int, default=40)
    casme.add_argument("--lstm-epochs", type=int, default=60)
    casme.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    try:
        return int(arguments.act(arguments))
    except EdgeferError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
