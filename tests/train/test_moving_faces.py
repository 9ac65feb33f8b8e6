"""Moving faces: points go as far as the literature says, pictures show it, nothing tears, and a seed decides all."""

from __future__ import annotations

import io
import zipfile

import cv2
import numpy as np
import pytest

from edgefer.errors import UsageError
from edgefer.landmarks.points import eye_distance
from edgefer.measure.datasets.sequences import landmarks, load_sequences
from edgefer.train.data.synthetic import identities, script, sheet, tree, units
from edgefer.train.data.synthetic.drawn import drawn, mean_points
from edgefer.train.data.synthetic.films import film
from edgefer.train.data.synthetic.script import STEADY, Event
from edgefer.train.data.synthetic.warp import Face, Identity, Pose

SIDE = 128


@pytest.fixture(scope="module")
def face() -> Face:
    return Face(drawn(1))


def strength(**intensities: float) -> np.ndarray:
    """Shares of full intensity, both sides: AU12=1.0."""
    both = np.zeros((len(units.UNITS), 2))
    for name, share in intensities.items():
        both[units.UNITS.index(int(name[2:]))] = share
    return both


def shown(expression: str) -> np.ndarray:
    return np.repeat(units.combination(expression)[:, None] / 5, 2, axis=1)


def movement(face: Face, share: float = 1.0, **which: float) -> np.ndarray:
    """Of the points in a frame, percent of the eye distance."""
    _, rest = face.render(strength(), Pose(), SIDE)
    _, points = face.render(strength(**{name: value * share for name, value in which.items()}), Pose(), SIDE)
    return (points - rest) / eye_distance(rest) * 100


@pytest.mark.parametrize("share", [1.0, 0.2], ids=["full", "micro"])
def test_points_move_as_far_as_the_literature_says(face, share):
    corner = movement(face, share, AU12=1)[48]
    assert np.hypot(*corner) == pytest.approx(2.9 * share, abs=0.02) and corner[0] < 0 > corner[1], "out and up"
    assert movement(face, share, AU1=1)[[20, 21, 22, 23], 1] == pytest.approx([-3.6 * share] * 4, abs=0.02)
    assert movement(face, share, AU4=1)[[20, 21, 22, 23], 1] == pytest.approx([3.3 * share] * 4, abs=0.02)
    assert movement(face, share, AU26=1)[8] == pytest.approx([0, 12 * share], abs=0.02)


def test_lids_meet_and_never_pass_each_other(face):
    for shares in (strength(AU43=1), strength(AU43=1, AU7=1), strength(AU7=1, AU6=1)):
        _, points = face.render(shares, Pose(), SIDE)
        for upper, lower in (*units.LIDS, *units.LIPS):
            assert points[lower, 1] - points[upper, 1] > -1e-6
    _, points = face.render(strength(AU43=1), Pose(), SIDE)
    assert np.abs(points[[41, 40], 1] - points[[37, 38], 1]).max() < 1e-6


def test_a_mirrored_face_moves_as_the_mirror_shows():
    moves = units.MOVES
    mirrored = np.concatenate([units.MIRROR, 68 + np.roll(np.arange(2 * len(units.NAMES)), len(units.NAMES))])
    np.testing.assert_allclose(moves[:, 0][:, mirrored] * (-1, 1), moves[:, 1], atol=1e-12)


def test_frames_show_what_the_points_say():
    """White dots at the points of a dark face are found where the points are said to be."""
    points = mean_points() * 70 + (100, 85)
    seen = [0, 3, 5, 8, 11, 17, 19, 21, 24, 30, 36, 45, 48, 54]  # far enough from one another
    image = np.full((220, 200), 40, np.uint8)
    for x, y in points[seen]:
        cv2.circle(image, (round(x * 16), round(y * 16)), 40, 250, -1, cv2.LINE_AA, 4)
    face = Face(Identity("dots", image, points))
    for shares in (strength(AU1=1, AU2=1), strength(AU4=1, AU12=1), strength(AU25=1, AU26=1), strength(AU15=1, AU9=1)):
        shares[:, 1] *= 0.8
        frame, at = face.render(shares, Pose(0.05, -0.03, 1.05, 0.1, 0.1, -0.05), 160)
        for point in at[seen]:
            x, y = np.rint(point).astype(int) - 6
            patch = np.clip(frame[y : y + 13, x : x + 13].astype(float) - 100, 0, None)
            rows, columns = np.mgrid[:13, :13]
            middle = np.array([(patch * columns).sum(), (patch * rows).sum()]) / patch.sum() + (x, y)
            assert np.hypot(*(middle - point)) < 0.8, "pixels; the eye distance is 56"


