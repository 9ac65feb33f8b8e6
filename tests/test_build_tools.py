"""`make` names the missing package in one line, or says what it skips, instead of failing somewhere."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parent / "device" / "check_build_tools.sh"


def check(**environment):
    return subprocess.run(
        ["sh", str(SCRIPT)], env={**os.environ, **environment}, capture_output=True, text=True, timeout=60
    )


def test_a_missing_interpreter_is_named():
    result = check(PYTHON="python-that-is-not-there")
    assert result.returncode == 1
    assert result.stderr == "edgefer: no python-that-is-not-there found; to fix: sudo apt install python3\n"


def test_a_missing_compiler_is_named():
    result = check(PYTHON=sys.executable, CXX="no-such-compiler")
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "edgefer: no C++ compiler (no-such-compiler) found; to fix: sudo apt install g++"
    ]


def test_an_interpreter_outside_the_supported_versions_is_refused(tmp_path):
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = -V ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    result = check(PYTHON=str(old))
    assert result.returncode == 1
    assert result.stderr.startswith("edgefer: Python 3.10 to 3.14 is needed, got Python 3.9.2; to fix:")


def test_the_alternative_runtime_is_skipped_in_one_line_where_no_python_of_it_is(tmp_path):
    for name in ("python3", "python3.11", "python3.10"):
        other = tmp_path / name
        other.write_text("#!/bin/sh\necho 3.13\n")
        other.chmod(0o755)
    result = subprocess.run(
        ["sh", str(SCRIPT.with_name("alternative_runtime.sh"))],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0
    assert result.stdout.startswith("alternative_runtime: skipped: tflite-runtime needs Python 3.10 or 3.11")
