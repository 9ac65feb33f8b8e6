"""How hot the processor is, from sysfs."""

from __future__ import annotations

import re
from pathlib import Path

from edgefer.values import Heat


def read_heat(root: Path = Path("/sys")) -> Heat:
    """The processor's temperature and throttling.

    Zones of other parts (wireless, battery) are left out where the processor has one of its own. Throttling
    is read from the Raspberry Pi's firmware: bit 1 the frequency is capped, bit 2 throttled, both now.
    """
    cpu: list[float] = []
    others: list[float] = []
    for zone in root.glob("class/thermal/thermal_zone*"):
        try:
            temperature = int((zone / "temp").read_text()) / 1000
            kind = (zone / "type").read_text()
        except (OSError, ValueError):
            continue
        (cpu if re.search(r"cpu|soc|pkg", kind, re.IGNORECASE) else others).append(temperature)
    throttled = False
    for file in root.glob("devices/platform/soc/soc:firmware/get_throttled"):
        try:
            throttled = bool(int(file.read_text(), 16) & 0b110)
        except (OSError, ValueError):
            continue
    return Heat(max(cpu or others, default=None), throttled)
