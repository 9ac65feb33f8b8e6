"""LiteRT, or its forerunner tflite-runtime, behind one class: built once, checked against its manifest.

The classic Interpreter is used on purpose: CompiledModel crashes the process on damaged files.
"""

from __future__ import annotations

import numpy as np

from edgefer.errors import ModelError
from edgefer.labels import softmax
from edgefer.models import runtime
from edgefer.models.manifest import SELF_TEST_TOLERANCE, NetworkManifest, self_test_input
from edgefer.support.locks import turn_lock
from edgefer.support.quiet import native_stderr


class Interpreter:
    """An int8 network with one input and one output.

    Tensors are copied in and out (a few kB): a view held on the runtime's own memory would make it refuse to
    run, or would change under its holder. Threads that share one take turns: the runtime has one set of tensors,
    and a second thread would overwrite the input of the first.

    Attributes:
        input_shape: (1, H, W, C).
        output_shape: (1, number of labels).
    """

    def __init__(self, content: bytes, manifest: NetworkManifest, threads: int = 1):
        """Build the network and check it against its manifest.

        Args:
            content: the bytes of model.tflite, as checked by directory.read. The check matters: LiteRT
                verifies its input, tflite-runtime does not and can crash the process on other bytes.
            threads: CPU threads of the runtime, at least 1.

        Raises:
            ModelError: the runtime refuses the bytes; or number, shape, dtype or quantisation of a tensor is
                not what the manifest says.
            ValueError: threads is below 1.
        """
        if threads < 1:
            raise ValueError(f"threads: expected at least 1, got {threads}")
        self._name = manifest.name
        self._turn = turn_lock()
        try:
            with native_stderr(runtime.NAME):  # it prints a greeting at every start
                self._runtime = runtime.module.Interpreter(model_content=content, num_threads=threads)
                self._runtime.allocate_tensors()
        except (ValueError, RuntimeError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise ModelError(f"model {self._name}: {runtime.NAME} refuses model.tflite: {reason}") from None
        runtime.warn_if_slow(self._runtime)
        self._input, self.input_shape = self._tensor("input", manifest)
        self._output, self.output_shape = self._tensor("output", manifest)

    def _tensor(self, side: str, manifest: NetworkManifest) -> tuple[int, tuple[int, ...]]:
        """Index and shape of the one tensor on a side, after it was compared with the manifest."""
        expected = manifest.input if side == "input" else manifest.output
        shape: tuple[int, ...]
        if side == "input":
            spec = manifest.input
            shape = (1, spec.height, spec.width, channel_count(spec.channels))
            details = self._runtime.get_input_details()
        else:
            shape = (1, len(manifest.labels))
            details = self._runtime.get_output_details()
        if len(details) != 1:
            raise ModelError(f"model {self._name}: expected one {side} tensor, got {len(details)}")
        scale, zero_point = details[0]["quantization"]
        facts = [
            ("shape", shape, tuple(int(n) for n in details[0]["shape"])),
            ("dtype", expected.dtype, np.dtype(details[0]["dtype"]).name),
            ("scale", float(np.float32(expected.scale)), float(np.float32(scale))),
            ("zero_point", expected.zero_point, int(zero_point)),
        ]
        for what, stated, actual in facts:
            if stated != actual:
                raise ModelError(
                    f"model {self._name}: {side} {what}: model.toml says {stated}, model.tflite has {actual}; "
                    "they do not belong together"
                )
        return details[0]["index"], shape

    def run(self, tensor: np.ndarray) -> np.ndarray:
        """One forward pass.

        Args:
            tensor: int8, of `input_shape`, C-contiguous; copied.

        Returns:
            int8, of `output_shape`; a copy that stays valid.

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
                return self._runtime.get_tensor(self._output)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise ModelError(f"model {self._name}: {runtime.NAME} failed: {reason}") from None


def channel_count(channels: str) -> int:
    """Planes of a channels name: grey 1, sobel 2, laplacian 1, sketch 1."""
    return len(channels.split("+")) + ("sobel" in channels)


def self_test(interpreter: Interpreter, manifest: NetworkManifest) -> int:
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
        return softmax(levels, np.float32(spec.scale / spec.temperature))
    weights = np.maximum((levels - spec.zero_point) * np.float32(spec.scale), 0)
    if spec.temperature != 1:
        weights = weights ** np.float32(1 / spec.temperature)
    total = weights.sum()
    if total == 0:
        return np.full(len(output), 1 / len(output), np.float32)
    return weights / total
