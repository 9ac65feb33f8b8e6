"""Photographs from the bytes of a file: one way to decode them, alike for every source and data set.

A picture becomes 8-bit BGR as a viewer shows it: turned upright by EXIF (JPEG, PNG, WebP, TIFF) or by the
container (HEIC, AVIF), other depths brought to 8 bits, palettes and CMYK made colours. Alpha is left out, as by
`convert("RGB")` or cv2.imread; colour profiles are not applied. Its grey is our own kernel's luma of these
colours, so that a path, a BGR array and an RGB array of one picture give exactly the same.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from edgefer.errors import PictureError
from edgefer.support.formats import HEAD_BYTES, Format, gif, heif, identify, is_text, jpeg, png, pnm, tiff, webp
from edgefer.support.memory import available_bytes
from edgefer.support.quiet import native_stderr

#: A JPEG that lacks no more of its picture than this, at the lower end, is read.
MOST_MISSING = 0.05
#: Memory that decoding one pixel takes at most, with the grey image made of it.
BYTES_PER_PIXEL = 12
#: OpenCV refuses larger ones.
MOST_PIXELS = 1 << 30

_AS_STORED = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
_DEEP = _AS_STORED | cv2.IMREAD_ANYDEPTH
_TO_CONVERT = "convert it to JPEG or PNG"
_EOI = b"\xff\xd9"


class Picture(NamedTuple):
    """One decoded picture.

    Attributes:
        bgr: uint8, shape (H, W, 3), upright.
        remark: what is not as it should be, in half a sentence; empty where all is well.
    """

    bgr: np.ndarray
    remark: str = ""


class PictureFile:
    """The pictures of one file.

    Attributes:
        format: of the file. count: how many pictures it holds that stand for themselves; previews,
            masks, depth and gain maps are not counted.
    """

    def __init__(self, data: bytes) -> None:
        """
        Args:
            data: the whole file.

        Raises:
            PictureError: it is empty, no still picture, of a format that cannot be read here, or damaged.
        """
        if not data:
            raise PictureError("the file is empty")
        found = identify(data[:HEAD_BYTES])
        if found is None:
            what = "the file holds text" if is_text(data) else "of an unknown kind"
            raise PictureError(f"{what}; expected a picture: JPEG, PNG, WebP, TIFF, BMP, HEIC or AVIF")
        self.format: Format = found
        if found.use in ("film", "animation"):
            raise PictureError(f"{found.name}: its pictures follow each other in time; give it as a source by itself")
        if found.name == "TIFF" and tiff.is_camera_raw(data):
            self.format = Format("camera raw", "refused")
        if self.format.use == "refused":
            raise PictureError(f"{self.format.name} is not read; {_TO_CONVERT}")
        self._data = data
        self._pages: list[tiff.Page] = []
        if found.name == "TIFF":
            every = tiff.pages(data)
            self._pages = [page for page in every if not page.reduced] or every
            if not self._pages:
                raise PictureError("damaged image: it has no readable directory")
        self._heif = _open_heif(data) if found.name == "HEIC" else None
        self.count = len(self._pages) or (len(self._heif) if self._heif is not None else 1)

    def read(self, index: int = 0) -> Picture:
        """One picture of the file, from 0.

        Raises:
            PictureError: it is damaged, too large, or cannot be decoded here.
        """
        check_size(self._size(index))
        match self.format.name:
            case "JPEG":
                return _read_jpeg(self._data)
            case "PNG":
                data, reason = png.mended(self._data)
                if reason:
                    raise PictureError(reason)
                return Picture(_turned(_decoded(data), tiff.orientation(png.exif(data))))
            case "WebP":
                data = webp.mended(self._data)
                return Picture(_turned(_decoded(data), tiff.orientation(webp.exif(self._data))))
            case "PNM":
                return Picture(_decode_pnm(self._data))
            case "TIFF":
                return Picture(_decode_page(self._data, self._pages[index]))
            case "HEIC":
                return Picture(_decode_heif(self._heif, index))
            case "AVIF":
                return _read_avif(self._data)
            case "GIF":
                return Picture(_decoded(self._data, "this OpenCV reads no GIF; " + _TO_CONVERT))
        return Picture(_decoded(self._data))

    def _size(self, index: int) -> tuple[int, int] | None:
        """Width and height as the header tells them, before anything is decoded."""
        match self.format.name:
            case "JPEG":
                return jpeg.examine(self._data).size
            case "PNG":
                return png.size(self._data)
            case "WebP":
                return webp.size(self._data)
            case "PNM":
                found = pnm.header(self._data)
                return found and found.size
            case "TIFF":
                return self._pages[index].size
            case "HEIC" | "AVIF":
                return heif.header(self._data).size
            case "GIF":
                return gif.size(self._data)
        return None


def check_size(size: tuple[int, int] | None) -> None:
    """Refuses what memory does not hold before it is decoded."""
    if size is None:
        return
    width, height = size
    pixels = width * height
    if pixels > MOST_PIXELS:
        raise PictureError(
            f"{width}x{height} are {pixels / 1e6:.0f} megapixels; expected at most {MOST_PIXELS / 1e6:.0f}, reduce it"
        )
    free = available_bytes()
    if free is not None and pixels * BYTES_PER_PIXEL > free:
        raise PictureError(
            f"{width}x{height} pixels need {pixels * BYTES_PER_PIXEL / 1e6:.0f} MB of memory, of which"
            f" {free / 1e6:.0f} MB are free; reduce it"
        )


def decode_image(data: bytes | np.ndarray, flags: int) -> np.ndarray | None:
    """cv2.imdecode without its noise: the uint8 image, or None when it is damaged."""
    return _decode(data, flags)[0]


def _decode(data: bytes | np.ndarray, flags: int) -> tuple[np.ndarray | None, list[str]]:
    """The image, or None when it is damaged; and what the decoder said."""
    if not len(data):
        return None, []
    with native_stderr("image decoder") as said:  # libjpeg and libpng have no switch that OpenCV would pass on
        try:
            image = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:  # larger than OpenCV's limits, or a header that makes no sense
            image = None
    return image, said


def _decoded(data: bytes, otherwise: str = "damaged image, or of a kind that cannot be decoded") -> np.ndarray:
    """The picture as it is stored, without a turn."""
    image = decode_image(data, _AS_STORED)
    if image is None or image.dtype != np.uint8 or image.ndim != 3:
        raise PictureError(otherwise)
    return image


def _turned(image: np.ndarray, orientation: int) -> np.ndarray:
    """The picture upright, by EXIF's orientation."""
    if orientation >= 5:
        image = image.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


