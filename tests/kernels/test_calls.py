"""How Python reaches the kernels: parameters, signatures, and what a call leaves behind."""

from __future__ import annotations

import gc
import inspect
import os
import sys

import numpy as np
import pytest
from small_calls import CALLS

from edgefer import kernels

IMAGE = np.zeros((3, 3), np.uint8)


def test_every_operation_has_a_small_call():
    assert set(CALLS) == set(kernels.operations())


@pytest.mark.parametrize("op", kernels.operations())
def test_a_kernel_is_documented_as_it_is_declared(op):
    function = getattr(kernels, op)
    assert function.__name__ == op and function.__module__ == "edgefer.kernels"
    assert "Args:" in inspect.getdoc(function)
    assert inspect.signature(function).return_annotation != inspect.Signature.empty
    assert inspect.isroutine(function)  # help() shows it as a function


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kernels.sobel(), r"sobel\(\) missing argument 'image'"),
        (lambda: kernels.sobel(IMAGE, border="replicate", image=IMAGE), "multiple values for argument"),
        (lambda: kernels.sobel(IMAGE, edge="replicate"), "unexpected keyword argument 'edge'"),
        (lambda: kernels.sobel(IMAGE, "replicate", None, 1), "takes at most 3 arguments by position, got 4"),
        (lambda: kernels.sobel(IMAGE, 3), "sobel: border must be a string, got int"),
        (lambda: kernels.laplacian(IMAGE, 1.0), "laplacian: aperture must be an integer, got float"),
        (lambda: kernels.laplacian(IMAGE, "1"), "laplacian: aperture must be an integer, got str"),
        (lambda: kernels.good_corners(IMAGE, 1, "0.1", 1), "quality_level must be a number, got str"),
        (lambda: kernels.luma(IMAGE, None), "luma: format must be a string, got NoneType"),
        (lambda: kernels.stack(IMAGE, (0, 0, 3, 3), (1, 1), "grey", (1.0,), (0.0,)),
         "stack: channels must be a sequence of names, got str"),
        (lambda: kernels.stack(IMAGE, (0, 0, 3, 3), (1, 1), (1,), (1.0,), (0.0,)),
         "stack: channels must be a string, got int"),
        (lambda: kernels.stack(IMAGE, (0, 0, 3, 3), (1, 1), ("grey",), 1.0, (0.0,)),
         "stack: multipliers must be a sequence of numbers, got float"),
        (lambda: kernels.fully_connected_int8(IMAGE, IMAGE, IMAGE, 0, 0, 1.0, 1.0, 1.0),
         "takes at most 3 arguments by position, got 8"),
        (lambda: kernels.Mlp(), "layers"),
        (lambda: kernels.Mlp([], 1), "Mlp"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_a_type_error_that_names_the_parameter(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_parameters_may_be_given_by_any_equal_name():
    """A keyword that was made at run time is another object than the one in the declaration."""
    made = "".join(["bor", "der"])
    np.testing.assert_array_equal(kernels.sobel(**{made: "replicate", "image": IMAGE}), np.zeros((2, 3, 3)))


def test_numbers_may_be_numpys():
    np.testing.assert_array_equal(kernels.laplacian(IMAGE, np.int64(3)), np.zeros((3, 3)))
    box, size = np.array([0, 0, 3, 3]), np.array([2, 2])
    np.testing.assert_array_equal(kernels.crop_resize(IMAGE, box, size), np.zeros((2, 2)))


@pytest.mark.parametrize("op", kernels.operations())
def test_calls_leave_no_references_behind(op):
    """Blocks of memory that Python holds, before and after many calls, good and bad."""

    def bad():
        with pytest.raises(TypeError):
            getattr(kernels, op)(unknown=1)

    def blocks(call, times: int) -> int:
        for _ in range(times):
            call()
        gc.collect()
        return sys.getallocatedblocks()

    for call in (CALLS[op], bad):
        blocks(call, 20)
        before = blocks(call, 1)
        assert blocks(call, 200) - before < 100


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="ASan keeps what is freed for a while")
def test_an_mlp_is_freed_with_its_weights():
    layers = [(np.ones((512, 512), np.float32), np.ones(512, np.float32), "none")]
    resource = pytest.importorskip("resource")
    for _ in range(20):
        kernels.Mlp(layers)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(100):
        kernels.Mlp(layers)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 << 10  # KiB; a hundred are 100 MiB