@pytest.mark.parametrize("expression", ["sadness", "anger", "disgust", "closed"])
def test_nothing_is_shown_twice(expression):
    """Of a face that brightens downwards, every column of a frame does, whatever moves."""
    points = mean_points() * 70 + (100, 85)
    image = np.repeat(np.linspace(20, 240, 220)[:, None], 200, axis=1).astype(np.uint8)
    face = Face(Identity("ramp", image, points))
    closed = expression == "closed"
    shares = strength(AU43=1, AU12=1) if closed else shown(expression)
    face._folds[:] = 0  # they darken
    frame, _ = face.render(shares, Pose(), 160)
    inside = frame[20:120].astype(int)  # above what lies beyond the photograph
    lash = 90 if closed else 0
    assert np.diff(inside, axis=0).min() >= -2 - lash


def test_background_and_hairline_stay():
    face = Face(drawn(1), room=1.3)
    rest, _ = face.render(strength(), Pose(), SIDE)
    for expression in ("surprise", "fear", "anger", "happiness"):
        frame, _ = face.render(shown(expression), Pose(), SIDE)
        changed = np.abs(frame.astype(int) - rest)
        beyond = changed[:9].mean(), changed[:100, :9].mean(), changed[:100, -9:].mean()
        assert max(beyond) < 1, "grey levels"
        assert changed[20:105, 35:95].mean() > 1.4 * max(beyond), expression


def test_an_open_mouth_is_dark_inside_and_closed_eyes_show_no_white(face):
    shut, points = face.render(strength(), Pose(), SIDE)
    wide, at = face.render(strength(AU25=1, AU26=1), Pose(), SIDE)
    x, y = np.rint(at[[62, 66]].mean(axis=0) + (0, 3)).astype(int)
    assert wide[y, x] < 0.4 * np.median(shut)
    x, y = np.rint(points[[38, 39, 40]].mean(axis=0)).astype(int)
    closed, _ = face.render(strength(AU43=1), Pose(), SIDE)
    assert closed[y - 2 : y + 3, x - 2 : x + 3].max() < shut[y - 2 : y + 3, x - 2 : x + 3].max()


def test_an_event_is_strongest_at_its_apex_and_gone_at_its_ends():
    rng = np.random.default_rng(0)
    for micro in (False, True):
        for expression in (*units.EXPRESSIONS, *units.UNILATERAL, None):
            event = script.event(rng, 1.0, expression, micro)
            t = np.linspace(0, 5, 50_001)
            share = event.share(t)
            assert t[share.argmax()] == pytest.approx(event.apex_s, abs=1e-4)
            assert share.max() == pytest.approx(1, abs=1e-4)
            assert not share[(t <= event.onset_s) | (t >= event.offset_s)].any() and (share >= 0).all()
            if micro:
                assert 0.04 <= event.offset_s - event.onset_s <= 0.5 and max(event.units.values(), default=1) <= 1.5


def test_a_seed_decides_a_film_and_any_frame_rate_shows_the_same(face):
    events = [Event(0.1, 0.3, 0.6, {12: 4.0, 6: 3.0}, "happiness")]
    one, same = (film(face, events, 0.5, 30, 64, seed=3, blinks_a_minute=60) for _ in range(2))
    assert (one.frames == same.frames).all() and (one.units == same.units).all()
    other = film(face, events, 0.5, 60, 64, seed=3, blinks_a_minute=60)
    np.testing.assert_allclose(other.landmarks[::2], one.landmarks, atol=1e-3)
    np.testing.assert_allclose(other.units[::2], one.units, atol=1e-6)
    assert (film(face, events, 0.5, 30, 64, seed=4).landmarks != one.landmarks).any()
    assert one.expression.tolist() == [int(share >= 0.5) for share in events[0].share(one.t_s)]


def test_contempt_lifts_one_corner_of_the_mouth(face):
    """FACS's L12 or R12, on either side; the film's intensity is the mean of both sides."""
    rng = np.random.default_rng(5)
    events = [script.event(rng, 0.0, "contempt", seconds=1.0) for _ in range(12)]
    assert {event.side for event in events} == {0, 1} and all(set(event.units) == {12} for event in events)
    rest, corners = film(face, [], 0.1, 30, 96, camera=STEADY).landmarks[0], (48, 54)
    for event in events[:4]:
        taken = film(face, [event], 1.0, 30, 96, seed=1, camera=STEADY)
        apex = int(taken.units[:, units.UNITS.index(12)].argmax())
        assert taken.units[apex].max() == pytest.approx(event.units[12] / 2, rel=0.02)
        assert taken.expression[apex] == units.expression_index("contempt")
        risen = rest[list(corners), 1] - taken.landmarks[apex][list(corners), 1]
        assert risen[event.side] > 0.3 and abs(risen[1 - event.side]) < 0.05


