"""edgefer as the service of a device, from its boot on: a Debian under qemu with systemd and a camera of its kernel's.

`make test-device` runs all of it; SCENARIOS=short what the CI runs, one boot. The machine is emulated, some twenty
times slower than this one; the times that are measured are those of its own clock.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
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
STATE = "/var/lib/private/edgefer"
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
def device(image: Path, carried: Path, measured: Callable[[str], None]) -> Iterator[Device]:
    """A machine that has booted, with its camera, and edgefer installed as its service."""
    begin = time.monotonic()
    with (
        machine.overlay(image / "disk.img") as disk,
        Device(image, disk, carried, ARCH, payload.BUILD / "console.log") as running,
    ):
        running.boot()
        measured(f"a shell after {time.monotonic() - begin:.0f} s")
        running.run("mount -o ro /dev/vdb /mnt && sh /mnt/install.sh", 1200)
        measured(f"the wheel installed after {time.monotonic() - begin:.0f} s")
        running.run("sh /mnt/broker.sh && sh /mnt/camera.sh && sh /mnt/service.sh", 1200)
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


def test_the_broker_takes_nobody_without_the_password(device: Device) -> None:
    """So the password came from its file, which only root may read, into the service; and nothing shows it."""
    refused = device.run("HOME=/nowhere mosquitto_sub -C 1 -W 20 -t edgefer/virtual/state", check=False)
    assert "not authorised" in refused.lower()
    modes = device.run("stat -c '%a %U' /etc/edgefer/broker.password /etc/edgefer/page.token").splitlines()
    assert modes == ["600 root"] * 2
    shown = device.run(
        "journalctl -u edgefer -o cat; cat /etc/systemd/system/edgefer.service; "
        "cat /proc/$(systemctl show edgefer -p MainPID --value)/environ /proc/[0-9]*/cmdline | tr '\\0' ' '"
    )
    assert "edgefer run" in shown and payload.PASSWORD not in shown and payload.TOKEN not in shown


def test_the_page_answers_whoever_has_its_token(device: Device, measured: Callable[[str], None]) -> None:
    """401 without the token, 200 with it, and readings in its stream; another machine's name is refused."""

    def asked(*options: str, path: str = "/") -> str:
        words = " ".join(map(shlex.quote, options))
        return device.run(
            f"curl -s -m 60 -o /dev/null -w %{{http_code}} {words} http://{payload.PAGE}{path}", check=False
        )

    token = f"Authorization: Bearer {payload.TOKEN}"
    device.seconds_until(f"curl -s -m 60 -o /dev/null http://{payload.PAGE}/")
    assert [asked(), asked(path="/events"), asked("-H", "Authorization: Bearer another")] == ["401"] * 3
    assert asked("-H", token) == asked("-H", token, path="/page.js") == "200"
    assert asked("-H", token, "-H", "Host: elsewhere.example") == "403"
    found = "grep -a -m 1 '\"faces\":\\[{'"
    device.run(f"curl -sN -m 60 -H {shlex.quote(token)} http://{payload.PAGE}/events | {found}")
    measured("the page: 401 without its token, 200 with it, 403 for another machine's name; a face in its stream")


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


@pytest.fixture
def two_cameras(device: Device) -> Iterator[None]:
    """The service and its clip rest, and the driver has two cameras of all formats: one plane, and several planes."""
    vivid = "n_devs=2 node_types=0x101,0x101 multiplanar=1,2"
    device.run("systemctl stop edgefer player; udevadm settle")
    device.run(f"modprobe -r vivid && mv /etc/modprobe.d/vivid.conf /root/ && modprobe vivid {vivid} && udevadm settle")
    yield
    device.run("modprobe -r vivid; mv /root/vivid.conf /etc/modprobe.d/; modprobe vivid && udevadm settle")
    device.run("systemctl reset-failed edgefer; systemctl start player edgefer")


@whole_only
@pytest.mark.usefixtures("two_cameras")
def test_cameras_of_all_formats_are_read(device: Device, measured: Callable[[str], None]) -> None:
    """Formats, stamps, controls, faults and a driver that goes: every check of vivid_cameras.py."""
    said = device.run("/opt/edgefer/bin/python /mnt/vivid_cameras.py --cycles 20", 6000, check=False)
    assert said.splitlines()[-1] == "0 failed", said
    measured("\n".join(line for line in said.splitlines() if line.startswith(("ok    replug", "ok    blocked"))))


