"""The C functions of csrc/c/edgefer.h: the library as a program without Python sees it, loaded through cffi.

`make library` builds it, so that what is tested is what is shipped.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest
import reference
from random_cascade import random_cascade

import edgefer
from edgefer import kernels

cffi = pytest.importorskip("cffi")

ROOT = Path(__file__).parents[2]
HEADER = ROOT / "csrc" / "c" / "edgefer.h"
OK, BAD_ARGUMENT, NO_MEMORY, BAD_ISA = range(4)
BORDERS = ("replicate", "reflect101")
FORMATS = ("yuyv", "nv12", "bgr")
METHODS = ("auto", "area", "bilinear")
CHANNELS = ("grey", "gx", "gy", "laplacian")
ACTIVATIONS = ("none", "sigmoid", "relu", "softmax")
CLAMPS = ("none", "relu", "relu6", "relu_n1_to_1")
C_TYPES = {"u1": "uint8_t", "i1": "int8_t", "i2": "int16_t", "i4": "int32_t", "f4": "float", "f8": "double"}

ffi = cffi.FFI()


def declarations() -> str:
    """The header as cffi reads it: preprocessed, without the system's headers and without pragmas."""
    text = re.sub(r"#include <.*>", "", HEADER.read_text())
    preprocessed = subprocess.run(["cc", "-E", "-P", "-"], input=text, capture_output=True, text=True, check=True)
    return "\n".join(line for line in preprocessed.stdout.splitlines() if not line.startswith("#"))


@pytest.fixture(scope="module")
def library() -> Path:
    """libedgefer.so, built where it is not up to date."""
    environment = {key: value for key, value in os.environ.items() if key not in ("MAKEFLAGS", "MAKELEVEL")}
    command = ["make", "--silent", f"-j{os.cpu_count()}", "library"]
    subprocess.run(command, cwd=ROOT, env=environment, check=True)
    return ROOT / "build" / "libedgefer.so"


@pytest.fixture(scope="module")
def lib(library):
    ffi.cdef(declarations())
    return ffi.dlopen(str(library))


def variants_of(*ops: str):
    """Every variant that all these operations have, and the one chosen by itself (None)."""
    names = [name for name in kernels.variants(ops[0]) if all(name in kernels.variants(op) for op in ops)]
    return pytest.mark.parametrize("variant", [*names, None], indirect=True, ids=[*names, "chosen by itself"])


@pytest.fixture
def variant(request, lib):
    """The named variant on this thread, for the time of a test."""
    assert lib.edgefer_use_variant(request.param.encode() if request.param else ffi.NULL) == OK
    yield request.param
    assert lib.edgefer_use_variant(ffi.NULL) == OK


def pointer(array: np.ndarray):
    return ffi.cast(C_TYPES[array.dtype.str[1:]] + " *", array.ctypes.data)


def image_arguments(image: np.ndarray) -> tuple:
    return pointer(image), image.shape[0], image.shape[1], image.strides[0] // image.itemsize


def output_arguments(out: np.ndarray) -> tuple:
    return pointer(out), out.strides[0] // out.itemsize


def run(lib, status: int) -> None:
    assert status == OK, ffi.string(lib.edgefer_last_error())


def random_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def roomy(height: int, width: int, dtype) -> np.ndarray:
    """A view for an output, upside down in memory, with gaps between its rows."""
    return np.full((height, width + 7), 77, dtype)[::-1, 3 : 3 + width]


SHAPES = [(1, 1), (1, 40), (5, 3), (33, 65), (48, 64)]
shapes = pytest.mark.parametrize("shape", SHAPES, ids=[f"{h}x{w}" for h, w in SHAPES])


# -------------------------------------------------------------------------------- every kernel, bit for bit


