"""Files written whole or not at all."""

import os
import platform
import subprocess
import sys
import threading

import pytest

from edgefer.support.atomic import remove_abandoned, replacing, write_bytes


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path):
    (tmp_path / "file").write_bytes(b"before")
    write_bytes(tmp_path / "file", b"after")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file", b"after")]


def test_a_block_that_fails_leaves_the_file_as_it_was(tmp_path):
    (tmp_path / "file.npz").write_bytes(b"before")
    with pytest.raises(ZeroDivisionError), replacing(tmp_path / "file.npz") as scratch:
        assert scratch.name.startswith(".") and scratch.suffix == ".npz"
        scratch.write_bytes(b"half of it")
        raise ZeroDivisionError
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("file.npz", b"before")]


def test_what_a_process_that_is_gone_left_is_removed_and_what_others_write_stays(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    here = f".part.{platform.node()}"
    left = f"{here}.{gone.pid}.o*t.csv"
    others = [f"{here}.{os.getpid()}.o*t.csv", f"{here}.{gone.pid}.other.csv", f".part.there.{gone.pid}.o*t.csv"]
    others += [f"{here}.x.o*t.csv", f"{here}.{10**30}.o*t.csv"]
    for name in (left, *others):
        (tmp_path / name).write_bytes(b"half of it")
    remove_abandoned(tmp_path / "o*t.csv")
    assert {path.name for path in tmp_path.iterdir()} == set(others)


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there" / "file")
    write_bytes(tmp_path / "link", b"content")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "there" / "file").read_bytes() == b"content"


def test_a_pipe_is_written_to_and_stays_one(tmp_path):
    """As a device: for root, replacing it would break the machine."""
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()), daemon=True)
    reader.start()
    write_bytes(pipe, b"content")
    reader.join(10)
    assert got == [b"content"] and pipe.is_fifo()


def test_what_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_bytes(tmp_path / "absent" / "file", b"")
    with pytest.raises(IsADirectoryError):
        write_bytes(tmp_path, b"")
    assert list(tmp_path.iterdir()) == []
