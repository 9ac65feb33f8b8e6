"""Writing less."""

import csv
import json

import pytest
from readings import face, reading

from edgefer.labels import FERPLUS8
from edgefer.sinks import open_sink
from edgefer.sinks.base import Sink
from edgefer.sinks.thin import Thinned
from edgefer.values import Event, ModelReading


class Kept(Sink):
    name = "kept"

    def __init__(self):
        self.frames, self.health, self.closed = [], [], 0

    def write(self, reading, frame=None):
        self.frames.append(reading.frame)

    def report(self, health):
        self.health.append(health)

    def close(self):
        self.closed += 1


def frames_kept(readings, every=1, on_change=False):
    kept = Kept()
    sink = Thinned(kept, every, on_change)
    assert sink.name == "kept"
    for one in readings:
        sink.write(one)
    sink.close()
    assert kept.closed == 1
    return kept.frames


def with_event(index):
    one = reading(index, face())
    one.events = [Event(1, "micro", 0.1, 0.2, 0.3, 0.9)]
    return one


def of_picture(index, image):
    one = reading(index, face())
    one.image = image
    return one


def test_each_nth_reading_is_written_the_first_to_begin_with():
    assert frames_kept([reading(index, face()) for index in range(10)], every=4) == [0, 4, 8]
    assert frames_kept([reading(3 * index, face()) for index in range(5)], every=2) == [0, 6, 12]  # frames were dropped


def test_an_event_is_never_left_out():
    readings = [with_event(index) if index in (3, 5) else reading(index, face()) for index in range(10)]
    assert frames_kept(readings, every=4) == [0, 3, 4, 5, 8]
    assert frames_kept(readings, on_change=True) == [0, 3, 5, 9]


@pytest.mark.parametrize(
    "before, after",
    [
        ([face(1)], [face(1), face(2)]),
        ([face(1), face(2)], [face(2)]),
        ([face(1)], []),
        ([face(1)], [face(2)]),
        ([face(1, "anger")], [face(1, "fear")]),
        ([face(1)], [face(1, reasons=("small",))]),
    ],
    ids=["comes", "goes", "last-goes", "another", "expression", "uncertain"],
)
def test_a_change_is_who_is_there_or_an_expression(before, after):
    faces = [before] * 4 + [after] * 4
    assert frames_kept([reading(index, *each) for index, each in enumerate(faces)], on_change=True) == [0, 4, 7]


def test_boxes_scores_order_and_reasons_are_no_change():
    turned = face(1, x=300.0, reasons=("dark",))
    turned.confidence = 0.2
    faces = [[face(1, reasons=("small",)), face(2)], [face(2), turned]] * 3
    assert frames_kept([reading(index, *each) for index, each in enumerate(faces)], on_change=True) == [0, 5]


def test_the_expression_of_a_further_model_is_a_change():
    readings = [reading(index, face()) for index in range(6)]
    for index, one in enumerate(readings):
        one.faces[0].models = {"b": ModelReading("calm" if index < 3 else "glad", 0.9, {})}
    assert frames_kept(readings, on_change=True) == [0, 3, 5]


def test_every_photograph_and_every_source_is_a_change():
    assert frames_kept([of_picture(index, f"{index}.jpg") for index in range(4)], on_change=True) == [0, 1, 2, 3]
    readings = [reading(index, face()) for index in range(4)]
    readings[2].source = readings[3].source = "other.mp4"
    assert frames_kept(readings, on_change=True) == [0, 2, 3]


def test_a_change_with_a_sign_of_life():
    faces = [[face()]] * 5 + [[]] * 6
    readings = [reading(index, *each) for index, each in enumerate(faces)]
    assert frames_kept(readings, every=4, on_change=True) == [0, 4, 5, 8, 10]


def test_the_last_reading_is_written_once():
    assert frames_kept([reading(0)], on_change=True) == [0]
    assert frames_kept([], on_change=True) == []


def test_a_change_that_could_not_be_written_is_written_with_the_next_reading():
    kept = Kept()
    sink = Thinned(kept, on_change=True)
    sink.write(reading(0, face()))
    real, kept.write = kept.write, lambda *_: 1 / 0
    with pytest.raises(ZeroDivisionError):
        sink.write(reading(1))
    kept.write = real
    sink.write(reading(2))
    assert kept.frames == [0, 2]


def test_the_state_of_the_run_passes_through():
    kept = Kept()
    Thinned(kept, 10).report("health")
    assert kept.health == ["health"]


def test_options_of_an_output_thin_it(tmp_path):
    lines, rows = tmp_path / "out.jsonl", tmp_path / "out.csv"
    sinks = [open_sink(f"jsonl:{lines},every=3"), open_sink(f"csv:{rows},on=change", labels=FERPLUS8)]
    for index in range(9):
        for sink in sinks:
            sink.write(reading(index, *([face()] if index < 5 else [])))
    for sink in sinks:
        sink.close()
    assert [json.loads(line)["frame"] for line in lines.read_text().splitlines()] == [0, 3, 6]
    assert [(row["frame"], row["track"]) for row in csv.DictReader(rows.open())] == [("0", "1"), ("5", ""), ("8", "")]
