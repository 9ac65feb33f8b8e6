"""model.toml: everything the runtime must know about a model, and the proof that nothing of it has changed.

A model directory holds `model.tflite`, `model.toml`, any further file its `[files]` table names (a model
card, say), optionally `model.sig`, and nothing else: a file that is not named cannot be told from a damaged
or misnamed one, so it is refused. Names that begin with a dot are ignored; file managers and network file
systems leave them behind.

Two hashes cover every byte. `[files]` gives the sha256 of each file. The last two lines of model.toml are its
seal, the sha256 of all bytes that stand before the `sha256` line, so that a changed digit in a metric or a
comment is found as surely as one in the weights:

    [seal]
    sha256 = "…64 lower-case hexadecimal digits…"

This guards against damage (a worn card, a broken copy, an edit by hand), not against an attacker, who could
seal his own file; that is what a signature is for. `write` makes the seal; a manifest is not edited by hand.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from msgspec import Meta

from edgefer import labels
from edgefer.errors import ModelError

MANIFEST_NAME = "model.toml"
MODEL_NAME = "model.tflite"
SIGNATURE_NAME = "model.sig"
MANIFEST_MAX_BYTES = 256 * 1024
FILE_MAX_BYTES = 64 * 1024 * 1024

#: Largest difference, in int8 levels, between an output and the one the self-test expects. XNNPACK
#: rounds alike on every processor, but TFLite's plain and its reference kernels do not round as it does: over
#: 40 seeds the pandey base network's outputs lay up to 3 levels apart, while they spread over 60 and more.
#: Double that admits kernels not tried here.
#: Damage to the file is the hash's to find; this finds a runtime that computes something else.
SELF_TEST_TOLERANCE = 6

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")
_SEAL = re.compile(rb'(?<=\n)\[seal\]\nsha256 = "([0-9a-f]{64})"\n\Z')
_SEAL_HEAD = b"[seal]\n"
_CURE = "restore the directory from its source"

Text = Annotated[str, Meta(min_length=1, max_length=4000)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Side = Annotated[int, Meta(ge=1, le=1024)]
Scale = Annotated[float, Meta(gt=0, le=1e6)]
ZeroPoint = Annotated[int, Meta(ge=-128, le=127)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Count = Annotated[int, Meta(ge=0, le=10**9)]
ChannelsName = Literal["grey", "grey+sobel", "grey+laplacian", "grey+sobel+laplacian"]


class Input(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The tensor the network takes.

    Attributes:
        height, width: of the tensor, pixels.
        channels: name of the planes, in preprocess.CHANNELS.
        dtype: "int8".
        scale, zero_point: real value = (q - zero_point) * scale.
        value_range: real values of -128 and 127; follows from scale and zero_point.
        crop_margin: part of the detector's box side added on each side before the crop.
        alignment: "none": the box is cropped upright, eyes are not brought to fixed places.
    """

    height: Side
    width: Side
    channels: ChannelsName
    dtype: Literal["int8"] = "int8"
    scale: Scale
    zero_point: ZeroPoint
    value_range: tuple[float, float]
    crop_margin: Annotated[float, Meta(ge=-0.4, le=2.0)] = 0.0
    alignment: Literal["none"] = "none"


