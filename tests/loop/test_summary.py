"""Who showed which expression for how long."""

from __future__ import annotations

import pytest

from edgefer.geometry import Box
from edgefer.loop.clock import Standing
from edgefer.loop.summary import People, Tally
from edgefer.values import FaceReading, Frame, Quality, Reading


def reading(t_s: float, source: str = "film", **expressions: str) -> Reading:
    """A reading with faces by track, as face1="happiness"."""
    faces = [
        FaceReading(int(name[4:]), Box(0, 0, 9, 9), expression, 0.9, {}, Quality(9.0, 1.0, 100.0))
        for name, expression in expressions.items()
    ]
    return Reading(0, t_s, "", 0.0, faces, source=source)


def test_seconds_by_expression_add_up_to_the_time_in_view():
    """Ten pictures a second, of which the last counts as long as the one before it."""
    people = People()
    for index in range(30):
        people.add(reading(index / 10, face1="happiness" if index < 20 else "neutral", face2="uncertain"))
    people.end_source()
    (first, second), others = people.so_far()
    assert first.expressions == pytest.approx({"happiness": 2.0, "neutral": 1.0})
    assert list(first.expressions) == ["happiness", "neutral"]
    assert (first.first_s, first.last_s, first.seconds) == (0.0, pytest.approx(2.9), pytest.approx(3.0))
    assert second.expressions == pytest.approx({"uncertain": 3.0})
    assert others == 0


def test_media_time_counts_not_the_number_of_readings():
    """A camera that slows down in the dark, or a slow processor that drops frames."""
    people = People()
    for t_s, expression in ((0.0, "happiness"), (0.1, "happiness"), (0.9, "neutral"), (1.0, "neutral")):
        people.add(reading(t_s, face1=expression))
    people.end_source()
    assert people.so_far()[0][0].expressions == pytest.approx({"happiness": 0.9, "neutral": 0.2})


def test_a_face_that_is_gone_gathers_no_time_and_nor_does_a_long_silence():
    people = People()
    for t_s in (0.0, 0.5):
        people.add(reading(t_s, face1="happiness"))
    people.add(reading(1.0))
    people.add(reading(1.5, face1="neutral"))
    people.add(reading(100.0, face1="neutral"))
    people.end_source()
    (person,), _ = people.so_far()
    assert person.expressions == pytest.approx({"happiness": 1.0, "neutral": 2 * 3 * 0.5}), "three usual intervals"


@pytest.mark.parametrize("interval_s", [0.02, 0.5, 2.0, 10.0])
def test_time_adds_up_at_any_rate(interval_s):
    people = People()
    for number in range(40):
        people.add(reading(number * interval_s, face1="neutral"))
    people.end_source()
    (person,), _ = people.so_far()
    lost_s = max(0.0, interval_s - Standing.LONGEST_S)  # until the usual interval is known
    assert person.seconds == pytest.approx(40 * interval_s, abs=lost_s)


def test_the_same_number_in_another_source_is_another_person():
    people = People()
    for source in ("a", "b"):
        for index in range(3):
            people.add(reading(index / 10, source, face1="neutral"))
        people.end_source()
    assert [(person.source, person.track) for person in people.so_far()[0]] == [("a", 1), ("b", 1)]


def test_a_month_of_passers_by_is_not_kept():
    """Those longest in view are, and all are counted."""
    people = People(kept=8)
    t_s = 0.0
    for track in range(1, 2001):
        for _ in range(10 if track % 500 == 0 else 2):
            people.add(reading(t_s, **{f"face{track}": "neutral"}))
            t_s += 0.1
        assert len(people._present) <= 17
    people.end_source()
    kept, others = people.so_far()
    assert {500, 1000, 1500, 2000} <= {person.track for person in kept}
    assert (len(kept), others) == (8, 1992)


def test_photographs_are_counted_by_expression_and_have_no_people():
    tally = Tally()
    for expression in ("neutral", "happiness", "happiness"):
        frame = Frame(0, None, 0, 0, still=True)
        tally.add(reading(0.0, face1=expression), frame)
    summary = tally.summary()
    assert summary.people == [] and summary.tracks == 0
    assert summary.photographs == 3
    assert list(summary.expressions.items()) == [("happiness", 2), ("neutral", 1)]