def test_a_steady_camera_before_a_face_at_rest_sees_no_change(face):
    still = film(face, [], 0.3, 30, 64, seed=1, camera=STEADY)
    assert (still.frames == still.frames[0]).all() and not still.units.any() and still.frames.shape == (9, 64, 64)


def test_blinks_are_units_but_no_events(face):
    blinking = film(face, [], 2.0, 30, 64, seed=2, blinks_a_minute=60, camera=STEADY)
    assert blinking.blinks and not blinking.events
    assert blinking.units[:, units.UNITS.index(43)].max() > 2 and not blinking.expression.any()


def test_no_photograph_is_in_two_parts(tmp_path):
    """By the number in the order of names; those not at rest, turned aside or not neutral are out."""
    (tmp_path / "faces").mkdir()
    resting = mean_points() * 60 + (80, 60)
    smiling, turned = resting.copy(), resting.copy()
    smiling[65:68, 1] += 10
    turned[30, 0] += 15
    names = [f"{number:05d}.jpg" for number in range(60)]
    points = np.array(
        [turned if number == 3 else smiling if number == 4 else resting for number in range(60)], np.float32
    )
    table = io.StringIO(
        "image,emotion\n" + "".join(f"{name},{'happiness' if name == names[5] else 'neutral'}\n" for name in names)
    )
    with zipfile.ZipFile(tmp_path / "faces" / "faces.zip", "w") as archive:
        archive.writestr("labels.csv", table.getvalue())
        for name in names:
            archive.writestr(name, cv2.imencode(".jpg", np.full((160, 160), 99, np.uint8))[1].tobytes())
    np.savez(tmp_path / "faces.npz", name=np.array(names), points=points, score=np.full(60, 0.99, np.float32))
    parts = {
        part: {found.name for found in identities.photographs(tmp_path, tmp_path, part)} for part in identities.PARTS
    }
    assert parts["val"] == {names[0], names[20], names[40]} and parts["test"] == {names[10], names[30], names[50]}
    assert parts["train"] == set(names) - parts["val"] - parts["test"] - {names[3], names[4], names[5]}
    with pytest.raises(UsageError, match="unknown part 'tset'; available: train, val, test"):
        identities.photographs(tmp_path, tmp_path, "tset")
    with pytest.raises(UsageError, match="faces.npz: no such file"):
        identities.photographs(tmp_path, tmp_path / "labels", "val")


def test_the_sheet_has_a_block_for_each_face():
    picture = sheet.sheet([drawn(1)])
    assert picture.shape == (4 * (sheet.TILE + 16), 12 * sheet.TILE) and picture.std() > 20


def test_a_tree_like_that_of_oulu_casia_is_read_as_one_and_says_that_it_is_made(tmp_path):
    assert tree.write_oulu(tmp_path, [drawn(1), drawn(2)], side=64, seed=1) == 12
    found = load_sequences(tmp_path, "oulu-casia")
    assert len(found) == 12 and sorted(set(found.subjects)) == ["P001", "P002"] and not found.problems
    assert {sequence.label for sequence in found.sequences} == set(found.labels)
    assert all(tree.FRAMES[0] <= len(each) <= tree.FRAMES[1] for each in found.sequences)
    assert found.sequences[0].frames[0].shape == (64, 64) and (tmp_path / tree.MARK).is_file()


def test_a_tree_like_that_of_ckplus_is_read_as_one(tmp_path):
    assert tree.write_ckplus(tmp_path, [drawn(1), drawn(2)], side=64) == 12
    found = load_sequences(tmp_path, "ckplus")
    assert len(found) == 12 and not found.problems and set(found.subjects) == {"S001", "S002"}
    assert [one.label for one in found.sequences[:6]] == [name for name in units.EXPRESSIONS if name != "neutral"]
    happy = found.sequences[0]
    assert set(happy.events[0].units) == {6, 12} and 8 <= len(happy) <= 24 and happy.frames[0].shape == (64, 64)
    first, last = (landmarks(happy.points[place]) for place in (0, -1))
    wider = np.hypot(*(last[48] - last[54])) / eye_distance(last) - np.hypot(*(first[48] - first[54])) / eye_distance(
        first
    )
    assert wider > 0.01, "a smile is wider"
