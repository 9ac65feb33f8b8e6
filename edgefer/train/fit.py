"""Train a frame network: one loop for every architecture, on any Keras backend, CPU or GPU.

    KERAS_BACKEND=tensorflow python -m edgefer.train.fit --architecture pandey --input grey+sobel \\
        --data fer2013_train_val.npz --out runs/ferplus-sobel

Data that is not at its path is looked for in `fer2013/` under EDGEFER_DATA.

The run directory holds `settings.json`, `metrics.jsonl` (one line an epoch), `checkpoint.npz` (everything
needed to go on: started again with the same settings, a run continues after its last finished epoch),
`best.weights.h5` (the averaged weights of the epoch with the best val accuracy at full size) and `done.json`.

Choices are made on val only. The loss is the cross-entropy with the distribution of the FER+ votes; with
`--labels basic7` it is that with the one class FER-2013 gives each image.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from edgefer import datasets
from edgefer.errors import EdgeferError, UsageError
from edgefer.labels import label_set
from edgefer.train import architectures
from edgefer.train.data.batches import Inputs, input_spec, training_batches

LARGEST_SIDE = 64
TRAINING_RULE = "plurality"  # rows without a majority teach too: their target is the distribution


#: Left out of commands: what is nothing, and what runs did before it was a setting, so that those on record
#: stay as they are.
IMPLIED = {"mode": "concatenated", "stl": False, "labels": "ferplus8", "size": 64, "stop": 0, "start": ""}


@dataclass(frozen=True)
class Settings:
    """What decides the outcome of a run, up to rounding that differs between machines.

    Attributes:
        architecture: a name in architectures.ARCHITECTURES. input: planes, a name in preprocess.CHANNELS.
        mode: how the planes reach the network, one of streams.MODES.
        stl: a spatial transformer before the network, or before each of its streams.
        labels: ferplus8, the classes and votes of FER+; or basic7, the classes of FER-2013.
        size: full side of the input, pixels; the last stage must have it.
        stages: (side, epochs) in order. The network is convolutional with a mean at its end, so it can learn
            the most on small inputs, at a fraction of the cost, and finish on full ones. One with dense
            layers takes inputs of one size.
        rate: peak learning rate; rises over the first `warmup` of all steps, then falls linearly to zero.
            Counted in images, so that stages are weighted by what they see.
        stop: leave off after this many epochs, for another run to start from; 0 to run to the end.
        start: directory of a run whose averaged weights this one begins with; empty for random ones.
        average: decay of the moving average of the weights, by step; the averaged weights are the ones that
            ship.
    """

    architecture: str = "pandey"
    input: str = "grey+sobel"
    mode: str = "concatenated"
    stl: bool = False
    labels: str = "ferplus8"
    size: int = 64
    data: str = "fer2013_train_val.npz"
    stages: tuple[tuple[int, int], ...] = ((32, 22), (48, 8), (64, 5))
    batch: int = 128
    rate: float = 3e-3
    warmup: float = 0.05
    weight_decay: float = 0.02
    dropout: float = 0.1
    average: float = 0.998
    seed: int = 1
    stop: int = 0
    start: str = ""

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Settings from a run's settings.json."""
        fields = json.loads(path.read_text())
        return cls(**{**fields, "stages": tuple((side, epochs) for side, epochs in fields["stages"])})

    def command(self, out: str) -> str:
        """The command that repeats the run, every setting named but those of IMPLIED."""
        fields = {**asdict(self), "stages": ",".join(f"{side}:{epochs}" for side, epochs in self.stages)}
        options = " ".join(
            f"--{name.replace('_', '-')}" + ("" if value is True else f" {value}")
            for name, value in fields.items()
            if value != IMPLIED.get(name)
        )
        return f"python -m edgefer.train.fit {options} --out {out}"

    def side(self, epoch: int) -> int:
        """Side of the inputs in an epoch, counted from 0."""
        for side, epochs in self.stages:
            if epoch < epochs:
                return side
            epoch -= epochs
        raise ValueError("epoch beyond the last stage")

    @property
    def epochs(self) -> int:
        return sum(epochs for _, epochs in self.stages)


def load_data(settings: Settings) -> tuple[datasets.Dataset, datasets.Dataset]:
    """The rows a run learns from, and those its choices are made on.

    Raises:
        UsageError: the data is neither at its path nor under EDGEFER_DATA, or cannot be read.
    """
    path = Path(settings.data)
    if not path.exists():
        path = Path(os.environ.get("EDGEFER_DATA", "../shared/data")) / "fer2013" / path
    train = datasets.load(path, "train", labels=settings.labels, rule=TRAINING_RULE)
    return train, datasets.load(path, "val", labels=settings.labels)


def targets(data: datasets.Dataset) -> np.ndarray:
    """What the network is to say of each row: the distribution of its votes, or all on its one class.

    Returns:
        float32, shape (N, classes), rows sum to one.
    """
    classes = len(label_set(data.labels))
    if data.distributions is not None and data.distributions.shape[1] == classes:
        return data.distributions
    return np.eye(classes, dtype=np.float32)[data.truth]


