"""What networks cost: exports and times the candidates for docs/frontier.md.

    python bench/networks.py build DIRECTORY [NAME ...]   export networks to be timed
    python bench/networks.py time DIRECTORY               time them
    python bench/networks.py judge                        judge the shipped models on FER-2013 as well

Weights do not matter for speed, so the networks are exported untrained. Times are of LiteRT with one thread;
all networks are timed in the same rounds, and a ratio is the median of the rounds' ratios to BASE. Absolute
times hold only on the machine they were taken on. What was measured is kept in bench/results/frontier.json,
to which `python bench/peers.py` adds networks of others; `python -m tools.frontier` writes the page.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from candidates import BASE, CANDIDATES, TRAINED, Candidate
from result_tables import RESULTS, table

from edgefer.errors import EdgeferError, UsageError
from edgefer.measure import datasets
from edgefer.measure.evaluate import evaluate, open_recognizer
from edgefer.models import store
from edgefer.train.settings import TrainingSettings, find_data

RECORD = RESULTS / "frontier.json"
ROUND_SECONDS = 0.02  # each network runs about this long in a round


def macs(model: Any) -> int:
    """Multiply-adds of one image: convolutions and dense layers, those of nested models at each call."""
    import keras

    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            # a body that streams share runs once a stream
            total += macs(layer) * len(layer._inbound_nodes)
            continue
        kernels = [w for w in layer.trainable_weights if len(w.shape) >= 2]
        positions = int(np.prod(layer.output.shape[1:-1])) if kernels else 0
        total += sum(int(np.prod(kernel.shape)) * positions for kernel in kernels)
    return total


def parameters(model: Any) -> int:
    """As exported: batch normalisation folds into one bias a channel, where there is none already."""
    import keras

    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            total += parameters(layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            before = layer.input._keras_history.operation
            total += 0 if getattr(before, "use_bias", False) else layer.beta.shape[0]
        else:
            total += layer.count_params()
    return total


def export(candidate: Candidate, directory: Path, name: str) -> dict:
    """Write the untrained int8 network and what it costs; an existing file is kept."""
    from edgefer.train.export.quantise import quantise

    path = directory / f"{name.replace(' ', '_')}.tflite"
    model = candidate.build()
    rng = np.random.default_rng(1)
    if not path.exists():
        shape = (4, *model.input_shape[1:])
        levels = rng.integers(-128, 128, shape)
        path.write_bytes(quantise(model, (levels / 128).astype(np.float32)))
    return {
        "file": path.name,
        "size": candidate.size,
        "parameters": parameters(model),
        "macs": macs(model),
        "bytes": path.stat().st_size,
    }


def measure(directory: Path, costs: dict[str, dict], seconds: float) -> dict[str, dict]:
    """Time every network in interleaved rounds, and add `ms` and `ratio`, medians, to its costs."""
    from ai_edge_litert.interpreter import Interpreter

    networks = {}
    for name, cost in costs.items():
        network = Interpreter(model_path=str(directory / cost["file"]), num_threads=1)
        network.allocate_tensors()
        details = network.get_input_details()[0]
        levels = np.random.default_rng(1).integers(-128, 128, details["shape"], dtype=np.int8)
        # a network of others may be in float
        x = levels if details["dtype"] == np.int8 else (levels / 128).astype(np.float32)
        network.set_tensor(details["index"], x)
        for _ in range(5):
            network.invoke()
        started = time.perf_counter()
        network.invoke()
        networks[name] = network, max(1, round(ROUND_SECONDS / (time.perf_counter() - started)))
    rounds: list[dict[str, float]] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(rounds) < 3:
        times = {}
        for name, (network, repeats) in networks.items():
            started = time.perf_counter()
            for _ in range(repeats):
                network.invoke()
            times[name] = 1000 * (time.perf_counter() - started) / repeats
        rounds.append(times)
    return {
        name: {
            **cost,
            "ms": float(np.median([times[name] for times in rounds])),
            "ratio": float(np.median([times[name] / times[BASE] for times in rounds])),
        }
        for name, cost in costs.items()
    }


def remember(networks: dict[str, dict], record: Path = RECORD, hardware: str = "") -> None:
    """Add figures of networks to those that are kept."""
    known: dict[str, Any] = {"hardware": hardware, "networks": {}}
    if record.exists():
        known = json.loads(record.read_text())
    known["hardware"] = hardware or known["hardware"]
    for name, figures in networks.items():
        known["networks"][name] = {**known["networks"].get(name, {}), **figures}
    record.write_text(json.dumps(known, indent=2) + "\n")


def judge() -> dict[str, dict]:
    """The shipped models of networks that are timed, judged on val of FER-2013, 7 classes.

    Raises:
        UsageError: the data is not there.
    """
    data = datasets.load(find_data(TrainingSettings.data), "val", "basic7")
    figures = {}
    for name, recipe in TRAINED["FER+"].items():
        if recipe in store.shipped():
            judged = evaluate(open_recognizer(recipe), data)
            figures[name] = {"fer2013": {"accuracy": judged.accuracy, "rows": judged.rows, "int8": True}}
    return figures


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python bench/networks.py", description=__doc__.split("\n")[0])
    parser.add_argument("action", choices=("build", "time", "judge"))
    parser.add_argument("directory", type=Path, nargs="?", help="of the exported networks: build and time")
    parser.add_argument("names", nargs="*", metavar="NAME", help="candidates to build; default: all")
    parser.add_argument("--seconds", type=float, default=12.0, help="of timing")
    options = parser.parse_args(argv)
    try:
        if options.action == "judge":
            remember(judge())
        elif options.directory is None:
            raise UsageError(f"{options.action}: needs the directory of the exported networks")
        else:
            _build_or_time(options)
    except EdgeferError as error:
        print(f"edgefer: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _build_or_time(options: argparse.Namespace) -> None:
    options.directory.mkdir(parents=True, exist_ok=True)
    record = options.directory / "costs.json"
    costs = json.loads(record.read_text()) if record.exists() else {}
    if options.action == "build":
        for name in options.names or CANDIDATES:
            costs[name] = export(CANDIDATES[name], options.directory, name)
            record.write_text(json.dumps(costs, indent=2) + "\n")
            print(f"{name}: {costs[name]}", flush=True)
        return
    from edgefer.train.fit import hardware

    costs = {name: costs[name] for name in CANDIDATES if name in costs}
    timed = measure(options.directory, costs, options.seconds)
    rows = [[name, f"{row['ms']:.3f}", f"{row['ratio']:.3f}"] for name, row in timed.items()]
    print(table(["network", "ms", "of the base"], rows))
    remember(timed, hardware=hardware())


if __name__ == "__main__":
    sys.exit(main())
