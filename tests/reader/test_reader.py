"""The front door: photographs, streams and loops of one's own, from Python."""

from __future__ import annotations

import gc
import os
import pickle
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgefer
from edgefer.sources.demo import Demo, portrait_path

try:
    PORTRAIT = portrait_path()
except Exception:
    pytest.skip("the demo's portrait needs matplotlib", allow_module_level=True)


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """The demo's portrait, uint8 (H, W, 3) BGR."""
    image = cv2.imread(str(PORTRAIT), cv2.IMREAD_COLOR)
    assert image is not None
    return image


@pytest.fixture(scope="module")
def reader():
    with edgefer.Reader() as reader:
        yield reader


# --- read


def test_a_path_gives_the_face_of_a_photograph():
    """As text, as bytes and as a Path: the same."""
    faces = edgefer.read(str(PORTRAIT))
    assert [face.expression for face in faces] == ["neutral"]
    assert faces[0].confidence == max(faces[0].scores.values()) > 0.5
    assert edgefer.read(PORTRAIT) == edgefer.read(bytes(PORTRAIT)) == faces


def test_pixels_in_any_layout_give_the_same_face(portrait):
    """BGR, RGB, views with strange strides, read-only memory; grey differs by nothing but its missing colours."""
    expected = edgefer.read(portrait)
    assert len(expected) == 1
    assert edgefer.read(portrait[:, :, ::-1], rgb=True) == expected
    assert edgefer.read(np.asfortranarray(portrait)) == expected
    wide = np.zeros((portrait.shape[0], 2 * portrait.shape[1], 3), np.uint8)
    wide[:, ::2] = portrait
    assert edgefer.read(wide[:, ::2]) == expected
    upside = np.ascontiguousarray(portrait[::-1])
    assert edgefer.read(upside[::-1]) == expected
    fixed = portrait.copy()
    fixed.flags.writeable = False
    assert edgefer.read(fixed) == expected
    grey = cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY)
    assert edgefer.read(grey) == expected  # the same luma
    assert edgefer.read(grey[::-1][::-1]) == edgefer.read(np.asfortranarray(grey)) == expected


class Picture:
    """What offers its pixels without being an array, as PIL's images do: in which order, nobody knows."""

    def __array__(self, dtype=None, copy=None):
        return np.zeros((20, 20, 3), np.uint8)


NO_PICTURES = {
    "None": (None, TypeError, "got None"),
    "number": (0, TypeError, "got int"),
    "list": ([[0, 1], [2, 3]], TypeError, "got list"),
    "almost an array": (Picture(), TypeError, "numpy.asarray"),
    "float": (np.zeros((20, 20, 3), np.float32), TypeError, r"got float32 \(20, 20, 3\)"),
    "bool": (np.zeros((20, 20), bool), TypeError, "got bool"),
    "16 bits": (np.zeros((20, 20), np.uint16), TypeError, "got uint16"),
    "alpha": (np.zeros((20, 20, 4), np.uint8), ValueError, "alpha"),
    "one channel": (np.zeros((20, 20, 1), np.uint8), ValueError, r"image\[:, :, 0\]"),
    "planes first": (np.zeros((3, 20, 20), np.uint8), ValueError, r"got uint8 \(3, 20, 20\)"),
    "a batch": (np.zeros((2, 20, 20, 3), np.uint8), ValueError, "got uint8"),
    "a row": (np.zeros(20, np.uint8), ValueError, "got uint8"),
    "no pixels": (np.zeros((0, 20, 3), np.uint8), ValueError, r"got uint8 \(0, 20, 3\)"),
    "nothing": (np.zeros((), np.uint8), ValueError, "got uint8"),
}


@pytest.mark.parametrize("name", NO_PICTURES)
def test_what_is_no_picture_is_refused_by_name(reader, name):
    """With what was expected and what came, by all three ways in."""
    image, error, message = NO_PICTURES[name]
    for read in (edgefer.read, reader.read, reader.process):
        with pytest.raises(error, match=message) as caught:
            read(image)
        assert "expected" in str(caught.value) and "uint8" in str(caught.value)
    with pytest.raises(TypeError, match="got"):
        edgefer.stream(image if not isinstance(image, (int, list)) else 1.5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (1, 700), (700, 1, 3), (3, 3), (24, 24, 3), (40, 2000)], ids=str)
