"""Batches that other processes or a thread make."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import pytest

from edgefer.errors import EdgeferError, UsageError
from edgefer.train.data.feed import ahead, fed


def numbered(seed: int) -> Iterator[tuple[np.ndarray, ...]]:
    number = 0
    while True:
        yield np.full((2, 3), number), np.full(2, seed)
        number += 1


def failing(seed: int) -> Iterator[tuple[np.ndarray, ...]]:
    yield (np.zeros(1),)
    raise ValueError("no pictures")


def test_a_thread_gives_them_in_order_several_together():
    batches = fed(numbered, 7, processes=0, together=4)
    first, second = next(batches), next(batches)
    assert [each.shape for each in first] == [(4, 2, 3), (4, 2)]
    assert first[0][:, 0, 0].tolist() == [0, 1, 2, 3] and second[0][:, 0, 0].tolist() == [4, 5, 6, 7]
    assert (first[1] == 7).all()


@pytest.mark.parametrize("together", [1, 3])
def test_processes_have_seeds_of_their_own(together):
    batches = fed(numbered, 7, processes=2, together=together)
    seen: set[int] = set()
    until = time.monotonic() + 60
    while len(seen) < 2 and time.monotonic() < until:
        images, seeds = next(batches)
        assert images.shape == (together, 2, 3)
        seen |= set(seeds.ravel().tolist())
    assert seen == {7000, 7001}


@pytest.mark.parametrize("processes", [0, 1])
def test_a_maker_that_fails_ends_the_feed(processes):
    batches = fed(failing, 0, processes, together=1)
    with pytest.raises(EdgeferError, match="no batches|have ended"):
        for _ in range(3):
            next(batches)


def refusing(seed: int) -> Iterator[tuple[np.ndarray, ...]]:
    raise UsageError("nowhere: no such folder")
    yield


@pytest.mark.parametrize("processes", [0, 1])
def test_what_a_maker_is_told_of_wrong_is_told_on(processes):
    with pytest.raises(UsageError, match=r"^nowhere: no such folder$"):
        next(fed(refusing, 0, processes, together=1))


def test_batches_that_end_come_in_order_and_what_fails_is_raised():
    some = [(np.full(2, number),) for number in range(7)]
    assert [int(batch[0][0]) for batch in ahead(iter(some), 2)] == list(range(7))
    with pytest.raises(ValueError, match="no pictures"):
        list(ahead(failing(0)))


def test_what_nobody_asks_for_any_more_is_no_longer_made():
    made: list[int] = []

    def counted() -> Iterator[tuple[np.ndarray, ...]]:
        for number in range(1000):
            made.append(number)
            yield (np.zeros(1),)

    batches = ahead(counted(), 2)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    time.sleep(0.5)
    assert len(made) < 10
