"""What the kernels are timed on: real sizes, with what others offer for the same work.

Inputs stay the same from call to call, so the cache is warm. A peer does what the kernel does, on the same input,
the fastest way its library offers, on one thread; where a library takes outputs they are allocated beforehand, as
are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import cv2
import numpy as np
import reference
from tflite_networks import float_network, int8_network, litert, reference_interpreter, run_reference_kernels

from edgefer import kernels
from edgefer.detect.cascade import CascadeSearch
from edgefer.geometry import xywh_to_xyxy

cv2.setNumThreads(1)

SIZES = ("48x48", "64x64", "112x112", "640x480")
COPY = "copy of the same bytes"


def agree(got: Any, expected: Any, tolerance: float = 0) -> None:
    """Arrays, or tuples of them, that differ by no more than the tolerance."""
    pairs = zip(got, expected, strict=True) if isinstance(expected, tuple) else [(got, expected)]
    for one, other in pairs:
        np.testing.assert_allclose(np.asarray(one, float), np.asarray(other, float), rtol=0, atol=tolerance)


@dataclass(frozen=True)
class Calls:
    """A piece of work as functions of no arguments.

    Attributes:
        ours: the kernel, in the variant that is forced.
        expected: what it has to return.
        peers: what others do for it, by name.
        check: of the results of a peer and of ours; raises AssertionError where they differ by more than they may.
        own: the same of ours and of what is expected.
    """

    ours: Callable[[], Any]
    expected: Any
    peers: dict[str, Callable[[], Any]]
    check: Callable[[Any, Any], None] = agree
    own: Callable[[Any, Any], None] = agree


@dataclass(frozen=True)
class Work:
    """An operation on one input.

    Attributes:
        op: whose variants there are. name, size: what tables call it.
        make: its calls. peers: those it has.
    """

    op: str
    name: str
    size: str
    make: Callable[[], Calls] = field(repr=False)
    peers: tuple[str, ...] = ("OpenCV",)


def photograph(height: int, width: int) -> np.ndarray:
    """A real photograph at that size, where matplotlib brings one; else smooth noise."""
    try:
        from matplotlib.cbook import get_sample_data

        grey = cv2.imread(str(get_sample_data("grace_hopper.jpg", asfileobj=False)), cv2.IMREAD_GRAYSCALE)
    except ImportError:
        grey = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (600, 512), dtype=np.uint8), (0, 0), 2)
    return cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)


def copy_of(count: float) -> Callable[[], None]:
    """Copies half of so many bytes, for it reads each and writes each."""
    source, target = np.ones(round(count / 2), np.uint8), np.zeros(round(count / 2), np.uint8)
    return lambda: np.copyto(target, source)


# gradients and corners ----------------------------------------------------------------------------------------------

#: Arguments after the image, and the types of the outputs where it takes them.
ON_IMAGES: dict[str, tuple[tuple, tuple]] = {
    "sobel": ((), (np.int16,) * 2),
    "laplacian": ((), (np.int16,)),
    "gradients": ((), (np.int16,) * 3),
    "shi_tomasi": ((3,), (np.float32,)),
    "good_corners": ((100, 0.01, 5), ()),
}


def on_image(op: str, size: str) -> Work:
    """An operation on a grey image of `WIDTHxHEIGHT`."""
    peers = {"sobel": ("OpenCV", "NumPy"), "gradients": ("OpenCV", COPY)}.get(op, ("OpenCV",))
    return Work(op, op, size, partial(_on_image, op, size), peers)


def _on_image(op: str, size: str) -> Calls:
    width, height = map(int, size.split("x"))
    image, (arguments, types) = photograph(height, width), ON_IMAGES[op]
    out, theirs = (tuple(np.empty(image.shape, dtype) for dtype in types) for _ in range(2))
    options = {"out": out if len(out) > 1 else out[0]} if out else {}
    function = getattr(kernels, op)

    def sobel():
        cv2.Sobel(image, cv2.CV_16S, 1, 0, dst=theirs[0])
        cv2.Sobel(image, cv2.CV_16S, 0, 1, dst=theirs[1])
        return theirs[:2]

    def laplacian():
        return cv2.Laplacian(image, cv2.CV_16S, dst=theirs[-1])

    opencv = {
        "sobel": sobel,
        "laplacian": laplacian,
        "gradients": lambda: (*sobel(), laplacian()),
        "shi_tomasi": lambda: cv2.cornerMinEigenVal(image, 3, dst=theirs[0], borderType=cv2.BORDER_REPLICATE),
        "good_corners": lambda: cv2.goodFeaturesToTrack(image, *arguments).reshape(-1, 2),
    }
    peers = {"OpenCV": opencv[op]}
    if op == "sobel":
        peers["NumPy"] = lambda: tuple(np.asarray(part, np.int16) for part in reference.sobel(image))
    if op == "gradients":
        peers[COPY] = copy_of(image.size * 7)
    # the bound of the two roundings is in tests/kernels/test_corners.py
    check = partial(agree, tolerance=1e-6 if op == "shi_tomasi" else 0)
    expected = kernels.call(op, "scalar", image, *arguments)
    return Calls(lambda: function(image, *arguments, **options), expected, peers, check)


# luma and resizing --------------------------------------------------------------------------------------------------


def luma(format: str, channels: int, code: int) -> Calls:
    frame = np.random.default_rng(0).integers(0, 256, (480, 640, channels), dtype=np.uint8)
    out, theirs = np.empty((480, 640), np.uint8), np.empty((480, 640), np.uint8)
    peers = {"OpenCV": lambda: cv2.cvtColor(frame, code, dst=theirs), COPY: copy_of(theirs.size * (channels + 1))}
    return Calls(lambda: kernels.luma(frame, format, out=out), reference.luma(frame, format), peers)


def crop_resize(box: tuple[int, int, int, int], size: tuple[int, int], method: str, interpolation: int) -> Calls:
    image, out, theirs = photograph(480, 640), np.empty(size, np.uint8), np.empty(size, np.uint8)
    x0, y0, x1, y1 = box
    part = image[y0:y1, x0:x1]

    def check(one, other):
        """OpenCV rounds in another way: a level apart, and at the rim it does not look beyond the box."""
        assert abs(one.astype(int) - other)[2:-2, 2:-2].max() <= 1

    return Calls(
        lambda: kernels.crop_resize(image, box, size, method, out=out),
        reference.crop_resize(image, box, size, method),
        {"OpenCV": lambda: cv2.resize(part, size[::-1], dst=theirs, interpolation=interpolation)},
        check,
    )


def stack(*channels: str) -> Calls:
    """The peer is the shortest sequence that gives these bytes, but for a grey level of its resize."""
    image, size, box = photograph(480, 640), (64, 64), (200, 100, 400, 300)
    part = image[100:300, 200:400]
    factors = [{"grey": 1.0, "laplacian": 0.5}.get(channel, 0.25) for channel in channels]
    offsets = [-128.0 if channel == "grey" else 0.0 for channel in channels]
    out, merged = (np.empty((*size, len(channels)), np.int8) for _ in range(2))
    grey, sources = np.empty(size, np.uint8), [np.empty(size, np.int16) for _ in channels[1:]]
    planes = [np.empty(size, np.int8) for _ in channels]
    derived = list(zip(sources, factors[1:], planes[1:], strict=True))

    def opencv():
        cv2.resize(part, size, dst=grey, interpolation=cv2.INTER_AREA)
        cv2.subtract(grey, 128, dst=planes[0], dtype=cv2.CV_8S)
        if sources:
            cv2.spatialGradient(grey, *sources[:2])  # both Sobel images at once
        if len(sources) > 2:
            cv2.Laplacian(grey, cv2.CV_16S, dst=sources[2])
        for source, factor, plane in derived:
            cv2.multiply(source, factor, dst=plane, dtype=cv2.CV_8S)
        return cv2.merge(planes, dst=merged)

    def check(one, other):
        apart = abs(one.astype(int) - other.reshape(one.shape))
        # a grey level apart in the resized image is up to 8 quarters in a gradient
        assert apart.max() <= 2 and (apart == 0).mean() > 0.99

    expected = reference.stack(image, box, size, channels, factors, offsets)
    ours = partial(kernels.stack, image, box, size, channels, factors, offsets, out=out)
    return Calls(ours, expected, {"OpenCV": opencv}, check)


# detection and tracking ---------------------------------------------------------------------------------------------


def flow() -> Calls:
    """On a face that has moved between two frames; both find nearly the same places."""
    before = photograph(82, 82)
    after = cv2.warpAffine(before, np.float32([[1, 0, 1.7], [0, 1, -0.9]]), (82, 82))
    points = kernels.good_corners(before[19:-19, 19:-19], 24, 0.02, 4) + np.float32(19)
    options = {"winSize": (13, 13), "maxLevel": 2}

    def opencv():
        there, _, _ = cv2.calcOpticalFlowPyrLK(before, after, points[:, None], None, **options)
        back, _, _ = cv2.calcOpticalFlowPyrLK(after, before, there, None, **options)
        return there[:, 0], back[:, 0]

    def check(one, other):
        known = other[1] < 1
        assert np.median(np.linalg.norm(other[0] - one[0], axis=1)[known]) < 0.1

    ours = partial(kernels.flow, before, after, points)
    return Calls(ours, kernels.call("flow", "scalar", before, after, points), {"OpenCV": opencv}, check)


def cascade(height: int, width: int) -> Calls:
    """A search for frontal faces of all sizes from 25 pixels, with every step of the pyramid and the grouping."""
    image, name = photograph(height, width), "haarcascade_frontalface_alt2.xml"
    search, classifier = CascadeSearch(name), cv2.CascadeClassifier(cv2.data.haarcascades + name)

    def opencv():
        return classifier.detectMultiScale2(image, 1.2, 1, minSize=(25, 25))

    def listed(result):
        return sorted((*map(float, xywh_to_xyxy(*box)), count) for box, count in zip(*result, strict=True))

    def windows(found):
        return [(*box, count) for box, count in found]

    def check(one, other):
        assert windows(other) == listed(one)

    def own(got, expected):
        assert windows(got) == expected

    ours = partial(search.windows, image, 1.2, 25, width)
    return Calls(ours, listed(opencv()), {"OpenCV": opencv}, check, own)


# dense networks -----------------------------------------------------------------------------------------------------


def khan() -> Calls:
    """The network of the khan paper, 12-12-7-7, one sample."""
    rng, widths = np.random.default_rng(0), (12, 12, 7, 7)
    layers = [
        (rng.standard_normal((n, m), np.float32), rng.standard_normal(n, np.float32), activation)
        for m, n, activation in zip(widths[:-1], widths[1:], ("sigmoid", "sigmoid", "softmax"), strict=True)
    ]
    x, out = rng.standard_normal((1, 12), np.float32), np.empty((1, 7), np.float32)
    mlp = kernels.Mlp(layers)
    turned = [np.ascontiguousarray(weights.T) for weights, _, _ in layers]
    hidden = [np.empty((1, n), np.float32) for n in widths[1:]]

    def with_numpy():
        y = x
        for weights, (_, bias, activation), buffer in zip(turned, layers, hidden, strict=True):
            y = np.matmul(y, weights, out=buffer)
            y += bias
            if activation == "sigmoid":
                np.negative(y, out=y)
                np.exp(y, out=y)
                y += 1
                np.divide(1, y, out=y)
        y -= y.max()
        np.exp(y, out=y)
        y /= y.sum()
        return y

    expected = x
    for layer in layers:
        expected = reference.fully_connected(expected, *layer)
    close = partial(agree, tolerance=1e-6)
    peers = {"LiteRT": litert(float_network(layers), x), "NumPy": with_numpy}
    return Calls(lambda: mlp(x, out), expected, peers, close, close)


def int8_network_of(widths: Sequence[int]) -> Calls:
    """Bits are compared with TFLite's reference kernels; XNNPACK, which LiteRT takes, may round a level apart."""
    rng, scales = np.random.default_rng(0), [(0.2, -128, "relu")] * (len(widths) - 2) + [(2.0, 5, "none")]
    layers = []
    for m, n, output in zip(widths[:-1], widths[1:], scales, strict=True):
        weights, bias = rng.integers(-127, 128, (n, m)), rng.integers(-20000, 20000, n)
        layers.append((weights.astype(np.int8), bias.astype(np.int32), 0.005, *output))
    x, out = rng.integers(-128, 128, (1, widths[0])).astype(np.int8), np.empty((1, widths[-1]), np.int8)
    mlp = kernels.MlpInt8(layers, input_scale=0.02, input_zero_point=3)
    model = int8_network(layers, 0.02, 3)
    peers = {"LiteRT": litert(model, x), "TFLite's reference": litert(reference_interpreter(model), x)}
    return Calls(lambda: mlp(x, out), run_reference_kernels(model, x), peers, partial(agree, tolerance=1))


