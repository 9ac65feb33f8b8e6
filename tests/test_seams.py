"""Each seam takes something new by one file and one registration; all else follows from the registry."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Annotated

import msgspec
import numpy as np
import pytest
from msgspec import Meta

from edgefer import config
from edgefer.commands.console import main
from edgefer.detect.registry import DETECTORS
from edgefer.landmarks.base import LANDMARKERS
from edgefer.models import directory, manifest
from edgefer.models.manifest import Licence, Manifest
from edgefer.recognize.registry import KINDS
from edgefer.sinks.registry import OUTPUTS
from edgefer.sources.registry import SOURCES, STILL
from edgefer.support.registry import Entry, Options


@pytest.fixture(autouse=True)
def own_registries(monkeypatch, tmp_path):
    """What a test registers is gone after it; the files it writes can be imported."""
    for registry in (DETECTORS, KINDS, LANDMARKERS, OUTPUTS, SOURCES):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)


def write_module(name: str, code: str) -> None:
    """The one file."""
    sys.modules.pop(name, None)
    with open(f"{name}.py", "w") as file:
        file.write("import numpy as np\nfrom edgefer.values import *\nfrom edgefer.geometry import Box\n" + code)


# --- a source


class PatternOptions(Options):
    frames: Annotated[int, Meta(ge=1, le=1000, description="how many frames")] = 5
    side: Annotated[int, Meta(ge=16, le=512, description="of the picture, pixels")] = 200


def add_source(needs=frozenset()) -> None:
    write_module(
        "pattern",
        """
from edgefer.sources.base import Source
class Pattern(Source):
    name, fps = "pattern", 25.0
    def __init__(self, options):
        self._options, self._next = options, 0
        self.size, self.length = (options.side, options.side), options.frames
    def read(self):
        if self._next == self._options.frames:
            return None
        index, self._next = self._next, self._next + 1
        grey = np.random.default_rng(1).integers(60, 200, self.size, np.uint8)
        return Frame(index, grey, index * 40_000_000, 0)
""",
    )
    SOURCES.add(Entry("pattern", "a test picture", "pattern:Pattern", PatternOptions, "frames", needs))


# --- a detector


class FixedOptions(Options):
    box_side: Annotated[float, Meta(gt=0, le=500, description="of the box, pixels")] = 100.0
    margin: Annotated[float, Meta(ge=0, lt=0.5, description="not used")] = 0.0


def add_detector() -> None:
    write_module(
        "fixed",
        """
from edgefer.detect.base import Levels, Look
class Fixed:
    levels, parts = Levels(0.9, 0.5, 0.3), 1
    def __init__(self, options, *, min_face_px, max_side_px, threads):
        self._box = Box(40, 40, 40 + options.box_side, 40 + options.box_side)
    def detect(self, grey, region=None, *, part=None, known=()):
        return [Detection(self._box, 1.0)]
    def look(self, grey, box, thorough=False):
        return Look(self._box, 1.0)
""",
    )
    DETECTORS.add(Entry("fixed", "always the same box", "fixed:Fixed", FixedOptions))


# --- an output


class CountOptions(Options):
    path: Annotated[str, Meta(min_length=1, description="file for the count")]
    faces_only: Annotated[bool, Meta(description="leave out frames without a face")] = False


def add_output() -> None:
    write_module(
        "count",
        """
from edgefer.sinks.base import Sink
class Count(Sink):
    def __init__(self, options, *, labels, title, fps):
        self.name, self._options, self._count, self._labels = "count", options, 0, labels
    def write(self, reading, frame=None):
        self._count += bool(reading.faces) or not self._options.faces_only
    def close(self):
        with open(self._options.path, "w") as file:
            file.write(f"{self._count} {' '.join(self._labels)}")
""",
    )
    OUTPUTS.add(Entry("count", "how many readings there were", "count:Count", CountOptions, "path"))


# --- a kind of model, with a window, that needs landmarks


class SpanManifest(Manifest, tag="span", frozen=True, kw_only=True):
    window_s: float

    @property
    def network(self) -> str:
        return "weights.npy"


class SpanOptions(Options):
    threshold: Annotated[float, Meta(ge=0, le=1, description="from which it is moving")] = 0.5


def add_kind(tmp_path, window_s: float = 0.08) -> str:
    write_module(
        "span",
        """
from edgefer.recognize.base import Needs, Observation
class Span:
    labels = ("still", "moving")
    def __init__(self, options, *, manifest, content, threads):
        self.name, self._threshold = manifest.name, options.threshold
        self.needs = Needs(landmarks=True, window_s=manifest.window_s)
        self._windows = {}
    def gather(self, frame, face):
        self._windows.setdefault(face.track, []).append((frame.media_ns, face.landmarks))
    def observe(self, frame, face):
        self.gather(frame, face)
        window = self._windows[face.track]
        if window[-1][0] - window[0][0] < self.needs.window_s * 1e9:
            return None
        moving = float(np.abs(window[-1][1] - window[0][1]).max() > self._threshold)
        return Observation(np.float32([1 - moving, moving]), {"infer": 1000})
    def forget(self, tracks):
        for track in tracks:
            self._windows.pop(track, None)
class Double:
    def __init__(self, options, *, model, threads):
        pass
    def another(self, steady=True):
        return self
    def find(self, frame, face):
        from edgefer.landmarks.base import Landmarks
        return Landmarks(np.full((68, 2), frame.index, np.float32), None)
    def forget(self, tracks):
        pass
