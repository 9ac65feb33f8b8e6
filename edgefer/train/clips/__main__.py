"""`python -m edgefer.train.clips`: networks that judge clips, whose classes may lie in the order of frames.

python -m edgefer.train.clips films --out DIR …        films of moving faces, cropped as the runtime crops
python -m edgefer.train.clips features RUN …           what a run of edgefer-nano sees in them, and in photographs
python -m edgefer.train.clips order --films DIR …      the table: what lies in the order of frames alone
python -m edgefer.train.clips expression --films DIR … the clip model that ships
python -m edgefer.train.clips export RUN --out DIR …   a model directory of it
python -m edgefer.train.clips step PRESET              one training step of the paper's whole network
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edgefer.errors import INTERRUPTED, EdgeferError

if TYPE_CHECKING:
    from edgefer.train.clips.fit import HeadTraining


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m edgefer.train.clips", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _films_arguments(actions.add_parser("films", help="make films of moving faces, cropped as the runtime crops"))
    _features_arguments(actions.add_parser("features", help="what the frame network sees in films and photographs"))
    _order_arguments(actions.add_parser("order", help="train, measure and print the table on the order of frames"))
    _expression_arguments(actions.add_parser("expression", help="train the clip model that ships"))
    _export_arguments(actions.add_parser("export", help="write a model directory of it"))
    _step_arguments(actions.add_parser("step", help="one training step of Haddad's network at its full size"))
    return parser


def _films_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, required=True, help="directory to write")
    parser.add_argument("--data", type=Path, required=True, help="directory with faces/faces.zip")
    parser.add_argument("--labels", type=Path, required=True, help="directory that edgefer.train.teachers wrote")
    parser.add_argument("--part", default="train", help="train, val or test (%(default)s); none shares a face")
    parser.add_argument("--photographs", type=int, default=600, help="of the part, at most (%(default)s)")
    parser.add_argument("--drawn", type=int, default=150, help="drawn faces besides the photographs (%(default)s)")
    parser.add_argument("--each", type=int, default=1, help="films of each face (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(execute=_films)


def _films(args: argparse.Namespace) -> int:
    from edgefer.train.clips import films

    faces, real = films.identities(args.data, args.labels, args.part, args.photographs, args.drawn)
    count = films.write(args.out, faces, real, args.each, args.seed)
    print(f"{args.out}: {count} films of {real} photographs and {len(faces) - real} drawn faces")
    return 0


def _features_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="a finished run of edgefer-nano")
    parser.add_argument("--films", type=Path, nargs="*", default=[], metavar="DIR", help="directories of films")
    parser.add_argument("--photographs", type=Path, metavar="DIR", help="directory to write: FER-2013, held still")
    parser.add_argument("--data", default="fer2013_train_val.npz", help="(%(default)s)")
    parser.add_argument("--split", default="train", choices=("train", "val"))
    parser.add_argument("--most", type=int, default=12_000, help="rows of train at most (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.set_defaults(execute=_features)


def _features(args: argparse.Namespace) -> int:
    from edgefer.train.clips import edge, features
    from edgefer.train.settings import find_data

    network = edge.frame_network(args.run)
    for path in args.films:
        features.of_films(network, path)
    if args.photographs:
        data = find_data(args.data)
        print(features.of_photographs(network, data, args.split, args.most, args.photographs, args.seed))
    return 0


def _training_arguments(parser: argparse.ArgumentParser, steps: int, batch: int) -> None:
    parser.add_argument("--films", type=Path, required=True, metavar="DIR", help="with train, val and test")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--steps", type=int, default=steps, help="(%(default)s)")
    parser.add_argument("--batch", type=int, default=batch, help="(%(default)s)")
    parser.add_argument("--rate", type=float, default=2e-3, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=1)


def _training(args: argparse.Namespace) -> HeadTraining:
    from edgefer.train.clips.fit import HeadTraining

    return HeadTraining(steps=args.steps, batch=args.batch, rate=args.rate, seed=args.seed)


def _order_arguments(parser: argparse.ArgumentParser) -> None:
    _training_arguments(parser, 3000, 32)
    parser.set_defaults(execute=_order)


def _order(args: argparse.Namespace) -> int:
    from edgefer.train.clips import order

    print(order.shown(order.table(args.films, args.out, _training(args))))
    return 0


def _expression_arguments(parser: argparse.ArgumentParser) -> None:
    _training_arguments(parser, 1200, 48)
    parser.add_argument("--frames", type=Path, required=True, metavar="RUN", help="a finished run of edgefer-nano")
    parser.add_argument("--still", type=Path, required=True, metavar="DIR", help="photographs, with train and val")
    parser.set_defaults(execute=_expression)


def _expression(args: argparse.Namespace) -> int:
    from edgefer.train.clips import expression

    print(json.dumps(expression.train(args.films, args.still, args.frames, args.out, _training(args)), indent=2))
    return 0


def _export_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="what `expression` wrote")
    parser.add_argument("--films", type=Path, required=True, metavar="DIR", help="with train, val and test")
    parser.add_argument("--still", type=Path, required=True, metavar="DIR", help="photographs, with train and val")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="the model directory")
    parser.add_argument("--seen", type=Path, metavar="FILE", help="what it says of real film, for the card")
    parser.set_defaults(execute=_export)


def _export(args: argparse.Namespace) -> int:
    from edgefer.train.clips import export

    model = export.export(args.run, args.films, args.still, args.out, args.seen.read_text() if args.seen else "")
    print(f"{args.out}: {model.metrics.accuracy_int8:.2f} % of {model.metrics.rows} windows of val, synthetic")
    return 0


def _step_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("preset", nargs="?", default="ckplus", help="ckplus or oulu-casia (%(default)s)")
    parser.add_argument("--batch", type=int, default=2, help="clips; the paper's is 30 (%(default)s)")
    parser.set_defaults(execute=_step)


def _step(args: argparse.Namespace) -> int:
    from edgefer.train.clips import whole

    print(whole.step(args.preset, args.batch))
    return 0


def main(argv: list[str] | None = None) -> int:
    args = _parser().parse_args(argv)
    try:
        return int(args.execute(args))
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
