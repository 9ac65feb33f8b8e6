"""Micro-expressions by a network: a CNN on each tick's field of motion, an LSTM over time, and what they say."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

import numpy as np

from edgefer.errors import ModelError
from edgefer.labels import softmax
from edgefer.models.interpreter import Network as Int8
from edgefer.models.interpreter import Tensor
from edgefer.models.manifest import self_test_input
from edgefer.models.micro import MicroManifest
from edgefer.recognize.micro.fields import SIDE
from edgefer.recognize.micro.quiet import Quiet, smoothed
from edgefer.recognize.micro.spot import EVERY, MARGIN_S, MEMORY_S, PHASES, Found, returned
from edgefer.recognize.micro.ticks import RATE_HZ

#: What the network says of a tick it says so many ticks later.
DELAY = 15
#: Fields are squeezed so that small steps keep their detail in eight bits: arsinh(step / UNIT) / SPAN.
UNIT, SPAN = 0.002, 4.0
#: Film after a movement, s, from which its end is certain; part of it that may stay; chance from which it is named.
SETTLED_S, STAYS, NAMED = 0.3, 0.7, 0.5
#: Fields of a self-test, and the largest difference: its int8 features may lie some levels apart (models/manifest.py).
TEST_TICKS, TEST_TOLERANCE = 6, 0.1


def squeezed(images: np.ndarray) -> np.ndarray:
    """Fields of motion, eye distances, as the network takes them, float32."""
    return np.clip(np.arcsinh(images / np.float32(UNIT)) / np.float32(SPAN), -1, 127 / 128).astype(np.float32)


@dataclass(frozen=True)
class Decoding:
    """How movements are read from the network's phases; chosen on films of val.

    Attributes:
        begin: chance of a movement above which one is; sure: that its strongest tick needs.
        shortest_s, longest_s: from onset to offset.
    """

    begin: float = 0.45
    sure: float = 0.7
    shortest_s: float = 0.03
    longest_s: float = 0.62


def spans(t_s: np.ndarray, phases: np.ndarray, how: Decoding) -> list[tuple[float, float, float, float]]:
    """Onset, apex, offset and confidence of movements in the chances of phases, float (T, 3)."""
    moving = 1 - phases[:, 0]
    turns = phases[:, 1] > phases[:, 2]
    found, at = [], 1
    while at < len(t_s):
        if not (moving[at] >= how.begin > moving[at - 1]):
            at += 1
            continue
        first = at - (moving[at] - how.begin) / (moving[at] - moving[at - 1])
        end = at
        while end < len(t_s) and moving[end] >= how.begin and not (turns[end] and not turns[end - 1] and end - at > 2):
            end += 1
        if end == len(t_s):
            break
        last = end - 1 + (moving[end - 1] - how.begin) / max(moving[end - 1] - moving[end], 1e-6)
        last = min(last, end)
        rising = np.flatnonzero(turns[at:end])
        apex = at + (rising[-1] + 0.5 if len(rising) else 0)
        apex = min(max(apex, first), last)
        onset, top, offset = (t_s[0] + place / RATE_HZ for place in (first, apex, last))
        sure = float(moving[at:end].max())
        if sure >= how.sure and how.shortest_s <= offset - onset <= how.longest_s:
            found.append((float(onset), float(top), float(offset), sure))
        at = end if end > at else at + 1
    return found


class Network:
    """The network of a model directory, step by step.

    Args:
        content: of `model.npz`. manifest: what it holds.

    Raises:
        ModelError: it is not what the manifest says, or fails its self-test.
    """

    def __init__(self, content: bytes, manifest: MicroManifest, threads: int = 1) -> None:
        self._manifest = manifest
        shapes = {
            "kernel": (manifest.features, 4 * manifest.cells),
            "recurrent": (manifest.cells, 4 * manifest.cells),
            "bias": (4 * manifest.cells,),
            "phase": (manifest.cells, len(PHASES)),
            "phase_bias": (len(PHASES),),
            "expression": (manifest.cells, len(manifest.expression_labels)),
            "expression_bias": (len(manifest.expression_labels),),
        }
        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as file:
                self._arrays = {name: file[name] for name in shapes}
                network = file["features"].tobytes()
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            reason = " ".join(str(error).split())
            raise ModelError(f"model {manifest.name}: {manifest.network}: {reason}") from None
        for name, shape in shapes.items():
            array = self._arrays[name]
            if array.dtype != np.float32 or array.shape != shape or not np.isfinite(array).all():
                raise ModelError(
                    f"model {manifest.name}: {manifest.network}: {name}: expected finite float32 {shape}, "
                    f"got {array.dtype} {array.shape}"
                )
        features = Tensor((1, manifest.features), "int8", manifest.feature_scale, manifest.feature_zero_point)
        self._network = Int8(network, manifest.name, manifest.input, [features], threads)
        self._self_test()

    def begin(self) -> tuple[np.ndarray, np.ndarray]:
        """The state before the first tick."""
        return np.zeros(self._manifest.cells, np.float32), np.zeros(self._manifest.cells, np.float32)

    def tensor(self, image: np.ndarray) -> np.ndarray:
        """A field of motion, float32 (SIDE, SIDE, 2), as int8 (1, SIDE, SIDE, 2)."""
        given = self._manifest.input
        levels = np.rint(np.arcsinh(image / np.float32(given.unit)) / np.float32(given.span * given.scale))
        return np.clip(levels + given.zero_point, -128, 127).astype(np.int8)[None]

    def step(
        self, tensor: np.ndarray, state: tuple[np.ndarray, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Chances of the phases and of the expressions after one more tick, and the state."""
        arrays, spec = self._arrays, self._manifest
        (levels,) = self._network.forward(tensor)
        feature = (levels[0].astype(np.float32) - spec.feature_zero_point) * np.float32(spec.feature_scale)
        hidden, cell = state
        gates = feature @ arrays["kernel"] + hidden @ arrays["recurrent"] + arrays["bias"]
        take, keep, new, give = np.split(gates, 4)
        cell = _sigmoid(keep) * cell + _sigmoid(take) * np.tanh(new)
        hidden = _sigmoid(give) * np.tanh(cell)
        phases = softmax(hidden @ arrays["phase"] + arrays["phase_bias"], np.float32(1))
        expressions = softmax(hidden @ arrays["expression"] + arrays["expression_bias"], np.float32(1))
        return phases, expressions, (hidden, cell)

    def tested(self, seed: int) -> np.ndarray:
        """Phases after TEST_TICKS fields of a self-test, the same on every machine."""
        state, phases = self.begin(), np.zeros(len(PHASES), np.float32)
        for number in range(TEST_TICKS):
            field = self_test_input(seed * TEST_TICKS + number, self._network.input_shape)
            phases, _, state = self.step(field, state)
        return phases

    def _self_test(self) -> None:
        for test in self._manifest.self_test:
            got = self.tested(test.seed)
            if np.abs(got - np.array(test.phases, np.float32)).max() > TEST_TOLERANCE:
                raise ModelError(
                    f"model {self._manifest.name}: self-test {test.seed} failed: expected {list(test.phases)}, got "
                    f"{got.round(4).tolist()}; this machine computes this model wrongly"
                )


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


