"""The cameras of a machine, from files as sysfs has them."""

from __future__ import annotations

import pytest

from edgefer.device.cameras import camera_devices


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
