"""docs/python.md and docs/landmarks.md: every example, run in order as it stands there; and what help() shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

import edgefer

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "python.md"
pytestmark = pytest.mark.skipif(not PAGE.is_file(), reason="needs the whole checkout")
FPS, FRAMES = 25, 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files that the page names."""
    portrait_path = pytest.importorskip("edgefer.sources.demo").portrait_path
    try:
        image = cv2.imread(str(portrait_path()))
    except edgefer.EdgeferError:
        pytest.skip("the demo's portrait needs matplotlib")
    where = tmp_path_factory.mktemp("page")
    (where / "photos" / "more").mkdir(parents=True)
    for name in ("photos/a.jpg", "photos/b.jpg", "photos/more/c.jpg", "photo.jpg"):
        (where / name).write_bytes(portrait_path().read_bytes())
    writer = cv2.VideoWriter(str(where / "film.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), FPS, (512, 600))
    for shift in range(FRAMES):
        writer.write(np.roll(image, shift, axis=1))
    writer.release()
    return where


@pytest.fixture(scope="module")
def after(folder):
    """The names of the page's examples after all of them, and the lines they print."""
    for module in ("av", "pandas", "PIL"):
        pytest.importorskip(module)
    lines: list[str] = []
    names: dict = {"print": lambda *values: lines.append(" ".join(map(str, values)))}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for number, block in enumerate(re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)):
            exec(compile(block, f"docs/python.md, example {number + 1}", "exec"), names)
    return names, lines


def test_the_examples_run_and_give_what_they_say(after, folder):
    names, lines = after
    assert lines[0].startswith("neutral ")
    assert any("expected a numpy array of uint8" in line and "float32" in line for line in lines)
    assert lines[-1].startswith("none.jpg: no such file")
    assert {name: len(faces) for name, faces in names["counts"].items()} == {"a.jpg": 1, "b.jpg": 1, "more/c.jpg": 1}
    assert sorted(folder.glob("seen-*.jpg"))
    assert len(names["rows"]) == len(names["frame"]) == FRAMES


def test_the_examples_of_landmarks_run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "landmarks.md").read_text(), re.S):
        exec(compile(block, "docs/landmarks.md", "exec"), {})
    points, pose = capsys.readouterr().out.splitlines()
    assert points.startswith("(68, 2) [") and pose.startswith("yaw ")


def test_the_seconds_of_a_person_add_up_to_the_film(after):
    people = after[0]["people"]
    assert list(people["person"]) == [1]
    assert people["seconds"][0] == pytest.approx(FRAMES / FPS, abs=1e-6)
    assert people["smiling"][0] == pytest.approx(people.get("happiness", np.zeros(1))[0])
    assert people["neutral"][0] > 1


def test_help_shows_the_door():
    """With its arguments, although importing the package loads nothing of it."""
    run = subprocess.run([sys.executable, "-m", "pydoc", "edgefer"], capture_output=True, text=True, check=True)
    text = run.stdout.replace("'", "")  # some Pythons quote annotations
    for name in ("read(image", "stream(", "source:", "class Reader", "process(self, image", "class EdgeferError"):
        assert name in text, name
    assert "rgb: bool = False" in text and "Raises:" in text


def test_the_names_of_the_door_are_all_there():
    assert {"read", "stream", "Reader", "EdgeferError"} <= set(edgefer.__all__) <= set(dir(edgefer))
    for name in edgefer.__all__:
        assert getattr(edgefer, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'raed'"):
        _ = edgefer.raed
