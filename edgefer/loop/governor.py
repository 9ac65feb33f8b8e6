"""Keeping the budget: when frames take too long, the processor is too hot or its supply too weak, ask for less work.

The detector's rate goes down first, then the recognizer's. Every change holds for a while, rising needs clear
room below the budget, and a rise that has to be taken back makes the next one wait twice as long.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import NamedTuple

from edgefer import defaults
from edgefer.loop.clock import Window
from edgefer.values import Heat

log = logging.getLogger(__name__)


class Rates(NamedTuple):
    """How much work is asked for.

    Attributes:
        detect_interval_factor: multiplies the profile's detection interval.
        recognize_factor: divides the rate at which faces are recognized; smoothed scores are carried between.
    """

    detect_interval_factor: float
    recognize_factor: int


#: From full work downwards.
LEVELS = (Rates(1, 1), Rates(2, 1), Rates(4, 1), Rates(4, 2), Rates(4, 3), Rates(4, 4))
#: Share of the budget that p95 must stay under before a rate is raised.
ROOM = 0.7
#: Degrees below the limit at which the processor counts as cool again.
COOL_BY_C = 5.0
_CHECK_HEAT_EVERY_S = 2.0
#: Between two steps down because of heat: a processor takes its time to cool.
_HOT_STEP_S = 5.0
_LONGEST_HOLD = 64


class Governor:
    """Chooses the level from the times of the last frames and the temperature of the processor."""

    def __init__(
        self,
        budget_p95_ms: float | None,
        window_frames: int = defaults.GOVERNOR_WINDOW_FRAMES,
        max_temperature_c: float = defaults.MAX_TEMPERATURE_C,
        heat: Callable[[], Heat] | None = None,
        clock: Callable[[], float] = time.monotonic,
        acts: bool = True,
    ) -> None:
        """
        Args:
            budget_p95_ms: p95 of the total that is kept; None to look at the heat alone.
            window_frames: frames judged together.
            max_temperature_c: from here on the level goes down.
            heat: gives the state of the processor; without it only the times count.
            clock: seconds.
            acts: whether rates are changed; without it the heat is only told.
        """
        self.budget_p95_ms = budget_p95_ms
        self.level = 0
        self._window_frames = window_frames
        self._max_temperature_c = max_temperature_c
        self._heat = heat
        self._clock = clock
        self._acts = acts
        self._window = Window(window_frames)
        self._hold = 1  # windows that must be calm before a rise
        self._calm = 0
        self._rose = False
        self._state = Heat(None, False)
        self._heat_read: float | None = None
        self._heat_acted: float | None = None

    @property
    def heat(self) -> Heat:
        """The state of the processor, not older than a few seconds."""
        self._read_heat()
        return self._state

    @property
    def rates(self) -> Rates:
        """The work asked for now."""
        return LEVELS[self.level]

    def observe(self, total_ms: float) -> bool:
        """Takes the time of one frame; True when the rates changed."""
        self._window.add(total_ms)
        hot, cool = self._read_heat()
        if not self._acts:
            return False
        now_s = self._clock()
        full = len(self._window) >= self._window_frames
        # heat does not wait for a window of a slow camera
        urgent = hot and self._heat_acted is not None and now_s - self._heat_acted >= _HOT_STEP_S
        if not (full or urgent):
            self._heat_acted = now_s if self._heat_acted is None else self._heat_acted
            return False
        p95 = self._window.spread().p95
        self._window = Window(self._window_frames)
        self._heat_acted = now_s
        slow = self.budget_p95_ms is not None and p95 > self.budget_p95_ms
        roomy = self.budget_p95_ms is None or p95 < ROOM * self.budget_p95_ms
        if slow or hot:
            self._calm = 0
            if self._rose:  # the last rise was a mistake
                self._hold = min(2 * self._hold, _LONGEST_HOLD)
                self._rose = False
            if self.level + 1 < len(LEVELS):
                return self._change(+1, f"p95 is {p95:.1f} ms of {self.budget_p95_ms:g}" if slow else self._why())
            return False
        if self.level == 0 or not (roomy and cool):
            self._calm = 0
            return False
        self._calm += 1
        if self._rose and self._calm >= self._hold:
            self._rose = False  # it held
        if self._calm > self._hold:
            self._rose = True
            self._calm = 0
            return self._change(-1, f"p95 is {p95:.1f} ms")
        return False

    def _change(self, step: int, why: str) -> bool:
        self.level += step
        detect, recognize = self.rates
        log.warning(
            "governor: %s: work %s to level %d of %d (detection interval x%g, rate of recognition /%d)",
            why,
            "lowered" if step > 0 else "raised",
            self.level,
            len(LEVELS) - 1,
            detect,
            recognize,
        )
        return True

    def _read_heat(self) -> tuple[bool, bool]:
        """Whether the processor is too hot or its supply too weak, and whether both are clearly not so."""
        now = self._clock()
        before = self._state
        due = self._heat_read is None or now - self._heat_read >= _CHECK_HEAT_EVERY_S
        if self._heat is not None and due:
            self._state, self._heat_read = self._heat(), now
            self._tell(before)
        temperature = self._state.temperature_c
        slowed = self._state.throttled or self._state.under_voltage
        hot = slowed or (temperature is not None and temperature >= self._max_temperature_c)
        cool = not hot and (temperature is None or temperature < self._max_temperature_c - COOL_BY_C)
        return hot, cool

    def _tell(self, before: Heat) -> None:
        """Says what has changed of what the hardware complains about."""
        for now, then, begun, over in (
            (self._state.throttled, before.throttled, "the processor is throttled; cool it", "throttled"),
            (
                self._state.under_voltage,
                before.under_voltage,
                "the voltage is too low; use a supply and a cable for more current",
                "short of voltage",
            ),
        ):
            if now and not then:
                log.warning("%s", begun)
            elif then and not now:
                log.warning("the processor is no longer %s", over)

    def _why(self) -> str:
        if self._state.under_voltage:
            return "the voltage is too low"
        if self._state.throttled:
            return "the processor is throttled"
        return f"the processor is at {self._state.temperature_c:.0f} °C"
