"""Camera losses of every kind, one after the other: how soon each is seen and the camera back, and what stays behind.

    python tests/soak/losses.py --cycles 1000

The faults are played into a small simulated camera (sources/faults.py) in real time, several cameras side by side; half
of the cameras show a fault until they are opened again. It exits with 1 where a bound is broken.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import threading
import time
from collections import Counter

import numpy as np
from msgspec import Struct
from usage import Usage, usage

from edgefer.loop.capture import Capture
from edgefer.sources.base import NS_PER_S, Source
from edgefer.sources.faults import FaultyDevice
from edgefer.sources.registry import FAULTS
from edgefer.values import Frame

#: The promises: s until a fault is seen, s from the camera's return to its first picture.
SEEN_S, BACK_S = 3.0, 2.0
#: Share of a processor that a camera costs while it is away, at most.
AWAY_CPU = 0.02


class NoiseCamera(Source):
    """160x120 pictures of noise."""

    live = True
    name = "noise"
    size = (160, 120)
    _pictures = np.random.default_rng(0).integers(40, 220, (16, 120, 160), dtype=np.uint8)

    def __init__(self, fps: float = 25.0) -> None:
        self.fps = fps
        self._index = 0
        self._over = threading.Event()
        self._began_ns = time.monotonic_ns()

    def read(self) -> Frame | None:
        if self._over.wait(1 / (self.fps or 1)):
            return None
        now_ns = time.monotonic_ns()
        frame = Frame(self._index, self._pictures[self._index % 16], now_ns - self._began_ns, now_ns)
        self._index += 1
        return frame

    def interrupt(self) -> None:
        self._over.set()

    def close(self) -> None:
        self._over.set()


class Loss(Struct):
    """A fault as the loop met it, s; None for what did not happen."""

    kind: str
    seen_s: float | None = None
    back_s: float | None = None


def is_good(frame: Frame) -> bool:
    """Whether a picture is the camera's own."""
    return frame.grey.shape == (120, 160) and int(frame.grey.max()) > 16


def lose(
    cycles: int, device: FaultyDevice, patience_s: float = 30.0, stop: threading.Event | None = None
) -> tuple[list[Loss], int]:
    """Reads a camera through so many faults.

    Returns:
        The losses; and how often a picture's number or time did not rise.
    """
    capture = Capture(device.open(), reopen=device.open, patience_s=patience_s, endless=True)
    losses: list[Loss] = []
    back_steps, last = 0, (-1, -1)
    try:
        while not (stop is not None and stop.is_set()):
            frame = capture.take(0.02)
            now_s = time.monotonic()
            count = len(device.played)
            if count > len(losses):
                losses.append(Loss(device.played[-1].kind))
                device.holds = True
            if frame is not None:
                back_steps += not (frame.index > last[0] and frame.media_ns > last[1])
                last = frame.index, frame.media_ns
            if not losses:
                continue
            loss, fault = losses[-1], device.played[count - 1]
            if loss.seen_s is None and capture.stalled:
                loss.seen_s = now_s - fault.began_s
            taken_after = frame is not None and frame.captured_ns >= fault.over_s * NS_PER_S
            if loss.back_s is None and taken_after and frame is not None and is_good(frame) and not capture.stalled:
                loss.back_s = max(0.0, now_s - fault.over_s)
                device.holds = False
                if len(losses) >= cycles:
                    break
            if now_s > fault.over_s + 30:
                break
    finally:
        capture.close()
    return losses, back_steps


def cpu_while_away(seconds: float = 5.0) -> float:
    """Share of a processor that this process takes while a camera is unplugged."""
    device = FaultyDevice(NoiseCamera, ("gone",), 0.1, 3600.0)
    capture = Capture(device.open(), reopen=device.open, patience_s=3600.0, endless=True)
    while not capture.stalled:
        capture.take(0.1)
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    while time.monotonic() - began_s < seconds:
        capture.take(0.1)
    share = (time.process_time() - began_cpu_s) / (time.monotonic() - began_s)
    capture.close()
    return share


def play(
    cycles: int, cameras: int, every_s: float = 0.4, lasting_s: float = 3.2
) -> tuple[list[Loss], int, list[Usage]]:
    """That many losses on that many cameras; with what the process holds, from time to time."""
    each = -(-cycles // cameras)
    results: list[tuple[list[Loss], int]] = []

    def work(number: int) -> None:
        kinds = FAULTS[number % len(FAULTS) :] + FAULTS[: number % len(FAULTS)]
        results.append(lose(each, FaultyDevice(NoiseCamera, kinds, every_s, lasting_s, sticks=number % 2 == 1)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(cameras)]
    for thread in threads:
        thread.start()
    usages = []
    while any(thread.is_alive() for thread in threads):
        time.sleep(1.0)
        usages.append(usage())
    losses = [loss for found, _ in results for loss in found]
    return losses, sum(steps for _, steps in results), usages


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cycles", type=int, default=1000)
    parser.add_argument("--cameras", type=int, default=7, help="side by side")
    args = parser.parse_args()
    logging.disable(logging.ERROR)
    away = cpu_while_away()
    began_s = time.monotonic()
    losses, back_steps, usages = play(args.cycles, args.cameras)
    recovered = [loss for loss in losses if loss.back_s is not None]
    print(f"{len(losses)} losses in {time.monotonic() - began_s:.0f} s, {len(recovered)} recovered")
    print("kind     losses  recovered  seen after s p50/max  back after s p50/max")
    counts = Counter(loss.kind for loss in losses)
    for kind in FAULTS:
        seen = [loss.seen_s for loss in losses if loss.kind == kind and loss.seen_s is not None]
        back = [loss.back_s for loss in losses if loss.kind == kind and loss.back_s is not None]
        told = [f"{statistics.median(times):.2f}/{max(times):.2f}" if times else "-" for times in (seen, back)]
        print(f"{kind:<8} {counts[kind]:>6}  {len(back):>9}  {told[0]:>20}  {told[1]:>20}")
    tenth = max(1, len(usages) // 10)
    first, last = usages[tenth : 2 * tenth] or usages, usages[-2 * tenth : -tenth] or usages
    middle = [[statistics.median(values) for values in zip(*part, strict=True)] for part in (first, last)]
    for name, before, after in zip(Usage._fields, *middle, strict=True):
        print(f"{name}: {before:.1f} in the second tenth, {after:.1f} in the last but one")
    print(f"pictures whose number or time ran back: {back_steps}")
    print(f"processor while a camera is away: {100 * away:.2f} %")
    fine = (
        len(recovered) == len(losses) >= args.cycles
        and all(loss.seen_s is not None and loss.seen_s <= SEEN_S for loss in losses)
        and all(loss.back_s is not None and loss.back_s <= BACK_S for loss in losses)
        and middle[1][0] <= middle[0][0] + 2
        and middle[1][1] <= middle[0][1] + 2
        and middle[1][2] <= middle[0][2] + 2.0
        and not back_steps
        and away <= AWAY_CPU
    )
    print("within bounds" if fine else "a bound is broken")
    return 0 if fine else 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # cameras that were left hanging must not hold up the end
