"""A short form of `make fuzz-files`."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "fuzz" / "damaged_files.py"


def test_damaged_films_and_photographs_end_in_readings_or_one_line():
    done = subprocess.run([sys.executable, str(SCRIPT), "--cases", "3"], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(done.stdout.splitlines()) == 1 + 6 * 2
