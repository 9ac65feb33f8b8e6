"""Profiles: every wrong one is refused with its file, line and key; every shipped one is good."""

from __future__ import annotations

import os
import random
import re
from pathlib import Path

import msgspec
import pytest

from edgefer import config
from edgefer.commands.console import main
from edgefer.config import profiles
from edgefer.config.settings import Tables
from edgefer.errors import UsageError

ROOT = Path(__file__).parents[2]

# id: (text of the profile, line of the problem, key named in the message, words that must be in it)
#: A processor of this machine.
A_CPU = min(os.sched_getaffinity(0))

BROKEN = {
    "unknown key at the top": ("bord = 'x'\n", 1, "bord", ["did you mean 'board'?"]),
    "unknown key in a table": ("[camera]\nfps = 30\nfsp = 30\n", 3, "camera.fsp", ["did you mean 'fps'?"]),
    "unknown table": ("[camra]\nfps = 30\n", 1, "camra", ["did you mean 'camera'?"]),
    "unknown key, nothing alike": ("[camera]\nzoom = 2\n", 2, "camera.zoom", ["size, fps, rotate, flip"]),
    "key in the wrong table": ("[camera]\nlag_ms = 2\n", 2, "camera.lag_ms", ["belongs in [smoothing]"]),
    "table key at the top": ("min_face_px = 80\n", 1, "min_face_px", ["belongs in [detector]"]),
    "unknown stage": ("[budget_ms]\ninference = { p95 = 3 }\n", 2, "budget_ms.inference", ["unknown key"]),
    "unknown percentile": ("[budget_ms]\ntotal = { p50 = 1, p96 = 3 }\n", 2, "budget_ms.total.p96", ["did you mean"]),
    "text for a number": ('[camera]\nfps = "fast"\n', 2, "camera.fps", ["a number from 1 to 240", '"fast"']),
    "quoted number": ('[camera]\nfps = "30"\n', 2, "camera.fps", ["write 30 without quotes"]),
    "quoted truth value": ('[governor]\nenabled = "true"\n', 2, "governor.enabled", ["true or false"]),
    "number for a truth value": ("[governor]\nenabled = 1\n", 2, "governor.enabled", ["true or false", "got 1"]),
    "truth value for a whole number": ("[compute]\nthreads = true\n", 2, "compute.threads", ["got true"]),
    "truth value for a number": ("[camera]\nfps = false\n", 2, "camera.fps", ["a number", "got false"]),
    "fraction for a whole number": ("[compute]\nthreads = 1.5\n", 2, "compute.threads", ["whole number", "1.5"]),
    "whole float for a whole number": ("[compute]\nthreads = 2.0\n", 2, "compute.threads", ["whole number"]),
    "list for a number": ("[smoothing]\nlag_ms = [200]\n", 2, "smoothing.lag_ms", ["a number", "[200]"]),
    "table for a number": ("[smoothing.lag_ms]\nx = 1\n", 1, "smoothing.lag_ms", ["a number", "got a table"]),
    "number for a table": ("camera = 3\n", 1, "camera", ["expected a table", "got 3"]),
    "array of tables for a table": ("[[camera]]\nfps = 30\n", 1, "camera", ["expected a table"]),
    "number for a text": ("[recognizer]\nmodels = 7\n", 2, "recognizer.models", ["a list", "got 7"]),
    "one model, as it was once written": (
        '[recognizer]\nmodel = "edgefer-s"\n',
        2,
        "recognizer.model",
        ["did you mean 'models'?"],
    ),
    "date for a text": ("board = 2026-01-01\n", 1, "board", ["a text"]),
    "time for a number": ("[camera]\nfps = 10:30:00\n", 2, "camera.fps", ["a number"]),
    "number for a list": ("[compute]\npin = 1\n", 2, "compute.pin", ["a list", "got 1"]),
    "wrong item in a list": ("[compute]\npin = [\n  0,\n  # the second\n  'one',\n]\n", 5, "compute.pin[1]", ["one"]),
    "negative item in a list": ("[compute]\npin = [0, -1]\n", 2, "compute.pin[1]", ["from 0", "-1"]),
    "list too short": ("[camera]\nsize = [640]\n", 2, "camera.size", ["2 items"]),
    "list too long": ("[camera]\nsize = [640, 480, 3]\n", 2, "camera.size", ["2 items"]),
    "truth value in a list": ("[camera]\nsize = [640, true]\n", 2, "camera.size[1]", ["whole number"]),
    "size of zero": ("[camera]\nsize = [0, 480]\n", 2, "camera.size[0]", ["from 16 to 8192", "got 0"]),
    "not a number": ("[camera]\nfps = nan\n", 2, "camera.fps", ["got nan"]),
    "infinite": ("[smoothing]\nlag_ms = inf\n", 2, "smoothing.lag_ms", ["got inf"]),
    "minus infinite": ("[smoothing]\nlag_ms = -inf\n", 2, "smoothing.lag_ms", ["got -inf"]),
    "negative": ("[smoothing]\nlag_ms = -1\n", 2, "smoothing.lag_ms", ["from 0", "got -1"]),
    "huge float": ("[camera]\nfps = 1e308\n", 2, "camera.fps", ["to 240"]),
    "huge whole number": ("[camera]\nfps = 1" + "0" * 400 + "\n", 2, "camera.fps", ["to 240"]),
    "huge camera index": ("[camera]\ndevice = 99999999999999999999\n", 2, "camera.device", ["from 0 to 255"]),
    "zero rate": ("[camera]\nfps = 0\n", 2, "camera.fps", ["from 1"]),
    "zero interval": ("[detector]\ninterval_ms = 0\n", 2, "detector.interval_ms", ["above 0"]),
    "zero threads": ("[compute]\nthreads = 0\n", 2, "compute.threads", ["from 1 to 64"]),
    "too many threads": ("[compute]\nthreads = 65\n", 2, "compute.threads", ["from 1 to 64"]),
    "face too small": ("[detector]\nmin_face_px = 1\n", 2, "detector.min_face_px", ["from 20"]),
    "window too short": ("[governor]\nwindow_frames = 3\n", 2, "governor.window_frames", ["from 10"]),
    "brightness too great": ("[quality]\nmax_brightness = 300\n", 2, "quality.max_brightness", ["to 255"]),
    "zero budget": ("[budget_ms]\ntotal = { p95 = 0 }\n", 2, "budget_ms.total.p95", ["above 0"]),
    "budget as a number": ("[budget_ms]\ntotal = 17\n", 2, "budget_ms.total", ["expected a table", "17"]),
    "empty text": ('[recognizer]\nmodels = [""]\n', 2, "recognizer.models[0]", ["non-empty"]),
    "empty device": ('[camera]\ndevice = ""\n', 2, "camera.device", ["whole number", "text"]),
    "NUL in a text": ('[recognizer]\nmodels = ["a\\u0000b"]\n', 2, "recognizer.models[0]", ["text"]),
    "text too long": (f"board = '{'x' * 300}'\n", 1, "board", ["at most 200"]),
    "misspelt choice": ('[detector]\nkind = "harr"\n', 2, "detector.kind", ['did you mean "haar"?']),
    "unknown choice": ('[camera]\nformat = "bayer"\n', 2, "camera.format", ["one of", "grey", "yuyv"]),
    "choice in capitals": ('[camera]\nformat = "YUYV"\n', 2, "camera.format", ["one of"]),
    "unknown output": ('[[output]]\nkind = "xml"\n', 2, "output[0].kind", ['"jsonl"', 'got "xml"']),
    "misspelt output": ('[[output]]\nkind = "vidoe"\n', 2, "output[0].kind", ['did you mean "video"?']),
    "two outputs in one place": (
        '[[output]]\nkind = "csv"\npath = "a"\n[[output]]\nkind = "jsonl"\npath = "./a"\n',
        4,
        "output[1]",
        ["'jsonl:./a' and 'csv:a' both write to"],
    ),
    "kind that is no text": ("[detector]\nkind = [1]\n", 2, "detector.kind", ["one of", "got [1]"]),
    "kind of an output that is no text": ("[[output]]\nkind = { a = 1 }\n", 2, "output[0].kind", ["got a table"]),
    "output without a kind": ('[[output]]\npath = "x"\n', 1, "output[0].kind", ["one of", "add it"]),
    "output without its file": ('[[output]]\nkind = "video"\n', 1, "output[0].path", ["got none"]),
    "outputs as they were once written": (
        '[output]\nsinks = ["table"]\n',
        1,
        "output",
        ["expected [[output]] tables", "got a table"],
    ),
    "key of another output": (
        '[[output]]\nkind = "table"\npath = "x"\n',
        3,
        "output[0].path",
        ['with kind = "table"', "belongs to jsonl and csv and parquet and video"],
    ),
    "p50 over p95": ("[budget_ms]\ntotal = { p50 = 9, p95 = 8 }\n", 2, "budget_ms.total.p95", ["at least p50, 9"]),
    "p95 over p99": (
        "[budget_ms]\ntotal.p95 = 9\ntotal.p99 = 8\n",
        3,
        "budget_ms.total.p99",
        ["at least p95, 9", "got 8"],
    ),
    "p50 over p99": ("[budget_ms.total]\np99 = 8\np50 = 9\n", 2, "budget_ms.total.p99", ["at least p50"]),
    "stage over the total": (
        "[budget_ms]\ntotal = { p50 = 9 }\ninfer = { p50 = 10 }\n",
        3,
        "budget_ms.infer.p50",
        ["total's p50"],
    ),
    "stage without a total": ("[budget_ms]\ninfer = { p95 = 3 }\n", 1, "budget_ms.total.p95", ["governor"]),
    "network without a model": ('[detector]\nkind = "yunet"\n', 1, "detector.model", ["got none; add"]),
    "model without a network": (
        '[detector]\nkind = "haar"\nmodel = "x"\n',
        3,
        "detector.model",
        ["yunet and blazeface"],
    ),
    "processor twice": (f"[compute]\npin = [{A_CPU}, {A_CPU}]\n", 2, "compute.pin", ["once"]),
    "dark over bright": (
        "[quality]\nmin_brightness = 200\nmax_brightness = 100\n",
        2,
        "quality.min_brightness",
        ["less than max_brightness"],
    ),
    "face larger than the image": (
        "[camera]\nsize = [320, 240]\n[detector]\nmin_face_px = 300\n",
        4,
        "detector.min_face_px",
        ["240"],
    ),
    "key twice": ("[camera]\nfps = 30\nsize = [640, 480]\nfps = 15\n", 4, "camera.fps", ["twice", "line 2"]),
    "table twice": ("[camera]\nfps = 30\n\n[camera]\ndevice = 1\n", 4, "camera", ["twice", "line 1"]),
    "key twice in an inline table": (
        "[budget_ms]\ntotal = { p50 = 1, p50 = 2 }\n",
        2,
        "budget_ms.total.p50",
        ["twice"],
    ),
    "no value": ("[camera]\nfps =\n", 2, "fps", ["not valid TOML"]),
    "no equals sign": ("[camera]\nfps 30\n", 2, "", ["not valid TOML", "fps 30"]),
    "colon for equals": ("[camera]\nfps: 30\n", 2, "", ["not valid TOML"]),
    "text without quotes": ("[detector]\nkind = haar\n", 2, "kind", ["not valid TOML"]),
    "quote not closed": ('[detector]\nkind = "haar\nmin_face_px = 60\n', 2, "kind", ["not valid TOML"]),
    "bracket not closed": ("[camera\nfps = 30\n", 1, "", ["not valid TOML"]),
    "list not closed": ("[camera]\nsize = [640, 480\n", 2, "size", ["not valid TOML"]),
    "two keys on a line": ("[camera]\nfps = 30 device = 0\n", 2, "fps", ["not valid TOML"]),
    "a JSON file": ('{"camera": {"fps": 30}}\n', 1, "", ["not valid TOML"]),
    "a YAML file": ("camera:\n  fps: 30\n", 1, "", ["not valid TOML"]),
    "control character": ("[camera]\nfps = 30 # \x00\n", 2, "fps", ["not valid TOML"]),
    "dotted key": ("board = 'x'\ncamera.fpss = 3\n", 2, "camera.fpss", ["did you mean 'fps'?"]),
    "quoted key": ('[ "camera" ]\n"f p" = 3\n', 2, 'camera."f p"', ["unknown key"]),
    "key with a newline": ('[camera]\n"f\\np" = 3\n', 2, 'camera."f\\np"', ["unknown key"]),
    "after a multi-line text": (
        'board = """\n[camera]\nfps = 300\n"""\n[camera]\nfps = 300\n',
        6,
        "camera.fps",
        ["got 300"],
    ),
    "after comments and blank lines": ("# fps = 1\n\n[camera] # [x]\n\n# fps = 2\nfps = 0\n", 6, "camera.fps", ["0"]),
    "with CRLF line ends": ("[camera]\r\ndevice = 0\r\nfps = 0\r\n", 3, "camera.fps", ["got 0"]),
    "in an inline table": ("camera = { device = 0, fps = 0 }\n", 1, "camera.fps", ["got 0"]),
    "nested beyond reason": ("a = " + "[" * 5000 + "]" * 5000 + "\n", 1, "", ["a"]),
}


