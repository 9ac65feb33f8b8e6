"""Export a finished run.

    python -m edgefer.train.export runs/ferplus-sobel
    python -m edgefer.train.export runs/ferplus-sobel --precision float32
    python -m edgefer.train.export --calibrate edgefer/models/shipped/ferplus-sobel

The second writes a TFLite file with float input and output into the run, for other programs (edgefer's
runtime takes int8 alone), and a JSON file that tells what such a program must know. The third fits the
temperature of a model directory again, and changes nothing else in it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from edgefer.errors import EdgeferError
from edgefer.models import directory, store
from edgefer.train.export.models import calibrate, export, export_float
from edgefer.train.export.quantise import PRECISIONS
from edgefer.train.settings import TrainingSettings, load_data


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m edgefer.train.export", description=__doc__.split("\n")[0])
    parser.add_argument("run", type=Path, help="directory of a finished run; a model's with --calibrate")
    parser.add_argument("--precision", choices=PRECISIONS, default="int8", help="all but int8 are for other programs")
    parser.add_argument(
        "--out",
        type=Path,
        help="model directory to write, or file for another precision than int8; default: among the shipped "
        "models, or PRECISION.tflite in the run",
    )
    parser.add_argument("--calibrate", action="store_true", help="fit the temperature of a model again")
    options = parser.parse_args(argv)
    try:
        if options.precision != "int8" and not options.calibrate:
            out = options.out or options.run / f"{options.precision}.tflite"
            metrics = export_float(options.run, out, options.precision)["metrics"]
            print(
                f"{out}: accuracy {metrics['accuracy']:.2f} % on {metrics['rows']} rows of val (Keras "
                f"{metrics['accuracy_keras']:.2f} %), same label on {metrics['same_label']:.2f} %, logits "
                f"differ by {metrics['logit_error']:.2g}, ECE {metrics['ece']:.2f} %"
            )
            return 0
        if options.calibrate:
            out = options.run
            labels = directory.load_frame(out).output.labels
            written = calibrate(out, load_data(TrainingSettings(labels=labels))[1])
        else:
            out = options.out or store.SHIPPED / options.run.resolve().name
            written = export(options.run, out)
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    figures = written.metrics
    print(
        f"{out}: accuracy {figures.accuracy_int8:.2f} % on {figures.rows} rows of {figures.split} "
        f"(float32 {figures.accuracy_float32:.2f} %), crop margin {written.input.crop_margin}, "
        f"temperature {written.output.temperature}, ECE {figures.ece:.2f} %"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
