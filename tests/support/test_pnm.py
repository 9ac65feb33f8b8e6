"""PNM and PAM: white is what the header says, red is red, and damage is told in one line."""

from __future__ import annotations

import numpy as np
import pytest

from edgefer.errors import PictureError
from edgefer.support.formats import called_picture, identify
from edgefer.support.stills import PictureFile

MAXVALS = [1, 100, 127, 200, 255, 1023, 4095, 16383, 65535]


def scene(width: int = 13, height: int = 9) -> np.ndarray:
    """uint8 (H, W, 3), RGB: red from the left to the right, green downwards, little blue."""
    y, x = np.mgrid[:height, :width]
    return np.dstack([255 * x // (width - 1), 255 * y // (height - 1), 30 + x % 2]).astype(np.uint8)


def coded(values: np.ndarray, kind: int, maxval: int) -> bytes:
    """A file of any of the kinds P2, P3, P5 and P6."""
    head = b"P%d\n# made by a camera\n%d %d\n%d\n" % (kind, values.shape[1], values.shape[0], maxval)
    if kind < 4:
        return head + b"\n".join(b" ".join(b"%d" % value for value in row) for row in values.reshape(len(values), -1))
    return head + values.astype(np.uint8 if maxval < 256 else ">u2").tobytes()


def pam(values: np.ndarray, maxval: int, tuple_type: str = "", depth: int | None = None) -> bytes:
    height, width, channels = values.shape
    head = f"P7\n# a comment\nWIDTH {width}\nHEIGHT {height}\nDEPTH {depth or channels}\nMAXVAL {maxval}\n"
    head += f"TUPLTYPE {tuple_type}\nENDHDR\n" if tuple_type else "ENDHDR\n"
    return head.encode() + values.astype(np.uint8 if maxval < 256 else ">u2").tobytes()


def scaled(image: np.ndarray, maxval: int) -> tuple[np.ndarray, np.ndarray]:
    """An image's numbers with another white, and the image as it is seen then."""
    values = np.rint(image / 255 * maxval)
    return values, np.rint(values / maxval * 255)


def read_rgb(data: bytes) -> np.ndarray:
    bgr = PictureFile(data).read().bgr
    assert bgr.dtype == np.uint8 and bgr.flags.c_contiguous
    return bgr[:, :, ::-1].astype(int)


@pytest.mark.parametrize("maxval", MAXVALS)
@pytest.mark.parametrize("kind", [2, 3, 5, 6])
def test_white_is_the_maxval_of_the_header(kind, maxval):
    """As of cameras of 10 and 12 bits; a number beyond it is white, too."""
    image = scene() if kind in (3, 6) else scene()[:, :, :1]
    values, seen = scaled(image, maxval)
    assert np.abs(read_rgb(coded(values, kind, maxval)) - seen).max() <= 1
    values[-1] = min(maxval * 2, 255 if maxval < 256 else 65535)
    assert read_rgb(coded(values, kind, maxval))[-1].min() == 255


@pytest.mark.parametrize("maxval", [1, 255, 1023, 65535])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("kind", ["", "GRAYSCALE", "RGB"])
def test_pam_is_read_with_its_own_colours_and_without_alpha(kind, alpha, maxval):
    image = scene()[:, :, :1] if kind == "GRAYSCALE" else scene()
    values, seen = scaled(image, maxval)
    if alpha:
        values = np.dstack([values, np.zeros(values.shape[:2])])
    data = pam(values, maxval, kind + "_ALPHA" * alpha if kind else "")
    assert np.abs(read_rgb(data) - seen).max() <= 1


def test_bits_are_black_or_white():
    """1 is black in P1 and P4, white in PAM."""
    bits = np.array([[0, 1, 1], [1, 0, 0]])
    for data in (b"P1\n3 2\n0 1 1\n1 0 0", b"P1 3 2\n011100\n", b"P4\n3 2# bits\n\x60\x80"):
        assert (read_rgb(data) == 255 * (1 - bits[:, :, None])).all()
    for data in (pam(bits[:, :, None], 1, "BLACKANDWHITE"), pam(np.dstack([bits, bits]), 1, "BLACKANDWHITE_ALPHA")):
        assert (read_rgb(data) == 255 * bits[:, :, None]).all()


@pytest.mark.parametrize(
    "head",
    [b"P5 3 1 255\n", b"P5\n#3\n3 1\n#\n255\n", b"P5\r3\t1\r255\r", b"P5\n3 1 # wide\n255\n", b"P5\n3 1\n255# grey\n"],
    ids=str,
)
def test_spaces_and_comments_of_a_header_are_no_pixels(head):
    assert read_rgb(head + b"\x0a\x23\xc8")[0, :, 0].tolist() == [10, 35, 200]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"P5\n3 1\n0\n\1\1\1", "header makes no sense; expected width, height and maxval 1 to 65535"),
        (b"P5\n3 1\n65536\n\1\1\1\1\1\1", "header makes no sense"),
        (b"P6\n0 1\n255\n", "header makes no sense"),
        (b"P5\n-3 1\n255\n\1\1\1", "header makes no sense"),
        (b"P4\n3", "header makes no sense"),
        (b"P7 332\n#XVVERSION\n", "header makes no sense"),
        (b"P7\nWIDTH 3\nHEIGHT 1\nDEPTH 1\nENDHDR\n\1\1\1", "header makes no sense"),
        (b"P7\nWIDTH 3\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\n\1\1\1", "header makes no sense"),
        (b"P5\n3 2\n255\n\1\1\1\1\1", "ends early"),
        (b"P6\n3 1\n1023\n" + bytes(17), "ends early"),
        (b"P4\n9 2\n\1\1\1", "ends early"),
        (b"P2\n3 1\n255\n1 2\n", "ends early"),
        (b"P2\n3 1\n255\n1 x 2\n", "other things than numbers"),
        (pam(np.ones((2, 3, 3)), 255, "RGB")[:-1], "ends early"),
        (pam(np.ones((2, 3, 4)), 255, "CMYK"), "PAM of type 'CMYK' is not read; expected grey or RGB, convert it to"),
        (pam(np.ones((2, 3, 5)), 255), "PAM of depth 5 is not read; expected grey or RGB, convert it to"),
    ],
    ids=lambda each: None if isinstance(each, str) else str(each[:24]),
)
def test_what_cannot_be_read_is_refused_in_one_line(data, reason):
    with pytest.raises(PictureError, match=reason) as refused:
        PictureFile(data).read()
    assert "\n" not in str(refused.value)


def test_a_size_that_memory_does_not_hold_is_refused_by_the_header():
    with pytest.raises(PictureError, match="99999x99999 are 10000 megapixels"):
        PictureFile(b"P5\n99999 99999\n255\n").read()


def test_pam_is_told_by_its_content_and_by_its_name():
    assert identify(pam(np.ones((2, 3, 3)), 255)).name == "PNM"
    assert all(called_picture(f"a.{suffix}") for suffix in ("pbm", "pgm", "pnm", "ppm", "pam"))
