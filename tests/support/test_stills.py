"""Photographs from bytes: upright, in one way for every format, whole or refused in one line."""

from __future__ import annotations

import io
import struct
import sys
import zlib

import cv2
import numpy as np
import pytest

from edgefer.errors import PictureError
from edgefer.support import stills
from edgefer.support.formats import identify, png
from edgefer.support.stills import PictureFile

Image = pytest.importorskip("PIL.Image", reason="the tests' pictures are written with Pillow")


def scene(width: int = 160, height: int = 112) -> np.ndarray:
    """uint8 (H, W, 3), RGB: another colour in every corner, and smooth texture."""
    y, x = np.mgrid[:height, :width]
    image = np.dstack([40 + 180 * x // width, 40 + 180 * y // height, 90 + 60 * (x // 16 % 2)]).astype(np.uint8)
    image[:20, :30] = (250, 20, 20)
    return image


def coded(image, kind: str, **options) -> bytes:
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, kind, **options)
    return file.getvalue()


def close(bgr: np.ndarray, rgb: np.ndarray, bound: int = 24) -> bool:
    """Equal but for coding, whose errors are greatest at edges."""
    return bgr.shape == rgb.shape and float(np.percentile(np.abs(bgr[:, :, ::-1].astype(int) - rgb), 97)) <= bound


UNDO = {
    1: lambda x: x,
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.transpose(1, 0, 2),
    6: lambda x: np.rot90(x, 1),
    7: lambda x: x[::-1, ::-1].transpose(1, 0, 2),
    8: lambda x: np.rot90(x, -1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_every_format_is_turned_upright(kind, orientation):
    stored = np.ascontiguousarray(UNDO[orientation](scene()))
    exif = Image.Exif()
    exif[0x112] = orientation
    if kind == "HEIF":
        heif = pytest.importorskip("pillow_heif", reason="needs the extra `heif`")
        file = io.BytesIO()
        made = heif.from_pillow(Image.fromarray(stored))
        made.info["exif"] = exif.tobytes()
        made.save(file, quality=90)
        data = file.getvalue()
    elif kind == "TIFF":
        data = coded(stored, kind, tiffinfo={0x112: orientation})
    else:
        try:
            data = coded(stored, kind, exif=exif.tobytes(), quality=92)
        except (KeyError, OSError) as error:
            pytest.skip(f"this Pillow writes no {kind}: {error}")
    assert close(PictureFile(data).read().bgr, scene())


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "LA", "CMYK", "I;16"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_every_kind_of_pixel_is_read_as_pillow_reads_it(kind, mode):
    """Alpha is left out; 16 bits are reduced to 8."""
    if mode == "I;16":
        grey = scene()[:, :, 0]
        image, expected = Image.fromarray(grey.astype(np.uint16) * 257), np.repeat(grey[:, :, None], 3, axis=2)
    else:
        image = Image.fromarray(scene()).convert(mode)
        expected = np.array(image.convert("RGB"))
    try:
        data = coded(image, kind, **({"quality": 95} if kind == "JPEG" else {}))
    except (OSError, ValueError):
        pytest.skip(f"there is no {kind} of mode {mode}")
    assert close(PictureFile(data).read().bgr, expected, 24 if kind == "JPEG" else 1)


def test_alpha_is_left_out_whatever_it_hides():
    rgba = np.dstack([scene(), np.zeros(scene().shape[:2], np.uint8)])
    for kind in ("PNG", "TIFF"):
        assert close(PictureFile(coded(rgba, kind)).read().bgr, scene(), 1)


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_a_tiff_that_does_not_say_what_is_white_is_refused(dtype):
    data = coded(Image.fromarray(np.ones((20, 20), dtype)), "TIFF")
    with pytest.raises(PictureError, match=r"TIFF of .*32-bit .*convert it to JPEG or PNG"):
        PictureFile(data).read()


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ({258: 2}, "TIFF of 2-bit numbers"),
        ({258: 4}, "TIFF of 4-bit numbers"),
        ({258: 12}, "TIFF of 12-bit numbers"),
        ({258: 16, 262: 5, 277: 4}, "TIFF of 16-bit CMYK numbers"),
        ({258: 2, 262: 3}, "TIFF of 2-bit palette numbers"),
        ({258: 1, 262: 2, 277: 3}, "TIFF of 1-bit numbers"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_a_tiff_of_a_depth_that_is_not_read_is_not_called_damaged(tags, words):
    with pytest.raises(PictureError) as refused:
        PictureFile(tiff_of(tags)).read()
    expected = "expected 8 bits, or 16 of grey or RGB, convert it to JPEG or PNG"
    assert str(refused.value) == f"{words} is not read; {expected}"


@pytest.mark.parametrize("bits", [1, 8, 16])
def test_a_tiff_of_a_depth_that_is_read_is_called_damaged_when_it_is(bits):
    assert PictureFile(tiff_of({257: 8, 258: bits})).read().bgr.shape == (8, 16, 3)
    with pytest.raises(PictureError, match="damaged image"):
        PictureFile(tiff_of({257: 8, 258: bits, 273: 1 << 20})).read()


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\xff\x0a\0\0", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"8BPS\0\1", "Photoshop"),
        (b"%PDF-1.7\n", "PDF"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg">', "SVG"),
        (b"\x76\x2f\x31\x01", "OpenEXR"),
        (b"#?RADIANCE\n", "Radiance HDR"),
        (b"FUJIFILMCCD-RAW ", "camera raw"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "camera raw"),
        (b"II*\0\x10\0\0\0CR\2\0", "camera raw"),
        (b"\0\0\1\0\1\0", "icon"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_formats_that_are_not_read_are_refused_by_name(head, name):
    with pytest.raises(PictureError, match=f"^{name} is not read; convert it to JPEG or PNG$"):
        PictureFile(head + bytes(200))


def tiff_of(tags: dict[int, int]) -> bytes:
    """A TIFF of 16x16 grey pixels with these tags besides."""
    every = {256: 16, 257: 16, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: 16, 279: 256} | tags
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(every.items()))
    return b"II*\0" + struct.pack("<I", 264) + bytes(range(256)) + struct.pack("<H", len(every)) + entries + bytes(4)


@pytest.mark.parametrize("tags", [{50706: 1}, {254: 1, 330: 8}, {259: 34713}, {262: 32803}], ids=str)
def test_the_preview_of_a_camera_raw_file_is_not_taken_for_the_picture(tags):
    assert PictureFile(tiff_of({})).read().bgr.shape == (16, 16, 3)
    with pytest.raises(PictureError, match="camera raw is not read"):
        PictureFile(tiff_of(tags))


def test_all_pages_of_a_tiff_are_read_and_previews_are_none():
    pages = [Image.fromarray(np.full((20, 30 + n, 3), 40 * n, np.uint8)) for n in range(4)]
    file = PictureFile(coded(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert file.count == 4
    assert [file.read(n).bgr.shape[1] for n in (2, 0, 3, 1)] == [32, 30, 33, 31]
    assert [int(file.read(n).bgr.mean()) for n in range(4)] == [0, 40, 80, 120]


def test_all_pictures_of_a_heic_are_read_the_primary_first():
    heif = pytest.importorskip("pillow_heif", reason="needs the extra `heif`")
    file = io.BytesIO()
    made = heif.HeifFile()
    for level in (60, 200):
        made.add_from_pillow(Image.fromarray(np.full((64, 96, 3), level, np.uint8)))
    made.save(file, primary_index=1)
    opened = PictureFile(file.getvalue())
    assert [int(opened.read(n).bgr.mean().round(-1)) for n in range(opened.count)] == [200, 60]


def test_without_the_extra_heic_is_refused_by_its_name(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(PictureError, match=r"HEIC needs the extra `heif`: pip install 'edgefer\[heif\]'"):
        PictureFile(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))


@pytest.mark.parametrize("kind", ["WEBP", "PNG", "GIF"])
def test_an_animation_is_told_from_a_still(kind):
    frames = [Image.fromarray(np.full((20, 30, 3), 60 * n, np.uint8)) for n in range(3)]
    single, several = (
        coded(frames[0], kind),
        coded(frames[0], kind, save_all=True, append_images=frames[1:], duration=50),
    )
    assert identify(single).use == "still"
    assert identify(several).use == ("film" if kind == "GIF" else "animation")
    with pytest.raises(PictureError, match="follow each other in time"):
        PictureFile(several)


def test_a_picture_too_large_for_the_memory_is_refused_before_it_is_decoded(monkeypatch):
    bomb = coded(Image.new("1", (20_000, 20_000)), "PNG")
    assert len(bomb) < 100_000
    monkeypatch.setattr(stills, "available_bytes", lambda: 1 << 30)
    with pytest.raises(PictureError, match=r"^20000x20000 pixels need 4800 MB of memory, of which 1074 MB are free"):
        PictureFile(bomb).read()


def test_more_pixels_than_opencv_reads_are_refused_in_one_line():
    header = struct.pack(">II5B", 40_000, 40_000, 8, 0, 0, 0, 0)
    chunk = struct.pack(">I4s", 13, b"IHDR") + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    with pytest.raises(PictureError, match="40000x40000 are 1600 megapixels; expected at most 1074"):
        PictureFile(png.SIGNATURE + chunk + bytes(100)).read()


# -- damage


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_rows": 1}], ids=str)
def test_a_jpeg_that_lacks_only_its_end_marker_is_whole(options):
    data = coded(scene(), "JPEG", quality=90, **options)
    whole = PictureFile(data).read()
    for cut in (1, 2):
        picture = PictureFile(data[:-cut]).read()
        assert np.array_equal(picture.bgr, whole.bgr) and not picture.remark
    for behind in (b"\0" * 999, b"garbage" * 99, data):
        assert np.array_equal(PictureFile(data + behind).read().bgr, whole.bgr)


def test_a_jpeg_is_read_while_at_most_a_twentieth_is_missing():
    data = coded(
        cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (320, 400, 3), np.uint8), (5, 5), 0), "JPEG"
    )
    whole = PictureFile(data).read().bgr
    picture = PictureFile(data[: int(len(data) * 0.98)]).read()
    assert "of the picture missing; read without it" in picture.remark
    assert np.array_equal(picture.bgr[:280], whole[:280])
    for part in (0.9, 0.5):
        for rest in (b"", b"\xff\xd9", bytes(3000)):
            with pytest.raises(PictureError, match=r"ends early, \d+% of the picture missing"):
                PictureFile(data[: int(len(data) * part)] + rest).read()


def test_a_progressive_jpeg_that_lacks_scans_is_refused():
    data = coded(scene(), "JPEG", progressive=True)
    with pytest.raises(PictureError, match="ends early"):
        PictureFile(data[: len(data) // 2]).read()


def chunk(kind: bytes, content: bytes, good: bool = True) -> bytes:
    return (
        struct.pack(">I4s", len(content), kind) + content + struct.pack(">I", zlib.crc32(kind + content) ^ (not good))
    )


def test_damage_of_a_png_that_touches_no_pixel_does_no_harm():
    data = coded(scene(), "PNG")
    end = data.index(b"IEND") - 4
    for hurt in (
        data[:end],  # no end marker
        data[:-2],
        data + b"garbage" * 50,
        data[:33] + chunk(b"tEXt", b"Comment\0hello", good=False) + data[33:],
        data[:end] + chunk(b"tIME", b"1234567", good=False) + data[end:],
    ):
        assert close(PictureFile(hurt).read().bgr, scene(), 0)


def test_a_png_without_all_its_pixels_is_refused():
    data = coded(scene(), "PNG")
    hurt = bytearray(data)
    hurt[len(data) // 2] ^= 0x10
    for bad in (bytes(hurt), data[: len(data) // 2], data[:60]):
        with pytest.raises(PictureError, match="damaged image"):
            PictureFile(bad).read()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "AVIF"])
def test_a_file_cut_anywhere_is_read_or_refused_in_one_line(kind):
    """And so is one with a bit flipped."""
    try:
        data = coded(scene(), kind)
    except (KeyError, OSError) as error:
        pytest.skip(f"this Pillow writes no {kind}: {error}")
    rng = np.random.default_rng(7)
    hurt = [data[: int(cut)] for cut in rng.integers(0, len(data), 25)]
    for position in rng.integers(0, len(data), 25):
        flipped = bytearray(data)
        flipped[position] ^= 1 << int(rng.integers(8))
        hurt.append(bytes(flipped))
    for each in hurt:
        try:
            bgr, remark = PictureFile(each).read()
        except PictureError as error:
            assert str(error) and "\n" not in str(error)
        else:
            assert bgr.dtype == np.uint8 and bgr.ndim == 3 and "\n" not in remark
