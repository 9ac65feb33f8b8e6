"""The same face over time."""

from edgefer.track.photograph import Photographs
from edgefer.track.quality import QualityGate
from edgefer.track.tracker import Tracker

__all__ = ["Photographs", "QualityGate", "Tracker"]
