"""Where the network is asked to look, and what is kept of a face."""

from __future__ import annotations

import numpy as np
import pytest
from landmark_doubles import KnowingNetwork, head_points

from edgefer.geometry import Box, moved
from edgefer.landmarks.follow import Follower, _TurnedView
from edgefer.landmarks.points import face_square
from edgefer.values import Face, Frame, Quality

GREY = np.zeros((240, 320), np.uint8)
POINTS = head_points((160, 100), 40)


def frame_at(index: int, still: bool = False, grey: np.ndarray = GREY) -> Frame:
    return Frame(index, grey, index * 33_000_000, 0, still=still)


def face_in(box: Box, track: int = 1) -> Face:
    return Face(track, box, Quality(box.width, 0.1, 120.0))


def error_px(found, points=POINTS) -> float:
    return float(np.abs(found.points - points).max())


def test_a_new_face_is_looked_at_twice_and_a_known_one_once():
    network = KnowingNetwork(POINTS)
    follower = Follower(network)
    rough = moved(face_square(POINTS), 8, -6, 1.1)
    first = follower.find(frame_at(0), face_in(rough))
    assert len(network.squares) == 2
    assert error_px(first) < 0.2
    assert network.squares[1] != network.squares[0]
    second = follower.find(frame_at(1), face_in(first.box))
    assert len(network.squares) == 3
    assert error_px(second) < 0.2
    assert second.pose.yaw == pytest.approx(0, abs=1)
    assert second.seen["mouth"] == pytest.approx(0.999)


def test_the_next_look_goes_where_the_tracker_has_carried_the_face():
    network = KnowingNetwork(POINTS)
    follower = Follower(network)
    first = follower.find(frame_at(0), face_in(face_square(POINTS)))
    network.points = (POINTS - (160, 100)) * np.float32(1.2) + (190, 110)
    carried = moved(first.box, 30, 10 + 0.2 * (first.box.centre[1] - 100), 1.2)
    follower.find(frame_at(1), face_in(carried))
    asked, best = network.squares[-1], network.around_points(network.points)
    assert len(network.squares) == 3
    assert np.allclose(asked, best, atol=1.5)


def test_a_face_that_jumped_is_found_anew_from_its_box():
    network = KnowingNetwork(POINTS)
    follower = Follower(network)
    follower.find(frame_at(0), face_in(face_square(POINTS)))
    network.points = POINTS + np.float32((90, 60))
    found = follower.find(frame_at(1), face_in(face_square(network.points)))
    assert error_px(found, network.points) < 0.2


def test_a_photograph_is_looked_at_twice_and_leaves_nothing():
    network = KnowingNetwork(POINTS)
    follower = Follower(network)
    for index in range(3):
        found = follower.find(frame_at(index, still=True), face_in(face_square(POINTS)))
        assert error_px(found) < 0.2
    assert len(network.squares) == 6
    assert not follower._states


def test_points_are_filtered_over_time_but_the_square_is_not_behind():
    network = KnowingNetwork(POINTS)
    follower = Follower(network)
    face = face_in(face_square(POINTS))
    follower.find(frame_at(0), face)
    network.points = POINTS + np.float32((0.5, 0))
    found = follower.find(frame_at(1), face)
    assert 0.05 < (found.points - POINTS)[:, 0].mean() < 0.45
    assert found.box.centre[0] - face.box.centre[0] == pytest.approx(0.5, abs=0.1)


def test_where_no_face_is_seen_nothing_is_found_and_directions_are_tried_once_a_second():
    network = KnowingNetwork(None)
    follower = Follower(network)
    asked = []
    for index in range(40):
        assert follower.find(frame_at(index), face_in(face_square(POINTS))) is None
        asked.append(len(network.squares))
        network.squares.clear()
    assert asked == [4, *[1] * 30, 4, *[1] * 8]  # 33 ms a frame


