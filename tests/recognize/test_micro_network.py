"""The shipped model `micro`: its checks, its two ways, and what photographs are told."""

from __future__ import annotations

import io
import shutil

import msgspec
import numpy as np
import pytest

from edgefer import recognize
from edgefer.commands.console import main
from edgefer.errors import ModelError
from edgefer.models import directory, store
from edgefer.recognize.micro.fields import CELLS, SIDE
from edgefer.recognize.micro.learned import DELAY, Decoding, LearnedSpotter, Network, spans
from edgefer.recognize.micro.quiet import Quiet
from edgefer.recognize.micro.ticks import RATE_HZ
from edgefer.sources.demo import portrait_path

PATH = store.find("micro")


@pytest.fixture(scope="module")
def shipped():
    return directory.read(PATH)


def test_both_ways_open_and_say_what_they_need():
    for method in ("flow", "lstm"):
        recognizer = recognize.open(f"micro,method={method}")
        assert recognizer.labels == ("none", "rising", "falling") and recognizer.needs.window_s > 1
    assert PATH.joinpath("MODEL_CARD.md").read_text().splitlines()[0].lower().count("synthetic")
    assert sum(file.stat().st_size for file in PATH.iterdir()) < 1 << 20


def test_photographs_are_refused_in_one_line(capsys):
    assert main(["run", "--source", str(portrait_path()), "--model", "micro"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "model micro judges 2.5 s of film" in line and "photographs" in line


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recurrent": np.zeros((3, 3), np.float32)}, "recurrent: expected finite float32"),
        ({"bias": None}, "bias"),
        ({"phase_bias": np.float32([9, 9, -9])}, "self-test .* failed"),
    ],
    ids=["shape", "missing", "other numbers"],
)
def test_a_network_that_is_not_what_the_manifest_says_is_refused(change, words, shipped):
    manifest, content = shipped
    with np.load(io.BytesIO(content)) as file:
        arrays = {**{name: file[name] for name in file.files}, **change}
    changed = io.BytesIO()
    np.savez(changed, **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(ModelError, match=words):
        Network(changed.getvalue(), manifest)
    with pytest.raises(ModelError, match="model micro: model.npz"):
        Network(b"no archive", manifest)


def test_a_directory_may_choose_the_other_way(tmp_path, shipped):
    manifest, _ = shipped
    folder = tmp_path / "micro"
    shutil.copytree(PATH, folder)
    other = "lstm" if manifest.method == "flow" else "flow"
    directory.write(folder, msgspec.structs.replace(manifest, method=other))
    assert recognize.open(folder).name == "micro"


def test_phases_become_spans_between_ticks():
    t_s = np.arange(60) / RATE_HZ
    moving = np.interp(t_s, [0.3, 0.34, 0.5, 0.56], [0, 1, 1, 0])
    rising = np.where(t_s < 0.42, moving, 0.1 * moving)
    phases = np.stack([1 - moving, rising, moving - rising], axis=1)
    ((onset, apex, offset, sure),) = spans(t_s, phases, Decoding(0.5, 0.7))
    assert onset == pytest.approx(0.32, abs=0.012) and offset == pytest.approx(0.53, abs=0.012)
    assert apex == pytest.approx(0.42, abs=0.02) and sure == pytest.approx(1)
    assert spans(t_s, phases, Decoding(0.5, 0.7, shortest_s=0.3)) == []


def test_a_spotter_tells_a_span_once_and_only_when_it_is_over(shipped):
    manifest, content = shipped

    network, ticks = Network(content, manifest), []

    def step(tensor, state):
        """In a movement from the 90th to the 110th tick, told DELAY later."""
        ticks.append(tensor)
        moving = 1.0 if 90 <= len(ticks) - DELAY < 110 else 0.0
        return np.float32([1 - moving, moving, 0]), np.full(6, 1 / 6, np.float32), state

    network.step = step
    spotter, told = LearnedSpotter(network, Decoding(), manifest.expression_labels), []
    for number in range(200):
        quiet = np.zeros((CELLS, 2), np.float32)
        steps = np.full((CELLS, 2), 0.01, np.float32)
        tick = Quiet(number / RATE_HZ, steps, np.full(CELLS, 1e-3, np.float32), quiet)
        told += [(number, each) for each in spotter.add(tick)]
    told += [(200, each) for each in spotter.finish()]
    ((number, event),) = told
    assert event.onset_s == pytest.approx(89 / RATE_HZ, abs=0.02) and event.offset_s < number / RATE_HZ - 0.25
    assert network.tensor(np.zeros((SIDE, SIDE, 2), np.float32)).shape == (1, SIDE, SIDE, 2)
