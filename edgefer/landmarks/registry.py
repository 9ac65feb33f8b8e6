"""What can find landmarks; the first row is taken when a model or an output needs them.

A maker gets its options and, by name, `threads`; it gives a Landmarker (landmarks/base.py).
"""

from __future__ import annotations

from edgefer.support.registry import Registry

LANDMARKERS = Registry("landmark network")
