"""Secrets kept out of logs, titles and outputs."""

from __future__ import annotations

import re


def without_password(url: str) -> str:
    """The URL as it may be shown in a log: user and password left out."""
    return re.sub(r"//[^/]*@", "//", url)  # to the last @ of the host's part: a password may hold others
