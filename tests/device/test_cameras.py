"""The cameras of a machine, from files as sysfs has them."""

from __future__ import annotations

import threading

import pytest

from edgefer.device import cameras
from edgefer.device.cameras import Offered, camera_devices, offered
from edgefer.sources.camera.offers import Offer, Rates, Sizes


@pytest.fixture
def machine(tmp_path):
    """Adds video devices: node, index, name."""

    def add(*devices: tuple[str, str, str]) -> dict:
        for node, index, name in devices:
            folder = tmp_path / "sys" / node
            folder.mkdir(parents=True)
            (folder / "index").write_text(index)
            (folder / "name").write_text(name)
            (tmp_path / "dev").mkdir(exist_ok=True)
            (tmp_path / "dev" / node).write_text("")
        return {"root": tmp_path / "sys", "dev": tmp_path / "dev", "proc": tmp_path / "proc"}

    return add


def test_second_nodes_and_decoders_are_no_cameras(machine):
    roots = machine(
        ("video0", "0", "HD cam"), ("video1", "1", "HD cam"), ("video10", "0", "bcm2835-codec-decode"),
        ("video2", "0", "Other"), ("video20", "0", "pispbe-input"),
    )  # fmt: skip
    assert [(device.path, device.name) for device in camera_devices(**roots)] == [
        (str(roots["dev"] / "video0"), "HD cam"),
        (str(roots["dev"] / "video2"), "Other"),
    ]


def test_a_raw_camera_one_in_use_and_one_without_a_node_are_told(machine, tmp_path):
    roots = machine(("video0", "0", "unicam"), ("video1", "0", "HD cam"), ("video2", "0", "Gone"))
    (tmp_path / "dev" / "video2").unlink()
    process = tmp_path / "proc" / "77"
    (process / "fd").mkdir(parents=True)
    (process / "fd" / "3").symlink_to(tmp_path / "dev" / "video1")
    (process / "comm").write_text("motion\n")
    raw, used, gone = camera_devices(**roots)
    assert (raw.raw, raw.allowed, raw.users) == (True, True, [])
    assert (used.raw, used.allowed, used.users) == (False, True, ["motion (77)"])
    assert not gone.allowed


def test_a_machine_without_cameras_has_none(tmp_path):
    assert camera_devices(tmp_path, tmp_path, tmp_path) == []


def test_the_name_by_what_a_camera_is_goes_before_the_one_by_its_socket(machine, tmp_path):
    roots = machine(("video0", "0", "HD cam"), ("video1", "0", "Other"), ("video2", "0", "Third"))
    for folder, name, node in (("by-id", "usb-HD", 0), ("by-path", "usb-1.1", 0), ("by-path", "usb-1.2", 1)):
        link = tmp_path / "dev" / "v4l" / folder / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(tmp_path / "dev" / f"video{node}")
    links = [device.link.removeprefix(f"{tmp_path}/dev/v4l/") for device in camera_devices(**roots)]
    assert links == ["by-id/usb-HD", "by-path/usb-1.2", ""]


class Device:
    def __init__(self, *offers: Offer) -> None:
        self._offers, self.closed = list(offers), False

    def offers(self) -> list[Offer]:
        return self._offers

    def close(self) -> None:
        self.closed = True


def offer(fourcc: str) -> Offer:
    return Offer(fourcc, [Sizes((640, 480), (640, 480))], lambda width, height: [Rates(30, 30)])


@pytest.mark.parametrize(
    ("offers", "expected"),
    [
        ([offer("YUYV"), offer("H264")], ("YUYV 640x480 (30)", True)),
        ([offer("H264")], ("H264 640x480 (30)", False)),
        ([offer("pRAA")], ("pRAA 640x480 (30); a raw sensor: read it through libcamera", False)),
        ([], ("nothing", False)),
    ],
    ids=["one that is read", "none that is read", "raw sensor", "nothing"],
)
def test_a_camera_is_asked_for_its_formats_and_closed(monkeypatch, offers, expected):
    device = Device(*offers)
    monkeypatch.setattr(cameras.nodes, "opened", lambda path: device)
    formats, usable, _ = offered("/dev/video0")
    assert formats.startswith(expected[0]) and usable is expected[1] and device.closed


def test_a_camera_that_does_not_answer_or_is_gone_is_told(monkeypatch):
    gate = threading.Event()
    monkeypatch.setattr(cameras.nodes, "opened", lambda path: gate.wait(30) and Device())
    assert offered("/dev/video0", timeout_s=0.05) == Offered("no answer for 0.05 s; its driver hangs", False)
    gate.set()
    monkeypatch.undo()
    assert offered("/dev/video97")[0].startswith("no such camera")
