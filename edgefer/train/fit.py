"""Train a frame network: one loop for every architecture, on any Keras backend, CPU or GPU.

    KERAS_BACKEND=tensorflow python -m edgefer.train.fit --architecture pandey --input grey+sobel \\
        --data fer2013_train_val.npz --out runs/ferplus-sobel

Data that is not at its path is looked for under EDGEFER_DATA, and in `fer2013/` there.

The run directory holds `settings.json`, `metrics.jsonl` (one line an epoch), `checkpoint.npz` (everything
needed to go on: started again with the same settings, a run continues after its last finished epoch),
`best.weights.h5` (the averaged weights of the epoch with the best val accuracy at full size) and `done.json`.

Choices are made on val only. The loss is the cross-entropy with the distribution of the FER+ votes; with
`--labels basic7` it is that with the one class FER-2013 gives each image. `--teachers` mixes the scores of
finished runs or of models into it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgefer.errors import INTERRUPTED, EdgeferError, UsageError
from edgefer.support.atomic import replacing, write_bytes
from edgefer.support.progress import progress_bar
from edgefer.train import checkpoint, runs
from edgefer.train.averaged import Averaged, swapped, values_of
from edgefer.train.data.batches import AHEAD, Inputs, input_spec, makers, training_batches
from edgefer.train.data.voted import with_votes
from edgefer.train.distil import Ensemble
from edgefer.train.hardware import accelerator, hardware
from edgefer.train.settings import (
    TrainingSettings,
    build,
    learning_rate,
    load_data,
    parse_stages,
    read_json,
    share_left,
    targets,
)

MOST_PROCESSES = 16
KEPT_EVERY = 10.0  # seconds, at least, between checkpoints of epochs that are shorter and no better


def fit(
    settings: TrainingSettings,
    out: Path,
    processes: int | None = None,
    on_device: bool | None = None,
    until: float | None = None,
) -> dict:
    """Run, or go on with, a training.

    Args:
        processes: that make batches; 0 for a thread, None for as many as there are cores, up
            to MOST_PROCESSES, where Keras computes on a GPU, else a thread. The outcome is the same.
        on_device: batches are made where the network computes, under JAX: the same alterations by other draws.
            None for where there is an accelerator, and no teacher has to judge them.
        until: time.time() at which the rate shall have fallen to zero, with fewer epochs if need be; those that were
            run are then the ones in settings.json.

    A run that is finished stays as it is.

    Returns:
        The content of done.json: best epoch, its val accuracy, row counts, share of the commonest class,
        hardware, wall time (that of the run it started from included); or where it stopped, for a run that
        another one finishes.

    Raises:
        UsageError: the data or a teacher cannot be read, there are fewer rows than a batch takes, or the
            directory belongs to a run with other settings or to another process.
        EdgeferError: the loss is not a number any more.
    """
    out.mkdir(parents=True, exist_ok=True)
    with checkpoint.alone(out):
        settings = _claimed(out, settings)
        if (out / "done.json").exists() and (out / "best.weights.h5").exists():
            return read_json(out / "done.json")
        return _fit(settings, out, processes, on_device, until)


def _fit(
    settings: TrainingSettings, out: Path, processes: int | None, on_device: bool | None, until: float | None
) -> dict:
    import keras

    from edgefer.train.steps import Ascent, computing

    spec = input_spec(settings.input, settings.size)
    train, val = load_data(settings)
    print(f"train: {train.counts()}\nval: {val.counts()}", flush=True)
    if len(train) < settings.batch:
        raise UsageError(f"batch: expected {len(train)} rows at most, all there are, got {settings.batch}")
    wanted = targets(train, settings.rule != "majority")
    if settings.voted:
        wanted = with_votes(wanted, train, settings.voted)
    wanted = (1 - settings.smoothing) * wanted + settings.smoothing / wanted.shape[1]
    teachers = Ensemble.of(settings, val)
    jax = keras.backend.backend() == "jax"
    if on_device is None:
        on_device = bool(settings.lessons) or (jax and bool(accelerator()) and not teachers.teachers)
    if on_device and (not jax or teachers.teachers):
        raise UsageError("batches on the accelerator, and lessons: need KERAS_BACKEND=jax, and no other teachers")
    if on_device and settings.randaugment:
        raise UsageError("randaugment: is made without an accelerator alone; add --no-on-device")
    if until is not None and len(settings.stages) > 1:
        raise UsageError("a time limit: expected one stage, since it decides its epochs")

    keras.utils.set_random_seed(settings.seed)
    with computing(settings.precision):
        model = build(replace(settings, quantisation_aware=False), dropout=settings.dropout)
    started_after = 0.0
    if settings.start and not settings.quantisation_aware:
        some = train.images[:: max(1, len(train) // 1000)]
        started_after = checkpoint.start(settings.start, model, lambda: Inputs(spec).stack(some))
    if settings.quantisation_aware:
        from edgefer.train.export.fake_quantise import fake_quantised

        model = fake_quantised(checkpoint.finished(Path(settings.start), model))
        started_after = read_json(Path(settings.start) / "done.json")["seconds"]
        # ranges to begin the average with
        model(Inputs(spec).stack(train.images[: settings.batch]), training=True)
    optimizer = keras.optimizers.AdamW(settings.rate, weight_decay=settings.weight_decay, clipnorm=5.0)
    # TensorFlow and torch do without; JAX would run each operation on its own
    if not on_device:
        model.compile(optimizer, keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=jax)
    optimizer.build(model.trainable_variables)
    state: dict[str, Any] = {"epoch": 0, "best": -1.0, "best_epoch": -1, "seconds": started_after}
    averaged = Averaged(model, settings.average)
    ascent = Ascent(model, settings.sam) if settings.sam and not on_device else None
    resident = None
    if on_device:
        from edgefer.train.resident import Resident

        resident = Resident(settings, model, train, wanted, val)
    if (out / "checkpoint.npz").exists():
        state = checkpoint.restore(out / "checkpoint.npz", model, optimizer, averaged)
        if resident:
            values = {"model": values_of(model.variables), "optimizer": values_of(optimizer.variables)}
            resident.steps.restore({**values, "averaged": averaged.values}, averaged.steps)
        print(f"going on after epoch {state['epoch']}", flush=True)

    _shortened(out / "metrics.jsonl", state["epoch"])
    steps = len(train) // settings.batch
    last = settings.stop or settings.epochs
    if processes is None:
        processes = min(os.cpu_count() or 1, MOST_PROCESSES) if accelerator() else 0
    each, kept = list[float](), time.monotonic()
    with makers(processes if resident is None else 0) as executor:
        while state["epoch"] < last and state.get("progress", 0.0) < 1 - 1e-9:
            started, epoch = time.monotonic(), state["epoch"]
            begin, end = epoch / settings.epochs, (epoch + 1) / settings.epochs
            # a run that had a time limit is further than its epochs say
            limited = abs(state.get("progress", begin) - begin) > 1e-9
            if until is not None or limited:
                begin = state.get("progress", 0.0)
                left = settings.epochs - epoch
                part = 1 / left if until is None else share_left(until - time.time(), each, left)
                end = begin + (1 - begin) * part
            inputs = Inputs(spec, settings.side(epoch))
            # torch draws its dropout from a state of its own, which no checkpoint holds
            keras.utils.set_random_seed(settings.seed + epoch)
            if resident:
                loss, rate = resident.epoch(epoch, begin, end)
                accuracy = resident.accuracy(epoch)
            else:
                views, mixed = [(spec, inputs.side), *teachers.views], (settings.mixup, settings.cutmix)
                draws, ahead = (settings.batch, settings.seed, epoch), AHEAD + 2 * processes
                batches = training_batches(
                    train.images, wanted, views, *draws, mixed, executor, ahead, settings.alterations
                )
                losses: list[float] = []
                for (x, *seen), y in progress_bar(batches, f"epoch {epoch + 1} of {last}", steps):
                    rate = learning_rate(settings, begin + (end - begin) * len(losses) / steps)
                    optimizer.learning_rate = rate
                    y = teachers.targets(y, seen)
                    with ascent(x, y) if ascent else nullcontext():
                        losses.append(float(model.train_on_batch(x, y)))
                    averaged.update(model)
                loss = float(np.mean(losses))
                with swapped(model, averaged.values):
                    accuracy = runs.accuracy(model, inputs, val)
            if not np.isfinite(loss):
                raise EdgeferError(f"epoch {epoch + 1}: the loss is {loss}, no number to learn from; lower --rate")
            better = inputs.side == settings.size and accuracy > state["best"]
            # an epoch on an accelerator may take less time than keeping it
            due = not resident or better or state["epoch"] + 1 >= last or end > 1 - 1e-9
            due |= time.monotonic() - kept > KEPT_EVERY
            if resident and due:
                averaged.values, averaged.steps = resident.take(model, optimizer), resident.steps.count
            if better:
                state["best"], state["best_epoch"] = accuracy, epoch
                with swapped(model, averaged.values):
                    _save_weights(model, out / "best.weights.h5")
            state["epoch"] += 1
            state["progress"] = end
            each.append(time.monotonic() - started)
            state["seconds"] += each[-1]
            line = {
                "epoch": epoch + 1,
                "side": inputs.side,
                "rate": rate,
                "loss": loss,
                "val_accuracy": accuracy,
                "seconds": round(each[-1], 1),
            }
            with (out / "metrics.jsonl").open("a") as file:
                file.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)
            if due:
                checkpoint.keep(out / "checkpoint.npz", model, optimizer, averaged, state)
                kept = time.monotonic()

    if until is not None and state["epoch"] < settings.epochs:
        settings = replace(settings, stages=((settings.size, state["epoch"]),))
        _write_json(out / "settings.json", asdict(settings))
    if last < settings.epochs:
        return {"stopped_after": last}
    done = {
        "best_epoch": state["best_epoch"] + 1,
        "val_accuracy_float32": state["best"],
        "train_rows": len(train),
        "train_counts": train.counts(),
        "train_rule": train.rule,
        "val_rows": len(val),
        "val_commonest": 100 * float(np.bincount(val.truth).max() / len(val)),
        "val_counts": val.counts(),
        "val_rule": val.rule,
        "seconds": round(state["seconds"]),
        "hardware": ", ".join(filter(None, (accelerator(), hardware()))),
        "backend": f"Keras {keras.__version__}, {keras.backend.backend()}" + on_device * ", batches made there",
    }
    _write_json(out / "done.json", done)
    return done


def _claimed(out: Path, settings: TrainingSettings) -> TrainingSettings:
    """The settings of the run in a directory: those given, or with the fewer epochs there was time for."""
    path = out / "settings.json"
    if path.exists():
        before = TrainingSettings.read(path)
        (side, epochs), *others = before.stages
        planned = settings.stages[0]
        if before != settings and before == replace(settings, stages=before.stages) and not others:
            ended = side == planned[0] and len(settings.stages) == 1 and epochs < planned[1]
            if ended and checkpoint.epochs_of(out) == epochs:
                return before
        if before != settings:
            raise UsageError(f"{out}: holds a run with other settings; choose another --out")
    _write_json(path, asdict(settings))
    return settings


def _shortened(path: Path, count: int) -> None:
    """Leave the first lines: epochs after the last checkpoint are run again."""
    if path.exists():
        lines = path.read_bytes().splitlines(keepends=True)
        write_bytes(path, b"".join(lines[:count]))


def _write_json(path: Path, content: dict) -> None:
    write_bytes(path, (json.dumps(content, indent=2) + "\n").encode())


def _save_weights(model, path: Path) -> None:
    with replacing(path) as scratch:
        model.save_weights(scratch)


def main(argv: list[str] | None = None) -> int:
    """Command line; every setting is an option of the same name."""
    defaults = TrainingSettings()
    parser = argparse.ArgumentParser(
        prog="python -m edgefer.train.fit",
        description=__doc__.split("\n")[0],
        epilog="What the settings mean: docs/training.md.",
    )
    parser.add_argument("--out", type=Path, required=True, help="run directory; an unfinished run goes on")
    parser.add_argument(
        "--processes",
        type=int,
        help="that make batches, 0 for a thread; default: one a core where there is a GPU, else 0",
    )
    parser.add_argument(
        "--on-device",
        action=argparse.BooleanOptionalAction,
        help="make batches where the network computes, under JAX; default: where that is an accelerator",
    )
    parser.add_argument("--minutes", type=float, help="let the rate fall to zero by then, with fewer epochs if need be")
    for name, default in asdict(defaults).items():
        option = f"--{name.replace('_', '-')}"
        if default is False:
            parser.add_argument(option, action="store_true")
        else:
            kind = parse_stages if name == "stages" else type(default)
            parser.add_argument(option, type=kind, default=default)
    options = vars(parser.parse_args(argv))
    out, processes = options.pop("out"), options.pop("processes")
    on_device, minutes = options.pop("on_device"), options.pop("minutes")
    try:
        if minutes is not None and not 0 <= minutes < math.inf:
            raise UsageError(f"--minutes: expected 0 or more, got {minutes:g}")
        if processes is not None and not processes >= 0:
            raise UsageError(f"--processes: expected 0, for a thread, or more, got {processes}")
        until = None if minutes is None else time.time() + 60 * minutes
        done = fit(TrainingSettings(**options), out, processes, on_device, until)
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\nstopped; the same command goes on after the last finished epoch", file=sys.stderr)
        return INTERRUPTED
    print(json.dumps(done, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