# -- JPEG


def _read_jpeg(data: bytes) -> Picture:
    """A JPEG of which at most MOST_MISSING is not there, at its lower end.

    Decoders fill what is missing with grey and say nothing, or refuse a file for its end marker alone; so the
    damage itself is measured.
    """
    found = jpeg.examine(data)
    if found.size is None or not found.scans:
        raise PictureError("damaged image: ends before its picture begins")
    if found.scans > jpeg.MOST_SCANS:
        raise PictureError(f"more than {jpeg.MOST_SCANS} scans")
    coded = data[: found.end]
    if not found.ended:
        if found.coarse:
            raise PictureError("damaged image: ends early, scans that would make it exact are missing")
        # room that was set aside and never written, and the first half of a marker or of a stuffed byte
        coded = coded.rstrip(b"\0").rstrip(b"\xff")
    image, said = _decode(coded + _EOI, _AS_STORED)
    if image is None:
        kind = "lossless JPEG" if found.frame in (0xC3, 0xC7, 0xCB, 0xCF, 0xF7) else "JPEG of a kind"
        raise PictureError("damaged image" if found.frame in (0xC0, 0xC1, 0xC2) else f"{kind} that cannot be decoded")
    missing = found.lost_restarts
    corner = image[-8:, -8:]
    if not found.ended or (corner == corner[-1, -1]).all():  # a filler is flat
        missing = max(missing, _missing(coded, found.rows))
    if missing > MOST_MISSING:
        raise PictureError(f"damaged image: ends early, {missing:.0%} of the picture missing")
    share = f"{missing:.1%}" if missing >= 0.001 else "less than 0.1%"
    remark = f"ends early: {share} of the picture missing; read without it" if missing else ""
    if not remark and (found.coarse or any("Corrupt" in line or "Premature" in line for line in said)):
        remark = "damaged inside, as its decoder says; read as a viewer shows it"
    if not remark and found.goes_on:
        remark = "holds further pictures, of which only the first is read; as a film, give it as film:FILE"
    return Picture(_turned(image, tiff.orientation(found.exif)), remark)


def _missing(coded: bytes, rows: int) -> float:
    """The share of a picture, at its lower end, for which its coded data do not suffice.

    The data are decoded twice, with different bytes behind them: where the results differ these were used in
    place of what is missing. Rows come in order, so that from the first difference on all is missing.
    """
    noise = np.random.default_rng(0).integers(0, 255, (2, 2048), dtype=np.uint8)  # without 255, a marker
    first, second = (decode_image(coded + tail.tobytes() + _EOI, _AS_STORED) for tail in noise)
    if first is None or second is None or first.shape != second.shape:
        return 1.0
    differs = (first != second).any(axis=2)
    lines = np.flatnonzero(differs.any(axis=1))
    if not len(lines):
        return 0.0
    height, width = differs.shape
    top = int(lines[0])
    beside = int(np.flatnonzero(differs[top : top + rows].any(axis=0))[0])
    return 1 - (top * width + beside * min(rows, height - top)) / (height * width)


