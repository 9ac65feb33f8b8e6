"""What networks cost and what they are worth: the frontier of accuracy and latency, docs/frontier.md.

    python -m edgefer.train.frontier build DIRECTORY [NAME ...]   export networks to be timed
    python -m edgefer.train.frontier time DIRECTORY               time them
    python -m edgefer.train.frontier judge                        judge the shipped models on FER-2013 as well
    python -m edgefer.train.frontier page                         write the page and the picture

Weights do not matter for speed, so the networks are exported untrained. Times are of LiteRT with one thread;
all networks are timed in the same rounds, and a ratio is the median of the rounds' ratios to BASE. Absolute
times hold only on the machine they were taken on. What was measured is kept in bench/results/frontier.json,
to which `python bench/peers.py` adds networks of others. Accuracies on FER+ are those of reproduction.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgefer import recognize
from edgefer.errors import EdgeferError, UsageError
from edgefer.measure import datasets
from edgefer.measure.evaluate import evaluate
from edgefer.measure.statistics import summary
from edgefer.models import store
from edgefer.train import report
from edgefer.train.architectures import ARCHITECTURES, build
from edgefer.train.architectures.edgefer import CONFIGURATIONS, Configuration, Stage
from edgefer.train.settings import Settings, find_data

BASE = "pandey grey+sobel"
RECORD = report.ROOT / "bench" / "results" / "frontier.json"
PAGE = report.ROOT / "docs" / "frontier.md"
PICTURE = PAGE.with_suffix(".png")
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
    **{
        f"{name} at 64": Candidate(name, size=64, configuration=replace(found, size=64))
        for name, found in CONFIGURATIONS.items()
    },
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


#: The recipes that train a network that is timed, by what they are judged on.
TRAINED: dict[str, dict[str, str]] = {
    "FER+": {
        BASE: "ferplus-sobel",
        "pandey shared grey+sobel": "ferplus-sobel-parallel",
        "vgg13 grey": "vgg13-grey",
        "edgefer-s": "edgefer-s",
        "edgefer-nano": "edgefer-nano",
    },
    "FER-2013": {
        "rtnn grey": "rtnn-grey",
        "breuer grey": "breuer-grey",
        "edgefer-s": "fer2013-edgefer-s",
        "edgefer-nano": "fer2013-edgefer-nano",
    },
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
        # a network of others may be in float
        x = levels if details["dtype"] == np.int8 else (levels / 128).astype(np.float32)
        network.set_tensor(details["index"], x)
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


def remember(networks: dict[str, dict], record: Path = RECORD, hardware: str = "") -> None:
    """Add what was found of networks to what is known of them."""
    known = json.loads(record.read_text()) if record.exists() else {"hardware": hardware, "networks": {}}
    known["hardware"] = hardware or known["hardware"]
    for name, found in networks.items():
        known["networks"][name] = {**known["networks"].get(name, {}), **found}
    record.write_text(json.dumps(known, indent=2) + "\n")


def judge() -> dict[str, dict]:
    """The shipped models of networks that are timed, judged on val of FER-2013, 7 classes.

    Raises:
        UsageError: the data is not there.
    """
    data = datasets.load(find_data(Settings.data), "val", "basic7")
    found = {}
    for name, recipe in TRAINED["FER+"].items():
        if recipe in store.shipped():
            judged = evaluate(recognize.open(recipe), data)
            found[name] = {"fer2013": {"accuracy": judged.accuracy, "rows": judged.rows, "int8": True}}
    return found


def accuracies(networks: dict[str, dict]) -> dict[str, dict[str, tuple[float, bool]]]:
    """What is known of networks, by what they were judged on: percent, and whether it is of the int8 form.

    The int8 form of a shipped model goes before the float network, and one trained for the seven classes
    before one of eight that is judged on them. Of repeated runs it is the average.
    """
    runs, models = report.runs_on_record(), report.shipped()
    found: dict[str, dict[str, tuple[float, bool]]] = {}
    for judged, recipes in TRAINED.items():
        found[judged] = {}
        for name, recipe in recipes.items():
            members = report.members(runs, recipe)
            if recipe in models:
                found[judged][name] = models[recipe].metrics.accuracy_int8, True
            elif members:
                found[judged][name] = summary([run.accuracy for run in members]).average, False
    for name, row in networks.items():
        for judged, key in (("FER+", "ferplus"), ("FER-2013", "fer2013")):
            if key in row:
                found[judged].setdefault(name, (row[key]["accuracy"], row[key]["int8"]))
    return found


def table(found: dict[str, dict]) -> str:
    """Markdown, in the order given."""
    known = accuracies(found)
    lines = [
        "| network | input | parameters | MMACs | KiB | ms | of the base | FER+ % | FER-2013 % |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in found.items():
        counts = [f"{row['parameters']:,}", f"{row['macs'] / 1e6:.1f}"] if "macs" in row else ["", ""]
        cells = [name, str(row["size"]), *counts, f"{row['bytes'] / 1024:.0f}", f"{row['ms']:.3f}"]
        cells.append(f"{row['ratio']:.3f}")
        for by_name in known.values():
            percent, int8 = by_name.get(name, (None, False))
            cells.append("" if percent is None else f"{percent:.2f}" + ("" if int8 else " (float)"))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


HEAD = """# What the networks cost, and what they are worth

