"""The same face over time."""
