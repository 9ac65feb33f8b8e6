"""A driver of V4L2 for tests without a camera: the functions of v4l2.h over plain Python objects."""

from __future__ import annotations

import errno
import time

import numpy as np

CAPTURE, MENU, INTEGER, BOOLEAN, CLASS = 1, 3, 1, 2, 6


def code(name: str) -> int:
    return int.from_bytes(name.ljust(4).encode(), "little")


def control(id, kind, name, low, high, **more):
    return {"id": id, "kind": kind, "name": name, "low": low, "high": high, **more}


class Driver:
    """Answers as the functions of v4l2.c do.

    Attributes:
        modes: fourcc -> {(width, height): [frames a second]}.
        pictures: what the next frames hold: arrays; None for one that does not come, an errno for a failure.
        fails: function -> errno that it answers with.
        stamps: gives the stamp of each frame, ns; None: another clock.
    """

    def __init__(self, ffi, modes=None, pictures=(), **given):
        self.ffi = ffi
        self.modes = modes or {"YUYV": {(64, 48): [30.0]}}
        self.pictures = list(pictures)
        self.fails: dict[str, int] = {}
        self.stamps = lambda index: time.monotonic_ns()
        self.row_padding = 0
        self.type = CAPTURE
        self.listed = [
            control(1, CLASS, "User Controls", 0, 0),
            control(2, MENU, "Auto Exposure", 0, 3, menu={1: "Manual Mode", 3: "Aperture Priority"}),
            control(3, INTEGER, "Exposure Time, Absolute", 3, 2047, usual=250),
            control(4, INTEGER, "Gain", 0, 255, usual=16, read_only=1),
            control(5, BOOLEAN, "White Balance, Automatic", 0, 1, usual=1),
        ]
        self.__dict__.update(given)
        self.settings: dict[int, int] = {}
        self.buffers: list = []
        self.queued: list[int] = []
        self.given = self.detached = self.passes = 0
        self.closed = self.stopped = False
        self.asked: dict[str, object] = {}

    def _failed(self, name):
        return -self.fails.get(name, 0)

    def camera_open(self, path):
        self.asked["path"] = path
        return self._failed("open") or 40

    def camera_close(self, device):
        self.closed = True
        return 0

    def camera_identify(self, device, out):
        out.card, out.driver, out.bus, out.type = b"Test cam", b"test", b"usb-1", self.type
        return self._failed("identify")

    def camera_format_at(self, device, kind, index, out):
        if index >= len(self.modes):
            return -errno.EINVAL
        out.fourcc = code(list(self.modes)[index])
        return 0

    def _sizes(self, fourcc):
        return next((sizes for name, sizes in self.modes.items() if code(name) == fourcc), {})

    def camera_size_at(self, device, fourcc, index, out):
        sizes = list(self._sizes(fourcc))
        if index >= len(sizes):
            return -errno.EINVAL
        out.low_width, out.low_height = out.high_width, out.high_height = sizes[index]
        out.step_width = out.step_height = 1
        return 0

    def camera_rate_at(self, device, fourcc, width, height, index, out):
        rates = self._sizes(fourcc).get((width, height), [])
        if index >= len(rates):
            return -errno.EINVAL
        out.shortest_over = out.longest_over = 1000
        out.shortest_under = out.longest_under = round(1000 * rates[index])
        return 0

    def camera_set_layout(self, device, kind, layout):
        name = layout.fourcc.to_bytes(4, "little").decode()
        self.asked["mode"] = name, layout.width, layout.height
        pixel = {"YUYV": 2, "UYVY": 2, "YVYU": 2, "BGR3": 3, "RGB3": 3, "MJPG": 0}.get(name, 1)
        layout.row_bytes = layout.width * pixel + (self.row_padding if pixel else 0)
        layout.planes = 1
        return self._failed("set_layout")

    def camera_set_rate(self, device, kind, over, under):
        self.asked["fps"] = over[0] / under[0]
        return self._failed("set_rate")

    def camera_request(self, device, kind, count):
        return self._failed("request") or count

    def camera_map(self, device, kind, index, out):
        self.buffers.append(self.ffi.new("uint8_t[]", 1 << 16))
        out.data, out.length = self.buffers[-1], 1 << 16
        return 0

    def camera_unmap(self, data, length):
        pass

    def camera_detach(self, data, length):
        self.detached += 1
        return 0

    def camera_start(self, device, kind):
        return self._failed("start")

    def camera_stop(self, device, kind):
        self.stopped = True
        return 0

    def camera_queue(self, device, kind, index):
        assert index not in self.queued, "a buffer is queued twice"
        self.queued.append(index)
        return 0

    def camera_next(self, device, kind, wake, timeout_ms, out):
        out.passed, out.damaged, self.passes = self.passes, 0, 0
        picture = self.pictures[min(self.given, len(self.pictures) - 1)]
        if picture is None:
            return 0
        if isinstance(picture, int):
            return -picture
        assert self.queued, "no buffer is left to the driver"
        out.index = self.queued.pop(0)
        data = np.ascontiguousarray(picture).ravel()
        self.ffi.buffer(self.buffers[out.index])[0 : data.size] = data.tobytes()
        out.bytes, out.sequence = data.size, self.given
        stamp = self.stamps(self.given)
        out.clock, out.stamp_ns = (0, 0) if stamp is None else (1, stamp)
        self.given += 1
        return 1

    def camera_control_after(self, device, last, out):
        for each in self.listed:
            if each["id"] > last:
                out.id, out.kind, out.name = each["id"], each["kind"], each["name"].encode()
                out.low, out.high, out.usual = each["low"], each["high"], each.get("usual", 0)
                out.read_only, out.inactive = each.get("read_only", 0), each.get("inactive", 0)
                out.value = self.settings.get(out.id, out.usual)
                return 0
        return -errno.EINVAL

    def camera_menu_at(self, device, control, index, name, value):
        menu = next(each for each in self.listed if each["id"] == control)["menu"]
        if index not in menu:
            return -errno.EINVAL
        text = menu[index].encode()
        self.ffi.buffer(name)[0 : len(text) + 1] = text + b"\0"
        return 0

    def camera_set_control(self, device, control, kind, value):
        if self._failed("set_control"):
            return self._failed("set_control")
        self.settings[control] = value
        return 0