def test_a_picture_of_any_size_is_read(reader, shape):
    """And has no face in it."""
    image = np.full(shape, 90, np.uint8)
    assert edgefer.read(image) == reader.read(image) == []
    assert reader.process(image).faces == []


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_subclasses_of_arrays_are_arrays(portrait, tmp_path):
    expected = edgefer.read(portrait)
    np.save(tmp_path / "a.npy", portrait)
    assert edgefer.read(np.load(tmp_path / "a.npy", mmap_mode="r")) == expected
    assert edgefer.read(np.ma.masked_array(portrait)) == expected
    assert edgefer.read(np.asmatrix(cv2.cvtColor(portrait, cv2.COLOR_BGR2GRAY))) == expected


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_the_bytes_of_a_file_are_not_taken_for_its_name(kind):
    with pytest.raises(TypeError, match="got the bytes of a file; write cv2.imdecode"):
        edgefer.read(kind(PORTRAIT.read_bytes()))


def test_files_that_are_no_photograph_are_refused_in_one_line(tmp_path):
    text = tmp_path / "text.jpg"
    text.write_text("no picture")
    (tmp_path / "empty.png").touch()
    for path in (text, tmp_path / "empty.png", tmp_path / "none.jpg", tmp_path, "rtsp://camera.local/x", ""):
        with pytest.raises(edgefer.EdgeferError) as caught:
            edgefer.read(path)
        assert "\n" not in str(caught.value)


# --- a loop of one's own


def test_a_loop_of_ones_own_follows_faces_in_the_time_it_gives(portrait):
    """The same face keeps its number; the frames are counted; the time is the caller's."""
    with edgefer.Reader() as reader:
        readings = [reader.process(np.roll(portrait, 2 * i, axis=1), t_s=10 + i / 25) for i in range(5)]
    assert [reading.frame for reading in readings] == list(range(5))
    assert [reading.t_s for reading in readings] == pytest.approx([10, 10.04, 10.08, 10.12, 10.16])
    assert {face.track for reading in readings for face in reading.faces} == {1}
    assert all(reading.faces for reading in readings)


def test_without_a_time_the_clock_is_taken(portrait):
    with edgefer.Reader() as reader:
        first = reader.process(portrait)
        time.sleep(0.05)
        second = reader.process(portrait)
    assert first.t_s == 0
    assert 0.05 <= second.t_s < 10


def test_a_time_that_goes_back_or_comes_and_goes_is_refused(portrait):
    """After reset the next picture begins a new stream."""
    with edgefer.Reader() as reader:
        reader.process(portrait, t_s=1.0)
        reader.process(portrait, t_s=1.0)  # two pictures of one moment
        with pytest.raises(ValueError, match="must not go back, got 0.5 after 1"):
            reader.process(portrait, t_s=0.5)
        with pytest.raises(ValueError, match="with every picture"):
            reader.process(portrait)
        reader.reset()
        again = reader.process(portrait, t_s=0.5)
        assert (again.frame, again.t_s) == (0, 0.5)
        for wrong in (float("nan"), float("inf"), 1e300, -1.0):
            with pytest.raises(ValueError, match="number of seconds"):
                reader.process(portrait, t_s=wrong)
        for wrong in ("1", True, [1]):
            with pytest.raises(TypeError, match="number of seconds"):
                reader.process(portrait, t_s=wrong)


def test_a_closed_reader_says_so(portrait):
    reader = edgefer.Reader()
    reader.close()
    reader.close()
    for call in (lambda: reader.read(portrait), lambda: reader.process(portrait), lambda: reader.stream("demo:1")):
        with pytest.raises(ValueError, match="closed"):
            call()


WRONG_ARGUMENTS = {
    "unknown model": ({"model": "mini"}, edgefer.EdgeferError, "unknown model 'mini'"),
    "no model": ({"model": []}, ValueError, "model"),
    "model is a number": ({"model": 3}, TypeError, "model: expected a name"),
    "one model twice": ({"model": ["edgefer-s", "edgefer-s"]}, edgefer.EdgeferError, "each model once"),
    "unknown detector": ({"detector": "hog"}, edgefer.EdgeferError, "unknown detector 'hog'"),
    "detector is a number": ({"detector": 3}, TypeError, "detector: expected"),
    "unknown profile": ({"profile": "pi44"}, edgefer.EdgeferError, "did you mean"),
}


