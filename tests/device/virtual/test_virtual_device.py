"""edgefer as the service of a device, from its boot on: a Debian under qemu with systemd and a camera of its kernel's.

`make test-device` runs all of it; SCENARIOS=short what the CI runs, one boot. The machine is emulated, some twenty
times slower than this one; the times that are measured are those of its own clock.
"""

from __future__ import annotations

import json
import os
import random
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import machine
import payload
import pytest

from edgefer import defaults

SCENARIOS = os.environ.get("EDGEFER_DEVICE", "")
ARCH = os.environ.get("EDGEFER_DEVICE_ARCH", "amd64")
SHORT = SCENARIOS == "short"
REBINDS = 1 if SHORT else 20
CUTS = int(os.environ.get("EDGEFER_CUTS", "30"))
DRIVER = "/sys/bus/platform/drivers/vivid"
MACHINE = {"amd64": "x86_64", "arm64": "aarch64"}[ARCH]

_lacking = machine.missing(ARCH)
pytestmark = pytest.mark.skipif(
    not SCENARIOS or _lacking is not None,
    reason=f"virtual device: {_lacking or 'a machine is booted for minutes; run it with: make test-device'}",
)
whole_only = pytest.mark.skipif(SHORT, reason="virtual device: in `make test-device` without SCENARIOS=short")


class Device(machine.Machine):
    """The machine, with what the scenarios ask of its service."""

    def show(self, *names: str) -> dict[str, str]:
        """Properties of the service, as systemd has them."""
        asked = " ".join(f"-p {name}" for name in names)
        return dict(
            line.split("=", 1) for line in self.run(f"systemctl show edgefer {asked}").splitlines() if "=" in line
        )

    def pid(self) -> int:
        """The service's process; 0 where it has none."""
        return int(self.show("MainPID")["MainPID"])

    def seconds_until(self, condition: str, timeout_s: float = 600, first: str = "true") -> float:
        """Runs `first`, then a condition until it holds; the machine's seconds from before `first`."""
        words = " ".join(shlex.quote(word) for word in (f"{timeout_s:.0f}", first, condition))
        return int(self.run(f"sh /mnt/until.sh {words}", timeout_s + 600).split()[-1]) / 1000

    def wait_ready(self, other_than: int = 0) -> float:
        """Waits until the service is active, in another process than that; the machine's seconds."""
        other = f'[ "$(systemctl show edgefer -p MainPID --value)" != {other_than} ]'
        return self.seconds_until(f"{other} && systemctl is-active --quiet edgefer")

    def readings(self, last: int = 1) -> list[dict[str, Any]]:
        """The last lines of the service's file that are whole."""
        lines = self.run(f"tail -n {last + 1} {payload.READINGS}").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("\n")][-last:]

    def wait_readings(self, count: int, first: str = "true") -> float:
        """Waits until so many readings have come since now; the machine's seconds."""
        lines = int(self.run(f"wc -l <{payload.READINGS}")) + count
        return self.seconds_until(f"[ $(wc -l <{payload.READINGS}) -ge {lines} ]", first=first)


