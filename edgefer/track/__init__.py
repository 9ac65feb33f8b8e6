"""The same face over time."""

from edgefer.track.quality import QualityGate
from edgefer.track.smooth import Smoother
from edgefer.track.tracker import Tracker

__all__ = ["QualityGate", "Smoother", "Tracker"]
