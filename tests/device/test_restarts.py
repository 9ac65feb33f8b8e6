"""How often a service began again."""

from __future__ import annotations

import pytest

from edgefer.device.restarts import counted_restarts


def test_an_end_that_was_not_clean_counts_and_a_clean_one_does_not(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGEFER_STATE", str(tmp_path))
    for expected in (0, 0):
        with counted_restarts() as count:
            assert count == expected
    with pytest.raises(RuntimeError), counted_restarts():
        raise RuntimeError
    for _ in range(2):
        with counted_restarts() as count:
            assert count == 1
    killed = counted_restarts()
    killed.__enter__()
    with counted_restarts() as count:
        assert count == 2


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff", b"-3\n"])
def test_a_file_that_was_damaged_counts_from_zero(tmp_path, monkeypatch, content):
    monkeypatch.setenv("EDGEFER_STATE", str(tmp_path))
    (tmp_path / "restarts").write_bytes(content)
    with counted_restarts() as count:
        assert count == 0


def test_nothing_is_written_where_a_run_has_no_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("EDGEFER_STATE", raising=False)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.chdir(tmp_path)
    with counted_restarts() as count:
        assert count == 0
    assert not list(tmp_path.iterdir())