Written by `python -m edgefer.train.frontier`. Untrained networks in int8, LiteRT, one thread, on {hardware};
medians, all networks in the same rounds. *Of the base* is the time beside that of `{base}`, the median of
the rounds' ratios. Parameters are those of the exported file: batch normalisation is folded into biases.
Accuracies are on val: on FER+ by the majority rule, 8 classes, and on FER-2013, 7 classes; where it says
float, of the network before quantisation. The two sets label the same images, and often not alike. A
network trained for FER+ is judged on FER-2013 by its seven classes. Peers are networks of others, trained for
FER-2013, in float as they are published, timed in rounds of their own beside the base network; on FER+ they
are wrong where contempt is right.

![accuracy over time](frontier.png)

{owed}

{table}
"""


def page(record: Path = RECORD) -> str:
    """The page: every network that was timed, and which accuracies are owed."""
    known = json.loads(record.read_text())
    have = accuracies(known["networks"])
    owed = "; ".join(
        f"{judged}: {', '.join(names)}"
        for judged, recipes in TRAINED.items()
        if (names := [name for name in recipes if name not in have[judged]])
    )
    owed = (
        f"Not in the picture, since no figures are on record: {owed}. `make train-all` trains what is owed."
        if owed
        else ""
    )
    return HEAD.format(hardware=known["hardware"], base=BASE, owed=owed, table=table(known["networks"]))


def draw(path: Path = PICTURE, record: Path = RECORD) -> None:
    """The picture: accuracy over time, a panel for each data set; the line is the frontier."""
    from matplotlib import pyplot

    networks = json.loads(record.read_text())["networks"]
    have = accuracies(networks)
    figure, panels = pyplot.subplots(1, len(have), figsize=(11, 4.4), layout="constrained")
    for axes, (judged, points) in zip(panels, have.items(), strict=True):
        named = []
        for name, (percent, int8) in points.items():
            x = networks[name]["ratio"]
            # below the point where the name of one close by stands above
            crowded = any(abs(np.log(x / other)) < 0.5 and abs(percent - y) < 1 for other, y in named)
            named.append((x, percent))
            colour = "#c0392b" if name.startswith("edgefer") else "#8a8f98" if "peer" in name else "#2f6f9f"
            axes.plot(x, percent, "o", color=colour, fillstyle="full" if int8 else "none")
            offset = (6, -11) if crowded else (6, 4)
            axes.annotate(name, (x, percent), offset, textcoords="offset points", fontsize=8)
        best = frontier([(networks[name]["ratio"], percent) for name, (percent, _) in points.items()])
        if best:
            axes.step(*zip(*best, strict=True), where="post", color="black", linewidth=0.7, zorder=0)
        axes.set_xscale("log")
        axes.set_xlim(0.045, 8)
        axes.set_xticks([0.05, 0.1, 0.2, 0.5, 1, 2, 5], ["0.05", "0.1", "0.2", "0.5", "1", "2", "5"])
        axes.set_xticks([], minor=True)
        axes.margins(y=0.2)
        axes.set_xlabel("time of the network, of the base network's")
        axes.set_ylabel(f"accuracy on val of {judged}, %")
        axes.grid(alpha=0.3)
    figure.suptitle("filled: int8, hollow: float; red: ours, blue: the papers', grey: peers", fontsize=9)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)


def write() -> None:
    """Page and picture."""
    PAGE.write_text(page())
    draw()


def frontier(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points, by rising time, that no faster one reaches in accuracy."""
    best: list[tuple[float, float]] = []
    for x, y in sorted(points, key=lambda point: (point[0], -point[1])):
        if not best or y > best[-1][1]:
            best.append((x, y))
    return best


def main(argv: list[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m edgefer.train.frontier", description=__doc__.split("\n")[0]
    )
    parser.add_argument("action", choices=("build", "time", "judge", "page"))
    parser.add_argument("directory", type=Path, nargs="?", help="of the exported networks: build and time")
    parser.add_argument("names", nargs="*", metavar="NAME", help="candidates to build; default: all")
    parser.add_argument("--seconds", type=float, default=12.0, help="of timing")
    options = parser.parse_args(argv)
    try:
        if options.action in ("build", "time"):
            if options.directory is None:
                raise UsageError(f"{options.action}: needs the directory of the exported networks")
            _build_or_time(options)
        elif options.action == "judge":
            remember(judge())
        if options.action != "build":
            write()
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
    found = measure(options.directory, costs, options.seconds)
    print(table(found))
    remember(found, hardware=hardware())


if __name__ == "__main__":
    sys.exit(main())