@variants_of("sobel", "laplacian", "gradients")
@shapes
@pytest.mark.parametrize("border", BORDERS)
def test_sobel_laplacian_and_gradients_equal_python_and_the_equation(lib, variant, shape, border):
    image = random_image(*shape)[::-1]
    edge = BORDERS.index(border)
    gx, gy, second = (roomy(*shape, np.int16) for _ in range(3))
    run(lib, lib.edgefer_sobel(*image_arguments(image), edge, *output_arguments(gx), *output_arguments(gy)))
    for got, python, equation in zip(
        (gx, gy), kernels.sobel(image, border), reference.sobel(image, border), strict=True
    ):
        np.testing.assert_array_equal(got, python)
        np.testing.assert_array_equal(got, equation)
    for aperture in (1, 3):
        out = roomy(*shape, np.int16)
        run(lib, lib.edgefer_laplacian(*image_arguments(image), aperture, edge, *output_arguments(out)))
        np.testing.assert_array_equal(out, kernels.laplacian(image, aperture, border))
        np.testing.assert_array_equal(out, reference.laplacian(image, aperture, border))
        outputs = [argument for each in (gx, gy, second) for argument in output_arguments(each)]
        run(lib, lib.edgefer_gradients(*image_arguments(image), aperture, edge, *outputs))
        for got, python in zip((gx, gy, second), kernels.gradients(image, aperture, border), strict=True):
            np.testing.assert_array_equal(got, python)
        np.testing.assert_array_equal(second, out)
    assert (gx.base[:, :3] == 77).all() and (gx.base[:, 3 + shape[1] :] == 77).all()


@variants_of("shi_tomasi")
@shapes
@pytest.mark.parametrize("block_size", [3, 15])
def test_shi_tomasi_equals_python(lib, variant, shape, block_size):
    image = random_image(*shape)
    for border in BORDERS:
        score = roomy(*shape, np.float32)
        arguments = (*image_arguments(image), block_size, BORDERS.index(border), *output_arguments(score))
        run(lib, lib.edgefer_shi_tomasi(*arguments))
        np.testing.assert_array_equal(score, kernels.shi_tomasi(image, block_size, border))
        exact = reference.shi_tomasi(image, block_size, border).astype(np.float64)
        np.testing.assert_allclose(score, exact, rtol=1e-5, atol=1e-5 * exact.max())


@variants_of("good_corners")
@pytest.mark.parametrize("most", [1, 10, 10_000])
@pytest.mark.parametrize("masked", [False, True], ids=["everywhere", "masked"])
def test_good_corners_equal_python_and_the_rule(lib, variant, masked, most):
    image = random_image(60, 80)
    mask = (random_image(60, 80, seed=1) > 99).astype(np.uint8) if masked else None
    corners, count = ffi.new("edgefer_corner[]", most), ffi.new("ptrdiff_t *")
    mask_arguments = output_arguments(mask) if masked else (ffi.NULL, 0)
    run(lib, lib.edgefer_good_corners(*image_arguments(image), *mask_arguments, 0.05, 4.0, 3, corners, most, count))
    got = np.array([(corners[i].x, corners[i].y) for i in range(count[0])], np.float32).reshape(-1, 2)
    np.testing.assert_array_equal(got, kernels.good_corners(image, most, 0.05, 4.0, mask, 3))
    score = kernels.shi_tomasi(image, 3, "reflect101")
    np.testing.assert_array_equal(got, reference.good_corners(score, most, 0.05, 4.0, mask))
    assert len(got) <= most and len(got) > 0


CASCADE_ARRAYS = ("rectangles", "weights", "thresholds", "leaves")


def cascade_create(lib, model: dict, handle, **changed) -> int:
    arguments = {
        "width": model["width"],
        "height": model["height"],
        **{name: pointer(model[name]) for name in CASCADE_ARRAYS},
        "trees": len(model["leaves"]),
        "stages": pointer(model["stages"]),
        "stage_thresholds": pointer(model["stage_thresholds"]),
        "stage_count": len(model["stages"]),
    }
    return lib.edgefer_cascade_create(*(arguments | changed).values(), handle)


@variants_of("cascade")
@pytest.mark.parametrize("step", (1, 2))
def test_cascade_windows_equal_python_and_the_definition(lib, variant, step):
    model = random_cascade()
    image = np.kron(random_image(9, 15), np.ones((4, 4), np.uint8))[::-1]
    handle, count = ffi.new("edgefer_cascade **"), ffi.new("ptrdiff_t *")
    run(lib, cascade_create(lib, model, handle))
    windows = ffi.new("edgefer_corner[800]")
    run(lib, lib.edgefer_cascade_windows(handle[0], *image_arguments(image), step, windows, 800, count))
    got = np.array([(windows[i].x, windows[i].y) for i in range(count[0])], np.int32)
    np.testing.assert_array_equal(got, kernels.cascade(image, kernels.Cascade(**model), step))
    np.testing.assert_array_equal(got, reference.cascade(image, model, step))
    windows[3].x = -7
    run(lib, lib.edgefer_cascade_windows(handle[0], *image_arguments(image), step, windows, 3, count))
    assert count[0] == len(got)
    assert windows[3].x == -7
    lib.edgefer_cascade_free(handle[0])
    lib.edgefer_cascade_free(ffi.NULL)


