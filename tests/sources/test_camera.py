"""Cameras without a camera: the driver is played by an object that answers as cv2.VideoCapture does."""

import struct
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import textured

from edgefer.errors import SourceError, SourceStalled
from edgefer.loop.patience import open_patiently
from edgefer.sources import camera, open_source
from edgefer.sources.registry import CameraOptions, parse_source

BGR = textured(0, 64, 48)
GREY = cv2.cvtColor(BGR, cv2.COLOR_BGR2GRAY)


def as_yuyv(bgr):
    i420 = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
    height, width = bgr.shape[:2]
    u = i420[height : height + height // 4].reshape(height // 2, width // 2).repeat(2, axis=0)
    v = i420[height + height // 4 :].reshape(height // 2, width // 2).repeat(2, axis=0)
    raw = np.empty((height, width, 2), np.uint8)
    raw[:, :, 0] = i420[:height]
    raw[:, 0::2, 1], raw[:, 1::2, 1] = u, v
    return raw


def as_nv12(bgr):
    i420 = cv2.cvtColor(bgr, cv2.COLOR_BGR2YUV_I420)
    height, width = bgr.shape[:2]
    uv = np.stack([i420[height : height + height // 4].ravel(), i420[height + height // 4 :].ravel()], axis=1)
    return np.vstack([i420[:height], uv.reshape(height // 2, width)])


RAW = {
    "YUYV": as_yuyv(BGR),
    "UYVY": np.ascontiguousarray(as_yuyv(BGR)[:, :, ::-1]),
    "NV12": as_nv12(BGR),
    "YU12": cv2.cvtColor(BGR, cv2.COLOR_BGR2YUV_I420),
    "GREY": GREY,
    "MJPG": cv2.imencode(".jpg", BGR)[1].reshape(1, -1),
}


class Driver:
    """Answers like an open cv2.VideoCapture on V4L2; a None among the buffers is a time-out."""

    def __init__(self, buffers, fourcc="YUYV", stamps_ms=None, raw=True):
        self.buffers = list(buffers)
        self.stamps_ms = stamps_ms
        self.settings = {cv2.CAP_PROP_FOURCC: float(cv2.VideoWriter_fourcc(*fourcc)), cv2.CAP_PROP_FPS: 30.0}
        self.raw = raw
        self.reads = 0
        self.released = False

    def set(self, name, value):
        if name == cv2.CAP_PROP_CONVERT_RGB and not self.raw:
            return False
        self.settings[name] = float(value)
        return True

    def get(self, name):
        if name == cv2.CAP_PROP_POS_MSEC:
            return self.stamps_ms(self.reads - 1) if self.stamps_ms else 0.0
        return self.settings.get(name, 0.0)

    def read(self):
        assert not self.released
        buffer = self.buffers[min(self.reads, len(self.buffers) - 1)]
        self.reads += 1
        return buffer is not None, buffer

    def release(self):
        self.released = True


@pytest.fixture
def plug_in(monkeypatch):
    """Opens /dev/video0 with a given driver behind it."""

    def plug_in(driver, **asked):
        monkeypatch.setattr(camera, "_check_device", lambda path: None)
        monkeypatch.setattr(camera, "open_capture", lambda path: driver)
        return open_source(parse_source("0", CameraOptions(**asked)))

    return plug_in


@pytest.mark.parametrize("fourcc", RAW)
def test_grey_comes_from_the_raw_buffer_and_colour_only_on_demand(plug_in, fourcc):
    driver = Driver([RAW[fourcc]], fourcc)
    source = plug_in(driver)
    frame = source.read()
    assert driver.settings[cv2.CAP_PROP_CONVERT_RGB] == 0
    assert source.live and source.size == (64, 48) and source.fps == 30
    assert frame.grey.dtype == np.uint8 and frame.grey.shape == (48, 64) and frame.grey.flags.c_contiguous
    # YUV here is of limited range (16 to 235), as OpenCV converts it; JPEG is of full range and lossy.
    expected = GREY.astype(float) if fourcc in ("GREY", "MJPG") else GREY * (219 / 255) + 16
    assert np.abs(frame.grey - expected).max() <= (12 if fourcc == "MJPG" else 2)
    colour = frame.bgr()
    assert colour.shape == (48, 64, 3)
    if fourcc == "GREY":
        assert np.array_equal(colour[:, :, 1], GREY)
    else:  # chroma is halved in both directions
        assert np.abs(colour.astype(int) - BGR).mean() < 20


def test_a_format_without_a_raw_path_is_converted_by_opencv(plug_in):
    frame = plug_in(Driver([BGR], "BGR3")).read()
    assert np.array_equal(frame.grey, GREY) and np.array_equal(frame.bgr(), BGR)


def test_a_driver_that_will_not_give_raw_buffers_is_converted_by_opencv(plug_in):
    assert np.array_equal(plug_in(Driver([BGR], "YUYV", raw=False)).read().grey, GREY)


def test_size_rate_and_format_are_asked_for(plug_in):
    driver = Driver([RAW["NV12"]], "NV12")
    plug_in(driver, size=[640, 480], fps=15.0, format="nv12")
    assert driver.settings[cv2.CAP_PROP_FRAME_WIDTH] == 640
    assert driver.settings[cv2.CAP_PROP_FRAME_HEIGHT] == 480
    assert driver.settings[cv2.CAP_PROP_FPS] == 15
    assert driver.settings[cv2.CAP_PROP_FOURCC] == cv2.VideoWriter_fourcc(*"NV12")


def test_the_drivers_time_stamp_is_the_capture_time(plug_in):
    start_ms = time.monotonic_ns() / 1e6 - 500
    source = plug_in(Driver([RAW["YUYV"]], stamps_ms=lambda index: start_ms + 40 * index))
    frames = [source.read() for _ in range(5)]
    assert [frame.captured_ns for frame in frames] == pytest.approx([(start_ms + 40 * i) * 1e6 for i in range(5)])
    assert [frame.media_ns for frame in frames] == pytest.approx([i * 40e6 for i in range(5)], abs=1000)
    assert [frame.index for frame in frames] == list(range(5))


@pytest.mark.parametrize(
    "stamp_ms",
    [0.0, float("nan"), -5.0, 1.7e12, lambda: time.monotonic_ns() / 1e6 + 60_000],
    ids=["none", "nan", "negative", "wall-clock", "future"],
)
def test_an_implausible_stamp_gives_way_to_now(plug_in, stamp_ms):
    before = time.monotonic_ns()
    stamps = (lambda index: stamp_ms()) if callable(stamp_ms) else (lambda index: stamp_ms)
    frame = plug_in(Driver([RAW["YUYV"]], stamps_ms=stamps)).read()
    assert before <= frame.captured_ns <= time.monotonic_ns()


def test_torn_jpegs_at_the_start_are_passed_over(plug_in):
    torn = RAW["MJPG"][:, :200]
    source = plug_in(Driver([torn, torn, RAW["MJPG"]], "MJPG"))
    assert source.read().grey.shape == (48, 64)


def test_a_camera_that_falls_silent_is_stalled_and_can_be_closed(plug_in):
    driver = Driver([RAW["YUYV"], RAW["YUYV"], None])
    source = plug_in(driver)
    source.read()
    source.read()
    with pytest.raises(SourceStalled, match="gave no frame"):
        source.read()
    source.close()
    source.close()
    assert driver.released and source.read() is None


def test_a_camera_without_a_first_frame_is_stalled_and_released(plug_in):
    driver = Driver([None])
    with pytest.raises(SourceStalled):
        plug_in(driver)
    assert driver.released


@pytest.mark.parametrize("uniform", [False, True], ids=["picture", "covered-lens"])
def test_a_frozen_picture_is_a_stall_but_a_covered_lens_is_not(plug_in, monkeypatch, uniform):
    monkeypatch.setattr(camera, "FROZEN_AFTER_S", 0.05)
    raw = np.full_like(GREY, 3) if uniform else GREY
    source = plug_in(Driver([raw], "GREY"))
    source.read()
    time.sleep(0.06)
    if uniform:
        assert source.read() is not None
    else:
        with pytest.raises(SourceStalled, match="has not changed"):
            source.read()


def test_a_moving_picture_is_never_frozen(plug_in, monkeypatch):
    monkeypatch.setattr(camera, "FROZEN_AFTER_S", 0.02)
    source = plug_in(Driver([np.roll(GREY, index, axis=1) for index in range(20)], "GREY"))
    for _ in range(10):
        time.sleep(0.005)
        assert source.read() is not None


def test_a_missing_camera_names_those_that_exist(monkeypatch):
    monkeypatch.setattr(camera, "camera_devices", lambda: ["/dev/video2", "/dev/video10"])
    with pytest.raises(SourceError, match=r"/dev/video97: no such camera; this machine has /dev/video2, /dev/vid"):
        open_source("97")
    monkeypatch.setattr(camera, "camera_devices", list)
    with pytest.raises(SourceError, match="/dev/video97: no such camera; this machine has none"):
        open_source("/dev/video97")


def test_a_missing_camera_may_come_and_a_file_never_becomes_one(tmp_path):
    with pytest.raises(SourceStalled):
        open_source("camera:/dev/video97")
    (tmp_path / "file").write_bytes(b"x")
    for path in (tmp_path / "file", "/dev/null"):
        with pytest.raises(SourceError) as caught:
            open_source(f"camera:{path}")
        assert not isinstance(caught.value, SourceStalled)


@pytest.mark.parametrize(
    ("of_all", "of_this", "captures"),
    [
        (0x85200001, 0x04200001, True),
        (0x85A00001, 0x04A00000, False),
        (0x05000001, 0, True),
        (0x84201000, 0x04201000, True),
    ],
    ids=["camera", "its metadata node", "driver without device capabilities", "several planes"],
)
def test_nodes_that_capture_no_pictures_are_told_from_cameras(monkeypatch, of_all, of_this, captures):
    answer = bytes(80) + struct.pack("=3I", 0x60100, of_all, of_this) + bytes(12)
    monkeypatch.setattr(camera.fcntl, "ioctl", lambda descriptor, request, buffer: answer)
    assert camera._captures("/dev/null") is captures


def test_a_camera_that_is_plugged_in_late_is_waited_for(plug_in, monkeypatch):
    """The node comes, and then its driver gives pictures."""
    source = plug_in(Driver([GREY] * 3, "GREY"))
    waits = [SourceStalled("/dev/video0: no such camera"), SourceStalled("/dev/video0: no such camera"), source]

    def opens():
        step = waits.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    assert open_patiently(opens, 10).read() is not None


def test_devices_are_listed_by_number(monkeypatch):
    nodes = [Path(f"/dev/{name}") for name in ("video10", "video2", "video-dec0", "video0")]
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(nodes))
    assert camera.camera_devices() == ["/dev/video0", "/dev/video2", "/dev/video10"]
