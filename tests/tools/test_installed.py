"""The table of what an installation takes."""

from __future__ import annotations

import re

import pytest

from tools import installed


def test_the_core_lists_its_packages_and_their_sum():
    core = list(installed.rows([installed.CORE]))
    names = [name for _, name, _, _ in core]
    assert {"numpy", "opencv-python-headless", "ai-edge-litert", "msgspec", "rich"} <= set(names)
    assert len(names) == len(set(names)), "a package is counted once"
    total = float(re.search(r"\*\*core\*\* \| \| \| \*\*([\d.]+)\*\*", installed.table([]))[1])
    assert total == pytest.approx(sum(size for *_, size in core), abs=0.06)


def test_a_package_of_two_extras_is_counted_with_the_first():
    rows = list(installed.rows([installed.CORE, "demo", "dev"]))
    assert ("demo", "matplotlib") in {(extra, name) for extra, name, _, _ in rows}
    assert "matplotlib" not in {name for extra, name, _, _ in rows if extra == "dev"}


def test_an_extra_that_is_not_installed_is_left_out(monkeypatch):
    real = installed.distribution

    def without_matplotlib(name):
        if name == "matplotlib":
            raise installed.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(installed, "distribution", without_matplotlib)
    assert {extra for extra, *_ in installed.rows([installed.CORE, "demo"])} == {installed.CORE}
