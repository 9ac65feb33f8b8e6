"""Action units as FACS writes them."""

from __future__ import annotations

from edgefer.values import FaceReading

#: A unit is named where the probability that it shows is at least this.
SHOWN = 0.5


def codes(face: FaceReading) -> str:
    """Units that show, each with the letter of its intensity, A to E: 6B+12D; empty where none does."""
    shown = [name for name in face.units if face.unit_scores.get(name, 0.0) >= SHOWN]
    return "+".join(f"{name.removeprefix('AU')}{letter(face.units[name])}" for name in shown)


def letter(intensity: float) -> str:
    """A to E for 1 to 5."""
    return "ABCDE"[min(max(round(intensity), 1), 5) - 1]
