"""How a stream's sources are opened."""

from __future__ import annotations

import math

import pytest

from edgefer import config
from edgefer.reader.choosing import opener_of
from edgefer.reader.options import StreamOptions
from edgefer.sources.registry import SOURCES


@pytest.mark.parametrize("rotate", [0, 90], ids=["as-it-is", "turned"])
@pytest.mark.parametrize(("given", "seen"), [("auto", None), ("never", math.inf), (60.0, 60.0)])
def test_a_profile_says_for_how_long_a_source_may_be_still(tmp_path, rotate, given, seen):
    profile = tmp_path / "still.toml"
    text = f'"{given}"' if isinstance(given, str) else f"{given}"
    profile.write_text(f"[capture]\nfrozen_s = {text}\n")
    frozen_s = config.load_profile(str(profile)).capture.frozen_s
    with opener_of(SOURCES.choose("demo", seconds=1.0), StreamOptions(rotate=rotate), frozen_s)() as source:
        assert source.frozen_s == seen and source.read() is not None