@pytest.fixture(scope="module")
def measured() -> Iterator[Callable[[str], None]]:
    """Takes down a figure; all are printed at the end, and stay in build/device/measured.txt."""
    lines: list[str] = []
    yield lines.append
    payload.BUILD.mkdir(parents=True, exist_ok=True)
    (payload.BUILD / "measured.txt").write_text("\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def image() -> Path:
    """The system, built or as it was built before."""
    try:
        return machine.build_image(ARCH)
    except machine.NoNetwork as error:
        pytest.skip(f"virtual device: {error}")


@pytest.fixture(scope="module")
def carried(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The disk with the wheels and the clip."""
    return payload.build_payload(payload.python_of(image), MACHINE, tmp_path_factory.mktemp("device") / "carried.img")


@pytest.fixture(scope="module")
def device(
    image: Path, carried: Path, tmp_path_factory: pytest.TempPathFactory, measured: Callable[[str], None]
) -> Iterator[Device]:
    """A machine that has booted, with its camera, and edgefer installed as its service."""
    disk = machine.overlay(image / "disk.img", tmp_path_factory.mktemp("disk") / "disk.qcow2")
    begin = time.monotonic()
    with Device(image, disk, carried, ARCH, payload.BUILD / "console.log") as running:
        running.boot()
        measured(f"a shell after {time.monotonic() - begin:.0f} s")
        running.run("mount -o ro /dev/vdb /mnt && sh /mnt/install.sh", 1200)
        measured(f"the wheel installed after {time.monotonic() - begin:.0f} s")
        running.run("sh /mnt/camera.sh && sh /mnt/service.sh", 1200)
        yield running


def test_the_service_is_ready_after_its_first_reading(device: Device, measured: Callable[[str], None]) -> None:
    """READY comes, from the first process, and the status says how it is doing."""
    took = device.wait_ready()
    state = device.show("NRestarts", "ActiveState", "SubState", "Type")
    assert state == {"NRestarts": "0", "ActiveState": "active", "SubState": "running", "Type": "notify"}
    said = device.run("/opt/edgefer/bin/edgefer service status")
    assert said.startswith("active (running)")
    measured(f"READY after {took:.1f} s; {said.splitlines()[-1]}")


def test_readings_of_the_looped_face_arrive(device: Device, measured: Callable[[str], None]) -> None:
    """The portrait that is written to the camera's output comes back as a face with an expression."""
    device.wait_readings(20)
    lines = device.readings(20)
    seen = [line for line in lines if line["faces"]]
    assert len(seen) >= 15, lines[-1]
    assert all(1 >= face["confidence"] > 0 and face["expression"] for line in seen for face in line["faces"])
    numbers = [line["frame"] for line in lines]
    assert numbers == sorted(set(numbers))
    measured(f"a face in {len(seen)} of {len(lines)} readings; the last: {seen[-1]['faces'][0]['expression']}")


def told(device: Device, topic: str) -> str:
    """The message that the broker keeps, or the next one."""
    return device.run(f"mosquitto_sub -C 1 -W 60 -t edgefer/virtual/{topic}").strip()


def test_the_broker_is_told_of_the_face(device: Device, measured: Callable[[str], None]) -> None:
    """Over MQTT: the device is online, its state names an expression, and Home Assistant finds its entities."""
    assert told(device, "availability") == "online"
    device.seconds_until("mosquitto_sub -C 1 -W 20 -t edgefer/virtual/state | grep -q '\"faces\":[1-9]'")
    state = json.loads(told(device, "state"))
    assert state["faces"] >= 0 and state["expression"]
    entities = device.run("mosquitto_sub -W 5 -t 'homeassistant/#' -F %t 2>/dev/null || true").split()
    assert len(entities) > 5 and all(entity.endswith("/config") for entity in entities)
    measured(f"MQTT: {state['expression']}; {len(entities)} entities of Home Assistant's")


def test_a_stop_is_clean_and_quick(device: Device, measured: Callable[[str], None]) -> None:
    """`systemctl stop` ends the process by itself, with exit code 0, and the file ends with a whole line."""
    took = device.seconds_until("true", first="systemctl stop edgefer")
    state = device.show("Result", "ExecMainStatus", "ActiveState", "NRestarts")
    assert state == {"Result": "success", "ExecMainStatus": "0", "ActiveState": "inactive", "NRestarts": "0"}
    assert device.run(f"tail -c 1 {payload.READINGS} | od -An -c").split() == ["\\n"]
    assert told(device, "availability") == "offline"
    device.run("systemctl start edgefer")
    measured(f"systemctl stop: {took:.2f} s")


def recovers(device: Device, harm: str, said: str) -> float:
    """Does harm to the process and waits for the next one to be READY; the machine's seconds."""
    device.run(
        "systemctl reset-failed edgefer"
    )  # five starts a minute are the limit, and the scenarios are not one fault
    device.wait_ready()
    before, restarts = device.pid(), int(device.show("NRestarts")["NRestarts"])
    device.run(f"{harm} {before}")
    took = device.wait_ready(other_than=before)
    state = device.show("NRestarts", "ActiveState")
    assert state == {"NRestarts": str(restarts + 1), "ActiveState": "active"}
    assert said in device.run("journalctl -u edgefer -o cat -n 30")
    device.wait_readings(5)
    return took


def test_a_killed_process_is_started_again(device: Device, measured: Callable[[str], None]) -> None:
    """SIGKILL, as by the kernel that is out of memory."""
    took = recovers(device, "kill -9", "status=9/KILL")
    measured(f"kill -9: READY again after {took:.1f} s")


@whole_only
def test_a_stopped_process_is_ended_by_the_watchdog(device: Device, measured: Callable[[str], None]) -> None:
    """SIGSTOP: nothing works any more, and nothing ends."""
    took = recovers(device, "kill -STOP", "Watchdog timeout")
    measured(f"SIGSTOP: READY again after {took:.1f} s")


@whole_only
def test_a_crash_is_followed_by_a_start(device: Device, measured: Callable[[str], None]) -> None:
    """SIGSEGV, as of a wrong address in native code."""
    took = recovers(device, "kill -SEGV", "status=11/SEGV")
    measured(f"crash: READY again after {took:.1f} s")


def test_a_driver_that_goes_and_comes_back_is_waited_for(device: Device, measured: Callable[[str], None]) -> None:
    """The camera's driver is unbound and bound again: the same process reads on, every time."""
    device.run("systemctl reset-failed edgefer")
    device.wait_ready()
    before = device.show("MainPID", "NRestarts")
    times = []
    for _ in range(REBINDS):
        device.run(f"echo vivid.0 >{DRIVER}/unbind; sleep 2; ! ls /dev/video0 2>/dev/null")
        times.append(device.wait_readings(3, first=f"echo vivid.0 >{DRIVER}/bind"))
        device.seconds_until(f"tail -n 1 {payload.READINGS} | grep -q '\"faces\":\\[{{'")
    assert device.show("MainPID", "NRestarts") == before
    middle = sorted(times)[len(times) // 2]
    measured(
        f"driver bound again {REBINDS} times: read on after {middle:.1f} s in the middle, {max(times):.1f} s at most"
    )


def installed_model(device: Device) -> str:
    """The name of the model in the default model's slot."""
    lines = device.run("/opt/edgefer/bin/edgefer models list").splitlines()
    (line,) = [line for line in lines if line.startswith(f"{defaults.MODEL}: ")]
    return line.partition(": ")[2].split(",")[0].split(";")[0]


@whole_only
def test_a_power_cut_in_a_model_update_leaves_the_old_model_or_the_new_one(
    device: Device, image: Path, carried: Path, measured: Callable[[str], None]
) -> None:
    """The machine is ended at random moments of updates; after each boot the service reads with a model that is whole.

    The last test: it goes on with the disk of those before, and ends their machine.
    """
    shipped = "$(/opt/edgefer/bin/python -c 'import edgefer; print(*edgefer.__path__)')/models/shipped"
    models = ("edgefer-nano", "edgefer-s")
    update = f"/opt/edgefer/bin/edgefer models install {shipped}/{{}} --as default"
    lasts = [device.seconds_until("true", first=update.format(name)) for name in models]
    device.run("systemctl restart edgefer")
    before = installed_model(device)
    assert before == models[1]
    seed = int(os.environ.get("EDGEFER_SEED", time.time()))
    moments = random.Random(seed)
    counted = {"old": 0, "new": 0}
    running = device
    for _ in range(CUTS):
        after = models[before == models[0]]
        running.send(update.format(after))
        time.sleep(moments.uniform(0, 1.2 * max(lasts)))
        running.cut_power()
        running = Device(image, device.disk, carried, ARCH, payload.BUILD / "console-after.log")
        try:
            running.boot()
            running.wait_ready()
            running.run("/opt/edgefer/bin/edgefer models verify default")
            running.wait_readings(2)
            now = installed_model(running)
            assert now in (before, after), f"{now}, neither {before} nor {after}; EDGEFER_SEED={seed}"
            counted["new" if now == after else "old"] += 1
            before = now
        except BaseException:
            running.cut_power()
            raise
    running.cut_power()
    measured(f"{CUTS} power cuts in updates of {max(lasts):.0f} s (EDGEFER_SEED={seed}): all whole, {counted}")
