"""Damaged model files: each is refused in one line, none crashes, none is taken for another model.

    python tests/fuzz/damaged_models.py                          500 of each of six kinds of damage, 3000 in all
    python tests/fuzz/damaged_models.py --each 20 --sealed 2 --values 1

The files are those of every model that ships, of a signed one, and of an installed one with the record of its slot.
They are opened as a run opens them. Then each byte of a signed manifest and of its signature is set to every other
value. Networks damaged before they were sealed, which no hash can find, go through the installation's self-test, in a
process of its own: they are refused, or compute what the self-test expects.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import tiny_model

from edgefer import assemble
from edgefer.commands.console import main as command_line
from edgefer.errors import ModelError, UsageError
from edgefer.models import directory, keys, minisign, place, slots, store
from edgefer.models.field import signing
from edgefer.models.field.install import How, install
from edgefer.models.keys import Trust
from edgefer.models.release import Release

_BLOCK, _HEADER = 4096, 64


def truncated(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def _flipped(content: bytes, chance: random.Random, bits: int) -> bytes:
    spoilt = bytearray(content)
    for at in chance.sample(range(8 * len(content)), min(bits, 8 * len(content))):
        spoilt[at // 8] ^= 1 << at % 8
    return bytes(spoilt)


def one_bit(content: bytes, chance: random.Random) -> bytes:
    return _flipped(content, chance, 1)


def many_bits(content: bytes, chance: random.Random) -> bytes:
    return _flipped(content, chance, 64)


def zeroed(content: bytes, chance: random.Random) -> bytes:
    """One block of a card."""
    at = _BLOCK * chance.randrange(-(-len(content) // _BLOCK))
    return content[:at] + bytes(len(content[at : at + _BLOCK])) + content[at + _BLOCK :]


def header_byte(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(min(_HEADER, len(content)))
    return content[:at] + bytes([content[at] ^ chance.randrange(1, 256)]) + content[at + 1 :]


def random_bytes(content: bytes, chance: random.Random) -> bytes:
    return chance.randbytes(len(content))


DAMAGES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "truncated": truncated,
    "1 bit": one_bit,
    "64 bits": many_bits,
    "one 4 KiB block zeroed": zeroed,
    "a header byte": header_byte,
    "random bytes": random_bytes,
}


def models(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    """What to open, and the files that stand behind it."""
    for name in store.shipped():
        copy = folder / "shipped" / name
        shutil.copytree(store.SHIPPED / name, copy)
        yield str(copy), sorted(copy.iterdir())
    with contextlib.suppress(ImportError):
        import nacl  # noqa: F401  # for what is signed

        key = minisign.new_key()
        signed = tiny_model.make_directory(folder / "signed")
        signing.sign(signed, Release(version=1, signed="2026-01-01"), key)
        with place.locked():
            keys.write(Trust(keys=(key.public.text,)))
        yield str(signed), sorted(signed.iterdir())
        install(signed, assemble.verify_model, How("x"))
        path = store.find("x")
        yield "x", [*sorted(path.iterdir()), path.parent / slots.RECORD]


def said_of(model: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of `edgefer models verify`."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = command_line(["models", "verify", model])
    return code, out.getvalue(), err.getvalue()


def damaged(each: int, seed: int, folder: Path) -> tuple[dict[str, int], list[str]]:
    """How many of each damage were refused, and what was wrong with the others."""
    chance = random.Random(seed)
    found = list(models(folder))
    files = [(model, path) for model, paths in found for path in paths]
    for model, _ in found:
        assert said_of(model)[0] == 0, f"{model} is refused before it is damaged"
    refused, wrong = dict.fromkeys(DAMAGES, 0), []
    for name, damage in DAMAGES.items():
        for _ in range(each):
            model, path = chance.choice(files)
            whole = path.read_bytes()
            spoilt = damage(whole, chance)
            while spoilt == whole:  # a block of zeros
                spoilt = damage(whole, chance)
            path.write_bytes(spoilt)
            code, out, err = said_of(model)
            path.write_bytes(whole)
            if (code, out, err.count("\n")) == (4, "", 1) and err.startswith("refused  "):
                refused[name] += 1
            else:
                wrong.append(f"{name}: {path.relative_to(folder)}: exit code {code}: {out}{err}".strip())
    return refused, wrong


def every_byte(values: int, seed: int, folder: Path) -> tuple[int, list[str]]:
    """Each byte of a signed manifest and its signature set to so many other values: how many, and what was taken."""
    chance = random.Random(seed)
    os.environ["EDGEFER_STATE"] = str(folder / "state-of-bytes")
    key = minisign.new_key()
    signed = tiny_model.make_directory(folder / "bytes")
    signing.sign(signed, Release(version=1, signed="2026-01-01", expires="2027-12-31", devices=("pi4",)), key)
    with place.locked():
        keys.write(Trust(keys=(key.public.text,)))
    count, taken = 0, []
    for name in (directory.MANIFEST_NAME, directory.SIGNATURE_NAME):
        whole = (signed / name).read_bytes()
        with (signed / name).open("rb+", buffering=0) as file:
            for at in range(len(whole)):
                for change in range(1, 256) if values >= 255 else chance.sample(range(1, 256), values):
                    os.pwrite(file.fileno(), bytes([whole[at] ^ change]), at)
                    count += 1
                    try:
                        directory.load(signed)
                    except ModelError:
                        continue
                    taken.append(f"{name}: byte {at} changed by {change:#x} is taken")
                os.pwrite(file.fileno(), whole[at : at + 1], at)
    directory.load(signed)
    return count, taken


def sealed(each: int, seed: int, folder: Path) -> tuple[int, int, list[str]]:
    """Networks damaged before they were sealed: how many were refused, how many passed, and what went wrong."""
    chance = random.Random(seed)
    os.environ["EDGEFER_STATE"] = str(folder / "state-of-sealed")
    refused, passed, wrong = 0, 0, []
    for damage in DAMAGES.values():
        for _ in range(each):
            name = chance.choice(store.shipped())
            copy = folder / "sealed"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(store.SHIPPED / name, copy)
            manifest = directory.load(copy)
            network = copy / manifest.network
            network.write_bytes(damage(network.read_bytes(), chance))
            directory.write(copy, manifest)
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = command_line(["models", "install", str(copy), "--as", "x"])
            if code == 0:
                passed += 1
                shutil.rmtree(folder / "state-of-sealed")
            elif (code, out.getvalue(), err.getvalue().count("\n")) == (4, "", 1):
                refused += 1
            else:
                wrong.append(f"{name}, sealed: exit code {code}: {out.getvalue()}{err.getvalue()}".strip())
    return refused, passed, wrong


def run(each: int, sealed_each: int, values: int, seed: int, tell: Callable[[str], None]) -> list[str]:
    """Damages files; gives what was found wrong."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["EDGEFER_STATE"] = str(folder / "state")
        refused, wrong = damaged(each, seed, folder)
        for damage, count in refused.items():
            tell(f"{damage}: {count} of {each} refused in one line")
        tell(f"{sum(refused.values())} of {each * len(DAMAGES)} refused, {len(wrong)} taken or told otherwise")
        with contextlib.suppress(UsageError):  # without PyNaCl nothing is signed
            count, taken = every_byte(values, seed, folder)
            tell(f"{count} changes of single bytes of a manifest and its signature, {len(taken)} taken")
            wrong += taken
        if sealed_each:
            count, passed, more = sealed(sealed_each, seed, folder)
            tell(
                f"damaged before they were sealed: {count} refused by the self-test, {passed} compute what it expects,"
                f" {len(more)} told otherwise"
            )
            wrong += more
    return wrong


def main() -> int:
    """The command line; exit code 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", type=int, default=500, metavar="N", help="of each kind of damage (default: 500)")
    parser.add_argument("--sealed", type=int, default=20, metavar="N", help="of each, sealed again (default: 20)")
    parser.add_argument(
        "--values", type=int, default=255, metavar="N", help="of each byte of manifest and signature (default: all 255)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the chance (default: 0)")
    arguments = parser.parse_args()
    wrong = run(
        arguments.each, arguments.sealed, arguments.values, arguments.seed, lambda line: print(line, flush=True)
    )
    for each in wrong:
        print(each, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