@whole_only
@pytest.mark.usefixtures("two_cameras")
def test_a_frame_costs_at_most_half_of_what_it_costs_by_opencv(device: Device, measured: Callable[[str], None]) -> None:
    """CPU time until the luma is there, counted in instructions, against OpenCV as its users have it."""
    # the stamp is of the end of a picture that this driver has drawn before that, unless it is told otherwise
    device.run("v4l2-ctl -d /dev/video0 --set-ctrl timestamp_source=1")
    options = "--frames 20 --rounds 3 --fps 5 --formats yuyv nv12 grey"
    said = device.run(f"/opt/edgefer/bin/python /mnt/cameras.py /dev/video0 {options}", 6000)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in said.splitlines() if line.startswith("| ")][1:]
    shares = {row[0]: float(row[3]) for row in rows if row[1] == "edgefer"}
    assert set(shares) == {"YUYV", "NV12", "GREY"}, said
    assert max(shares.values()) <= 0.5, said
    measured(said.strip())


def installed_model(device: Device, shipped: str) -> tuple[str, bool]:
    """The name of the model in the default model's slot, and whether the one after it was given up.

    Every byte of it is that of the model that ships; the mark of a copy that was new may still be there, until the next
    command clears it away. Read and compared by the shell, not by edgefer, whose own word is that it runs.
    """
    slot = f"{STATE}/models/{defaults.MODEL}"
    line, seal = device.run(f"cat {slot}/slot").splitlines()
    assert seal == hashlib.sha256(line.encode()).hexdigest()
    record = json.loads(line)
    current = record["current"]
    device.run(f"diff -r -x .new {slot}/{current['number']} {shipped}/{current['name']}")
    return current["name"], bool(record.get("why"))


@whole_only
def test_a_power_cut_in_a_model_update_leaves_the_old_model_or_the_new_one(
    device: Device, image: Path, carried: Path, measured: Callable[[str], None]
) -> None:
    """The machine is ended at random moments of updates; after each boot the service reads with a model that is whole.

    Half of the moments are spread over the whole update and a while after it, half over that part of it in which files
    change. The boot that shows how a cut ended is the one in which the next is made. The last test: it goes on with the
    disk of those before, and ends their machine.
    """
    shipped = device.run("echo /opt/edgefer/lib/python*/site-packages/edgefer/models/shipped").strip()
    models = ("edgefer-nano", "edgefer-s")

    def update(name: str) -> str:
        return f"/opt/edgefer/bin/edgefer models install {shipped}/{name} --as default"

    # what speaks over the network is none of this test's, and each of its parts takes its time at a start
    device.run("cp /mnt/alone.toml /etc/edgefer.toml; systemctl disable --now mosquitto; systemctl restart edgefer")
    for name in models:  # when files change, and when it ends, counted from a stamp
        times = device.run(
            f"touch /root/stamp; {update(name)} && date +%s.%N; "
            f"find {STATE}/models -cnewer /root/stamp -printf '%C@\\n'; stat -c %.Z /root/stamp"
        )
    ended, *changed, began = (float(line) for line in times.splitlines() if re.fullmatch(r"\d+\.\d+", line))
    takes, writes = ended - began, (min(changed) - began, max(changed) - began)
    device.run("systemctl restart edgefer")
    # the first cut is to find a model that has been well for its minute, which is the one to return to
    device.seconds_until(f'grep -q \'"trial":""\' {STATE}/models/{defaults.MODEL}/slot', 120)
    device.run("sync")  # what else was written lately is none of the update's
    before, _ = installed_model(device, shipped)
    assert before == models[1]
    seed = int(os.environ.get("EDGEFER_SEED", time.time()))
    moments = random.Random(seed)
    # a new model whose first minute the next cut ended is given up: that cut left the old one as it was, too
    counted = {"old": 0, "new": 0, "old, then given up": 0}
    running = device
    for cut in range(CUTS):
        after = models[before == models[0]]
        spread = (0.0, 1.5 * takes) if cut % 2 else (writes[0] - 0.05 * takes, writes[1] + 0.05 * takes)
        moment = max(0.0, moments.uniform(*spread))
        running.cut_power_under(update(after), moment)
        running = Device(image, device.disk, carried, ARCH, payload.BUILD / "console-after.log")
        try:
            running.boot()
            lines = int(running.run(f"wc -l <{payload.READINGS}"))
            running.seconds_until(f"tail -n +{lines + 2} {payload.READINGS} | grep -q '\"faces\":\\[{{'")
            running.run("systemctl is-active edgefer")
            now, given_up = installed_model(running, shipped)
            assert now in (before, after), f"{now}, neither {before} nor {after}; EDGEFER_SEED={seed}"
            outcome = "old" if now == before else "old, then given up" if given_up else "new"
            counted[outcome] += 1
            print(f"cut {cut + 1} at {moment:.2f} s of {takes:.2f} s: {now}, after {before} ({outcome})", flush=True)
            before = now
        except BaseException:
            running.cut_power()
            raise
    try:
        running.run("/opt/edgefer/bin/edgefer models verify default")
    finally:
        running.cut_power()
    measured(
        f"{CUTS} power cuts in updates of {takes:.1f} s, which write from {writes[0]:.1f} to {writes[1]:.1f} s "
        f"(EDGEFER_SEED={seed}): all whole, {counted}"
    )
