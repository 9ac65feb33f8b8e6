"""Commands of training where a package is not installed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("command", ["fit", "sketch fit vgg11", "detector.fit"])
@pytest.mark.parametrize(
    ("module", "hint"),
    [("keras", "[train]'\n"), ("torch", "[train]'; KERAS_BACKEND names another backend that is there\n")],
)
def test_a_package_that_is_missing_is_one_line(tmp_path, command, module, hint):
    (tmp_path / "keras.py").write_text(f"raise ModuleNotFoundError('No module', name={module!r})")
    done = subprocess.run(
        [sys.executable, "-m", *f"edgefer.train.{command}".split(), "--out", str(tmp_path / "run")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert done.stderr.endswith(f"edgefer: {module} is not installed: pip install 'edgefer{hint}")
    assert "Traceback" not in done.stderr
