"""Profiles: one TOML file a board, read strictly into typed settings."""

from edgefer.config.profiles import board_model, fitting_profile, load_profile, shipped_profiles
from edgefer.config.settings import Settings
from edgefer.config.text import documentation, to_toml

__all__ = ["Settings", "board_model", "documentation", "fitting_profile", "load_profile", "shipped_profiles", "to_toml"]
