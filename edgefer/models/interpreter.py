"""LiteRT, or its forerunner tflite-runtime, behind one class: built once, checked against its manifest.

The classic Interpreter is used on purpose: CompiledModel crashes the process on damaged files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from edgefer.errors import ModelError
from edgefer.labels import softmax
from edgefer.models import runtime
from edgefer.models.manifest import SELF_TEST_TOLERANCE, NetworkManifest, SelfTest, self_test_input
from edgefer.support.locks import turn_lock
from edgefer.support.quiet import native_stderr


class AnyInput(Protocol):
    """What is asked of the input of a manifest."""

    @property
    def height(self) -> int: ...

    @property
    def width(self) -> int: ...

    @property
    def channels(self) -> str: ...

    @property
    def dtype(self) -> str: ...

    @property
    def scale(self) -> float: ...

    @property
    def zero_point(self) -> int: ...


class Tensor(NamedTuple):
    """What a manifest says of one tensor of a network; a float32 one has neither scale nor zero point."""

    shape: tuple[int, ...]
    dtype: str
    scale: float = 0.0
    zero_point: int = 0


class Network:
    """An int8 network with one input.

    Tensors are copied in and out (a few kB): a view held on the runtime's own memory would make it refuse to
    run, or would change under its holder. Threads that share one take turns: the runtime has one set of tensors,
    and a second thread would overwrite the input of the first.

    Attributes:
        input_shape: (1, H, W, C).
    """

    def __init__(self, content: bytes, name: str, given: AnyInput, outputs: Sequence[Tensor], threads: int = 1):
        """Build the network and check it against what its manifest says.

        Args:
            content: the bytes of model.tflite, as checked by directory.read. The check matters: LiteRT
                verifies its input, tflite-runtime does not and can crash the process on other bytes.
            name: of the model, for messages.
            given: its input.
            outputs: in the order in which `forward` gives them; several are told apart by their shapes.
            threads: CPU threads of the runtime, at least 1.

        Raises:
            ModelError: the runtime refuses the bytes; or number, shape, dtype or quantisation of a tensor is
                not what the manifest says.
            ValueError: threads is below 1.
        """
        if threads < 1:
            raise ValueError(f"threads: expected at least 1, got {threads}")
        self._name = name
        self._turn = turn_lock()
        try:
            with native_stderr(runtime.NAME):  # it prints a greeting at every start
                self._runtime = runtime.module.Interpreter(model_content=content, num_threads=threads)
                self._runtime.allocate_tensors()
        except (ValueError, RuntimeError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise ModelError(f"model {self._name}: {runtime.NAME} refuses model.tflite: {reason}") from None
        runtime.warn_if_slow(self._runtime)
        rows = given.height * getattr(given, "frames", 1)  # a clip's frames lie one below the other
        self.input_shape = (1, rows, given.width, channel_count(given.channels))
        expected = Tensor(self.input_shape, given.dtype, given.scale, given.zero_point)
        (self._input,) = self._indices("input", self._runtime.get_input_details(), [expected])
        self._outputs = self._indices("output", self._runtime.get_output_details(), outputs)

    def _indices(self, side: str, details: list[dict[str, Any]], expected: Sequence[Tensor]) -> list[int]:
        """Indices of the tensors on a side, after they were compared with the manifest."""
        if len(details) != len(expected):
            count = "one" if len(expected) == 1 else str(len(expected))
            tensors = "tensor" if len(expected) == 1 else "tensors"
            raise ModelError(f"model {self._name}: expected {count} {side} {tensors}, got {len(details)}")
        by_shape = {tuple(int(n) for n in entry["shape"]): entry for entry in details}
        indices = []
        for spec in expected:
            entry = by_shape.get(spec.shape, details[0])
            scale, zero_point = entry["quantization"]
            facts = [
                ("shape", spec.shape, tuple(int(n) for n in entry["shape"])),
                ("dtype", spec.dtype, np.dtype(entry["dtype"]).name),
                ("scale", float(np.float32(spec.scale)), float(np.float32(scale))),
                ("zero_point", spec.zero_point, int(zero_point)),
            ]
            for what, stated, actual in facts:
                if stated != actual:
                    raise ModelError(
                        f"model {self._name}: {side} {what}: model.toml says {stated}, model.tflite has {actual}; "
                        "they do not belong together"
                    )
            indices.append(entry["index"])
        return indices

    def forward(self, tensor: np.ndarray) -> tuple[np.ndarray, ...]:
        """One forward pass.

        Args:
            tensor: int8, of `input_shape`, C-contiguous; copied.

        Returns:
            The outputs, as copies that stay valid.

        Raises:
            TypeError: it is no array. ValueError: wrong dtype or shape. ModelError: the runtime failed.
        """
        if not isinstance(tensor, np.ndarray):
            raise TypeError(f"run: expected int8 {self.input_shape}, got {type(tensor).__name__}")
        if tensor.dtype != np.int8 or tensor.shape != self.input_shape:
            raise ValueError(f"run: expected int8 {self.input_shape}, got {tensor.dtype} {tensor.shape}")
        try:
            with self._turn:
                self._runtime.set_tensor(self._input, tensor)
                self._runtime.invoke()
                return tuple(self._runtime.get_tensor(index) for index in self._outputs)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise ModelError(f"model {self._name}: {runtime.NAME} failed: {reason}") from None

    def run(self, tensor: np.ndarray) -> np.ndarray:
        """The first output, mostly the only one; takes and raises what `forward` does."""
        return self.forward(tensor)[0]


class Interpreter(Network):
    """The network of a model that scores face crops: one int8 output, a value for each label.

    Attributes:
        output_shape: (1, number of labels).
    """

    def __init__(self, content: bytes, manifest: NetworkManifest, threads: int = 1):
        """Raises: as of Network."""
        spec = manifest.output
        self.output_shape = (1, len(manifest.labels))
        output = Tensor(self.output_shape, spec.dtype, spec.scale, spec.zero_point)
        super().__init__(content, manifest.name, manifest.input, [output], threads)


def channel_count(channels: str) -> int:
    """Planes of a channels name: grey 1, sobel 2, laplacian 1, sketch 1, across and down 1 each; a pair of crops 25
    (preprocess/pairs.py)."""
    return sum({"sobel": 2, "pair": 25}.get(name, 1) for name in channels.split("+"))


class Tested(Protocol):
    """A manifest with self-test vectors."""

    @property
    def name(self) -> str: ...

    @property
    def self_test(self) -> tuple[SelfTest, ...]: ...


def self_test(interpreter: Network, manifest: Tested) -> int:
    """Run every self-test vector of the manifest.

    Returns:
        The largest difference found, int8 levels.

    Raises:
        ModelError: an output differs by more than SELF_TEST_TOLERANCE levels.
    """
    worst = 0
    for vector in manifest.self_test:
        got = interpreter.run(self_test_input(vector.seed, interpreter.input_shape))[0]
        difference = int(np.abs(got.astype(int) - vector.output).max())
        if difference > SELF_TEST_TOLERANCE:
            raise ModelError(
                f"model {manifest.name}: self-test {vector.seed} failed: expected {list(vector.output)} "
                f"within {SELF_TEST_TOLERANCE}, got {got.tolist()}; {runtime.NAME} computes this model wrongly"
            )
        worst = max(worst, difference)
    return worst


def scores(output: np.ndarray, manifest: NetworkManifest) -> np.ndarray:
    """Probabilities of the labels from the int8 output of the network.

    Args:
        output: int8, shape (n,).

    Returns:
        float32, shape (n,), each in [0, 1], summing to 1.
    """
    spec = manifest.output
    levels = output.astype(np.float32)
    if spec.values == "logits":
        factor = np.float32(spec.scale / spec.temperature)
        if not spec.offsets:
            return softmax(levels, factor)
        return softmax(levels * factor + np.array(spec.offsets, np.float32))
    weights = np.maximum((levels - spec.zero_point) * np.float32(spec.scale), 0)
    if spec.temperature != 1:
        weights = weights ** np.float32(1 / spec.temperature)
    if spec.offsets:
        weights = weights * np.exp(np.array(spec.offsets, np.float32))
    total = weights.sum()
    if total == 0:
        return np.full(len(output), 1 / len(output), np.float32)
    return weights / total
