"""The terminal."""

import io

from readings import face, reading

from edgefer.sinks.table import PlainTable, open_table


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def run_plain(capfd, count, step_s, *faces):
    clock = Clock()
    sink = PlainTable("clip.mp4", clock)
    for index in range(count):
        sink.write(reading(index, *faces, total_ms=5.0 + index % 2))
        clock.now += step_s
    sink.close()
    sink.close()
    out, err = capfd.readouterr()
    assert err == ""
    return out.splitlines()


def test_plain_lines_come_once_a_second_and_end_in_a_summary(capfd):
    lines = run_plain(capfd, 96, 1 / 32, face())
    assert lines[0] == "reading clip.mp4"
    frames = [line for line in lines if line.startswith("frame ")]
    assert [line.split(" | ")[0] for line in frames] == ["frame 0", "frame 32", "frame 64"]
    assert "#1 happiness 70 %, 60x60 at 20,30" in frames[1]
    assert "32.0 fps" in frames[1] and "age 12.3 ms" in frames[1] and "total p50 5.0 p95 6.0 ms" in frames[1]
    assert lines[-2] == "96 frames in 3.0 s, 32.0 a second; a face in 96 (100.0 %), 1 track"
    assert lines[-1].startswith("ms p50/p95: capture 0.5/0.5, detect 2.0/2.0")


def test_plain_lines_tell_why_a_face_is_not_judged_and_when_there_is_none(capfd):
    assert "#1 uncertain (small, dark)" in run_plain(capfd, 1, 1.0, face(reasons=("small", "dark")))[1]
    lines = run_plain(capfd, 2, 1.0)
    assert "no face" in lines[1] and "a face in 0 (0.0 %), 0 tracks" in lines[-2]


def test_a_run_without_a_frame_says_so(capfd):
    assert run_plain(capfd, 0, 1.0) == ["reading clip.mp4", "no frame was read"]


def test_what_is_no_terminal_gets_plain_lines():
    assert isinstance(open_table("demo", io.StringIO()), PlainTable)
