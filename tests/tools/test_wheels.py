"""The wheels of other Pythons and processors: made of one that is there, with other compiled files in it."""

import base64
import csv
import hashlib
import sys
import zipfile

import pytest

from tools import wheels


@pytest.fixture
def template(tmp_path):
    """A wheel as setuptools writes it, in small."""
    path = tmp_path / "edgefer-1.2-cp311-cp311-linux_x86_64.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("edgefer/__init__.py", "one = 1\n")
        archive.writestr("edgefer/_kernels.cpython-311-x86_64-linux-gnu.so", b"\x7fELF of this machine")
        archive.writestr("edgefer/sources/camera/_v4l2.abi3.so", b"\x7fELF of this machine")
        archive.writestr("edgefer-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: cp311-cp311-linux_x86_64\n\n")
        archive.writestr("edgefer-1.2.dist-info/RECORD", "edgefer/__init__.py,,\n")
    return path


def test_a_wheel_of_another_processor_holds_its_files_and_none_of_this_one(template, tmp_path):
    compiled = tmp_path / "_kernels.so"
    compiled.write_bytes(b"\x7fELF of the other")
    name = "edgefer/_kernels.cpython-313-aarch64-linux-gnu.so"
    made = wheels.assemble(template, "cp313-cp313-linux_aarch64", {name: compiled}, tmp_path / "made")
    assert made.name == "edgefer-1.2-cp313-cp313-linux_aarch64.whl"
    with zipfile.ZipFile(made) as archive:
        assert [each for each in archive.namelist() if each.endswith(".so")] == [name]
        assert archive.read(name) == compiled.read_bytes()
        assert archive.getinfo(name).external_attr >> 16 & 0o777 == 0o755
        assert archive.read("edgefer/__init__.py") == b"one = 1\n"
        assert archive.read("edgefer-1.2.dist-info/WHEEL") == b"Wheel-Version: 1.0\nTag: cp313-cp313-linux_aarch64\n\n"


def test_the_record_has_the_hash_and_the_size_of_every_file(template, tmp_path):
    made = wheels.assemble(template, "cp311-cp311-linux_x86_64", {}, tmp_path / "made")
    with zipfile.ZipFile(made) as archive:
        rows = list(csv.reader(archive.read("edgefer-1.2.dist-info/RECORD").decode().splitlines()))
        assert [row[0] for row in rows] == archive.namelist()
        for name, digest, size in rows[:-1]:
            data = archive.read(name)
            expected = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            assert (digest, size) == (f"sha256={expected}", str(len(data)))
        assert rows[-1] == ["edgefer-1.2.dist-info/RECORD", "", ""]


def test_the_headers_of_this_python_are_those_of_its_version(monkeypatch, tmp_path):
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    monkeypatch.setattr(wheels, "WORK", tmp_path)
    try:
        folder = wheels.headers(version)
    except wheels.WheelError:
        pytest.skip("the headers of this Python are not installed")
    text = (folder / "patchlevel.h").read_text()
    assert f'#define PY_VERSION             "{version}.' in text or f'PY_VERSION "{version}.' in " ".join(text.split())


def test_a_python_without_headers_anywhere_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setattr(wheels.shutil, "which", lambda name: None)
    monkeypatch.setattr(wheels.Path, "is_file", lambda path: False)
    with pytest.raises(wheels.WheelError, match="install it"):
        wheels.headers("3.10")


def test_headers_that_cannot_be_fetched_are_one_line(monkeypatch, tmp_path):
    """As on a machine that is not Debian, or has no network."""
    monkeypatch.setattr(wheels, "WORK", tmp_path)
    monkeypatch.setattr(wheels.shutil, "which", lambda name: None)
    monkeypatch.setattr(wheels.Path, "is_file", lambda path: False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(wheels.WheelError, match=r"could not be fetched from Debian forky: .*apt-get") as caught:
        wheels.headers("3.14")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "debian-3.14").exists()