def learning_rate(settings: Settings, progress: float) -> float:
    """Rate at a point of the run, progress 0 to 1."""
    if progress < settings.warmup:
        return settings.rate * max(progress, 1e-3) / settings.warmup
    return settings.rate * (1 - progress) / (1 - settings.warmup)


class Averaged:
    """Exponential moving average of all variables of a model, those of batch normalisation included.

    Attributes:
        steps: training steps seen.
        values: the averages, in the order of model.variables.
    """

    EVERY = 4  # steps between updates; the decay is raised to this power

    def __init__(self, model, decay: float):
        self._decay = decay**self.EVERY
        self.steps = 0
        self.values = _values(model.variables)

    def update(self, model) -> None:
        """Call after each step."""
        self.steps += 1
        if self.steps % self.EVERY:
            return
        # a young average follows faster, so that it does not remember the random start
        decay = min(self._decay, self.steps / (self.steps + 10 * self.EVERY))
        for average, value in zip(self.values, _values(model.variables), strict=True):
            if average.dtype.kind == "f":
                average += (value - average) * (1 - decay)


class Swapped:
    """Inside the block the model holds other values."""

    def __init__(self, model, values):
        self._model, self._values = model, values

    def __enter__(self):
        self._own = _values(self._model.variables)
        _assign(self._model.variables, self._values)

    def __exit__(self, *_):
        _assign(self._model.variables, self._own)


def build(settings: Settings, size: int | None = None, dropout: float = 0.0):
    """The network of a run, uncompiled; without dropout unless it is asked for.

    Args:
        size: side of its inputs, pixels; None for that of the stages, open where they differ.

    Raises:
        UsageError: a name is not known, or the stages do not fit the network.
    """
    sides = {side for side, _ in settings.stages}
    if settings.stages[-1][0] != settings.size:
        raise UsageError(
            f"stages: the last one must have the full side, {settings.size}, got {settings.stages[-1][0]}"
        )
    if size is None and len(sides) == 1:
        size = settings.size
    return architectures.build(
        settings.architecture,
        settings.input,
        settings.mode,
        settings.stl,
        len(label_set(settings.labels)),
        size,
        dropout,
    )


