"""The command line: help, exit codes, one-line errors, signals, and whole runs with a small model."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_model import make_directory

from edgefer import __version__
from edgefer.commands import console as cli
from edgefer.commands import info
from edgefer.commands.arguments import settings_from
from edgefer.errors import SourceError
from edgefer.sources.demo import portrait_path
from edgefer.sources.registry import CameraOptions

try:
    portrait_path()
    HAS_PORTRAIT = True
except Exception:
    HAS_PORTRAIT = False
needs_portrait = pytest.mark.skipif(not HAS_PORTRAIT, reason="the demo's portrait needs matplotlib")

COMMANDS = [
    [],
    ["run"],
    ["annotate"],
    ["info"],
    ["doctor"],
    ["bench"],
    ["eval"],
    ["explain"],
    ["models"],
    ["models", "list"],
    ["models", "show"],
    ["completion"],
    ["models", "verify"],
    ["models", "pack"],
    ["models", "install"],
    ["models", "rollback"],
    ["models", "keygen"],
    ["models", "sign"],
    ["models", "trust"],
    ["service"],
    ["service", "print"],
    ["service", "install"],
    ["service", "status"],
    ["service", "uninstall"],
    ["config"],
    ["config", "init"],
    ["config", "check"],
    ["config", "show"],
]


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return str(make_directory(tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> str:
    """A second of noise: a video without a face."""
    path = str(tmp_path_factory.mktemp("clips") / "noise.avi")
    writer = cv2.VideoWriter(path, cv2.VideoWriter_fourcc(*"MJPG"), 30, (160, 120))
    rng = np.random.default_rng(0)
    for _ in range(30):
        writer.write(rng.integers(0, 255, (120, 160, 3), np.uint8))
    writer.release()
    return path


def edgefer(*arguments: str, **options) -> subprocess.CompletedProcess:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "edgefer", *arguments], capture_output=True, text=True, timeout=60, **options
    )


def one_line(capsys) -> str:
    """The only line on stderr."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("edgefer: ")
    assert "Traceback" not in lines[0]
    return lines[0]


# --- help and usage


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "edgefer")
def test_help_shows_examples_that_parse(capsys, command):
    """Every example is a command line that the parser takes."""
    assert cli.main([*command, "--help"]) == 0
    text = capsys.readouterr().out
    examples = text.split("examples:\n")[1].split("\n\n")[0]
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    assert lines
    for line in lines:
        assert line.startswith("edgefer ")
        cli.build_parser().parse_args(re.split(" [<>] ", line)[0].split()[1:])


def test_help_explains_the_exit_codes(capsys):
    """All of DESIGN section 4."""
    cli.main(["--help"])
    text = capsys.readouterr().out
    for code in ("0 ", "1 ", "2 ", "3 ", "4 ", "130 "):
        assert f"\n  {code}" in text


def test_version(capsys):
    """Name and number."""
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"edgefer {__version__}\n"


