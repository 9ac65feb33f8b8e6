"""Each line of the doctor's page, on machines that lack something."""

from __future__ import annotations

import os
import sys
import time
from collections import namedtuple

import pytest

from edgefer.config import load_profile
from edgefer.device import doctor
from edgefer.device.cameras import CameraDevice, Offered
from edgefer.errors import ModelError
from edgefer.support import packages
from edgefer.values import Heat

SETTINGS = load_profile("generic")


def states(checks) -> dict[str, str]:
    return {check.name: check.state for check in checks}


def only(checks) -> doctor.Check:
    (check,) = checks
    assert bool(check.advice) == (check.state != "ok")
    return check


def test_every_line_is_one_line_and_what_is_wrong_has_advice():
    found = list(doctor.checks(SETTINGS))
    assert {"system", "python", "processor", "kernels", "packages", "models", "networks", "film", "cameras"} <= {
        check.name for check in found
    }
    for check in found:
        assert check.state in ("ok", "warn", "fail") and check.found
        assert "\n" not in check.found + check.advice
        assert check.advice or check.state == "ok", check
    assert not [check for check in found if check.state == "fail" and check.name != "cameras"]


def test_an_error_within_a_check_is_its_line():
    def broken():
        raise ValueError("odd")
        yield

    def refused():
        raise ModelError("model x: damaged")
        yield

    assert [*doctor.guarded("a", broken)] == [doctor.Check("a", "fail", "ValueError: odd", "please report this")]
    assert states(doctor.guarded("b", refused)) == {"b": "fail"}


def test_an_old_python_is_a_warning(monkeypatch):
    monkeypatch.setattr(sys, "version_info", namedtuple("V", "major minor micro")(3, 9, 1))
    assert only(doctor._python()).state == "warn"


@pytest.mark.parametrize(
    ("usable", "limit", "threads", "words"),
    [(4, None, 2, ""), (1, None, 2, "lower compute.threads"), (4, 0.5, 1, "docker run --cpus"), (4, 2.0, 2, "")],
    ids=["enough", "few processors", "little time", "just enough"],
)
def test_processors_and_their_time_are_compared_with_the_profile(monkeypatch, usable, limit, threads, words):
    import msgspec

    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(usable)))
    monkeypatch.setattr(doctor, "quota", lambda: limit)
    replace = msgspec.structs.replace
    settings = replace(SETTINGS, compute=replace(SETTINGS.compute, threads=threads))
    check = only(doctor._processor(settings))
    assert words in check.advice and (check.state == "ok") == (not words)


def test_forced_and_scalar_kernels_are_warnings_and_a_wrong_name_fails(monkeypatch):
    monkeypatch.delenv("EDGEFER_ISA", raising=False)
    monkeypatch.setattr(doctor.kernels, "active", lambda op: "scalar" if op == "flow" else "sse41")
    assert "no AVX2" in only(doctor._kernels()).found
    monkeypatch.setattr(doctor.kernels, "active", lambda op: "avx2")
    assert only(doctor._kernels()).state == "ok"
    monkeypatch.setenv("EDGEFER_ISA", "avx2")
    assert only(doctor._kernels()).state == "warn"


def test_a_missing_package_fails_and_another_opencv_is_named(monkeypatch):
    monkeypatch.setattr(packages, "version_of", lambda package: None if package.module == "msgspec" else "1.0")
    failed = [check for check in doctor._packages() if check.state == "fail"]
    assert [check.found for check in failed] == ["msgspec: not installed"]
    monkeypatch.setattr(packages, "version_of", lambda package: "1.0")
    monkeypatch.setattr("cv2.__version__", "5.0.0")
    assert "opencv-python-headless<5" in only(doctor._packages()).advice


def test_a_refused_model_fails_and_slow_networks_are_a_warning(monkeypatch):
    from edgefer import recognize
    from edgefer.models import runtime

    def refuse(name):
        raise ModelError(f"model {name}: damaged")

    monkeypatch.setattr(runtime, "slowness", lambda: "without XNNPACK: no /proc; mount it")
    assert states(doctor._networks()) == {"models": "ok", "networks": "warn"}
    monkeypatch.setattr(recognize, "open", refuse)
    assert states(doctor._networks()) == {"models": "fail", "networks": "warn"}