class LearnedSpotter:
    """Finds movements by the network as ticks come; each is found once."""

    def __init__(self, network: Network, how: Decoding, labels: tuple[str, ...]) -> None:
        self._network, self._how, self._labels = network, how, labels
        self._state = network.begin()
        self._t: list[float] = []
        self._ticks: list[Quiet] = []
        self._phases: list[np.ndarray] = []
        self._expressions: list[np.ndarray] = []
        self._begin_s = self._told_s = -np.inf
        self._since = 0
        self.scores: np.ndarray | None = None

    def add(self, tick: Quiet) -> list[Found]:
        """The movements that are known to be over with this tick."""
        if not self._t:
            self._begin_s = tick.t_s
        self._t.append(tick.t_s)
        self._ticks.append(tick)
        self._step(self._network.tensor(smoothed(tick)))
        self._since += 1
        if self._since < EVERY:
            return []
        self._since = 0
        found = self._find(self._t[-1] - SETTLED_S)
        while self._t[-1] - self._t[0] > MEMORY_S and len(self._phases) > DELAY:
            del self._t[0], self._ticks[0], self._phases[0], self._expressions[0]
        return found

    def finish(self) -> list[Found]:
        """Those that are left when no further tick comes: the face is taken to rest on."""
        if not self._t:
            return []
        rest = self._network.tensor(np.zeros((SIDE, SIDE, 2), np.float32))
        for _ in range(DELAY):
            self._step(rest)
        return self._find(self._t[-1] - MARGIN_S)

    def _step(self, tensor: np.ndarray) -> None:
        phases, expressions, self._state = self._network.step(tensor, self._state)
        self.scores = phases
        self._phases.append(phases)
        self._expressions.append(expressions)

    def _find(self, until_s: float) -> list[Found]:
        # what is said in a tick is about the one DELAY before it
        phases, expressions = np.array(self._phases[DELAY:]), np.array(self._expressions[DELAY:])
        t_s = np.array(self._t[: len(phases)])
        if len(t_s) < 3:
            return []
        found = []
        for onset, apex, offset, sure in spans(t_s, phases[: len(t_s)], self._how):
            if not self._begin_s + MARGIN_S <= apex or offset > until_s or onset < self._told_s:
                continue
            self._told_s = offset
            event = Found(onset, apex, offset, sure, sure)
            all_t = np.array(self._t)
            if not returned(self._ticks, all_t, event, STAYS):
                continue
            shown = expressions[: len(t_s)][(t_s >= onset) & (t_s <= offset)].mean(axis=0)
            best = int(shown.argmax())
            named = self._labels[best] if shown[best] >= NAMED else ""
            found.append(Found(onset, apex, offset, sure, sure, named))
        return found
