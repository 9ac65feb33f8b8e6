"""Signatures and keys in the format of minisign: Ed25519, with BLAKE2b for what is signed.

Reference: https://jedisct1.github.io/minisign/ ("Signature format", "Public key format", "Secret key format").

A signature is four lines: a comment that nothing covers, the signature with the number of its key, a comment that the
second signature covers, and that. The first comment has to be one that a program writes by itself, for a byte that
nothing covers cannot be told from damage.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from typing import Any, NamedTuple

from edgefer.errors import ModelError, UsageError

#: What a public key begins with, and a signature of the file itself; one of the file's BLAKE2b has PREHASHED.
PLAIN, PREHASHED = b"Ed", b"ED"
_UNTRUSTED, _TRUSTED = b"untrusted comment: ", b"trusted comment: "
_COMMENT = re.compile(rb"signature from (?:(?:minisign|rsign|edgefer) secret key|private key: ([0-9A-F]{16}))")
_LINES = re.compile(rb"(?:[^\n]*\n){4}|(?:[^\n]*\n){8}")
_NO_KDF, _SCRYPT, _CHECKSUM = b"\0\0", b"Sc", b"B2"
_SECRET_BYTES, _NUMBER_BYTES = 158, 8


class PublicKey(NamedTuple):
    """The key by which signatures are checked.

    Attributes:
        number: 8 bytes by which it is found.
        key: 32 bytes.
    """

    number: bytes
    key: bytes

    @property
    def title(self) -> str:
        """The number as minisign shows it."""
        return self.number[::-1].hex().upper()

    @property
    def text(self) -> str:
        """In one line of 56 characters."""
        return base64.b64encode(PLAIN + self.number + self.key).decode()


class SecretKey(NamedTuple):
    """The key that signs: `secret` is its seed and the public one, 64 bytes."""

    number: bytes
    secret: bytes

    @property
    def public(self) -> PublicKey:
        """The other half."""
        return PublicKey(self.number, self.secret[32:])


class Signature(NamedTuple):
    """One signature: of the file, and of itself with a comment."""

    algorithm: bytes
    number: bytes
    signature: bytes
    comment: bytes
    whole: bytes

    @property
    def title(self) -> str:
        """The number of its key as minisign shows it."""
        return self.number[::-1].hex().upper()

    def verify(self, content: bytes, key: PublicKey) -> None:
        """Raises ModelError where it is not this key's for this content."""
        signed = hashlib.blake2b(content).digest() if self.algorithm == PREHASHED else content
        if self.number != key.number or not (
            _is_signed(signed, self.signature, key) and _is_signed(self.signature + self.comment, self.whole, key)
        ):
            raise ModelError(f"does not agree with key {key.title}: it was made for something else, or is damaged")


def new_key() -> SecretKey:
    """A key of its own."""
    public, secret = _nacl().crypto_sign_keypair()
    assert secret[32:] == public
    return SecretKey(os.urandom(_NUMBER_BYTES), secret)


def sign(content: bytes, key: SecretKey, comment: str) -> bytes:
    """The four lines; the comment, on one line, is covered."""
    signature = _nacl().crypto_sign(hashlib.blake2b(content).digest(), key.secret)[:64]
    whole = _nacl().crypto_sign(signature + comment.encode(), key.secret)[:64]
    first = base64.b64encode(PREHASHED + key.number + signature)
    head = _UNTRUSTED + b"signature from edgefer secret key"
    return b"\n".join((head, first, _TRUSTED + comment.encode(), base64.b64encode(whole), b""))


def signatures(content: bytes) -> list[Signature]:
    """The signatures of a file, one or two.

    Raises:
        ModelError: it is not what sign() or minisign writes, in any byte.
    """
    if not _LINES.fullmatch(content):
        raise ModelError(f"expected the four lines of a signature, or eight of two, got {len(content.splitlines())}")
    lines = content.split(b"\n")
    return [_signature(lines[start : start + 4]) for start in range(0, len(lines) - 1, 4)]


def _signature(lines: list[bytes]) -> Signature:
    first = _decoded(lines[1], 2 + _NUMBER_BYTES + 64)
    number = first[2 : 2 + _NUMBER_BYTES]
    comment = _COMMENT.fullmatch(lines[0].removeprefix(_UNTRUSTED))
    if not lines[0].startswith(_UNTRUSTED) or not comment or (comment[1] or _hex(number)) != _hex(number):
        raise ModelError("has an untrusted comment that neither minisign nor edgefer writes; leave -c out")
    if first[:2] not in (PLAIN, PREHASHED):
        raise ModelError(f"expected a signature of the kind Ed or ED, got {first[:2]!r}")
    if not lines[2].startswith(_TRUSTED):
        raise ModelError("has no trusted comment")
    return Signature(first[:2], number, first[10:], lines[2].removeprefix(_TRUSTED), _decoded(lines[3], 64))


def _hex(number: bytes) -> bytes:
    return number[::-1].hex().upper().encode()


