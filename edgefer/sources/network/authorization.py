"""Who is asking, as HTTP wants it told: the answers to a server's challenges."""

from __future__ import annotations

import hashlib
import os
import re
from base64 import b64encode
from email.message import Message

from edgefer.sources.network.address import Address

_HASHES = {"md5": hashlib.md5, "sha-256": hashlib.sha256}
#: Challenges that are answered for one request; a server may call every nonce stale.
_MOST_ANSWERED = 2


class Authorization:
    """The Authorization field for one address: Basic, or Digest with MD5 or SHA-256 (RFC 7616).

    Attributes:
        worked: user and password were accepted once.
        stale: the last challenge says that the one before ran out.
    """

    def __init__(self, address: Address) -> None:
        self._user, self._password = address.user, address.password or ""
        self._challenge: dict[str, str] | None = None
        self._kind = ""
        self._count = self._answered = 0
        self.worked = self.stale = False

    def begin(self) -> None:
        """A request begins, which may meet several challenges."""
        self._answered = 0

    def take(self, headers: Message, sent: bool) -> bool:
        """Takes the challenge of a 401; whether it is worth asking again.

        Args:
            sent: whether the request held user and password. Then only a nonce that has gone stale is a reason, or
                another one where the last was accepted before: not every server says that it ran out.
        """
        self.stale = False
        if self._user is None:
            return False
        for kind in ("digest", "basic"):
            for challenge in headers.get_all("WWW-Authenticate", []):
                found = re.match(rf"\s*{kind}\b(.*)", challenge, re.I | re.S)
                if not found:
                    continue
                pairs = re.findall(r'([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))', found.group(1))
                fields = {name.lower(): quoted or bare for name, quoted, bare in pairs}
                if kind == "digest" and _algorithm(fields) is None:
                    continue
                self.stale = fields.get("stale", "").lower() == "true"
                before = (self._challenge or {}).get("nonce")
                renewed = self.worked and not self._answered and fields.get("nonce") != before
                again = self._answered < _MOST_ANSWERED and (not sent or self.stale or renewed)
                self._kind, self._challenge, self._count = kind, fields, 0
                self._answered += 1
                return again
        return False

    def field(self, method: str, uri: str) -> str:
        """The field for a request; empty before a server has asked for it."""
        if self._user is None or self._challenge is None:
            return ""
        if self._kind == "basic":
            return "Basic " + b64encode(f"{self._user}:{self._password}".encode()).decode()
        fields = self._challenge
        algorithm = _algorithm(fields)
        assert algorithm is not None

        def digest(text: str) -> str:
            return _HASHES[algorithm.removesuffix("-sess")](text.encode()).hexdigest()

        self._count += 1
        nonce, realm = fields.get("nonce", ""), fields.get("realm", "")
        count, client_nonce = f"{self._count:08x}", os.urandom(8).hex()
        first = digest(f"{self._user}:{realm}:{self._password}")
        if algorithm.endswith("-sess"):
            first = digest(f"{first}:{nonce}:{client_nonce}")
        second = digest(f"{method}:{uri}")
        parts = {"username": self._user, "realm": realm, "nonce": nonce, "uri": uri}
        if "auth" in re.split(r"[\s,]+", fields.get("qop", "")):
            parts["response"] = digest(f"{first}:{nonce}:{count}:{client_nonce}:auth:{second}")
            parts["cnonce"] = client_nonce
            bare = f", qop=auth, nc={count}"
        else:
            parts["response"] = digest(f"{first}:{nonce}:{second}")
            bare = ""
        if "opaque" in fields:
            parts["opaque"] = fields["opaque"]
        if "algorithm" in fields:
            bare += f", algorithm={fields['algorithm']}"
        return "Digest " + ", ".join(f'{name}="{value}"' for name, value in parts.items()) + bare


def _algorithm(challenge: dict[str, str]) -> str | None:
    name = challenge.get("algorithm", "md5").lower()
    return name if name.removesuffix("-sess") in _HASHES else None
