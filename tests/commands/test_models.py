"""`edgefer models`: the list, and the verdict on each model."""

from __future__ import annotations

import pytest
import tiny_model

from edgefer import defaults
from edgefer.commands import models as models_command
from edgefer.errors import UsageError
from edgefer.models import manifest as manifests
from edgefer.models import store


@pytest.fixture
def models(tmp_path, monkeypatch):
    """A package with one sound and one damaged model."""
    for name in ("tiny", "worn"):
        tiny_model.make_directory(tmp_path / "models" / name, name=name)
    path = tmp_path / "models" / "worn" / manifests.MODEL_NAME
    path.write_bytes(path.read_bytes()[:-1])
    monkeypatch.setattr(store, "SHIPPED", tmp_path / "models")
    return tmp_path / "models"


def test_the_list_shows_each_model_and_why_one_is_refused(models, monkeypatch):
    monkeypatch.setattr(defaults, "MODEL", "tiny")
    header, tiny, worn = models_command.listing().splitlines()
    assert header.split() == [
        *("name", "kind", "input", "labels", "val", "accuracy", "size"),
        *("licence", "of", "the", "training", "data"),
    ]
    assert tiny.startswith("*  tiny  frame    64x64 grey+sobel  ferplus8  12.50 % of 0")
    assert '2 KiB  no data; "random" weights with a tab' in tiny
    assert worn.startswith("   worn  refused")
    assert "model.tflite is damaged" in worn


def test_an_empty_package_lists_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "SHIPPED", tmp_path / "models")
    assert models_command.listing() == "no models are installed"
    assert models_command.verify() == []


def test_verify_judges_each_model_and_goes_on_after_a_refusal(models):
    verdicts = models_command.verify()
    assert [verdict.ok for verdict in verdicts] == [True, False]
    lines = models_command.verdict_text(verdicts).splitlines()
    assert lines[0] == "ok       tiny"
    assert lines[1].startswith(f"refused  model {models / 'worn'}: model.tflite is damaged")
    assert [verdict.ok for verdict in models_command.verify(["worn", models / "tiny"])] == [False, True]
    with pytest.raises(UsageError, match="unknown model 'tny'; available: tiny, worn"):
        models_command.verify(["tny"])
