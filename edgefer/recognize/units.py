"""Recognizers of the kind `units`: a face in, the intensities of its action units out.

A photograph, and a face in a film before it is known at rest, is judged alone: from its aligned crop. From then on a
second network judges it against its own face at rest (rest.py), which tells low brows from lowered ones. That one has
learnt from warped faces alone: of the units that one picture tells well on people, the first network is heard too.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Collection

import numpy as np

from edgefer.errors import ModelError
from edgefer.models.interpreter import Network, Tensor, self_test
from edgefer.models.units import UnitsManifest, UnitsRest
from edgefer.preprocess import pairs
from edgefer.preprocess.aligned import Layout, aligned
from edgefer.recognize.base import Needs, Observation
from edgefer.recognize.rest import Rests
from edgefer.support.registry import Options
from edgefer.values import Face, Frame

#: Intensities are on FACS's scale, A to E as 1 to 5.
FULL = 5.0
#: The networks in model.npz: of one picture, and of a face against itself at rest.
ALONE, AGAINST = "alone", "against"
_NO_SCORES = np.zeros(0, np.float32)


class UnitsRecognizer:
    """Networks that read action units; keeps how faces look at rest, and gives no expression.

    Attributes:
        manifest: of the model.
        units: names of the action units, in the order of an observation's.
        name, labels, needs: see Recognizer.
    """

    labels: tuple[str, ...] = ()
    needs = Needs(landmarks=True)

    def __init__(self, manifest: UnitsManifest, alone: Network, against: Network | None) -> None:
        self.manifest = manifest
        self.name = manifest.name
        self.units = manifest.units
        self._alone, self._against = alone, against
        shape = manifest.input
        self._layout = Layout(shape.height, shape.width, shape.eyes_px, shape.eyes_y)
        self._rests = Rests(lambda rest, crop: float(self.compare(rest, crop)[0].sum()))
        heard = manifest.rest.alone if manifest.rest else {}
        named = [heard.get(name) for name in self.units]
        # of intensities and of probabilities, as they are said
        self._share = np.array(
            [
                [each.share if each else 0 for each in named],
                [0 if each is None else each.share if each.shown is None else each.shown for each in named],
            ],
            np.float32,
        )
        self._clear = np.array([each.clear if each else np.inf for each in named], np.float32)

    def observe(self, frame: Frame, face: Face) -> Observation | None:
        """The units of a face in this frame; None without landmarks, or where they are those of no face."""
        if face.landmarks is None:
            return None
        begin = time.monotonic_ns()
        crop = self.crop(frame.grey, face.landmarks)
        if crop is None:
            return None
        cropped = time.monotonic_ns()
        if self._against is not None and not frame.still:
            units = self._in_film(frame, face.track, face.landmarks, crop)
        else:
            units = self.judge(crop)
        spent = {"preprocess": cropped - begin, "infer": time.monotonic_ns() - cropped}
        return Observation(_NO_SCORES, spent, units=units)

    def another(self) -> UnitsRecognizer:
        """One for another film, whose faces at rest are others; the networks are shared."""
        return UnitsRecognizer(self.manifest, self._alone, self._against)

    def forget(self, tracks: Collection[int]) -> None:
        """Drops how faces that will not come back look at rest."""
        self._rests.forget(tracks)

    def crop(self, grey: np.ndarray, points: np.ndarray) -> np.ndarray | None:
        """What the network of one picture looks at, uint8 (H, W), of a face with its 68 points; None where they are
        of no face."""
        return aligned(grey, points, self._layout)

    def judge(self, crop: np.ndarray) -> np.ndarray:
        """Of a crop, uint8 (H, W): float32 (2, units), intensities 0 to 5 and the probabilities that units show."""
        # grey levels 0 to 255 are the input's int8 levels -128 to 127
        tensor = np.ascontiguousarray(crop ^ np.uint8(128)).view(np.int8)[None, :, :, None]
        output = self.manifest.output
        return said(self._alone.run(tensor)[0], output.scale, output.zero_point)

    def compare(self, rest: pairs.Rest, crop: np.ndarray) -> np.ndarray:
        """Of a crop of pairs.LAYOUT against the face at rest, what `judge` gives."""
        assert self._against is not None and self.manifest.rest is not None
        output = self.manifest.rest
        levels = both_ways(self._against, pairs.levels(pairs.against(rest, crop)))
        return said(levels, output.output_scale, output.output_zero_point)

    def _in_film(self, frame: Frame, track: int, points: np.ndarray, crop: np.ndarray) -> np.ndarray:
        alone = self.judge(crop)
        wider = aligned(frame.grey, points, pairs.LAYOUT)
        if wider is None:
            return alone
        if self._rests.due(track, frame.media_ns):
            self._rests.add(track, frame.media_ns, wider, float(alone[0].sum()))
        rest = self._rests.of(track)
        if rest is None:
            return alone
        units = self.compare(rest, wider)
        units += self._share * (alone - units)
        clear = (alone[0] >= self._clear) & (alone[0] > units[0])
        return np.where(clear, np.maximum(units, alone), units)


def both_ways(network: Network, planes: np.ndarray) -> np.ndarray:
    """The mean of what a network says of a pair, int8 levels, and of its mirror; sides of a face are not told apart."""
    first, second = (network.run(np.ascontiguousarray(each)[None])[0] for each in (planes, pairs.mirrored(planes)))
    return (first.astype(np.float32) + second) / 2


def said(levels: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    """Of an output, levels or means of them, (2 * units,): float32 (2, units), intensities and probabilities."""
    logits, intensity = ((levels.astype(np.float32) - zero_point) * np.float32(scale)).reshape(2, -1)
    return np.stack([np.clip(intensity, 0, FULL), 1 / (1 + np.exp(-logits))])


def open_units(options: Options, *, manifest: UnitsManifest, content: bytes, threads: int) -> UnitsRecognizer:
    """The recognizer of a model directory whose files have been checked.

    Raises:
        ModelError: a network is not what the manifest says, or fails its self-test.
    """
    alone, against = open_networks(manifest, content, threads)
    self_test(alone, manifest)
    if against is not None and manifest.rest is not None:
        self_test(against, manifest.rest)
    return UnitsRecognizer(manifest, alone, against)


def open_networks(manifest: UnitsManifest, content: bytes, threads: int = 1) -> tuple[Network, Network | None]:
    """The network of one picture, and the one against the face at rest where the model has it.

    Raises:
        ModelError: one is not what the manifest says.
    """
    if manifest.rest is None:
        return open_alone(manifest, content, threads), None
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            alone, against = (file[name].tobytes() for name in (ALONE, AGAINST))
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"model {manifest.name}: {manifest.network}: {reason}") from None
    return open_alone(manifest, alone, threads), open_against(manifest, manifest.rest, against, threads)


def open_alone(manifest: UnitsManifest, content: bytes, threads: int = 1) -> Network:
    """The network of one picture. Raises ModelError: it is not what the manifest says."""
    output = manifest.output
    tensor = Tensor((1, 2 * len(manifest.units)), output.dtype, output.scale, output.zero_point)
    return Network(content, manifest.name, manifest.input, [tensor], threads)


def open_against(manifest: UnitsManifest, rest: UnitsRest, content: bytes, threads: int = 1) -> Network:
    """The network of a face against itself at rest. Raises ModelError: it is not what the manifest says."""
    tensor = Tensor((1, 2 * len(manifest.units)), rest.dtype, rest.output_scale, rest.output_zero_point)
    return Network(content, manifest.name, rest, [tensor], threads)
