"""Temperature, throttling and supply, read from trees made like those of boards."""

from pathlib import Path

import pytest

from edgefer.device.heat import read_heat, since_start
from edgefer.values import Heat


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


def zones(*each: tuple[str, str]) -> dict[str, str]:
    files = {}
    for number, (kind, temperature) in enumerate(each):
        files[f"class/thermal/thermal_zone{number}/type"] = kind
        files[f"class/thermal/thermal_zone{number}/temp"] = temperature
    return files


PI = "devices/platform/soc/soc:firmware/get_throttled"
PI5 = "devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"
NANO = zones(
    ("AO-therm", "55500"),
    ("CPU-therm", "47000"),
    ("GPU-therm", "46500"),
    ("PLL-therm", "45000"),
    ("PMIC-Die", "100000"),
)
ORIN = zones(("cpu-thermal", "61250"), ("gpu-thermal", ""), ("cv0-thermal", "-256000"), ("tj-thermal", "63000"))
COOLING = "class/thermal/cooling_device"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, Heat(None, False)),
        (zones(("x86_pkg_temp", "51000"), ("cpu-thermal", "48500"), ("iwlwifi_1", "90000")), Heat(51.0, False)),
        (zones(("iwlwifi_1", "42000"), ("BAT0", "30000")), Heat(42.0, False)),
        (NANO, Heat(47.0, False)),
        (ORIN, Heat(63.0, False)),
        (zones(("PMIC-Die", "100000")), Heat(None, False)),
        (zones(("cpu-thermal", "odd")), Heat(None, False)),
        ({PI: "50000"}, Heat(None, False)),
        ({PI: "50005"}, Heat(None, True, True)),
        ({PI: "1"}, Heat(None, False, True)),
        ({PI: "2"}, Heat(None, True)),
        ({PI: "8"}, Heat(None, True)),
        ({PI5: "0x4"}, Heat(None, True)),
        ({PI: "odd"}, Heat(None, False)),
        ({f"{COOLING}0/type": "thermal-cpufreq-0", f"{COOLING}0/cur_state": "2"}, Heat(None, True)),
        ({f"{COOLING}0/type": "thermal-cpufreq-0", f"{COOLING}0/cur_state": "0"}, Heat(None, False)),
        ({f"{COOLING}0/type": "pwm-fan", f"{COOLING}0/cur_state": "3"}, Heat(None, False)),
        ({f"{COOLING}0/type": "Processor", f"{COOLING}0/cur_state": "-1"}, Heat(None, False)),
        ({"class/hwmon/hwmon1/name": "rpi_volt", "class/hwmon/hwmon1/in0_lcrit_alarm": "1"}, Heat(None, False, True)),
        ({"class/hwmon/hwmon1/name": "rpi_volt", "class/hwmon/hwmon1/in0_lcrit_alarm": "0"}, Heat(None, False)),
        ({"class/hwmon/hwmon3/name": "ina3221", "class/hwmon/hwmon3/curr1_crit_alarm": "1"}, Heat(None, False, True)),
    ],
    ids=[
        "nothing",
        "hottest processor zone",
        "only other zones",
        "Jetson Nano",
        "Jetson Orin",
        "PMIC alone",
        "odd zone",
        "Pi, earlier",
        "Pi, both now",
        "Pi, voltage",
        "Pi, capped",
        "Pi, soft limit",
        "Pi 5",
        "Pi, odd",
        "slowed by the kernel",
        "not slowed",
        "fan",
        "no state",
        "voltage alarm",
        "no alarm",
        "current alarm",
    ],
)
def test_the_state_of_a_board_is_read_from_its_files(tmp_path, files, expected):
    assert read_heat(tree(tmp_path, files)) == expected


def test_a_zone_that_cannot_be_read_does_no_harm(tmp_path):
    tree(tmp_path, zones(("cpu-thermal", "48000")))
    (tmp_path / "class/thermal/thermal_zone7").mkdir()
    assert read_heat(tmp_path) == Heat(48.0, False)


def test_what_happened_since_the_start_is_told_apart_from_what_is_now(tmp_path):
    assert since_start(tmp_path) == (False, False)
    assert since_start(tree(tmp_path, {PI: "10000"})) == (False, True)
    assert since_start(tree(tmp_path, {PI: "40004"})) == (True, False)
    assert read_heat(tmp_path) == Heat(None, True)
