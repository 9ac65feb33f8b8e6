"""The tracker: one face keeps one identity, a face that is gone is gone, and the detector is asked rarely."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from portrait import as_frames, backdrop, data_file, face_box, paste

from edgefer.detect import open_detector
from edgefer.geometry import iou, moved
from edgefer.track import QualityGate, Tracker
from edgefer.track.patch import Patch
from edgefer.values import Face, Frame

CENTRE, SIDE = (320.0, 240.0), 90.0


@pytest.fixture(scope="module")
def detector():
    return open_detector("haar")


@pytest.fixture(scope="module")
def wall() -> np.ndarray:
    return backdrop()


def follow(detector, frames, **options) -> tuple[Tracker, list[list[Face]]]:
    """A fresh tracker, and what it said of every frame."""
    tracker = Tracker(detector, **options)
    return tracker, [tracker.update(frame) for frame in frames]


def identities(faces: list[list[Face]]) -> list[int]:
    """Every identity that occurs, in order."""
    return sorted({face.track for frame in faces for face in frame})


# -- being there


def test_a_face_is_reported_from_the_first_frame_with_identity_one(detector, wall):
    _, (first,) = follow(detector, as_frames([paste(wall, CENTRE, SIDE)]))
    assert [face.track for face in first] == [1]
    assert iou(first[0].box, face_box(CENTRE, SIDE)) > 0.75
    assert first[0].quality.reasons == ()
    assert first[0].quality.side_px == pytest.approx(SIDE, rel=0.1)


def test_a_moving_growing_tilting_face_keeps_its_box_and_identity(detector, wall):
    def pose(i):
        return ((320 + 150 * np.sin(i / 15), 240 + 60 * np.sin(i / 9)), 110 + 30 * np.sin(i / 20), 22 * np.sin(i / 12))

    frames = as_frames(paste(wall, *pose(i)) for i in range(90))
    _, faces = follow(detector, frames)
    assert all([face.track for face in frame] == [1] for frame in faces)
    overlaps = [iou(frame[0].box, face_box(*pose(i)[:2])) for i, frame in enumerate(faces)]
    assert min(overlaps) > 0.6
    assert np.mean(overlaps) > 0.75


def test_the_detector_is_asked_rarely_while_a_face_is_followed(detector, wall):
    """Three seconds: a search every 500 ms, a look every 150 ms or a frame later, at most."""
    frames = as_frames([paste(wall, CENTRE, SIDE)] * 90)
    tracker, faces = follow(detector, frames)
    assert all(len(frame) == 1 for frame in faces)
    assert tracker.searches <= 6
    assert tracker.looks <= 18


def test_the_detection_interval_can_be_set_while_it_runs(detector, wall):
    frames = as_frames([paste(wall, CENTRE, SIDE)] * 120)
    tracker = Tracker(detector, detect_interval_ms=200)
    for frame in frames[:60]:
        tracker.update(frame)
    before = tracker.searches
    tracker.detect_interval_ms = 1000
    for frame in frames[60:]:
        tracker.update(frame)
    assert before == pytest.approx(10, abs=1)
    assert tracker.searches - before == pytest.approx(2, abs=1)


def test_the_box_of_a_face_at_rest_hardly_moves(detector, wall):
    _, faces = follow(detector, as_frames([paste(wall, CENTRE, SIDE)] * 60))
    centres = np.array([frame[0].box.centre for frame in faces[5:]])
    widths = np.array([frame[0].box.width for frame in faces[5:]])
    assert np.abs(np.diff(centres, axis=0)).max() < 0.03 * SIDE
    assert widths.std() < 0.03 * SIDE


@pytest.mark.parametrize("every", [2, 3, 5])
def test_dropped_frames_change_neither_identity_nor_place(detector, wall, every):
    frames = as_frames(paste(wall, (320 + 80 * np.sin(i / 20), 240), SIDE) for i in range(90))[::every]
    _, faces = follow(detector, frames)
    assert all([face.track for face in frame] == [1] for frame in faces)
    for frame, (face,) in zip(frames, faces, strict=True):
        assert iou(face.box, face_box((320 + 80 * np.sin(frame.index / 20), 240), SIDE)) > 0.6


def test_the_same_film_gives_the_same_faces_again(detector, wall):
    frames = as_frames(paste(wall, (250 + 4 * i, 240), SIDE) for i in range(30))
    assert follow(detector, frames)[1] == follow(detector, frames)[1]


def test_a_face_too_fast_for_flow_is_found_where_it_has_gone(detector, wall):
    """Four fifths of its width from frame to frame."""
    frames = as_frames((paste(wall, (140 + 72 * (i % 6), 240), SIDE) for i in range(6)), fps=7.5)
    tracker, faces = follow(detector, frames)
    assert all([face.track for face in frame] == [1] for frame in faces)
    assert tracker.searches <= 2


# -- going and coming


def test_a_cut_to_an_empty_scene_ends_the_face_at_once(detector, wall):
    frames = as_frames([paste(wall, CENTRE, SIDE)] * 20 + [wall] * 40)
    _, faces = follow(detector, frames)
    assert all(faces[:20])
    assert not any(faces[20:])


def test_a_face_that_walks_out_is_gone_when_it_is_out(detector, wall):
    frames = as_frames(paste(wall, (320 + 12 * i, 240), SIDE) for i in range(60))
    _, faces = follow(detector, frames)
    inside = [320 + 12 * i + SIDE / 2 <= 640 for i in range(60)]
    outside = [320 + 12 * i - SIDE / 2 >= 640 for i in range(60)]
    assert all(frame for frame, there in zip(faces, inside, strict=True) if there)
    assert not any(frame for frame, gone in zip(faces, outside, strict=True) if gone)


def test_a_face_that_fades_away_is_gone_within_300_ms(detector, wall):
    face = paste(wall, CENTRE, SIDE)
    fade = [cv2.addWeighted(face, max(0.0, 1 - i / 15), wall, min(1.0, i / 15), 0) for i in range(45)]
    _, faces = follow(detector, as_frames([face] * 30 + fade))
    assert not any(faces[30 + 15 + 9 :])


def test_a_face_back_within_a_second_is_the_same_one(detector, wall):
    face = paste(wall, CENTRE, SIDE)
    _, faces = follow(detector, as_frames([face] * 20 + [wall] * 20 + [face] * 30))
    assert not any(faces[20:40])
    assert all(faces[40 + 15 :])  # 0.5 s
    assert identities(faces) == [1]


def test_a_face_back_after_two_seconds_is_a_new_one(detector, wall):
    face = paste(wall, CENTRE, SIDE)
    _, faces = follow(detector, as_frames([face] * 20 + [wall] * 60 + [face] * 30))
    assert all(faces[80 + 15 :])  # 0.5 s
    assert identities(faces) == [1, 2]


def test_something_passing_before_the_face_does_not_end_it(detector, wall):
    def bar(i):
        image = paste(wall, CENTRE, SIDE)
        image[140:340, 100 + 14 * i : 150 + 14 * i] = 70
        return image

    _, faces = follow(detector, as_frames([bar(i) for i in range(35)]))
    assert identities(faces) == [1]
    assert sum(bool(frame) for frame in faces) >= 0.9 * len(faces)


def test_something_covering_the_face_takes_it_off_until_it_is_seen_again(detector, wall):
    open_face = paste(wall, CENTRE, SIDE)
    covered = open_face.copy()
    covered[180:310, 250:400] = 70
    _, faces = follow(detector, as_frames([open_face] * 20 + [covered] * 18 + [open_face] * 25))
    assert not any(faces[20 + 9 : 38])  # 0.3 s
    assert all(faces[38 + 9 :])
    assert identities(faces) == [1]


def test_a_head_bowed_beyond_the_detector_is_followed_while_it_resembles_itself(detector, wall):
    """Tilted by 60 degrees for a second: no look confirms it, and it is still the same face in full view."""

    def roll(i):
        return float(np.interp(i, [30, 50, 80, 100], [0, 52, 52, 0]))

    _, faces = follow(detector, as_frames(paste(wall, CENTRE, 120, roll(i)) for i in range(120)))
    assert identities(faces) == [1]
    assert sum(bool(frame) for frame in faces) > 0.8 * len(faces)
    assert all(faces[105:])


def test_a_step_back_in_time_starts_over_without_reusing_an_identity(detector, wall):
    frames = as_frames([paste(wall, CENTRE, SIDE)] * 3)
    tracker, _ = follow(detector, frames)
    assert [face.track for face in tracker.update(frames[0])] == [2]


def test_another_frame_size_starts_over(detector, wall):
    (frame,) = as_frames([paste(wall, CENTRE, SIDE)])
    tracker, _ = follow(detector, [frame])
    small = Frame(1, frame.grey[100:400, 150:500].copy(), frame.media_ns + 33_000_000, 0)
    assert [face.track for face in tracker.update(small)] == [2]


@pytest.mark.parametrize("shape", [(1, 1), (1, 640), (30, 20)], ids=str)
def test_an_image_too_small_for_a_face_has_none(detector, shape):
    _, faces = follow(detector, as_frames([np.full(shape, 120, np.uint8)] * 3))
    assert faces == [[], [], []]


# -- several faces


def test_two_faces_have_two_identities_oldest_first(detector, wall):
    def image(i):
        one = paste(wall, (150, 240), SIDE)
        return one if i < 10 else paste(one, (480, 230), SIDE, mirrored=True)

    _, faces = follow(detector, as_frames(image(i) for i in range(40)))
    assert [face.track for face in faces[5]] == [1]
    for frame in faces[10 + 16 :]:
        assert [face.track for face in frame] == [1, 2]
        assert frame[0].box.centre[0] < frame[1].box.centre[0]


def test_the_looks_at_many_faces_are_spread_over_frames(detector):
    """Six faces that appear together are not all looked at in one frame."""
    scene = backdrop((960, 540))
    for column in range(3):
        for row in range(2):
            scene = paste(scene, (180 + 300 * column, 150 + 250 * row), 110, mirrored=bool((row + column) % 2))
    tracker, looks = Tracker(detector), []
    for frame in as_frames([scene] * 45):
        before = tracker.looks
        assert len(tracker.update(frame)) == 6
        looks.append(tracker.looks - before)
    assert max(looks) <= 3
    assert sum(looks) >= 6 * 5  # and yet each is looked at often enough


def test_of_several_faces_each_is_carried_by_flow_in_every_second_frame(detector, wall, monkeypatch):
    """And yet is where it is in all of them."""
    carried, motion = [], Patch.motion
    monkeypatch.setattr(Patch, "motion", lambda patch, grey: carried.append(patch) or motion(patch, grey))

    def places(i):
        return (160 + 3 * i, 240.0), (480.0, 200 + 2 * i)

    images = [paste(paste(wall, places(i)[0], SIDE), places(i)[1], SIDE, mirrored=True) for i in range(30)]
    _, faces = follow(detector, as_frames(images))
    assert len(carried) == pytest.approx(29, abs=2)
    for i, frame in enumerate(faces):
        assert len(frame) == 2
        for face, place in zip(sorted(frame, key=lambda face: face.box.x0), places(i), strict=True):
            assert iou(face.box, face_box(place, SIDE)) > 0.75


def test_two_faces_that_cross_keep_their_identities(detector, wall):
    def centres(i):
        return (140 + 6 * i, 240.0), (500 - 6 * i, 225.0)

    images = [paste(paste(wall, centres(i)[0], SIDE), centres(i)[1], SIDE, mirrored=True) for i in range(60)]
    _, faces = follow(detector, as_frames(images))
    assert identities(faces) == [1, 2]
    leftmost = min(faces[0], key=lambda face: face.box.x0).track
    for i in (*range(20), *range(50, 60)):
        assert {face.track for face in faces[i]} == {1, 2}
        for face in faces[i]:
            assert iou(face.box, face_box(centres(i)[face.track != leftmost], SIDE)) > 0.5


def test_while_every_face_is_followed_the_smallest_are_searched_for_in_turns(detector, wall):
    asked = []

    class InTurns:
        levels, parts, in_turns, look = detector.levels, 5, 1, detector.look

        def detect(self, grey, region=None, *, part=None, known=()):
            asked.append(part)
            return detector.detect(grey, region) if part is None else []

    tracker = Tracker(InTurns())
    for frame in as_frames([paste(wall, CENTRE, SIDE)] * 70):
        tracker.update(frame)
    assert asked[0] is None and asked[1::2] == [0, 0, 0, 0] and sorted(asked[2::2]) == [1, 2, 3, 4]
    asked.clear()
    for frame in as_frames([wall] * 10, first=70):
        tracker.update(frame)
    assert asked[:5] == [0, 1, 2, 3, 4]


def test_a_search_is_spread_over_frames_once_the_first_is_done(detector, wall):
    asked = []

    class Listening:
        levels, parts, look = detector.levels, detector.parts, detector.look

        def detect(self, grey, region=None, *, part=None, known=()):
            asked[-1].append(part)
            return detector.detect(grey, region, part=part, known=known)

    tracker = Tracker(Listening())
    for frame in as_frames([paste(wall, CENTRE, SIDE)] * 30):
        asked.append([])
        tracker.update(frame)
    assert asked[0] == [None]
    assert all(len(parts) <= 1 for parts in asked)
    assert [part for parts in asked[1:] for part in parts] == list(range(detector.parts))


# -- doubtful finds


class Scripted:
    """A detector that finds one box with a given score and confirms it, or not."""

    parts = 1

    def __init__(self, levels, score, confirms):
        self.levels, self.score, self.confirms = levels, score, confirms

    def detect(self, grey, region=None, *, part=None, known=()):
        from edgefer.values import Detection

        return [Detection(face_box(CENTRE, SIDE), self.score)]

    def look(self, grey, box, thorough=False):
        from edgefer.detect import Look

        return Look(face_box(CENTRE, SIDE), self.score) if self.confirms else None


@pytest.mark.parametrize(
    ("score", "confirms", "seen"),
    [(0.6, False, [1, 1, 1]), (0.4, True, [0, 1, 1]), (0.4, False, [0, 0, 0]), (0.2, True, [0, 0, 0])],
    ids=["sure", "likely-twice", "likely-once", "unlikely"],
)
def test_a_doubtful_find_has_to_be_seen_twice(detector, wall, score, confirms, seen):
    frames = as_frames([paste(wall, CENTRE, SIDE)] * 3)
    _, faces = follow(Scripted(detector.levels, score, confirms), frames)
    assert [len(frame) for frame in faces] == seen


def test_a_find_never_confirmed_is_soon_dropped(detector, wall):
    """A single strong find on the wall must not live on what flow carries."""

    class Once(Scripted):
        def detect(self, grey, region=None, *, part=None, known=()):
            detections, self.score = super().detect(grey), 0.0
            return detections

    frames = as_frames([paste(wall, CENTRE, SIDE)] * 30)
    _, faces = follow(Once(detector.levels, 0.9, False), frames)
    assert faces[0]
    assert not any(faces[9:])  # 0.3 s


def test_while_a_face_is_followed_the_second_looks_at_others_are_spread_over_frames(detector, wall):
    """A second look takes as long as a few frames; who waits for one comes in some frames later."""
    from edgefer.values import Detection

    places = [(80.0 + 120 * i, 400.0) for i in range(5)]

    class Crowd(Scripted):
        looked = False

        def detect(self, grey, region=None, *, part=None, known=()):
            others = [Detection(face_box(place, SIDE), 0.4) for place in places] if self.looked else []
            return [*super().detect(grey), *others]

        def look(self, grey, box, thorough=False):
            from edgefer.detect import Look

            self.looked = True
            return Look(box, self.score)

    tracker = Tracker(Crowd(detector.levels, 0.9, True))
    seen = [len(tracker.update(frame)) for frame in as_frames([paste(wall, CENTRE, SIDE)] * 40)]
    assert seen[0] == 1 and seen[-1] == 6
    assert [rise for rise in np.diff(seen) if rise] == [2, 1, 1, 1]


# -- clock


def test_the_clock_tells_the_detector_from_the_rest(detector, wall):
    tracker, _ = follow(detector, as_frames([paste(wall, CENTRE, SIDE)] * 2))
    assert set(tracker.clock) == {"detect", "track"}
    assert tracker.clock["detect"] == 0 and not tracker.asked  # the second frame needs no look
    assert tracker.clock["track"] > 0


def test_the_gate_judges_a_face_as_it_comes_in_and_then_ten_times_a_second(detector, wall):
    class Gate(QualityGate):
        boxes = ()

        def measure(self, grey, box):
            self.boxes += (box,)
            return super().measure(grey, box)

    gate = Gate()
    tracker = Tracker(detector, gate=gate)
    sides = [SIDE * 1.01**index for index in range(10)]
    for frame, side in zip(as_frames([paste(wall, CENTRE, each) for each in sides]), sides, strict=True):
        (face,) = tracker.update(frame)
        assert face.quality.side_px == pytest.approx(max(face.box.width, face.box.height))
        assert face.quality.side_px == pytest.approx(side, rel=0.15)
    assert len(gate.boxes) == 4  # frames 0, 3, 6 and 9


@pytest.mark.parametrize("interval", [0, -5, float("nan")])
def test_a_detection_interval_must_be_positive(detector, interval):
    with pytest.raises(ValueError, match="detect_interval_ms must be over 0"):
        Tracker(detector, detect_interval_ms=interval)


# -- real films


def film(name: str) -> list[Frame]:
    """Every frame of a clip of the shared data, with media time."""
    capture = cv2.VideoCapture(str(data_file(f"videos/{name}")))
    fps, frames = capture.get(cv2.CAP_PROP_FPS), []
    while True:
        decoded, image = capture.read()
        if not decoded:
            return frames
        index = len(frames)
        frames.append(Frame(index, cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), round(index * 1e9 / fps), 0))


@pytest.mark.parametrize("every", [1, 2], ids=["all-frames", "every-other"])
@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("single_face.mp4", 0.97),
        ("asl_please.mkv", 0.95),
        ("asl_thanks.mkv", 0.95),
        ("asl_want.mkv", 0.95),
        ("asl_yes.mkv", 0.95),
    ],
)
def test_the_face_of_a_real_film_is_followed_as_one(detector, name, least, every):
    _, faces = follow(detector, film(name)[::every])
    assert np.mean([len(frame) == 1 for frame in faces]) >= least
    assert identities(faces) == [1]


def test_a_real_face_that_leaves_is_gone_and_read_again_when_it_returns(detector):
    """The film, and once more after its end: the face leaves with frame 72 and returns with frame 169."""
    frames = film("face_noface.mov")
    length = frames[-1].media_ns + frames[1].media_ns
    again = [Frame(f.index + len(frames), f.grey, f.media_ns + length, 0) for f in frames]
    _, faces = follow(detector, frames + again)
    assert all(faces[:72])
    assert not any(faces[72:169])
    assert any(faces[169 : 169 + 13])  # 0.5 s at 26.4 frames a second
    assert not any(faces[169 + 72 :])


# -- where landmarks run


class Forbidden:
    """A detector that may search, but is not to be asked about a face that is known."""

    def __init__(self, detector) -> None:
        self._detector = detector
        self.levels, self.parts = detector.levels, detector.parts

    def detect(self, *arguments, **options):
        return self._detector.detect(*arguments, **options)

    def look(self, *_):
        raise AssertionError("asked about a face that is known")


def test_a_face_that_others_confirm_is_not_looked_at(detector, wall):
    tracker = Tracker(Forbidden(detector))
    tracker.confirm_interval_ms = 250
    for i, frame in enumerate(as_frames(paste(wall, (250 + 2 * i, 240), SIDE) for i in range(60))):
        (face,) = tracker.update(frame)
        true = face_box((250 + 2 * i, 240), SIDE)
        assert face.track == 1 and iou(face.box, true) > 0.7
        if i % 6 == 0:
            assert tracker.reseat(frame, 1, true) == true
    assert tracker.looks == 0


def test_a_reseated_box_is_carried_on_from_there(detector, wall):
    tracker = Tracker(detector)
    frames = as_frames(paste(wall, (250 + 4 * i, 240), SIDE) for i in range(4))
    tracker.update(frames[0])
    seated = face_box((250, 230), 1.1 * SIDE)
    assert tracker.reseat(frames[0], 1, seated) == seated
    (face,) = tracker.update(frames[1])
    assert np.allclose(face.box, moved(seated, 4, 0), atol=1.0)


def test_a_doubted_face_is_looked_at_in_the_next_frame(detector, wall):
    tracker = Tracker(detector)
    frames = as_frames([paste(wall, CENTRE, SIDE)] * 3)
    tracker.update(frames[0])
    before = tracker.looks
    tracker.doubt(1)
    tracker.update(frames[1])
    assert tracker.looks == before + 1
    tracker.update(frames[2])
    assert tracker.looks == before + 1


def test_a_face_is_not_seated_upon_another(detector):
    wall = backdrop()
    scene = paste(paste(wall, (200, 240), SIDE), (440, 240), SIDE, mirrored=True)
    tracker = Tracker(detector)
    (frame,) = as_frames([scene])
    first, second = tracker.update(frame)
    assert tracker.reseat(frame, first.track, second.box) == first.box
