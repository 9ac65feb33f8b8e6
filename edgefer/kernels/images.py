"""Kernels on images: gradients, corners, flow, cascades, luma and resizing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgefer.kernels.compiled import compiled, compiled_class


@compiled
def sobel(
    image: np.ndarray, border: str = "reflect101", out: tuple[np.ndarray, np.ndarray] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Horizontal and vertical 3x3 Sobel derivatives, in one pass over the image.

    Args:
        image: uint8, shape (H, W), any row stride, last axis contiguous.
        border: what stands beyond the edge: "replicate" aa|abc or "reflect101" cb|abc.
        out: two int16 arrays of shape (H, W), written and returned; allocated when None.

    Returns:
        (gx, gy), int16, shape (H, W), -1020 to 1020; equal to cv2.Sobel(ksize=3) with the same border.

    Raises:
        TypeError: image or out has the wrong dtype. ValueError: wrong rank, size, layout or border.

    Reference: Sobel and Feldman, An Isotropic 3x3 Image Gradient Operator, 1968.
    """


@compiled
def laplacian(
    image: np.ndarray, aperture: int = 1, border: str = "reflect101", out: np.ndarray | None = None
) -> np.ndarray:
    """Laplacian: the sum of the second derivatives, 3x3.

    Args:
        image: uint8, shape (H, W), any row stride, last axis contiguous.
        aperture: 1 for the cross [0 1 0; 1 -4 1; 0 1 0], 3 for the diagonals [2 0 2; 0 -8 0; 2 0 2].
        border: what stands beyond the edge, as for `sobel`.
        out: int16, shape (H, W), written and returned; allocated when None.

    Returns:
        int16, shape (H, W), -1020 to 1020 (aperture 1) or -2040 to 2040 (3); equal to cv2.Laplacian with that
        ksize and border.

    Raises:
        TypeError: image or out has the wrong dtype. ValueError: wrong rank, size, layout, aperture or border.
    """


