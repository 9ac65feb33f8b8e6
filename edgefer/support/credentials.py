"""Secrets that are kept in files: passwords, tokens, private keys.

systemd hands a service the files that its unit names by LoadCredential=, which the service's own user could not read:
each lies in $CREDENTIALS_DIRECTORY under a name that is made of its path.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from edgefer.errors import UsageError
from edgefer.support.redact import remember_secret

#: A password or token is a line; a longer file is another one.
_MOST_BYTES = 4096


def credential_name(path: str | os.PathLike[str]) -> str:
    """What systemd calls the credential that is read from a path."""
    return re.sub(r"[^A-Za-z0-9.-]", "_", str(Path(path).absolute()).lstrip("/"))[-200:]


def credential_path(path: str | os.PathLike[str]) -> Path:
    """Where a file that holds a secret is read: as it is named, or where systemd has put it."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    handed = Path(folder, credential_name(path)) if folder else None
    return handed if handed is not None and handed.is_file() else Path(os.path.expanduser(path))


def read_secret(path: str | os.PathLike[str], what: str) -> str:
    """The one line of a file that holds a secret, which no message shows from now on.

    Args:
        what: whose it is, for messages: "mqtt: password_file".

    Raises:
        UsageError: the file cannot be read, or it does not hold one line of text.
    """
    try:
        with credential_path(path).open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{what}: {path}: cannot be read: {reason}") from None
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError:
        lines = []
    if len(data) > _MOST_BYTES or len(lines) != 1 or not lines[0]:
        raise UsageError(f"{what}: {path}: expected a file with the secret on its one line")
    remember_secret(lines[0])
    return lines[0]