def public_key(text: str) -> PublicKey:
    """Of the line of a public key, or of the file that holds it.

    Raises:
        UsageError: it is none.
    """
    lines = text.strip().split("\n")
    try:
        content = _decoded(lines[-1].strip().encode(), 2 + _NUMBER_BYTES + 32)
        if len(lines) > 2 or not content.startswith(PLAIN):
            raise ModelError("expected two lines")
    except ModelError as error:
        raise UsageError(f"expected a public key of minisign, as `edgefer models keygen` writes it: {error}") from None
    return PublicKey(content[2:10], content[10:])


def public_text(key: PublicKey) -> str:
    """The file of a public key."""
    return f"untrusted comment: minisign public key {key.title}\n{key.text}\n"


def secret_text(key: SecretKey, password: bytes) -> str:
    """The file of a secret key; encrypted unless the password is empty."""
    inner = key.number + key.secret
    inner += hashlib.blake2b(PLAIN + inner, digest_size=32).digest()
    salt, limits, kdf = bytes(32), bytes(16), _NO_KDF
    if password:
        salt, kdf = os.urandom(32), _SCRYPT
        limits = OPS_LIMIT.to_bytes(8, "little") + MEMORY_LIMIT.to_bytes(8, "little")
        inner = _xored(inner, password, salt, OPS_LIMIT, MEMORY_LIMIT)
    content = PLAIN + kdf + _CHECKSUM + salt + limits + inner
    words = "minisign encrypted secret key" if password else "minisign secret key"
    return f"untrusted comment: {words}\n{base64.b64encode(content).decode()}\n"


#: As minisign has them: a guess at a password takes seconds and 1 GiB.
OPS_LIMIT, MEMORY_LIMIT = 33554432, 1 << 30


def is_encrypted(text: str) -> bool:
    """Whether a secret key needs a password. Raises UsageError where it is none."""
    return _secret(text)[2:4] == _SCRYPT


def secret_key(text: str, password: bytes = b"") -> SecretKey:
    """Of the file of a secret key.

    Raises:
        UsageError: it is none, or the password is wrong.
    """
    content = _secret(text)
    salt, inner = content[6:38], content[54:]
    if content[2:4] == _SCRYPT:
        limits = (int.from_bytes(content[at : at + 8], "little") for at in (38, 46))
        inner = _xored(inner, password, salt, *limits)
    key = SecretKey(inner[:8], inner[8:72])
    sum_is_right = hashlib.blake2b(PLAIN + inner[:72], digest_size=32).digest() == inner[72:]
    unsummed = content[2:4] == _NO_KDF and inner[72:] == bytes(32)  # as minisign writes those without a password
    if not (sum_is_right or unsummed) or _nacl().crypto_sign_seed_keypair(key.secret[:32])[1] != key.secret:
        raise UsageError("wrong password, or the key is damaged")
    return key


def _secret(text: str) -> bytes:
    lines = text.strip().split("\n")
    try:
        content = _decoded(lines[-1].strip().encode(), _SECRET_BYTES)
    except ModelError as error:
        raise UsageError(f"expected a secret key of minisign, as `edgefer models keygen` writes it: {error}") from None
    if content[:2] != PLAIN or content[2:4] not in (_NO_KDF, _SCRYPT) or content[4:6] != _CHECKSUM:
        raise UsageError("expected a secret key of minisign, as `edgefer models keygen` writes it, got another kind")
    return content


def _xored(content: bytes, password: bytes, salt: bytes, ops: int, memory: int) -> bytes:
    """The content under the stream of a password."""
    if not 0 < memory <= MEMORY_LIMIT or not 0 < ops <= OPS_LIMIT:
        raise UsageError("the key asks for more memory or time than minisign's own; it is damaged")
    _nacl()
    from nacl.pwhash import scrypt

    stream = scrypt.kdf(len(content), password, salt, opslimit=ops, memlimit=memory)
    return bytes(a ^ b for a, b in zip(content, stream, strict=True))


def _decoded(line: bytes, size: int) -> bytes:
    """Base64 of so many bytes, in the one form there is for them."""
    try:
        content = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if len(content) != size or base64.b64encode(content) != line:
        raise ModelError(f"expected {size} bytes in base64, got {len(line)} characters that are not")
    return content


def _is_signed(content: bytes, signature: bytes, key: PublicKey) -> bool:
    _nacl()
    from nacl.exceptions import BadSignatureError
    from nacl.signing import VerifyKey

    try:
        VerifyKey(key.key).verify(content, signature)
    except BadSignatureError:
        return False
    return True


def _nacl() -> Any:
    """PyNaCl's bindings of libsodium.

    Raises:
        UsageError: it is not installed.
    """
    try:
        from nacl import bindings
    except ImportError:
        from edgefer.support import packages

        (package,) = [each for each in packages.OPTIONAL if each.module == "nacl"]
        raise UsageError(f"{package.title} is {packages.missing(package)}") from None
    return bindings
