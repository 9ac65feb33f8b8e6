"""What outputs to the network cost a frame, while the network stalls, refuses, or has many viewers.

    python bench/device/outputs.py [--frames 3000] [--fps 30] [--only web]

One process reads the same frames at a camera's pace, in short blocks by turns: without network outputs, again without
them (the difference of these two is what the machine itself adds), and with each. A frame's time runs from its
capture being due until its reading has been handed to every output. The ratio of the 99th percentiles is what is
judged: at most 1.05, the median of what parts of 600 frames give, each compared with the frames without outputs of the
same minute. The second part of the table is the same for what a reading itself tells, latency_ms.total; the
third for the processor time of the loop's thread; the fourth for the time in which it was ready to go on and had no
processor. Other work of the machine spoils the first two and the last.

The pictures have colours as a camera's: YUYV, made BGR where an output asks for it. Viewers are on another machine in
reality: here they run at SCHED_IDLE, in a session of their own, and have the kernel throw away what they are sent.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgefer import assemble, config
from edgefer.labels import FERPLUS8
from edgefer.sinks import start_sink
from edgefer.sinks.registry import OUTPUTS
from edgefer.sources.registry import SOURCES
from edgefer.values import Frame, Health

#: By run, for each of its frames, ms.
Times = dict[str, list[tuple[float, float, float, float]]]

VIEWERS = 10
#: Frames of a block, and of a part with a 99th percentile of its own.
_BLOCK, _PART = 60, 600

_READERS = """
import os, selectors, socket, sys
os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
port, count, reads = (int(word) for word in sys.argv[1:4])
waiting = selectors.DefaultSelector()
room = bytearray(1 << 18)
for _ in range(count):
    one = socket.create_connection(("127.0.0.1", port))
    one.sendall(b"GET /events HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
    waiting.register(one, selectors.EVENT_READ)
print("there", flush=True)
seen = 0
while reads:
    for key, _ in waiting.select():
        if not key.fileobj.recv_into(room, len(room), socket.MSG_TRUNC):
            waiting.unregister(key.fileobj)
sys.stdin.read()
"""


def main() -> int:
    """Prints the table; 1 where an output costs more than it may."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=3000, help="frames of each kind of run")
    parser.add_argument("--fps", type=float, default=30.0, help="pace of the frames")
    parser.add_argument("--only", default="", help="part of the name of a run")
    args = parser.parse_args()
    with contextlib.ExitStack() as cleanup:
        runs = {"none": [], "none, again": []}
        runs |= {name: [sink] for name, sink in _network_outputs(cleanup) if args.only in name}
        times = _measure(runs, args.frames, args.fps)
    return _report(times)


def _network_outputs(cleanup: contextlib.ExitStack) -> Iterator[tuple[str, object]]:
    """Each with the network that it meets."""
    refusing, stalled, page, held = (_free_port() for _ in range(4))
    cleanup.enter_context(_broker_that_takes_nothing(stalled))
    yield "mqtt, stalled", _open(cleanup, f"mqtt:mqtt://127.0.0.1:{stalled},id=bench,readings=yes")
    yield "mqtt, refusing", _open(cleanup, f"mqtt:mqtt://127.0.0.1:{refusing},id=bench,readings=yes")
    figures = _free_port()
    sink = _open(cleanup, f"metrics:{figures}")
    sink.report(_health())
    for _ in range(4):
        client = cleanup.enter_context(_connected(figures))
        client.sendall(b"GET /metr")
    yield "metrics, clients stalled", sink
    for name, port, reads in ((f"web, {VIEWERS} viewers", page, 1), (f"web, {VIEWERS} stalled", held, 0)):
        sink = _open(cleanup, f"web:{port}")
        sink.report(_health())
        _connected(port).close()
        readers = subprocess.Popen(
            [sys.executable, "-c", _READERS, str(port), str(VIEWERS), str(reads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        cleanup.callback(readers.kill)
        assert readers.stdout is not None and readers.stdout.readline() == b"there\n"
        yield name, sink


def _open(cleanup: contextlib.ExitStack, text: str):
    sink = start_sink(OUTPUTS.parse(text), labels=FERPLUS8, title="bench", fps=30.0, drop=True)
    cleanup.callback(sink.close, 2.0)
    return sink


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _connected(port: int) -> socket.socket:
    deadline = time.monotonic() + 30
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


@contextlib.contextmanager
def _broker_that_takes_nothing(port: int) -> Iterator[None]:
    """It accepts a connection (CONNACK), and reads no byte of what comes then."""
    held = []
    with socket.create_server(("127.0.0.1", port)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    client.recv(4096)
                    client.sendall(b"\x20\x02\x00\x00")
                    held.append(client)

        threading.Thread(target=serve, daemon=True).start()
        yield


def _health() -> Health:
    return Health(1, 0, 1, 30.0, 5.0, 0, 0, None, False, "running")


def _measure(runs: dict[str, list], frames: int, fps: float) -> Times:
    """The times of the frames, ms, by run: see _report."""
    settings = config.load_profile("generic")
    assemble.prepare_process(settings)
    pipeline = assemble.Parts(settings).pipeline(None, True)
    source = SOURCES.choose("demo", seconds=4).make()
    pictures = []
    while (picture := source.read()) is not None:
        pictures.append(_as_of_a_camera(picture))
    times: Times = {name: [] for name in runs}
    waits = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
    count, period_s = 0, 1 / fps
    shuffled = random.Random(1)
    for _ in range(_BLOCK):  # warm up
        pipeline.process(_again(pictures, count))
        count += 1
    for _ in range(-(-frames // _BLOCK)):
        for name in shuffled.sample(list(runs), len(runs)):
            for sink in runs[name]:
                sink.report(_health())
            due_s = time.monotonic()
            for _ in range(_BLOCK):
                due_s = max(due_s + period_s, time.monotonic())
                picture = _again(pictures, count)
                count += 1
                time.sleep(max(0.0, due_s - time.monotonic()))
                waited_ns = int(waits.read_text().split()[1])
                begin_s, began_s = time.monotonic(), time.thread_time()
                reading = pipeline.process(picture)
                for sink in runs[name]:
                    sink.write(reading, picture)
                spent_s, busy_s = time.monotonic() - begin_s, time.thread_time() - began_s
                waited_ns = int(waits.read_text().split()[1]) - waited_ns
                times[name].append((1000 * spent_s, reading.latency_ms["total"], 1000 * busy_s, waited_ns / 1e6))
    return times


def _as_of_a_camera(picture: Frame) -> Frame:
    """The picture with its colours as YUYV, as most cameras give them.

    The demo draws its colours when they are asked for, which takes a hundred times as long as converting a camera's.
    """
    import cv2

    assert picture.bgr is not None
    yuv = cv2.cvtColor(picture.bgr(), cv2.COLOR_BGR2YUV)
    pairs = np.dstack([picture.grey, yuv[..., 1]])
    pairs[:, 1::2, 1] = yuv[:, 1::2, 2]
    picture.bgr = lambda: cv2.cvtColor(pairs, cv2.COLOR_YUV2BGR_YUYV)
    return picture


def _again(pictures, index):
    """The film over and over, at rising times; there and back, so that nothing jumps."""
    import msgspec

    turn = index % (2 * len(pictures) - 2)
    picture = pictures[turn if turn < len(pictures) else 2 * len(pictures) - 2 - turn]
    return msgspec.structs.replace(
        picture, index=index, media_ns=index * 33_333_333, captured_ns=time.monotonic_ns(), source="bench"
    )


def _report(times: Times) -> int:
    worst = 0.0
    for number, title in enumerate(("until the hand-over", "latency_ms.total", "processor time")):
        base = _slowest([times["none"], times["none, again"]], number)
        print(f"{title:<26}{'frames':>7}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'p99 ratio':>11}")
        for name, values in times.items():
            p50, p95, p99 = np.percentile([each[number] for each in values], (50, 95, 99))
            ratio = float(np.median(_slowest([values], number) / base))
            worst = max(worst, ratio)
            print(f"{name:<26}{len(values):>7}{p50:>9.2f}{p95:>9.2f}{p99:>9.2f}{ratio:>11.3f}")
    print(f"{'without a processor':<26}{'frames':>7}{'mean us':>9}{'p99 ms':>9}")
    for name, values in times.items():
        waited = [each[3] for each in values]
        print(f"{name:<26}{len(values):>7}{1000 * np.mean(waited):>9.0f}{np.percentile(waited, 99):>9.2f}")
    print("Viewers run here, at SCHED_IDLE: what is left of their share of this machine is counted against the page.")
    return int(worst > 1.05)


def _slowest(runs: list[list[tuple[float, float, float, float]]], number: int) -> np.ndarray:
    """The 99th percentile of each part, of all these runs together."""
    parts = max(1, len(runs[0]) // _PART)
    figures = [np.array_split([each[number] for each in values], parts) for values in runs]
    return np.array([np.percentile(np.concatenate(part), 99) for part in zip(*figures, strict=True)])


if __name__ == "__main__":
    sys.exit(main())
