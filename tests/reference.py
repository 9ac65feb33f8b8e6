"""Slow, obvious versions of the kernels in NumPy, written from the equations."""

from __future__ import annotations

import numpy as np

PAD_MODES = {"replicate": "edge", "reflect101": "reflect"}


def padded(image: np.ndarray, border: str, by: int = 1) -> np.ndarray:
    """The image, as int64, in a frame of `by` pixels; a side of one pixel replicates."""
    image = image.astype(np.int64)
    for axis in (0, 1):
        width = [(0, 0), (0, 0)]
        width[axis] = (by, by)
        mode = "edge" if image.shape[axis] == 1 else PAD_MODES[border]
        image = np.pad(image, width, mode=mode)
    return image


def correlate3(image: np.ndarray, weights: list[list[int]], border: str) -> np.ndarray:
    """sum over i, j of weights[i][j] * image[y + i - 1, x + j - 1]."""
    height, width = image.shape
    wide = padded(image, border)
    return sum(weights[i][j] * wide[i : i + height, j : j + width] for i in range(3) for j in range(3))


def sobel(image: np.ndarray, border: str = "reflect101") -> tuple[np.ndarray, np.ndarray]:
    """Sobel and Feldman 1968: a [1 2 1] mean across a central difference."""
    across = [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]
    down = [[-1, -2, -1], [0, 0, 0], [1, 2, 1]]
    return correlate3(image, across, border), correlate3(image, down, border)


def laplacian(image: np.ndarray, aperture: int = 1, border: str = "reflect101") -> np.ndarray:
    """Aperture 1: second differences along x and y. Aperture 3: OpenCV's sum of second Sobel derivatives."""
    cross = [[0, 1, 0], [1, -4, 1], [0, 1, 0]]
    diagonals = [[2, 0, 2], [0, -8, 0], [2, 0, 2]]
    return correlate3(image, cross if aperture == 1 else diagonals, border)


