"""The live table on a real terminal: its screen, its keys, pauses, and what is left behind."""

import shutil
import signal
import sys
import time

import pytest
from terminals import NORMAL_SCREEN, OTHER_SCREEN, Terminal

from edgefer.sources.demo import portrait_path

# A run of a source that gives a frame each 20 ms, through the parts that a real run uses.
RUN = """if True:
    import logging, sys, threading, time
    from edgefer.commands.console import _log_to_stderr
    from edgefer.device.service import StopSignals
    from edgefer.errors import SourceError
    from edgefer.loop.run import run
    from edgefer.sinks import OUTPUTS, start_sink
    from edgefer.values import Health, Reading
    from edgefer.loop.summary import RunSummary
    class Readings:
        ended, frame, summary, count = False, object(), RunSummary(), 0
        health = Health(0, 0, 0, 0.0, 0.0, 0, 0, None, False, "running")
        def step(self):
            time.sleep(0.02)
            self.count += 1
            {each}
            self.ended = self.count == {most}
            return Reading(self.count, self.count / 50, "2026-11-21T10:00:00Z", 1.0, latency_ms={{"total": 1.0}})
        def rest(self, asked): pass
        def close(self): pass
    with _log_to_stderr(), StopSignals() as stop:
        sinks = [start_sink(OUTPUTS.parse(text), labels=("a", "b"), title="stub", fps=None, drop=True)
                 for text in {outputs}]
        try:
            readings = Readings()
            run(readings, sinks, stop.event)
        except SourceError as error:
            print("failed:", error)
            sys.exit(3)
    print("read", readings.count, type(sinks[0].sink).__name__)
    sys.exit(130 if stop.received == 2 else 0)
"""


def program(each="pass", outputs=("table",), most=3000):
    return sys.executable, "-c", RUN.format(each=each, outputs=list(outputs), most=most)


def test_q_ends_a_real_run_with_exit_code_0_and_leaves_the_terminal_as_it_was():
    try:
        portrait_path()
    except Exception:
        pytest.skip("the demo's portrait needs matplotlib")
    with Terminal(sys.executable, "-m", "edgefer", "run", "--source", "demo:forever") as terminal:
        terminal.wait_for("q ends the run")
        assert terminal.modes() != terminal.modes_before
        terminal.type("q")
        terminal.wait_for(NORMAL_SCREEN)
        assert terminal.wait() == 0
        assert terminal.modes() == terminal.modes_before
        assert "a face in" in terminal.seen and "start to first reading" in terminal.seen
        assert "latency, ms" not in terminal.seen


@pytest.mark.parametrize("key", ["q", "Q", "\x1b[Aq"])
def test_q_ends_the_run_whatever_other_outputs_there_are(key, tmp_path):
    path = tmp_path / "seen.jsonl"
    with Terminal(*program(outputs=["table", f"jsonl:{path}"])) as terminal:
        terminal.wait_for("q ends the run")
        terminal.type(key)
        assert terminal.wait() == 0
        assert "LiveTable" in terminal.seen
    lines = path.read_text().splitlines()
    assert 0 < len(lines) < 3000 and lines[-1].endswith("}")


def test_other_keys_do_nothing():
    """Not even F2, whose code holds a Q."""
    with Terminal(*program(most=60)) as terminal:
        terminal.wait_for("q ends the run")
        terminal.type("x\x1bOQ\x1b[21~\x1b\n")
        assert terminal.wait() == 0
        assert "read 60 " in terminal.seen


def test_what_is_piped_in_is_not_read():
    command = list(program(most=40))
    code = f"import subprocess, sys; sys.exit(subprocess.run({command!r}, input=b'q' * 99).returncode)"
    with Terminal(sys.executable, "-c", code) as terminal:
        terminal.wait_for(OTHER_SCREEN)
        assert terminal.modes() == terminal.modes_before
        assert terminal.wait() == 0
        assert "read 40 LiveTable" in terminal.seen and "q ends the run" not in terminal.seen


@pytest.mark.parametrize(
    ("each", "number", "code"),
    [
        ("if self.count > 40: raise SourceError('stub: gone')", None, 3),
        ("if self.count > 40: raise ValueError('a bug')", None, 1),
        ("pass", signal.SIGTERM, 0),
        ("pass", signal.SIGINT, 130),
    ],
    ids=["error", "bug", "SIGTERM", "SIGINT"],
)
def test_the_terminal_is_left_as_it_was_whatever_ends_the_run(each, number, code):
    with Terminal(*program(each)) as terminal:
        terminal.wait_for(OTHER_SCREEN)
        if number:
            terminal.process.send_signal(number)
        terminal.wait_for(NORMAL_SCREEN)
        assert terminal.wait() == code
        assert terminal.modes() == terminal.modes_before
        assert "frames in" in terminal.seen and OTHER_SCREEN not in terminal.seen