""",
    )
    KINDS.add(Entry("span", "whether a face moves", "span:Span", SpanOptions))
    place = tmp_path / "my-span"
    place.mkdir()
    np.save(place / "weights.npy", np.zeros(3))
    described = SpanManifest(
        name="my-span",
        paper="none",
        architecture="none",
        licence=Licence(weights="MIT", training_data="none"),
        window_s=window_s,
    )
    directory.write(place, described)
    return str(place)


def add_landmarker() -> None:
    LANDMARKERS.add(Entry(LANDMARKERS.default, "points that move with the frame", "span:Double"))


# --- what follows


def error_of(capsys, *arguments: str, code: int = 2) -> str:
    assert main(list(arguments)) == code
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_all_four_work_in_one_run(tmp_path, capsys):
    add_source()
    add_detector()
    add_output()
    model = add_kind(tmp_path)
    add_landmarker()
    arguments = ["run", "-q", "--source", "pattern:6,side=200", "--detector", "fixed,box_side=120"]
    arguments += ["--model", model, "--output", "count:n,faces_only=yes", "--output", "jsonl:r"]
    assert main(arguments) == 0, capsys.readouterr().err
    assert (tmp_path / "n").read_text() == "6 still moving"
    readings = [json.loads(line) for line in (tmp_path / "r").read_text().splitlines()]
    faces = [reading["faces"][0] for reading in readings]
    assert [face["expression"] for face in faces] == ["uncertain"] * 2 + ["moving"] * 4  # 80 ms at 25 fps
    assert faces[0]["box"] == [40.0, 40.0, 160.0, 160.0]
    assert faces[3]["landmarks"][0] == [3.0, 3.0]
    assert "landmarks" in readings[0]["latency_ms"]


def test_options_are_typed_and_checked_on_the_command_line(tmp_path, capsys):
    add_source()
    add_detector()
    add_output()
    model = add_kind(tmp_path)
    add_landmarker()
    for arguments, said in [
        (["--source", "pattern:0"], "source 'pattern:0': frames: expected a whole number from 1 to 1000"),
        (["--source", "pattern,sied=3"], "option 'sied' is unknown; did you mean 'side'?"),
        (["--source", "pattern", "--detector", "fixed,box_side=big"], "box_side: expected a number above 0"),
        (["--source", "pattern", "--detector", "fixed,margin=0.5"], "margin: expected a number from 0 below 0.5"),
        (["--source", "pattern", "--output", "count"], "path is missing; write count:PATH"),
        (["--source", "pattern", "--output", "count:n,faces_only=7"], "faces_only: expected true or false"),
        (["--source", "pattern", "--model", f"{model},threshold=2"], "threshold: expected a number from 0 to 1"),
    ]:
        assert said in error_of(capsys, "run", "-q", *arguments)


def test_options_are_keys_of_the_profile(tmp_path, capsys):
    add_detector()
    add_output()
    good = '[detector]\nkind = "fixed"\nbox_side = 50\n[[output]]\nkind = "count"\npath = "n"\n'
    (tmp_path / "good.toml").write_text(good)
    settings = config.load_profile("good.toml")
    assert settings.detector_choice.options == FixedOptions(box_side=50.0)
    assert settings.outputs[0].options == CountOptions(path="n")
    assert config.to_toml(settings).count("box_side = 50.0") == 1
    (tmp_path / "bad.toml").write_text(good.replace("50", "-1").replace('path = "n"', "faces_only = 1"))
    assert main(["config", "check", "bad.toml"]) == 2
    errors = capsys.readouterr().err
    assert "bad.toml:3: detector.box_side: expected a number above 0 to 500, got -1" in errors
    assert "output[0].path: expected a non-empty text, got none" in errors
    assert "bad.toml:6: output[0].faces_only: expected true or false, got 1" in errors


def test_help_and_documentation_name_them(capsys, tmp_path):
    add_source()
    add_detector()
    add_output()
    add_kind(tmp_path)
    assert main(["run", "--help"]) == 0
    text = capsys.readouterr().out
    for word in ("count:PATH", "faces_only", "fixed", "pattern[:FRAMES]"):
        assert word in text
    page = config.documentation()
    assert '### `kind = "count"`' in page and "leave out frames without a face" in page
    assert '### `kind = "fixed"`' in page and "| `box_side` | a number above 0 to 500 | `100.0` |" in page
    assert "### `pattern`" in page and "### `span`" in page and "from which it is moving" in page


def test_a_kind_with_a_window_refuses_photographs(tmp_path, capsys):
    add_source(needs=frozenset({STILL}))
    model = add_kind(tmp_path, window_s=0.5)
    add_landmarker()
    line = error_of(capsys, "run", "-q", "--source", "pattern", "--model", model)
    assert "model my-span judges 0.5 s of film" in line and "photographs" in line


def test_the_manifest_of_a_new_kind_is_checked_by_its_type(tmp_path, capsys):
    model = add_kind(tmp_path)
    found = directory.load(model)
    assert isinstance(found, SpanManifest) and found.kind == "span"
    assert main(["models", "verify", model]) == 0
    with pytest.raises(msgspec.ValidationError, match="window_s"):
        manifest.from_fields({"kind": "span", "name": "x", "paper": "x", "architecture": "x", "window_s": "1"})


def test_registries_load_nothing_heavy():
    code = (
        "import edgefer.detect.registry, edgefer.sources.registry, edgefer.sinks.registry,"
        " edgefer.recognize.registry, edgefer.landmarks.base, edgefer.assemble, sys;"
        "print(sorted({'cv2', 'ai_edge_litert', 'rich'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
