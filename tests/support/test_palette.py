"""Colours and letters of the expressions."""

import itertools

import numpy as np
import pytest

from edgefer.labels import BASIC7, COSTACHE4, FERPLUS8
from edgefer.support.palette import colours_of, letters_of

# Machado, Oliveira and Fernandes, A Physiologically-based Model for Simulation of Color Vision Deficiency, 2009:
# severity 1, on linear RGB.
EYES = {
    "all cones": np.eye(3),
    "no long": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no middle": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no short": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(colour, eye):
    """CIE L*a*b* of an sRGB colour as an eye sees it, under D65."""
    part = np.array(colour) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    xyz = TO_XYZ @ np.clip(np.array(eye) @ linear, 0, 1) / [0.95047, 1, 1.08883]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eye", EYES)
def test_any_two_expressions_look_different(eye):
    seen = {label: lab(colour, EYES[eye]) for label, colour in colours_of(FERPLUS8).items()}
    closest = min(np.linalg.norm(seen[a] - seen[b]) for a, b in itertools.combinations(seen, 2))
    assert closest >= 24


def test_every_colour_shows_on_black_and_on_white():
    lightness = [lab(colour, np.eye(3))[0] for colour in colours_of(FERPLUS8).values()]
    assert min(lightness) > 30 and max(lightness) < 88


def test_an_expression_has_one_colour_in_every_label_set():
    one, other = colours_of(FERPLUS8), colours_of(BASIC7)
    assert all(one[label] == other[label] for label in BASIC7)


def test_labels_that_are_no_expressions_take_what_is_left():
    colours = colours_of(["surprise", "positive", "negative"])
    assert len(set(colours.values())) == 3
    assert len(set(colours_of([f"class {number}" for number in range(20)]).values())) == 8


def test_a_group_of_expressions_has_the_colour_of_its_first():
    expressions = colours_of(FERPLUS8)
    assert colours_of(COSTACHE4) == {
        "positive": expressions["happiness"],
        "negative": expressions["anger"],
        "awe": expressions["surprise"],
        "neutral": expressions["neutral"],
    }
    assert letters_of(COSTACHE4) == {"positive": "p", "negative": "g", "awe": "a", "neutral": "n"}


@pytest.mark.parametrize(
    "labels", [FERPLUS8, BASIC7, COSTACHE4, ["still", "moving", "smile", "sad", "s"], [str(n) for n in range(30)]]
)
def test_no_letter_is_given_twice(labels):
    letters = letters_of(labels)
    assert list(letters) and len(set(letters.values())) == len(labels)
    assert all(letter.isascii() and len(letter) == 1 for letter in letters.values())


def test_the_letters_of_the_expressions():
    assert "".join(letters_of(FERPLUS8)[label] for label in FERPLUS8) == "nhusadfc"
