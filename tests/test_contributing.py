"""The examples of CONTRIBUTING.md, typed into a copy of the package, do what the page says."""

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
from portrait import portrait

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "CONTRIBUTING.md").read_text()


def examples() -> list[tuple[str, str]]:
    """Each Python block, with the file that the list above it names; "" for one that is run."""
    blocks, file = [], ""
    for part in re.split(r"(```python\n.*?```)", TEXT, flags=re.S):
        if part.startswith("```python"):
            code = part.removeprefix("```python\n").removesuffix("```")
            blocks.append(("" if "copytree" in code else file, code))
        elif named := re.findall(r"^\d\. `(edgefer/\w+/\w+\.py)`", part, flags=re.M):
            file = named[-1]
    return blocks


def typed(path: Path, code: str) -> None:
    """Adds a block to a file: a class before the registry it is for, all else at the end."""
    before = path.read_text() if path.exists() else ""
    at = re.search(r"^([A-Z]+ = Registry\(|_KINDS)", before, flags=re.M)
    offset = at.start() if at and code.startswith("class ") else len(before)
    path.write_text(before[:offset] + code + "\n\n" + before[offset:])


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A folder with the package and the examples in it, a photograph, and the model of the new kind."""
    where = tmp_path_factory.mktemp("typed")
    shutil.copytree(ROOT / "edgefer", where / "edgefer", ignore=shutil.ignore_patterns("train", "__pycache__"))
    cv2.imwrite(str(where / "portrait.jpg"), portrait())
    for file, code in examples():
        if file:
            typed(where / file, code)
    kinds = where / "edgefer" / "recognize" / "registry.py"
    kinds.write_text(kinds.read_text().replace("import FrameManifest", "import MeanManifest, FrameManifest"))
    (model,) = [code for file, code in examples() if not file]
    run(where, "-c", model)
    return where


def run(where: Path, *arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=where,
        env={**os.environ, "PYTHONPATH": str(where)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_page_has_an_example_of_each(copy):
    rooms = [Path(file).parts[1] for file, _ in examples() if file]
    assert set(rooms) == {"sinks", "detect", "sources", "models", "recognize"}
    assert run(copy, "-c", "import edgefer; print(edgefer.__file__)").startswith(str(copy))


def test_the_output_the_detector_and_the_source_run_together(copy):
    options = ["--source", "frozen:portrait.jpg,seconds=2", "--detector", "whole,margin=0.2"]
    options += ["--no-cover-check"]  # what this detector gives is the picture's square, not the face's
    run(copy, "-m", "edgefer", "run", "-q", *options, "--output", "changes:lines,min_confidence=0.3")
    first, *others = (copy / "lines").read_text().splitlines()
    assert re.fullmatch(r"\S+ #1 [a-z]+", first) and len(others) < 30


def test_the_model_of_the_new_kind_is_verified_and_speaks_after_its_window(copy):
    assert run(copy, "-m", "edgefer", "models", "verify", "./my-mean") == "ok       ./my-mean\n"
    options = ["--source", "frozen:portrait.jpg,seconds=1", "--model", "./my-mean"]
    lines = run(copy, "-m", "edgefer", "run", "-q", *options, "--output", "jsonl").splitlines()
    assert '"expression":"uncertain"' in lines[10] and '"expression":"uncertain"' not in lines[-1]


@pytest.mark.skipif(platform.machine() != "x86_64", reason="an example for SSE4.1")
@pytest.mark.skipif(shutil.which("g++") is None, reason="needs g++")
def test_the_variant_of_a_kernel_compiles(tmp_path):
    (code,) = re.findall(r"```cpp\n(.*?)```", TEXT, flags=re.S)
    (tmp_path / "variant.cpp").write_text(code)
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", f"-I{ROOT / 'csrc'}"]
    result = subprocess.run(["g++", *flags, str(tmp_path / "variant.cpp")], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
