"""Kernels from several threads at once: the same results, and the GIL held around short work only."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest
from random_cascade import random_cascade
from small_calls import CALLS

from edgefer import kernels

THREADS, ROUNDS = 4, 30


def image(seed: int, height: int = 60, width: int = 83) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def floats(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)


def int8_call(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return kernels.fully_connected_int8(
        rng.integers(-128, 128, (40, 70)).astype(np.int8),
        rng.integers(-128, 128, (33, 70)).astype(np.int8),
        rng.integers(-9999, 9999, 33).astype(np.int32),
        input_zero_point=seed,
        output_zero_point=-3,
        input_scale=0.02,
        weight_scale=0.01,
        output_scale=0.6,
    )


CASCADE = kernels.Cascade(**random_cascade())

# Of each operation one call with a thread's own data.
WITH_OWN_DATA: dict[str, Callable] = {
    "sobel": lambda n: kernels.sobel(image(n)),
    "laplacian": lambda n: kernels.laplacian(image(n), 3),
    "gradients": lambda n: kernels.gradients(image(n)),
    "shi_tomasi": lambda n: kernels.shi_tomasi(image(n), 5),
    "good_corners": lambda n: kernels.good_corners(image(n), 20, 0.01, 3),
    "flow": lambda n: kernels.flow(image(n), image(n + 1), np.full((3, 2), 30, np.float32)),
    "cascade": lambda n: kernels.cascade(image(n), CASCADE, 1 + n % 2),
    "luma": lambda n: kernels.luma(np.dstack([image(n)] * 3), "bgr"),
    "crop_resize": lambda n: kernels.crop_resize(image(n), (3, 3, 50 + n, 40), (24, 31)),
    "stack": lambda n: kernels.stack(
        image(n), (3, 3, 50 + n, 40), (24, 31), ("grey", "gx"), (1.0, 0.25), (-128.0, 0.0)
    ),
    "fully_connected": lambda n: kernels.fully_connected(floats(n, 9, 21), floats(n + 1, 13, 21), floats(2, 13)),
    "fully_connected_int8": int8_call,
}


def in_threads(work: Callable[[int], None]) -> None:
    """Runs work(0), work(1), … at the same time; the first exception of any of them is raised here."""
    errors: list[BaseException] = []
    together = threading.Barrier(THREADS)

    def run(number: int) -> None:
        try:
            together.wait()
            work(number)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # turns so short that calls are interrupted between any two steps
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    if errors:
        raise errors[0]


def same(left: object, right: object) -> bool:
    if isinstance(left, tuple):
        return all(same(a, b) for a, b in zip(left, right, strict=True))
    return np.array_equal(left, right)


def test_every_operation_has_a_call_here():
    assert set(WITH_OWN_DATA) == set(kernels.operations())


@pytest.mark.parametrize("op", kernels.operations())
def test_threads_get_what_one_thread_gets(op):
    call = WITH_OWN_DATA[op]
    expected = [call(number) for number in range(THREADS)]

    def work(number: int) -> None:
        assert all(same(call(number), expected[number]) for _ in range(ROUNDS))

    in_threads(work)


def test_every_kernel_at_once():
    expected = {op: [call(number) for number in range(THREADS)] for op, call in WITH_OWN_DATA.items()}

    def work(number: int) -> None:
        order = list(WITH_OWN_DATA)
        np.random.default_rng(number).shuffle(order)
        for _ in range(5):
            for op in order:
                assert same(WITH_OWN_DATA[op](number), expected[op][number]), op

    in_threads(work)


def float_mlp() -> kernels.Mlp:
    widths = (12, 40, 7)
    layers = zip(widths[1:], widths[:-1], ("sigmoid", "softmax"), strict=True)
    return kernels.Mlp([(floats(o, o, i), floats(i, o), name) for o, i, name in layers])


def int8_mlp() -> kernels.MlpInt8:
    rng = np.random.default_rng(5)
    layers = [
        (
            rng.integers(-128, 128, (outputs, inputs)).astype(np.int8),
            rng.integers(-9999, 9999, outputs).astype(np.int32),
            0.01,
            0.5,
            3,
            "relu",
        )
        for outputs, inputs in ((40, 12), (7, 40))
    ]
    return kernels.MlpInt8(layers, input_scale=0.02, input_zero_point=-5)


@pytest.mark.parametrize("count", [1, 5, 3000], ids=["GIL held", "hidden on the stack", "GIL released"])
@pytest.mark.parametrize(("mlp", "kind"), [(float_mlp(), np.float32), (int8_mlp(), np.int8)], ids=["f32", "int8"])
def test_threads_may_share_a_network(mlp, kind, count):
    inputs = [(20 * floats(number, count, 12)).astype(kind) for number in range(THREADS)]
    expected = [mlp(x) for x in inputs]

    def work(number: int) -> None:
        out = np.empty_like(expected[number])
        for _ in range(ROUNDS):
            np.testing.assert_array_equal(mlp(inputs[number], out), expected[number])

    in_threads(work)


@pytest.mark.parametrize("op", kernels.operations())
def test_a_variant_forced_on_one_thread_is_forced_on_no_other(op):
    names = kernels.variants(op)

    def work(number: int) -> None:
        name = names[number % len(names)]
        for _ in range(ROUNDS):
            with kernels.forced(name):
                CALLS[op]()
                assert kernels._kernels.last_ran() == (op, name)
            CALLS[op]()
            assert kernels._kernels.last_ran() == (op, kernels.active(op))

    in_threads(work)


def turns_of_another_thread(call: Callable[[], object], repeats: int) -> int:
    """How often another thread runs while the calls do, when nobody loses the GIL by the clock."""
    started, done = threading.Event(), threading.Event()
    turns = 0

    def other() -> None:
        nonlocal turns
        started.set()
        while not done.is_set():
            turns += 1
            time.sleep(0)  # gives the GIL back to the call when that is over

    thread = threading.Thread(target=other)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    try:
        thread.start()
        started.wait()
        before = turns
        for _ in range(repeats):  # on a busy machine the other thread may come late to a GIL that is free
            call()
            if turns > before:
                break
        return turns - before
    finally:
        done.set()
        sys.setswitchinterval(interval)
        thread.join()


LARGE, COLOURS = image(0, 2000, 2000), np.zeros((2000, 2000, 3), np.uint8)
POINTS = np.full((9, 2), 1000, np.float32)
DENSE = np.ones((1000, 500), np.float32), np.ones((500, 500), np.float32), np.ones(500, np.float32)
DENSE8 = np.ones((1000, 500), np.int8), np.ones((500, 500), np.int8), np.ones(500, np.int32)
INT8 = {"input_zero_point": 0, "output_zero_point": 0, "input_scale": 1.0, "weight_scale": 1.0, "output_scale": 1.0}
# Nothing but the kernel may give up the GIL: all data are made before.
LONG_CALLS = {
    "sobel": lambda: kernels.sobel(LARGE),
    "laplacian": lambda: kernels.laplacian(LARGE),
    "gradients": lambda: kernels.gradients(LARGE),
    "shi_tomasi": lambda: kernels.shi_tomasi(LARGE),
    "good_corners": lambda: kernels.good_corners(LARGE, 10, 0.5, 50),
    "flow": lambda: kernels.flow(LARGE, LARGE, POINTS),
    "cascade": lambda: kernels.cascade(LARGE[:, :1000], CASCADE),
    "luma": lambda: kernels.luma(COLOURS, "bgr"),
    "crop_resize": lambda: kernels.crop_resize(LARGE, (0, 0, 2000, 2000), (1000, 1000)),
    "stack": lambda: kernels.stack(LARGE, (0, 0, 2000, 2000), (1000, 1000), ("grey",), (1.0,), (-128.0,)),
    "fully_connected": lambda: kernels.fully_connected(*DENSE),
    "fully_connected_int8": lambda: kernels.fully_connected_int8(*DENSE8, **INT8),
}


@pytest.mark.parametrize("op", kernels.operations())
def test_others_run_while_a_long_call_does(op):
    """Another thread can run only if the call gives the GIL up."""
    assert turns_of_another_thread(LONG_CALLS[op], 500) > 0


@pytest.mark.parametrize("op", kernels.operations())
def test_a_short_call_keeps_the_gil(op):
    """Handing it over would take longer than the work, and beside a busy thread cost that one's turn."""
    assert turns_of_another_thread(CALLS[op], 500) == 0
