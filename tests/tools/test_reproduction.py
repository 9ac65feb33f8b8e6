"""The page of the papers' tables is what the records give."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from edgefer.errors import UsageError
from edgefer.train.recipes import OWNERS, RECIPES, repetition
from edgefer.train.runs import keep, keep_short
from edgefer.train.short import short_form
from tools import collect as collecting
from tools import gains, reproduction, trailing
from tools.papers import CROSS, OWN, TABLES

DATA = Path(os.environ.get("EDGEFER_DATA", Path(__file__).parents[2] / "../shared/data"))


def write_run(folder, name, accuracy, seed=1, rows=2948, **other):
    """A run's directory, finished: of its recipe where there is one, but for other settings."""
    directory = folder / name
    directory.mkdir(parents=True)
    recipe = OWNERS.get(f"runs/{name}")
    settings = asdict(repetition(*recipe)[-1][1]) if recipe else {"seed": seed}
    (directory / "settings.json").write_text(json.dumps({**settings, **other}))
    done = {
        "val_accuracy_float32": accuracy,
        "val_rows": rows,
        "val_commonest": 38.5,
        "val_rule": "majority",
        "val_counts": f"{rows} of 3589 rows count; dropped: 280 duplicates of train",
        "seconds": 7260,
        "hardware": "a processor, 2 threads",
        "backend": "Keras 3, tensorflow",
    }
    (directory / "done.json").write_text(json.dumps(done))
    return directory


@pytest.fixture
def records(tmp_path):
    folder = tmp_path / "records"
    for name, accuracy, seed in (
        ("ferplus-grey", 80.0, 1),
        ("ferplus-grey-2", 81.0, 2),
        ("ferplus-sobel", 83.0, 1),
        ("ferplus-sobel-2", 83.6, 2),
        ("ferplus-sobel-3", 84.0, 3),
        ("kdef-rtnn-grey", 70.5, 1),
    ):
        keep(write_run(tmp_path / "runs", name, accuracy, seed), folder)
    return folder


