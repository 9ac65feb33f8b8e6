"""The same picture gives the same reading alone, in any folder, in any order, from a path and from pixels."""

from __future__ import annotations

import json
import zipfile

import cv2
import numpy as np
import pytest
from portrait import backdrop, data_file, paste

import edgefer
from edgefer.commands.console import main


def values(faces) -> list:
    """All that is read of faces."""
    return [
        (face.track, tuple(face.box), face.expression, face.confidence, tuple(face.scores.items()), face.quality)
        for face in faces
    ]


@pytest.fixture(scope="module")
def composed(tmp_path_factory):
    """Photographs of one size: another place, size and tilt of the face in each, two faces in some, none in one."""
    folder, rng = tmp_path_factory.mktemp("composed"), np.random.default_rng(4)
    for number in range(12):
        scene = backdrop((320, 240))
        for _ in range(0 if number == 5 else 1 + number % 2):
            centre = rng.uniform(60, 260), rng.uniform(60, 180)
            scene = paste(scene, centre, float(rng.uniform(36, 90)), float(rng.uniform(-15, 15)), bool(number % 3))
        assert cv2.imwrite(str(folder / f"{number}.png"), scene)
    return folder


@pytest.fixture(scope="module")
def portraits(tmp_path_factory):
    """120 photographs of one size, 160x160, of as many people."""
    folder = tmp_path_factory.mktemp("portraits")
    with zipfile.ZipFile(data_file("faces/faces.zip")) as archive:
        names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
        for name in names[::40]:
            data = archive.read(name)
            if cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE).shape == (160, 160):
                (folder / name).write_bytes(data)
            if len(list(folder.iterdir())) == 120:
                return folder
    return folder


@pytest.fixture(params=["composed", "portraits"])
def folder(request):
    return request.getfixturevalue(request.param)


def test_the_order_of_photographs_changes_nothing(folder):
    paths = sorted(folder.iterdir())
    alone = {path.name: values(edgefer.read(path)) for path in paths}
    assert sum(map(bool, alone.values())) >= 0.9 * len(paths) - 1
    shuffled = [paths[index] for index in np.random.default_rng(1).permutation(len(paths))]
    for order in (paths, paths[::-1], shuffled):
        with edgefer.stream([str(path) for path in order]) as readings:
            assert {reading.image.rpartition("/")[2]: values(reading.faces) for reading in readings} == alone
    with edgefer.stream(folder) as readings:
        assert {reading.image: values(reading.faces) for reading in readings} == alone


def test_a_path_and_its_pixels_give_the_same(folder, tmp_path):
    reader = edgefer.Reader()
    for path in sorted(folder.iterdir())[:12]:
        bgr = cv2.imread(str(path))
        expected = values(reader.read(path))
        assert values(reader.read(bgr)) == expected
        assert values(reader.read(np.ascontiguousarray(bgr[:, :, ::-1]), rgb=True)) == expected
        other = tmp_path / "other name"
        other.write_bytes(path.read_bytes())
        assert values(reader.read(other)) == expected


def test_a_film_before_it_changes_nothing(composed):
    """One reader may do both."""
    path = sorted(composed.iterdir())[0]
    expected = values(edgefer.read(path))
    reader = edgefer.Reader()
    for index in range(5):
        reader.process(cv2.imread(str(path)), t_s=index * 0.04)
    assert values(reader.read(path)) == expected


def test_the_command_line_gives_what_python_gives(composed, capfd):
    assert main(["run", "--source", str(composed), "--output", "jsonl", "-q"]) == 0
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["image"] for line in lines] == [f"{number}.png" for number in range(12)]
    for line in lines:
        faces = edgefer.read(composed / line["image"])
        assert [face["expression"] for face in line["faces"]] == [face.expression for face in faces]
        assert [face["box"] for face in line["faces"]] == [[round(x, 1) for x in face.box] for face in faces]
        assert line["t_s"] == 0
