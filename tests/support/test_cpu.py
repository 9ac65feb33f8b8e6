"""The processor's name."""

import platform

import pytest

from edgefer.support.cpu import model_name


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
