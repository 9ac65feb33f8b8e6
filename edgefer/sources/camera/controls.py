"""A camera's controls by name: exposure, gain, and whatever else its driver has."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

from edgefer.errors import SourceError, UsageError
from edgefer.support.typed import suggestion

# Kinds of linux/videodev2.h that hold a number.
_INTEGER, _BOOLEAN, _MENU, _BUTTON, _INTEGER64, _BITMASK, _INTEGER_MENU = 1, 2, 3, 4, 5, 8, 9
_SETTABLE = (_INTEGER, _BOOLEAN, _MENU, _BUTTON, _INTEGER64, _BITMASK, _INTEGER_MENU)
_MENUS = (_MENU, _INTEGER_MENU)

#: Short names, and the names that drivers and releases of the kernel have for them.
SHORT = {
    "exposure": ("exposure_time_absolute", "exposure_absolute", "exposure"),
    "gain": ("gain", "analogue_gain"),
    "auto_exposure": ("auto_exposure", "exposure_auto"),
    "auto_gain": ("gain_automatic", "autogain"),
    "focus": ("focus_absolute",),
    "auto_focus": ("focus_automatic_continuous", "focus_auto"),
    "white_balance": ("white_balance_temperature",),
    "auto_white_balance": ("white_balance_automatic", "white_balance_temperature_auto"),
    "mains": ("power_line_frequency",),
}
_WORDS = {"yes": 1, "true": 1, "on": 1, "no": 0, "false": 0, "off": 0}


class Control(NamedTuple):
    """A control as its driver describes it.

    Attributes:
        kind: of linux/videodev2.h. low, high, step, usual, value: of its number.
        inactive: it has no effect now, as an exposure time has none while exposure is automatic.
    """

    id: int
    name: str
    kind: int
    low: int
    high: int
    step: int
    usual: int
    value: int
    inactive: bool = False
    read_only: bool = False


class Controlled(Protocol):
    """What has controls: device.Device."""

    def controls(self) -> Iterator[Control]: ...

    def menu(self, control: int, low: int, high: int) -> dict[int, tuple[str, int]]: ...

    def set_control(self, control: int, kind: int, value: int) -> None: ...


def plain(name: str) -> str:
    """A driver's name as it is written: `Exposure Time, Absolute` is exposure_time_absolute."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def pairs_of(texts: Sequence[str]) -> list[tuple[str, str]]:
    """`name=value` texts as pairs.

    Raises:
        UsageError: one is not of that form.
    """
    pairs = []
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name.strip() or not value.strip():
            raise UsageError(f"camera control {text!r}: expected NAME=VALUE, as in gain=20")
        pairs.append((name.strip(), value.strip()))
    return pairs


def apply(path: str, device: Controlled, texts: Sequence[str]) -> None:
    """Sets controls, in order.

    Raises:
        UsageError: a text is no `name=value`.
        SourceError: the camera has no such control, or it does not take that value.
        OSError: the camera is gone.
    """
    for given, value in pairs_of(texts):
        name = plain(given)
        known = {plain(control.name): control for control in device.controls() if control.kind in _SETTABLE}
        control = next((known[each] for each in (*SHORT.get(name, ()), name) if each in known), None)
        if control is None:
            short = [each for each, names in SHORT.items() if any(n in known for n in names)]
            listed = ", ".join(sorted({*known, *short})) or "none"
            close = suggestion(name, [*known, *short])
            raise SourceError(f"{path}: it has no control {name!r}{close}; it has {listed}")
        number = _number(path, device, control, name, value)
        try:
            device.set_control(control.id, control.kind, number)
        except OSError as error:
            if error.errno == errno.ENODEV:
                raise
            why = error.strerror
            if control.inactive:
                why = "it has no effect now: set the automatic control that rules it before it (auto_exposure=1)"
            raise SourceError(f"{path}: control {name}={value} is refused: {why}") from None


def _number(path: str, device: Controlled, control: Control, name: str, value: str) -> int:
    """The number that a text means for a control."""
    if control.read_only:
        raise SourceError(f"{path}: control {name} can be read only, or another program holds it")
    if control.kind in _MENUS:
        entries = device.menu(control.id, control.low, control.high)
        for index, (title, stands_for) in entries.items():
            shown = str(stands_for) if control.kind == _INTEGER_MENU else plain(title)
            if plain(value) == shown or value == str(index):
                return index
        listed = ", ".join(
            str(stands_for) if control.kind == _INTEGER_MENU else f"{plain(title)} ({index})"
            for index, (title, stands_for) in entries.items()
        )
        raise SourceError(f"{path}: control {name}: expected one of {listed}, got {value!r}")
    if control.kind == _BUTTON:  # it is pressed, whatever the value
        return 0
    number = _WORDS.get(value.lower()) if control.kind == _BOOLEAN else None
    if number is None:
        try:
            number = int(value, 0)
        except ValueError:
            number = None
    if number is None or not (control.kind == _BITMASK or control.low <= number <= control.high):
        expected = "yes or no" if control.kind == _BOOLEAN else f"a whole number from {control.low} to {control.high}"
        raise SourceError(f"{path}: control {name}: expected {expected}, got {value!r}; usual is {control.usual}")
    return number


def described(device: Controlled) -> list[str]:
    """Its controls, a line each: name, range and value."""
    lines = []
    for control in device.controls():
        if control.kind in _SETTABLE and not control.read_only:
            if control.kind in _MENUS:
                entries = device.menu(control.id, control.low, control.high)
                takes = ", ".join(f"{title} ({index})" for index, (title, _) in entries.items())
            else:
                words = {_BOOLEAN: "yes or no", _BUTTON: "any value, which presses it"}
                takes = words.get(control.kind, f"{control.low} to {control.high}")
            lines.append(f"{plain(control.name)} = {control.value}: {takes}; usual {control.usual}")
    return lines
