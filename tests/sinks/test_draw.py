"""What is drawn, and where."""

import itertools

import numpy as np
import pytest
from readings import face, reading

from edgefer.labels import FERPLUS8
from edgefer.sinks import draw
from edgefer.sinks.draw import annotate


def at(track, x, y, side, strongest="happiness", reasons=()):
    one = face(track, strongest, reasons)
    one.box = one.box._replace(x0=x, y0=y, x1=x + side, y1=y + side)
    return one


def canvas(width=640, height=480, level=90):
    return np.full((height, width, 3), level, np.uint8)


@pytest.fixture
def sheets(monkeypatch):
    """Every sheet that is drawn on."""
    made = []

    class Kept(draw._Sheet):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.words = []
            made.append(self)

        def write(self, text, *where):
            self.words.append(text)
            super().write(text, *where)

    monkeypatch.setattr(draw, "_Sheet", Kept)
    return made


def test_box_label_and_bars_are_drawn_beside_the_face():
    image = canvas()
    drawn = annotate(image, reading(3, at(1, 200, 150, 180)))
    assert np.all(image == 90), "the frame itself is not touched"
    changed = np.any(drawn != 90, axis=2)
    assert changed[150:330, 199:203].mean() > 0.5 and changed[150:330, 377:382].mean() > 0.5  # the box
    assert changed[125:150, 200:300].any()  # the label above it
    assert changed[150:250, 384:480].any()  # the bars to its right
    assert not changed[170:320, 215:365].any()  # the face stays free
    assert changed[460:, :100].any()  # the frame's number


def test_the_strongest_label_has_the_longest_bar():
    drawn = {}
    for strongest in ("neutral", "contempt"):
        drawn[strongest] = annotate(canvas(level=0), reading(0, at(1, 200, 150, 180, strongest)))
    rows = np.nonzero(np.any(drawn["neutral"] != drawn["contempt"], axis=2)[:, 384:].sum(axis=1) > 20)[0]
    assert len(rows) and rows.min() < 175 and rows.max() > 215  # first and last of eight rows


def test_words_tell_the_expression_or_why_there_is_none(sheets):
    annotate(canvas(), reading(0, at(4, 200, 150, 120), at(5, 20, 20, 100, reasons=("small", "dark"))))
    assert {"#4 happiness 70%", "#5 uncertain: small, dark"} <= set(sheets[0].words)


@pytest.mark.parametrize("columns, rows", [(4, 3), (10, 6), (12, 9)])
@pytest.mark.parametrize("width, height", [(640, 480), (1280, 720), (3840, 2160)])
def test_many_faces_keep_their_words_apart_and_their_faces_free(sheets, columns, rows, width, height):
    side = round(0.55 * min(width / columns, height / rows))
    faces = [
        at(track, round((c + 0.25) * width / columns), round((r + 0.3) * height / rows), side, FERPLUS8[track % 8])
        for track, (r, c) in enumerate(itertools.product(range(rows), range(columns)), 1)
    ]
    annotate(canvas(width, height), reading(0, *faces))
    sheet = sheets[0]
    taken = [area for area in sheet.taken if area.x0 or area.y1 < height]
    overlaps = sum(a.overlap(b) > 0 for a, b in itertools.combinations(taken, 2))
    hidden = sum(area.overlap(box) for area in taken for box in sheet.boxes.values()) / (side * side * len(faces))
    assert len(taken) >= len(faces)
    if side > 60:
        assert (overlaps, hidden) == (0, 0)
        assert all(any(word.startswith(f"#{track} ") for word in sheet.words) for track in range(1, len(faces) + 1))
    assert hidden < 0.35


@pytest.mark.parametrize("height", [480, 1080, 2160, 4320])
def test_letters_grow_with_the_picture(height, sheets):
    annotate(canvas(height * 4 // 3, height), reading(0, at(1, height // 3, height // 3, height // 3)))
    title = min(sheets[0].taken[1:], key=lambda area: area.y0)
    assert 0.025 < (title.y1 - title.y0) / height < 0.06


def test_small_pictures_get_what_fits(sheets):
    annotate(canvas(160, 120), reading(7, at(1, 60, 40, 50)))
    annotate(canvas(48, 48), reading(7, at(1, 10, 10, 24)))
    for sheet in sheets:
        assert all(sheet.holds(area) for area in sheet.taken)
    assert "#1 happiness 70%" in sheets[0].words
    assert not any("happiness" in word for word in sheets[1].words)


def test_a_face_that_fills_the_picture_has_its_bars_over_the_lower_part(sheets):
    annotate(canvas(480, 480), reading(0, at(1, 0, 0, 480)))
    assert set(FERPLUS8) <= set(sheets[0].words)
    assert sheets[0].taken[-1].y0 > 240


def test_points_are_drawn_where_the_reading_has_them():
    with_points, without = at(1, 200, 150, 180), at(1, 200, 150, 180)
    with_points.landmarks = np.stack([np.linspace(210, 370, 68), np.linspace(160, 320, 68)], axis=1).astype(np.float32)
    difference = np.any(annotate(canvas(), reading(0, with_points)) != annotate(canvas(), reading(0, without)), axis=2)
    for x, y in with_points.landmarks:
        assert difference[round(float(y)), round(float(x))]
    with_points.landmarks[:3] = [[np.nan, 1e30], [-1e9, 5], [np.inf, -np.inf]]
    annotate(canvas(), reading(0, with_points))


def test_letters_that_the_font_lacks_are_replaced(sheets):
    one = at(1, 200, 150, 180)
    one.expression, one.scores = "Überraschung", {"Überraschung": 0.7, "怒り": 0.3}
    annotate(canvas(), reading(0, one))
    assert draw.latin("Überraschung") == "Uberraschung" and draw.latin("怒り") == "??"


def test_a_photograph_has_no_number_of_a_frame():
    one = reading(0)
    one.image = "a.jpg"
    assert np.all(annotate(canvas(), one) == 90)


def test_a_sketch_is_set_beside_its_face_and_left_out_where_all_is_taken():
    sketched = at(1, 200, 150, 180)
    sketched.sketch = np.zeros((64, 64), np.uint8)
    sketched.sketch[20:44, 20:44] = 255
    drawn = annotate(canvas(), reading(3, sketched))
    side = 72  # two fifths of the box
    inset = drawn[330 - side : 330, 382 : 382 + side]  # to the right of the box, at its foot
    assert (inset[30:42, 30:42] == 255).all() and (inset[2:10, 2:-2] == 0).all()
    full = [at(n, 90 * (n % 7), 90 * (n // 7), 88) for n in range(35)]
    plain = annotate(canvas(), reading(3, *full))
    for one in full:
        one.sketch = sketched.sketch
    # between others it covers a corner of its own face, and no more of it than it must
    covered = (annotate(canvas(), reading(3, *full)) != plain).any(axis=2)
    assert 0 < covered[:88, :88].mean() < 0.12
    tiny = at(1, 0, 0, 10)
    tiny.sketch = sketched.sketch
    assert annotate(canvas(20, 12), reading(3, tiny)).shape == (12, 20, 3)
