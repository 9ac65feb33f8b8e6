"""The picture of the live table at every size of terminal."""

import itertools
import re

import pytest
from readings import face, reading

from edgefer.labels import FERPLUS8
from edgefer.loop.clock import Spread
from edgefer.sinks.table.history import SPAN_S, History, cell_s
from edgefer.sinks.table.layout import clock, picture
from edgefer.sinks.table.spans import plain, width_of
from edgefer.sinks.table.view import Marks, View
from edgefer.values import ModelReading

WIDTHS, HEIGHTS, FACES = (10, 20, 40, 60, 80, 120, 200), (1, 2, 5, 10, 24, 50), (0, 1, 4, 12, 40)
TEXT = """
edgefer clip.mp4 faces face fps age frame dropped C expression confidence box last minute seconds second cell
uncertain small blurred turned occluded dark no and more stage latency capture detect infer total at ends the run
Ctrl pauses it governor level processor throttled warning of before nano ms mp4 clip
"""
WORDS = {*FERPLUS8, *TEXT.split()}


def history_of(faces, source="clip.mp4"):
    history = History()
    for second in range(70):
        one = reading(0, *(face(f.track, FERPLUS8[(second // 7 + f.track) % 8], f.quality.reasons) for f in faces))
        one.t_s = float(second)
        history.add(one)
    return history


def view(count, **more):
    reasons = [(), (), (), ("small", "blurred", "occluded"), ("dark",)]
    faces = [face(n, FERPLUS8[n % 8], reasons[n % 5], x=31.0 * n) for n in range(1, count + 1)]
    for one in faces:
        one.models = {"nano": ModelReading("sadness", 0.5, {"sadness": 0.5})} if count == 4 else {}
    stages = {name: Spread(1.25, 12.5, 20.0) for name in ("capture", "detect", "infer", "total")}
    values = {"done": 50, "length": 100, "length_s": 3723.0, "dropped": 3, "temperature_c": 61.0, "keys": True, **more}
    return View("clip.mp4", reading(17, *faces), stages, 29.97, history_of(faces), 12.0, **values)


def shown(view, width, height, encoding="utf-8", colours=True, compact=False):
    return [plain(line) for line in picture(view, Marks(FERPLUS8, encoding, colours), width, height, compact).lines]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("count", FACES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_picture_fits_and_breaks_no_word(width, count, encoding):
    for height, compact, wrong in itertools.product(HEIGHTS, (False, True), (False, True)):
        trouble = {"trouble": "governor at level 2, processor throttled", "note": "edgefer: a warning of more"}
        moment = view(count, **(trouble if wrong else {}))
        marks = Marks(FERPLUS8, encoding)
        lines = picture(moment, marks, width, height, compact).lines
        assert 1 <= len(lines) <= height
        assert max(width_of(line) for line in lines) <= width
        text = "\n".join(map(plain, lines))
        assert encoding == "utf-8" or text.isascii()
        if width >= 20:
            text = re.sub("(?m)[nhusadfc. ]{11,}$", "", text)  # a strip in letters
            broken = set(re.findall("(?<![A-Za-z0-9])[A-Za-z]{2,}(?![A-Za-z0-9])", text)) - WORDS
            assert not broken, f"{width}x{height}: {broken}\n{text}"


@pytest.mark.parametrize("width", [60, 80, 120])
def test_twelve_faces_have_a_row_each(width):
    lines = shown(view(12), width, 24)
    rows = [line for line in lines if re.match(r"#\d+ ", line)]
    assert len(rows) == 12
    assert rows[1].startswith("#2  surprise   ") and " 70 %" in rows[1] and "60x60 at 62,30" in rows[1]
    assert "uncertain" in rows[2] and "small" in rows[2] and " %" not in rows[2]
    assert "uncertain  dark" in rows[3]
    assert "expression" in lines[2] and "last minute" in lines[2]
    assert len({row.index("60x60") for row in rows}) == 1


def test_forty_faces_are_shown_as_far_as_they_fit_and_the_others_counted():
    for height, compact in itertools.product((10, 24, 50), (False, True)):
        lines = shown(view(40), 80, height, compact=compact)
        rows = [line for line in lines if re.match(r"#\d+ ", line)]
        (more,) = [line for line in lines if "more face" in line] if len(rows) < 40 else ["and 0 more faces"]
        assert len(rows) >= height * 0.5 or len(rows) == 40
        assert more == f"and {40 - len(rows)} more faces"


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_one_face_has_a_panel_with_every_label(width):
    lines = shown(view(1, keys=False), width, 24)
    for label in FERPLUS8:
        assert any(re.match(rf"│ {label} +[█▏▎▍▌▋▊▉]* +\d+ % │", line) for line in lines)
    assert any("─ #1 happiness 70 % ─" in line for line in lines) and any(
        " 60x60 at 31,30 ─╯" in line for line in lines
    )
    assert any("total" in line for line in lines)


def test_an_uncertain_panel_says_why():
    assert any(
        "#1 uncertain: small, blurred, turned ─" in line for line in shown(_one(("small", "blurred", "turned")), 60, 24)
    )
    assert any(
        "#1 uncertain: small, blurred… ─" in line
        for line in shown(_one(("small", "blurred", "turned", "dark")), 40, 24)
    )
    assert any("#1 uncertain: no clear label" in line for line in shown(_one(()), 80, 24))


def _one(reasons):
    moment = view(1)
    one = face(1, reasons=reasons or ("x",))
    one.quality.reasons = reasons
    moment.reading.faces = [one]
    return moment


def test_a_row_says_how_many_reasons_did_not_fit():
    (row,) = [
        line for line in shown(_one(("small", "blurred", "occluded")), 60, 24, compact=True) if line.startswith("#1")
    ]
    assert "uncertain  small +2" in row


def test_the_strip_is_the_last_minute():
    lines = shown(view(1), 80, 24)
    (strip,) = [line for line in lines if line.startswith("#1 ▅")]
    assert len(strip) == 3 + SPAN_S
    assert any(line.startswith("last minute, 1 second a cell:  █ neutral  █ happiness") for line in lines)
    letters = shown(view(1), 80, 24, colours=False)
    (strip,) = [line for line in letters if re.match("#1 [a-z]{60}", line)]
    assert strip.endswith("ffffcccccccnnnnnnnhhhhhhhuuuuuuu")
    assert any("h happiness" in line for line in letters)


def test_a_cell_of_the_strip_is_what_most_readings_of_its_time_gave():
    history = History()
    for n in range(100):
        one = reading(0, *([] if 30 <= n < 50 else [face(1, "anger" if n % 10 < 6 else "fear")]))
        one.t_s = n / 10
        history.add(one)
    cells = history.cells(1, 60)
    assert [cell and cell.expression for cell in cells] == [None] * 50 + ["anger"] * 3 + [None] * 2 + ["anger"] * 5
    assert cells[-1].confidence == pytest.approx(0.7)
    assert history.cells(2, 60) == [None] * 60


@pytest.mark.parametrize("width", [10, 12, 15, 20, 30, 59, 60, 200])
def test_a_minute_fits_into_any_width(width):
    step = cell_s(width)
    assert SPAN_S % step == 0 and SPAN_S // step <= width
    assert len(History().cells(1, width)) == SPAN_S // step


def test_tracks_are_forgotten_after_a_minute_and_with_another_source():
    history = History()
    for second in range(100):
        one = reading(0, face(second))
        one.t_s = float(second)
        history.add(one)
    assert len(history._tracks) <= SPAN_S + 1
    other = reading(0, face(1))
    other.source = "other.mp4"
    history.add(other)
    assert list(history._tracks) == [1]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "title",
    ["rtsp://camera.local/a/long/" + "x" * 200, "日本語の映画" * 20 + ".mp4", "😀" * 50, "a\x1b[31m\u202e.mp4", ""],
)
def test_a_long_or_strange_name_is_shortened_in_its_middle(title, width):
    moment = view(1)
    moment.title = title
    for encoding in ("utf-8", "ascii"):
        header = picture(moment, Marks(FERPLUS8, encoding), width, 24).lines[0]
        text = plain(header)
        assert width_of(header) <= width and text.isprintable()
        if title.endswith(".mp4") and width >= 40:
            assert ".mp4" in text and "1 face" in text


def test_several_models_have_a_column_each_where_there_is_room():
    lines = shown(view(4), 120, 24, compact=True)
    (heading,) = [line for line in lines if line.lstrip().startswith("expression")]
    (row,) = [line for line in lines if line.startswith("#1")]
    assert row[heading.index("nano") :].startswith("sadness")


def test_times_of_a_film():
    assert [clock(s) for s in (0, 7.9, 75, 3599, 3600, 36_061)] == [
        "0:00",
        "0:07",
        "1:15",
        "59:59",
        "1:00:00",
        "10:01:01",
    ]
