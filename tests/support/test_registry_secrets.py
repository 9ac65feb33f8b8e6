"""What of a choice's text is a secret."""

from __future__ import annotations

from edgefer.sinks.registry import OUTPUTS
from edgefer.support.redact import scrub


def test_options_behind_an_address_are_not_taken_for_its_secrets():
    OUTPUTS.parse("mqtt:mqtt://pi:Sesame-opens@broker.local,id=hallway,user=someone-here")
    assert scrub("the hallway of someone-here") == "the hallway of someone-here"
    assert "Sesame" not in scrub("it says Sesame-opens")
