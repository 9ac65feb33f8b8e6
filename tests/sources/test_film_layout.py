"""A film's coordinates are those that a viewer shows: turned, mirrored, with square pixels."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from clips import write_clip
from films import encoder, ffmpeg, moving, set_display_matrix, sound, write_film

from edgefer.sources import open_source

WIDTH, HEIGHT = 64, 48
#: (a, b, c, d) of the display matrix, and what becomes of an image.
TURNS = {
    "as stored": ((1, 0, 0, 1), lambda image: image),
    "90 clockwise": ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    "180": ((-1, 0, 0, -1), lambda image: np.rot90(image, 2)),
    "270 clockwise": ((0, -1, 1, 0), lambda image: np.rot90(image, 1)),
    "mirrored": ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda image: image[::-1]),
    "transposed": ((0, 1, 1, 0), lambda image: image.T),
    "transposed the other way": ((0, -1, -1, 0), lambda image: np.rot90(image, 2).T),
    "all zero": ((0, 0, 0, 0), lambda image: image),
}


def quarters() -> np.ndarray:
    """uint8 (H, W): a level of its own in each quarter."""
    image = np.full((HEIGHT, WIDTH), 40, np.uint8)
    image[: HEIGHT // 2, : WIDTH // 2] = 220
    image[: HEIGHT // 2, WIDTH // 2 :] = 160
    image[HEIGHT // 2 :, : WIDTH // 2] = 100
    return image


@pytest.mark.parametrize("name", TURNS)
@pytest.mark.parametrize("codec", ["mpeg4", "mjpeg"])
def test_a_film_is_turned_and_mirrored_as_its_display_matrix_says(tmp_path, name, codec):
    matrix, expected = TURNS[name]
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_film(tmp_path / "film.mp4", [quarters()] * 3, encoder(codec), pix_fmt)
    with open_source(set_display_matrix(path, *matrix)) as source:
        frame = source.read()
    want = expected(quarters())
    assert source.size == want.shape[::-1] and frame.grey.shape == want.shape
    assert np.mean(np.abs(frame.grey.astype(int) - want) <= 6) > 0.95
    assert np.mean(np.abs(frame.bgr()[:, :, 1].astype(int) - want) <= 6) > 0.95
    assert frame.grey.strides[-1] == 1


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [
        ("mp4", "mpeg4"),
        ("mkv", "mpeg4"),
        ("mov", "mjpeg"),
        ("ts", "mpeg2video"),
        ("mpg", "mpeg2video"),
        ("avi", "mpeg4"),
    ],
)
@pytest.mark.parametrize("aspect", ["16/15", "64/45", "8/9"], ids=["PAL", "PAL wide", "NTSC"])
def test_an_anamorphic_film_has_square_pixels(tmp_path, suffix, codec, aspect):
    """A circle as a viewer shows it is stored as an ellipse; it comes back as wide as it is high."""
    ratio = Fraction(aspect)
    if codec == "mpeg2video":  # stores the picture's own aspect, one of four
        height, width = 96, round(96 * Fraction(16, 9) / ratio)
        shown = round(96 * 16 / 9)
    else:
        height, width = 96, round(128 / ratio) // 2 * 2
        shown = round(width * ratio)
    circle = np.full((height, shown), 60, np.uint8)
    cv2.circle(circle, (shown // 2, 48), 36, 220, -1)
    png = tmp_path / "circle.png"
    cv2.imwrite(str(png), circle)
    path = tmp_path / f"film.{suffix}"
    flat = f"scale={width}:{height},setdar={'16/9' if codec == 'mpeg2video' else f'{width}*{ratio}/{height}'}"
    ffmpeg("-loop", 1, "-framerate", 25, "-t", 0.2, "-i", png, "-vf", flat, "-c:v", codec, "-q:v", 2, path)
    with open_source(path) as source:
        grey = source.read().grey
    assert abs(source.size[0] - shown) <= 1 and source.size[1] == height
    ys, xs = np.nonzero(grey > 140)
    assert abs(np.ptp(xs) - np.ptp(ys)) <= 2


def test_pixels_are_made_square_before_the_picture_is_turned(tmp_path):
    """64 stored columns of double width are 128, which a quarter turn makes rows."""
    images = [quarters()] * 3
    path = write_film(tmp_path / "film.mp4", images, aspect=Fraction(2))
    with open_source(set_display_matrix(path, 0, 1, -1, 0)) as source:
        assert source.read().grey.shape == (128, 48)


@pytest.mark.parametrize("aspect", [Fraction(1), Fraction(1000, 1001), Fraction(32000, 1)])
def test_an_aspect_of_nearly_one_or_beyond_belief_changes_nothing(tmp_path, aspect):
    path = write_film(tmp_path / "film.mkv", [quarters()] * 3, aspect=aspect)
    with open_source(path) as source:
        assert source.size == (64, 48)


def test_only_what_is_to_be_shown_of_a_coded_picture_counts(tmp_path):
    """H.264 codes whole blocks of 16: of 90 lines 96, the last ones cut off again."""
    path = tmp_path / "film.mp4"
    ffmpeg(*moving(0.2, "166x90"), "-c:v", "libx264", path)
    with open_source(path) as source:
        assert source.size == (166, 90)


def test_a_film_may_change_its_size_and_its_pixels_in_its_midst(tmp_path):
    """As a broadcast does between programmes; no frame is lost and times go on."""
    parts = [("160x120", "4/3"), ("160x120", "16/9"), ("240x180", "4/3")]
    for index, (size, shape) in enumerate(parts):
        ffmpeg(
            *moving(0.4, size), "-vf", f"setdar={shape}", "-c:v", "libx264", "-bf", 0,
            "-output_ts_offset", 0.4 * index, tmp_path / f"{index}.ts",
        )  # fmt: skip
    path = tmp_path / "whole.ts"
    path.write_bytes(b"".join((tmp_path / f"{index}.ts").read_bytes() for index in range(len(parts))))
    with open_source(path) as source:
        frames = list(source.unpaced())
    assert len(frames) == 30
    sizes = [frame.grey.shape[::-1] for frame in frames]
    # a decoder with several threads tells of another aspect some frames early or late
    assert sizes[:6] == [(160, 120)] * 6 and sizes[14:17] == [(213, 120)] * 3 and sizes[20:] == [(240, 180)] * 10
    assert np.diff([frame.media_ns for frame in frames]) == pytest.approx([40e6] * 29, abs=1e6)


def test_of_several_pictures_the_default_is_read_else_the_largest(tmp_path):
    two = tmp_path / "two.mkv"
    ffmpeg(
        *moving(0.2, "160x120"), *moving(0.2, "320x240"), *sound(0.2), "-map", 0, "-map", 1, "-map", 2,
        "-c:v", "mpeg4", "-disposition:v:0", 0, "-disposition:v:1", 0, "-default_mode", "passthrough", two,
    )  # fmt: skip
    with open_source(two) as source:
        assert source.size == (320, 240)
    chosen = tmp_path / "chosen.mkv"
    ffmpeg(
        *moving(0.2, "160x120"), *moving(0.2, "320x240"), "-map", 0, "-map", 1,
        "-c:v", "mpeg4", "-disposition:v:0", "default", "-disposition:v:1", 0, chosen,
    )  # fmt: skip
    with open_source(chosen) as source:
        assert source.size == (160, 120)


def test_a_film_with_a_cover_picture_and_data_is_read_as_the_film(tmp_path):
    write_clip(tmp_path / "film.mp4", 5)
    cv2.imwrite(str(tmp_path / "cover.png"), np.full((300, 300, 3), 90, np.uint8))
    path = tmp_path / "covered.mp4"
    ffmpeg(
        "-i", tmp_path / "cover.png", "-i", tmp_path / "film.mp4", "-map", 0, "-map", 1,
        "-c:v:0", "png", "-disposition:v:0", "attached_pic", "-c:v:1", "copy", path,
    )  # fmt: skip
    with open_source(path) as source:
        assert source.size == (64, 48) and len(list(source.unpaced())) == 5