WRONG_USAGE = {
    "no command": ([], "COMMAND"),
    "unknown command": (["rum"], "did you mean 'run'?"),
    "unknown option": (["run", "--sourc", "demo"], "--sourc; did you mean --source?; see `edgefer run --help`"),
    "unknown option with its value": (["run", "--thread=2"], "--thread=2; did you mean --threads?"),
    "unknown option of an action": (["models", "show", "x", "--jsn"], "did you mean --json?; see `edgefer models show"),
    "empty source": (["run", "--source", ""], "source ''"),
    "seconds beyond all": (["run", "--seconds", "1e400"], "above 0 and at most 1e+12, got '1e400'"),
    "start beyond all time": (["run", "--start", "1e300"], "at most 1e+12, got '1e300'"),
    "start before the start": (["run", "--start", "-1"], "of at least 0 and at most 1e+12, got '-1'"),
    "unknown action": (["models", "lst"], "did you mean 'list'?"),
    "no action": (["config"], "ACTION"),
    "camera and source": (["run", "--camera", "0", "--source", "demo"], "not allowed with"),
    "camera not a number": (["run", "--camera", "front"], "from 0 to 255, got 'front'"),
    "camera too high": (["run", "--camera", "256"], "from 0 to 255"),
    "camera negative": (["run", "--camera", "-1"], "--camera"),
    "no frames": (["run", "--frames", "0"], "got '0'"),
    "fraction of frames": (["run", "--frames", "1.5"], "whole number"),
    "frames in other digits": (["run", "--frames", "１２"], "whole number"),
    "no seconds": (["run", "--seconds", "0"], "above 0"),
    "seconds not a number": (["run", "--seconds", "nan"], "above 0 and at most 1e+12, got 'nan'"),
    "endless seconds": (["run", "--seconds", "inf"], "above 0"),
    "no threads": (["run", "--threads", "0"], "from 1 to 64"),
    "unknown detector": (["run", "--detector", "hog"], "haar"),
    "detector without model": (["run", "--source", "demo", "--detector", "yunet"], "yunet:MODEL"),
    "model for haar": (["run", "--detector", "haar:x"], "available: edgefer[:MODEL], haar, yunet:MODEL"),
    "unknown option of an output": (["run", "--output", "csv:x,emtpy=yes"], "option 'emtpy' is unknown"),
    "unknown profile": (["run", "--profile", "pi44"], "did you mean"),
    "missing profile": (["run", "--profile", "./none.toml"], "no such profile"),
    "unknown model": (["run", "--source", "CLIP", "--model", "mini"], "unknown model 'mini'"),
    "unknown output": (["run", "--source", "CLIP", "--model", "MODEL", "--output", "xml"], "jsonl"),
    "no model": (["run", "--source", "CLIP", "--model", ""], "unknown model ''"),
    "no profile": (["run", "--source", "CLIP", "--profile", ""], "unknown profile ''"),
    "endless profile": (["run", "--source", "CLIP", "--profile", "p" * 300], "unknown profile"),
    "output without file": (["run", "--source", "CLIP", "--model", "MODEL", "--output", "video:"], "video:PATH"),
    "two outputs on standard output": (
        ["run", "--source", "CLIP", "--output", "table", "--output", "jsonl"],
        "'jsonl' and 'table' both write to standard output",
    ),
    "two outputs in one file": (
        ["run", "--source", "CLIP", "--output", "csv:out", "--output", "jsonl:./out"],
        "both write to",
    ),
    "eval without data": (["eval"], "--data"),
    "eval of nothing": (["eval", "--data", "./none.csv", "--model", "MODEL"], "none.csv"),
    "unknown split": (["eval", "--data", "x", "--split", "dev"], "--split"),
    "unknown layout": (["eval", "--data", ".", "--layout", "kedf", "--model", "MODEL"], "kdef"),
    "tag without value": (["eval", "--data", "x", "--where", "angle"], "--where"),
    "unknown labels": (["eval", "--data", "x", "--labels", "six"], "ferplus8"),
    "verify of nothing": (["models", "verify", "mini"], "unknown model 'mini'"),
    "check without files": (["config", "check"], "FILE"),
    "show of nothing": (["config", "show", "--profile", "pi44"], "available: "),
    "too few bench frames": (["bench", "--frames", "3"], "from 10"),
}


@pytest.mark.parametrize(("arguments", "words"), WRONG_USAGE.values(), ids=WRONG_USAGE.keys())
def test_wrong_usage_is_exit_code_2_and_one_line(capsys, model, clip, arguments, words):
    """With what was expected."""
    arguments = [argument.replace("MODEL", model).replace("CLIP", clip) for argument in arguments]
    assert cli.main(arguments) == 2
    assert words in one_line(capsys)


def test_a_wrong_isa_is_exit_code_2_and_one_line(model, clip):
    """The variable is read by the kernels, long after the arguments."""
    for arguments in (["run", "--source", clip, "--model", model], ["info"]):
        result = edgefer(*arguments, env={**os.environ, "EDGEFER_ISA": "mmx"})
        assert result.returncode == 2, result.stderr
        assert len(result.stderr.splitlines()) == 1
        assert "EDGEFER_ISA" in result.stderr
        assert "scalar" in result.stderr


# --- sources, models and outputs that fail


BAD_SOURCES = {
    "missing file": "none.mp4",
    "text called mp4": "text.mp4",
    "empty file": "empty.mp4",
    "broken image": "noise.png",
    "empty folder": "nothing",
    "missing camera": "199",
    "missing device": "/dev/video199",
    "unknown scheme": "gopher://camera",
    "character device": "/dev/null",
}


@pytest.fixture
def bad_files(tmp_path, monkeypatch):
    """The working directory with the files that BAD_SOURCES names."""
    (tmp_path / "text.mp4").write_text("this is no video\n" * 100)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "noise.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(200))
    (tmp_path / "nothing").mkdir()
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("source", BAD_SOURCES.values(), ids=BAD_SOURCES.keys())
@pytest.mark.usefixtures("bad_files")
def test_a_bad_source_is_exit_code_3_and_one_line(capsys, model, source):
    """Whatever it is; and no output is begun."""
    arguments = ["run", "--source", source, "--model", model, "--output", "jsonl:out.jsonl", "--patience", "0"]
    assert cli.main(arguments) == 3
    assert source in one_line(capsys)
    assert not Path("out.jsonl").exists()


