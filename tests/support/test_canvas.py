"""Pictures of shapes and words, as PNG and as SVG."""

from xml.etree import ElementTree

import cv2
import numpy as np

from edgefer.support.canvas import Canvas, latin, text_width

RED, BLUE = (220, 10, 20), (10, 20, 220)


def drawn(canvas):
    return cv2.imdecode(np.frombuffer(canvas.png(), np.uint8), cv2.IMREAD_COLOR)[..., ::-1]


def test_a_rectangle_covers_its_pixels_and_no_other():
    canvas = Canvas(20, 10)
    canvas.rectangle(2, 3, 5, 7, RED)
    image = drawn(canvas)
    assert image.shape == (20, 40, 3)
    assert np.array_equal(np.argwhere((image == RED).all(-1)), [[y, x] for y in range(6, 14) for x in range(4, 10)])


def test_shapes_lie_over_those_before():
    canvas = Canvas(20, 10)
    canvas.rectangle(0, 0, 20, 10, RED)
    canvas.polygon([(5, 0), (10, 0), (10, 10), (5, 10)], BLUE)
    image = drawn(canvas)
    assert (image[5, 4] == RED).all() and (image[5, 14] == BLUE).all()


def test_a_hatched_area_is_neither_full_nor_empty():
    canvas = Canvas(40, 20)
    canvas.hatched(10, 5, 30, 15, RED)
    red = (drawn(canvas) == RED).all(-1)
    assert 0.2 < red[10:30, 20:60].mean() < 0.4 and red.sum() == red[10:30, 20:60].sum()


def test_text_takes_the_width_it_says():
    canvas = Canvas(300, 30)
    canvas.text("happiness 70 %", 150, 15, 14, RED, "end")
    columns = np.flatnonzero((drawn(canvas) != 255).any(-1).any(0))
    width = text_width("happiness 70 %", 14)
    assert abs(columns[-1] / 2 - 150) < 4 and abs((columns[-1] - columns[0]) / 2 - width) < 4


def test_a_png_has_latin_letters_and_an_svg_has_all():
    assert latin("été 日本") == "ete ??"
    canvas = Canvas(100, 20)
    canvas.text("<été> & 日本", 5, 10)
    canvas.line(0, 0, 10, 10, RED)
    canvas.hatched(10, 5, 30, 15, RED)
    canvas.polygon([(0, 0), (1, 0), (1, 1)], BLUE)
    root = ElementTree.fromstring(canvas.svg())
    kinds = [child.tag.rpartition("}")[2] for child in root]
    assert kinds == ["defs", "rect", "text", "line", "rect", "polygon"]
    assert root[2].text == "<été> & 日本"
