"""Names of files as they may be shown: a name can hold any byte but NUL and the slash."""

from __future__ import annotations

import os
import re
import unicodedata
from typing import Final

#: What moves the cursor, ends a line or turns the direction of writing; letters of every script, spaces of
#: every width and the joiners inside an emoji are none of these.
_HIDDEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def shown(name: str | bytes | os.PathLike) -> str:
    """A name in one line that is valid Unicode: control characters and undecodable bytes are escaped.

    A byte that the file system's encoding does not explain is shown as `\\xff`, a newline as `\\n`.
    """
    return _HIDDEN.sub(_escaped, os.fsdecode(name))


def brief(name: str | bytes | os.PathLike, most: int = 100) -> str:
    """As `shown`, of a name or a reason that came from outside: a file in an archive, a server. Its end is cut off.

    Args:
        name: of any length.
        most: characters of it that are shown.
    """
    text = os.fsdecode(name)
    return shown(text if len(text) <= most else f"{text[: most - 1]}…")


def _escaped(match: re.Match) -> str:
    character = match[0]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # surrogateescape: the byte itself
        return f"\\x{code - 0xDC00:02x}"
    if unicodedata.category(character) == "Cc":
        return _SHORT.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}"
