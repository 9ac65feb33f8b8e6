"""What networks cost: parameters, multiply-adds, and the time of their int8 form beside the base network's.

    python -m edgefer.train.frontier build DIRECTORY [NAME ...]
    python -m edgefer.train.frontier time DIRECTORY [--json FILE] [--page FILE]

Weights do not matter for speed, so the networks are exported untrained. Times are of LiteRT with one thread;
all networks are timed in the same rounds, and a ratio is the median of the rounds' ratios to BASE. Absolute
times hold only on the machine they were taken on.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgefer.train.architectures import ARCHITECTURES, build
from edgefer.train.architectures.edgefer import CONFIGURATIONS, Configuration, Stage

BASE = "pandey grey+sobel"
ROUND_SECONDS = 0.02  # each network runs about this long in a round


@dataclass(frozen=True)
class Candidate:
    """A network to be timed: an architecture for an input, or a configuration of our own family."""

    architecture: str
    channels: str = "grey+sobel"
    mode: str = "concatenated"
    size: int = 64
    configuration: Configuration | None = None

    def build(self):
        options = {"configuration": self.configuration} if self.configuration else {}
        return build(self.architecture, self.channels, self.mode, size=self.size, **options)


def _fused(channels, blocks, stride=1, expansion=1):
    return Stage(channels, blocks, stride, expansion, fused=True)


def _ours(stem, stages, head, size=64, squeeze=0, channels="grey+sobel") -> Candidate:
    configuration = Configuration(stem, tuple(stages), head, size, squeeze)
    return Candidate("edgefer-s", channels, size=size, configuration=configuration)


#: Ours, by what they vary; the two that were picked stand in CONFIGURATIONS.
VARIED: dict[str, Candidate] = {
    "s deeper early": _ours(
        (24, 2), [_fused(24, 2), _fused(48, 3, 2, 2), Stage(88, 4, 2), Stage(112, 3)], 256
    ),
    "s wider inside": _ours(
        (24, 2), [_fused(24, 2), _fused(48, 3, 2, 3), Stage(80, 4, 2), Stage(112, 3)], 256
    ),
    "s all inverted": _ours((24, 2), [Stage(24, 2), Stage(48, 3, 2), Stage(80, 4, 2), Stage(112, 3)], 256),
    "s squeezed": _ours(
        (24, 2), [_fused(24, 2), _fused(48, 3, 2, 3), Stage(80, 4, 2), Stage(112, 2)], 256, squeeze=8
    ),
    "s wide early": _ours((32, 2), [_fused(32, 2), _fused(64, 3, 2, 3), Stage(80, 4, 2), Stage(96, 2)], 256),
    "s plain convolutions": _ours(
        (24, 2), [_fused(24, 2), _fused(48, 4, 2), _fused(80, 4, 2), _fused(112, 1)], 256
    ),
    "s at 48": _ours((32, 2), [_fused(32, 2), _fused(64, 3, 2, 3), Stage(80, 4, 2), Stage(112, 2)], 256, 48),
    "s stem of stride 1 at 48": _ours(
        (16, 1), [_fused(32, 2, 2), _fused(48, 3, 2, 3), Stage(80, 4, 2), Stage(112, 3)], 256, 48
    ),
    "nano wider inside": _ours(
        (16, 2), [_fused(16, 2), _fused(32, 2, 2, 3), Stage(48, 3, 2, 3), Stage(64, 2, 1, 3)], 128
    ),
    "nano narrow": _ours(
        (16, 2), [_fused(16, 1), _fused(24, 2, 2, 3), Stage(48, 3, 2, 3), Stage(64, 1, 1, 3)], 160
    ),
    "nano narrow at 48": _ours(
        (16, 2), [_fused(16, 1), _fused(24, 2, 2, 3), Stage(48, 3, 2, 3), Stage(64, 1, 1, 3)], 160, 48
    ),
    "nano narrow, grey, at 48": _ours(
        (16, 2),
        [_fused(16, 1), _fused(24, 2, 2, 3), Stage(48, 3, 2, 3), Stage(64, 1, 1, 3)],
        160,
        48,
        channels="grey",
    ),
    "nano at 48": _ours(
        (16, 2), [_fused(16, 2), _fused(32, 2, 2, 3), Stage(48, 3, 2, 3), Stage(64, 2, 1, 3)], 160, 48
    ),
    "nano plain convolutions at 48": _ours(
        (16, 2), [_fused(16, 2), _fused(32, 3, 2), _fused(48, 3, 2)], 160, 48
    ),
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
        name: Candidate(name, size=ARCHITECTURES[name].size, configuration=found)
        for name, found in CONFIGURATIONS.items()
    },
    **VARIED,
}


def macs(model) -> int:
    """Multiply-adds of one image: convolutions and dense layers, those of nested models at each call."""
    import keras

    total = 0
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            # a body that streams share runs once a stream
            total += macs(layer) * len(layer._inbound_nodes)
            continue
        kernels = [w for w in layer.trainable_weights if len(w.shape) >= 2]
        places = int(np.prod(layer.output.shape[1:-1])) if kernels else 0
        total += sum(int(np.prod(kernel.shape)) * places for kernel in kernels)
    return total


def parameters(model) -> int:
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


def export(candidate: Candidate, place: Path, name: str) -> dict:
    """Write the untrained int8 network and what it costs; an existing file is kept."""
    from edgefer.train.quantise import quantise

    path = place / f"{name.replace(' ', '_')}.tflite"
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


def measure(place: Path, costs: dict[str, dict], seconds: float) -> dict[str, dict]:
    """Time every network in interleaved rounds, and add `ms` and `ratio`, medians, to its costs."""
    from ai_edge_litert.interpreter import Interpreter

    networks = {}
    for name, cost in costs.items():
        network = Interpreter(model_path=str(place / cost["file"]), num_threads=1)
        network.allocate_tensors()
        details = network.get_input_details()[0]
        levels = np.random.default_rng(1).integers(-128, 128, details["shape"], dtype=np.int8)
        network.set_tensor(details["index"], levels)
        for _ in range(5):
            network.invoke()
        started = time.perf_counter()
        network.invoke()
        networks[name] = network, max(1, round(ROUND_SECONDS / (time.perf_counter() - started)))
    rounds, end = [], time.perf_counter() + seconds
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


def table(found: dict[str, dict]) -> str:
    """Markdown, in the order given."""
    lines = [
        "| network | input | parameters | MMACs | int8 KiB | ms | of the base |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in found.items():
        lines.append(
            f"| {name} | {row['size']} | {row['parameters']:,} | {row['macs'] / 1e6:.1f} | "
            f"{row['bytes'] / 1024:.0f} | {row['ms']:.3f} | {row['ratio']:.3f} |"
        )
    return "\n".join(lines)


PAGE = """# What the networks cost