def test_what_is_kept_of_a_face_is_dropped_with_it():
    follower = Follower(KnowingNetwork(POINTS))
    for track in (1, 2):
        follower.find(frame_at(0), face_in(face_square(POINTS), track))
    follower.forget({1})
    assert set(follower._states) == {2}


def test_another_shares_the_network_and_no_memory():
    network = KnowingNetwork(POINTS)
    follower = Follower(network)
    follower.find(frame_at(0), face_in(face_square(POINTS)))
    other = follower.another()
    other.find(frame_at(1), face_in(face_square(POINTS)))
    assert len(network.squares) == 4


class Directed(KnowingNetwork):
    """A face on its head: in a view turned by half a circle it is seen, upright something that only resembles one.

    The picture is lighter at its lower end, so that a view tells how it is turned.
    """

    def __init__(self, upside_down: bool) -> None:
        super().__init__(None)
        self.upside_down = upside_down

    def locate(self, grey, square):
        turned = grey[: len(grey) // 4].mean() > grey[-len(grey) // 4 :].mean()
        self.points = head_points(square.centre, 40)
        sure = turned == self.upside_down and grey.std() > 0
        self.hidden = set() if sure else {"mouth", "nose"}
        return super().locate(grey, square)


def test_a_face_on_its_head_is_followed_as_it_was_found_and_found_again_when_it_turns():
    grey = np.repeat(np.arange(240, dtype=np.uint8)[:, None], 320, axis=1)
    network = Directed(upside_down=True)
    follower, face = Follower(network), face_in(Box(120, 60, 200, 140))
    rolls = [follower.find(frame_at(index, grey=grey), face).pose.roll for index in range(60)]
    assert np.abs(rolls) == pytest.approx(180, abs=1)
    network.upside_down = False
    rolls = [follower.find(frame_at(index, grey=grey), face).pose.roll for index in range(60, 120)]
    assert np.abs(rolls[-28:]) == pytest.approx(0, abs=1), "within a second"


def test_a_known_face_that_is_not_surely_seen_keeps_its_filter_where_no_direction_is_better():
    network = KnowingNetwork(POINTS)
    network.hidden = {"mouth"}
    follower, face = Follower(network), face_in(face_square(POINTS))
    asked, filters = [], set()
    for index in range(62):
        follower.find(frame_at(index), face)
        filters.add(follower._states[1].filter)
        asked.append(len(network.squares))
        network.squares.clear()
    assert len(filters) == 1
    assert [index for index, count in enumerate(asked) if count > 1] == [0, 31]


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_turned_view_shows_the_face_turned_and_gives_its_points_back(quarters):
    """A bright dot right of the middle is where the turned view says it is."""
    grey = GREY.copy()
    grey[90:93, 180:183] = 255
    view = _TurnedView(grey, Box(130, 60, 190, 120), quarters)
    rows, columns = np.nonzero(view.image > 128)
    found = view.source_points(np.array([[columns.mean(), rows.mean()]]))
    assert found[0] == pytest.approx((181, 91), abs=0.6)
    assert view.own_points(found)[0] == pytest.approx((columns.mean(), rows.mean()), abs=1e-3)


def test_a_face_upside_down_is_found_with_its_roll():
    """The network knows upright faces alone: only in a view turned by half a circle there is one."""

    class Upright(KnowingNetwork):
        def locate(self, grey, square):
            self.points = head_points(squares[-1].centre, 40) if grey.shape != GREY.shape and upside(grey) else None
            return super().locate(grey, square)

        def around_face(self, box):
            squares.append(box)
            return self.around_points(head_points(box.centre, 40))

    squares: list[Box] = []
    grey = GREY.copy()
    grey[130:150] = 200  # what is below the face

    def upside(view):
        return view[: view.shape[0] // 4].mean() > view[-view.shape[0] // 4 :].mean()

    found = Follower(Upright(None)).find(frame_at(0, grey=grey), face_in(Box(120, 60, 200, 140)))
    assert abs(found.pose.roll) == pytest.approx(180, abs=1)
    assert found.points[8, 1] < found.points[30, 1]  # the chin is above the nose
