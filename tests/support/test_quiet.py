"""Native noise on stderr."""

import logging
import os
import subprocess
import sys
import threading

import pytest

from edgefer.support.quiet import native_stderr


@pytest.fixture
def logged():
    """Messages of the module's own log; caplog would miss them after the command line has set up its log."""
    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    log = logging.getLogger("edgefer.support.quiet")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    yield messages
    log.removeHandler(handler)
    log.setLevel(level)


def test_native_words_go_to_the_debug_log_and_stderr_works_again(capfd, logged):
    with native_stderr("decoder"):
        os.write(2, b"one\ntwo\n")
    os.write(2, b"mine\n")
    assert capfd.readouterr().err == "mine\n"
    assert logged == ["decoder: one", "decoder: two"]


def test_stderr_works_again_after_an_error(capfd):
    with pytest.raises(ZeroDivisionError), native_stderr("decoder"):
        os.write(2, b"noise\n")
        raise ZeroDivisionError
    os.write(2, b"mine\n")
    assert capfd.readouterr().err == "mine\n"


def test_blocks_of_several_threads_do_not_steal_stderr(capfd):
    """Overlapping ones would each put back what the other had put there."""

    def work():
        for _ in range(200):
            with native_stderr("decoder"):
                os.write(2, b"noise\n")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(2, b"mine\n")
    assert capfd.readouterr().err == "mine\n"


def test_overlapping_blocks_do_not_wait_for_each_other(capfd, logged):
    """Else a camera's frames would wait for the decoding that an output asks for."""
    first, second = threading.Event(), threading.Event()

    def work():
        with native_stderr("output"):
            first.set()
            assert second.wait(10)
            os.write(2, b"noise\n")

    thread = threading.Thread(target=work)
    thread.start()
    assert first.wait(10)
    with native_stderr("camera"):
        os.write(2, b"more\n")
    assert logged == []
    second.set()
    thread.join(10)
    os.write(2, b"mine\n")
    assert capfd.readouterr().err == "mine\n"
    assert logged == ["output, camera: more", "output, camera: noise"]


def test_a_program_with_its_own_stderr_loses_nothing_even_when_it_ends_within_a_block():
    code = """if True:
        import logging, os, sys
        from edgefer.support.quiet import native_stderr, own_stderr
        own_stderr()
        logging.basicConfig()
        with native_stderr("decoder"):
            os.write(2, b"noise\\n")
            print("ours …", file=sys.stderr)
            logging.warning("also ours")
            os._exit(3)
    """
    done = subprocess.run([sys.executable, "-X", "utf8", "-c", code], capture_output=True, encoding="utf-8")
    assert done.returncode == 3
    assert done.stderr.splitlines() == ["ours …", "WARNING:root:also ours"]


@pytest.mark.parametrize("closing", ["2>&-", ""], ids=["closed", "open"])
def test_without_a_stderr_nothing_happens(closing):
    code = (
        "from edgefer.support.quiet import *; own_stderr()\nwith native_stderr('x'): import os\n"
        "import sys; print('fine'); sys.stderr and print('oh', file=sys.stderr)"
    )
    done = subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {closing}', sys.executable, code], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "fine\n")
    assert done.stderr == ("" if closing else "oh\n")
