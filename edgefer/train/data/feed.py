"""What a network is shown, made without end by other processes while it learns."""

from __future__ import annotations

import multiprocessing
import queue
import threading
from collections.abc import Callable, Iterator
from itertools import islice

import cv2
import numpy as np

from edgefer.errors import EdgeferError

#: Seconds without a batch after which it is seen whether any process still makes some.
WAIT_S = 2
#: A batch: arrays with a row for each example.
Batch = tuple[np.ndarray, ...]
#: From a seed to batches without end. Sent to another process, so a function of a module or a partial of one.
Maker = Callable[[int], Iterator[Batch]]


def fed(maker: Maker, seed: int, processes: int, together: int, count: int = 2) -> Iterator[Batch]:
    """Batches of a maker, several put together.

    Args:
        maker: what makes them; of each process from a seed of its own.
        processes: that make them; 0 for a thread of this one.
        together: batches that are put together into one.
        count: of those, how many are made before they are asked for.

    Yields:
        Arrays (together, batch, ...).

    Raises:
        EdgeferError: that of a maker; or none is left that makes any.
    """
    made = maker(seed) if not processes else _elsewhere(maker, seed, processes, 2 * together)

    def stacked() -> Iterator[Batch]:
        while some := list(islice(made, together)):
            yield tuple(np.stack(each) for each in zip(*some, strict=True))

    try:
        yield from ahead(stacked(), count)
    except EdgeferError:
        raise
    except Exception as error:
        raise EdgeferError(f"training data: there are no batches any more: {error}") from error


def ahead(made: Iterator[Batch], count: int = 3) -> Iterator[Batch]:
    """Batches that end, so many of them made by a thread before they are asked for."""
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(count)
    over = threading.Event()

    def gather() -> None:
        last: BaseException | None = None
        try:
            for batch in made:
                while not over.is_set():
                    try:
                        ready.put(batch, timeout=0.2)
                        break
                    except queue.Full:
                        continue
                if over.is_set():
                    return
        except BaseException as error:
            last = error
        ready.put(last)

    threading.Thread(target=gather, daemon=True).start()
    try:
        while (batch := ready.get()) is not None:
            if isinstance(batch, BaseException):
                raise batch
            yield batch
    finally:
        over.set()


def _elsewhere(maker: Maker, seed: int, processes: int, ahead: int) -> Iterator[Batch]:
    # a fork of a process in which Keras runs may hang
    context = multiprocessing.get_context("spawn")
    made = context.Queue(max(ahead, 2 * processes))
    makers = [
        context.Process(target=_make, args=(maker, seed * 1000 + number, made), daemon=True)
        for number in range(processes)
    ]
    for process in makers:
        process.start()
    while True:
        try:
            batch = made.get(timeout=WAIT_S)
        except queue.Empty:
            if not any(process.is_alive() for process in makers):
                raise EdgeferError(f"training data: all {processes} processes that make batches have ended") from None
            continue
        if isinstance(batch, EdgeferError):
            raise batch
        yield batch


def _make(maker: Maker, seed: int, made) -> None:
    cv2.setNumThreads(1)
    try:
        for batch in maker(seed):
            made.put(batch)
    except EdgeferError as error:
        made.put(error)