@compiled
def gradients(
    image: np.ndarray,
    aperture: int = 1,
    border: str = "reflect101",
    out: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`sobel` and `laplacian` in one pass over the image.

    Args:
        image: uint8, shape (H, W), any row stride, last axis contiguous.
        aperture: of the Laplacian, 1 or 3.
        border: what stands beyond the edge, as for `sobel`.
        out: three int16 arrays of shape (H, W), written and returned; allocated when None.

    Returns:
        (gx, gy, laplacian), int16, shape (H, W).

    Raises:
        As `sobel` and `laplacian`.
    """


@compiled
def shi_tomasi(
    image: np.ndarray, block_size: int = 3, border: str = "replicate", out: np.ndarray | None = None
) -> np.ndarray:
    """Corner score of every pixel: the smaller eigenvalue of its structure tensor.

    The tensor is summed over the window, of Sobel 3x3 gradients divided by 4 * 255 * block_size: the scale of
    OpenCV, 1 / (2^(ksize-1) * block_size * 255) for 8-bit images. Sobel / 8 is the gradient g in grey levels
    per pixel, so this is the smaller eigenvalue of the window's mean of (2 g / 255)^2.

    Args:
        image: uint8, shape (H, W), any row stride, last axis contiguous.
        block_size: side of the square window, pixels; odd, 3 to 15.
        border: what stands beyond the edge, as for `sobel`: of the image, and again of the gradient products.
        out: float32, shape (H, W), written and returned; allocated when None.

    Returns:
        float32, shape (H, W), score >= 0, within eight roundings (8 * 2^-24) of the larger eigenvalue of
        the exact value: the window sums are exact, the eigenvalue is float32. Equal to
        cv2.cornerMinEigenVal(ksize=3) within the roundings of that function, which are of the same kind.

    Raises:
        TypeError: image or out has the wrong dtype. ValueError: wrong rank, size, layout or border, or an
        even or out-of-range block_size. MemoryError: no room for a few rows of working memory.

    Reference: Shi and Tomasi, Good Features to Track, CVPR 1994: accept when min(l1, l2) exceeds a threshold.
    """


@compiled
def good_corners(
    image: np.ndarray,
    max_corners: int,
    quality_level: float,
    min_distance: float,
    mask: np.ndarray | None = None,
    block_size: int = 3,
) -> np.ndarray:
    """The strongest corners of an image, no two of them close together.

    Local maxima (3x3) of the `shi_tomasi` score (border "reflect101") are taken best first; one nearer than
    `min_distance` to a corner already taken is left out. Among equal scores the later pixel comes first.

    Args:
        image: uint8, shape (H, W), any row stride, last axis contiguous; fewer than 2^31 pixels.
        max_corners: most corners to return; 0 for no limit.
        quality_level: score a corner must exceed, as a fraction of the best one (under the mask); above 0.
        min_distance: least distance between two corners, pixels; below 1 there is none.
        mask: uint8, shape (H, W); corners are found where it is not 0. None allows every pixel.
        block_size: window of the score, pixels; odd, 3 to 15.

    Returns:
        float32, shape (N, 2), (x, y) in pixels, best first; never on the outermost pixels. N may be 0. These
        are the points of cv2.goodFeaturesToTrack, unless scores lie within float rounding of each other.

    Raises:
        TypeError: image or mask has the wrong dtype. ValueError: wrong rank, size, layout or range.
        MemoryError: no room for 9 bytes of working memory a pixel, most of
        it never touched unless every pixel is a maximum.
    """


@compiled
def flow(
    before: np.ndarray, after: np.ndarray, points: np.ndarray, window: int = 13, levels: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Where points of one image are in another, and how well each finds its way back.

    Pyramidal Lucas-Kanade: around each point a square window is matched by Gauss-Newton steps, from the
    coarsest level to the finest, and then from the place found back to where it came from. Beyond the image
    its edge pixels go on.

    Args:
        before, after: uint8, the same shape (H, W), 3 to 32768 pixels a side, any row stride, last axis
            contiguous.
        points: float32, shape (N, 2), contiguous; (x, y) in pixels of `before`, inside it.
        window: side of the window, pixels; odd, 3 to 13.
        levels: of the pyramid, 1 to 5; one whose side would fall below the window is left out.

    Returns:
        (there, error): float32, shape (N, 2), the place in `after`; float32, shape (N,), the distance between
        the point and where the way back ends, pixels, infinite for a point that is lost: too little texture
        around it, or outside `after`. `there` is then without meaning.

    Raises:
        TypeError: an array has the wrong dtype. ValueError: wrong shape, layout or range, or a point outside
        the image. MemoryError: no room for two padded pyramids.

    References: Bouguet, Pyramidal Implementation of the Lucas Kanade Feature Tracker, Intel 2000;
    Kalal, Mikolajczyk and Matas, Forward-Backward Error, ICPR 2010.
    """


@compiled
def median_flow(
    points: np.ndarray,
    there: np.ndarray,
    error: np.ndarray,
    centre_x: float,
    centre_y: float,
    far: float,
    most_error: float,
    apart: float,
) -> tuple[float, float, float, int, int]:
    """The shift and the change of size that the points of a flow agree on.

    Args:
        points, there, error: what `flow` was given and gave: float32, shapes (N, 2), (N, 2) and (N,), contiguous; at
            most 1024 points.
        centre_x, centre_y: of what moves; its size changes about it.
        far: pairs of points no farther apart than this, pixels, say nothing of the size; from 0.
        most_error: points whose error is not below this, or a place of which is no number, do not count; from 0.
        apart: a point moves with the others when it ends nearer than this to where their motion takes it, pixels;
            from 0.

    Returns:
        (dx, dy, scale, returned, together): the medians of the shifts, pixels, and of the changes of distance, 1 where
        no two points are far apart; how many points count, and how many of them move together. float64 in one order,
        so that it has no variants.

    Raises:
        TypeError: an array has the wrong dtype. ValueError: wrong shape, layout or range. MemoryError: no room for one
        number for each pair.

    Reference: Kalal, Mikolajczyk and Matas, Forward-Backward Error, ICPR 2010, section 3 (Median Flow).
    """


@compiled_class
class Cascade:
    """A boosted cascade of Haar-like features, prepared once for `cascade`.

    Trees have two nodes. A node sums weight * (sum of pixels) over its rectangles, divides by the contrast of
    the window, and compares with its threshold.

    Args:
        width, height: of the window, pixels, 3 to 32 each; also attributes.
        rectangles: int8, shape (trees, 2, 3, 4), contiguous: left, top, right and bottom, exclusive at the
            end, of three rectangles a node, inside the window.
        weights: float32, shape (trees, 2, 3); 0 for a rectangle that is not there.
        thresholds: float32, shape (trees, 2).
        leaves: float32, shape (trees, 4): first node below its threshold and second below its own, or not;
            first node not below its threshold, second below its own, or not. A tree of one node has each of
            its leaves twice.
        stages: int32, shape (S,): how many trees each has, in order.
        stage_thresholds: float32, shape (S,); a window whose leaves add up to less is refused.

    Raises:
        TypeError: an array has the wrong dtype. ValueError: shapes that do not fit, a rectangle outside the
        window, a number that is not finite, no stage, or an empty one.

    Reference: Viola and Jones, Rapid Object Detection using a Boosted Cascade of Simple Features, CVPR 2001.
    """

    width: int
    height: int

    def __init__(
        self,
        width: int,
        height: int,
        rectangles: np.ndarray,
        weights: np.ndarray,
        thresholds: np.ndarray,
        leaves: np.ndarray,
        stages: np.ndarray,
        stage_thresholds: np.ndarray,
    ) -> None: ...


@compiled
def cascade(image: np.ndarray, model: Cascade, step: int = 1) -> np.ndarray:
    """The windows of an image that every stage of a cascade accepts.

    Windows are `step` pixels apart, and the one to the right of a window that the first stage refuses is
    skipped: these are the windows cv2.CascadeClassifier finds in one image of its pyramid. A window of too
    little contrast is refused.

    Args:
        image: uint8, shape (H, W) with W at most 1264, any row stride, last axis contiguous.
        model: the cascade.
        step: 1 or 2, pixels.

    Returns:
        int32, shape (N, 2): (x, y) of each window's left upper pixel, row by row; N is 0 for an image smaller
        than the window.

    Raises:
        TypeError: image is not uint8, or model not a Cascade. ValueError: wrong rank, size or layout, or
        step. MemoryError: no room for 63 rows and 8 bytes a window.

    References: Viola and Jones, CVPR 2001; Lienhart, Kuranov and Pisarevsky, DAGM 2003, for what is skipped.
    """


@compiled
def luma(image: np.ndarray, format: str = "yuyv", out: np.ndarray | None = None) -> np.ndarray:
    """Brightness of a camera frame.

    Args:
        image: uint8, rows contiguous, any row stride. "yuyv": shape (H, W, 2), luma first. "nv12": shape
            (H * 3 / 2, W), H rows of luma above H / 2 rows of chroma. "bgr": shape (H, W, 3).
        format: "yuyv", "nv12" or "bgr".
        out: uint8, shape (H, W), written and returned; allocated when None.

    Returns:
        uint8, shape (H, W), 0 to 255. Of "bgr" 0.114 B + 0.587 G + 0.299 R, equal to cv2.cvtColor; else the
        camera's own luma, unchanged.

    Raises:
        TypeError: image or out is not uint8. ValueError: wrong shape, layout or format.

    Reference: Recommendation ITU-R BT.601, luma.
    """


@compiled
def crop_resize(
    image: np.ndarray,
    box: Sequence[float],
    size: tuple[int, int] = (64, 64),
    method: str = "auto",
    out: np.ndarray | None = None,
) -> np.ndarray:
    """A box of the image, resized.

    With s = (x1 - x0) / W, column i of the result covers [x0 + i s, x0 + (i + 1) s) of the image; rows alike.
    Beyond the image its edge pixels go on. Weights have 14 bits and both sums are rounded to nearest.

    Args:
        image: uint8, shape (H, W), any row stride, last axis contiguous.
        box: (x0, y0, x1, y1), pixels, right and bottom exclusive, within 1e6; may lie partly or wholly
            outside.
        size: (height, width) of the result, each 1 to 4096.
        method: "area" weighs every pixel by its share of the covered interval, "bilinear" interpolates at the
            interval's centre, "auto" takes area along an axis that shrinks, else
            bilinear.
        out: uint8, shape `size`, written and returned; allocated when None.

    Returns:
        uint8, shape `size`.

    Raises:
        TypeError: image or out is not uint8, box or size are not numbers. ValueError: wrong rank or
        layout, an empty, non-finite or absurd box, a size out of range, an unknown method.
    """


@compiled
def stack(
    image: np.ndarray,
    box: Sequence[float],
    size: tuple[int, int],
    channels: Sequence[str],
    multipliers: Sequence[float],
    offsets: Sequence[float],
    method: str = "auto",
    out: np.ndarray | None = None,
) -> np.ndarray:
    """A network's int8 input from a box of the image, in one pass and without intermediate images.

    The box is resized as by `crop_resize`; of the resized image each channel is taken with border
    "reflect101" and quantised: clamp(rint(value * multiplier + offset), -128, 127) in float32, ties to even.

    Args:
        image, box, size, method: as for `crop_resize`.
        channels: which and in what order, each once, of "grey" (0 to 255), "gx" and "gy" (as `sobel`, -1020
            to 1020) and "laplacian" (as `laplacian` with aperture 1, -1020 to 1020).
        multipliers, offsets: for each channel one finite number, used as float32.
        out: int8, shape (height, width, channels), contiguous, written and returned; allocated when None.

    Returns:
        int8, shape (height, width, channels).

    Raises:
        TypeError: image is not uint8, out is not int8, other arguments of the wrong kind. ValueError: as
        `crop_resize`, and for an unknown or repeated channel, or numbers that do not match the channels.
    """
