"""Batches made where the network computes, under JAX: alterations, mixing, tensors, from images that stay there.

The alterations are those of `augment.py`, drawn from the same distributions by `jax.random`: the two agree in what
they do to a set of images, not image by image. What follows them, the tensor, is bit for bit that of the runtime's
`Preprocess`.

Levels are whole numbers from 0 to 255 in float32, shape (N, H, W); what stays on the accelerator is uint8.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from edgefer.measure.datasets.base import Images
from edgefer.preprocess.crop import CHANNELS, REAL_VALUES
from edgefer.train.data.augment import MIXUP_BETA, ROTATION_DEGREES, SCALE, SHIFT, STRETCH, WHOLE, Alterations
from edgefer.train.data.batches import SCALE as STEP
from edgefer.train.data.batches import Inputs, input_spec

TAPS = 4  # farthest neighbour in OpenCV's softest blur here


def resized(images: Images, side: int) -> np.ndarray:
    """Unaltered images in the side of the tensor, as `Preprocess` resizes them: uint8, shape (N, side, side)."""
    whole = Inputs(input_spec("grey", side))
    return np.stack([np.rint(whole(image)[..., 0] / STEP + 128).astype(np.uint8) for image in images])


def parts(images, size: int) -> list:
    """Images in arrays of one size, for which one shape is compiled; the last is filled up with its last image."""
    missing = -len(images) % size
    if missing:
        library = np if isinstance(images, np.ndarray) else jnp
        images = library.concatenate([images, library.repeat(images[-1:], missing, axis=0)])
    return [images[start : start + size] for start in range(0, len(images), size)]


def tensor(levels, channels: str, side: int | None = None):
    """The network's input of images in its size: float32 (N, side, side, planes), real values.

    Args:
        levels: whole numbers, shape (N, S, S). channels: a name in preprocess.CHANNELS.
        side: of the tensor, below S averaged down as `Inputs` does; None for S.
    """
    levels = levels.astype(jnp.float32)
    around = jnp.pad(levels, ((0, 0), (1, 1), (1, 1)), mode="reflect")
    up, down, left, right = around[:, :-2], around[:, 2:], around[:, :, :-2], around[:, :, 2:]
    across, along = right - left, down - up
    made = {
        "grey": levels,
        "gx": across[:, :-2] + 2 * across[:, 1:-1] + across[:, 2:],
        "gy": along[:, :, :-2] + 2 * along[:, :, 1:-1] + along[:, :, 2:],
        "laplacian": up[:, :, 1:-1] + down[:, :, 1:-1] + left[:, 1:-1] + right[:, 1:-1] - 4 * levels,
    }
    factors = {plane: REAL_VALUES[plane] for plane in CHANNELS[channels]}
    planes = [jnp.rint(made[plane] * (by / STEP) + more / STEP) for plane, (by, more) in factors.items()]
    out = jnp.clip(jnp.stack(planes, axis=-1), -128, 127)
    if side is not None and side != levels.shape[1]:
        weights = jnp.asarray(_areas(levels.shape[1], side))
        out = jnp.einsum("oi,pj,nijc->nopc", weights, weights, out, precision=lax.Precision.HIGHEST)
    return out * STEP


def _areas(size: int, side: int) -> np.ndarray:
    """What part of each of `size` pixels lies in each of `side` larger ones: float32, rows sum to one."""
    edges = np.arange(side + 1) * (size / side)
    pixels = np.arange(size)
    inside = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.maximum(inside, 0) * (side / size)).astype(np.float32)


def augment(images, key, side: int, how: Alterations = WHOLE):
    """Random versions of faces, as `augment.augment` makes them.

    Args:
        images: whole numbers, shape (N, H, W). key: of jax.random; the same key gives the same images.
        how: the images are altered; without operations of RandAugment.

    Returns:
        Levels, shape (N, side, side).
    """
    warp, focus, light, hide = jax.random.split(key, 4)
    chosen = True
    if how.share < 1:
        chosen = jax.random.uniform(jax.random.fold_in(key, 1), (len(images), 1, 1)) < how.share
    moved = _warp(images, warp, side, jnp.where(chosen, 1.0, 0.0))
    return moved if how.moved_alone else jnp.where(chosen, _hide(_light(_focus(moved, focus), light), hide), moved)


def _even(key, count: int, *limits: tuple[float, float]):
    """Even draws, (count, 1, 1) for each pair of limits."""
    draws = jax.random.uniform(key, (len(limits), count, 1, 1))
    return [low + (high - low) * draw for draw, (low, high) in zip(draws, limits, strict=True)]


def _warp(images, key, side, strength=1.0):
    count, height, width = images.shape
    turn = np.deg2rad(ROTATION_DEGREES)
    limits = ((-SCALE, SCALE), (-STRETCH, STRETCH), (-turn, turn), (-1, 1), (-SHIFT, SHIFT), (-SHIFT, SHIFT))
    scale, stretch, angle, mirror, dx, dy = _even(key, count, *limits)
    scale, stretch, angle, dx, dy = (strength * draw for draw in (scale, stretch, angle, dx, dy))
    scale, stretch = side / max(height, width) * jnp.exp(scale), jnp.exp(stretch)
    places = jnp.arange(side, dtype=jnp.float32) - (side - 1) / 2
    x, y = places[None, None, :] - dx * side, places[None, :, None] - dy * side
    cos, sin = jnp.cos(angle) / scale, jnp.sin(angle) / scale
    # where each pixel comes from; beyond the edge the edge repeats
    u = jnp.clip((cos * x + sin * y) / (stretch * jnp.sign(mirror)) + (width - 1) / 2, 0, width - 1)
    v = jnp.clip((cos * y - sin * x) * stretch + (height - 1) / 2, 0, height - 1)
    u0, v0 = jnp.clip(jnp.floor(u), 0, width - 2), jnp.clip(jnp.floor(v), 0, height - 2)
    place = (v0 * width + u0).astype(jnp.int32).reshape(count, -1)
    flat = images.reshape(count, -1)

    def at(step):
        return jnp.take_along_axis(flat, place + step, axis=1).reshape(u.shape).astype(jnp.float32)

    u, v = u - u0, v - v0
    upper, lower = at(0) * (1 - u) + at(1) * u, at(width) * (1 - u) + at(width + 1) * u
    return jnp.rint(upper * (1 - v) + lower * v)


def _focus(levels, key):
    count = len(levels)
    kind, sigma, amount = _even(key, count, (0, 1), (0.4, 1.4), (0.3, 1.5))
    soft, sharp = kind < 0.25, (kind >= 0.25) & (kind < 0.5)
    sigma = jnp.where(soft, sigma, 1.0)
    # OpenCV cuts the kernel for bytes at an odd number of taps near six deviations
    reach = jnp.floor((jnp.rint(6 * sigma + 1)) / 2)
    taps = [jnp.where(k <= reach, jnp.exp(-(k**2) / (2 * sigma**2)), 0.0) for k in range(TAPS + 1)]
    total = taps[0] + 2 * sum(taps[1:])
    blurred = levels
    for axis in (1, 2):
        pads = [(0, 0), (0, 0), (0, 0)]
        pads[axis] = (TAPS, TAPS)
        around, size = jnp.pad(blurred, pads, mode="reflect"), levels.shape[axis]

        def shifted(k, around=around, size=size, axis=axis):
            return lax.slice_in_dim(around, TAPS + k, TAPS + k + size, axis=axis)

        blurred = sum((taps[k] * (shifted(k) + shifted(-k)) for k in range(1, TAPS + 1)), taps[0] * shifted(0)) / total
    blurred = jnp.rint(blurred)
    sharper = jnp.clip(jnp.rint((1 + amount) * levels - amount * blurred), 0, 255)
    return jnp.where(soft, blurred, jnp.where(sharp, sharper, levels))


def _light(levels, key):
    count = len(levels)
    even, normal = jax.random.split(key)
    limits = ((-0.35, 0.35), (-0.3, 0.3), (-20, 20), (0, 1), (2, 8))
    gamma, contrast, more, noisy, strength = _even(even, count, *limits)
    lit = (levels / 255) ** jnp.exp(gamma) * 255
    lit = jnp.clip(jnp.rint((lit - 128) * jnp.exp(contrast) + 128 + more), 0, 255)
    noise = jax.random.normal(normal, levels.shape) * strength
    return jnp.where(noisy < 0.15, jnp.clip(jnp.rint(lit + noise), 0, 255), lit)


def _hide(levels, key):
    count, side = levels.shape[:2]
    limits = ((0, 1), (0.02, 0.15), (-0.8, 0.8), (0, 1), (0, 1), (0, 256))
    hidden, area, aspect, y, x, grey = _even(key, count, *limits)
    area, aspect = area * side * side, jnp.exp(aspect)
    height, width = (jnp.clip(jnp.rint(jnp.sqrt(a)), 1, side) for a in (area * aspect, area / aspect))
    y, x = jnp.floor(y * (side - height + 1)), jnp.floor(x * (side - width + 1))
    rows, columns = jnp.arange(side)[None, :, None], jnp.arange(side)[None, None, :]
    inside = (rows >= y) & (rows < y + height) & (columns >= x) & (columns < x + width)
    return jnp.where(inside & (hidden < 0.2), jnp.floor(grey), levels)


def mix(levels, targets, key, mixed: tuple[float, float]):
    """A batch blended by mixup, or with rectangles by cutmix, or as it is: see `augment.mixup` and `augment.cutmix`.

    Args:
        mixed: in what share of the batches each happens.
    """
    if not sum(mixed):
        return levels, targets
    which, blend, area, place = jax.random.split(key, 4)
    draw = jax.random.uniform(which)
    other, other_targets = jnp.roll(levels, 1, axis=0), jnp.roll(targets, 1, axis=0)
    share = jnp.where(draw < mixed[0], jax.random.beta(blend, MIXUP_BETA, MIXUP_BETA), 1.0)
    blended = jnp.rint(share * levels + (1 - share) * other)
    size = levels.shape[1]
    half = jnp.sqrt(1 - jax.random.uniform(area)) * size / 2
    y, x = jax.random.uniform(place, (2,)) * size
    cut = (draw >= mixed[0]) & (draw < sum(mixed))
    (y0, y1), (x0, x1) = ([jnp.rint(jnp.clip(c + s * half, 0, size)) for s in (-1, 1)] for c in (y, x))
    rows, columns = jnp.arange(size)[:, None], jnp.arange(size)[None, :]
    inside = cut & (rows >= y0) & (rows < y1) & (columns >= x0) & (columns < x1)
    share = jnp.where(cut, 1 - (y1 - y0) * (x1 - x0) / size**2, share)
    return jnp.where(inside, other, blended), share * targets + (1 - share) * other_targets


def altered(images, targets, key, side: int, mixed: tuple[float, float], how: Alterations = WHOLE):
    """Levels and targets of a training batch: `augment`, then `mix`."""
    own, together = jax.random.split(key)
    return mix(augment(images, own, side, how), targets, together, mixed)
