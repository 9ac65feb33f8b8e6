"""What the benches share: where results are kept, what machine they are from, how they are printed; and two codes
timed side by side."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from edgefer.sources import open_source
from edgefer.support.cpu import model_name
from edgefer.values import Frame

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results"


def frames_of(spec: str, limit: int | None = None) -> list[Frame]:
    """The first frames of a source."""
    source = open_source(spec)
    frames = list(islice(iter(source.read, None), limit))
    source.close()
    return frames


def machine() -> dict[str, str]:
    """What the figures were measured on: processor, cores, Python and the commit."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True)
    return {
        "cpu": f"{model_name()} ({platform.machine()})",
        "cores": str(os.cpu_count()),
        "python": platform.python_version(),
        "commit": commit.stdout.strip() or "unknown",
    }


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table whose columns line up in a terminal as well."""
    widths = [max(len(str(row[i])) for row in [header, *rows]) for i in range(len(header))]
    lines = [header, ["-" * width for width in widths], *rows]
    padded = [[str(cell).ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def whole_frame_table(result: dict) -> str:
    """What one frame costs, compared with the usual pipelines."""
    rows = []
    for source, entry in result["sources"].items():
        ours = next(iter(entry["pipelines"].values()))
        for name, row in entry["pipelines"].items():
            cells = [f"{row[key]:.2f}" for key in ("mean_ms", "p50_ms", "p99_ms")]
            ratios = [f"{row[key] / ours[key]:.1f}" for key in ("mean_ms", "p50_ms")]
            rows.append([source, name, *cells, *ratios, f"{row['frames_with_face']:.1%}"])
    header = ["source", "pipeline", "mean ms", "p50 ms", "p99 ms", "mean / ours", "p50 / ours", "face found in"]
    return table(header, rows)


def kernel_table(rows: list[dict]) -> str:
    """The kernels compared with their peers: medians, and the ratio with its quartiles."""
    cells = []
    for row in rows:
        bar = "" if row["bar"] is None else f"{row['bar']:g}"
        met = "" if row["bar"] is None else "yes" if row["ratio"] >= row["bar"] else "no"
        spread = f"{row['low']:.2f} to {row['high']:.2f}"
        times = f"{row['ours_us']:.2f}", f"{row['peer_us']:.2f}"
        cells.append([row["kernel"], row["size"], row["peer"], *times, f"{row['ratio']:.2f}", spread, bar, met])
    header = ["kernel", "size", "compared with", "ours, us", "peer, us", "ratio", "quartiles", "bar", "met"]
    return table(header, cells)


def instruction_table(result: dict) -> str:
    """Bytes and instructions for a unit of work, by variant."""
    rows = []
    for work, entry in result["works"].items():
        moved = "" if entry["bytes"] is None else f"{entry['bytes']:.2g}"
        counts = (entry["instructions"].get(variant) for variant in ("scalar", "sse41", "avx2"))
        cells = ["" if count is None else f"{count:.3g}" if count < 1000 else f"{count:.0f}" for count in counts]
        rows.append([work, entry["unit"], moved, *cells])
    return table(["kernel", "per", "bytes moved", "scalar", "SSE4.1", "AVX2"], rows)


ROUNDS = 41
#: Each code runs this long in a round, so that the clock's own cost does not count.
SAMPLE_NS = 1_000_000


@dataclass(frozen=True)
class Pair:
    """Nanoseconds a call, the medians over the rounds, and the spread of the ratio peer / ours.

    Attributes:
        low, ratio, high: lower quartile, median and upper quartile of the rounds' ratios.
    """

    ours_ns: float
    peer_ns: float
    low: float
    ratio: float
    high: float


def _calls(run: Callable) -> int:
    """How often `run` fits into a sample, once it is warm."""
    count = 1
    while True:
        began = time.perf_counter_ns()
        for _ in range(count):
            run()
        taken = time.perf_counter_ns() - began
        if taken >= SAMPLE_NS / 4:
            return max(1, round(count * SAMPLE_NS / taken))
        count *= 4


def _sample(run: Callable, count: int) -> float:
    began = time.perf_counter_ns()
    for _ in range(count):
        run()
    return (time.perf_counter_ns() - began) / count


def paired(ours: Callable, peer: Callable, rounds: int = ROUNDS) -> Pair:
    """Times two functions in turn, each first in every other round, so that a noisy moment meets both alike."""
    count_ours, count_peer = _calls(ours), _calls(peer)
    samples = np.empty((rounds, 2))
    for i in range(rounds):
        if i % 2:
            samples[i, 1] = _sample(peer, count_peer)
            samples[i, 0] = _sample(ours, count_ours)
        else:
            samples[i, 0] = _sample(ours, count_ours)
            samples[i, 1] = _sample(peer, count_peer)
    low, ratio, high = np.percentile(samples[:, 1] / samples[:, 0], [25, 50, 75])
    ours_ns, peer_ns = np.median(samples, axis=0)
    return Pair(float(ours_ns), float(peer_ns), float(low), float(ratio), float(high))