def cells(page, start):
    """The cells of the first table line that begins with a name."""
    line = next(line for line in page.splitlines() if line.startswith(f"| {start} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_page_in_the_tree_is_what_the_records_give():
    """`make docs` writes it."""
    assert reproduction.main(["--check"]) == 0


def test_a_figure_that_was_judged_again_is_told_beside_that_of_its_training():
    runs = reproduction.read_records(reproduction.RECORDS)
    (words,) = trailing.section(reproduction.RECORDS, runs)
    trained = runs["rtnn-grey"]
    assert f"{trained.accuracy:.2f} %" in words and f"a difference of 1 of {trained.rows:,} rows" in " ".join(
        words.split()
    )
    again = {"rtnn-grey": replace(trained, accuracy=float(cells(words, "ours")[1]))}
    assert "judged again" not in trailing.section(reproduction.RECORDS, runs | again)[0], "they are the same"


def test_short_forms_stand_apart_with_their_gain_over_the_first_row_of_the_table(tmp_path, records):
    for name, accuracy, losses, exported in (
        ("ferplus-grey", 50.0, [2.0, 1.5], "int8 49.90"),
        ("ferplus-grey-2", 52.0, [2.2, 1.7], ""),
        ("ferplus-laplacian", 53.0, [2.0, 1.4], "export: int8 has 50.00 % (95 % …); at most 0.3"),
        ("ferplus-laplacian-2", 54.0, [2.0, 1.4], ""),
        ("rtnn-stl", 40.0, [2.0, 1.9], "float32 40.00"),
    ):
        recipe, number = name.removesuffix("-2"), 2 if name.endswith("-2") else 1
        run, settings = short_form(recipe, number)
        folder = write_run(tmp_path / "short", name, accuracy, **asdict(replace(settings, rows=2948)))
        done = json.loads((folder / "done.json").read_text()) | {"train_rows": settings.rows}
        (folder / "done.json").write_text(json.dumps(done))
        (folder / "metrics.jsonl").write_text("".join(f'{{"loss": {loss}}}\n' for loss in losses))
        assert Path(run).name == name
        keep_short(folder, exported, records / "short")
    page = reproduction.page(records, tmp_path / "no models")
    tables, forms = page.split("## Short forms")
    assert cells(forms, "ferplus-grey") == [
        *("ferplus-grey", "4096, 5 at 32 px", "2.10 to 1.60", "51.00 (50.00 to 52.00)", "2", ""),
        *("38.50", "2948, 1", "7260", "int8 49.90"),
    ]
    assert re.fullmatch(r"\+2\.50 \(0\.1\d\)", cells(forms, "ferplus-laplacian")[5])
    assert cells(forms, "ferplus-laplacian")[-1] == "refused: int8 has 50.00 %"
    assert cells(forms, "rtnn-stl")[3:6] == ["40.00", "1", "not run yet"], "the first row has no short form yet"
    assert cells(tables, "base model")[5] == "80.50 ± 0.71", "they are not among the runs of the tables"


def test_repeated_runs_stand_with_the_papers_figures_and_their_gain(records, tmp_path):
    page = reproduction.page(records, tmp_path / "no models")
    sobel = cells(page, "base + Sobel (concatenated)")
    assert sobel[:9] == [
        *("base + Sobel (concatenated)", "83.3", "82.71", "83.99", "0.65"),
        *("83.53 ± 0.50", "83.00", "84.00", "3"),
    ]
    # both seeds that both rows have: (3.0 + 2.6) / 2
    assert re.fullmatch(r"\+2\.80 \(\+2\.93; 0\.0\d+\)", sobel[9])
    assert cells(page, "base + Laplacian (concatenated)")[5:] == ["not run yet", "", "", "0", "not run yet (+2.46)"]
    assert cells(page, "ferplus-sobel-3") == [
        *("ferplus-sobel-3", "84.00", "2948", "1", "3"),
        "a processor, 2 threads; Keras 3, tensorflow; 121 min",
    ]
    assert "ferplus-sobel-3 | 84.00" in page and "unlike" not in page
    assert "1. majority: 2948 of 3589 rows count" in page


def test_gains_are_read_with_the_seeds_that_would_decide_them(records, tmp_path):
    """sobel's three seeds: deviation 0.503; 2.8 over both is 3.9 deviations of a difference."""
    page = reproduction.page(records, tmp_path / "no models")
    reading = page.split("## What the gains say so far")[1].split("\n## ")[0]
    assert cells(reading, "base + Sobel (concatenated)")[1:] == ["+2.93", "+2.80", "2", "3"]
    assert "differ by up to 0.50 (standard deviation; ferplus-sobel, 3 seeds)" in reading
    assert "Laplacian" not in reading, "it has no runs"
    (records / "ferplus-sobel-3.json").unlink()
    assert "What the gains say" not in reproduction.page(records, tmp_path / "no models")


@pytest.mark.parametrize("effect", [0.2, 0.8, 1.3, 3.9])
@pytest.mark.parametrize("seeds", [2, 3, 5, 13, 40])
def test_the_power_of_a_paired_test_agrees_with_scipys(effect, seeds):
    stats = pytest.importorskip("scipy.stats", reason="needs SciPy")
    limit, middle = stats.t.ppf(0.975, seeds - 1), effect * seeds**0.5
    expected = 1 - stats.nct.cdf(limit, seeds - 1, middle) + stats.nct.cdf(-limit, seeds - 1, middle)
    assert gains.power(effect, seeds) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("effect", [0.3, -0.8, 1.3, 10.0])
def test_seeds_decide_from_the_first_number_that_reaches_the_power(effect):
    needed = gains.seeds_needed(effect)
    assert gains.power(effect, needed) >= gains.POWER
    assert needed == 2 or gains.power(effect, needed - 1) < gains.POWER


def test_what_a_model_went_on_from_is_named_with_the_seeds_it_was_chosen_among(tmp_path):
    """And which networks are rounded, in whose figures that is; the names are of models that ship."""
    for number, accuracy in (("", 88.6), ("-2", 88.0), ("-3", 88.3)):
        keep(write_run(tmp_path / "runs", f"edgefer-s-lessons{number}", accuracy), tmp_path / "records")
    keep(write_run(tmp_path / "runs", "edgefer-s", 88.5), tmp_path / "records")
    page = reproduction.page(tmp_path / "records")
    said = "`edgefer-s` went on from `edgefer-s-lessons`, on these rows the best of 3 seeds, whose mean is 88.30 ± 0.30"
    assert said in page
    assert "`edgefer-s` learnt on with weights and activations rounded" in page
    keep(write_run(tmp_path / "more", "edgefer-s-lessons-4", 88.9), tmp_path / "records")
    assert "went on from" not in reproduction.page(tmp_path / "records"), "another seed is better"


def test_a_run_on_another_set_goes_into_its_own_columns(records, tmp_path):
    page = reproduction.page(records, tmp_path / "no models")
    assert cells(page, "Original RTNN by Arriaga et al.")[2:] == [
        *("70.50", "70.50", "70.50", "1", ""),
        *("not run yet; needs KDEF", "", "", "0", ""),
        *("not run yet", "", "", "0", ""),
    ]


def test_the_cross_table_takes_what_eval_said(records, tmp_path):
    (records / "cross").mkdir()
    said = {"model": "m", "data": "CK+", "split": "all", "rule": "r", "accuracy": 91.234, "rows": 654}
    (records / "cross" / "fer2013-on-ckplus.json").write_text(json.dumps(said))
    page = reproduction.page(records, tmp_path / "no models")
    assert cells(page, "FER2013")[1] == "92.0 / 91.23 on 654 rows"
    assert cells(page, "CK+")[1:3] == ["98.62 / not run yet; needs CK+", "69.3 / not run yet; needs CK+"]
    assert cells(page, "FER2013")[2:] == ["72.1 / not run yet", "78.0 / not available"]
    assert "`fer2013-on-ckplus`: m, CK+, split all; r." in page


def test_folds_are_averaged_and_are_the_set_tested_on_itself(tmp_path):
    for number, accuracy in ((1, 70.0), (2, 73.0)):
        name = "folds-breuer-grey" + (f"-{number}" if number > 1 else "")
        keep(write_run(tmp_path / "runs", name, accuracy, rows=2871), tmp_path / "records")
    page = reproduction.page(tmp_path / "records", tmp_path / "no models")
    assert cells(page, "5x5 CNN")[1:3] == ["98.62 ± 0.11", "not run yet; needs CK+"], "that of CK+ comes first"
    assert "| 72.1 ± 0.5        | 71.50 ± 2.12" in page
    assert cells(page, "folds-breuer-grey-2")[4] == "1, fold:2/10"
    assert cells(page, "FER2013")[2] == "72.1 / 71.50 on 5742 rows, 2 folds"


def test_a_run_that_did_not_follow_its_recipe_says_so(tmp_path):
    run = write_run(tmp_path / "runs", "edgefer-s-quick", 83.0, stages=[[48, 5]], teachers="", size=48)
    keep(run, tmp_path / "records")
    page = reproduction.page(tmp_path / "records", tmp_path / "no models")
    assert "; unlike its recipe: stages 48:5 (48:30), teachers none (runs/edgefer-s-first)" in page.replace(
        "rate 0.003 (0.0015), ", ""
    ), page[-3000:]


def test_finished_runs_of_recipes_are_kept_and_judged_on_the_other_sets(tmp_path, monkeypatch):
    """Only what is not there, or was made otherwise, is named as missing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDGEFER_DATA", str(tmp_path / "data"))
    write_run(tmp_path / "runs", "ferplus-grey", 80.0)
    write_run(tmp_path / "runs", "ferplus-sobel", 80.0, batch=7)
    write_run(tmp_path / "runs", "breuer-grey", 70.0)
    records = tmp_path / "records"
    missing = collecting.collect(records)
    assert {path.stem for path in records.glob("*.json")} == {"ferplus-grey", "breuer-grey"}
    assert missing[0].startswith("runs/ferplus-sobel: not kept; unlike its recipe: batch 7 (128)")
    assert "ckplus-on-fer2013: runs/ckplus-breuer-grey is not there or not finished" in missing
    assert "fer2013-on-ckplus: CK+ is neither here nor under EDGEFER_DATA" in missing

    (tmp_path / "CK+").mkdir()
    judged = {"model": "breuer-grey", "data": "CK+", "split": "all", "rule": "r", "accuracy": 90.0, "rows": 9}
    monkeypatch.setattr(collecting.datasets, "load", lambda path, labels: (path, labels))
    monkeypatch.setattr(collecting, "judged_on", lambda run, data: {**judged, "rule": str(data)})
    missing = collecting.collect(records, [Path("runs/ferplus-sobel")])
    assert not any("fer2013-on-ckplus" in line for line in missing)
    page = reproduction.page(records, tmp_path / "no models")
    assert "92.0 / 90.00 on 9 rows" in page and "split all; (PosixPath('CK+'), 'basic7')." in page
    assert cells(page, "ferplus-sobel")[-1].endswith("; unlike its recipe: batch 7 (128)"), "it was named"


def test_an_unfinished_run_is_refused(tmp_path):
    directory = write_run(tmp_path, "ferplus-grey", 80.0)
    (directory / "done.json").unlink()
    with pytest.raises(UsageError, match="done.json: not there; expected a finished run"):
        keep(directory, tmp_path / "records")


def test_every_printed_figure_occurs_in_its_paper():
    folder = DATA.parent / "papers"
    if not folder.is_dir():
        pytest.skip(f"needs the text of the papers in {folder}")
    texts = {name: (folder / f"{name}.txt").read_text() for name in ("pandey", "breuer")}
    for entry in TABLES:
        text = texts[entry.title.split()[0].lower()]
        for row in entry.rows:
            for figure in row.printed:
                assert all(part in text for part in figure.split(" ± ")), (entry.title, row.name, figure)
    for row in CROSS.values():
        assert all(f"{figure}%" in texts["breuer"] for figure in row.values())


def test_every_record_is_of_a_recipe_that_there_is():
    kept = [*reproduction.RECORDS.glob("*.json"), *(reproduction.RECORDS / "short").glob("*.json")]
    assert kept and {re.sub(r"-\d+$", "", path.stem) for path in kept} <= set(RECIPES)


def test_every_row_of_ours_has_its_recipe_and_every_recipe_its_row():
    tables = (*TABLES, OWN)
    named = {prefix + row.recipe for t in tables for prefix, _ in t.ours for row in t.rows if row.recipe}
    assert named | {trailing.HALF} >= set(RECIPES)
    for entry in tables:
        for row in (row for row in entry.rows if row.recipe):
            assert {prefix + row.recipe for prefix, _ in entry.ours} & set(RECIPES), row


def test_rows_of_ours_stand_in_one_table_once():
    for entry in (*TABLES, OWN):
        names = [row.recipe for row in entry.rows if row.recipe]
        assert len(names) == len(set(names))
        assert not entry.base or entry.base in names


def test_no_record_tells_where_files_lay_on_one_machine():
    root = Path(__file__).parents[2]
    records = [*(root / "docs" / "reproduction").rglob("*.json"), *(root / "bench" / "results").glob("*.json")]
    told = [path.name for path in records if re.search(r'"/|"~|\.\./', path.read_text())]
    assert records and told == []
