"""Tricks: each changes one thing of the plain run, and what is on record is not trained again."""

import json
from dataclasses import asdict

import pytest

from edgefer.train import tricks
from edgefer.train.tricks import BREUER, PLAIN, RTNN, TRICKS, run_of


def test_each_trick_differs_from_its_plain_run_and_from_the_others_of_it():
    for plain in (PLAIN, RTNN, BREUER):
        names = [name for name, trick in TRICKS.items() if trick.plain == plain]
        made = [asdict(run_of(name, 1)[1]) for name in names]
        changed = [{key: value for key, value in each.items() if value != asdict(plain)[key]} for each in made]
        assert changed[0] == {} and all(changed[1:])
        assert all(one != other for number, one in enumerate(changed) for other in changed[:number])
    assert {run_of("plain", seed)[1].seed for seed in (1, 2)} == {1, 2}


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Runs that are asked for, and are finished at once."""
    pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")
    from edgefer.train import fit

    monkeypatch.chdir(tmp_path)
    runs = []

    def made(settings, out):
        runs.append(out.name)
        out.mkdir(parents=True)
        (out / "settings.json").write_text(json.dumps(asdict(settings)))
        (out / "done.json").write_text(json.dumps({"val_accuracy_float32": 50.0}))

    monkeypatch.setattr(fit, "fit", made)
    return runs


def test_what_is_on_record_is_left_out(tmp_path, trained):
    arguments = ["--records", str(tmp_path / "kept"), "plain", "grey"]
    assert tricks.main(["--seeds", "1", *arguments]) == 0
    assert trained == ["plain-1", "grey-1"]
    assert {path.name for path in (tmp_path / "kept" / "tricks").iterdir()} == {"plain-1.json", "grey-1.json"}
    assert tricks.main(["--seeds", "1,2", *arguments]) == 0
    assert trained[2:] == ["plain-2", "grey-2"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["nonesuch"], "unknown trick 'nonesuch'; available: plain,"), (["--seeds", "1,b"], "--seeds: expected whole")],
)
def test_what_is_not_there_is_one_line(arguments, words, capsys):
    assert tricks.main(arguments) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith(f"edgefer: {words}")
