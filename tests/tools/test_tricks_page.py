"""The page of tricks is what its records give."""

import json
from dataclasses import asdict, replace

import pytest

from edgefer.train.tricks import FOLDER, run_of
from tools import tricks


@pytest.fixture
def records(tmp_path):
    folder = tmp_path / FOLDER
    folder.mkdir()
    done = {
        "train_rows": 28386,
        "val_rows": 2948,
        "val_rule": "FER+ majority: and so on",
        "hardware": "h",
        "backend": "b",
    }
    for name, seed, accuracy in (("plain", 1, 70.0), ("plain", 2, 72.0), ("grey", 1, 69.0), ("grey", 2, 70.5)):
        run, settings = run_of(name, seed)
        content = {"settings": asdict(settings), "done": {**done, "val_accuracy_float32": accuracy}}
        (folder / f"{run}.json").write_text(json.dumps(content))
    run, settings = run_of("mixed", 1)
    other = {"settings": asdict(replace(settings, rate=1.0)), "done": {**done, "val_accuracy_float32": 99.0}}
    (folder / f"{run}.json").write_text(json.dumps(other))
    return tmp_path


def test_the_page_in_the_tree_is_what_the_records_give(tmp_path):
    """`make docs` writes it."""
    assert tricks.main(["--check"]) == 0
    tricks.draw(tmp_path / "picture.png")
    assert (tmp_path / "picture.png").stat().st_size > 10_000


def test_a_gain_is_of_the_same_seeds_and_a_run_made_otherwise_has_none(records):
    assert tricks.gains(records) == {"grey": [-1.0, -1.5]}
    page = tricks.page(records)
    line = next(line for line in page.splitlines() if line.startswith("| grey alone"))
    assert [cell.strip() for cell in line.strip("|").split("|")][1:] == [
        "69.75",
        "69.00",
        "70.50",
        "2",
        "-1.25",
        "0.13",
    ]
    assert "99.00" not in page and "28,386 rows" in page and "2,948 rows of val (FER+ majority)" in page


def test_gains_are_told_that_hold_with_all_of_them_taken_together():
    """Three have a p below 0.05 by themselves; one of them, 0.03, is doubled for the two that are left."""
    found = {"grey": [-1.0, -1.01, -0.99], "mixed": [0.5, 0.9, 0.62], "longer": [3.0, 3.01, 3.02], "taught": [9.0]}
    found["last"] = [0.1, -0.1, 0.05]
    assert [tricks._p(both) < 0.05 for both in found.values() if len(both) > 1] == [True, True, True, False]
    words = tricks._together(found)
    assert words.startswith("Of 4 such tests")
    gain, loss = (tricks.TRICKS[name].words for name in ("longer", "grey"))
    assert f"it is a gain to have: {gain}. A loss: {loss}. Of the others" in words
