"""The progress bar: on a terminal only, and only for work that takes long."""

import io

from edgefer.support import progress


def test_a_bar_is_shown_on_a_terminal_after_two_seconds_and_only_there(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for patience, shown in ((progress.PATIENCE_S, False), (0.0, True)):
        terminal = Terminal()
        monkeypatch.setattr(progress.sys, "stderr", terminal)
        monkeypatch.setattr(progress, "PATIENCE_S", patience)
        assert list(progress.progress_bar(range(5), "counting", 5)) == [0, 1, 2, 3, 4]
        assert ("counting" in terminal.getvalue()) == shown
