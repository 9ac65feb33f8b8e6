"""`edgefer models`: the models of this device, and whether each may be run."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from edgefer import defaults
from edgefer.commands import field_models
from edgefer.commands.console import Commands
from edgefer.detect.registry import network_detectors
from edgefer.errors import ModelError
from edgefer.models import directory, store
from edgefer.support.redact import scrub


def add_parser(commands: Commands) -> None:
    """The command's arguments."""
    actions = commands.actions(
        "models",
        "list, show, verify, install or pack models",
        "models list\nmodels show edgefer-s\nmodels verify\nmodels verify ./my-model\n"
        "models install ./my-model --as default\nmodels rollback default\n"
        "models pack face_detection_yunet_2023mar.onnx ./yunet --decoding yunet",
    )
    actions.add("list", "list the models with their figures, installed ones with their state", "models list", execute)
    show = actions.add(
        "show",
        "show a model's manifest: paper, input, labels, figures, licence, files",
        "models show edgefer-s\nmodels show ./my-model --json",
        execute,
    )
    show.add_argument("model", metavar="MODEL", help="name or directory")
    show.add_argument("--json", action="store_true", help="as one JSON object")
    check = actions.add(
        "verify",
        "check hash, manifest and self-test of models; exit code 4 when one is refused",
        "models verify\nmodels verify ferplus-sobel ./my-model",
        execute,
    )
    check.add_argument("models", metavar="MODEL", nargs="*", help="name or directory (default: all there are)")
    field_models.add_parsers(actions)
    pack = actions.add(
        "pack",
        "make a model directory of a detector's network file",
        "models pack face_detection_yunet_2023mar.onnx ./yunet --decoding yunet --licence MIT\n"
        "run --detector yunet:./yunet",
        execute,
    )
    pack.add_argument("file", metavar="FILE", help=f"the network: {_suffixes()}")
    pack.add_argument("directory", metavar="DIRECTORY", help="to be made; new, or empty")
    pack.add_argument(
        "--decoding",
        choices=[entry.name for entry in network_detectors()],
        required=True,
        help="the detector that the network is for",
    )
    pack.add_argument("--name", metavar="N", help="of the model (default: the detector's name)")
    pack.add_argument("--licence", metavar="TEXT", default="as its authors state", help="of the network")


def _suffixes() -> str:
    """Which detector takes which form of file."""
    return ", ".join(f"{Path(entry.file).suffix} for {entry.name}" for entry in network_detectors())


def execute(args: argparse.Namespace) -> int:
    """Does what the action says; gives the exit code."""
    if args.action == "list":
        print(listing())
        for line in field_models.state_lines():
            print(line)
        return 0
    if args.action == "show":
        return show_model(args)
    return verify_models(args) if args.action == "verify" else pack_model(args)


def show_model(args: argparse.Namespace) -> int:
    """Prints the manifest of a model whose files were checked; nothing is run."""
    from edgefer.commands import model_page

    path = store.find(args.model)
    manifest = directory.load(path)
    if args.json:
        print(json.dumps(model_page.facts(path, manifest), ensure_ascii=False, indent=2))
    else:
        print(model_page.page(path, manifest))
    return 0


def verify_models(args: argparse.Namespace) -> int:
    """Prints a line a model, `ok NAME` or `refused` and why; ModelError's exit code when one is refused."""
    refusals = verify(args.models)
    for model, reason in refusals.items():
        line = scrub(f"refused  {reason}" if reason else f"ok       {model}")
        print(line, file=sys.stderr if reason else sys.stdout)
    return ModelError.exit_code if any(refusals.values()) else 0


def pack_model(args: argparse.Namespace) -> int:
    """Makes the directory and says how to use it."""
    from edgefer.detect.network import pack

    entry = next(entry for entry in network_detectors() if entry.name == args.decoding)
    pack(args.file, args.directory, entry, name=args.name or entry.name, licence=args.licence)
    print(f"{args.directory}: ready; use it with --detector {entry.name}:{Path(args.directory)}")
    return 0


def verify(models: Sequence[str | os.PathLike] = ()) -> dict[str, str]:
    """Opens each model as a run would, self-test included.

    Args:
        models: names or directories; all models of the device when empty.

    Returns:
        Why each is refused, by name; empty for one that is fit to run.

    Raises:
        UsageError: an unknown name.
    """
    from edgefer import assemble

    refusals = {}
    for model in [os.fspath(model) for model in models or store.available()]:
        refusals[model] = ""
        try:
            assemble.verify_model(store.find(model))
        except ModelError as error:
            refusals[model] = str(error)
    return refusals


def listing() -> str:
    """A table with one line a model; the default is marked with a star."""
    rows: list[tuple[str, ...]] = [
        ("", "name", "kind", "input", "labels", "val accuracy", "size", "licence of the training data")
    ]
    for entry in store.entries():
        mark = "*" if entry.name == defaults.MODEL else ""
        if entry.manifest is None:
            rows.append((mark, entry.name, "refused", "", "", "", "", entry.refused))
            continue
        licence = " ".join(entry.manifest.licence.training_data.split())
        size = f"{entry.size_bytes / 1024:.0f} KiB"
        rows.append((mark, entry.name, entry.manifest.kind, *entry.manifest.figures(), size, licence))
    if len(rows) == 1:
        return "no models are installed"
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]) - 1)]
    return "\n".join(
        "  ".join([*(text.ljust(width) for text, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in rows
    )
