"""`edgefer explain`: what a trained network responds to, by the training side; or how a model found its points."""

from __future__ import annotations

import argparse
from pathlib import Path

from edgefer.commands.console import Commands
from edgefer.errors import UsageError


def add_parser(commands: Commands) -> None:
    """The command's arguments."""
    from edgefer.train import explain

    parser = commands.add(
        "explain",
        explain.SUMMARY + "; or draw how a model finds the points of a face",
        "explain runs/edgefer-s --data fer2013_train_val.npz --out filters\n"
        "explain runs/breuer-grey --data faces/ --method deconvolution --filters 0,7,12-20 --out filters\n"
        "explain runs/breuer-ckplus --data CK+ --method units --units CK+ --out filters\n"
        "explain --model khan --image portrait.jpg --out khan",
        execute,
    )
    explain.add_arguments(parser, required=False)
    parser.add_argument(
        "--model", metavar="M", help="with --image: a model that judges points, as khan; needs no extra"
    )
    parser.add_argument(
        "--image", metavar="FILE", help="a photograph: each stage from its faces to their points is drawn"
    )


def execute(args: argparse.Namespace) -> int:
    """Writes the pictures and prints the report.

    Raises:
        UsageError: among others, Keras is not installed.
    """
    from edgefer.train import explain

    if args.image is not None or args.model is not None:
        if args.image is None or args.model is None or args.run is not None or args.data is not None:
            raise UsageError("explain: expected --model and --image together, without a run or --data")
        return _explain_points(args.model, Path(args.image), Path(args.out))
    if args.run is None or args.data is None:
        raise UsageError("explain: expected a run and --data, or --model and --image")
    return explain.execute(args)


def _explain_points(model: str, image: Path, out: Path) -> int:
    """Draws the stages of every face of a photograph.

    Raises:
        UsageError: the model does not judge points, or no face has landmarks. EdgeferError: a file cannot be read or
        written.
    """
    from edgefer import recognize
    from edgefer.measure.stages import draw_stages
    from edgefer.reader import Reader
    from edgefer.reader.pictures import frame_of
    from edgefer.recognize.geometry import GeometryRecognizer
    from edgefer.support.drawing import save_picture
    from edgefer.support.names import shown
    from edgefer.values import Face

    recognizer = recognize.open(model)
    if not isinstance(recognizer, GeometryRecognizer):
        raise UsageError(
            f"explain: {model} does not judge the points of a face; --image is for models that do, as khan"
        )
    grey = frame_of(str(image)).grey
    with Reader(model, landmarks=True) as reader:
        faces = [face for face in reader.read(str(image)) if face.landmarks is not None]
    if not faces:
        raise UsageError(f"{shown(image)}: no face with landmarks is in it")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"explain: --out {shown(out)}: expected a folder, got a file") from None
    for number, face in enumerate(faces, 1):
        found = recognizer.chain(grey, Face(face.track, face.box, face.quality, face.landmarks))
        path = out / f"{image.stem}-{number}.png"
        save_picture(draw_stages(found, f"{model}: {face.expression} {100 * face.confidence:.0f} %"), path)
        words = f"failed at {found.failed}: {found.reason}" if found.failed else "all 18 points found"
        print(f"{shown(path)}: {words}; {face.expression} {100 * face.confidence:.0f} %")
    return 0
