"""Cameras by picamera2, whose module is played by an object with the same methods."""

from __future__ import annotations

import sys
import time
from types import ModuleType, SimpleNamespace

import cv2
import numpy as np
import pytest
from clips import textured

from edgefer.errors import SourceError, SourceStalled, UsageError
from edgefer.sources import open_source
from edgefer.sources.camera import picamera

BGR = textured(0, 64, 48)
I420 = cv2.cvtColor(BGR, cv2.COLOR_BGR2YUV_I420)
# As libcamera aligns rows: 128 bytes of luma, 64 of each colour, two rows of which stand beside each other here.
PADDED = np.vstack(
    [np.pad(I420[:48], ((0, 0), (0, 64))), np.pad(I420[48:].reshape(48, 32), ((0, 0), (0, 32))).reshape(24, 128)]
)


class Request:
    def __init__(self, camera) -> None:
        self.camera = camera

    def make_array(self, name):
        assert name == "main"
        return self.camera.image.copy()

    def get_metadata(self):
        return {"SensorTimestamp": self.camera.stamp()}

    def release(self):
        self.camera.released += 1


class Camera:
    """As picamera2.Picamera2."""

    known = [{"Model": "imx219"}]
    last = None
    fails = None

    def __init__(self, number) -> None:
        if self.fails:
            raise self.fails
        self.image, self.released, self.closed = PADDED, 0, False
        self.stamp = lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) - 20_000_000
        self.camera_controls = {
            "ExposureTime": (14, 11767556, None),
            "AnalogueGain": (1.0, 10.6, None),
            "AeEnable": (False, True, None),
        }
        type(self).last = self

    @classmethod
    def global_camera_info(cls):
        return cls.known

    def create_video_configuration(self, main, controls):
        self.asked = main, controls
        return {}

    def align_configuration(self, configuration):
        pass

    def configure(self, configuration):
        pass

    def camera_configuration(self):
        return {"main": {"size": (64, 48)}}

    def start(self):
        pass

    def capture_request(self):
        return Request(self)

    def close(self):
        self.closed = True


@pytest.fixture
def module(monkeypatch):
    module = ModuleType("picamera2")
    module.Picamera2 = type("Picamera2", (Camera,), {})
    monkeypatch.setitem(sys.modules, "picamera2", module)
    return module


def test_luma_is_a_view_and_colours_come_on_demand(module):
    source = open_source("picamera:0,size=64/48,fps=25")
    frame = source.read()
    assert source.live and source.size == (64, 48) and source.fps == 25
    assert np.array_equal(frame.grey, I420[:48]) and frame.grey.base is not None
    assert np.abs(frame.bgr().astype(int) - BGR).mean() < 20
    camera = module.Picamera2.last
    assert camera.asked == ({"size": (64, 48), "format": "YUV420"}, {"FrameRate": 25.0})
    assert camera.released == 1
    source.close()
    source.close()
    assert camera.closed and source.read() is None


def test_the_sensors_time_stamp_is_the_capture_time(module):
    frame = open_source("picamera").read()
    assert 15e6 < time.monotonic_ns() - frame.captured_ns < 10e9


def test_controls_of_libcamera_are_set(module):
    open_source("picamera:0,controls=AeEnable=no/ExposureTime=5000/AnalogueGain=2.5")
    assert module.Picamera2.last.asked[1] == {
        "FrameRate": 30.0, "AeEnable": False, "ExposureTime": 5000, "AnalogueGain": 2.5,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("Exposure=3", SourceError, "did you mean 'ExposureTime'.*it has AeEnable, AnalogueGain, ExposureTime"),
        ("ExposureTime=3", UsageError, "expected a number from 14 to 11767556, got '3'"),
        ("AnalogueGain=much", UsageError, "expected a number from 1.0 to 10.6, got 'much'"),
        ("AeEnable=2", UsageError, "expected yes or no, got '2'"),
    ],
)
def test_a_control_that_cannot_be_set_says_what_can(module, text, kind, message):
    with pytest.raises(kind, match=message):
        open_source(f"picamera:0,controls={text}")
    assert module.Picamera2.last.closed


def test_a_camera_that_is_not_there_is_waited_for(module):
    with pytest.raises(SourceStalled, match=r"picamera:3: no such camera; libcamera knows 0 \(imx219\)"):
        open_source("picamera:3")
    module.Picamera2.known = []
    with pytest.raises(SourceStalled, match="libcamera knows none; look at its cable"):
        open_source("picamera")


def test_a_camera_in_use_is_waited_for(module):
    module.Picamera2.fails = RuntimeError("Failed to acquire camera: Device or resource busy")
    with pytest.raises(SourceStalled, match=r"picamera:0 \(imx219\): Failed to acquire camera"):
        open_source("picamera")


def test_a_camera_that_fails_later_is_stalled(module):
    source = open_source("picamera")
    source.read()

    def fails():
        raise RuntimeError("camera frontend has timed out")

    module.Picamera2.last.capture_request = fails
    with pytest.raises(SourceStalled, match="timed out"):
        source.read()


@pytest.mark.parametrize(
    ("inside", "there", "message"),
    [
        (True, True, "which this virtual environment does not see; make it again with: python3 -m venv --system-site"),
        (True, False, "picamera2 is not installed; to fix: sudo apt install python3-picamera2"),
        (False, False, "picamera2 is not installed; to fix: sudo apt install python3-picamera2"),
    ],
    ids=["plain environment on a Pi", "plain environment elsewhere", "no environment"],
)
def test_without_picamera2_a_line_says_what_to_install(monkeypatch, tmp_path, inside, there, message):
    monkeypatch.setitem(sys.modules, "picamera2", None)
    prefixes = SimpleNamespace(prefix="/venv" if inside else "/usr", base_prefix="/usr")
    monkeypatch.setattr(picamera, "sys", prefixes)
    monkeypatch.setattr(picamera, "_SYSTEM", tmp_path if there else tmp_path / "none")
    with pytest.raises(SourceError, match=message) as caught:
        open_source("picamera")
    assert not isinstance(caught.value, SourceStalled)
