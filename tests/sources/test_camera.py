"""Cameras without a camera: a driver in Python answers in place of the C functions."""

from __future__ import annotations

import errno
import gc
import logging
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from clips import textured

from edgefer.errors import SourceError, SourceStalled, UsageError
from edgefer.loop.patience import open_patiently
from edgefer.sources import open_source
from edgefer.sources.camera import nodes
from edgefer.sources.registry import parse_source

BGR = textured(0, 64, 48)
GREY = cv2.cvtColor(BGR, cv2.COLOR_BGR2GRAY)
I420 = cv2.cvtColor(BGR, cv2.COLOR_BGR2YUV_I420)


def as_yuyv(order=(0, 1, 2)):
    """Luma with colours beside it; order: where luma, U and V stand."""
    height, width = GREY.shape
    u = I420[height : height + height // 4].reshape(height // 2, width // 2).repeat(2, axis=0)
    v = I420[height + height // 4 :].reshape(height // 2, width // 2).repeat(2, axis=0)
    raw = np.empty((height, width, 2), np.uint8)
    luma, first, second = order
    raw[:, :, luma] = I420[:height]
    raw[:, 0::2, 1 - luma], raw[:, 1::2, 1 - luma] = (u, v) if first < second else (v, u)
    return raw


def as_nv12(swapped=False):
    height, width = GREY.shape
    planes = [I420[height : height + height // 4].ravel(), I420[height + height // 4 :].ravel()]
    pairs = np.stack(planes[::-1] if swapped else planes, axis=1)
    return np.vstack([I420[:height], pairs.reshape(height // 2, width)])


YV12 = np.vstack([I420[:48], I420[60:], I420[48:60]])
RAW = {
    "YUYV": as_yuyv(),
    "YVYU": as_yuyv((0, 2, 1)),
    "UYVY": as_yuyv((1, 1, 2)),
    "NV12": as_nv12(),
    "NV21": as_nv12(swapped=True),
    "YU12": I420,
    "YV12": YV12,
    "GREY": GREY,
    "BGR3": BGR,
    "RGB3": BGR[:, :, ::-1],
    "MJPG": cv2.imencode(".jpg", BGR)[1].reshape(1, -1),
}
LUMA_ALONE = ("NV12", "NV21", "YU12", "YV12", "GREY")


def padded(raw, fourcc, padding):
    """The rows of a buffer as a driver lays them out that wants more bytes in each."""
    if fourcc in ("YU12", "YV12"):
        below = raw[48:].reshape(48, 32)
        rows = [np.pad(raw[:48], ((0, 0), (0, padding)), constant_values=9)]
        return np.concatenate([rows[0].ravel(), np.pad(below, ((0, 0), (0, padding // 2)), constant_values=9).ravel()])
    rows = raw.reshape(raw.shape[0], -1)
    return np.pad(rows, ((0, 0), (0, padding)), constant_values=9)


@pytest.mark.parametrize(
    ("fourcc", "padding"), [*((fourcc, 0) for fourcc in RAW), *((fourcc, 32) for fourcc in RAW if fourcc != "MJPG")]
)
def test_grey_comes_from_the_buffer_and_colour_only_on_demand(plug_in, fourcc, padding):
    raw = padded(RAW[fourcc], fourcc, padding) if padding else RAW[fourcc]
    source = plug_in([raw], {fourcc: {(64, 48): [30.0]}}, row_padding=padding)
    frame = source.read()
    assert source.live and source.size == (64, 48) and source.fps == 30
    assert frame.grey.dtype == np.uint8 and frame.grey.shape == (48, 64) and frame.grey.strides[1] == 1
    # YUV here is of limited range (16 to 235), as OpenCV converts it; JPEG is of full range and lossy.
    exact = fourcc in ("GREY", "MJPG", "BGR3", "RGB3")
    expected = GREY.astype(float) if exact else GREY * (219 / 255) + 16
    assert np.abs(frame.grey - expected).max() <= (12 if fourcc == "MJPG" else 2)
    assert hasattr(frame.bgr, "jpeg") == (fourcc == "MJPG")
    colour = frame.bgr()
    assert colour.shape == (48, 64, 3)
    if fourcc == "GREY":
        assert np.array_equal(colour[:, :, 1], GREY)
    else:  # chroma is halved in both directions
        assert np.abs(colour.astype(int) - BGR).mean() < 20


@pytest.mark.parametrize("fourcc", LUMA_ALONE)
def test_luma_that_lies_by_itself_is_not_copied(plug_in, fourcc):
    source = plug_in([RAW[fourcc]] * 3, {fourcc: {(64, 48): [30.0]}})
    frame = source.read()
    address = frame.grey.__array_interface__["data"][0]
    ffi = plug_in.driver.ffi
    assert address in [int(ffi.cast("uintptr_t", buffer)) for buffer in plug_in.driver.buffers]


def test_a_buffer_goes_back_when_nothing_refers_to_its_frame(plug_in):
    source = plug_in([GREY] * 9, {"GREY": {(64, 48): [30.0]}})
    driver = plug_in.driver
    frame = source.read()
    assert len(driver.queued) == 5
    part = frame.grey[4:8]
    del frame
    assert len(driver.queued) == 5  # a part of the picture is looked at
    del part
    assert len(driver.queued) == 6


def test_a_frame_that_is_kept_never_changes_and_never_starves_the_driver(plug_in):
    pictures = [np.full_like(GREY, value) for value in range(1, 30)]
    source = plug_in(pictures, {"GREY": {(64, 48): [30.0]}})
    frames = [source.read() for _ in range(25)]
    assert len(plug_in.driver.queued) == 2
    assert [int(frame.grey[3, 3]) for frame in frames] == list(range(1, 26))
    source.close()
    assert plug_in.driver.detached == 4  # or their mappings would keep the device open, and busy
    assert [int(frame.grey[3, 3]) for frame in frames] == list(range(1, 26))  # their memory outlives the camera
    frames.clear()
    gc.collect()
    assert len(plug_in.driver.queued) == 2  # nothing is handed to a device that is closed


def test_where_the_driver_had_no_buffer_left_the_next_frame_is_waited_for(plug_in):
    """All were full, so the newest of them may be from long ago."""
    pictures = [np.full_like(GREY, value) for value in range(1, 9)]
    source = plug_in(pictures, {"GREY": {(64, 48): [30.0]}})
    assert source.read().grey[0, 0] == 1
    plug_in.driver.passes = 4
    frame = source.read()
    assert (int(frame.grey[0, 0]), frame.index) == (2, 5)
    del frame
    plug_in.driver.passes = 5
    frame = source.read()
    assert (int(frame.grey[0, 0]), frame.index) == (4, 12)


def test_size_rate_and_format_are_asked_for(plug_in):
    modes = {"YUYV": {(320, 240): [30.0], (64, 48): [30.0, 15.0]}, "NV12": {(64, 48): [30.0, 15.0]}}
    plug_in([RAW["NV12"]], modes, {"fps": 15.0, "format": "nv12"})
    assert plug_in.driver.asked == {"path": b"/dev/video0", "mode": ("NV12", 64, 48), "fps": 15.0}


def test_a_wish_that_cannot_be_met_takes_the_nearest_and_lists_what_there_is(plug_in, caplog):
    with caplog.at_level(logging.WARNING):
        source = plug_in([RAW["YUYV"]], {"YUYV": {(64, 48): [30.0, 10.0]}}, {"size": [640, 480], "fps": 60})
    (record,) = caplog.records
    assert record.getMessage() == (
        "/dev/video0 (Test cam): expected 640x480 at 60 frames a second, got YUYV 64x48 at 60 frames a second;"
        " it offers YUYV 64x48 (30, 10)"
    )
    assert source.size == (64, 48)


@pytest.mark.parametrize(
    ("modes", "asked", "message"),
    [
        ({"YUYV": {(64, 48): [30.0]}}, {"format": "nv12"}, "expected format nv12; it offers YUYV 64x48 (30)"),
        ({"H264": {(64, 48): []}}, {}, "it offers H264"),
        ({"pRAA": {(64, 48): []}}, {}, "read it through libcamera (--source picamera"),
    ],
    ids=["format", "none that is read", "raw sensor"],
)
def test_a_format_that_it_does_not_have_is_refused_with_those_it_has(plug_in, modes, asked, message):
    with pytest.raises(SourceError) as caught:
        plug_in([RAW["YUYV"]], modes, asked)
    assert message in str(caught.value) and not isinstance(caught.value, SourceStalled)
    assert plug_in.driver.closed


def test_the_drivers_time_stamp_is_the_capture_time(plug_in):
    start_ns = time.monotonic_ns() - 500_000_000
    source = plug_in([RAW["YUYV"]], stamps=lambda index: start_ns + 40_000_000 * index)
    frames = [source.read() for _ in range(5)]
    assert [frame.captured_ns for frame in frames] == [start_ns + 40_000_000 * index for index in range(5)]
    assert [frame.media_ns for frame in frames] == [40_000_000 * index for index in range(5)]
    assert [frame.index for frame in frames] == list(range(5))


@pytest.mark.parametrize("back_ms", [40, 100], ids=["equal", "back"])
def test_a_stamp_that_runs_back_lies_half_a_period_after_the_last(plug_in, back_ms):
    start_ns = time.monotonic_ns() - 1_000_000_000
    stamps = [start_ns + 1_000_000 * (40 * index - back_ms * (index == 3)) for index in range(6)]
    source = plug_in([RAW["YUYV"]], stamps=stamps.__getitem__)
    times = [(source.read().captured_ns - start_ns) / 1e6 for _ in range(6)]
    assert times == pytest.approx([0, 40, 80, 80 + 500 / source.fps, 160, 200])
    source.close()


@pytest.mark.parametrize(
    "stamp",
    [lambda: None, lambda: 5, lambda: 17 * 10**17, lambda: time.monotonic_ns() + 10**9],
    ids=["another clock", "long ago", "wall clock", "future"],
)
def test_an_implausible_stamp_gives_way_to_now(plug_in, stamp):
    before = time.monotonic_ns()
    frame = plug_in([RAW["YUYV"]], stamps=lambda index: stamp()).read()
    assert before <= frame.captured_ns <= time.monotonic_ns()


@pytest.mark.parametrize(("fourcc", "torn"), [("MJPG", RAW["MJPG"][:, :200]), ("YUYV", RAW["YUYV"][:20])])
def test_torn_pictures_are_passed_over_and_counted(plug_in, fourcc, torn):
    source = plug_in([torn, torn, RAW[fourcc]], {fourcc: {(64, 48): [30.0]}})
    assert source.read().grey.shape == (48, 64)
    assert source.damaged == 2


def test_a_jpeg_that_lacks_its_end_is_torn_but_for_a_camera_that_never_writes_one(plug_in):
    """A decoder fills what is missing with grey and says nothing."""
    whole = RAW["MJPG"]
    cut, unmarked, padded = whole[:, : whole.size * 2 // 3], whole[:, :-2], np.pad(whole, ((0, 0), (0, 99)))
    modes = {"MJPG": {(64, 48): [30.0]}}
    source = plug_in([padded, cut, whole], modes)
    first, second = source.read(), source.read()
    assert np.array_equal(first.grey, second.grey) and source.damaged == 1
    source = plug_in([unmarked, unmarked], modes)
    assert np.array_equal(source.read().grey, first.grey) and source.damaged == 0


def test_a_jpeg_without_huffman_tables_is_read(plug_in):
    """Webcams leave out those that every motion JPEG has."""
    data = RAW["MJPG"].tobytes()
    bare = bytearray(data[:2])
    at = 2
    while data[at + 1] != 0xDA:
        length = 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        bare += b"" if data[at + 1] == 0xC4 else data[at : at + length]
        at += length
    bare += data[at:]
    assert len(bare) < len(data) - 300
    source = plug_in([np.frombuffer(bytes(bare), np.uint8)], {"MJPG": {(64, 48): [30.0]}})
    assert np.abs(source.read().grey.astype(int) - GREY).max() <= 12


def test_nothing_but_torn_pictures_is_a_stall(plug_in):
    with pytest.raises(SourceStalled, match="30 torn pictures in a row"):
        plug_in([RAW["YUYV"][:20]])


@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (None, "no picture for 2 s; its stream is blocked"),
        (errno.ENODEV, "no such camera"),
        (errno.EPIPE, "its stream was reset"),
        (errno.EIO, "input/output error"),
    ],
    ids=["blocked", "gone", "reset", "failed"],
)
def test_a_camera_that_is_lost_is_stalled_and_can_be_closed(plug_in, monkeypatch, failure, message):
    monkeypatch.setattr("edgefer.sources.camera.device.time.monotonic", iter(np.arange(0, 1e6, 3.0)).__next__)
    source = plug_in([RAW["YUYV"], RAW["YUYV"], failure])
    source.read()
    source.read()
    with pytest.raises(SourceStalled, match=message):
        source.read()
    source.close()
    source.close()
    assert plug_in.driver.stopped and plug_in.driver.closed and source.read() is None


@pytest.mark.parametrize(
    ("function", "code", "kind", "message"),
    [
        ("open", errno.ENOENT, SourceStalled, "no such camera; this machine has "),
        ("open", errno.EACCES, SourceError, "no permission; add the user to the group 'video' and log in again"),
        ("identify", errno.ENOTTY, SourceError, "it captures no pictures"),
        ("set_layout", errno.EBUSY, SourceStalled, "another program uses it"),
        ("request", errno.ENOMEM, SourceStalled, "no memory for its pictures"),
        ("start", errno.ENOSPC, SourceStalled, "its USB bus has no bandwidth left"),
        ("start", errno.EPROTO, SourceStalled, "protocol error"),
    ],
)
def test_what_the_system_says_is_one_line_with_what_to_do(plug_in, function, code, kind, message):
    with pytest.raises(SourceError, match=message) as caught:
        plug_in([RAW["YUYV"]], fails={function: code})
    assert type(caught.value) is kind and str(caught.value).startswith("/dev/video0: ")
    assert plug_in.driver.closed or function == "open"


def test_a_node_that_captures_nothing_is_no_camera(plug_in):
    with pytest.raises(SourceError, match=r"/dev/video0 \(Test cam\): it captures no pictures"):
        plug_in([RAW["YUYV"]], type=0)


@pytest.mark.parametrize(
    ("texts", "settings"),
    [
        (["auto_exposure=1", "exposure=100"], {2: 1, 3: 100}),
        (["auto_exposure=manual_mode", "exposure_time_absolute=0x10"], {2: 1, 3: 16}),
        (["white_balance_automatic=no"], {5: 0}),
        (["White Balance, Automatic = off"], {5: 0}),
        (["auto_white_balance=1"], {5: 1}),
    ],
)
def test_controls_are_set_by_the_drivers_names_and_by_short_ones(plug_in, texts, settings):
    plug_in([RAW["YUYV"]], asked={"controls": texts})
    assert plug_in.driver.settings == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("zoom=1", "it has no control 'zoom'; it has auto_exposure, auto_white_balance, exposure, exposure_time"),
        ("auto_exposur=1", "did you mean 'auto_exposure'"),
        ("exposure=9999", "expected a whole number from 3 to 2047, got '9999'; usual is 250"),
        ("exposure=bright", "expected a whole number from 3 to 2047, got 'bright'"),
        ("auto_exposure=2", r"expected one of manual_mode \(1\), aperture_priority \(3\), got '2'"),
        ("auto_white_balance=maybe", "expected yes or no, got 'maybe'"),
        ("gain=3", "can be read only, or another program holds it"),
    ],
)
def test_a_control_that_cannot_be_set_says_what_can(plug_in, text, message):
    with pytest.raises(SourceError, match=message):
        plug_in([RAW["YUYV"]], asked={"controls": [text]})


def test_a_control_that_has_no_effect_now_says_why(plug_in):
    inactive = [{"id": 3, "kind": 1, "name": "Exposure", "low": 0, "high": 9, "inactive": 1}]
    with pytest.raises(SourceError, match="set the automatic control that rules it before it"):
        plug_in([RAW["YUYV"]], asked={"controls": ["exposure=1"]}, listed=inactive, fails={"set_control": errno.EACCES})


@pytest.mark.parametrize("text", ["gain", "gain=", "=3"])
def test_a_control_without_a_value_is_wrong_usage(plug_in, text):
    with pytest.raises(UsageError, match="expected NAME=VALUE"):
        plug_in([RAW["YUYV"]], asked={"controls": [text]})


def test_controls_can_be_given_on_the_command_line():
    options = parse_source("camera:1,controls=gain=10/exposure=20,fps=15").options
    assert options.controls == ["gain=10", "exposure=20"] and options.fps == 15


def test_an_interrupt_ends_the_wait(plug_in):
    source = plug_in([RAW["YUYV"], errno.ECANCELED])
    source.read()
    source.interrupt()
    assert source.read() is None
    source.close()


def test_a_missing_camera_names_those_that_exist(monkeypatch):
    monkeypatch.setattr(nodes, "camera_devices", lambda: ["/dev/video2", "/dev/video10"])
    with pytest.raises(SourceError, match=r"/dev/video97: no such camera; this machine has /dev/video2, /dev/vid"):
        open_source("97")
    monkeypatch.setattr(nodes, "camera_devices", list)
    with pytest.raises(SourceError, match="/dev/video97: no such camera; this machine has none"):
        open_source("/dev/video97")
    with pytest.raises(SourceStalled, match="/dev/v4l/by-id/usb-cam-index0: no such camera"):
        open_source("/dev/v4l/by-id/usb-cam-index0")
    with pytest.raises(SourceStalled, match="/dev/mycam: no such camera"):  # a link that udev makes
        open_source("/dev/mycam")
    with pytest.raises(SourceStalled, match="no such camera"):
        open_source("/dev/../dev//sdi-camera")


ELSEWHERE = [
    *("/dev/shm/no such.mp4", "/dev/fd/987", "/dev/stdin.mp4", "/devices/mycam", "/dev/../no such.mp4"),
    *("/dev/disk/by-id/x", "/dev/nvme99n1", "/dev/sdzz9", "/dev/tty999", "/dev/pts/99999", "/dev/mapper/x"),
    *("/dev//mqueue/x", "/dev/v4l/../shm/x"),
]


@pytest.mark.parametrize("path", ELSEWHERE)
def test_what_lies_elsewhere_is_no_camera_that_may_come(path):
    with pytest.raises(SourceError, match="no such file or folder") as caught:
        open_source(path)
    assert not isinstance(caught.value, SourceStalled)


def test_a_missing_camera_may_come_and_a_file_never_becomes_one(tmp_path):
    with pytest.raises(SourceStalled):
        open_source("camera:/dev/video97")
    (tmp_path / "file").write_bytes(b"x")
    for path in (tmp_path / "file", "/dev/null"):
        with pytest.raises(SourceError) as caught:
            open_source(f"camera:{path}")
        assert not isinstance(caught.value, SourceStalled)


def test_a_camera_that_is_plugged_in_late_is_waited_for(plug_in):
    """The node comes, and then its driver gives pictures."""
    source = plug_in([GREY] * 3, {"GREY": {(64, 48): [30.0]}})
    waits = [SourceStalled("/dev/video0: no such camera"), SourceStalled("/dev/video0: no such camera"), source]

    def opens():
        step = waits.pop(0)
        if isinstance(step, Exception):
            raise step
        return step

    assert open_patiently(opens, 10).read() is not None


def test_devices_are_listed_by_number(monkeypatch):
    found = [Path(f"/dev/{name}") for name in ("video10", "video2", "video-dec0", "video0")]
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(found))
    assert nodes.camera_devices() == ["/dev/video0", "/dev/video2", "/dev/video10"]
