"""edgefer's cameras against the kernel's test driver `vivid`: to be run as root, as in the virtual device.

    modprobe vivid n_devs=2 node_types=0x101,0x101 multiplanar=1,2 && python tests/device/vivid_cameras.py --cycles 20

One line a check; the exit status is 1 when one fails. The two devices are one with one plane and one with several.
"""

from __future__ import annotations

import argparse
import logging
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from edgefer.errors import SourceError, SourceStalled
from edgefer.loop.capture import Capture
from edgefer.sources.camera import controls, nodes
from edgefer.sources.camera.device import Device
from edgefer.sources.camera.source import Camera
from edgefer.sources.registry import CameraOptions, parse_source

DRIVER = Path("/sys/bus/platform/drivers/vivid")
SIZE, FPS = [320, 180], 10.0
#: vivid's stamps are of the end of a frame that it has drawn before that; of its begin they are in the past.
STAMPS = "timestamp_source=start_of_exposure"


def captures() -> list[str]:
    """vivid's nodes that give pictures."""
    found = []
    for path in nodes.camera_devices():
        device = Device(path)
        if device.driver == "vivid" and device.captures:
            found.append(path)
        device.close()
    return found


def opened(path: str, **asked) -> Camera:
    return Camera(CameraOptions(**{"device": path, "size": SIZE, "fps": FPS, **asked}))


def fails(path: str, **asked) -> SourceError:
    try:
        opened(path, **asked).close()
    except SourceError as error:
        assert "\n" not in str(error)
        return error
    raise AssertionError(f"{path} opened with {asked}")


@contextmanager
def setting(path: str, *texts: str) -> Iterator[None]:
    """Sets controls beside whoever streams."""
    device = Device(path)
    try:
        controls.apply(path, device, texts)
        yield
    finally:
        device.close()


def formats(path: str) -> str:
    """All of them give the same luma, those with planes without a copy."""
    grey = {}
    for name in ("auto", "yuyv", "uyvy", "nv12", "yu12", "grey"):
        with opened(path, format=name, controls=["osd_text_mode=none"]) as camera:
            frames = [camera.read() for _ in range(3)]
            assert all(frame.grey.shape == (SIZE[1], SIZE[0]) for frame in frames)
            assert frames[0].bgr().shape == (SIZE[1], SIZE[0], 3)
            assert frames[2].index > frames[1].index > frames[0].index
            if name in ("nv12", "yu12", "grey"):
                assert not frames[2].grey.flags.owndata
            grey[name] = frames[2].grey.astype(int)
        assert np.array_equal(grey[name], frames[2].grey), "a picture changed after its camera was closed"
    with setting(path, "osd_text_mode=all"):
        pass
    worst = max(int(np.abs(grey[name] - grey["nv12"]).max()) for name in ("auto", "yuyv", "uyvy", "yu12"))
    assert worst <= 2, f"luma differs by {worst}"
    return f"{len(grey)} formats, luma apart by {worst}"


def stamps(path: str) -> str:
    """The driver's stamps, a period apart."""
    with opened(path, controls=[STAMPS]) as camera:
        camera.read()
        frames = []
        for _ in range(8):
            frames.append(camera.read())
            assert frames[-1].captured_ns == camera.stamp_ns < time.monotonic_ns()
    steps = np.diff([frame.captured_ns for frame in frames]) / 1e6 / np.diff([frame.index for frame in frames])
    assert np.abs(steps - 1e3 / FPS).max() < 0.5e3 / FPS, steps
    return f"steps of {steps.min():.0f} to {steps.max():.0f} ms"


def newest(path: str) -> str:
    """Whoever comes late gets a new frame, and the others are counted."""
    with opened(path, controls=[STAMPS]) as camera:
        before = camera.read()
        time.sleep(1.0)
        frame = camera.read()
        age_ms = (time.monotonic_ns() - frame.captured_ns) / 1e6
    assert frame.index - before.index >= 5 and age_ms < 500, (before.index, frame.index, age_ms)
    return f"age {age_ms:.0f} ms after {frame.index - before.index} frames"


def kept(path: str) -> str:
    """Frames that are kept for long stay as they are, and more come all the same."""
    with opened(path, format="grey") as camera:
        frames = [camera.read() for _ in range(15)]
        copies = [frame.grey.copy() for frame in frames]
        for _ in range(5):
            camera.read()
        assert all(np.array_equal(frame.grey, copy) for frame, copy in zip(frames, copies, strict=True))
    return "15 frames kept, 5 more read"


def control(path: str) -> str:
    means = []
    for value in (0, 255):
        with opened(path, controls=[f"brightness={value}"]) as camera:
            [camera.read() for _ in range(3)]
            means.append(float(camera.read().grey.mean()))
    with setting(path, "brightness=128"):
        pass
    assert means[1] - means[0] > 50, means
    assert "it has no control 'brightnes'; did you mean 'brightness'" in str(fails(path, controls=["brightnes=1"]))
    assert "from 0 to 255, got '999'" in str(fails(path, controls=["brightness=999"]))
    return f"brightness 0 and 255: {means[0]:.0f} and {means[1]:.0f}"