@pytest.mark.parametrize("name", WRONG_ARGUMENTS)
def test_a_wrong_argument_is_named(name, portrait):
    arguments, error, message = WRONG_ARGUMENTS[name]
    for call in (edgefer.Reader, lambda **given: edgefer.read(portrait, **given)):
        with pytest.raises(error, match=message) as caught:
            call(**arguments)
        assert "\n" not in str(caught.value)
    with pytest.raises(error, match=message):
        edgefer.stream("demo:1", **arguments)


def test_numbers_of_a_reader_are_held_against_their_ranges():
    for name, value, error in (
        ("min_face_px", 5, ValueError),
        ("min_face_px", 60.5, ValueError),
        ("lag_ms", -1, ValueError),
        ("threads", 0, ValueError),
        ("threads", "2", TypeError),
        ("lag_ms", True, TypeError),
    ):
        with pytest.raises(error, match=name):
            edgefer.Reader(**{name: value})


def test_a_reader_is_not_pickled():
    with pytest.raises(TypeError, match="one in each process"):
        pickle.dumps(edgefer.Reader())


# --- streams


def test_a_stream_gives_a_reading_and_its_picture():
    with edgefer.stream("demo:0.5") as readings:
        assert readings.live and readings.name == "demo" and readings.size == (640, 480)
        with pytest.raises(ValueError, match="before the first"):
            _ = readings.image
        for reading in readings:
            assert readings.image.shape == (480, 640, 3)
            assert readings.frame.index == reading.frame
            assert reading.source == "demo"
    assert readings.ended and next(readings, None) is None


def capture_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "capture"]


@pytest.mark.parametrize("how", ["leave the block", "close", "drop it", "an error"])
def test_a_stream_that_is_left_releases_its_source(how, monkeypatch):
    """However its consumer ends."""
    closed = []
    close = Demo.close
    monkeypatch.setattr(Demo, "close", lambda self: closed.append(close(self)))
    stream = edgefer.stream("demo:forever")
    next(stream)
    assert capture_threads()
    if how == "leave the block":
        with stream:
            next(stream)
    elif how == "close":
        stream.close()
        stream.close()
        assert list(stream) == []
    elif how == "an error":
        with pytest.raises(ZeroDivisionError), stream:
            next(stream)
            raise ZeroDivisionError
    else:
        del stream
        gc.collect()
    assert len(closed) == 1
    assert not capture_threads()


def test_a_stream_may_be_closed_by_another_thread():
    stream = edgefer.stream("demo:forever")
    threading.Timer(0.2, stream.close).start()
    assert all(reading.frame >= 0 for reading in stream)
    assert not capture_threads()


def test_photographs_in_a_list_are_one_series(tmp_path, portrait):
    """Each judged by itself, numbered through, named by its file."""
    paths = []
    for index in range(3):
        paths.append(tmp_path / f"{index}.png")
        cv2.imwrite(str(paths[-1]), portrait)
    with edgefer.stream(paths) as readings:
        series = list(readings)
    assert [reading.frame for reading in series] == [0, 1, 2]
    assert [Path(reading.source).name for reading in series] == ["0.png", "1.png", "2.png"]
    assert all(reading.faces == series[0].faces for reading in series)


def test_a_pattern_or_a_generator_of_paths_will_do(tmp_path, portrait):
    cv2.imwrite(str(tmp_path / "a.png"), portrait)
    assert len(list(edgefer.stream(tmp_path.glob("*.png")))) == len(list(edgefer.stream(f"{tmp_path}/*.png"))) == 1
    with pytest.raises(edgefer.EdgeferError, match="no file matches"):
        edgefer.stream(f"{tmp_path}/*.jpg")
    with pytest.raises(ValueError, match="got none"):
        edgefer.stream(tmp_path.glob("*.jpg"))


def test_a_bad_source_among_several_is_named_after_the_others_were_read(tmp_path, portrait):
    good = tmp_path / "good.png"
    cv2.imwrite(str(good), portrait)
    bad = tmp_path / "bad.png"
    bad.write_bytes(good.read_bytes()[:200])
    readings = edgefer.stream([str(tmp_path / "none.png"), str(good), bad, good])
    seen = []
    with pytest.raises(edgefer.EdgeferError, match="2 of 4 sources could not be read .*none.png.*bad.png"):
        for reading in readings:
            seen.append(reading)
    assert len(seen) == 2
    with pytest.raises(edgefer.EdgeferError):
        edgefer.stream([tmp_path / "none.png", tmp_path / "neither.png"])


