"""Models, detectors and readers that threads share: the scores of one thread, or none.

`PYTHONPATH=tests python tests/reader/test_reader_threads.py 8000` reads so often; the suite does a short form.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import pytest
import tiny_model
from portrait import data_file

import edgefer
from edgefer import recognize
from edgefer.detect import DETECTORS, open_detector
from edgefer.detect.network import pack
from edgefer.geometry import Box
from edgefer.models.interpreter import Interpreter
from edgefer.models.manifest import self_test_input
from edgefer.preprocess.crop import Preprocess
from edgefer.sources.demo import portrait_path

THREADS = 4
READS = 120

try:
    PORTRAIT = portrait_path()
except Exception:
    pytest.skip("the demo's portrait needs matplotlib", allow_module_level=True)


def pictures(count: int = 12) -> list[np.ndarray]:
    """The portrait, small, at other sizes, places and brightnesses: uint8 (H, W, 3)."""
    image = cv2.imread(str(PORTRAIT), cv2.IMREAD_COLOR)
    assert image is not None
    made = []
    for index in range(count):
        small = cv2.resize(image, None, fx=0.3 + 0.01 * index, fy=0.3 + 0.01 * index, interpolation=cv2.INTER_AREA)
        made.append(np.roll(cv2.convertScaleAbs(small, alpha=0.8 + 0.03 * index), index, axis=1))
    return made


def in_threads(work: Callable[[int], object], items: int, reads: int) -> list[tuple[int, object]]:
    """What `work` gave for item after item, in THREADS threads that each begin elsewhere, `reads` in all."""
    results: list[list[tuple[int, object]]] = [[] for _ in range(THREADS)]
    begin = threading.Barrier(THREADS)

    def go(thread: int) -> None:
        begin.wait()
        for turn in range(reads // THREADS):
            item = (turn + thread * 3) % items
            results[thread].append((item, work(item)))

    threads = [threading.Thread(target=go, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [result for thread in results for result in thread]


def differing(work: Callable[[int], object], items: int, reads: int) -> int:
    """How many results in threads are not those of one thread."""
    expected = [work(item) for item in range(items)]
    got = in_threads(work, items, reads)
    assert len(got) == reads // THREADS * THREADS
    return sum(not same(result, expected[item]) for item, result in got)


def same(a: object, b: object) -> bool:
    return np.array_equal(a, b) if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) else a == b


def reader_work(images: Sequence[np.ndarray]) -> Callable[[int], object]:
    reader = edgefer.Reader()
    return lambda item: reader.read(images[item])


def function_work(images: Sequence[np.ndarray]) -> Callable[[int], object]:
    return lambda item: edgefer.read(images[item])


def model_work(images: Sequence[np.ndarray]) -> Callable[[int], object]:
    """A recognizer used directly, on faces that the caller has found."""
    model = recognize.open("edgefer-s")
    greys = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in images]
    return lambda item: model(greys[item], Box(20 + item, 10, 120, 110 + item))


def interpreter_work(images: Sequence[np.ndarray]) -> Callable[[int], object]:
    network = Interpreter(tiny_model.FIXTURE.read_bytes(), tiny_model.manifest())
    inputs = [self_test_input(seed, network.input_shape) for seed in range(len(images))]
    return lambda item: network.run(inputs[item])


def detector_work(images: Sequence[np.ndarray]) -> Callable[[int], object]:
    detector = open_detector("haar")
    greys = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in images]
    return lambda item: [tuple(face.box) for face in detector.detect(greys[item])]


def preprocess_work(images: Sequence[np.ndarray]) -> Callable[[int], object]:
    preprocess = Preprocess(tiny_model.manifest().input)
    greys = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in images]
    return lambda item: preprocess(greys[item], Box(0, 0, 100 + item, 100)).copy()


WORK = {
    "one Reader": reader_work,
    "edgefer.read": function_work,
    "a model": model_work,
    "an interpreter": interpreter_work,
    "a detector": detector_work,
    "a preprocessing": preprocess_work,
}


@pytest.mark.parametrize(
    "kind, file",
    [("yunet", "teachers/face_detection_yunet_2023mar.onnx"), ("blazeface", "teachers/blazeface_short_range.tflite")],
)
def test_threads_that_share_the_network_of_a_detector_take_turns(kind, file, tmp_path):
    pack(data_file(file), tmp_path / kind, DETECTORS.find(kind), name=kind, licence="none")
    detector = open_detector(f"{kind}:{tmp_path / kind}")
    greys = [cv2.cvtColor(image, cv2.COLOR_BGR2GRAY) for image in pictures()]

    def work(item: int) -> list:
        return [(tuple(face.box), face.score) for face in detector.detect(greys[item])]

    assert any(work(item) for item in range(len(greys)))
    assert differing(work, len(greys), READS) == 0


@pytest.mark.parametrize("what", WORK)
def test_threads_that_share_it_get_what_one_thread_gets(what):
    images = pictures()
    reads = READS if what in ("one Reader", "edgefer.read") else 10 * READS
    assert differing(WORK[what](images), len(images), reads) == 0


def test_threads_that_feed_one_loop_are_one_stream():
    """In the order in which their pictures come: no frame twice, none missing, time never back."""
    images = pictures(4)
    with edgefer.Reader() as reader:
        got = in_threads(lambda item: reader.process(cv2.resize(images[item], (160, 180))), len(images), 80)
    readings = sorted((reading for _, reading in got), key=lambda reading: reading.frame)
    assert [reading.frame for reading in readings] == list(range(80))
    times = [reading.t_s for reading in readings]
    assert times == sorted(times)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_children_of_a_fork_go_on_reading_while_threads_of_the_parent_do():
    """The locks and buffers of a model are never copied half written, nor closed for ever."""
    images = pictures(4)
    reader = edgefer.Reader()
    expected = [reader.read(image) for image in images]
    stop = threading.Event()

    def keep_reading() -> None:
        while not stop.is_set():
            reader.read(images[0])
            reader.process(images[1])

    threads = [threading.Thread(target=keep_reading) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(4):
            child = os.fork()
            if not child:
                code = 1
                try:
                    import signal

                    signal.alarm(20)
                    good = [reader.read(image) for image in images] == expected
                    good = good and [edgefer.read(image) for image in images] == expected
                    good = good and reader.process(images[1]).frame == 0
                    code = 0 if good else 2
                finally:
                    os._exit(code)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_stream_does_not_go_on_in_a_child_of_a_fork():
    """Its thread did not come along: it would wait for ever. The parent's camera stays open."""
    with edgefer.stream("demo:forever") as readings:
        next(readings)
        child = os.fork()
        if not child:
            try:
                next(readings)
            except edgefer.EdgeferError as error:
                os._exit(0 if "os.fork" in str(error) else 2)
            finally:
                os._exit(1)
        assert os.waitpid(child, 0)[1] == 0
        next(readings)


if __name__ == "__main__":
    total = int(sys.argv[1])
    seen = pictures()
    for name, make in WORK.items():
        print(f"{name}: {differing(make(seen), len(seen), total)} of {total} differ", flush=True)
