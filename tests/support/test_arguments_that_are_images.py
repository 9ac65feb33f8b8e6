"""Images and boxes that callers hand over."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import tiny_model

from edgefer.detect import open_detector
from edgefer.geometry import Box
from edgefer.models.interpreter import Interpreter
from edgefer.recognize.frame import FrameRecognizer
from edgefer.support.images import box_of, grey_image, picture
from edgefer.track import Photographs, Tracker
from edgefer.values import Frame

NOT_GREY = {
    "None": (None, TypeError, "got None"),
    "list": ([[1, 2], [3, 4]], TypeError, "got list"),
    "text": ("photo.jpg", TypeError, "got str"),
    "float": (np.zeros((4, 4)), TypeError, "got float64"),
    "signed": (np.zeros((4, 4), np.int8), TypeError, "got int8"),
    "colours": (np.zeros((4, 4, 3), np.uint8), ValueError, r"got uint8 \(4, 4, 3\)"),
    "no pixel": (np.zeros((4, 0), np.uint8), ValueError, r"got uint8 \(4, 0\)"),
}


def entries() -> dict:
    """Everything that takes a grey image, by name."""
    box = Box(0, 0, 4, 4)
    detector = open_detector("haar")
    model = FrameRecognizer(tiny_model.manifest(), Interpreter(tiny_model.FIXTURE.read_bytes(), tiny_model.manifest()))
    return {
        "detect": detector.detect,
        "look": lambda grey: detector.look(grey, box),
        "update": lambda grey: Tracker(detector).update(Frame(0, grey, 0, 0)),
        "find": lambda grey: Photographs(detector).find(Frame(0, grey, 0, 0, still=True)),
        "tiny": lambda grey: model(grey, box),
        "crop": model.prepare_crop,
    }


@pytest.mark.parametrize("name", NOT_GREY)
def test_whoever_takes_a_grey_image_says_what_it_expected_and_what_came(name):
    """And none of them takes it for a picture without a face."""
    image, error, message = NOT_GREY[name]
    for call in entries().values():
        with pytest.raises(error, match=message) as caught:
            call(image)
        assert "expected a numpy array of uint8, shape (H, W)" in str(caught.value)


def test_a_grey_view_with_strange_strides_gives_what_its_copy_gives():
    image = np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)
    for view in (image[::-1], image[:, ::-1], image[:, ::2], image.T, np.asfortranarray(image)):
        for call in entries().values():
            got, expected = call(view), call(np.ascontiguousarray(view))
            assert got is expected is None or np.array_equal(got, expected)


def test_an_image_as_kernels_take_it_is_not_copied():
    image = np.zeros((8, 8), np.uint8)
    assert grey_image("x", image) is image
    assert np.shares_memory(grey_image("x", image[2:, 1:5]), image)


@pytest.mark.parametrize("frame", [None, 3, np.zeros((4, 4), np.uint8)])
def test_a_tracker_takes_frames_alone(frame):
    with pytest.raises(TypeError, match="update: expected a Frame, got"):
        Tracker(open_detector("haar")).update(frame)


WRONG_BOXES = {
    "None": (None, TypeError),
    "text": ("0,0,4,4", TypeError),
    "number": (4, TypeError),
    "three": ((0, 0, 4), ValueError),
    "letters": (("a", "b", "c", "d"), TypeError),
}


@pytest.mark.parametrize("name", WRONG_BOXES)
def test_a_wrong_box_is_named(name):
    box, error = WRONG_BOXES[name]
    image = np.zeros((8, 8), np.uint8)
    model = FrameRecognizer(tiny_model.manifest(), Interpreter(tiny_model.FIXTURE.read_bytes(), tiny_model.manifest()))
    for call in (lambda: open_detector("haar").look(image, box), lambda: model(image, box), lambda: box_of("x", box)):
        with pytest.raises(error, match="expected a box, four numbers"):
            call()


def test_any_four_numbers_are_a_box():
    assert box_of("x", [1, 2, 3, 4]) == box_of("x", np.array([1, 2, 3, 4])) == Box(1, 2, 3, 4)


def test_rgb_and_bgr_of_one_picture_have_one_luma():
    bgr = np.random.default_rng(0).integers(0, 256, (9, 17, 3), np.uint8)
    rgb = np.ascontiguousarray(bgr[:, :, ::-1])
    grey, colours = picture("x", bgr)
    assert np.array_equal(grey, cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY))
    same, turned = picture("x", rgb, rgb=True)
    assert np.array_equal(same, grey) and np.array_equal(turned, colours)
    assert not np.array_equal(picture("x", rgb)[0], grey), "the argument matters"
