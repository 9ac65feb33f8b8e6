"""Real clips through the command line: who is seen, as whom, and for how long."""

import json
import os
from pathlib import Path

import cv2
import pytest

from edgefer.commands.console import main

ROOT = Path(__file__).resolve().parent.parent
VIDEOS = Path(os.environ.get("EDGEFER_DATA", ROOT.parent / "shared" / "data")) / "videos"

pytestmark = pytest.mark.skipif(not VIDEOS.is_dir(), reason=f"the clips are not here: {VIDEOS}")


def read(clip: Path, folder: Path) -> list[dict]:
    output = folder / "readings.jsonl"
    assert main(["run", "--source", str(clip), "--output", f"jsonl:{output}"]) == 0
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(len(lines)))
    return lines


@pytest.mark.parametrize(
    ("name", "least"),
    [("single_face.mp4", 0.97), *((f"asl_{sign}.mkv", 0.95) for sign in ("please", "thanks", "want", "yes"))],
)
def test_one_face_is_read_as_one_track_nearly_everywhere(name, least, tmp_path):
    lines = read(VIDEOS / name, tmp_path)
    assert sum(bool(line["faces"]) for line in lines) >= least * len(lines)
    assert {face["track"] for line in lines for face in line["faces"]} == {1}


def test_the_smile_of_single_face_is_read_as_happiness(tmp_path):
    lines = read(VIDEOS / "single_face.mp4", tmp_path)
    # looked at by eye: a resting face to frame 15, a broad smile from frame 25 to 55
    assert all(line["faces"][0]["expression"] == "neutral" for line in lines[5:15])
    assert all(line["faces"][0]["expression"] == "happiness" for line in lines[28:55])


def test_a_face_that_left_is_not_reported_and_read_again_within_half_a_second(tmp_path):
    """The face of face_noface.mov leaves with frame 72; played twice in a row, it returns with frame 169."""
    capture = cv2.VideoCapture(str(VIDEOS / "face_noface.mov"))
    frames = []
    while (entry := capture.read())[0]:
        frames.append(entry[1])
    height, width = frames[0].shape[:2]
    clip = tmp_path / "twice.mp4"
    writer = cv2.VideoWriter(str(clip), cv2.VideoWriter_fourcc(*"mp4v"), 25, (width, height))
    for frame in frames * 2:
        writer.write(frame)
    writer.release()

    seen = [line["frame"] for line in read(clip, tmp_path) if line["faces"]]
    first, second = [n for n in seen if n < len(frames)], [n for n in seen if n >= len(frames)]
    assert first == list(range(72))
    assert second[0] - len(frames) <= 0.5 * 25
    assert second[-1] - len(frames) == 71
