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
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, table

from edgefer.errors import EdgeferError, UsageError
from edgefer.measure import datasets
from edgefer.measure.evaluate import evaluate, open_recognizer
from edgefer.models import store
from edgefer.train.architectures import ARCHITECTURES, build
from edgefer.train.architectures.edgefer import CONFIGURATIONS, STEMS, Configuration, Stage
from edgefer.train.settings import TrainingSettings, find_data

BASE = "pandey grey+sobel"


@dataclass(frozen=True)
class Candidate:
    """A network to be timed: an architecture for an input, or a configuration of our own family."""

    architecture: str
    channels: str = "grey+sobel"
    mode: str = "concatenated"
    size: int = 64
    configuration: Configuration | None = None

    def build(self) -> Any:
        """The untrained keras.Model."""
        options: dict[str, Any] = {"configuration": self.configuration} if self.configuration else {}
        return build(self.architecture, self.channels, self.mode, size=self.size, **options)


def _fused(channels, blocks, stride=1, expansion=1):
    return Stage(channels, blocks, stride, expansion, fused=True)


def _ours(stem, stages, head, size=64, squeeze=0, channels="grey+sobel") -> Candidate:
    configuration = Configuration(stem, tuple(stages), head, size, squeeze)
    return Candidate("edgefer-s", channels, size=size, configuration=configuration)


#: Ours, by what they vary; the two that were picked are CONFIGURATIONS.
VARIED: dict[str, Candidate] = {
    **{
        f"{name} at 64": Candidate(name, size=64, configuration=replace(picked, size=64))
        for name, picked in CONFIGURATIONS.items()
    },
    "s deeper early": _ours((24, 2), [_fused(24, 2), _fused(48, 3, 2, 2), Stage(88, 4, 2), Stage(112, 3)], 256),
    "s wider inside": _ours((24, 2), [_fused(24, 2), _fused(48, 3, 2, 3), Stage(80, 4, 2), Stage(112, 3)], 256),
    "s all inverted": _ours((24, 2), [Stage(24, 2), Stage(48, 3, 2), Stage(80, 4, 2), Stage(112, 3)], 256),
    "s squeezed": _ours((24, 2), [_fused(24, 2), _fused(48, 3, 2, 3), Stage(80, 4, 2), Stage(112, 2)], 256, squeeze=8),
    "s wide early": _ours((32, 2), [_fused(32, 2), _fused(64, 3, 2, 3), Stage(80, 4, 2), Stage(96, 2)], 256),
    "s plain convolutions": _ours((24, 2), [_fused(24, 2), _fused(48, 4, 2), _fused(80, 4, 2), _fused(112, 1)], 256),
    "s at 48": _ours((32, 2), [_fused(32, 2), _fused(64, 3, 2, 3), Stage(80, 4, 2), Stage(112, 2)], 256, 48),
    "s stem of stride 1 at 48": _ours(
        (16, 1), [_fused(32, 2, 2), _fused(48, 3, 2, 3), Stage(80, 4, 2), Stage(112, 3)], 256, 48
    ),
    "nano wider inside": _ours(
        (16, 2), [_fused(16, 2), _fused(32, 2, 2, 3), Stage(48, 3, 2, 3), Stage(64, 2, 1, 3)], 128
    ),
    "nano narrow": _ours((16, 2), [_fused(16, 1), _fused(24, 2, 2, 3), Stage(48, 3, 2, 3), Stage(64, 1, 1, 3)], 160),
    "nano narrow at 48": _ours(
        (16, 2), [_fused(16, 1), _fused(24, 2, 2, 3), Stage(48, 3, 2, 3), Stage(64, 1, 1, 3)], 160, 48
    ),
    "nano narrow, grey, at 48": _ours(
        (16, 2), [_fused(16, 1), _fused(24, 2, 2, 3), Stage(48, 3, 2, 3), Stage(64, 1, 1, 3)], 160, 48, channels="grey"
    ),
    "nano at 48": _ours((16, 2), [_fused(16, 2), _fused(32, 2, 2, 3), Stage(48, 3, 2, 3), Stage(64, 2, 1, 3)], 160, 48),
    "nano plain convolutions at 48": _ours((16, 2), [_fused(16, 2), _fused(32, 3, 2), _fused(48, 3, 2)], 160, 48),
}

#: Everything that is timed, by name; the papers' networks first.
CANDIDATES: dict[str, Candidate] = {
    BASE: Candidate("pandey"),
    "pandey shared grey+sobel": Candidate("pandey", mode="shared"),
    "vgg13 grey": Candidate("vgg13", "grey"),
    "rtnn grey": Candidate("rtnn", "grey"),
    "rtnn parallel grey+sobel": Candidate("rtnn", mode="parallel"),
    "breuer grey": Candidate("breuer", "grey", size=48),
    **{
        name: Candidate(name, size=ARCHITECTURES[name].size, configuration=picked)
        for name, picked in CONFIGURATIONS.items()
    },
    **VARIED,
}
#: What is timed by its name alone, for another page.
FURTHER = {name: Candidate(name, size=stem.size) for name, stem in STEMS.items()}


#: The recipes that train a network that is timed, by what they are judged on.
TRAINED: dict[str, dict[str, str]] = {
    "FER+": {
        BASE: "ferplus-sobel",
        "pandey shared grey+sobel": "ferplus-sobel-parallel",
        "vgg13 grey": "vgg13-grey",
        "edgefer-s": "edgefer-s",
        "edgefer-nano": "edgefer-nano",
    },
    "FER-2013": {"rtnn grey": "rtnn-grey", "breuer grey": "breuer-grey", "edgefer-s": "fer2013-edgefer-s"},
}


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
    parser.add_argument("--record", type=Path, default=RECORD, help="where times are kept (default: %(default)s)")
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
            costs[name] = export((CANDIDATES | FURTHER)[name], options.directory, name)
            record.write_text(json.dumps(costs, indent=2) + "\n")
            print(f"{name}: {costs[name]}", flush=True)
        return
    from edgefer.train.hardware import hardware

    costs = {name: costs[name] for name in CANDIDATES | FURTHER if name in costs}
    timed = measure(options.directory, costs, options.seconds)
    rows = [[name, f"{row['ms']:.3f}", f"{row['ratio']:.3f}"] for name, row in timed.items()]
    print(table(["network", "ms", "of the base"], rows))
    remember(timed, options.record, hardware())


if __name__ == "__main__":
    sys.exit(main())
