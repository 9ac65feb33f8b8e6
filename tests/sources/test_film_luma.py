"""Luma of films: the decoder's own, equal to that of a still of the same frame within the bound of docs/films.md."""

import cv2
import numpy as np
import pytest
from films import av, encoder, ffmpeg, write_film
from portrait import portrait

from edgefer.kernels import luma
from edgefer.sources import open_source
from edgefer.sources.demo import portrait_path
from edgefer.sources.media.picture import Picture

WIDTH, HEIGHT = 160, 192


@pytest.fixture(scope="module")
def colours(tmp_path_factory):
    """The portrait in colour, as a PNG."""
    portrait()  # skips where it is absent
    image = cv2.resize(cv2.imread(str(portrait_path())), (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    path = tmp_path_factory.mktemp("colours") / "portrait.png"
    cv2.imwrite(str(path), image)
    return path


def film_of(colours, tmp_path, options, suffix):
    path = tmp_path / f"film.{suffix}"
    ffmpeg("-loop", 1, "-framerate", 5, "-t", 0.4, "-i", colours, *options.split(), path)
    return path


def still_of(film, tmp_path):
    """The film's first frame as a PNG, its colours converted by ffmpeg with exact rounding."""
    path = tmp_path / "still.png"
    flags = "accurate_rnd+full_chroma_int+bicubic"
    ffmpeg("-i", film, "-frames:v", 1, "-vf", f"scale=iw*sar:ih:flags={flags},format=bgr24", path)
    return cv2.imread(str(path))


def difference(path, still):
    with open_source(path) as source:
        grey = source.read().grey
    assert grey.shape == still.shape[:2] and grey.dtype == np.uint8 and grey.strides[-1] == 1
    return grey.astype(int) - luma(still, "bgr")


@pytest.mark.parametrize(
    ("options", "suffix"),
    [
        ("-c:v libx264 -qp 12 -pix_fmt yuv420p", "mp4"),
        ("-c:v libx264 -qp 12 -pix_fmt yuv422p", "mp4"),
        ("-c:v libx264 -qp 12 -pix_fmt yuv444p", "mp4"),
        ("-c:v libx264 -qp 12 -vf scale=out_range=full -pix_fmt yuvj420p -color_range pc", "mp4"),
        ("-c:v libx264 -qp 12 -pix_fmt yuv420p10le", "mp4"),
        ("-c:v libx265 -x265-params log-level=none:qp=12 -pix_fmt yuv420p", "mp4"),
        ("-c:v libx265 -x265-params log-level=none:qp=12 -pix_fmt yuv420p10le", "mkv"),
        ("-c:v mpeg2video -q:v 2", "ts"),
        ("-c:v mjpeg -q:v 2", "avi"),
        ("-c:v dvvideo -s 720x576 -pix_fmt yuv420p -aspect 5:4", "avi"),
        ("-c:v prores_ks", "mov"),
        ("-c:v libvpx-vp9 -crf 10 -pix_fmt yuv420p", "webm"),
        ("-c:v rawvideo -pix_fmt nv12", "nut"),
        ("-c:v rawvideo -pix_fmt yuyv422", "avi"),
        ("-c:v rawvideo -pix_fmt uyvy422", "avi"),
        ("-c:v rawvideo -pix_fmt yuv411p", "nut"),
        ("-c:v v210", "mov"),
        ("-c:v ffv1 -pix_fmt yuva420p", "mkv"),
        ("-c:v ffv1 -pix_fmt yuv444p16le", "mkv"),
    ],
    ids=lambda text: text.replace("-c:v ", ""),
)
def test_luma_is_that_of_a_still_of_the_frame(colours, tmp_path, options, suffix):
    path = film_of(colours, tmp_path, options, suffix)
    apart = difference(path, still_of(path, tmp_path))
    assert abs(apart.mean()) <= 0.3  # ffmpeg rounds the chroma of packed formats down
    assert np.mean(np.abs(apart) <= 2) >= 0.99
    assert np.abs(apart).max() <= 20  # where shared chroma gives a colour that no RGB has


@pytest.mark.parametrize(
    ("options", "suffix"),
    [
        ("-c:v libx264rgb -qp 0", "mkv"),
        ("-c:v ffv1 -pix_fmt bgr0", "mkv"),
        ("-c:v ffv1 -pix_fmt bgra", "mkv"),
        ("-c:v ffv1 -pix_fmt gbrp10le", "mkv"),
        ("-c:v rawvideo -pix_fmt bgr24", "avi"),  # stored from the bottom
        ("-c:v rawvideo -pix_fmt rgb555le", "nut"),
        ("-c:v qtrle", "mov"),
        ("-c:v png", "mov"),
        ("", "gif"),
    ],
    ids=lambda text: text.replace("-c:v ", "") or "gif",
)
def test_of_red_green_and_blue_luma_is_exact(colours, tmp_path, options, suffix):
    path = film_of(colours, tmp_path, options, suffix)
    assert np.abs(difference(path, still_of(path, tmp_path))).max() <= (1 if "gbrp10" in options else 0)


def test_a_grey_film_is_its_own_luma(colours, tmp_path):
    path = film_of(colours, tmp_path, "-c:v ffv1 -pix_fmt gray", "mkv")
    assert np.abs(difference(path, still_of(path, tmp_path))).max() == 0


def test_a_film_of_bt709_keeps_its_own_luma(colours, tmp_path):
    """Its weights of red, green and blue are others: greys are equal, colours apart by at most 33 levels."""
    path = film_of(colours, tmp_path, "-c:v libx264 -qp 12 -vf scale=out_color_matrix=bt709 -colorspace bt709", "mp4")
    still = still_of(path, tmp_path)
    apart = difference(path, still)
    nearly_grey = np.ptp(still.astype(int), axis=2) <= 8
    assert np.abs(apart[nearly_grey]).max() <= 4
    assert np.abs(apart).max() <= 33 and abs(apart.mean()) <= 3


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p", "yuv420p10le"])
def test_every_level_from_black_to_white_comes_through(tmp_path, pix_fmt):
    """A wedge of all 256 levels, without loss: each within one of itself, black 0 and white 255."""
    wedge = np.repeat(np.arange(256, dtype=np.uint8)[None], 64, axis=0)
    path = write_film(tmp_path / "wedge.mkv", [wedge] * 2, encoder("libx264"), pix_fmt, options={"qp": "0"})
    with open_source(path) as source:
        grey = source.read().grey
    assert np.abs(grey.astype(int) - wedge).max() <= 1
    assert grey.min() == 0 and grey.max() >= 254  # the writer rounds down


FORMATS = (
    "yuv410p yuv411p yuv420p yuv422p yuv440p yuv444p yuva420p yuva444p yuvj420p yuvj422p yuvj444p nv12 nv21 nv16 nv24 "
    "yuyv422 uyvy422 yvyu422 yuv420p9le yuv420p10le yuv422p10le yuv444p12le yuv420p14le yuv420p16le yuv420p10be "
    "p010le p012le p016le p210le p410le y210le gray gray10le gray12le gray16le gray16be ya8 "
    "rgb24 bgr24 rgba bgra argb gbrp gbrp10le rgb48le rgb565le"
)


@pytest.mark.parametrize("name", FORMATS.split())
def test_every_format_that_a_decoder_may_give_has_its_luma(name):
    """A grey wedge in that format: each level within three of itself, with rows further apart than they are wide."""
    wedge = np.repeat(np.arange(250, dtype=np.uint8)[None], 64, axis=0)
    frame = av.VideoFrame.from_ndarray(wedge, format="gray")
    try:
        frame = frame.reformat(format=name)
    except (ValueError, OSError):
        pytest.skip(f"this FFmpeg does not convert to {name}")
    picture = Picture(frame)
    bound = 13 if name == "rgb565le" else 3
    assert np.abs(picture.grey.astype(int) - wedge).max() <= bound
    assert np.abs(picture.bgr().astype(int) - wedge[:, :, None]).max() <= bound
    assert picture.grey.shape == (64, 250) and picture.grey.strides[1] == 1


def test_luma_of_full_range_is_the_decoders_own_memory(tmp_path):
    """Not copied, so not to be written into; it stays as it is while later frames are decoded."""
    images = [np.full((48, 70), level, np.uint8) for level in range(40, 240, 20)]
    path = write_film(tmp_path / "film.mkv", images, encoder("mjpeg"), "yuvj420p")
    with open_source(path) as source:
        frames = []
        while (frame := source.read()) is not None:
            frames.append(frame)
    assert not frames[0].grey.flags.writeable
    for frame, image in zip(frames, images, strict=True):
        assert np.abs(frame.grey.astype(int) - image).max() <= 2


def test_colours_are_made_when_asked_for_and_by_several_at_once(colours, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    image = cv2.imread(str(colours))
    path = write_film(tmp_path / "film.mkv", [image] * 4, encoder("libx264"), "yuv444p", options={"qp": "4"})
    with open_source(path) as source:
        frames = [source.read() for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        answers = [list(pool.map(lambda frame: frame.bgr(), [frame] * 8)) for frame in frames]
    for alike in answers:
        assert all(np.array_equal(alike[0], other) for other in alike)
        assert np.abs(alike[0].astype(int) - image).mean() < 2
