"""`edgefer models` and `edgefer eval` through the command line: exit codes, streams, one line each."""

from __future__ import annotations

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest
import tiny_model

from edgefer import defaults
from edgefer.commands import models
from edgefer.commands.console import main
from edgefer.errors import UsageError
from edgefer.models import store
from edgefer.models.directory import load, write
from edgefer.models.manifest import DetectorManifest, DetectorTest, Licence


def shipped_or_tiny(*kinds):
    shipped = [pytest.param(store.SHIPPED / name, id=name) for name in store.shipped(*kinds)]
    return [pytest.param(None, id="tiny"), *shipped]


@pytest.fixture
def directory(tmp_path, request):
    """A copy of a model directory that may be damaged."""
    source = getattr(request, "param", None)
    if source is None:
        return tiny_model.make_directory(tmp_path / "model")
    copy = tmp_path / "model"
    copy.mkdir()
    for path in source.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    return copy


@pytest.mark.parametrize("directory", shipped_or_tiny(), indirect=True)
def test_a_hundred_changed_bytes_and_a_hundred_truncations_exit_with_4(directory, capfd):
    """Each is one line on stderr and nothing on stdout; the files take turns."""
    rng = np.random.default_rng(412)
    files = sorted(directory.iterdir())
    assert main(["models", "verify", str(directory)]) == 0
    assert capfd.readouterr().out == f"ok       {directory}\n"
    for turn in range(200):
        path = files[turn // 2 % len(files)]
        whole = path.read_bytes()
        at = int(rng.integers(len(whole)))
        if turn % 2:
            broken = whole[:at]
        else:
            broken = bytearray(whole)
            broken[at] ^= int(rng.integers(1, 256))
        path.write_bytes(broken)
        code = main(["models", "verify", str(directory)])
        said = capfd.readouterr()
        assert (code, said.out) == (4, ""), f"{path.name}, byte {at}"
        assert said.err.startswith("refused") and said.err.count("\n") == 1, said.err
        path.write_bytes(whole)
    assert main(["models", "verify", str(directory)]) == 0


@pytest.mark.parametrize("command", ["run", "eval", "verify"])
def test_every_command_that_opens_a_model_refuses_a_damaged_one(directory, tmp_path, command):
    path = directory / "model.tflite"
    path.write_bytes(path.read_bytes()[:-1])
    image = tmp_path / "faces" / "fear" / "a.png"
    image.parent.mkdir(parents=True)
    cv2.imwrite(str(image), np.zeros((48, 48), np.uint8))
    arguments = {
        "run": ["run", "--source", str(image), "--model", str(directory)],
        "eval": ["eval", "--data", str(image.parents[1]), "--model", str(directory)],
        "verify": ["models", "verify", str(directory)],
    }[command]
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from edgefer.commands.console import main; sys.exit(main())", *arguments],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (4, ""), done.stderr
    assert "model.tflite is damaged" in done.stderr
    assert done.stderr.count("\n") == 1


def test_verify_names_the_sound_on_stdout_and_the_refused_on_stderr(directory, tmp_path, capfd):
    assert main(["models", "verify", str(tmp_path / "absent"), str(directory)]) == 4
    said = capfd.readouterr()
    assert said.out == f"ok       {directory}\n"
    assert said.err.startswith(f"refused  model {tmp_path / 'absent'}: expected a model directory")


def test_an_unknown_name_is_bad_usage(capfd):
    assert main(["models", "verify", "no-such-model"]) == 2
    said = capfd.readouterr()
    assert "unknown model 'no-such-model'; available:" in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)


def test_list_shows_what_ships(capfd):
    assert main(["models", "list"]) == 0
    out = capfd.readouterr().out
    for name in store.shipped():
        assert name in out


