"""Keeping the budget; simulated clocks."""

from __future__ import annotations

from edgefer.loop.governor import LEVELS, Governor
from edgefer.values import Heat

COLD = Heat(40.0, False)
HOT = Heat(90.0, False)


def governor(budget_ms: float | None = 20.0, heat=lambda: COLD, clock=lambda: 0.0) -> Governor:
    return Governor(budget_ms, window_frames=10, max_temperature_c=80.0, heat=heat, clock=clock)


def feed(subject: Governor, total_ms: float, windows: int = 1) -> list[int]:
    """The level after each window of equal frames."""
    levels = []
    for _ in range(windows):
        for _ in range(10):
            subject.observe(total_ms)
        levels.append(subject.level)
    return levels


def test_within_the_budget_all_work_is_done():
    """The level stays at 0."""
    assert feed(governor(), 19.0, 20) == [0] * 20


def test_over_the_budget_the_detector_is_slowed_first_then_the_recognizer():
    """One step a window, down to the last."""
    subject = governor()
    seen = [subject.rates]
    for _ in range(8):
        feed(subject, 25.0)
        seen.append(subject.rates)
    assert seen[:6] == list(LEVELS)
    assert seen[-1] == LEVELS[-1]
    first_slower = next(i for i, rates in enumerate(LEVELS) if rates.recognize_factor > 1)
    assert all(rates.recognize_factor == 1 for rates in LEVELS[:first_slower])
    assert LEVELS[first_slower].detect_interval_factor == max(r.detect_interval_factor for r in LEVELS)


def test_rare_slow_frames_within_p95_are_borne():
    """One in thirty, as a detection may be."""
    subject = Governor(20.0, window_frames=90, heat=lambda: COLD)
    for index in range(900):
        subject.observe(60.0 if index % 30 == 0 else 5.0)
    assert subject.level == 0


def test_frequent_slow_frames_are_not():
    """One in ten."""
    subject = Governor(20.0, window_frames=90, heat=lambda: COLD)
    for index in range(90):
        subject.observe(60.0 if index % 10 == 0 else 5.0)
    assert subject.level == 1


def test_the_rates_rise_again_with_room_and_not_without():
    """Just below the budget nothing changes (hysteresis); well below it the level goes up after a while."""
    subject = governor()
    feed(subject, 25.0, 2)
    assert feed(subject, 18.0, 30) == [2] * 30
    levels = feed(subject, 5.0, 10)
    assert levels[0] == 2
    assert levels[-1] == 0


def test_a_load_that_returns_with_the_rate_makes_rises_rare():
    """Low at level 1, over the budget at level 0: the governor must not swing forever."""
    subject = governor()
    changes = []
    for _ in range(200):
        before = subject.level
        feed(subject, 25.0 if subject.level == 0 else 5.0)
        changes.append(subject.level != before)
    assert sum(changes[:50]) > sum(changes[-50:])
    assert sum(changes[-50:]) <= 4


def test_heat_lowers_the_rates_and_coolness_raises_them():
    """With hysteresis: at 77 °C of 80 nothing rises."""
    heat = [HOT]
    now = [0.0]

    def clock():
        now[0] += 0.2
        return now[0]

    subject = governor(heat=lambda: heat[0], clock=clock)
    assert feed(subject, 5.0, 2) == [1, 2]
    heat[0] = Heat(77.0, False)
    assert feed(subject, 5.0, 10) == [2] * 10
    heat[0] = COLD
    assert feed(subject, 5.0, 10)[-1] == 0


def test_throttling_counts_as_heat():
    """The firmware knows better than the thermometer."""
    assert feed(governor(heat=lambda: Heat(50.0, True)), 1.0) == [1]


def test_a_supply_that_is_too_weak_counts_as_heat_and_is_said_when_it_begins_and_ends(log_lines):
    heat, now = [Heat(50.0, False, True)], [0.0]

    def clock():
        now[0] += 0.2
        return now[0]

    subject = governor(heat=lambda: heat[0], clock=clock)
    assert feed(subject, 1.0) == [1]
    heat[0] = COLD
    assert feed(subject, 1.0, 5)[-1] == 0 and subject.heat == COLD
    said = [line for line in log_lines if "voltage" in line]
    assert len(said) == 3, said
    assert "use a supply" in said[0] and "level 1" in said[1] and "no longer short" in said[2]


def test_heat_does_not_wait_for_the_window_of_a_slow_camera():
    """At two pictures a second ten windows take minutes."""
    now = [0.0]
    subject = governor(heat=lambda: HOT, clock=lambda: now[0])
    levels = []
    for _ in range(9):
        subject.observe(5.0)
        levels.append(subject.level)
        now[0] += 3.0
    assert levels == [0, 0, 1, 1, 2, 2, 3, 3, 4]


def test_one_that_may_not_act_tells_the_heat_all_the_same():
    """`[governor] enabled = false`."""
    subject = Governor(20.0, window_frames=10, heat=lambda: HOT, acts=False)
    assert feed(subject, 90.0, 5) == [0] * 5 and subject.heat == HOT


def test_the_heat_is_told_while_no_frame_comes():
    """As while the camera is away."""
    now, states = [0.0], [COLD, HOT]
    subject = governor(heat=lambda: states.pop(0), clock=lambda: now[0])
    assert subject.heat == COLD
    now[0] = 3.0
    assert subject.heat == HOT


def test_without_a_budget_heat_alone_counts():
    """A profile without budgets."""
    assert feed(governor(None), 10_000.0, 3) == [0, 0, 0]
    assert feed(governor(None, heat=lambda: HOT), 1.0) == [1]


def test_the_thermometer_is_not_read_at_every_window():
    """sysfs may be slow."""
    reads, now = [], [0.0]
    subject = governor(heat=lambda: reads.append(1) or COLD, clock=lambda: now[0])
    feed(subject, 5.0, 10)
    assert len(reads) == 1
    now[0] = 2.5
    feed(subject, 5.0, 1)
    assert len(reads) == 2


def test_each_change_is_logged_once(log_lines):
    """And nothing else."""
    subject = governor()
    feed(subject, 25.0, 20)
    assert len(log_lines) == len(LEVELS) - 1
    assert "p95 is 25.0 ms of 20" in log_lines[0]