#: Everything that is timed, but for further sizes of images.
WORKS = [
    *(on_image(op, size) for op in ON_IMAGES for size in SIZES),
    Work("luma", "luma, YUYV", "640x480", partial(luma, "yuyv", 2, cv2.COLOR_YUV2GRAY_YUYV), ("OpenCV", COPY)),
    Work("luma", "luma, BGR", "640x480", partial(luma, "bgr", 3, cv2.COLOR_BGR2GRAY), ("OpenCV", COPY)),
    *(
        Work("crop_resize", f"crop_resize, {method}", words, partial(crop_resize, box, size, method, interpolation))
        for words, box, size, method, interpolation in (
            ("200 px to 64x64", (200, 100, 400, 300), (64, 64), "area", cv2.INTER_AREA),
            ("640x480 to 320x240", (0, 0, 640, 480), (240, 320), "area", cv2.INTER_AREA),
            ("48 px to 64x64", (200, 100, 248, 148), (64, 64), "bilinear", cv2.INTER_LINEAR),
        )
    ),
    *(
        Work("stack", "stack, 200 px to int8", f"64x64x{len(channels)}", partial(stack, *channels))
        for channels in (("grey",), ("grey", "gx", "gy"), ("grey", "gx", "gy", "laplacian"))
    ),
    Work("flow", "flow, 24 points and back", "82x82", flow),
    Work("cascade", "cascade, all sizes", "320x240", partial(cascade, 240, 320)),
    Work("cascade", "cascade, sizes of a known face", "82x82", partial(cascade, 82, 82)),
    Work("fully_connected", "mlp 12-12-7-7", "one sample", khan, ("LiteRT", "NumPy")),
    *(
        Work(
            "fully_connected_int8",
            f"mlp int8 {'-'.join(map(str, widths))}",
            "one sample",
            partial(int8_network_of, widths),
            ("LiteRT", "TFLite's reference"),
        )
        for widths in ((256, 256, 8), (1024, 256))
    ),
]
