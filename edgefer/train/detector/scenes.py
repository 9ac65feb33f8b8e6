"""Scenes of 160x120 pixels with faces whose places are known, composed of photographs, backgrounds and textures.

A face is pasted with its whole photograph, or cut out with a soft edge round hair and shoulders; some of them are
covered by a mask, sunglasses or a thing held before them. What the teacher was not sure of, and what is half out of
the scene, counts neither as a face nor as background.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from edgefer.train.detector.material import Sources
from edgefer.train.detector.stuff import HEIGHT, WIDTH, Stuff, overlap

#: Sides of the faces, pixels; the number of them at most in a scene; tilt of the head at most, degrees.
SMALLEST, LARGEST, MOST, TILT = 8.0, 130.0, 16, 52.0
#: Deviation of the grey in a face's square from which there is something to be seen.
LEAST_CONTRAST = 9.0


class Scene(NamedTuple):
    """A picture and its faces.

    Attributes:
        image: uint8 (HEIGHT, WIDTH).
        faces: float32 (MOST, 14): x and y of the centre and side of the square, five points; then 1 for a face,
            0 for a place that does not count, -1 for an empty row.
    """

    image: np.ndarray
    faces: np.ndarray


class Composer:
    """Makes scenes, one after the other.

    Args:
        sources: what they are made of. seed: decides them.
        empty: share of the scenes without any face.
        plain: nothing covers a face, and blur, noise, light and codec are left out: for measuring.
        tilt: of the heads at most, degrees.
    """

    def __init__(self, sources: Sources, seed: int, empty: float = 0.15, plain: bool = False, tilt: float = TILT):
        self._sources = sources
        self._rng = np.random.default_rng(seed)
        self._stuff = Stuff(sources, self._rng)
        self._empty = empty
        self._plain = plain
        self._tilt = tilt

    def scene(self) -> Scene:
        """The next one."""
        rng = self._rng
        canvas = self._stuff.background()
        faces: list[np.ndarray] = []
        kind = rng.random()
        if kind >= self._empty:
            if kind < 0.45:
                count, largest = 1, LARGEST
            elif kind < 0.7:
                count, largest = int(rng.integers(2, 5)), 60.0
            else:
                count, largest = int(rng.integers(4, 13)), 36.0
            for _ in range(count):
                side = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(largest))))
                if count == 1 and rng.random() < 0.25:
                    side = float(rng.uniform(50, LARGEST))
                self._add(canvas, faces, side, whole=rng.random() < (0.55 if count == 1 else 0.3))
        if rng.random() < 0.25 and not self._plain:
            self._hands(canvas, faces)
        if rng.random() < 0.2:
            canvas = self._framed(canvas, faces)
        for face in faces:
            if face[13] == 1 and not self._plain and not _shows(canvas, face):
                face[13] = 0
        table = np.zeros((MOST, 14), np.float32)
        table[:, 13] = -1
        for row, face in zip(range(MOST), faces, strict=False):
            table[row] = face
        return Scene(canvas if self._plain else self._spoilt(canvas), table)

    # -- faces

    def _add(self, canvas: np.ndarray, faces: list[np.ndarray], side: float, whole: bool) -> None:
        """Pastes a photograph so that its first face has this side, where it covers no other; or gives up."""
        rng = self._rng
        index = self._stuff.photograph()
        table = self._sources.faces[index]
        scale = side / table[0, 2]
        level = 0 if rng.random() < 0.1 else int(np.clip(np.floor(-np.log2(max(scale, 1e-3)) + 0.3), 0, 2))
        image = self._sources.levels[index][level]
        degrees = rng.normal(0, 7) if rng.random() < 0.55 else rng.uniform(-self._tilt, self._tilt)
        cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
        turn = scale * np.array([[cos, -sin], [sin, cos]])
        mirrored = bool(rng.random() < 0.5)
        if mirrored:
            turn = turn @ np.diag([-1.0, 1.0])
        for _ in range(6):
            reach = 0.35 * side
            at = np.array(
                [
                    rng.uniform(min(reach, 80), WIDTH - min(reach, 80)),
                    rng.uniform(min(reach, 60), HEIGHT - min(reach, 60)),
                ]
            )
            spans = self._extent(image.shape, level, turn, at - turn @ table[0, :2], whole, at, side)
            if all(overlap(face, spans) < 0.12 for face in faces):
                break
        else:
            return
        placed = self._placed(table if whole else table[:1], turn, scale, at, mirrored)
        if not whole and rng.random() < 0.5:
            self._body(canvas, at, side, faces)
        self._paste(canvas, image, level, turn, at, table[0], side, degrees, whole, spans)
        if rng.random() < 0.22 and not self._plain:
            self._cover(canvas, placed[0])
        for face in placed:
            visible = _visible(face)
            if face[2] < SMALLEST * 0.8 or visible < 0.6:
                face[13] = 0
            if visible > 0.15 and not any(np.hypot(*(face[:2] - other[:2])) < 0.3 * face[2] for other in faces):
                faces.append(face)

    def _placed(self, table: np.ndarray, turn: np.ndarray, scale: float, at: np.ndarray, mirrored: bool) -> np.ndarray:
        """Rows of a photograph's faces in the scene."""
        placed = table.copy()
        shift = at - turn @ table[0, :2]
        placed[:, :2] = table[:, :2] @ turn.T + shift
        placed[:, 2] = table[:, 2] * scale
        points = (table[:, 3:13].reshape(-1, 2) @ turn.T + shift).reshape(-1, 5, 2)
        if mirrored:
            points = points[:, [1, 0, 2, 4, 3]]
        placed[:, 3:13] = points.reshape(-1, 10)
        return placed.astype(np.float32)

    def _extent(self, shape, level, turn, shift, whole, at, side) -> tuple[float, float, float, float]:
        """What a paste covers: left, top, right, bottom."""
        if not whole:
            return at[0] - 0.75 * side, at[1] - 0.9 * side, at[0] + 0.75 * side, at[1] + 1.0 * side
        height, width = (n * 2**level for n in shape)
        corners = np.array([[0, 0], [width, 0], [0, height], [width, height]]) @ turn.T + shift
        return (*corners.min(axis=0), *corners.max(axis=0))

    def _paste(self, canvas, image, level, turn, at, face, side, degrees, whole, spans) -> None:
        """Blends the photograph into the canvas."""
        rng = self._rng
        x0, y0 = max(0, int(spans[0])), max(0, int(spans[1]))
        x1, y1 = min(WIDTH, int(np.ceil(spans[2]))), min(HEIGHT, int(np.ceil(spans[3])))
        if x1 <= x0 or y1 <= y0:
            return
        # image pixels count from the first pixel's centre, the table from its edge
        to_scene = np.empty((2, 3))
        to_scene[:, :2] = turn * 2**level
        to_scene[:, 2] = at - turn @ face[:2] + turn @ np.full(2, 0.5 * 2**level) - 0.5 - np.array([x0, y0])
        size = (x1 - x0, y1 - y0)
        edge = cv2.BORDER_CONSTANT if whole else cv2.BORDER_REPLICATE
        pasted = cv2.warpAffine(image, to_scene, size, flags=cv2.INTER_LINEAR, borderMode=edge).astype(np.float32)
        if whole:
            mask = cv2.warpAffine(np.full(image.shape, 255, np.uint8), to_scene, size).astype(np.float32) / 255
        else:
            centre = (at[0] - x0, at[1] - y0)
            mask = np.zeros(size[::-1], np.uint8)
            wide, tall = rng.uniform(0.55, 0.72) * side, rng.uniform(0.68, 0.88) * side
            axes, middle = (int(wide * 16), int(tall * 16)), (int(centre[0] * 16), int((centre[1] - 0.05 * side) * 16))
            cv2.ellipse(mask, middle, axes, degrees, 0, 360, 255, -1, cv2.LINE_AA, 4)
            if rng.random() < 0.5:  # shoulders
                low = int((centre[1] + 1.15 * side) * 16)
                cv2.ellipse(
                    mask, (middle[0], low), (int(side * 14), int(side * 10)), 0, 180, 360, 255, -1, cv2.LINE_AA, 4
                )
            soft = max(1, int(side * rng.uniform(0.02, 0.12))) | 1
            mask = cv2.blur(mask, (soft, soft)).astype(np.float32) / 255
        if rng.random() < 0.6 and not self._plain:
            pasted = pasted * rng.uniform(0.5, 1.4) + rng.uniform(-30, 35)
        if rng.random() < 0.3 and not self._plain:  # light from one side
            ramp = np.linspace(rng.uniform(0.25, 1.35), rng.uniform(0.25, 1.35), size[0], dtype=np.float32)
            pasted *= ramp
        part = canvas[y0:y1, x0:x1]
        canvas[y0:y1, x0:x1] = (part + (pasted - part) * mask).clip(0, 255).astype(np.uint8)

    def _body(self, canvas: np.ndarray, at: np.ndarray, side: float, faces: list[np.ndarray]) -> None:
        """Clothes below a face, behind those that are there."""
        rng = self._rng
        middle = np.array([at[0], at[1] + rng.uniform(1.6, 2.2) * side])
        size = side * np.array([rng.uniform(0.9, 1.4), rng.uniform(1.0, 1.6)])
        (x0, y0), (x1, y1) = np.maximum(middle - size, 0).astype(int), (middle + size).astype(int) + 1
        part = canvas[y0:y1, x0:x1]
        if not part.size:
            return
        mask = np.zeros_like(part)
        place, axes = ((middle - (x0, y0)) * 16).astype(int).tolist(), (size * 16).astype(int).tolist()
        cv2.ellipse(mask, place, axes, 0, 0, 360, 255, -1, cv2.LINE_AA, 4)
        for x, y, other in (face[:3] for face in faces):
            left, top = max(0, int(x - 0.7 * other) - x0), max(0, int(y - 0.8 * other) - y0)
            mask[top : max(0, int(y + 0.8 * other) - y0), left : max(0, int(x + 0.7 * other) - x0)] = 0
        worn = self._stuff.anything()[: part.shape[0], : part.shape[1]] * np.float32(rng.uniform(0.3, 1.0))
        part[:] = part + (worn - part) * (mask * np.float32(1 / 255))

    def _hands(self, canvas: np.ndarray, faces: list[np.ndarray]) -> None:
        """One or two beside the faces, of a size that suits them."""
        rng = self._rng
        for _ in range(int(rng.integers(1, 3))):
            at = np.array([rng.uniform(0, WIDTH), rng.uniform(0, HEIGHT)])
            size = (faces[0][2] if faces else 30.0) * rng.uniform(0.4, 0.9)
            if all(np.hypot(*(face[:2] - at)) > 0.6 * face[2] + 0.7 * size for face in faces):
                self._stuff.hand(canvas, (at[0], at[1]), size)

    def _cover(self, canvas: np.ndarray, face: np.ndarray) -> None:
        """Draws a mask, sunglasses, a hand, a hat, or a thing before a part of the face."""
        rng = self._rng
        side = float(face[2])
        points = face[3:13].reshape(5, 2).astype(np.float64)
        across = points[1] - points[0]
        along = np.array([-across[1], across[0]]) * (1 if points[3:, 1].mean() > points[:2, 1].mean() else -1)
        kind = rng.random()
        level = int(rng.integers(0, 256))

        def polygon(*corners: np.ndarray) -> None:
            cv2.fillPoly(canvas, [np.round(np.array(corners) * 16).astype(np.int32)], level, cv2.LINE_AA, 4)

        if kind < 0.35:
            top = points[2] - along * rng.uniform(0.0, 0.3)
            low = points[3:].mean(axis=0) + along * rng.uniform(0.5, 0.8)
            polygon(top - across, top, top + across, low + across * 0.5, low - across * 0.5)
        elif kind < 0.65:
            level = int(rng.integers(0, 70))
            angle = float(np.degrees(np.arctan2(across[1], across[0])))
            size = float(np.hypot(*across))
            for eye in points[:2]:
                axes = (int(size * rng.uniform(0.3, 0.44) * 16), int(size * rng.uniform(0.2, 0.36) * 16))
                at = (int(eye[0] * 16), int(eye[1] * 16))
                cv2.ellipse(canvas, at, axes, angle, 0, 360, level, -1, cv2.LINE_AA, 4)
            (x0, y0), (x1, y1) = points[0] - across * 0.4, points[1] + across * 0.4
            cv2.line(canvas, (int(x0), int(y0)), (int(x1), int(y1)), level, max(1, int(side / 25)), cv2.LINE_AA)
        elif kind < 0.75:
            self._stuff.hand(canvas, tuple(points[rng.integers(2, 5)] + along * rng.uniform(-0.2, 0.6)), side * 0.5)
        elif kind < 0.83:
            brow = points[:2].mean(axis=0) - along * rng.uniform(0.3, 0.6)
            polygon(brow - across * 1.1, brow + across * 1.1, brow + across * 0.8 - along, brow - across * 0.8 - along)
        else:
            width, height = (int(n) for n in side * rng.uniform(0.2, 0.5, 2) + 1)
            x = int(face[0] + rng.uniform(-0.6, 0.6) * side - width / 2)
            y = int(face[1] + rng.uniform(-0.6, 0.6) * side - height / 2)
            x0, y0, x1, y1 = max(x, 0), max(y, 0), min(x + width, WIDTH), min(y + height, HEIGHT)
            if x1 > x0 and y1 > y0:
                canvas[y0:y1, x0:x1] = self._stuff.window()[: y1 - y0, : x1 - x0]

    # -- the camera

    def _framed(self, canvas: np.ndarray, faces: list[np.ndarray]) -> np.ndarray:
        """A part of the scene, whose edge pixels go on to the sides: so a view looks that reaches beyond an image."""
        rng = self._rng
        x0, x1 = int(rng.integers(0, 56)), int(rng.integers(WIDTH - 55, WIDTH + 1))
        y0, y1 = (
            (int(rng.integers(0, 40)), int(rng.integers(HEIGHT - 39, HEIGHT + 1)))
            if rng.random() < 0.5
            else (0, HEIGHT)
        )
        for face in faces:
            left = overlap(face, (x0, y0, x1, y1))
            if left < 0.6:
                face[13] = 0 if left > 0.15 else -1
        faces[:] = [face for face in faces if face[13] >= 0]
        around = (y0, HEIGHT - y1, x0, WIDTH - x1)
        return cv2.copyMakeBorder(canvas[y0:y1, x0:x1], *around, cv2.BORDER_REPLICATE)

    def _spoilt(self, canvas: np.ndarray) -> np.ndarray:
        """Blur, light, noise and the traces of a codec, each in a part of the scenes."""
        rng = self._rng
        kind = rng.random()
        if kind < 0.15:
            canvas = cv2.GaussianBlur(canvas, (0, 0), rng.uniform(0.3, 1.2))
        elif kind < 0.22:
            length = int(rng.integers(2, 5))
            canvas = cv2.blur(canvas, (length, 1) if rng.random() < 0.6 else (1, length))
        elif kind < 0.3:
            canvas = cv2.addWeighted(canvas, 1.6, cv2.GaussianBlur(canvas, (0, 0), 1.0), -0.6, 0)
        if rng.random() < 0.5:
            levels = np.linspace(0, 1, 256) ** rng.uniform(0.5, 1.9)
            low, high = rng.uniform(0, 60), rng.uniform(130, 255)
            canvas = cv2.LUT(canvas, (low + levels * (high - low)).astype(np.uint8))
        if rng.random() < 0.35:
            noise = rng.normal(0, rng.uniform(1, 10), (HEIGHT // 2, WIDTH)).astype(np.float32)
            noise = np.concatenate([noise, noise[::-1, ::-1]])
            canvas = (canvas + noise).clip(0, 255).astype(np.uint8)
        if rng.random() < 0.25:
            quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 90))]
            decoded = cv2.imdecode(cv2.imencode(".jpg", canvas, quality)[1], cv2.IMREAD_GRAYSCALE)
            canvas = canvas if decoded is None else decoded
        return canvas


def mirrored(images: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scenes as in a mirror: uint8 (N, HEIGHT, WIDTH) and float32 (N, MOST, 14)."""
    turned = faces.copy()
    turned[..., 0] = WIDTH - faces[..., 0]
    points = faces[..., 3:13].reshape(*faces.shape[:-1], 5, 2)[..., [1, 0, 2, 4, 3], :] * (-1, 1) + (WIDTH, 0)
    turned[..., 3:13] = points.reshape(*faces.shape[:-1], 10)
    return images[..., ::-1], turned


def _shows(canvas: np.ndarray, face: np.ndarray) -> bool:
    """Whether there is anything to be seen in a face's square: one may have come to be all dark or all bright."""
    x, y, half = face[:3] * (1, 1, 0.4)
    part = canvas[max(0, int(y - half)) : int(y + half) + 1, max(0, int(x - half)) : int(x + half) + 1]
    return bool(part.size) and float(cv2.meanStdDev(part)[1][0, 0]) > LEAST_CONTRAST


def _visible(face: np.ndarray) -> float:
    """Part of a face's square inside the scene."""
    return overlap(face, (0.0, 0.0, float(WIDTH), float(HEIGHT)))