Written by `python -m edgefer.train.frontier`. Untrained networks in int8, LiteRT, one thread, on {hardware};
medians, all networks in the same rounds. *Of the base* is the time beside that of `{base}`, the median of
the rounds' ratios. Parameters are those of the exported file: batch normalisation is folded into biases.

{table}
"""


def page(found: dict[str, dict]) -> str:
    """The table as a page of its own, with what it holds for."""
    from edgefer.train.fit import hardware

    return PAGE.format(hardware=hardware(), base=BASE, table=table(found))


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m edgefer.train.frontier", description=__doc__.split("\n")[0]
    )
    parser.add_argument("action", choices=("build", "time"))
    parser.add_argument("directory", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help="candidates; default: all")
    parser.add_argument("--seconds", type=float, default=12.0, help="of timing")
    parser.add_argument("--json", type=Path, help="write the table's numbers here")
    parser.add_argument("--page", type=Path, help="write the table here, as Markdown")
    options = parser.parse_args(argv)
    options.directory.mkdir(parents=True, exist_ok=True)
    record = options.directory / "costs.json"
    costs = json.loads(record.read_text()) if record.exists() else {}
    if options.action == "build":
        for name in options.names or CANDIDATES:
            costs[name] = export(CANDIDATES[name], options.directory, name)
            record.write_text(json.dumps(costs, indent=2) + "\n")
            print(f"{name}: {costs[name]}", flush=True)
        return 0
    costs = {name: costs[name] for name in CANDIDATES if name in costs}
    found = measure(options.directory, costs, options.seconds)
    print(table(found))
    if options.page:
        options.page.write_text(page(found))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
