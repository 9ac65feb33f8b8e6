"""What is no face: pieces of pictures, what is round faces in photographs, hands, patterns, letters, drawn shapes."""

from __future__ import annotations

import cv2
import numpy as np

from edgefer.train.detector.material import Sources

HEIGHT, WIDTH = 120, 160
#: Canvases of which parts are taken, again and again.
MADE = 24


class Stuff:
    """Makes uint8 (HEIGHT, WIDTH) without faces, and things to lay on a scene.

    Args:
        sources: what it is made of. rng: decides all of it.
    """

    def __init__(self, sources: Sources, rng: np.random.Generator):
        self._sources = sources
        self._rng = rng
        self._made: list[np.ndarray] = []

    def background(self) -> np.ndarray:
        """What faces are laid on; at times with other things on it."""
        rng = self._rng
        kind = rng.random()
        if kind < 0.4:
            return self.window()
        if kind < 0.52:
            return self.fragment()
        if kind < 0.67:
            return self.texture()
        if kind < 0.75:
            return self.pattern()
        canvas = self.window()
        for _ in range(int(rng.integers(1, 5))):
            at = (int(rng.integers(0, WIDTH)), int(rng.integers(0, HEIGHT)))
            if kind < 0.84:
                self.hand(canvas, at, float(np.exp(rng.uniform(2.3, 4.2))))
            elif kind < 0.92:
                self.feature(canvas)
            else:
                patch = self.anything()
                height, width = int(rng.integers(8, 80)), int(rng.integers(8, 100))
                y, x = int(rng.integers(0, HEIGHT - height)), int(rng.integers(0, WIDTH - width))
                canvas[y : y + height, x : x + width] = patch[:height, :width]
        return canvas

    def anything(self) -> np.ndarray:
        """A whole canvas of one kind, not to be written to: most are given more than once."""
        rng = self._rng
        if len(self._made) < MADE or rng.random() < 0.25:
            kind = rng.random()
            make = self.window if kind < 0.4 else self.texture if kind < 0.6 else self.pattern
            self._made = [make() if kind < 0.75 else self.fragment(), *self._made[: MADE - 1]]
            return self._made[0]
        return self._made[int(rng.integers(MADE))]

    def photograph(self) -> int:
        """Number of one, by their chances."""
        return int(np.searchsorted(self._sources.upto[:-1], self._rng.random(), side="right"))

    def window(self) -> np.ndarray:
        """A piece of a picture, turned or mirrored at times."""
        rng = self._rng
        picture = self._sources.backgrounds[rng.integers(len(self._sources.backgrounds))]
        most = min(picture.shape[0] / HEIGHT, picture.shape[1] / WIDTH)
        scale = float(np.exp(rng.uniform(np.log(0.3), np.log(most))))
        height, width = int(HEIGHT * scale), int(WIDTH * scale)
        y, x = rng.integers(0, picture.shape[0] - height + 1), rng.integers(0, picture.shape[1] - width + 1)
        piece = picture[y : y + height, x : x + width]
        mode = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
        piece = cv2.resize(piece, (WIDTH, HEIGHT), interpolation=mode)
        flip = rng.integers(0, 6)
        return cv2.flip(piece, int(flip) - 1) if flip < 3 else piece

    def fragment(self) -> np.ndarray:
        """Enlarged, what is round a face in its photograph: hair, ears, a collar, a wall."""
        rng = self._rng
        for _ in range(8):
            index = self.photograph()
            image, faces = self._sources.levels[index][0], self._sources.faces[index]
            height = int(min(image.shape[0], image.shape[1] * HEIGHT / WIDTH) * rng.uniform(0.2, 0.6))
            width = height * WIDTH // HEIGHT
            if height < 12:
                continue
            y, x = rng.integers(0, image.shape[0] - height + 1), rng.integers(0, image.shape[1] - width + 1)
            if all(overlap(face, (x, y, x + width, y + height)) < 0.12 for face in faces):
                piece = image[y : y + height, x : x + width]
                piece = cv2.resize(piece, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
                return cv2.flip(piece, int(rng.integers(-1, 2))) if rng.random() < 0.7 else piece
        return self.window()

    def texture(self) -> np.ndarray:
        """Noise of one size, with shapes, balls, strokes and letters."""
        rng = self._rng
        rows = int(rng.integers(2, 40))
        noise = rng.normal(rng.uniform(40, 210), rng.uniform(2, 60), (rows, rows * 4 // 3)).clip(0, 255)
        mode = cv2.INTER_CUBIC if rng.random() < 0.7 else cv2.INTER_NEAREST
        canvas = cv2.resize(noise.astype(np.uint8), (WIDTH, HEIGHT), interpolation=mode)
        drawn = (self._ellipse, self._rectangle, self._line, self._letters, self._ball)
        for _ in range(int(rng.integers(0, 12))):
            at = (int(rng.integers(0, WIDTH)), int(rng.integers(0, HEIGHT)))
            drawn[rng.integers(len(drawn))](canvas, at, int(rng.integers(0, 256)), int(rng.choice([-1, 1, 2, 4])))
        return canvas

    def pattern(self) -> np.ndarray:
        """As of cloth: waves, checks, or a small piece of something again and again."""
        rng = self._rng
        if rng.random() < 0.4:
            x, y = np.arange(WIDTH) * rng.uniform(0.05, 1.5), np.arange(HEIGHT)[:, None] * rng.uniform(0.05, 1.5)
            waves = np.sin(x + rng.uniform(0, 6)) * rng.uniform(0, 60) + np.sin(y) * rng.uniform(0, 60)
            waves = np.round(waves / 30) * 30 if rng.random() < 0.5 else waves
            return (waves + rng.uniform(60, 190)).clip(0, 255).astype(np.uint8)
        height, width = rng.integers(5, 40, 2).tolist()
        piece = (self.window if rng.random() < 0.5 else self.texture)()[30 : 30 + height, 40 : 40 + width]
        again = (-(-HEIGHT // height) + 1, -(-WIDTH // width) + 1)
        if rng.random() < 0.5:
            piece = np.block([[piece, piece[:, ::-1]], [piece[::-1], piece[::-1, ::-1]]])
        tiled = np.tile(piece, again)[: HEIGHT + 2, : WIDTH + 2]
        if rng.random() < 0.5:
            turn = cv2.getRotationMatrix2D((80, 60), float(rng.uniform(-45, 45)), float(rng.uniform(0.8, 2)))
            return cv2.warpAffine(tiled, turn, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
        return np.ascontiguousarray(tiled[:HEIGHT, :WIDTH])

    # -- shapes

    def _ellipse(self, canvas: np.ndarray, at: tuple[int, int], level: int, thick: int) -> None:
        size = self._rng.integers(2, 50, 2).tolist()
        cv2.ellipse(canvas, at, size, float(self._rng.uniform(0, 180)), 0, 360, level, thick)

    def _rectangle(self, canvas: np.ndarray, at: tuple[int, int], level: int, thick: int) -> None:
        width, height = self._rng.integers(2, 50, 2).tolist()
        cv2.rectangle(canvas, at, (at[0] + width, at[1] + height), level, thick)

    def _line(self, canvas: np.ndarray, at: tuple[int, int], level: int, thick: int) -> None:
        cv2.line(canvas, at, (int(self._rng.integers(0, WIDTH)), int(self._rng.integers(0, HEIGHT))), level, abs(thick))

    def _letters(self, canvas: np.ndarray, at: tuple[int, int], level: int, thick: int) -> None:
        """One to three lines of them."""
        rng = self._rng
        scale, font = float(np.exp(rng.uniform(-1.2, 1.3))), int(rng.integers(0, 8)) + 16 * int(rng.integers(0, 2))
        thick = int(rng.choice([1, 2, 4, 8])) if scale > 0.6 else 1
        for row in range(int(rng.integers(1, 4))):
            text = bytes(rng.integers(33, 127, int(rng.integers(1, 9))).astype(np.uint8)).decode()
            start = (at[0] - int(rng.integers(0, 60)), at[1] + int(row * 30 * scale))
            cv2.putText(canvas, text, start, font, scale, level, thick, cv2.LINE_AA)

    def _ball(self, canvas: np.ndarray, at: tuple[int, int], level: int, thick: int) -> None:
        """Shaded, at times with a rim or spots on it."""
        rng = self._rng
        size, flat = float(rng.uniform(3, 30)), float(rng.uniform(0.7, 1.3))
        x0, y0 = max(0, int(at[0] - size)), max(0, int(at[1] - size * flat))
        x1, y1 = min(WIDTH, int(at[0] + size) + 1), min(HEIGHT, int(at[1] + size * flat) + 1)
        if x1 <= x0 or y1 <= y0:
            return
        light = rng.uniform(-0.6, 0.6, 2)
        x = (np.arange(x0, x1, dtype=np.float32) - at[0]) / size
        y = (np.arange(y0, y1, dtype=np.float32)[:, None] - at[1]) / (size * flat)
        shade = level + rng.uniform(-60, 60) - rng.uniform(20, 110) * ((x - light[0]) ** 2 + (y - light[1]) ** 2)
        part = canvas[y0:y1, x0:x1]
        np.copyto(part, shade.clip(0, 255).astype(np.uint8), where=x**2 + y**2 < 1)
        for _ in range(int(rng.integers(0, 4))):
            spot = (int(at[0] + rng.uniform(-0.6, 0.6) * size), int(at[1] + rng.uniform(-0.6, 0.6) * size))
            cv2.circle(canvas, spot, max(1, int(size * rng.uniform(0.05, 0.3))), int(rng.integers(0, 256)), thick)

    # -- parts of people

    def skin(self, height: int, width: int) -> np.ndarray:
        """Grey of a cheek, a forehead or a neck, with the light that is on it: uint8 (height, width)."""
        rng = self._rng
        index = self.photograph()
        image, face = self._sources.levels[index][0], self._sources.faces[index][0]
        x, y = face[:2] + face[2] * np.array([rng.choice([-0.25, 0.0, 0.25]), rng.choice([-0.35, 0.1, 0.2])])
        half = max(2, int(face[2] * rng.uniform(0.05, 0.12)))
        x, y = (int(np.clip(at, half, size - half)) for at, size in ((x, image.shape[1]), (y, image.shape[0])))
        piece = image[y - half : y + half, x - half : x + half]
        return cv2.resize(piece, (width, height), interpolation=cv2.INTER_LINEAR)

    def hand(self, canvas: np.ndarray, at: tuple[float, float], size: float) -> None:
        """Draws one with some fingers and an arm, of this size, shaded at its edges; or a bare arm."""
        rng = self._rng
        reach = int(size * 1.6) + 2
        x0, y0 = max(0, int(at[0]) - reach), max(0, int(at[1]) - reach)
        x1, y1 = min(WIDTH, int(at[0]) + reach), min(HEIGHT, int(at[1]) + reach)
        if x1 - x0 < 2 or y1 - y0 < 2:
            return
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        centre = np.array([at[0] - x0, at[1] - y0])
        angle = rng.uniform(0, 2 * np.pi)
        way = np.array([np.cos(angle), np.sin(angle)])
        over = np.array([-way[1], way[0]])

        def fixed(place: np.ndarray) -> tuple[int, int]:
            return (int(place[0] * 16), int(place[1] * 16))

        def stroke(start: np.ndarray, end: np.ndarray, width: float) -> None:
            cv2.line(mask, fixed(start), fixed(end), 255, max(1, int(size * width)), cv2.LINE_AA, 4)

        wide = rng.uniform(0.35, 0.6)
        if rng.random() < 0.8:
            stroke(centre, centre - way * size * 1.6, wide * 0.8)
        fingers, spread = int(rng.integers(0, 6)), rng.uniform(0.0, 0.35)
        long = rng.uniform(0.3, 0.8)
        for number in range(fingers):
            side = (number - (fingers - 1) / 2) / max(fingers, 1)
            root = centre + over * side * wide * size
            tip = root + (way + over * side * spread * 4) * size * long * rng.uniform(0.7, 1.1)
            stroke(root, tip, wide / max(fingers, 3) * 0.9)
        axes = (int(size * rng.uniform(0.25, 0.4) * 16), int(size * wide / 2 * 16))
        cv2.ellipse(mask, fixed(centre), axes, float(np.degrees(angle)), 0, 360, 255, -1, cv2.LINE_AA, 4)
        soft = max(1, int(size * 0.12)) | 1
        shade = cv2.blur(mask, (soft, soft))
        lit = self.skin(*mask.shape).astype(np.float32) * (shade * np.float32(rng.uniform(0.2, 0.7) / 255) + 0.4)
        part = canvas[y0:y1, x0:x1]
        canvas[y0:y1, x0:x1] = (part + (lit * rng.uniform(0.9, 1.4) - part) * (mask / np.float32(255))).clip(0, 255)

    def feature(self, canvas: np.ndarray) -> None:
        """Lays an eye, a nose or a part of a mouth on a scene, alone."""
        rng = self._rng
        index = self.photograph()
        image, face = self._sources.levels[index][0], self._sources.faces[index][0]
        place = face[3:13].reshape(5, 2)[rng.integers(5)]
        half = int(face[2] * rng.uniform(0.1, 0.19))
        x0, y0 = (max(0, int(at) - half) for at in place)
        piece = image[y0 : y0 + 2 * half, x0 : x0 + 2 * half]
        if min(piece.shape) < 4:
            return
        size = int(np.exp(rng.uniform(1.8, 4.1)))
        x, y = int(rng.integers(0, WIDTH - size + 1)), int(rng.integers(0, HEIGHT - size + 1))
        canvas[y : y + size, x : x + size] = cv2.resize(piece, (size, size), interpolation=cv2.INTER_AREA)


def overlap(face: np.ndarray, spans: tuple[float, float, float, float]) -> float:
    """Part of a face's square that a rectangle covers."""
    half = face[2] / 2
    wide = min(face[0] + half, spans[2]) - max(face[0] - half, spans[0])
    tall = min(face[1] + half, spans[3]) - max(face[1] - half, spans[1])
    return float(max(wide, 0) * max(tall, 0) / face[2] ** 2)
