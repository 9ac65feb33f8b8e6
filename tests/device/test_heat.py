"""Temperature and throttling of the processor."""

from edgefer.device.heat import read_heat
from edgefer.values import Heat


def test_temperature_and_throttling_are_read_from_sysfs(tmp_path):
    """The hottest processor zone counts, others only where there is none; missing or odd files do no harm."""
    assert read_heat(tmp_path) == Heat(None, False)
    zones = {"0": ("x86_pkg_temp", "51000"), "1": ("cpu-thermal", "48500"), "2": ("iwlwifi_1", "90000")}
    for number, (kind, temperature) in zones.items():
        zone = tmp_path / "class/thermal" / f"thermal_zone{number}"
        zone.mkdir(parents=True)
        (zone / "type").write_text(kind + "\n")
        (zone / "temp").write_text(temperature + "\n")
    (tmp_path / "class/thermal/thermal_zone3").mkdir()
    firmware = tmp_path / "devices/platform/soc/soc:firmware"
    firmware.mkdir(parents=True)
    (firmware / "get_throttled").write_text("50000\n")  # both happened earlier, neither now
    assert read_heat(tmp_path) == Heat(51.0, False)
    (firmware / "get_throttled").write_text("50004\n")
    assert read_heat(tmp_path) == Heat(51.0, True)
    (firmware / "get_throttled").write_text("odd")
    assert read_heat(tmp_path) == Heat(51.0, False)