# -- PNM and PAM


def _decode_pnm(data: bytes) -> np.ndarray:
    """A PNM or PAM picture with its maxval made 255.

    Numbers that are bytes are read here, for OpenCV leaves them as they are, and exchanges red and blue in PAM.
    """
    found = pnm.header(data)
    if found is None:
        raise PictureError(
            f"damaged image: its header makes no sense; expected width, height and maxval 1 to {pnm.MOST_MAXVAL} (PNM)"
        )
    if found.obstacle:
        raise PictureError(f"{found.obstacle} is not read; expected grey or RGB, {_TO_CONVERT}")
    image = pnm.samples(data, found) if found.raw else decode_image(pnm.plain(data, found), _DEEP)
    if image is None:
        raise PictureError("damaged image: ends early, or holds other things than numbers (PNM)")
    if found.kind not in (1, 4):  # whose bits OpenCV makes 0 and 255
        image = cv2.convertScaleAbs(image, alpha=255 / found.maxval).reshape(image.shape)
    if not found.raw:
        return image
    return np.ascontiguousarray(image[:, :, 2::-1]) if found.channels > 2 else image[:, :, :1].repeat(3, axis=2)


# -- TIFF


def _decode_page(data: bytes, page: tiff.Page) -> np.ndarray:
    """One page; OpenCV turns a TIFF upright by itself."""
    if page.obstacle:
        raise PictureError(f"{page.obstacle}; {_TO_CONVERT}")
    data = tiff.with_first_page(data, page)
    if page.rare:  # another build of OpenCV may read it
        return _decoded(data, f"{page.rare} is not read; expected 8 bits, or 16 of grey or RGB, {_TO_CONVERT}")
    return _decoded(data)


# -- HEIC and AVIF


def _open_heif(data: bytes):
    """The file as pillow-heif sees it."""
    try:
        import pillow_heif
    except ImportError:
        raise PictureError("HEIC needs the extra `heif`: pip install 'edgefer[heif]'") from None
    try:
        with native_stderr("HEIC decoder"):
            return pillow_heif.open_heif(data, convert_hdr_to_8bit=True, bgr_mode=True)
    except (ValueError, SyntaxError, OSError, RuntimeError, EOFError) as error:
        raise PictureError(f"damaged image, or of a kind that cannot be decoded ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__


def _decode_heif(opened, index: int) -> np.ndarray:
    """One picture of a HEIC file, which its decoder has turned upright."""
    order = sorted(range(len(opened)), key=lambda each: (not opened[each].info.get("primary"), each))
    try:
        with native_stderr("HEIC decoder"):
            image = np.asarray(opened[order[index]])
    except (ValueError, SyntaxError, OSError, RuntimeError, EOFError) as error:
        raise PictureError(f"damaged image ({_reason(error)})") from None
    if image.dtype != np.uint8:
        raise PictureError(f"HEIC of {image.dtype} numbers; {_TO_CONVERT}")
    if image.ndim == 2:
        image = image[:, :, None].repeat(3, axis=2)
    return np.ascontiguousarray(image[:, :, :3])


def _read_avif(data: bytes) -> Picture:
    """An AVIF picture: by OpenCV where its build can, else by Pillow; neither turns it upright."""
    image = decode_image(data, _AS_STORED)
    if image is None:
        image = _decode_with_pillow(data)
    found = heif.header(data)
    for step, value in found.turns:
        image = np.rot90(image, value) if step == "rotate" else image[::-1] if value == 0 else image[:, ::-1]
    remark = "its film is not read, only its first picture" if found.moving else ""
    return Picture(np.ascontiguousarray(image), remark)


def _decode_with_pillow(data: bytes) -> np.ndarray:
    """AVIF for an OpenCV that was built without it."""
    import io

    try:
        from PIL import Image, features
    except ImportError:
        raise PictureError("damaged image, or this OpenCV reads no AVIF: pip install 'edgefer[heif]' does") from None
    if not features.check("avif"):
        raise PictureError("damaged image, or neither this OpenCV nor this Pillow reads AVIF; upgrade Pillow to 11.3")
    try:
        return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))[:, :, ::-1]
    except (ValueError, SyntaxError, OSError, RuntimeError, EOFError) as error:
        raise PictureError(f"damaged image ({_reason(error)})") from None
