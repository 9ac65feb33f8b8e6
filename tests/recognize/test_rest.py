"""How a face looks at rest, from the crops of its track."""

from __future__ import annotations

import numpy as np

from edgefer.preprocess import pairs
from edgefer.recognize.rest import EVERY_S, FEWEST, FIRST_S, MOST, TRACKS, Rests
from edgefer.recognize.windows import NS

RNG = np.random.default_rng(3)
REST, SMILE = RNG.integers(0, 256, (2, pairs.LAYOUT.height, pairs.LAYOUT.width), np.uint8)


def moved(rest: pairs.Rest, crop: np.ndarray) -> float:
    """A little of what is seen of another face than the one at rest."""
    return 0.3 if (rest.even == pairs.evened(crop)).all() else 2.0


def play(rests: Rests, seconds: float, fps: float, smiles, track: int = 1, start_s: float = 0.0) -> None:
    """A face that smiles at some times; the smile counts as movement."""
    for number in range(round(seconds * fps)):
        t = start_s + number / fps
        if rests.due(track, round(t * NS)):
            rests.add(track, round(t * NS), SMILE if smiles(t) else REST, 3.0 if smiles(t) else 0.5)


def is_rest(rests: Rests, track: int = 1) -> bool:
    found = rests.of(track)
    assert found is not None
    return bool((found.even == pairs.evened(REST)).all())


def test_a_face_at_rest_is_known_after_a_second():
    rests = Rests(moved)
    play(rests, FIRST_S - 0.1, 30, lambda t: False)
    assert rests.of(1) is None
    play(rests, 0.3, 30, lambda t: False, start_s=FIRST_S - 0.1)
    assert is_rest(rests)


def test_a_face_that_smiles_most_of_the_time_has_its_rest_all_the_same():
    """The calmer half counts."""
    rests = Rests(moved)
    play(rests, 20, 30, lambda t: t % 4 > 1.2)
    assert is_rest(rests)


def test_a_face_that_begins_with_a_smile_finds_its_rest_later():
    rests = Rests(moved)
    play(rests, 1.5, 30, lambda t: True)
    assert not is_rest(rests)
    play(rests, 3, 30, lambda t: False, start_s=1.5)
    assert is_rest(rests)


def test_of_two_neighbours_the_calmer_stays():
    """Half of the crops show a smile, and fewer of those that are kept after a minute."""
    rests = Rests(moved)
    play(rests, 60, 30, lambda t: t % 3.1 > 1.55)
    kept = rests._tracks[1]
    assert is_rest(rests) and np.mean([bool((crop == SMILE).all()) for crop in kept.crops]) < 0.4


def test_what_one_picture_does_not_tell_the_face_at_rest_does():
    """A movement that the network of one picture takes for calm, and that comes more often than rest."""
    rests = Rests(moved)
    play(rests, 2, 30, lambda t: False)
    for number in range(20 * 30):
        t, smiles = 2 + number / 30, number / 30 % 2.1 > 0.84
        if rests.due(1, round(t * NS)):
            rests.add(1, round(t * NS), SMILE if smiles else REST, 0.4 if smiles else 0.5)
    assert is_rest(rests)


def test_a_blink_of_an_eye_leaves_no_trace():
    rests = Rests(moved)
    play(rests, 5, 30, lambda t: t % 2 < 0.2)
    assert is_rest(rests)


def test_crops_are_spread_over_the_whole_track_whatever_the_frame_rate():
    kept = []
    for fps in (24, 30, 60, 200):
        rests = Rests(moved)
        play(rests, 60, fps, lambda t: False)
        times = np.array(rests._tracks[1].times_ns) / NS
        assert FEWEST <= len(times) <= MOST and times[-1] > 50 and times[0] < 10
        assert np.diff(times).max() < 15 and np.diff(times).min() > 2 * EVERY_S
        kept.append(len(times))
    assert max(kept) - min(kept) <= MOST // 2


def test_a_step_back_in_time_begins_again():
    rests = Rests(moved)
    play(rests, 3, 30, lambda t: False)
    assert rests.due(1, NS) and rests.of(1) is None


def test_what_is_kept_is_bounded_and_forgotten():
    rests = Rests(moved)
    for track in range(2 * TRACKS):
        play(rests, 2, 10, lambda t: False, track)
    assert rests.of(0) is None and is_rest(rests, 2 * TRACKS - 1)
    rests.forget([2 * TRACKS - 1, 999])
    assert rests.of(2 * TRACKS - 1) is None
    assert len(rests._tracks) == TRACKS - 1
