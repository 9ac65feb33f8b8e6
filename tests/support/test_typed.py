"""Values against types: what two threads convert at once, where msgspec alone ends the process; whole numbers."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

import pytest

from edgefer.support.typed import whole_number

TEXT = """
from __future__ import annotations
from typing import Annotated
from msgspec import Meta, Struct
class Inner(Struct):
    a: int = 0
class Outer(Struct):
""" + "".join(f"    f{n}: Annotated[float, Meta(ge=0)] | list[Inner] = 0.0\n" for n in range(20))

AT_ONCE = f"""
import sys, threading, types
from edgefer.support.typed import converted
sys.setswitchinterval(1e-6)
for number in range(150):
    module = sys.modules[f"own{{number}}"] = types.ModuleType(f"own{{number}}")
    exec({TEXT!r}, module.__dict__)
    both, values = threading.Barrier(4), []
    def convert():
        both.wait()
        values.append(converted({{"f1": 1.5, "f2": [{{"a": 2}}]}}, module.Outer))
    threads = [threading.Thread(target=convert) for _ in range(4)]
    [thread.start() for thread in threads], [thread.join() for thread in threads]
    assert [(value.f1, value.f2[0].a) for value in values] == [(1.5, 2)] * 4
"""


def test_two_threads_that_use_a_type_first_at_once_both_get_their_value():
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONFAULTHANDLER": "1"}
    done = subprocess.run([sys.executable, "-c", AT_ONCE], env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_whole_number_may_be_as_long_as_its_greatest():
    assert [whole_number(1, 2**53)(text) for text in ("1", "007", "1795790718", str(2**53))] == [
        1,
        7,
        1795790718,
        2**53,
    ]
    assert whole_number(0, 5)("0000000000") == 0
    for text in ("", "0", "-1", "+1", "1.0", "²", " 1", str(2**53 + 1), "9" * 5000):
        with pytest.raises(argparse.ArgumentTypeError, match="expected a whole number from 1 to 9007199254740992"):
            whole_number(1, 2**53)(text)
