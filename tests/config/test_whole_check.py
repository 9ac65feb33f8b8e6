"""`config check` finds all that a run would refuse, with file, line and key; `config init` writes what passes it."""

from __future__ import annotations

import os
import sys

import pytest
from tiny_model import make_directory

from edgefer import config
from edgefer.commands import refusals
from edgefer.commands.console import main
from edgefer.config.template import template
from edgefer.detect.registry import DETECTORS
from edgefer.errors import UsageError
from edgefer.sinks.registry import OUTPUTS
from edgefer.support.toml import tomllib
from edgefer.support.typed import fields_of


@pytest.fixture
def checked(tmp_path, monkeypatch, capsys):
    """Checks a profile of this text; gives the exit code and the lines, without `edgefer: FILE:`."""
    monkeypatch.chdir(tmp_path)

    def check(text: str) -> tuple[int, list[str]]:
        (tmp_path / "p.toml").write_text(text)
        code = main(["config", "check", "p.toml"])
        said = capsys.readouterr()
        assert (said.out == "p.toml: good\n") == (code == 0)
        return code, [line.removeprefix("edgefer: ").removeprefix("p.toml:") for line in said.err.splitlines()]

    return check


REFUSED = {
    "unknown model": ('[recognizer]\nmodels = ["nope"]', "2: recognizer.models[0]: unknown model 'nope'"),
    "second model": ('[recognizer]\nmodels = ["edgefer-s", "nope"]', "2: recognizer.models[1]: unknown model"),
    "no model directory": ('[recognizer]\nmodels = ["./none"]', "2: recognizer.models[0]: model none: expected"),
    "option of a kind": (
        '[recognizer]\nmodels = ["edgefer-s,speed=2"]',
        "2: recognizer.models[0]: model 'edgefer-s,speed=2': option",
    ),
    "damaged model": ('[recognizer]\nmodels = ["./worn"]', "2: recognizer.models[0]: model worn: model.tflite"),
    "a detector's model": ('[detector]\nkind = "yunet"\nmodel = "none"', "3: detector.model: model none: expected"),
    "processors": ("[compute]\npin = [0, 1000]", "2: compute.pin: expected processors of this machine"),
    "folder of an output": (
        '[[output]]\nkind = "csv"\npath = "none/a.csv"',
        "1: output[0]: none/a.csv: cannot be written",
    ),
    "output that is a folder": ('[[output]]\nkind = "jsonl"\npath = "worn"', "1: output[0]: worn: "),
    "suffix of a video": ('[[output]]\nkind = "video"\npath = "a.xyz"', "3: output[0].path: expected a text such as"),
    "suffix of a timeline": ('[[output]]\nkind = "timeline"\npath = "a.xyz"', "3: output[0].path: expected a text"),
    "two outputs to one file": (
        '[[output]]\nkind = "csv"\npath = "a"\n[[output]]\nkind = "jsonl"\npath = "./a"',
        "4: output[1]: output 'jsonl:./a' and 'csv:a' both write to ./a",
    ),
    "two on standard output": ('[[output]]\nkind = "csv"\n[[output]]\nkind = "table"', "3: output[1]: output 'table'"),
    "unknown scheme": ('[camera]\ndevice = "gopher://x"', "2: camera.device: gopher://x: unknown kind of stream"),
    "address without a host": ('[camera]\ndevice = "http://[bad/"', "2: camera.device: http://***/: expected a URL"),
    "broker without a host": (
        '[[output]]\nkind = "mqtt"\nurl = "mqtt://[::1"',
        "1: output[0]: mqtt:mqtt://***: expected a broker's name or address",
    ),
    "film that is not there": ('[camera]\ndevice = "clip.mp4"', "2: camera.device: clip.mp4: no such file"),
    "median above the 95th": ("[budget_ms]\ntotal = { p50 = 3, p95 = 2 }", "2: budget_ms.total.p95: expected at least"),
    "part above the whole": (
        "[budget_ms]\ntotal = { p50 = 1, p95 = 2 }\ninfer = { p50 = 3 }",
        "3: budget_ms.infer.p50: expected at most the total's",
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def worn(tmp_path):
    """A damaged model."""
    path = make_directory(tmp_path / "worn") / "model.tflite"
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_a_run_refuses_is_found(checked, text, words):
    code, lines = checked(text)
    assert code == 2
    assert len(lines) == 1 and lines[0].startswith(words), lines


@pytest.mark.parametrize("text", [text for text, _ in REFUSED.values()], ids=REFUSED.keys())
def test_and_a_run_refuses_it(checked, text, capsys):
    """Neither list has what the other lacks."""
    checked(text)
    source = [] if "[camera]" in text else ["--source", "demo:1"]
    assert main(["run", "--profile", "p.toml", *source]) in (1, 2, 3, 4)


def test_all_of_it_is_found_at_once(checked):
    """In the order of the file, wherever it is found: syntax of values, kinds, the machine, models, the disk."""
    texts = [
        "colour = 3",
        '[camera]\nsize = [640]\ndevice = "gopher://x"',
        "[compute]\npin = [0, 1000]\nthreads = 0",
        '[detector]\nkind = "yunet"\nmodel = "none"\nmin_face_px = 5',
        '[recognizer]\nmodels = ["edgefer-s", "nope", "./worn"]',
        "[budget_ms]\ntotal = { p50 = 20, p95 = 10 }\ninfer = { p50 = 30 }",
        '[[output]]\nkind = "jsonl"\npath = "none/a.jsonl"',
        '[[output]]\nkind = "csv"\npath = "a"\nsizee = 3',
        '[[output]]\nkind = "xml"',
        '[[output]]\nkind = "jsonl"\npath = "a"',
    ]
    code, lines = checked("\n".join(texts))
    assert code == 2
    assert [line.split(": ")[1] for line in lines] == [
        *("colour", "camera.size", "camera.device", "compute.pin", "compute.threads", "detector.model"),
        *("detector.min_face_px", "recognizer.models[1]", "recognizer.models[2]", "budget_ms.total.p95"),
        *("budget_ms.infer.p50", "output[0]", "output[1].sizee", "output[2].kind", "output[3]"),
    ]
    numbers = [int(line.split(":")[0]) for line in lines]
    assert numbers == sorted(numbers)


def test_a_wrong_key_does_not_bring_others_with_it(checked):
    """What depends on it cannot be judged: the size of the camera is not known, nor the greatest brightness."""
    _, lines = checked(
        '[camera]\nsize = ["x"]\n[detector]\nmin_face_px = 700\n[quality]\nmin_brightness = 230\nmax_brightness = "x"'
    )
    assert [line.split(": ")[1] for line in lines] == ["camera.size", "quality.max_brightness"]


def test_every_key_that_is_written_twice_is_told(checked):
    _, lines = checked("board = 1\nboard = 2\n[camera]\nfps = 1\nfps = 2")
    assert [line.split(": ")[:2] for line in lines] == [["2", "board"], ["5", "camera.fps"]]


NOT_READ = {
    "no TOML": (b"fps 30\n", "1: not valid TOML"),
    "UTF-16": ("fps = 1".encode("utf-16"), "1: expected UTF-8 text, got byte 0xff"),
    "Latin-1": ('board = "Rä"'.encode("latin-1"), "1: expected UTF-8 text, got byte 0xe4"),
    "empty": (b"\n", "1: expected a profile, got an empty file"),
    "binary": (b"\x00\x01\x02", "1: "),
    "long number": (b"\nfps = 1" + b"0" * 5000, "2: expected numbers of a few digits, got one of thousands"),
    "quoted number": (b"[camera]\nfps = '1" + b"0" * 5000 + b"'", "2: camera.fps: expected a number"),
    "quoted list": (b"[camera]\nfps = '" + b"[" * 5000 + b"'", "2: camera.fps: expected a number"),
    "deep list": (b"x = " + b"[" * 3000 + b"]" * 3000, "1: nested too deeply"),
    "deep key": (b"x" + b".x" * 3000 + b" = 1", "1: nested too deeply"),
    "deepest key": (b"\nx" + b".x" * 30000 + b" = 1", "2: nested too deeply"),
    "deep table": (b"[x" + b".x" * 3000 + b"]", "1: nested too deeply"),
    "large": (b"#" * 70000, " expected a profile of at most 64 KiB"),
}


@pytest.mark.parametrize(("data", "words"), NOT_READ.values(), ids=NOT_READ.keys())
def test_what_is_no_profile_is_one_line(tmp_path, monkeypatch, capsys, data, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.toml").write_bytes(data)
    for command in (["check", "p.toml"], ["show", "--profile", "p.toml"]):
        assert main(["config", *command]) == 2
        assert capsys.readouterr().err.startswith(f"edgefer: p.toml:{words}")


def test_a_byte_order_mark_is_no_fault(checked, tmp_path, capsys):
    (tmp_path / "b.toml").write_bytes(b"\xef\xbb\xbf[camera]\nfps = 15\n")
    assert main(["config", "check", str(tmp_path / "b.toml")]) == 0


def test_files_of_outputs_stay_as_they_are(checked, tmp_path):
    """One is opened as a run would, and nothing is written."""
    kept = {tmp_path / name: f"{name} before" for name in ("a.csv", "b.jsonl", "c.mp4", "d.png", "e.png")}
    outputs = "".join(
        f'[[output]]\nkind = "{kind}"\npath = "{name}"\n'
        for kind, name in zip(("csv", "jsonl", "video", "image", "timeline"), (path.name for path in kept), strict=True)
    )
    assert checked(outputs) == (0, [])
    assert not [path for path in kept if path.exists()]
    for path, text in kept.items():
        path.write_text(text)
    assert checked(outputs) == (0, [])
    assert {path: path.read_text() for path in kept} == kept


def test_a_pipe_without_a_reader_does_not_stop_the_check(checked, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert checked('[[output]]\nkind = "jsonl"\npath = "pipe"') == (0, [])


def test_a_camera_that_is_not_plugged_in_is_no_fault(checked):
    assert checked('[camera]\ndevice = "/dev/v4l/by-id/usb-cam"') == (0, [])
    assert checked("[camera]\ndevice = 77") == (0, [])


def test_without_the_extra_a_film_output_and_a_film_are_refused(checked, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "av", None)
    for module in [name for name in sys.modules if name.startswith(("edgefer.sources.media", "edgefer.sources.film"))]:
        monkeypatch.delitem(sys.modules, module)
    for module in [name for name in sys.modules if name.startswith(("edgefer.sinks.video", "edgefer.sinks.film"))]:
        monkeypatch.delitem(sys.modules, module)
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(64))
    _, lines = checked('[camera]\ndevice = "clip.mp4"\n[[output]]\nkind = "video"\npath = "a.mp4"')
    assert [line.split(": ")[:2] for line in lines] == [["2", "camera.device"], ["3", "output[0]"]]
    assert all("edgefer[film]" in line for line in lines)


def test_a_landmark_network_that_is_not_there_is_refused_where_it_is_needed(checked, monkeypatch):
    """By points that are asked for, by the gate, or by an output that looks at them; elsewhere nothing opens it."""
    import msgspec

    profile = '[landmarks]\nmodel = "mine"\npoints = {}\n[quality]\ncover = {}\n[[output]]\nkind = "csv"\npath = "a"'
    refused = ["2: landmarks.model: unknown model 'mine'"]
    assert checked(profile.format("false", "false"))[1] == []
    for points, cover in [("true", "false"), ("false", "true")]:
        assert [line.partition(";")[0] for line in checked(profile.format(points, cover))[1]] == refused
    entry = msgspec.structs.replace(OUTPUTS.find("csv"), needs=OUTPUTS.find("csv").needs | {"landmarks"})
    monkeypatch.setitem(OUTPUTS._entries, "csv", entry)
    assert [line.partition(";")[0] for line in checked(profile.format("false", "false"))[1]] == refused


def test_a_wrong_isa_is_told_once_for_all_profiles(monkeypatch, capsys):
    from edgefer import assemble

    def refuse():
        raise UsageError("EDGEFER_ISA: unknown instruction set 'mmx'")

    monkeypatch.setattr(assemble, "check_kernels", refuse)
    assert list(refusals.environment()) == ["EDGEFER_ISA: unknown instruction set 'mmx'"]
    assert main(["config", "check", "pi4", "pi5"]) == 2
    assert capsys.readouterr() == ("", "edgefer: EDGEFER_ISA: unknown instruction set 'mmx'\n")


def test_one_profile_that_is_not_there_does_not_hide_the_next(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "p.toml").write_text("x = 1")
    assert main(["config", "check", "pi44", "none.toml", "p.toml", "pi4"]) == 2
    said = capsys.readouterr()
    assert [line.split(";")[0].split(" (")[0] for line in said.err.splitlines()][:2] == [
        "edgefer: unknown profile 'pi44'",
        "edgefer: none.toml: no such profile",
    ]
    assert "p.toml:1: x: unknown key" in said.err and said.out.endswith("pi4.toml: good\n")


def test_show_tells_every_problem_as_well(tmp_path, capsys):
    (tmp_path / "p.toml").write_text("x = 1\n[camera]\nfps = 0\n")
    assert main(["config", "show", "--profile", str(tmp_path / "p.toml")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 2


@pytest.mark.parametrize("name", config.shipped_profiles())
def test_a_profile_to_begin_with_says_what_the_shipped_one_does(name, tmp_path, capsys):
    path = tmp_path / "my.toml"
    assert main(["config", "init", name, "-o", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}: written; use it with --profile {path}\n"
    assert config.load_profile(path) == config.load_profile(name)
    assert main(["config", "check", str(path)]) == 0
    text = path.read_text()
    capsys.readouterr()
    assert main(["config", "init", name]) == 0
    assert capsys.readouterr().out == text
    assert all(len(line) <= 120 for line in text.splitlines())


def test_it_has_every_key_with_its_default_and_each_may_be_set(tmp_path):
    """Also those of outputs and detectors that the board does not use, as comments: right without their mark."""
    text = template("pi4", config.load_profile("pi4"))
    for registry in (OUTPUTS, DETECTORS):
        for entry in registry:
            block = text.split(f'kind = "{entry.name}"')[1]
            for field in fields_of(entry.options):
                assert f"{field.encode_name} = " in block
    for line in text.splitlines():
        if line.startswith("#") and not line.startswith("# ") and "…" not in line and "[[" not in line:
            tomllib.loads(line[1:])


def test_a_profile_to_begin_with_replaces_nothing(tmp_path, capsys):
    path = tmp_path / "my.toml"
    path.write_text("mine")
    assert main(["config", "init", "pi4", "-o", str(path)]) == 2
    assert path.read_text() == "mine"
    assert "is there already, and is not replaced" in capsys.readouterr().err
    assert main(["config", "init", "pi4", "-o", str(tmp_path / "none" / "my.toml")]) == 1
    assert main(["config", "init", "pi44"]) == 2
    assert "did you mean 'pi4'" in capsys.readouterr().err.splitlines()[-1]
