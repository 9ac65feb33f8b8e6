"""`python -m edgefer.config` prints docs/configuration.md."""

from edgefer.config.text import documentation

print(documentation(), end="")
