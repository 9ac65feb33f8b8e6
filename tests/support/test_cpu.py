"""The processor's name, and how much of it there is."""

import platform

import pytest

from edgefer.support.cpu import model_name, quota


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("processor\t: 0\nmodel\t\t: 1\nmodel name\t: A Processor: fast\n", "A Processor: fast"),
        ("processor\t: 0\nModel\t\t: Raspberry Pi 4 Model B\n", "Raspberry Pi 4 Model B"),
    ],
    ids=["pc", "pi"],
)
def test_the_name_is_the_kernels(tmp_path, text, name):
    (tmp_path / "cpuinfo").write_text(text)
    assert model_name(tmp_path / "cpuinfo") == name


def test_where_the_kernel_tells_nothing_python_is_asked(tmp_path):
    assert model_name(tmp_path / "absent") == (platform.processor() or platform.machine())


@pytest.mark.parametrize(
    ("groups", "files", "limit"),
    [
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/a/b\n", {"a/cpu.max": "50000 100000", "a/b/cpu.max": "max 100000"}, 0.5),
        (
            "2:memory:/m\n1:cpu,cpuacct:/a\n",
            {"cpu/a/cpu.cfs_quota_us": "200000", "cpu/a/cpu.cfs_period_us": "100000"},
            2,
        ),
        ("1:cpu:/a\n", {"cpu/a/cpu.cfs_quota_us": "-1", "cpu/a/cpu.cfs_period_us": "100000"}, None),
        ("0::/\n", {"cpu.max": "nonsense"}, None),
        ("", {}, None),
    ],
    ids=["without", "version 2", "of the group above", "version 1", "version 1 without", "damaged", "no groups"],
)
def test_the_time_that_control_groups_leave_is_read_in_either_version(tmp_path, groups, files, limit):
    (tmp_path / "own").write_text(groups)
    for name, text in files.items():
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text(text)
    assert quota(tmp_path / "own", tmp_path / "tree") == limit
    assert quota(tmp_path / "absent", tmp_path / "absent") is None
