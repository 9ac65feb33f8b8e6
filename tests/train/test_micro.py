"""Training and measuring micro-expressions: films, truth, scores, choices, and Table 4 on a made tree."""

from __future__ import annotations

import numpy as np
import pytest

from edgefer.errors import UsageError
from edgefer.labels import MICRO
from edgefer.measure.datasets.sequences import load_sequences
from edgefer.recognize.micro.fields import CELLS
from edgefer.train.data.synthetic import drawn, units
from edgefer.train.data.synthetic.script import Event
from edgefer.train.micro import casme_tree, films, material, scores
from edgefer.train.micro.casme_tree import write_casme2


def span(onset, offset):
    return Event(onset, (onset + offset) / 2, offset, {})


def test_micro_expressions_move_as_far_and_last_as_long_as_they_are_to():
    rng = np.random.default_rng(0)
    for _ in range(40):
        event = films.micro(rng, 1.0, "move")
        strength = np.array([event.units.get(unit, 0.0) for unit in units.UNITS]) / units.FULL
        steps = np.tensordot(np.repeat(strength[:, None], 2, axis=1), units.MOVES, axes=2)[:68]
        assert 0.04 <= event.offset_s - event.onset_s <= 0.5 and strength.max() <= 1 + 1e-9
        assert np.hypot(*steps.T).max() <= 0.03 + 1e-9 and (strength.max() > 0.999 or np.hypot(*steps.T).max() > 0.0099)
        weak = films.micro(rng, 1.0, "strength")
        assert max(weak.units.values()) <= 0.3 * units.FULL
    events = films.micros(rng, 60.0, "move")
    assert len(events) > 8
    assert all(b.onset_s - a.offset_s >= films.APART_S for a, b in zip(events, events[1:], strict=False))


def test_events_are_matched_once_by_overlap_over_the_whole_set():
    truth = [span(1.0, 1.4), span(2.0, 2.2), span(5.0, 5.5)]
    found = [span(1.0, 1.4), span(1.05, 1.4), span(2.05, 2.3), span(8.0, 8.2)]
    tally = scores.Tally()
    tally.add(truth, found, 10.0)
    # the first twice, of which one counts; the second overlaps by 0.15 of 0.3
    assert tally.hits == {0.3: 2, 0.5: 2, 0.7: 1} and tally.f1(0.7) == pytest.approx(2 / 7)
    assert tally.false == 1 and tally.false_a_minute == pytest.approx(60 / (10 - 1.1))
    assert sorted(tally.onset_ms) == pytest.approx([0.0, 50.0])
    assert scores.overlap(span(0, 1), span(2, 3)) == 0


def test_an_expression_counts_where_one_was_named_of_a_movement_that_has_one():
    truth = [Event(1.0, 1.1, 1.4, {}, "fear"), Event(2.0, 2.1, 2.4, {})]
    tally = scores.Tally()
    assert tally.named_right == "-"
    for found, expression in ((span(1.0, 1.4), "fear"), (span(1.1, 1.4), "anger"), (span(1.0, 1.4), "")):
        tally.name(truth, found, expression)
    tally.name(truth, span(2.0, 2.4), "fear")
    tally.name(truth, span(1.3, 1.9), "fear")
    assert tally.named_right == "50 % of 2"


def test_films_become_fields_once_and_are_read_back(tmp_path, monkeypatch):
    monkeypatch.setattr(material, "SECONDS", 2.0)
    faces = [drawn.drawn(3)]
    (path,) = material.write(faces, 1, tmp_path, seed=1)
    before = path.stat().st_mtime_ns
    list(material.write(faces, 1, tmp_path, seed=1))
    assert path.stat().st_mtime_ns == before, "what is there is left"
    for others, seed in ((faces, 2), ([drawn.drawn(4)], 1)):
        with pytest.raises(UsageError, match="of other faces, or by another seed; choose another --out"):
            list(material.write(others, 2, tmp_path, seed))
    (strip,) = material.read(tmp_path)
    assert strip.steps.shape[1:] == (CELLS, 2) and len(strip.steps) == len(strip.t_s) > 90
    assert np.isfinite(strip.steps.astype(np.float32)).all()


def test_a_tree_like_casme2_is_read_as_casme2_is(tmp_path):
    assert write_casme2(tmp_path, [drawn.drawn(1), drawn.drawn(2)], side=48) == 10
    found = load_sequences(tmp_path, "casme2")
    assert len(found) == 10 and not found.problems and set(found.subjects) == {"sub01", "sub02"}
    for sequence in found.sequences:
        (event,) = sequence.events
        assert 0 < event.onset < event.apex < event.offset < len(sequence)
        assert set(event.units) == set(casme_tree.EMOTIONS[sequence.label])


def test_phases_and_expressions_follow_the_script():
    keras = pytest.importorskip("keras")
    assert keras
    from edgefer.train.micro import network

    t_s = np.arange(0, 1, 0.05)
    event = Event(0.2, 0.4, 0.6, {12: 1.0}, "happiness")
    phase, expression = network.truth([event], t_s)
    assert (phase[:4] == 0).all() and (phase[5:8] == 1).all() and (phase[9:12] == 2).all() and (phase[14:] == 0).all()
    assert set(expression[phase > 0]) == {MICRO.index("happiness")} and set(expression[phase == 0]) == {-1}


def test_table_4_leaves_each_subject_out_once(tmp_path, monkeypatch):
    from edgefer.train.micro import casme

    write_casme2(tmp_path, [drawn.drawn(number) for number in range(3)], side=48)
    rows = casme.read(tmp_path, motion=True)
    assert rows.frames.shape == (15, casme.LENGTH, casme.SIDE, casme.SIDE, 1) and rows.five.shape[1] == 5
    assert not rows.five[:, 3].any(), "the first frame does not differ from itself"
    left_out = []

    def judged(rows, train, test, plan, seed):
        assert not set(rows.subjects[train]) & set(rows.subjects[test])
        left_out.extend(test.tolist())
        return rows.truth[test]

    monkeypatch.setattr(casme, "judged", judged)
    found = casme.table4(rows, casme.Plan())
    assert sorted(left_out) == list(range(15)) and found["accuracy"] == 100 and found["subjects"] == 3


def test_both_networks_of_table_4_have_the_papers_sizes():
    pytest.importorskip("keras")
    from edgefer.train.micro import casme

    cnn, lstm = casme.networks(casme.Plan())
    # 5x5 convolutions of 64, 128, 256, dense 512, six answers; an LSTM of 128 and five answers
    assert cnn.count_params() == 1664 + 204_928 + 819_456 + 9216 * 512 + 512 + 512 * 6 + 6
    assert lstm.count_params() == 4 * (512 + 128 + 1) * 128 + 128 * 5 + 5


def test_training_goes_on_from_weights_that_learn_wrote_alone(tmp_path):
    pytest.importorskip("keras")
    from edgefer.train.micro import network

    with pytest.raises(UsageError, match="no weights that learn wrote"):
        network.learn([], tmp_path, 100, further=tmp_path / "nothing.weights.h5")
