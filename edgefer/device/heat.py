"""How hot the processor is, whether it is slowed down, and whether its supply suffices: from sysfs, without a program.

What is read, where it is there:

    class/thermal/thermal_zone*       temperatures by name: cpu-thermal (Raspberry Pi), CPU-therm, tj-thermal (Jetson)
    class/thermal/cooling_device*     what the kernel slows down: a cpufreq device whose state is above 0
    …/soc:firmware/get_throttled      Raspberry Pi: bit 0 under-voltage, 1 frequency capped, 2 throttled, 3 soft limit;
                                      16 to 19 the same, at any time since the start
    class/hwmon/*/in*_lcrit_alarm     Raspberry Pi (rpi_volt) and others: a voltage is critically low
    class/hwmon/*/curr*_crit_alarm    Jetson (ina3221): more current than the supply may give
"""

from __future__ import annotations

import re
from pathlib import Path

from edgefer.values import Heat

#: Zones of the processor, by their names; PMIC-Die of Jetson Nano always tells 100 °C.
_PROCESSOR = re.compile(r"cpu|soc|pkg|tj", re.IGNORECASE)
_FALSE = re.compile(r"pmic", re.IGNORECASE)
#: A zone outside of this is switched off, or a fault of its sensor, °C.
_PLAUSIBLE_C = (-40.0, 150.0)
_COOLING = re.compile(r"cpufreq|^processor", re.IGNORECASE)
_FIRMWARE = "devices/platform/soc*/*firmware/get_throttled"
_VOLTAGE_ALARMS = ("class/hwmon/*/in*_lcrit_alarm", "class/hwmon/*/device/in*_lcrit_alarm")
_CURRENT_ALARMS = ("class/hwmon/*/curr*_crit_alarm",)
#: Bits of get_throttled, and how far above them the same since the start lies.
_UNDER_VOLTAGE, _SLOWED, _SINCE_START = 0b1, 0b1110, 16


def read_heat(root: Path = Path("/sys")) -> Heat:
    """The processor's temperature, throttling and supply, now.

    Zones of other parts (wireless, battery) are left out where the processor has one of its own.
    """
    cpu: list[float] = []
    others: list[float] = []
    for zone in root.glob("class/thermal/thermal_zone*"):
        temperature, kind = _number(zone / "temp"), _text(zone / "type")
        if temperature is None or _FALSE.search(kind):
            continue
        if _PLAUSIBLE_C[0] < temperature / 1000 < _PLAUSIBLE_C[1]:
            (cpu if _PROCESSOR.search(kind) else others).append(temperature / 1000)
    bits = firmware_bits(root)
    cooled = any(
        _COOLING.search(_text(device / "type")) and (_number(device / "cur_state") or 0) > 0
        for device in root.glob("class/thermal/cooling_device*")
    )
    weak = any(_number(file) for pattern in (*_VOLTAGE_ALARMS, *_CURRENT_ALARMS) for file in root.glob(pattern))
    return Heat(max(cpu or others, default=None), bool(bits & _SLOWED) or cooled, bool(bits & _UNDER_VOLTAGE) or weak)


def since_start(root: Path = Path("/sys")) -> tuple[bool, bool]:
    """Whether the firmware has slowed the processor down, and whether its voltage was too low, since the start."""
    before = firmware_bits(root) >> _SINCE_START
    return bool(before & _SLOWED), bool(before & _UNDER_VOLTAGE)


def firmware_bits(root: Path) -> int:
    """What the Raspberry Pi's firmware tells; 0 where there is none."""
    bits = 0
    for file in root.glob(_FIRMWARE):
        bits |= _number(file, 16) or 0
    return bits


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _number(path: Path, base: int = 10) -> int | None:
    try:
        return int(_text(path), base)
    except ValueError:
        return None