def fit(settings: Settings, out: Path) -> dict:
    """Run, or go on with, a training.

    Returns:
        The content of done.json: best epoch, its val accuracy, row counts, hardware, wall time (that of the
        run it started from included); or where it stopped, for a run that another one finishes.

    Raises:
        UsageError: the data cannot be read, or the directory belongs to a run with other settings.
    """
    import keras

    out.mkdir(parents=True, exist_ok=True)
    _claim(out / "settings.json", asdict(settings))
    spec = input_spec(settings.input, settings.size)
    train, val = load_data(settings)
    wanted = targets(train)
    print(f"train: {train.counts()}\nval: {val.counts()}", flush=True)

    keras.utils.set_random_seed(settings.seed)
    model = build(settings, dropout=settings.dropout)
    optimizer = keras.optimizers.AdamW(settings.rate, weight_decay=settings.weight_decay, clipnorm=5.0)
    model.compile(optimizer, keras.losses.CategoricalCrossentropy(from_logits=True), jit_compile=False)
    optimizer.build(model.trainable_variables)
    state = {"epoch": 0, "best": -1.0, "best_epoch": -1, "seconds": 0.0}
    if settings.start:
        state["seconds"] = _start(Path(settings.start) / "checkpoint.npz", model)
    averaged = Averaged(model, settings.average)
    if (out / "checkpoint.npz").exists():
        state = _restore(out / "checkpoint.npz", model, optimizer, averaged)
        print(f"going on after epoch {state['epoch']}", flush=True)

    steps = len(train) // settings.batch
    last = settings.stop or settings.epochs
    while state["epoch"] < last:
        started, epoch = time.monotonic(), state["epoch"]
        inputs = Inputs(spec, settings.side(epoch))
        # torch draws its dropout from a state of its own, which no checkpoint holds
        keras.utils.set_random_seed(settings.seed + epoch)
        losses = []
        for x, y in training_batches(train.images, wanted, inputs, settings.batch, settings.seed, epoch):
            rate = learning_rate(settings, (epoch + len(losses) / steps) / settings.epochs)
            optimizer.learning_rate = rate
            losses.append(float(model.train_on_batch(x, y)))
            averaged.update(model)
            if len(losses) % 20 == 0 and sys.stderr.isatty():
                print(f"\repoch {epoch + 1} {len(losses)}/{steps} loss {np.mean(losses[-50:]):.4f}", end="")
        with Swapped(model, averaged.values):
            accuracy = evaluate(model, inputs, val)
            if inputs.side == settings.size and accuracy > state["best"]:
                state["best"], state["best_epoch"] = accuracy, epoch
                _save_weights(model, out / "best.weights.h5")
        state["epoch"] += 1
        state["seconds"] += time.monotonic() - started
        line = {
            "epoch": epoch + 1,
            "side": inputs.side,
            "rate": rate,
            "loss": float(np.mean(losses)),
            "val_accuracy": accuracy,
            "seconds": round(time.monotonic() - started, 1),
        }
        with (out / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
        _keep(out / "checkpoint.npz", model, optimizer, averaged, state)

    if last < settings.epochs:
        return {"stopped_after": last}
    done = {
        "best_epoch": state["best_epoch"] + 1,
        "val_accuracy_float32": state["best"],
        "train_rows": len(train),
        "train_counts": train.counts(),
        "train_rule": train.rule,
        "val_rows": len(val),
        "val_counts": val.counts(),
        "val_rule": val.rule,
        "seconds": round(state["seconds"]),
        "hardware": hardware(),
        "backend": f"Keras {keras.__version__}, {keras.backend.backend()}",
    }
    _write_json(out / "done.json", done)
    return done


def evaluate(model, inputs: Inputs, data: datasets.Dataset, batch: int = 256) -> float:
    """Accuracy in percent of the unaltered images."""
    right = 0
    for start in range(0, len(data), batch):
        logits = model.predict_on_batch(inputs.stack(data.images[start : start + batch]))
        right += int((np.argmax(logits, axis=-1) == data.truth[start : start + batch]).sum())
    return 100 * right / len(data)


def hardware() -> str:
    """Processor and number of threads, for the record."""
    model = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return f"{model}, {os.cpu_count()} threads"


def _values(variables) -> list[np.ndarray]:
    import keras

    return [np.array(keras.ops.convert_to_numpy(v)) for v in variables]


def _assign(variables, values) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _claim(path: Path, settings: dict) -> None:
    settings = json.loads(json.dumps(settings))
    # what an older run's file lacks, it did by default
    if path.exists() and {**asdict(Settings()), **json.loads(path.read_text())} != settings:
        raise UsageError(f"{path.parent}: holds a run with other settings; choose another --out")
    _write_json(path, settings)


def _write_json(path: Path, content: dict) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(part, path)


def _save_weights(model, path: Path) -> None:
    part = path.with_name("part." + path.name)
    model.save_weights(part)
    os.replace(part, path)


def _keep(path: Path, model, optimizer, averaged: Averaged, state: dict) -> None:
    """Model, optimizer, average and counters, in one file that replaces the last one whole."""
    groups = {
        "model": _values(model.variables),
        "optimizer": _values(optimizer.variables),
        "averaged": averaged.values,
    }
    arrays = {f"{name}{i}": value for name, values in groups.items() for i, value in enumerate(values)}
    part = path.with_name("part." + path.name)
    np.savez(part, state=json.dumps(state), averaged_steps=averaged.steps, **arrays)
    os.replace(part, path)


def _start(path: Path, model) -> float:
    """Give the model the averaged weights of another run; returns the seconds that run took."""
    try:
        with np.load(path) as kept:
            _assign(model.variables, [kept[f"averaged{i}"] for i in range(len(model.variables))])
            return json.loads(str(kept["state"]))["seconds"]
    except FileNotFoundError:
        raise UsageError(f"{path.parent}: no run to start from: has no {path.name}") from None


def _restore(path: Path, model, optimizer, averaged: Averaged) -> dict:
    with np.load(path) as kept:

        def group(name, count):
            return [kept[f"{name}{i}"] for i in range(count)]

        _assign(model.variables, group("model", len(model.variables)))
        _assign(optimizer.variables, group("optimizer", len(optimizer.variables)))
        averaged.values = group("averaged", len(averaged.values))
        averaged.steps = int(kept["averaged_steps"])
        return json.loads(str(kept["state"]))


def parse_stages(text: str) -> tuple[tuple[int, int], ...]:
    """`32:24,64:6` to ((32, 24), (64, 6))."""
    try:
        stages = tuple((int(side), int(epochs)) for side, epochs in (s.split(":") for s in text.split(",")))
    except ValueError:
        stages = ()
    if not stages or any(not 16 <= side <= LARGEST_SIDE or epochs < 1 for side, epochs in stages):
        raise argparse.ArgumentTypeError(
            f"expected side:epochs,... with sides 16 to {LARGEST_SIDE}, as in 32:24,64:6, got {text!r}"
        )
    return stages


def main(argv: list[str] | None = None) -> int:
    """Command line; every setting is an option of the same name."""
    defaults = Settings()
    parser = argparse.ArgumentParser(prog="python -m edgefer.train.fit", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="run directory; an unfinished run goes on")
    for name, default in asdict(defaults).items():
        option = f"--{name.replace('_', '-')}"
        if default is False:
            parser.add_argument(option, action="store_true")
        else:
            kind = parse_stages if name == "stages" else type(default)
            parser.add_argument(option, type=kind, default=default)
    options = vars(parser.parse_args(argv))
    out = options.pop("out")
    try:
        done = fit(Settings(**options), out)
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(done, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
