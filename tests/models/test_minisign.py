"""minisign's format: keys and signatures, and against the program where it is installed."""

from __future__ import annotations

import shutil
import subprocess

import pytest

pytest.importorskip("nacl", reason="needs PyNaCl, the extra `sign`")

from edgefer.errors import ModelError, UsageError
from edgefer.models import minisign

KEY = minisign.new_key()

# Made by minisign 0.11 of the file `hello\n`: its key, a signature of its BLAKE2b (-S), and one of itself (-S -l).
HELLO = b"hello\n"
PUBLIC = """\
untrusted comment: minisign public key 7582514E77AEA7F2
RWTyp653TlGCdR5RG44rka2ita8/32KCokNvS10G2T8ktm8c/swN/UmL
"""
HASHED = b"""\
untrusted comment: signature from minisign secret key
RUTyp653TlGCdcaP9wmuRJQduD19bAQisINbsU6vsDUpxkvuTtDY1GoT/vmH0KuYqBzgaV7Ar//OnGuNx51Rjtu/PTRNWYFr+Qs=
trusted comment: made by minisign 0.11
i+pPb7mk5J+oD6uBnYga1iVAXNDiF/7BMOYkODyYQ1iCBK9SA6VtpaOj3bNVBxOe+wopp8OSf1xCK9NhpFpXAQ==
"""
PLAIN = b"""\
untrusted comment: signature from minisign secret key
RWTyp653TlGCdWq05EH00QBzWhzzy8SYBRxyXx0gv6WICtjrqYTgDmZTiXW7+qVc5JtdeG7vNIB5HWE8O3Kj3FQYXKuFYXaz5QI=
trusted comment: made by minisign 0.11
o0N4E1jyGRPE6Q7FRQCUVf9klq3s4wg7HQuCfbHDLWDrOra8hGnpdIbOQ2yTupBaDkYNGUXwN0xiR4E3JsBUBQ==
"""


def test_keys_and_their_files_are_read_back(monkeypatch):
    monkeypatch.setattr(minisign, "OPS_LIMIT", 1 << 16)
    monkeypatch.setattr(minisign, "MEMORY_LIMIT", 1 << 24)
    assert minisign.public_key(minisign.public_text(KEY.public)) == KEY.public
    assert minisign.secret_key(minisign.secret_text(KEY, b"")) == KEY
    locked = minisign.secret_text(KEY, b"word")
    assert minisign.is_encrypted(locked) and minisign.secret_key(locked, b"word") == KEY
    for wrong in (b"", b"Word"):
        with pytest.raises(UsageError, match="wrong password"):
            minisign.secret_key(locked, wrong)


@pytest.mark.parametrize("text", ["", "x", "a\nb\nc", "untrusted comment: minisign public key\nRWQ="])
def test_what_is_no_key_is_refused(text):
    with pytest.raises(UsageError, match="expected a public key"):
        minisign.public_key(text)
    with pytest.raises(UsageError, match="expected a secret key"):
        minisign.secret_key(text)


@pytest.mark.parametrize("content", [HASHED, PLAIN], ids=["ED", "Ed"])
def test_signatures_of_minisign_are_checked_byte_by_byte(content):
    """Both kinds, without the program."""
    (signature,) = minisign.signatures(content)
    key = minisign.public_key(PUBLIC)
    assert key.title in PUBLIC and signature.comment == b"made by minisign 0.11"
    signature.verify(HELLO, key)
    for other in (b"", b"hello", b"Hello\n"):
        with pytest.raises(ModelError, match="does not agree"):
            signature.verify(other, key)
    for at in range(len(content)):
        for changed in (1, 32, 128):
            spoilt = content[:at] + bytes([content[at] ^ changed]) + content[at + 1 :]
            with pytest.raises(ModelError):
                for each in minisign.signatures(spoilt):
                    each.verify(HELLO, key)


needs_minisign = pytest.mark.skipif(shutil.which("minisign") is None, reason="needs the program minisign")


def program(*arguments):
    return subprocess.run(["minisign", *map(str, arguments)], capture_output=True, text=True)


@needs_minisign
def test_minisign_checks_what_we_sign_and_reads_our_keys(tmp_path):
    file = tmp_path / "model.toml"
    file.write_bytes(b"hello\n")
    (tmp_path / "our.pub").write_text(minisign.public_text(KEY.public))
    (tmp_path / "our.key").write_text(minisign.secret_text(KEY, b""))
    (tmp_path / "model.sig").write_bytes(minisign.sign(b"hello\n", KEY, "a comment"))
    done = program("-Vm", file, "-x", tmp_path / "model.sig", "-p", tmp_path / "our.pub")
    assert done.returncode == 0 and "Trusted comment: a comment" in done.stdout, done.stderr
    for more in ([], ["-l"]):  # of its BLAKE2b, and of itself
        done = program("-S", *more, "-m", file, "-x", tmp_path / "model.sig", "-s", tmp_path / "our.key")
        assert done.returncode == 0, done.stderr
        (signature,) = minisign.signatures((tmp_path / "model.sig").read_bytes())
        assert signature.algorithm == (b"Ed" if more else b"ED")
        signature.verify(b"hello\n", KEY.public)
        with pytest.raises(ModelError, match="does not agree"):
            signature.verify(b"hello", KEY.public)


@needs_minisign
def test_minisigns_own_keys_sign_here(tmp_path):
    assert program("-G", "-W", "-p", tmp_path / "m.pub", "-s", tmp_path / "m.key").returncode == 0
    key = minisign.secret_key((tmp_path / "m.key").read_text(), b"")
    assert key.public == minisign.public_key((tmp_path / "m.pub").read_text())