def test_eval_prints_the_accuracy_alone_or_everything_as_json(directory, tmp_path, capfd):
    for index in range(3):
        image = tmp_path / "faces" / "fear" / f"{index}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(image), np.random.default_rng(index).integers(0, 256, (48, 48), np.uint8))
    arguments = ["eval", "--data", str(tmp_path / "faces"), "--model", str(directory)]
    assert main(arguments) == 0
    said = capfd.readouterr()
    (line,) = [line for line in said.out.splitlines() if line.startswith("accuracy ")]
    assert line in {f"accuracy {value} % on 3 rows" for value in ("0.00", "33.33", "66.67", "100.00")}
    assert said.err == ""
    assert main([*arguments, "--json"]) == 0
    assert f"accuracy {json.loads(capfd.readouterr().out)['accuracy']:.2f} % on 3 rows" == line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--data", "absent.csv"], "absent.csv: no such file"),
        (["--data", ".", "--labels", "basic8"], "unknown label set 'basic8'"),
        (["--data", ".", "--split", "dev"], "dev"),
        ([], "--data"),
    ],
)
def test_bad_eval_usage_is_one_line_and_exit_2(directory, tmp_path, monkeypatch, capfd, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert main(["eval", "--model", str(directory), *arguments]) == 2
    said = capfd.readouterr()
    assert words in said.err
    assert (said.out, said.err.count("\n")) == ("", 1)


@pytest.fixture
def two_models(tmp_path, monkeypatch):
    """A package with one sound and one damaged model."""
    for name in ("tiny", "worn"):
        tiny_model.make_directory(tmp_path / "models" / name, name=name)
    path = tmp_path / "models" / "worn" / "model.tflite"
    path.write_bytes(path.read_bytes()[:-1])
    monkeypatch.setattr(store, "SHIPPED", tmp_path / "models")
    return tmp_path / "models"


def test_the_list_shows_each_model_and_why_one_is_refused(two_models, monkeypatch):
    monkeypatch.setattr(defaults, "MODEL", "tiny")
    header, tiny, worn = models.listing().splitlines()
    assert header.split() == [
        *("name", "kind", "input", "labels", "val", "accuracy", "size"),
        *("licence", "of", "the", "training", "data"),
    ]
    assert tiny.startswith("*  tiny  frame    64x64 grey+sobel  ferplus8  12.50 % of 0")
    assert '2 KiB  no data; "random" weights with a tab' in tiny
    assert worn.startswith("   worn  refused")
    assert "model.tflite is damaged" in worn


def test_an_empty_package_lists_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SHIPPED", tmp_path / "models")
    assert models.listing() == "no models are installed"
    assert models.verify() == {}


def test_verify_judges_each_model_and_goes_on_after_a_refusal(two_models, capsys):
    refusals = models.verify()
    assert refusals["tiny"] == ""
    assert refusals["worn"].startswith(f"model {two_models / 'worn'}: model.tflite is damaged")
    assert [bool(reason) for reason in models.verify(["worn", two_models / "tiny"]).values()] == [True, False]
    with pytest.raises(UsageError, match="unknown model 'tny'; did you mean 'tiny'.; available: tiny, worn"):
        models.verify(["tny"])
    assert main(["models", "verify"]) == 4
    out, err = capsys.readouterr()
    assert out == "ok       tiny\n" and err.startswith("refused  model ")


@pytest.mark.parametrize("directory", shipped_or_tiny("frame"), indirect=True)
def test_show_tells_what_the_manifest_says(directory, monkeypatch, capfd):
    """In lines that fit the terminal, but for hashes and options."""
    monkeypatch.setenv("COLUMNS", "90")
    assert main(["models", "show", str(directory)]) == 0
    page = capfd.readouterr().out
    words = " ".join(page.split())
    manifest = load(directory)
    assert (
        f"{manifest.metrics.accuracy_int8:.2f} % on {manifest.metrics.rows} rows of {manifest.metrics.split}" in words
    )
    labels, licence = ", ".join(manifest.labels), manifest.licence.weights
    for text in (manifest.name, labels, manifest.paper, licence, manifest.training.data):
        assert " ".join(text.split()) in words
    for name, digest in manifest.files.items():
        assert name in words and digest in words
    assert all(len(line) <= 90 or " " not in line.strip() for line in page.splitlines())
    assert main(["models", "show", str(directory), "--json"]) == 0
    content = json.loads(capfd.readouterr().out)
    assert content["labels"] == list(manifest.labels) and content["directory"] == str(directory)
    assert content["files"]["model.tflite"]["bytes"] == (directory / "model.tflite").stat().st_size


def test_show_tells_a_landmark_networks_errors(capfd):
    assert main(["models", "show", "edgefer-landmarks"]) == 0
    words = " ".join(capfd.readouterr().out.split())
    metrics = load(store.find("edgefer-landmarks")).metrics
    assert f"inner {metrics.inner:.6g}" in words and f"rows {metrics.rows}" in words
    assert "right_eye, left_eye, nose, mouth, jaw" in words


def test_show_takes_a_kind_that_it_does_not_know(tmp_path, capfd):
    """A detector's directory, of which the page words nothing by itself."""
    manifest = DetectorManifest(
        name="finder",
        paper="none",
        architecture="none",
        licence=Licence(weights="MIT", training_data="none"),
        decoding="yunet",
        file="model.onnx",
        self_test=(DetectorTest(seed=0, score=0.5),),
    )
    (tmp_path / "model.onnx").write_bytes(b"network")
    write(tmp_path, manifest)
    assert main(["models", "show", str(tmp_path)]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert [line.split() for line in lines if line.startswith("decoding")] == [["decoding", "yunet"]]


@pytest.mark.parametrize(("model", "code"), [("edgefer-z", 2), ("./absent", 4)], ids=["unknown", "no directory"])
def test_show_of_nothing_is_one_line(model, code, capfd):
    assert main(["models", "show", model]) == code
    said = capfd.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert code == 4 or "did you mean 'edgefer-" in said.err
