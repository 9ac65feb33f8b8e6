"""Versions are asked of modules, not of distributions: OpenCV alone comes in four of them."""

from __future__ import annotations

import importlib.metadata
import sys

import cv2
import pytest

from edgefer.support.packages import OPTIONAL, REQUIRED, RUNTIMES, Package, missing, version_of


def test_opencv_of_another_distribution_has_a_version(monkeypatch):
    """As Debian's python3-opencv, Jetson's own build, opencv-contrib-python."""

    def none(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", none)
    monkeypatch.setattr(importlib.metadata, "packages_distributions", dict)
    assert version_of(Package("cv2", "OpenCV")) == cv2.__version__


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module of a name and gives its package."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(text: str) -> Package:
        (tmp_path / "edgefer_test_module.py").write_text(text)
        monkeypatch.delitem(sys.modules, "edgefer_test_module", raising=False)
        return Package("edgefer_test_module", "Test", "test", "testing")

    return write


def test_a_module_that_cannot_be_loaded_is_told_apart_from_one_that_is_not_there(module):
    assert version_of(module("__version__ = '1.2'")) == "1.2"
    assert version_of(module("raise ImportError('libX.so.6: cannot\\n open')")) == "broken: libX.so.6: cannot open"
    assert version_of(module("x = 1")) == "of unknown version"
    assert version_of(Package("edgefer_no_such_module", "None")) is None


def test_a_slow_module_is_not_loaded(module):
    package = module("raise RuntimeError('loaded')")._replace(quick=False)
    assert version_of(package) == "of unknown version"


def test_what_edgefer_stands_on_is_here():
    assert all(version_of(package) for package in REQUIRED)
    assert any(version_of(package) for package in RUNTIMES)
    assert all("pip install 'edgefer[" in missing(package) for package in OPTIONAL)