def test_a_wrong_cascade_is_refused_and_leaves_no_handle(lib):
    model, handle = random_cascade(), ffi.new("edgefer_cascade **", ffi.cast("edgefer_cascade *", 1))
    for changed, message in (
        ({"width": 33}, "cascade: window must be 3 to 32 pixels a side, got 33 x 20"),
        ({"leaves": ffi.NULL}, "cascade_create: leaves must not be null"),
        ({"trees": 0}, "cascade_create: tree_count must be at least 1, got 0"),
        ({"stage_count": 2}, "cascade: stages must have 15 trees together, got 9"),
    ):
        assert cascade_create(lib, model, handle, **changed) == BAD_ARGUMENT
        assert ffi.string(lib.edgefer_last_error()).decode() == message
        assert handle[0] == ffi.NULL
    run(lib, cascade_create(lib, model, handle))
    image, windows, count = random_image(30, 30), ffi.new("edgefer_corner[9]"), ffi.new("ptrdiff_t *")
    wide = np.zeros((20, 1300), np.uint8)
    given = image_arguments(image)
    for arguments, message in (
        ((ffi.NULL, *given, 1, windows, 9, count), "cascade must not be null"),
        ((handle[0], *given, 0, windows, 9, count), "step must be 1 or 2, got 0"),
        ((handle[0], *given, 1, windows, 0, count), "max_windows must be at least 1, got 0"),
        ((handle[0], *given, 1, windows, 9, ffi.NULL), "window_count must not be null"),
        ((handle[0], *image_arguments(wide), 1, windows, 9, count), "image must be at most 1264 wide"),
    ):
        assert lib.edgefer_cascade_windows(*arguments) == BAD_ARGUMENT
        assert message in ffi.string(lib.edgefer_last_error()).decode()
    lib.edgefer_cascade_free(handle[0])


@variants_of("flow")
def test_flow_equals_python_and_the_definition(lib, variant):
    before = np.kron(random_image(12, 15), np.ones((5, 5), np.uint8))
    after = np.roll(before, (1, 2), (0, 1))[::-1]
    points = np.array([(x, y) for y in range(0, 60, 7) for x in range(0, 75, 7)], np.float32)
    there, error = np.empty_like(points), np.empty(len(points), np.float32)
    given = (*image_arguments(before), *output_arguments(after), pointer(points), len(points))
    run(lib, lib.edgefer_flow(*given, 7, 3, pointer(there), pointer(error)))
    python, expected = kernels.flow(before, after, points, 7, 3), reference.flow(before, after, points, 7, 3)
    np.testing.assert_array_equal(error, python[1])
    np.testing.assert_array_equal(error, expected[1])
    kept = np.isfinite(error)
    assert kept.any() and not kept.all()
    np.testing.assert_array_equal(there[kept], python[0][kept])
    np.testing.assert_array_equal(there[kept], expected[0][kept])


@variants_of("luma")
@pytest.mark.parametrize("format", FORMATS)
def test_luma_equals_python_and_bt601(lib, variant, format):
    rng = np.random.default_rng(0)
    shape = {"yuyv": (34, 70, 2), "nv12": (51, 70), "bgr": (34, 70, 3)}[format]
    frame = rng.integers(0, 256, shape, dtype=np.uint8)
    out = roomy(34, 70, np.uint8)
    arguments = (pointer(frame), 34, 70, frame.strides[0], FORMATS.index(format), *output_arguments(out))
    run(lib, lib.edgefer_luma(*arguments))
    np.testing.assert_array_equal(out, kernels.luma(frame, format))
    np.testing.assert_array_equal(out, reference.luma(frame, format))


BOXES = [(0, 0, 90, 70), (10.3, 5.5, 60.9, 49.1), (-20, -5, 30, 30), (85, 60, 300, 90), (500, 500, 501, 502)]
boxes = pytest.mark.parametrize("box", BOXES, ids=["all", "inside", "top left", "bottom right", "outside"])


@variants_of("crop_resize")
@boxes
@pytest.mark.parametrize("method", METHODS)
def test_crop_resize_equals_python_and_the_equation(lib, variant, method, box):
    image = random_image(70, 90)
    out = roomy(24, 33, np.uint8)
    result, stride = output_arguments(out)
    arguments = (*image_arguments(image), box, METHODS.index(method), result, 24, 33, stride)
    run(lib, lib.edgefer_crop_resize(*arguments))
    np.testing.assert_array_equal(out, kernels.crop_resize(image, box, (24, 33), method))
    np.testing.assert_array_equal(out, reference.crop_resize(image, box, (24, 33), method))