WRONG_OPTIONS = {
    "frames": [(0, ValueError), (1.5, TypeError), (True, TypeError)],
    "every": [(0, ValueError), ("2", TypeError)],
    "start": [(-1, ValueError), ("0", TypeError), (float("nan"), ValueError)],
    "seconds": [(0, ValueError), (float("inf"), ValueError)],
    "rotate": [(45, ValueError), ("90", ValueError)],
    "flip": [("h", ValueError), (1, ValueError)],
    "region": [
        ((0, 0, 10), ValueError),
        ((5, 0, 5, 10), ValueError),
        ((-1, 0, 5, 5), ValueError),
        ("0,0,9,9", TypeError),
    ],
}


@pytest.mark.parametrize("name", WRONG_OPTIONS)
def test_an_option_of_a_stream_is_checked_before_anything_is_opened(name):
    for value, error in WRONG_OPTIONS[name]:
        with pytest.raises(error, match=f"stream: .*{name}"):
            edgefer.stream("demo:1", **{name: value})


def test_sources_that_mean_nothing_are_refused():
    for source, error in ((None, TypeError), (True, TypeError), (1.5, TypeError), (-1, ValueError), ([], ValueError)):
        with pytest.raises(error, match="stream: "):
            edgefer.stream(source)
    with pytest.raises(edgefer.EdgeferError, match="does not end by itself"):
        edgefer.stream([0, 1])
    with pytest.raises(edgefer.EdgeferError, match="over and over"):
        edgefer.stream("demo:1", loop=True)


def test_a_path_is_never_taken_for_something_else(tmp_path, monkeypatch, portrait):
    """Files called like a camera or a kind of source."""
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("0.png", portrait)
    for name in ("0", "demo", "film:x"):
        Path("0.png").rename(name)
        assert len(list(edgefer.stream(Path(name)))) == 1
        assert len(edgefer.read(name)) == len(edgefer.read(Path(name))) == 1
        Path(name).rename("0.png")


def test_what_is_secret_in_an_address_is_in_no_message(tmp_path, portrait):
    good = tmp_path / "good.png"
    cv2.imwrite(str(good), portrait)
    secret = "rtsp://user:pa55word@127.0.0.1:9/live?token=abcdef123"
    messages = []
    for call in (
        lambda: list(edgefer.stream(secret, patience=0.5)),
        lambda: list(edgefer.stream([secret, str(good), str(tmp_path / "none.png")], patience=0.5)),
        lambda: edgefer.read(secret),
    ):
        with pytest.raises(edgefer.EdgeferError) as caught:
            call()
        messages.append(str(caught.value))
    assert "2 of 3 sources" in messages[1]
    assert not [text for text in messages if "pa55word" in text or "abcdef123" in text]


def test_names_that_cannot_be_shown_are_escaped(tmp_path, portrait):
    """A newline, a byte that is no UTF-8, and characters of every script as they are."""
    data = cv2.imencode(".png", portrait)[1].tobytes()
    for name, told in (
        (b"a\nb.png", "a\\nb.png"),
        (b"\xff.png", "\\xff.png"),
        ("ä\u202fß.png".encode(), "ä\u202fß.png"),
    ):
        path = bytes(tmp_path) + b"/" + name
        Path(os.fsdecode(path)).write_bytes(data)
        assert len(edgefer.read(path)) == 1
        with edgefer.stream([path]) as readings:
            (reading,) = readings
        assert (Path(reading.source).name, reading.image) == (told, told)
        Path(os.fsdecode(path)).write_bytes(data[:100])
        with pytest.raises(edgefer.EdgeferError) as caught:
            edgefer.read(path)
        assert "\n" not in str(caught.value) and told in str(caught.value)


def test_what_is_no_photograph_is_named_by_its_kind(tmp_path):
    (tmp_path / "a.gif").write_bytes(b"GIF89a")
    with pytest.raises(edgefer.EdgeferError, match=r"a\.gif: expected a photograph, got the kind film; "):
        edgefer.read(tmp_path / "a.gif")