def test_extras_that_are_not_there_are_named_with_their_command(monkeypatch):
    monkeypatch.setattr(packages, "version_of", lambda package: None)
    found = list(doctor._extras())
    assert states(found) == {
        package.extra: "warn" if package.extra == "film" else "ok" for package in packages.OPTIONAL
    }
    assert all(f"pip install 'edgefer[{check.name}]'" in check.advice for check in found)
    monkeypatch.setattr(packages, "version_of", lambda package: "broken: no libX")
    assert set(states(doctor._extras()).values()) == {"warn"}


def test_cameras_are_judged_by_what_stands_in_the_way(monkeypatch):
    cameras = [
        CameraDevice("/dev/video0", "HD", False, True, [], "/dev/v4l/by-id/usb-HD"),
        CameraDevice("/dev/video1", "HD", False, False, []),
        CameraDevice("/dev/video2", "unicam", True, True, []),
        CameraDevice("/dev/video3", "HD", False, True, ["motion (77)"]),
        CameraDevice("/dev/video4", "HD", False, True, []),
    ]
    formats = {"/dev/video0": Offered("YUYV 640x480 (30)", True), "/dev/video4": Offered("H264", False)}
    monkeypatch.setattr(doctor, "offered", formats.__getitem__)
    found = list(doctor._cameras(cameras))
    assert [check.state for check in found] == ["ok", "fail", "warn", "warn", "warn"]
    assert found[0].found == "/dev/video0 (HD), /dev/v4l/by-id/usb-HD: YUYV 640x480 (30)"
    words = ["", "group 'video'", "--source picamera", "end that program", "expected a format that edgefer reads"]
    assert all(word in check.advice for word, check in zip(words, found, strict=True))
    assert only(doctor._cameras([])).state == "warn"


@pytest.mark.parametrize(
    ("heat", "state"),
    [(Heat(None, False), "ok"), (Heat(50.0, False), "ok"), (Heat(99.0, False), "warn"), (Heat(50.0, True), "warn")],
    ids=["not told", "cool", "hot", "throttled"],
)
def test_a_hot_or_throttled_processor_is_a_warning(monkeypatch, heat, state):
    monkeypatch.setattr(doctor, "read_heat", lambda: heat)
    assert only(doctor._temperature(SETTINGS)).state == state


def test_little_memory_and_little_disk_are_warnings(monkeypatch, tmp_path):
    for available, state in ((50, "warn"), (5000, "ok")):
        monkeypatch.setattr(doctor, "memory_mb", lambda size=available: (size, 8000))
        assert only(doctor._memory()).state == state
    usage = namedtuple("Usage", "free")
    for free, state in ((10 << 20, "warn"), (10 << 30, "ok")):
        monkeypatch.setattr(doctor.shutil, "disk_usage", lambda folder, size=free: usage(size))
        assert only(doctor._disk(tmp_path)).state == state


def test_memory_that_is_not_told_is_no_fault(tmp_path):
    assert doctor.memory_mb(tmp_path / "absent") is None


@pytest.mark.parametrize(
    ("seconds", "synchronised", "state"),
    [(0, None, "warn"), (1.9e9, True, "ok"), (1.9e9, False, "warn"), (1.9e9, None, "ok")],
    ids=["1970", "right", "on its own", "not told"],
)
def test_a_clock_that_may_be_wrong_is_a_warning(monkeypatch, seconds, synchronised, state):
    now = time.gmtime(seconds)
    monkeypatch.setattr(doctor.time, "gmtime", lambda: now)
    monkeypatch.setattr(doctor, "clock_is_synchronised", lambda: synchronised)
    assert only(doctor._clock()).state == state


def test_the_kernel_may_be_asked_about_its_clock():
    assert doctor.clock_is_synchronised() in (True, False, None)