@variants_of("stack")
@boxes
@pytest.mark.parametrize("channels", [(0,), (1, 2), (3, 0, 2), (0, 1, 2, 3)], ids=["1", "2", "3", "4"])
def test_stack_equals_python_and_the_equation(lib, variant, channels, box):
    image = random_image(70, 90)
    names = [CHANNELS[c] for c in channels]
    multipliers, offsets = [0.5, 0.11, 0.125, 0.3][: len(channels)], [-128.0, 0.5, 3.0, 1.0][: len(channels)]
    out = np.full((17, 33, len(channels)), 77, np.int8)
    run(
        lib,
        lib.edgefer_stack(
            *image_arguments(image), box, 0, channels, multipliers, offsets, len(channels), pointer(out), 17, 33
        ),
    )
    np.testing.assert_array_equal(out, kernels.stack(image, box, (17, 33), names, multipliers, offsets))
    np.testing.assert_array_equal(out, reference.stack(image, box, (17, 33), names, multipliers, offsets))


def dense(outputs: int, inputs: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = (outputs, inputs)
    return rng.standard_normal(shape, dtype=np.float32), rng.standard_normal(outputs, dtype=np.float32)


@variants_of("fully_connected")
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_fully_connected_equals_python_and_float64(lib, variant, activation):
    weights, bias = dense(7, 12, 1)
    x = np.random.default_rng(2).standard_normal((5, 12), dtype=np.float32)
    y = np.empty((5, 7), np.float32)
    which = ACTIVATIONS.index(activation)
    arguments = (pointer(x), 5, 12, pointer(weights), pointer(bias), 7, which, pointer(y))
    run(lib, lib.edgefer_fully_connected(*arguments))
    np.testing.assert_array_equal(y, kernels.fully_connected(x, weights, bias, activation))
    np.testing.assert_allclose(y, reference.fully_connected(x, weights, bias, activation), rtol=1e-5, atol=1e-5)


@variants_of("fully_connected")
def test_an_mlp_equals_python_and_its_layers(lib, variant):
    sizes, activations = (12, 12, 7, 7), ("sigmoid", "relu", "softmax")
    layers = [dense(o, i, seed=o + i) for i, o in zip(sizes, sizes[1:], strict=False)]
    given = ffi.new("edgefer_layer[]", len(layers))
    for c_layer, (weights, bias), activation in zip(given, layers, activations, strict=True):
        c_layer.weights, c_layer.bias = pointer(weights), pointer(bias)
        c_layer.outputs, c_layer.inputs = weights.shape
        c_layer.activation = ACTIVATIONS.index(activation)
    handle = ffi.new("edgefer_mlp **")
    run(lib, lib.edgefer_mlp_create(given, len(layers), handle))
    x = np.random.default_rng(2).standard_normal((9, 12), dtype=np.float32)
    y = np.empty((9, 7), np.float32)
    run(lib, lib.edgefer_mlp_run(handle[0], pointer(x), 9, pointer(y)))
    mlp = kernels.Mlp([(*layer, name) for layer, name in zip(layers, activations, strict=True)])
    np.testing.assert_array_equal(y, mlp(x))
    expected = x
    for (weights, bias), activation in zip(layers, activations, strict=True):
        expected = reference.fully_connected(expected, weights, bias, activation)
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    lib.edgefer_mlp_free(handle[0])
    lib.edgefer_mlp_free(ffi.NULL)


def quantisation(scales: np.ndarray, clamp: str = "none", **changed):
    fields = {
        "input_zero_point": -3,
        "output_zero_point": 5,
        "input_scale": 0.02,
        "output_scale": 0.1,
        "weight_scales": pointer(scales),
        "weight_scale_count": len(scales),
        "clamp": CLAMPS.index(clamp),
    }
    return ffi.new("edgefer_quantisation *", fields | changed)


@variants_of("fully_connected_int8")
@pytest.mark.parametrize("clamp", CLAMPS)
@pytest.mark.parametrize("per_output", [False, True], ids=["one scale", "a scale an output"])
def test_fully_connected_int8_equals_python_and_tflites_arithmetic(lib, variant, clamp, per_output):
    rng = np.random.default_rng(3)
    x, weights = (rng.integers(-128, 128, shape, dtype=np.int8) for shape in ((4, 65), (9, 65)))
    bias = rng.integers(-5000, 5000, 9, dtype=np.int32)
    scales = rng.uniform(0.001, 0.05, 9 if per_output else 1).astype(np.float32)
    y = np.empty((4, 9), np.int8)
    given = quantisation(scales, clamp)
    arguments = (pointer(x), 4, 65, pointer(weights), pointer(bias), 9, given, pointer(y))
    run(lib, lib.edgefer_fully_connected_int8(*arguments))
    settings = {
        "input_zero_point": -3,
        "output_zero_point": 5,
        "input_scale": 0.02,
        "weight_scale": scales if per_output else float(scales[0]),
        "output_scale": 0.1,
        "activation": clamp,
    }
    np.testing.assert_array_equal(y, kernels.fully_connected_int8(x, weights, bias, **settings))
    np.testing.assert_array_equal(y, reference.fully_connected_int8(x, weights, bias, **settings))


# ------------------------------------------------------------------------------------------ what is refused

MOST = 2**63 - 1


def sobel_call(lib, **changed) -> int:
    """edgefer_sobel of a 4x6 image, with some arguments changed."""
    image, gx, gy = random_image(4, 6), np.empty((4, 6), np.int16), np.empty((4, 6), np.int16)
    arguments = {
        "image": pointer(image),
        "height": 4,
        "width": 6,
        "image_stride": 6,
        "border": 1,
        "gx": pointer(gx),
        "gx_stride": 6,
        "gy": pointer(gy),
        "gy_stride": 6,
    }
    return lib.edgefer_sobel(*(arguments | changed).values())


REFUSED_BY_SOBEL = [
    ({"image": ffi.NULL}, "sobel: image must not be null"),
    ({"gy": ffi.NULL}, "sobel: gy must not be null"),
    ({"height": 0}, "sobel: height must be at least 1, got 0"),
    ({"width": -5}, "sobel: width must be at least 1, got -5"),
    ({"width": 2**31}, "sobel: width must be at most 2147483647, got 2147483648"),
    ({"image_stride": MOST}, f"sobel: image of 4 rows, {MOST} elements apart, does not fit into memory"),
    ({"gx_stride": -MOST - 1}, f"sobel: gx of 4 rows, {-MOST - 1} elements apart, does not fit into memory"),
    ({"gx_stride": MOST // 6}, f"sobel: gx of 4 rows, {MOST // 6} elements apart, does not fit into memory"),
    ({"border": 2}, "sobel: border must be 0 to 1, got 2"),
    ({"border": -1}, "sobel: border must be 0 to 1, got -1"),
    ({"gx_stride": 5}, "sobel: gx has rows of 6 that overlap at a stride of 5"),
    ({"gy_stride": 0}, "sobel: gy has rows of 6 that overlap at a stride of 0"),
    ({"gy_stride": -5}, "sobel: gy has rows of 6 that overlap at a stride of -5"),
]


@pytest.mark.parametrize(("changed", "message"), REFUSED_BY_SOBEL, ids=[m for _, m in REFUSED_BY_SOBEL])
def test_a_wrong_argument_is_refused_with_one_line(lib, changed, message):
    assert sobel_call(lib, **changed) == BAD_ARGUMENT
    assert ffi.string(lib.edgefer_last_error()).decode() == message


def test_outputs_that_overlap_or_are_misaligned_are_refused(lib):
    memory = np.zeros(200, np.int16)
    first, second, odd = (ffi.cast("int16_t *", memory.ctypes.data + at) for at in (0, 46, 121))
    image = ffi.cast("uint8_t *", memory.ctypes.data)

    def message() -> str:
        return ffi.string(lib.edgefer_last_error()).decode()

    assert sobel_call(lib, gx=first, gy=second) == BAD_ARGUMENT
    assert message() == "sobel: gy overlaps gx"
    assert sobel_call(lib, image=image, gx=first) == BAD_ARGUMENT
    assert message() == "sobel: gx overlaps image"
    assert sobel_call(lib, gx=odd) == BAD_ARGUMENT
    assert message() == "sobel: gx must be aligned to 2 bytes"
    assert not memory.any()


def test_ranges_of_every_operation_are_checked(lib):
    image, words, floats = random_image(4, 6), np.empty((4, 6), np.int16), np.ones((4, 6), np.float32)
    given, out, score = image_arguments(image), output_arguments(words), output_arguments(floats)
    corners, count = ffi.new("edgefer_corner[4]"), ffi.new("ptrdiff_t *")
    grey, box = np.empty((4, 6), np.uint8), (0.0, 0.0, 6.0, 4.0)
    bytes_out = output_arguments(grey)
    tensor = ffi.new("int8_t[96]")
    scales = np.ones(1, np.float32)

    def corner_call(quality=0.1, distance=1.0, block=3, most=4):
        return lib.edgefer_good_corners(*given, ffi.NULL, 0, quality, distance, block, corners, most, count)

    def resize_call(box=box, method=0, height=4, width=6):
        return lib.edgefer_crop_resize(*given, box, method, bytes_out[0], height, width, bytes_out[1])

    def stack_call(channels=(0,), multipliers=(1.0,), count=1, size=(4, 6)):
        offsets = [0.0] * 5
        return lib.edgefer_stack(*given, box, 0, channels, multipliers, offsets, count, tensor, *size)

    def int8_call(**changed):
        x, y = ffi.new("int8_t[6]"), ffi.new("int8_t[1]")
        weights, bias = ffi.new("int8_t[6]"), ffi.new("int32_t[1]")
        return lib.edgefer_fully_connected_int8(x, 1, 6, weights, bias, 1, quantisation(scales, **changed), y)

    def flow_call(x=1.0, window=3, levels=1, count=1):
        points, there, error = (ffi.new("float[2]", [x, 0]) for _ in range(3))
        second = (pointer(image), 6)
        return lib.edgefer_flow(*given, *second, points, count, window, levels, there, error)

    nan, infinity = float("nan"), float("inf")
    dense_call = lib.edgefer_fully_connected
    x, y = pointer(floats), ffi.new("float[24]")
    for call, message in (
        (lambda: lib.edgefer_laplacian(*given, 2, 0, *out), "laplacian: aperture must be 1 or 3, got 2"),
        (lambda: lib.edgefer_gradients(*given, 0, 0, *out * 3), "gradients: aperture must be 1 or 3, got 0"),
        (lambda: lib.edgefer_shi_tomasi(*given, 4, 0, *score), "block_size must be odd, 3 to 15, got 4"),
        (lambda: lib.edgefer_shi_tomasi(*given, 17, 0, *score), "block_size must be odd, 3 to 15, got 17"),
        (lambda: corner_call(quality=0), "quality_level must be above 0 and finite, got 0"),
        (lambda: corner_call(quality=nan), "quality_level must be above 0 and finite, got nan"),
        (lambda: corner_call(distance=-1), "min_distance must be 0 or more and finite, got -1"),
        (lambda: corner_call(distance=infinity), "min_distance must be 0 or more and finite, got inf"),
        (lambda: corner_call(most=0), "max_corners must be at least 1, got 0"),
        (lambda: flow_call(x=5.5), "flow: points must lie in the image, got (5.5, 0) at index 0"),
        (lambda: flow_call(x=nan), "flow: points must lie in the image, got (nan, 0) at index 0"),
        (lambda: flow_call(window=15), "flow: window must be odd, 3 to 13, got 15"),
        (lambda: flow_call(levels=6), "flow: levels must be 1 to 5, got 6"),
        (lambda: flow_call(count=0), "flow: point_count must be at least 1, got 0"),
        (lambda: lib.edgefer_luma(*given, 3, *bytes_out), "luma: format must be 0 to 2, got 3"),
        (lambda: resize_call(box=(0, 0, nan, 4)), "box must be finite and within 1e6 pixels, got nan"),
        (lambda: resize_call(box=(0, 0, 6, 2e6)), "box must be finite and within 1e6 pixels, got 2e+06"),
        (lambda: resize_call(box=(6, 0, 6, 4)), "box must have x0 < x1 and y0 < y1, got (6, 0, 6, 4)"),
        (lambda: resize_call(method=3), "crop_resize: method must be 0 to 2, got 3"),
        (lambda: resize_call(height=0), "crop_resize: out_height must be at least 1, got 0"),
        (lambda: resize_call(width=4097), "crop_resize: out_width must be at most 4096, got 4097"),
        (lambda: stack_call(count=0), "stack: channel_count must be 1 to 4, got 0"),
        (lambda: stack_call(count=5), "stack: channel_count must be 1 to 4, got 5"),
        (lambda: stack_call(channels=(4,)), "stack: a channel must be 0 to 3, got 4"),
        (lambda: stack_call((1, 1), (1.0, 1.0), 2), "stack: channel 1 is given twice"),
        (lambda: stack_call(multipliers=(nan,)), "multipliers and offsets must be finite, got nan and 0"),
        (lambda: dense_call(x, 0, 6, x, x, 2, 0, y), "fully_connected: batch must be at least 1, got 0"),
        (lambda: dense_call(x, 1, 6, x, x, 0, 0, y), "fully_connected: outputs must be at least 1, got 0"),
        (lambda: dense_call(x, 1, 6, x, x, 2, 4, y), "fully_connected: activation must be 0 to 3, got 4"),
        (lambda: dense_call(x, 1, 6, x, x, 2, 0, x), "fully_connected: y overlaps x"),
        (lambda: int8_call(input_zero_point=128), "input_zero_point must be from -128 to 127, got 128"),
        (lambda: int8_call(output_scale=0), "output_scale must be positive and finite, got 0"),
        (lambda: int8_call(input_scale=nan), "input_scale must be positive and finite, got nan"),
        (lambda: int8_call(weight_scale_count=2), "weight_scale_count must be 1 or 1, got 2"),
        (lambda: int8_call(**{"clamp": "none", "weight_scales": ffi.NULL}), "weight_scales must not be null"),
    ):
        assert call() == BAD_ARGUMENT, message
        assert message in ffi.string(lib.edgefer_last_error()).decode()


def test_an_mlp_whose_layers_do_not_fit_is_refused_and_leaves_no_handle(lib):
    weights = np.ones((3, 4), np.float32)
    given = ffi.new("edgefer_layer[2]", [{"weights": pointer(weights), "bias": pointer(weights)}] * 2)
    for layer in given:
        layer.inputs, layer.outputs = 4, 3
    handle = ffi.new("edgefer_mlp **", ffi.cast("edgefer_mlp *", 1))
    assert lib.edgefer_mlp_create(given, 2, handle) == BAD_ARGUMENT
    expected = "mlp_create: layer 1 must take the 3 outputs of the layer before it, got 4 inputs"
    assert ffi.string(lib.edgefer_last_error()).decode() == expected
    assert handle[0] == ffi.NULL
    assert lib.edgefer_mlp_create(given, 0, handle) == BAD_ARGUMENT
    assert lib.edgefer_mlp_run(ffi.NULL, pointer(weights), 1, pointer(weights)) == BAD_ARGUMENT


def test_one_row_does_not_read_its_stride(lib):
    image, gx, gy = random_image(1, 6), np.empty((1, 6), np.int16), np.empty((1, 6), np.int16)
    run(lib, lib.edgefer_sobel(pointer(image), 1, 6, MOST, 1, pointer(gx), -MOST, pointer(gy), 0))
    np.testing.assert_array_equal(gx, kernels.sobel(image)[0])


def test_working_memory_that_does_not_exist_is_an_error_not_an_end(lib):
    """100,000 hidden values for a batch of 2^31 - 1 take 2^49 bytes, more than a process can address."""
    hidden = 100_000
    weights, bias = np.ones((hidden, 1), np.float32), np.ones(hidden, np.float32)
    given = ffi.new("edgefer_layer[2]")
    for layer, (inputs, outputs) in zip(given, [(1, hidden), (hidden, 1)], strict=True):
        layer.weights, layer.bias = pointer(weights), pointer(bias)
        layer.inputs, layer.outputs = inputs, outputs
    handle = ffi.new("edgefer_mlp **")
    run(lib, lib.edgefer_mlp_create(given, 2, handle))
    # x and y are addresses only: the working memory is asked for before either is touched.
    x, y = ffi.cast("float *", 1 << 40), ffi.cast("float *", 1 << 44)
    assert lib.edgefer_mlp_run(handle[0], x, 2**31 - 1, y) == NO_MEMORY
    assert ffi.string(lib.edgefer_last_error()).decode() == "mlp_run: out of scratch memory"
    lib.edgefer_mlp_free(handle[0])


# ------------------------------------------------------------------------ the library, variants and threads


def test_names_are_those_of_python(lib):
    def until_null(names) -> list[str]:
        found = []
        while names[len(found)] != ffi.NULL:
            found.append(ffi.string(names[len(found)]).decode())
        return found

    assert until_null(lib.edgefer_operations()) == kernels.operations()
    for op in kernels.operations():
        assert until_null(lib.edgefer_variants(op.encode())) == kernels.variants(op)
        assert ffi.string(lib.edgefer_active(op.encode())).decode() == kernels.active(op)
        for name in kernels.variants(op):
            assert lib.edgefer_use_variant(name.encode()) == OK
            assert ffi.string(lib.edgefer_active(op.encode())).decode() == name
        assert lib.edgefer_use_variant(ffi.NULL) == OK
    for call in (lib.edgefer_variants, lib.edgefer_active):
        assert call(b"sobol") == ffi.NULL
        assert ffi.string(lib.edgefer_last_error()) == b"unknown kernel 'sobol'"
        assert call(ffi.NULL) == ffi.NULL


def test_a_variant_that_is_not_here_is_refused(lib):
    assert lib.edgefer_use_variant(b"mmx") == BAD_ISA
    assert ffi.string(lib.edgefer_last_error()) == b"use_variant: this processor has no 'mmx'"
    assert sobel_call(lib) == OK


def test_versions_agree(lib):
    text = HEADER.read_text()
    assert ffi.string(lib.edgefer_version()).decode() == edgefer.__version__
    assert f"#define EDGEFER_ABI_VERSION {lib.edgefer_abi_version()}\n" in text


def test_errors_and_variants_belong_to_their_thread(lib):
    assert sobel_call(lib, height=0) == BAD_ARGUMENT
    seen = []

    def elsewhere():
        seen.append(ffi.string(lib.edgefer_last_error()))
        sobel_call(lib, width=0)
        lib.edgefer_use_variant(b"scalar")
        seen.append(ffi.string(lib.edgefer_active(b"sobel")))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [b"", b"scalar"]
    assert ffi.string(lib.edgefer_last_error()) == b"sobel: height must be at least 1, got 0"
    assert ffi.string(lib.edgefer_active(b"sobel")).decode() == kernels.active("sobel")


def test_several_threads_may_call_at_once(lib):
    images = [random_image(97, 131, seed) for seed in range(4)]
    expected = [kernels.shi_tomasi(image, 5) for image in images]
    wrong = []

    def work(image, right):
        score = np.empty_like(right)
        for _ in range(20):
            lib.edgefer_shi_tomasi(*image_arguments(image), 5, 0, *output_arguments(score))
            if not np.array_equal(score, right):
                wrong.append(1)

    threads = [threading.Thread(target=work, args=pair) for pair in zip(images, expected, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_only_the_declared_functions_are_visible(lib, library):
    shown = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True)
    visible = {line.split()[-1] for line in shown.stdout.splitlines()}
    assert visible == set(re.findall(r"\b(edgefer_\w+)\(", declarations()))


# ------------------------------------------------------------------------------------------- a program in C


@pytest.fixture(scope="module")
def programs(library, tmp_path_factory) -> list[Path]:
    """tests/c/embed.c, linked with the shared and with the static library."""
    folder = tmp_path_factory.mktemp("embed")
    strict = ["cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Icsrc/c", "tests/c/embed.c"]
    shared = ["-Lbuild", "-ledgefer", f"-Wl,-rpath,{library.parent}"]
    static = ["build/libedgefer.a", "-lstdc++", "-lm"]
    for name, libraries in (("shared", shared), ("static", static)):
        subprocess.run([*strict, *libraries, "-o", folder / name], cwd=ROOT, check=True)
    return [folder / "shared", folder / "static"]


def test_a_c_program_finds_the_corners_of_a_square(programs):
    environment = dict(os.environ, EDGEFER_ISA="scalar")
    for program in programs:
        ran = subprocess.run([program], env=environment, capture_output=True, text=True)
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout.splitlines()[0] == "4 corners, found by scalar"
        assert len(ran.stdout.splitlines()) == 5


def test_a_wrong_isa_is_one_line_in_a_c_program(programs):
    environment = dict(os.environ, EDGEFER_ISA="mmx")
    ran = subprocess.run([programs[0]], env=environment, capture_output=True, text=True)
    assert ran.returncode == 1
    assert ran.stderr.startswith("embed: EDGEFER_ISA: unknown instruction set 'mmx'; known: scalar, ")
    assert ran.stderr.count("\n") == 1


def test_the_header_is_cxx_too():
    command = ["c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-x", "c++"]
    subprocess.run([*command, HEADER], check=True)


def test_the_documented_program_is_the_tested_one():
    page = (ROOT / "docs" / "embedding.md").read_text()
    assert (ROOT / "tests" / "c" / "embed.c").read_text() in page
