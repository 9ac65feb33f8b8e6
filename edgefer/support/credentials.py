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
    """What systemd calls the credential that is read from a path; no two paths share a name."""
    import hashlib  # most runs have no secret

    full = str(Path(path).absolute())
    name = _plain_name(full)
    if re.fullmatch(r"[A-Za-z0-9./-]{1,200}", full):
        return name
    return f"{name}-{hashlib.sha256(os.fsencode(full)).hexdigest()[:8]}"  # a_b is not a/b


def _plain_name(path: str) -> str:
    return re.sub(r"[^A-Za-z0-9.-]", "_", path.lstrip("/"))[-200:]


def credential_path(path: str | os.PathLike[str]) -> Path:
    """Where a file that holds a secret is read: as it is named, or where systemd has put it."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    if folder:
        full = Path(path).absolute()
        # The second name is that of a unit which was installed before names were told apart.
        for name in (credential_name(full), _plain_name(str(full))):
            if (handed := Path(folder, name)).is_file():
                return handed
    return Path(os.path.expanduser(path))


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