class Output(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The tensor the network gives: one score for each label.

    Attributes:
        labels: name of a set in labels.LABEL_SETS; its order is the order of the scores.
        values: whether the tensor holds logits or probabilities.
        dtype: "int8".
        scale, zero_point: real value = (q - zero_point) * scale.
        temperature: logits are divided by it before the softmax (probabilities: raised to its inverse).
    """

    labels: Name
    values: Literal["logits", "probabilities"]
    dtype: Literal["int8"] = "int8"
    scale: Scale
    zero_point: ZeroPoint
    temperature: Annotated[float, Meta(gt=0, le=100)] = 1.0


class Training(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Where the weights come from: data, split, label rule, rows used, the command to repeat it, its seed."""

    data: Text
    split: Literal["train"]
    rule: Text
    rows: Count
    command: Text
    seed: Count


class Metrics(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True, omit_defaults=True):
    """Percent on a split: accuracy of the shipped int8 model, and of the float one it was made from.

    Attributes:
        ece: expected calibration error of the shipped model's scores; None where it was not measured.
        ece_rule: bins, and the rows the temperature was fitted on.
    """

    split: Literal["val", "test"]
    rule: Text
    rows: Count
    accuracy_int8: Percent
    accuracy_float32: Percent
    ece: Percent | None = None
    ece_rule: Text | None = None


class Licence(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """Licence of the weights, and the licence words of the data they were trained on."""

    weights: Text
    training_data: Text


class SelfTest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """A self-test vector: seed of `self_test_input`, and the int8 output it gave when the model was made."""

    seed: Count
    output: Annotated[tuple[ZeroPoint, ...], Meta(min_length=1, max_length=1024)]


class Manifest(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, frozen=True):
    """The content of model.toml; `files` (name to sha256) is filled in by `write`."""

    schema: Literal[1] = 1
    name: Name
    kind: Literal["frame"]
    paper: Text
    architecture: Text
    input: Input
    output: Output
    training: Training
    metrics: Metrics
    licence: Licence
    self_test: Annotated[tuple[SelfTest, ...], Meta(min_length=1, max_length=64)]
    files: dict[str, Digest] = {}

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels in the order of the scores."""
        return labels.label_set(self.output.labels)


def self_test_input(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    """The input of a self-test vector, the same on every machine and with every version of NumPy.

    The bytes of SHAKE-128 over the text `edgefer self-test <seed>` are read as int8 values of a coarse image
    in C order, whose pixels are then repeated into square blocks of side 2 ** (seed % 5): seeds that follow
    each other give detail of every size, from noise to blocks of 16 pixels.

    Args:
        seed: at least 0.
        shape: (1, H, W, C).

    Returns:
        int8, of that shape, C-contiguous.
    """
    _, height, width, channels = shape
    side = 2 ** (seed % 5)
    rows, columns = -(-height // side), -(-width // side)
    digest = hashlib.shake_128(f"edgefer self-test {seed}".encode()).digest(rows * columns * channels)
    coarse = np.frombuffer(digest, np.int8).reshape(rows, columns, channels)
    blocks = coarse.repeat(side, axis=0).repeat(side, axis=1)[:height, :width]
    return np.ascontiguousarray(blocks[np.newaxis])


def load(directory: str | os.PathLike) -> Manifest:
    """The manifest of a model directory, after every file in it was checked against its hash.

    Raises:
        ModelError: the directory or a file is missing, unreadable, too large, not a plain file, not named in
            the manifest or not what its hash says; or the manifest is not valid TOML, has an unknown key, a
            wrong type or a value out of range.
    """
    return read(directory)[0]


def read(directory: str | os.PathLike) -> tuple[Manifest, bytes]:
    """Like `load`, with the very bytes of model.tflite that were checked."""
    directory = Path(directory)
    names = _names(directory)
    for name in (MANIFEST_NAME, MODEL_NAME):
        if name not in names:
            raise ModelError(f"model {_shown(directory)}: has no {name}; {_CURE}")
    manifest = _parse(directory, _bytes(directory, MANIFEST_NAME, MANIFEST_MAX_BYTES))
    expected = {*manifest.files, MANIFEST_NAME}
    unknown, missing = sorted(names - expected - {SIGNATURE_NAME}), sorted(expected - names)
    if missing:
        raise ModelError(
            f"model {_shown(directory)}: has no {missing[0]}, which {MANIFEST_NAME} lists; {_CURE}"
        )
    if unknown:
        raise ModelError(
            f"model {_shown(directory)}: {unknown[0]!r} is not listed in {MANIFEST_NAME}; remove it"
        )
    model = b""
    for name, digest in manifest.files.items():
        content = _bytes(directory, name, FILE_MAX_BYTES)
        got = hashlib.sha256(content).hexdigest()
        if got != digest:
            raise ModelError(
                f"model {_shown(directory)}: {name} is damaged: expected sha256 {digest[:12]}…, "
                f"got {got[:12]}…; {_CURE}"
            )
        if name == MODEL_NAME:
            model = content
    return manifest, model


def write(directory: str | os.PathLike, manifest: Manifest) -> Manifest:
    """Write model.toml for the files that lie in the directory: hash them, seal, replace in one step.

    Args:
        directory: holds model.tflite and whatever else shall ship; all of it is listed.
        manifest: `files` is ignored and filled in.

    Returns:
        The manifest as read back by `load`.

    Raises:
        ModelError: the result would be refused by `load`; model.toml is then left as it was.
    """
    directory = Path(directory)
    names = sorted(_names(directory) - {MANIFEST_NAME, SIGNATURE_NAME})
    files = {name: hashlib.sha256(_bytes(directory, name, FILE_MAX_BYTES)).hexdigest() for name in names}
    manifest = msgspec.structs.replace(manifest, files=files)
    body = _toml(msgspec.to_builtins(manifest)).encode() + b"\n" + _SEAL_HEAD
    content = body + f'sha256 = "{hashlib.sha256(body).hexdigest()}"\n'.encode()
    _parse(directory, content)
    scratch = directory / f".{MANIFEST_NAME}.part"
    with scratch.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, directory / MANIFEST_NAME)
    return load(directory)


def _names(directory: Path) -> set[str]:
    try:
        return {entry.name for entry in os.scandir(directory) if not entry.name.startswith(".")}
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelError(
            f"model {_shown(directory)}: expected a model directory: {reason}; "
            "`edgefer models list` shows what is installed"
        ) from None


def _bytes(directory: Path, name: str, limit: int) -> bytes:
    """The content of one plain file; links, pipes and folders are refused before they are opened."""
    path = directory / name
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            raise ModelError(f"model {_shown(directory)}: {name} is not a plain file; {_CURE}")
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelError(f"model {_shown(directory)}: cannot read {name}: {reason}; {_CURE}") from None
    if len(content) > limit:
        raise ModelError(
            f"model {_shown(directory)}: {name} is larger than the {limit // 1024} KiB allowed; {_CURE}"
        )
    return content


def _parse(directory: Path, content: bytes) -> Manifest:
    """Manifest from the bytes of model.toml: seal, syntax, types, then what the types cannot say."""

    def refuse(what: str) -> ModelError:
        return ModelError(f"model {_shown(directory)}: {MANIFEST_NAME} {' '.join(what.split())}; {_CURE}")

    seal = _SEAL.search(content)
    if seal is None:
        raise refuse("does not end with its [seal]: it is cut short or was not written by edgefer")
    if hashlib.sha256(content[: seal.start() + len(_SEAL_HEAD)]).hexdigest() != seal[1].decode():
        raise refuse("is damaged: its bytes do not agree with its seal")
    try:
        fields = msgspec.toml.decode(content)
        if set(fields.pop("seal")) != {"sha256"}:
            raise ValueError("seal: expected nothing but sha256")
        manifest = msgspec.convert(fields, Manifest)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise refuse(f"is not a valid manifest: {error}") from None

    if manifest.output.labels not in labels.LABEL_SETS:
        known = ", ".join(labels.LABEL_SETS)
        raise refuse(f"output.labels: expected one of {known}, got {manifest.output.labels!r}")
    for vector in manifest.self_test:
        if len(vector.output) != len(manifest.labels):
            raise refuse(
                f"self_test: expected {len(manifest.labels)} values for each seed, got {len(vector.output)}"
            )
    expected = tuple((q - manifest.input.zero_point) * manifest.input.scale for q in (-128, 127))
    if not np.allclose(manifest.input.value_range, expected, rtol=1e-6, atol=1e-9):
        raise refuse(f"input.value_range: expected {list(expected)}, got {list(manifest.input.value_range)}")
    if MODEL_NAME not in manifest.files:
        raise refuse(f"files: expected an entry for {MODEL_NAME}")
    for name in manifest.files:
        if not _FILE_NAME.fullmatch(name) or name in (MANIFEST_NAME, SIGNATURE_NAME):
            raise refuse(f"files: expected the name of a file in the directory, got {name!r}")
    return manifest


def _shown(directory: Path) -> str:
    """A path on one line, whatever characters it holds."""
    text = str(directory)
    return text if text.isprintable() else repr(text)


def _toml(table: Mapping[str, Any], prefix: str = "") -> str:
    """TOML of a table of scalars, lists of scalars, tables and lists of tables."""
    plain, nested = [], []
    for key, value in table.items():
        name = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)
        if isinstance(value, dict):
            nested.append(f"\n[{prefix}{name}]\n{_toml(value, f'{prefix}{name}.')}")
        elif isinstance(value, (list, tuple)) and value and isinstance(value[0], dict):
            nested += [f"\n[[{prefix}{name}]]\n{_toml(item, f'{prefix}{name}.')}" for item in value]
        else:
            plain.append(f"{name} = {_toml_value(value)}\n")
    return "".join(plain + nested)


def _toml_value(value: Any) -> str:
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for DEL, which TOML wants escaped too
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml_value, value))}]"
    return repr(value)