def test_a_process_that_just_ends_leaves_the_screen_too():
    code = """if True:
        import sys
        from edgefer.sinks import open_sink
        from edgefer.values import Reading
        import time
        sink = open_sink("table", title="clip")
        for index in range(2):
            sink.write(Reading(index, 0.0, "2026-11-21T10:00:00Z", 1.0))
            time.sleep(0.3)
        raise RuntimeError("lost")
    """
    with Terminal(sys.executable, "-c", code) as terminal:
        terminal.wait_for(OTHER_SCREEN)
        assert terminal.wait() == 1
        assert NORMAL_SCREEN in terminal.seen and terminal.modes() == terminal.modes_before


def test_ctrl_z_pauses_and_fg_goes_on():
    if shutil.which("bash") is None:
        pytest.skip("needs a shell with job control: bash is not installed")
    with Terminal("bash", "--norc", "--noprofile", "-i", PS1="ready> ", HISTFILE="/dev/null") as terminal:
        terminal.wait_for("ready> ")
        quoted = " ".join("'" + part.replace("'", "'\\''") + "'" for part in program())
        terminal.type(f"run() {{ {quoted}; }}\nrun\n")
        terminal.wait_for("q ends the run")
        terminal.type("\x1a")
        assert NORMAL_SCREEN in terminal.wait_for("Stopped")
        terminal.wait_for("ready> ")
        shell_modes = terminal.modes()
        terminal.type("echo in the $((20 + 1))st shell\n")
        terminal.wait_for("in the 21st shell")
        terminal.type("bg\n")
        terminal.wait_for("ready> ")
        time.sleep(0.6)  # in the background it must neither draw nor take keys
        terminal.type("echo still the $((20 + 2))nd shell\n")
        assert OTHER_SCREEN not in terminal.wait_for("still the 22nd shell")
        terminal.type("fg\n")
        terminal.wait_for("q ends the run")
        assert terminal.modes() != shell_modes
        terminal.type("q")
        terminal.wait_for(NORMAL_SCREEN)
        terminal.wait_for("LiveTable")
        terminal.type("echo code $?\n")
        terminal.wait_for("code 0")
        terminal.wait_for("ready> ")  # the shell sets its own modes again with its prompt
        assert terminal.modes()[3] == shell_modes[3]
        terminal.type("exit\n")
        terminal.wait()


def test_a_resized_terminal_is_drawn_anew():
    with Terminal(*program()) as terminal:
        terminal.wait_for("q ends the run")
        terminal.resize(60, 10)
        terminal.wait_for("\x1b[2J")
        terminal.wait_for("\x1b[10;1H")
        terminal.resize(100, 30)
        assert "q ends the run" in terminal.wait_for("\x1b[30;1H") + terminal.wait_for("run")
        terminal.type("q")
        assert terminal.wait() == 0


@pytest.mark.parametrize("into_a_file", [False, True])
def test_log_lines_are_shown_in_the_table_and_printed_after_it(tmp_path, into_a_file):
    """Where stderr is the same terminal; a stderr that goes to a file stays there."""
    each = "self.count == 30 and logging.getLogger('edgefer.x').warning('a word [bold]of[/] warning')"
    line = "edgefer: a word [bold]of[/] warning"
    with (tmp_path / "stderr").open("wb") as file, Terminal(*program(each), stderr=file if into_a_file else None) as t:
        t.wait_for("q ends the run")
        if not into_a_file:
            t.wait_for("! " + line)
        time.sleep(0.8)
        t.type("q")
        drawn = t.wait_for(NORMAL_SCREEN)
        assert t.wait() == 0
        assert line + "\r\n" not in drawn
        assert (line + "\r\n" in t.seen) == (not into_a_file)
    assert (tmp_path / "stderr").read_text() == (line + "\n" if into_a_file else "")


def test_a_dumb_terminal_and_a_background_job_get_plain_lines():
    with Terminal(*program(most=3), TERM="dumb") as terminal:
        assert terminal.wait() == 0
        assert "PlainTable" in terminal.seen and "\x1b" not in terminal.seen
    code = f"import os, subprocess; subprocess.run({list(program(most=3))!r}, process_group=0)"
    if sys.version_info < (3, 11):
        return
    with Terminal(sys.executable, "-c", code) as terminal:
        assert terminal.wait() == 0
        assert "PlainTable" in terminal.seen and "\x1b" not in terminal.seen