def gradients(
    image: np.ndarray, aperture: int = 1, border: str = "reflect101"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return (*sobel(image, border), laplacian(image, aperture, border))


def structure_tensor(
    image: np.ndarray, block_size: int = 3, border: str = "replicate"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Window sums of gx*gx, gx*gy and gy*gy, exact; the border rule holds for the products once more."""
    gx, gy = sobel(image, border)
    height, width = image.shape

    def window_sum(product: np.ndarray) -> np.ndarray:
        wide = padded(product, border, block_size // 2)
        shifts = [(i, j) for i in range(block_size) for j in range(block_size)]
        return sum(wide[i : i + height, j : j + width] for i, j in shifts)

    return window_sum(gx * gx), window_sum(gx * gy), window_sum(gy * gy)


def shi_tomasi(image: np.ndarray, block_size: int = 3, border: str = "replicate") -> np.ndarray:
    """Shi and Tomasi 1994: min(l1, l2) of the tensor, in OpenCV's scale.

    l1 * l2 = det and l1 + l2 = trace, so the smaller root is det over the larger. det and trace^2 - 4 det
    stay below 2^63 for a window of 15 x 15 and are exact.
    """
    ixx, ixy, iyy = structure_tensor(image, block_size, border)
    trace, det = ixx + iyy, ixx * iyy - ixy * ixy
    larger = (trace + np.sqrt(((ixx - iyy) ** 2 + 4 * ixy**2).astype(np.longdouble))) / 2
    scale = np.longdouble(1) / (4 * 255 * block_size)
    return np.where(larger > 0, det / np.where(larger > 0, larger, 1), 0) * scale**2


def good_corners(
    score: np.ndarray,
    max_corners: int,
    quality_level: float,
    min_distance: float,
    mask: np.ndarray | None = None,
) -> np.ndarray:
    """Corners from the score image: maxima of their 3x3 neighbourhood, best first, no two too close."""
    height, width = score.shape
    allowed = np.ones(score.shape, bool) if mask is None else mask != 0
    threshold = np.float32(np.float64(score[allowed].max(initial=0)) * quality_level)
    candidates = []
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            peak = score[y - 1 : y + 2, x - 1 : x + 2].max()
            if allowed[y, x] and score[y, x] > threshold and score[y, x] == peak:
                candidates.append((score[y, x], y * width + x))
    taken: list[tuple[int, int]] = []
    for _, offset in sorted(candidates, reverse=True):
        y, x = divmod(offset, width)
        if max_corners and len(taken) == max_corners:
            break
        if min_distance < 1 or all((x - a) ** 2 + (y - b) ** 2 >= min_distance**2 for a, b in taken):
            taken.append((x, y))
    return np.array(taken, np.float32).reshape(-1, 2)


def luma(image: np.ndarray, format: str) -> np.ndarray:
    """ITU-R BT.601: Y = 0.299 R + 0.587 G + 0.114 B, the weights in units of 2^-15; YUV formats carry it."""
    if format == "yuyv":
        return image[:, :, 0]
    if format == "nv12":
        return image[: len(image) * 2 // 3]
    blue, green, red = np.moveaxis(image.astype(np.int64), 2, 0)
    return (3735 * blue + 19235 * green + 9798 * red + 2**14) // 2**15


def resize_matrix(low: float, high: float, source: int, size: int, method: str) -> np.ndarray:
    """int64 (size, source): what each pixel of the result takes of each source pixel, in units of 2^-14.

    s = (high - low) / size. Area: the share of pixel p in [low + i s, low + (i + 1) s), where the first pixel
    reaches down and the last one up without end; rounded so that shares add up to one. Bilinear: linear
    between the two pixels about low + (i + 0.5) s - 0.5.
    """
    one = 2**14
    step = (high - low) / size
    if method == "auto":
        method = "area" if step > 1 else "bilinear"
    matrix = np.zeros((size, source), np.int64)
    for i in range(size):
        if method == "area":
            a, b = low + i * step, low + (i + 1) * step
            ends = np.arange(1, source + 1, dtype=np.float64)  # the right end of each pixel
            share = np.where(ends >= b, 1.0, np.clip((ends - a) / (b - a if b > a else 1.0), 0.0, 1.0))
            up_to = np.floor(share * one + 0.5).astype(np.int64)
            up_to[-1] = one
            matrix[i] = np.diff(up_to, prepend=0)
        else:
            at = min(max(low + (i + 0.5) * step - 0.5, 0.0), source - 1.0)
            left = int(np.floor(at))
            right_weight = int(np.floor((at - left) * one + 0.5))
            matrix[i, left] += one - right_weight
            matrix[i, min(left + 1, source - 1)] += right_weight
    return matrix


def crop_resize(image: np.ndarray, box, size: tuple[int, int], method: str = "auto") -> np.ndarray:
    """Rows first, rounded to units of 2^-7; then columns, rounded to whole grey levels."""
    x0, y0, x1, y1 = box
    rows = resize_matrix(y0, y1, image.shape[0], size[0], method)
    columns = resize_matrix(x0, x1, image.shape[1], size[1], method)
    between = (rows @ image.astype(np.int64) + 2**6) // 2**7
    return (between @ columns.T + 2**20) // 2**21


def stack(image, box, size, channels, multipliers, offsets, method="auto") -> np.ndarray:
    """q = clamp(rint(value * multiplier + offset), -128, 127) in float32, of each channel."""
    resized = crop_resize(image, box, size, method)
    gx, gy = sobel(resized)
    laplacian = correlate3(resized, [[0, 1, 0], [1, -4, 1], [0, 1, 0]], "reflect101")
    values = {"grey": resized, "gx": gx, "gy": gy, "laplacian": laplacian}
    planes = []
    for channel, multiplier, offset in zip(channels, multipliers, offsets, strict=True):
        scaled = values[channel].astype(np.float32) * np.float32(multiplier) + np.float32(offset)
        planes.append(np.clip(np.rint(scaled), -128, 127).astype(np.int8))
    return np.stack(planes, axis=-1)


def activation(y: np.ndarray, name: str) -> np.ndarray:
    """The textbook functions, in the type of y."""
    if name == "sigmoid":
        power = np.exp(-np.abs(y))
        return np.where(y < 0, power, 1) / (1 + power)
    if name == "relu":
        return np.maximum(y, 0)
    if name == "softmax":
        power = np.exp(y - y.max(axis=-1, keepdims=True))
        return power / power.sum(axis=-1, keepdims=True)
    return y


def fully_connected(x, weights, bias, activation_name="none") -> np.ndarray:
    """y = f(W x + b) in float64."""
    y = x.astype(np.float64) @ weights.astype(np.float64).T + bias.astype(np.float64)
    return activation(y, activation_name)


def quantised_multiplier(real: float) -> tuple[int, int]:
    """Jacob et al. 2018, equation 6: real = 2^shift * multiplier / 2^31, the multiplier in [2^30, 2^31)."""
    fraction, shift = np.frexp(real)
    multiplier = int(np.floor(fraction * 2.0**31 + 0.5))
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift + 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        return 2**31 - 1, 30
    return multiplier, int(shift)


def fully_connected_int8(
    x,
    weights,
    bias,
    *,
    input_zero_point,
    output_zero_point,
    input_scale,
    weight_scale,
    output_scale,
    activation="none",
) -> np.ndarray:
    """Jacob et al. 2018, equation 7, in integers of unlimited size but for the 32 bits of a sum."""
    real = np.float64(np.float32(input_scale)) * np.asarray(weight_scale, np.float32).astype(np.float64)
    if real.ndim == 0:
        real = np.full(len(bias), np.float64(np.float32(real)))
    real = real / np.float64(np.float32(output_scale))
    sums = (x.astype(np.int64) - input_zero_point) @ weights.astype(np.int64).T + bias
    sums = sums.astype(np.int32).astype(object)
    scaled = np.empty(sums.shape, np.int64)
    for o, factor in enumerate(real):
        multiplier, shift = quantised_multiplier(float(factor))
        scaled[..., o] = [
            (int(s) * multiplier + 2 ** (30 - shift)) >> (31 - shift) for s in np.ravel(sums[..., o])
        ]

    def quantised(value):
        steps = float(np.float32(value) / np.float32(output_scale))
        return output_zero_point + int(np.sign(steps) * np.floor(abs(steps) + 0.5))

    ends = {
        "none": (-128, 127),
        "relu": (quantised(0), 127),
        "relu6": (quantised(0), quantised(6)),
        "relu_n1_to_1": (quantised(-1), quantised(1)),
    }[activation]
    low, high = max(ends[0], -128), min(ends[1], 127)
    return np.clip(scaled + output_zero_point, low, high).astype(np.int8)


# ------------------------------------------------------------------------------------------------------ flow


def _halved(image: np.ndarray) -> np.ndarray:
    """Means of 2x2 pixels, halves rounded up; an odd last row or column is left out."""
    height, width = (side // 2 * 2 for side in image.shape)
    image = image[:height, :width].astype(np.int64)
    return (image[::2, ::2] + image[::2, 1::2] + image[1::2, ::2] + image[1::2, 1::2] + 2) >> 2


def _window_at(image: np.ndarray, x: float, y: float, reach: int) -> np.ndarray:
    """Bilinear samples, scaled by 32, of a square around a point; weights have 14 bits, edges go on."""
    left, top = np.floor(x - reach), np.floor(y - reach)
    a, b = x - reach - left, y - reach - top
    here, right, below = (int(part * 16384 + 0.5) for part in ((1 - a) * (1 - b), a * (1 - b), (1 - a) * b))
    diagonal = max(0, 16384 - here - right - below)
    rows = np.clip(int(top) + np.arange(2 * reach + 2), 0, image.shape[0] - 1)
    columns = np.clip(int(left) + np.arange(2 * reach + 2), 0, image.shape[1] - 1)
    part = image[np.ix_(rows, columns)].astype(np.int64)
    total = here * part[:-1, :-1] + right * part[:-1, 1:] + below * part[1:, :-1] + diagonal * part[1:, 1:]
    return (total + 256) >> 9


def _followed(first: list[np.ndarray], second: list[np.ndarray], x: float, y: float, window: int):
    """(x, y) of a point of one pyramid in the other, None when it is lost. Bouguet 2000, section 2.4."""
    half = window // 2
    at_x, at_y = x, y

    def inside(image: np.ndarray, x: float, y: float) -> tuple[float, float]:
        return min(max(x, 0.0), image.shape[1] - 1.0), min(max(y, 0.0), image.shape[0] - 1.0)

    for level in reversed(range(len(first))):
        side = 2.0**level
        samples = _window_at(
            first[level], *inside(first[level], (x + 0.5) / side - 0.5, (y + 0.5) / side - 0.5), half + 1
        )
        gx = (samples[1:-1, 2:] - samples[1:-1, :-2] + 4) >> 3
        gy = (samples[2:, 1:-1] - samples[:-2, 1:-1] + 4) >> 3
        xx, xy, yy = (float((u * v).sum()) for u, v in ((gx, gx), (gx, gy), (gy, gy)))
        smaller = ((xx + yy) - np.sqrt((xx - yy) * (xx - yy) + 4 * xy * xy)) / 2
        if not smaller > 0.01 * 64 * window * window:
            if level == 0:
                return None
            continue
        determinant = xx * yy - xy * xy
        u, v = (at_x + 0.5) / side - 0.5, (at_y + 0.5) / side - 0.5
        before = (0.0, 0.0)
        for i in range(20):
            difference = _window_at(second[level], *inside(second[level], u, v), half) - samples[1:-1, 1:-1]
            p, q = float((difference * gx).sum()), float((difference * gy).sum())
            step = ((xy * q - yy * p) / determinant / 4, (xy * p - xx * q) / determinant / 4)
            u, v = u + step[0], v + step[1]
            if step[0] * step[0] + step[1] * step[1] < 0.01 * 0.01:
                break
            if i > 0 and abs(step[0] + before[0]) < 0.01 and abs(step[1] + before[1]) < 0.01:
                u, v = u - step[0] / 2, v - step[1] / 2
                break
            before = step
        if level == 0:
            return (u, v) if inside(second[0], u, v) == (u, v) else None
        u, v = inside(second[level], u, v)
        at_x, at_y = (u + 0.5) * side - 0.5, (v + 0.5) * side - 0.5
    return None


def flow(before: np.ndarray, after: np.ndarray, points: np.ndarray, window: int = 13, levels: int = 3):
    """Pyramidal Lucas-Kanade there and back: (there or NaN when lost at once, distance on return)."""
    first, second = [before], [after]
    while len(first) < levels and min(before.shape) >> len(first) >= window:
        first.append(_halved(first[-1]))
        second.append(_halved(second[-1]))
    there = np.full((len(points), 2), np.nan, np.float32)
    error = np.full(len(points), np.inf, np.float32)
    for i, (x, y) in enumerate(points.astype(np.float64)):
        found = _followed(first, second, x, y, window)
        if found is None:
            continue
        there[i] = found
        back = _followed(second, first, *found, window)
        if back is not None:
            error[i] = np.sqrt((back[0] - x) * (back[0] - x) + (back[1] - y) * (back[1] - y))
    return there, error


# --------------------------------------------------------------------------------------------------- cascade


def _stages_passed(image: np.ndarray, model: dict) -> np.ndarray:
    """How many stages the window at each place passes; -1 without enough contrast."""
    width, height = model["width"], model["height"]
    down, across = image.shape[0] - height + 1, image.shape[1] - width + 1

    def inside(values: np.ndarray, rectangle) -> np.ndarray:
        """Sums over a rectangle of every window."""
        total = np.pad(values.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
        left, top, right, bottom = (int(side) for side in rectangle)

        def corner(y: int, x: int) -> np.ndarray:
            return total[y : y + down, x : x + across]

        return corner(bottom, right) - corner(bottom, left) - corner(top, right) + corner(top, left)

    area = (width - 2) * (height - 2)
    inner = (1, 1, width - 1, height - 1)
    spread = (area * inside(image * image, inner) - inside(image, inner) ** 2).astype(np.float64)
    reciprocal = (1.0 / np.sqrt(np.where(spread > 0, spread, 1))).astype(np.float32)
    judged = (spread > 0) & (area * reciprocal.astype(np.float64) < 0.1)

    def below(tree: int, node: int) -> np.ndarray:
        value = np.zeros((down, across), np.float32)
        for rectangle, weight in zip(
            model["rectangles"][tree, node], model["weights"][tree, node], strict=True
        ):
            value += weight * inside(image, rectangle).astype(np.float32)
        return value * reciprocal < model["thresholds"][tree, node]

    passed, standing, tree = np.where(judged, 0, -1), judged, 0
    for count, threshold in zip(model["stages"], model["stage_thresholds"], strict=True):
        total = np.zeros((down, across))
        for index in range(tree, tree + count):
            total += model["leaves"][index][2 * (~below(index, 0)).astype(int) + ~below(index, 1)].astype(
                np.float64
            )
        standing = standing & ~(total < threshold)
        passed = passed + standing
        tree += count
    return passed


def cascade(image: np.ndarray, model: dict, step: int = 1) -> np.ndarray:
    """Viola and Jones 2001, with OpenCV's skipping; model holds the arguments of kernels.Cascade."""
    passed = _stages_passed(image.astype(np.int64), model)
    found = []
    for y in range(0, passed.shape[0], step):
        x = 0
        while x < passed.shape[1]:
            if passed[y, x] == len(model["stages"]):
                found.append((x, y))
            x += 2 * step if passed[y, x] == 0 else step
    return np.array(found, np.int32).reshape(-1, 2)
