"""Each line of the doctor's page, on machines that lack something."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections import namedtuple

import pytest

from edgefer.config import load_profile
from edgefer.device import doctor, findings
from edgefer.device.cameras import CameraDevice, Offered
from edgefer.errors import ModelError
from edgefer.sources.camera.offers import Mode
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
    assert "opencv-python-headless<5" in only(doctor._packages()).command


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
    assert all(f"pip install 'edgefer[{check.name}]'" in check.command for check in found)
    monkeypatch.setattr(packages, "version_of", lambda package: "broken: no libX")
    assert set(states(doctor._extras()).values()) == {"warn"}


def test_cameras_are_judged_by_what_stands_in_the_way(monkeypatch):
    cameras = [
        CameraDevice("/dev/video0", "HD", False, True, [], "/dev/v4l/by-id/usb-HD"),
        CameraDevice("/dev/video1", "HD", False, False, []),
        CameraDevice("/dev/video2", "unicam", True, True, []),
        CameraDevice("/dev/video3", "HD", False, True, ["motion (77)"]),
        CameraDevice("/dev/video4", "HD", False, True, ["edgefer (78)"]),
    ]
    offered = Offered("YUYV 640x480 (30)", True, Mode("YUYV", 640, 480, 30.0))
    monkeypatch.setattr(findings, "offered", lambda path, wish: offered)
    monkeypatch.setattr(findings, "_user", lambda: "pi")
    found = list(doctor._cameras(cameras, SETTINGS))
    assert [check.state for check in found] == ["ok", "fail", "warn", "warn", "warn"]
    assert found[0].found == "/dev/video0 (HD), /dev/v4l/by-id/usb-HD: YUYV 640x480 (30)"
    words = ["", "group 'video'", "libcamera", "end that program", "end that program"]
    assert all(word in check.advice for word, check in zip(words, found, strict=True))
    commands = ["", "usermod -aG video pi", "--source picamera", "kill 77", "systemctl stop edgefer"]
    assert all(command in check.command for command, check in zip(commands, found, strict=True))
    assert only(doctor._cameras([], SETTINGS)).state == "warn"


@pytest.mark.parametrize(
    ("offered", "state", "words"),
    [
        (Offered("MJPG 640x480 (30)", True, Mode("MJPG", 640, 480, 30.0)), "ok", "MJPG 640x480 (30)"),
        (Offered("YUYV 320x240 (15)", True, Mode("YUYV", 320, 240, 15.0)), "warn", "gives YUYV 320x240 at 15"),
        (Offered("H264", False), "warn", "H264"),
        (Offered("no answer for 3 s; its driver hangs", False), "warn", "hangs"),
    ],
    ids=["as asked", "less", "nothing to read", "hangs"],
)
def test_what_a_camera_offers_is_compared_with_the_profile(monkeypatch, offered, state, words):
    monkeypatch.setattr(findings, "offered", lambda path, wish: offered)
    check = findings.formats(CameraDevice("/dev/video0", "HD", False, True, []), SETTINGS)
    assert check.state == state and words in check.found and bool(check.advice) == (state != "ok")


def processors(root, **files) -> object:
    """A tree of two processors whose frequency is told by these files."""
    for number in range(2):
        folder = root / f"cpu{number}" / "cpufreq"
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(f"{text}\n")
    return root


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({}, ""),
        ({"scaling_governor": "ondemand", "scaling_driver": "cpufreq-dt"}, ""),
        ({"scaling_governor": "powersave", "scaling_driver": "intel_pstate"}, ""),
        ({"scaling_governor": "powersave", "scaling_driver": "cpufreq-dt"}, "echo schedutil | sudo tee"),
        (
            {"scaling_governor": "schedutil", "scaling_max_freq": 600000, "cpuinfo_max_freq": 1800000},
            "cpuinfo_max_freq",
        ),
    ],
    ids=["not told", "by demand", "chooses by itself", "lowest", "capped"],
)
def test_a_frequency_that_is_held_down_is_a_warning(tmp_path, files, command):
    check = only(findings.frequency(processors(tmp_path, **files)))
    assert (check.state == "warn") == bool(command) and command in check.command


@pytest.mark.parametrize(
    ("bits", "words"),
    [("0", "enough"), ("50005", "too low, and"), ("10000", "at times"), ("40000", "slowed down at times")],
)
def test_a_weak_supply_is_a_warning_now_and_later(tmp_path, bits, words):
    file = tmp_path / "devices/platform/soc/soc:firmware/get_throttled"
    file.parent.mkdir(parents=True)
    file.write_text(bits)
    assert words in only(findings.supply(tmp_path)).found


def test_a_wheel_for_another_python_or_processor_fails_with_what_replaces_it(monkeypatch):
    here = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    other = "aarch64" if platform.machine() != "aarch64" else "x86_64"
    assert findings.fits(f"{here}-{here}-manylinux_2_28_{platform.machine()}") and findings.fits("py3-none-any")
    assert not findings.fits(f"{here}-{here}-manylinux_2_28_{other}")
    assert not findings.fits(f"cp299-cp299-linux_{platform.machine()}")
    tags = [f"Tag: {here}-{here}-linux_{other}"]

    class Installed:
        version = "1.2"

        def read_text(self, name):
            return "\n".join(tags)

    monkeypatch.setattr(findings.importlib.metadata, "distribution", lambda name: Installed())
    check = only(findings.wheel())
    assert check.state == "fail" and "--force-reinstall edgefer" in check.command
    tags[:] = [f"Tag: {here}-{here}-linux_{platform.machine()}"]
    assert only(findings.wheel()).state == "ok"


def test_a_runtime_and_a_numpy_that_do_not_fit_fail(monkeypatch):
    versions = {"numpy": "2.1.0", "tflite_runtime": "2.14.0"}
    monkeypatch.setattr(packages, "version_of", lambda package: versions.get(package.module))
    check = only(findings.wheel())
    assert check.state == "fail" and "NumPy 1" in check.found and "numpy<2" in check.command
    versions["numpy"] = "1.26.4"
    assert only(findings.wheel()).state == "ok"


def test_a_read_only_disk_is_a_warning_with_the_command_that_mends_it(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "read_only", lambda folder: True)
    check = only(doctor._disk(tmp_path))
    assert check.state == "warn" and "remount,rw /" in check.command


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