def test_a_damaged_model_is_exit_code_4_and_one_line(tmp_path, capsys, clip):
    """One changed byte."""
    directory = make_directory(tmp_path / "tiny")
    network = bytearray((directory / "model.tflite").read_bytes())
    network[len(network) // 2] ^= 1
    (directory / "model.tflite").write_bytes(bytes(network))
    for arguments in (["run", "--source", clip], ["bench", "--source", clip], ["eval", "--data", "x"]):
        assert cli.main([*arguments, "--model", str(directory)]) == 4
        assert "tiny" in one_line(capsys)
    assert cli.main(["models", "verify", str(directory)]) == 4


def test_a_good_model_is_verified(capsys, model):
    """Exit code 0 and its name."""
    assert cli.main(["models", "verify", model]) == 0
    assert "ok" in capsys.readouterr().out


def test_a_full_disk_is_exit_code_1_and_one_line(capsys, model, clip):
    """/dev/full is one."""
    assert cli.main(["run", "--source", clip, "--model", model, "--output", "jsonl:/dev/full"]) == 1
    assert "/dev/full" in one_line(capsys)


def test_a_full_disk_under_one_of_two_outputs_spares_the_other(tmp_path, capsys, model, clip):
    """Exit code 1, for not everything was written."""
    good = tmp_path / "good.jsonl"
    arguments = ["run", "--source", clip, "--model", model, "--quiet"]
    assert cli.main([*arguments, "--output", f"jsonl:{good}", "--output", "csv:/dev/full"]) == 1
    assert len(good.read_text().splitlines()) == 30


def test_an_output_never_replaces_the_source(tmp_path, capsys, model, clip):
    """Exit code 2, and the film is as it was, also where a link leads to it, soft or hard."""
    link, other = tmp_path / "link.mp4", tmp_path / "other.mp4"
    link.symlink_to(clip)
    other.hardlink_to(clip)
    before = Path(clip).read_bytes()
    for spec in (f"jsonl:{clip}", f"csv:{link}", f"jsonl:{other}", f"video:{clip}"):
        assert cli.main(["run", "--source", clip, "--model", model, "--output", spec]) == 2
        assert "would replace the source" in one_line(capsys)
    assert Path(clip).read_bytes() == before


def test_an_output_in_a_missing_folder_is_exit_code_1_and_one_line(tmp_path, capsys, model, clip):
    """Said before any frame is read."""
    path = tmp_path / "none" / "out.jsonl"
    assert cli.main(["run", "--source", clip, "--model", model, "--output", f"jsonl:{path}"]) == 1
    assert str(path) in one_line(capsys)


def test_an_unexpected_error_is_one_line_and_verbose_shows_where(capsys, monkeypatch):
    """A traceback is a bug; so is the error, and the line says what to do."""

    def fail(args):
        raise ZeroDivisionError("odd\nthing")

    monkeypatch.setattr(info, "execute", fail)
    assert cli.main(["info"]) == 1
    line = one_line(capsys)
    assert "ZeroDivisionError: odd thing" in line
    assert "--verbose" in line
    assert cli.main(["info", "--verbose"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_anywhere_is_exit_code_130(capsys, monkeypatch):
    """One line, no traceback."""

    def interrupt(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(info, "execute", interrupt)
    assert cli.main(["info"]) == 130
    assert one_line(capsys) == "edgefer: interrupted"


# --- whole runs


def test_an_interrupt_within_a_destructor_is_quiet(capsys, monkeypatch):
    """It cannot be raised there, and Python would print a traceback."""

    class Unlucky:
        def __del__(self):
            raise KeyboardInterrupt

    monkeypatch.setattr(info, "execute", lambda args: Unlucky() and 0)
    assert cli.main(["info"]) == 0
    assert capsys.readouterr().err == ""


def test_a_file_gives_one_json_line_a_frame(tmp_path, capsys, model, clip):
    """In order, with every frame; the summary goes to stderr."""
    path = tmp_path / "out.jsonl"
    assert cli.main(["run", "--source", clip, "--model", model, "--output", f"jsonl:{path}"]) == 0
    readings = [json.loads(line) for line in path.read_text().splitlines()]
    assert [reading["frame"] for reading in readings] == list(range(30))
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("30 frames in ")
    assert "start to first reading" in captured.err


def test_quiet_says_nothing(tmp_path, capsys, model, clip):
    """Neither summary nor log."""
    arguments = ["run", "--source", clip, "--model", model, "--quiet", "--output", f"csv:{tmp_path / 'o.csv'}"]
    assert cli.main(arguments) == 0
    assert capsys.readouterr() == ("", "")


def test_frames_limits_the_readings(tmp_path, model, clip):
    """Several outputs get the same."""
    arguments = ["run", "--source", clip, "--model", model, "--frames", "4", "-q"]
    paths = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    assert cli.main([*arguments, *(part for path in paths for part in ("--output", f"jsonl:{path}"))]) == 0
    assert paths[0].read_text() == paths[1].read_text()
    assert len(paths[0].read_text().splitlines()) == 4


def test_realtime_plays_a_file_at_its_own_rate(tmp_path, model, clip):
    """A second of video takes about a second."""
    path = tmp_path / "out.jsonl"
    start = time.monotonic()
    arguments = ["run", "--source", clip, "--realtime", "--model", model, "-q", "--output", f"jsonl:{path}"]
    assert cli.main(arguments) == 0
    assert time.monotonic() - start >= 29 / 30
    indices = [json.loads(line)["frame"] for line in path.read_text().splitlines()]
    assert indices == sorted(set(indices))


@needs_portrait
def test_the_demos_readings_follow_the_schema(model):
    """As a user sees them: from the command, on stdout; the portrait is found and stays one track."""
    jsonschema = pytest.importorskip("jsonschema")
    from edgefer import sinks

    schema = json.loads((Path(sinks.__file__).parent / "reading.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    result = edgefer("run", "--source", "demo:1.5", "--model", model, "--output", "jsonl")
    assert result.returncode == 0, result.stderr
    readings = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(readings) > 10
    for reading in readings:
        validator.validate(reading)
    tracks = {face["track"] for reading in readings for face in reading["faces"]}
    assert tracks == {1}
    with pytest.raises(jsonschema.ValidationError):
        validator.validate({**readings[0], "age_ms": -1})


def start_endless(tmp_path: Path, model: str, **options) -> tuple[subprocess.Popen, Path]:
    """`edgefer run` on an endless source, after its first reading."""
    path = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "edgefer", "run", "--source", "demo:forever", "--model", model]
    process = subprocess.Popen(
        [*command, "--output", f"jsonl:{path}", "--quiet"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (path.exists() and path.read_bytes().count(b"\n") > 2):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    return process, path


@needs_portrait
@pytest.mark.parametrize("presses", [1, 2, 3])
def test_ctrl_c_stops_cleanly(tmp_path, model, presses):
    """Exit code 130, one line, whole lines in the file; a second and third Ctrl-C change nothing."""
    process, path = start_endless(tmp_path, model)
    for _ in range(presses):
        process.send_signal(signal.SIGINT)
        time.sleep(0.03)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert err == "edgefer: interrupted\n"
    content = path.read_text()
    assert content.endswith("\n")
    for line in content.splitlines():
        json.loads(line)


@needs_portrait
def test_sigterm_stops_cleanly(tmp_path, model):
    """Asked to stop by the system, it has done what it was told: exit code 0."""
    process, path = start_endless(tmp_path, model)
    process.terminate()
    out, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")
    assert path.read_text().endswith("\n")


@needs_portrait
def test_systemd_hears_ready_alive_and_stopping(tmp_path, model):
    """In this order, on the socket it names."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        address = str(tmp_path / "notify")
        listener.bind(address)
        listener.settimeout(20)
        environment = {**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "300000"}
        process, _ = start_endless(tmp_path, model, env=environment)
        messages = {listener.recv(200).decode().partition("=")[0] for _ in range(6)}
        process.terminate()
        process.communicate(timeout=20)
        listener.setblocking(False)
        last = ""
        while True:
            try:
                last = listener.recv(64).decode()
            except BlockingIOError:
                break
    assert messages == {"STATUS", "READY", "WATCHDOG"}
    assert last == "STOPPING=1"


@pytest.mark.parametrize("what", ["-q", "2>&1"], ids=["readings", "summary"])
def test_a_reader_that_goes_away_ends_the_run_quietly(model, clip, what):
    """`edgefer run … | head -1`."""
    command = f"{sys.executable} -m edgefer run --source {clip} --model {model} --output jsonl {what} | head -1"
    result = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 1


CLOSED = {
    "readings": (["run", "--source", "CLIP", "--model", "MODEL", "--output", "jsonl", "-q"], ">&-", 1),
    "table": (["run", "--source", "CLIP", "--model", "MODEL", "--output", "table", "-q"], ">&-", 1),
    "report": (["models", "verify", "MODEL"], ">&-", 1),
    "input": (["models", "verify", "MODEL"], "<&-", 0),
}


@pytest.mark.parametrize(("arguments", "closing", "code"), CLOSED.values(), ids=CLOSED.keys())
def test_a_closed_standard_stream_is_no_bug(model, clip, arguments, closing, code):
    """Nothing can be written where there is no standard output, and one line says so."""
    arguments = [{"MODEL": model, "CLIP": clip}.get(argument, argument) for argument in arguments]
    command = ["bash", "-c", f'"$@" {closing}', "bash", sys.executable, "-m", "edgefer", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == code
    assert [line.endswith("Bad file descriptor") for line in _without_advice(result.stderr)] == [True] * code


PRINTING = [
    "--help",
    "--version",
    "run --help",
    "info",
    "config show",
    "config init",
    "models list",
    "models show MODEL",
]


@pytest.mark.parametrize("command", PRINTING)
@pytest.mark.parametrize(
    ("target", "reason"), [("/dev/full", "No space left on device"), ("&-", "Bad file descriptor")]
)
def test_what_cannot_be_printed_is_exit_code_1_and_one_line(model, command, target, reason):
    """Whatever prints; argparse alone would pass over it."""
    arguments = command.replace("MODEL", model).split()
    line = ["bash", "-c", f'"$@" >{target}', "bash", sys.executable, "-m", "edgefer", *arguments]
    result = subprocess.run(line, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (1, f"edgefer: standard output: {reason}\n")


@pytest.mark.parametrize("command", ["info", "config show", "models list"])
def test_a_home_that_is_not_there_and_a_folder_that_is_read_only_are_no_hindrance(tmp_path, command):
    bare = {key: value for key, value in os.environ.items() if key not in ("HOME", "TERM", "LANG")}
    result = edgefer(*command.split(), env={**bare, "LC_ALL": "C", "PYTHONUTF8": "0"}, cwd="/proc")
    assert (result.returncode, result.stderr) == (0, "")


def test_names_that_are_no_text_and_names_like_options_are_told_as_they_are(tmp_path):
    """Undecodable bytes are escaped, and what stands behind `--` is a source."""
    for arguments, code, words in (
        (["run", b"\xff\xfe.png"], 3, "edgefer: \\xff\\xfe.png: no such file"),
        (["run", "--", "--seconds"], 3, "edgefer: --seconds: no such file"),
        (["models", "verify", b"\xff"], 2, "edgefer: unknown model '\\xff'"),
        (["config", "check", b"\xff.toml"], 2, "edgefer: \\xff.toml: no such profile"),
        (["eval", "--data", b"\xff"], 2, "edgefer: \\xff: no such file"),
        (["run", "a\x1bcb.png"], 3, "edgefer: a\\x1bcb.png: no such file"),
    ):
        result = edgefer(*arguments, cwd=tmp_path)
        assert result.returncode == code
        assert result.stderr.startswith(words) and result.stderr.count("\n") == 1, result.stderr


def _without_advice(text: str) -> list[str]:
    return [line.partition("; ")[0] for line in text.splitlines()]


def test_without_a_standard_error_the_readings_stay_alone(model, clip):
    """The summary does not slip into standard output."""
    arguments = ["run", "--source", clip, "--model", model, "--output", "jsonl"]
    command = ["bash", "-c", '"$@" 2>&-', "bash", sys.executable, "-m", "edgefer", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0
    assert [json.loads(line)["frame"] for line in result.stdout.splitlines()] == list(range(30))


def test_help_on_an_ascii_terminal_is_escaped():
    """The dots of rtsp://… have no place in ASCII."""
    result = edgefer("run", "--help", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert (result.returncode, result.stderr) == (0, "")
    assert "rtsp://\\u2026" in result.stdout


def test_help_into_a_closed_pipe_is_quiet():
    """Nor does the parser's own output end in a traceback."""
    command = f"{sys.executable} -m edgefer --help | true"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert result.stderr == ""


# --- info, bench, config show


def test_info_tells_what_runs(capsys):
    """As text and as JSON."""
    assert cli.main(["info"]) == 0
    text = capsys.readouterr().out
    assert cli.main(["info", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["edgefer"] == __version__
    assert facts["profile"] in facts["profiles"]
    for op, variant in facts["kernels"].items():
        assert variant["active"] in variant["variants"]
        assert f"{op} {variant['active']}" in text
    assert facts["packages"]["OpenCV"] == cv2.__version__


@pytest.mark.parametrize(("budget_ms", "code"), [(60_000, 0), (0.0001, 1)], ids=["kept", "missed"])
def test_bench_passes_or_fails_by_the_budget(tmp_path, capsys, model, clip, budget_ms, code):
    """Exit code, verdicts in the text and in the JSON."""
    profile = tmp_path / "my.toml"
    profile.write_text(f"[budget_ms]\ntotal = {{ p50 = {budget_ms}, p95 = {budget_ms} }}\n")
    arguments = ["bench", "--profile", str(profile), "--source", clip, "--model", model, "--warm-up", "5"]
    assert cli.main(arguments) == code
    text = capsys.readouterr().out
    assert text.count("pass  " if code == 0 else "FAIL  ") == 2
    assert cli.main([*arguments, "--json"]) == code
    result = json.loads(capsys.readouterr().out)
    assert result["passed"] is (code == 0)
    assert result["frames"] == 25
    assert [(v["stage"], v["percentile"]) for v in result["verdicts"]] == [("total", "p50"), ("total", "p95")]
    spread = result["stages_ms"]["total"]
    assert 0 < spread["p50"] <= spread["p95"] <= spread["p99"]


@pytest.mark.parametrize("command", ["run", "bench"])
def test_a_camera_is_asked_for_the_size_rate_and_format_of_the_profile(tmp_path, capsys, monkeypatch, model, command):
    """By every command that opens one: what is timed is what runs."""
    asked = []

    def open_camera(options):
        asked.append(options)
        raise SourceError("no camera")

    monkeypatch.setattr("edgefer.sources.camera.open_camera", open_camera)
    profile = tmp_path / "p.toml"
    profile.write_text('[camera]\nsize = [320, 240]\nfps = 15\nformat = "yuyv"\n')
    assert cli.main([command, "--profile", str(profile), "--model", model, "--camera", "5"]) == 3
    assert asked == [CameraOptions(device="5", size=[320, 240], fps=15.0, format="yuyv")]
    assert "no camera" in one_line(capsys)


def test_bench_on_a_source_shorter_than_the_warm_up_is_exit_code_3(capsys, model, clip):
    """Nothing was timed."""
    assert cli.main(["bench", "--source", clip, "--model", model, "--warm-up", "30"]) == 3
    assert "--warm-up" in one_line(capsys)


@needs_portrait
def test_bench_needs_no_source(capsys, model):
    """The demo's portrait, one face a frame."""
    code = cli.main(["bench", "--model", model, "--frames", "30", "--warm-up", "5", "--json"])
    result = json.loads(capsys.readouterr().out)
    assert code == (0 if result["passed"] else 1)
    assert result["source"] == "demo"
    assert result["faces_per_frame"] == 1


def test_config_show_prints_a_profile(tmp_path, capsys):
    """That `config check` finds good."""
    assert cli.main(["config", "show", "--profile", "pi4"]) == 0
    path = tmp_path / "my.toml"
    path.write_text(capsys.readouterr().out)
    assert cli.main(["config", "check", str(path), "pi5"]) == 0
    assert capsys.readouterr().out.count("good") == 2


def test_the_command_line_overrides_the_profile(model):
    """And leaves the rest."""
    args = cli.build_parser().parse_args(["run", "--profile", "pi4", "--threads", "3", "--model", model])
    settings = settings_from(args)
    assert settings.compute.threads == 3
    assert settings.recognizer.models == [model]
    assert settings.detector.min_face_px == 60
    assert settings.recognizer.max_faces == 4


def test_processors_the_machine_lacks_are_exit_code_2(tmp_path, capsys, model, clip):
    """A profile for another board says so in words."""
    profile = tmp_path / "my.toml"
    profile.write_text("[compute]\npin = [1000]\n")
    assert cli.main(["run", "--source", clip, "--profile", str(profile), "--model", model]) == 2
    assert "compute.pin" in one_line(capsys)


def test_explaining_without_keras_names_the_extra(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "keras", None)
    assert cli.main(["explain", "runs/mine", "--data", "faces", "--out", str(tmp_path)]) == 2
    assert "install the train extra: pip install 'edgefer[train]'" in one_line(capsys)