@pytest.fixture
def check(tmp_path, capsys):
    """Runs `edgefer config check` on a text: exit code and the lines on stderr."""

    def run(content: str | bytes, name: str = "my.toml") -> tuple[int, list[str]]:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        code = main(["config", "check", str(path)])
        return code, capsys.readouterr().err.splitlines()

    return run


@pytest.mark.parametrize(("text", "line", "key", "words"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_profile_is_refused_with_line_and_key(check, tmp_path, text, line, key, words):
    """Exit code 2, one line: file, line, key, what was expected."""
    code, errors = check(text)
    assert code == 2
    assert len(errors) == 1, errors
    assert errors[0].startswith(f"edgefer: {tmp_path}/my.toml:{line}: {key}"), errors[0]
    for word in words:
        assert word in errors[0]
    assert "Traceback" not in errors[0]
    assert len(errors[0]) < 400 + len(str(tmp_path))


def test_there_are_at_least_60_broken_profiles():
    """What the issue asks for."""
    assert len(BROKEN) >= 60


@pytest.mark.parametrize("name", ["unknown key at the top", "not a number", "no value", "key twice"])
def test_run_refuses_a_broken_profile_with_the_same_line(tmp_path, capsys, name):
    """`edgefer run --profile` says what `config check` says."""
    text, line, key, _ = BROKEN[name]
    (tmp_path / "my.toml").write_text(text)
    assert main(["run", "--source", "demo", "--profile", str(tmp_path / "my.toml")]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1
    assert errors[0].startswith(f"edgefer: {tmp_path}/my.toml:{line}: {key}")


def test_not_utf8_is_refused_with_its_line(check):
    """A Latin-1 file names the line and the byte."""
    code, errors = check(b'[camera]\nfps = 30\n# fa\xe7ade\nformat = "auto"\n')
    assert code == 2
    assert len(errors) == 1
    assert ":3: " in errors[0]
    assert "0xe7" in errors[0]


@pytest.mark.parametrize("content", [b"", b"\n \n", b"\xef\xbb\xbf"], ids=["empty", "blank", "mark only"])
def test_an_empty_file_is_refused(check, content):
    """An empty profile is a mistake, not all defaults."""
    code, errors = check(content)
    assert code == 2
    assert "empty file" in errors[0]


def test_a_byte_order_mark_is_read_over(check):
    """Windows editors write one."""
    assert check(b"\xef\xbb\xbf[camera]\nfps = 25\n") == (0, [])


def test_a_large_file_is_refused(check):
    """Whoever names a video by mistake is told so, and quickly."""
    code, errors = check(b"#" * (2 << 20))
    assert code == 2
    assert "larger" in errors[0]


def test_a_missing_file_lists_the_shipped_profiles(tmp_path, capsys):
    """So that the reader can choose."""
    assert main(["config", "check", str(tmp_path / "none.toml")]) == 2
    error = capsys.readouterr().err
    assert "no such profile" in error
    assert "pi4" in error


def test_a_directory_is_refused(tmp_path, capsys):
    """With what to do."""
    assert main(["config", "check", str(tmp_path)]) == 2
    assert "got a directory" in capsys.readouterr().err


def test_an_unknown_name_suggests_and_lists(capsys):
    """A misspelt shipped profile."""
    assert main(["config", "check", "p4"]) == 2
    error = capsys.readouterr().err
    assert "did you mean 'pi4'?" in error
    assert "jetson_nano" in error


def test_check_lists_every_problem_in_the_order_of_the_file(check):
    """One line each."""
    code, errors = check("[smoothing]\nlag_ms = -1\n[camera]\nfps = 0\nzoom = 1\n")
    assert code == 2
    assert [error.split(":")[2] for error in errors] == ["2", "4", "5"]


def test_loading_reports_the_first_problem_and_counts_the_rest(tmp_path):
    """One line for `edgefer run`."""
    path = tmp_path / "my.toml"
    path.write_text("[camera]\nfps = 0\nzoom = 1\n")
    with pytest.raises(UsageError, match=r":2: camera\.fps: .*\(and 1 more: edgefer config check"):
        config.load_profile(path)


@pytest.mark.parametrize("name", config.shipped_profiles())
def test_a_shipped_profile_is_good_and_has_a_budget(name):
    """All of firmware_configs/."""
    settings = config.load_profile(name)
    total = settings.budget_ms.total
    assert settings.board
    assert total.p50 and total.p95 and total.p99
    assert total.p95 <= 1000 / settings.camera.fps  # else the camera's rate could never be kept


def test_the_boards_of_the_design_are_shipped_with_its_budgets():
    """DESIGN section 5, p95 of the whole frame."""
    p95 = {name: config.load_profile(name).budget_ms.total.p95 for name in config.shipped_profiles()}
    assert set(p95) == {"pi_zero_2w", "pi3", "pi4", "pi5", "jetson_nano", "jetson_orin_nano", "generic"}
    assert p95["pi4"] <= 17
    assert p95["pi5"] <= 7.5
    assert p95["jetson_nano"] <= 16
    assert p95["jetson_orin_nano"] <= 6


@pytest.mark.parametrize(
    ("board", "name"),
    [
        ("Raspberry Pi 4 Model B Rev 1.4", "pi4"),
        ("Raspberry Pi 5 Model B Rev 1.0", "pi5"),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "pi3"),
        ("Raspberry Pi Zero 2 W Rev 1.0", "pi_zero_2w"),
        ("NVIDIA Jetson Nano Developer Kit", "jetson_nano"),
        ("NVIDIA Jetson Orin Nano Developer Kit", "jetson_orin_nano"),
        ("", "generic"),
        ("Some Other Board", "generic"),
    ],
)
def test_the_board_chooses_its_profile(board, name):
    """By the name its firmware gives."""
    assert config.fitting_profile(board) == name


def test_the_board_is_read_from_the_device_tree(tmp_path):
    """The file ends in a NUL; without a device tree the name is empty."""
    (tmp_path / "model").write_bytes(b"Raspberry Pi 4 Model B\0")
    assert config.board_model(tmp_path / "model") == "Raspberry Pi 4 Model B"
    assert config.board_model(tmp_path / "none") == ""


@pytest.mark.parametrize("name", config.shipped_profiles())
def test_settings_written_as_a_profile_read_back_to_the_same(tmp_path, name):
    """`edgefer config show > my.toml` is a good start for one's own profile."""
    settings = config.load_profile(name)
    (tmp_path / "again.toml").write_text(config.to_toml(settings))
    assert config.load_profile(tmp_path / "again.toml") == settings


def test_odd_texts_survive_being_written(tmp_path):
    """Quotes, backslashes, control and foreign characters."""
    settings = msgspec.structs.replace(config.Settings(), board='a "b" \\ \x7f \n é 😀')
    (tmp_path / "again.toml").write_text(config.to_toml(settings))
    assert config.load_profile(tmp_path / "again.toml").board == settings.board


def test_an_unknown_kind_hides_no_other_wrong_key(check):
    code, errors = check('[detector]\nkind = "harr"\nmin_face_px = "60"\ninterval_ms = 300\nscale = "x"\n')
    told = [line.partition("my.toml:")[2].partition(": expected")[0] for line in errors]
    assert (code, told) == (2, ["2: detector.kind", "3: detector.min_face_px"])


def test_paths_in_a_profile_are_relative_to_it(tmp_path):
    """A service does not run where its profile lies; absolute paths and shipped names stay."""
    path = tmp_path / "my.toml"
    path.write_text('[detector]\nkind = "yunet"\nmodel = "nets/y"\n[recognizer]\nmodels = ["./mine"]\n')
    settings = config.load_profile(path)
    assert settings.detector_choice.options.model == str(tmp_path / "nets/y")
    assert settings.recognizer.models == [str(tmp_path / "mine")]
    path.write_text('[detector]\nkind = "yunet"\nmodel = "/nets/y"\n')
    settings = config.load_profile(path)
    assert settings.detector_choice.options.model == "/nets/y"
    assert settings.recognizer.models == ["edgefer-s"]


def test_the_home_of_nobody_is_a_folder_of_that_name(tmp_path):
    """Which is not there: who opens the file says so."""
    path = tmp_path / "my.toml"
    path.write_text(
        '[recognizer]\nmodels = ["~nobody99/m"]\n'
        '[[output]]\nkind = "mqtt"\nurl = "mqtt://h"\npassword_file = "~nobody99/p"\nca_file = "~/c"\n'
    )
    settings = config.load_profile(path)
    assert settings.recognizer.models == [str(tmp_path / "~nobody99/m")]
    options = settings.outputs[0].options
    assert options.password_file == str(tmp_path / "~nobody99/p") and options.ca_file == os.path.expanduser("~/c")


def test_the_documentation_is_what_the_code_says():
    """docs/configuration.md; `make docs` writes it."""
    assert (ROOT / "docs" / "configuration.md").read_text() == config.documentation()


def test_the_documentation_names_every_key():
    """Nothing can be set that is not explained."""
    text = config.documentation()
    for field in msgspec.structs.fields(Tables):
        default = getattr(config.Settings(), field.name)
        names = default.__struct_fields__ if isinstance(default, msgspec.Struct) else (field.name,)
        for name in names:
            rows = [row for row in text.splitlines() if row.startswith(f"| `{name}` |")]
            assert rows, name
            assert all(row.split("|")[-2].strip() for row in rows), f"{name} has no meaning"


def test_damaged_profiles_never_end_in_a_traceback(tmp_path):
    """Seeded random edits of the shipped profiles: each is good or refused with lines that exist."""
    rng = random.Random(7)
    originals = [path.read_bytes() for path in sorted((ROOT / "firmware_configs").glob("*.toml"))]
    path = tmp_path / "damaged.toml"
    refused = 0
    for _ in range(400):
        data = bytearray(rng.choice(originals))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data))
            edit = rng.randrange(4)
            if edit == 0:
                data[at] = rng.choice(b"[]{}\"'=.,#\n-09azT\\\x00\xff")
            elif edit == 1:
                del data[at : at + rng.randint(1, 30)]
            elif edit == 2:
                data[at:at] = data[rng.randrange(len(data)) :][: rng.randint(1, 40)]
            else:
                del data[at + 1 :]
            data = data or bytearray(b" ")
        path.write_bytes(bytes(data))
        read = profiles.read_profile(path)
        problems = read.lines(read.problems)
        assert problems or read.settings is not None
        refused += bool(problems)
        for problem in problems:
            assert "\n" not in problem
            line = re.match(rf"{re.escape(str(path))}:(\d+): ", problem)
            assert line, problem
            assert 1 <= int(line.group(1)) <= data.count(b"\n") + 1
    assert 100 < refused < 400


def test_a_wrong_option_of_an_output_is_told_what_it_takes(tmp_path):
    path = tmp_path / "profile.toml"
    tables = [
        'kind = "video"\npath = "x.txt"',
        'kind = "jsonl"\nsize = "10XB"',
        'kind = "csv"\non = "never"\nempty = 1',
    ]
    path.write_text("".join(f"[[output]]\n{table}\n" for table in tables))
    read = config.profiles.read_profile(path)
    problems = read.lines(read.problems)
    assert [problem.partition(": ")[2] for problem in problems] == [
        "output[0].path: expected a text such as seen.mp4, seen.m4v, seen.mov, seen.mkv, seen.webm, seen.avi,"
        ' got "x.txt"',
        'output[1].size: expected a text such as 10MB, 512k, 1GiB, got "10XB"; leave the key out to go without it',
        'output[2].on: expected one of "change", "frame", got "never"; the default is "frame"',
        "output[2].empty: expected true or false, got 1; the default is false",
    ]