def negotiation(path: str) -> str:
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("edgefer.sources.camera.source")
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING)
    with opened(path, size=[650, 490], fps=200.0) as camera:
        size, fps = camera.size, camera.fps
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)
    assert size == (640, 480) and fps < 200 and any("it offers" in line and "640x480 (" in line for line in said), said
    assert "expected format mjpeg; it offers YUYV" in str(fails(path, format="mjpeg"))
    return f"650x490 at 200 became {size[0]}x{size[1]} at {fps:g}"


def refusals(path: str) -> str:
    with opened(path):
        busy = fails(path)
        assert isinstance(busy, SourceStalled) and "another program uses it" in str(busy), busy
    output = next(node for node in nodes.camera_devices() if node not in captures())
    assert "it captures no pictures" in str(fails(output))
    return "in use, an output"


def damaged(path: str) -> str:
    """Frames that the driver marks are left out and counted."""
    with opened(path) as camera:
        camera.read()
        with setting(path, "inject_v4l2_buf_flag_error=1"):
            began = time.monotonic()
            while not camera.damaged and time.monotonic() - began < 10:
                assert camera.read() is not None
        assert camera.damaged
        return f"{camera.damaged} left out"


def several(first: str, second: str) -> str:
    with opened(first) as one, opened(second) as other:
        for _ in range(5):
            assert one.read() is not None and other.read() is not None
    return "two at once"


def lost(path: str, *texts: str, back: tuple[str, ...] = ()) -> str:
    """What the driver plays is seen as a stall."""
    camera = opened(path)
    try:
        camera.read()
        with setting(path, *texts):
            began = time.monotonic()
            try:
                while time.monotonic() - began < 10:
                    camera.read()
            except SourceStalled as error:
                took = time.monotonic() - began
                assert took < 6, took  # 3 s on a machine that is not emulated
                return f"after {took:.1f} s: {error}"
            raise AssertionError("it was not seen")
    finally:
        camera.close()
        with setting(path, *back):
            pass


def interrupted(path: str) -> str:
    with opened(path) as camera, setting(path, "percentage_of_dropped_buffers=100"):
        camera.read()
        threading.Timer(0.3, camera.interrupt).start()
        began = time.monotonic()
        while camera.read() is not None:
            pass
        took = time.monotonic() - began
    with setting(path, "percentage_of_dropped_buffers=0"):
        pass
    assert took < 2, took
    return f"{took:.1f} s"


def replug(link: str, cycles: int) -> str:
    """The driver is taken from its device and given back, again and again."""
    choice = parse_source(link, CameraOptions(size=SIZE, fps=FPS))
    reader = Capture(choice.make(), choice.make, patience_s=3600, endless=True)
    bus = DRIVER / "vivid.0"
    assert bus.exists()
    seen, back, usage = [], [], []
    try:
        for _ in range(cycles):
            while reader.take(1.0) is None or reader.stalled:
                pass
            began = time.monotonic()
            (DRIVER / "unbind").write_text("vivid.0")
            while not reader.stalled:
                reader.take(0.02)
            seen.append(time.monotonic() - began)
            time.sleep(0.5)
            (DRIVER / "bind").write_text("vivid.0")
            while not os.path.exists(link):
                time.sleep(0.02)
            began = time.monotonic()
            while reader.stalled or reader.take(0.1) is None:
                assert time.monotonic() - began < 60, "it did not come back"
                time.sleep(0.02)
            back.append(time.monotonic() - began)
            usage.append((len(os.listdir("/proc/self/fd")), threading.active_count()))
    finally:
        reader.close()
    assert usage[-1] == usage[0], usage
    return f"{cycles} of {cycles} came back; seen within {max(seen):.1f} s, back {max(back):.1f} s after its link"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cycles", type=int, default=3, help="times that the driver is unbound and bound")
    parser.add_argument("--only", nargs="+", default=[], help="checks by name")
    args = parser.parse_args()
    logging.basicConfig(level=logging.ERROR)
    paths = captures()
    assert len(paths) >= 2, f"expected two of vivid's cameras, got {paths}"
    one, planes = paths[:2]
    link = "/dev/v4l/by-path/platform-vivid.0-video-index0"
    checks: dict[str, Callable[[], str]] = {
        "formats, one plane": lambda: formats(one),
        "formats, several planes": lambda: formats(planes),
        "stamps": lambda: stamps(one),
        "newest": lambda: newest(one),
        "kept": lambda: kept(one),
        "controls": lambda: control(one),
        "negotiation": lambda: negotiation(one),
        "refusals": lambda: refusals(one),
        "damaged": lambda: damaged(one),
        "several": lambda: several(one, planes),
        "blocked": lambda: lost(one, "percentage_of_dropped_buffers=100", back=("percentage_of_dropped_buffers=0",)),
        "interrupted": lambda: interrupted(one),
        "failed stream": lambda: lost(one, "inject_fatal_streaming_error=1"),
        "replug": lambda: replug(link, args.cycles),
    }
    failed = 0
    for name, check in checks.items():
        if args.only and not any(name.startswith(each) for each in args.only):
            continue
        try:
            print(f"ok    {name}: {check()}", flush=True)
        except Exception:
            failed += 1
            print(f"FAIL  {name}: {traceback.format_exc()}", flush=True)
    print(f"{failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
