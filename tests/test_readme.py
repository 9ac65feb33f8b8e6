"""Every command of README.md, docs/running.md and docs/outputs.md, and the Python snippet, run as they stand there."""

import getpass
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from portrait import data_file

from edgefer.models import store

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text()
RUNNING = (ROOT / "docs" / "running.md").read_text()
OUTPUTS = (ROOT / "docs" / "outputs.md").read_text()
YUNET = "face_detection_yunet_2023mar.onnx"

# Exit codes other than 0 that are right on a machine without the thing named.
ALSO_RIGHT = {
    "edgefer run --camera 0": {3},  # no camera
    "edgefer run --source camera:0": {3},
    "edgefer bench": {1},  # a build machine under load may miss a board's budget
}


def blocks(language: str, text: str = TEXT) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def shell_lines(text: str = TEXT) -> list[str]:
    lines = [line.split("  #")[0].strip() for block in blocks("sh", text) for line in block.splitlines()]
    return [line for line in lines if line]


def portrait() -> np.ndarray:
    matplotlib = pytest.importorskip("matplotlib", reason="the demo extra brings the portrait")
    return cv2.imread(str(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with the files that the README's commands name: a clip, a data set, the profiles, a model."""
    where = tmp_path_factory.mktemp("readme")
    image = portrait()
    cv2.imwrite(str(where / "portrait.jpg"), image)
    (where / "photos" / "more").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg", "more/c.jpg"):
        shutil.copy(where / "portrait.jpg", where / "photos" / name)
    height, width = image.shape[:2]
    writer = cv2.VideoWriter(str(where / "clip.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), 30, (width, height))
    for shift in range(30):
        writer.write(np.roll(image, shift, axis=1))
    writer.release()
    face = cv2.resize(cv2.cvtColor(image[60:300, 140:380], cv2.COLOR_BGR2GRAY), (48, 48))
    rows = []
    for number, (emotion, usage) in enumerate(itertools.product(range(7), ("Training", "PrivateTest"))):
        pixels = " ".join(map(str, cv2.add(face, number).ravel()))  # no two alike: duplicates are left out
        rows.append(f"{emotion},{pixels},{usage}")
    (where / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *rows]) + "\n")
    shutil.copytree(ROOT / "firmware_configs", where / "firmware_configs")
    shutil.copytree(store.SHIPPED / "edgefer-nano", where / "my-model")
    return where


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    places = {"EDGEFER_STATE": str(folder / "state")}
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **places, "PATH": path}, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("line", [x for x in shell_lines(TEXT + RUNNING + OUTPUTS) if x.startswith("edgefer ")])
def test_a_command_of_the_pages_runs(line, folder):
    arguments = shlex.split(line)
    if "yunet" in line and not (folder / YUNET).exists():
        shutil.copy(data_file(f"teachers/{YUNET}"), folder)
    if "--camera" in arguments or "camera:0" in line:
        arguments += ["--seconds", "2"]  # where there is a camera, two seconds of it are enough
    if arguments[1] == "run" and "--patience" not in arguments:
        arguments += ["--patience", "0"]  # none is plugged in meanwhile
    result = run(arguments, folder)
    others = {code for start, codes in ALSO_RIGHT.items() if line.startswith(start) for code in codes}
    assert result.returncode in {0} | others, result.stderr
    assert "Traceback" not in result.stderr
    assert result.returncode == 0 or result.stderr.strip() or result.stdout.strip()


def test_the_profile_of_the_page_is_good(folder):
    if not (folder / "yunet").exists():
        shutil.copy(data_file(f"teachers/{YUNET}"), folder)
        run(["edgefer", "models", "pack", YUNET, "yunet", "--decoding", "yunet"], folder)
    (folder / "page.toml").write_text(blocks("toml", RUNNING)[0])
    result = run(["edgefer", "config", "check", "page.toml"], folder)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", ["outputs", "home-assistant"])
def test_a_secret_is_written_for_the_user_who_runs_edgefer_though_no_folder_is_there(page, tmp_path):
    """The line without its `sudo`, below another root."""
    text = (ROOT / "docs" / f"{page}.md").read_text()
    ((command, path),) = re.findall(r"sudo (install .*/dev/stdin) (/etc/edgefer/\S+)", text)
    user = getpass.getuser()
    subprocess.run(
        f"echo secret | {command} {tmp_path}{path}", shell=True, env={**os.environ, "USER": user}, check=True
    )
    made = Path(f"{tmp_path}{path}")
    assert (made.read_text(), made.owner(), made.stat().st_mode & 0o777) == ("secret\n", user, 0o600)


def test_the_other_shell_lines_are_make_targets_and_the_activation_of_the_environment():
    others = [x for x in shell_lines() if not x.startswith("edgefer ")]
    assert "make demo" in others
    for line in others:
        if line.startswith("make "):
            assert run(["make", "--dry-run", line.split()[1]], ROOT).returncode == 0, line
        else:
            assert line == ". .venv/bin/activate", line


def test_make_targets_in_the_prose_exist():
    named = set(re.findall(r"`make ([a-z-]+)`", TEXT))
    assert {"demo", "test", "bench"} <= named
    for target in named:
        assert run(["make", "--dry-run", target], ROOT).returncode == 0, target


@pytest.mark.parametrize("snippet", blocks("python"))
def test_the_python_snippet_runs_and_finds_the_face(snippet, folder):
    result = run([sys.executable, "-c", snippet], folder)
    assert result.returncode == 0, result.stderr
    assert "Box(" in result.stdout


def test_files_named_in_the_readme_exist():
    for name in re.findall(r"`((?:docs|csrc|edgefer|firmware_configs|bench)/[\w./]*)`", TEXT):
        assert (ROOT / name).exists(), name


def test_generated_tables_are_up_to_date():
    result = run([sys.executable, "-m", "tools.readme", "--check"], ROOT)
    assert result.returncode == 0, result.stderr
