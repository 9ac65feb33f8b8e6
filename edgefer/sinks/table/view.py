"""What the live table shows at one moment, and how it marks expressions on this terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgefer.labels import UNCERTAIN
from edgefer.loop.clock import Spread
from edgefer.sinks.table.history import Cell, History
from edgefer.sinks.table.spans import Line, Span, style_of
from edgefer.support.palette import GREY, Colour, colours_of, letters_of
from edgefer.support.words import shown
from edgefer.values import Event, FaceReading, Reading

_BLOCKS = "▁▂▃▄▅▆▇"  # not the full one: rows one below the other would touch


@dataclass
class View:
    """Everything that a picture is made of.

    Attributes:
        title: what the source is called.
        reading: the newest.
        stages: percentiles by stage, ms.
        fps: readings a second.
        history: the last minute of each face.
        seconds: since the first reading.
        done, length: frames of the source read so far, and in all; None where the length is not known.
        length_s: media time of the whole source, None where it is not known.
        dropped, temperature_c: as Health has them.
        trouble: what is wrong, in a few words.
        note: the last line of the log, and how many came before it.
        keys: whether keys are read.
        events: those told lately.
    """

    title: str
    reading: Reading
    stages: Mapping[str, Spread] = field(default_factory=dict)
    fps: float = 0.0
    history: History = field(default_factory=History)
    seconds: float = 0.0
    done: int = 0
    length: int | None = None
    length_s: float | None = None
    dropped: int = 0
    temperature_c: float | None = None
    trouble: str = ""
    note: str = ""
    notes_before: int = 0
    keys: bool = False
    events: Sequence[Event] = ()

    @property
    def name(self) -> str:
        """What is read now: the source, of several the one that has its turn."""
        source = self.reading.source
        return f"{self.title}: {source}" if self.title and source not in ("", self.title) else self.title

    @property
    def position(self) -> float | None:
        """How far the source has been read, 0 to 1; None where its length is not known."""
        return min(max(self.done / self.length, 0.0), 1.0) if self.length else None

    @property
    def faces(self) -> list[FaceReading]:
        """In the order of their numbers, so that a face keeps its place."""
        return sorted(self.reading.faces, key=lambda face: face.track)


class Marks:
    """How expressions look on one terminal: by colour, by letter, or both.

    Attributes:
        unicode: whether box drawing and blocks can be shown; else ASCII.
        dots: what stands for something left out.
    """

    def __init__(
        self, labels: Sequence[str], encoding: str = "utf-8", colours: bool = True, blocks: bool = True
    ) -> None:
        """Args:
        labels: of the first model, in order.
        encoding: of the terminal.
        blocks: whether it has the characters for bars and frames, if its encoding has; the text console has not.
        colours: whether the terminal has enough of them to tell expressions apart; else letters do.
        """
        self.unicode = blocks and encoding.lower().startswith("utf")
        self.dots = "…" if self.unicode else "..."
        self._encoding = encoding
        self._by_colour = self.unicode and colours
        self._labels: list[str] = []
        self._colours: dict[str, Colour] = {}
        self._letters: dict[str, str] = {}
        self.learn(labels)

    def learn(self, labels: Sequence[str]) -> None:
        """Takes labels that were not known before, as those of the first face where nobody told them."""
        new = [label for label in labels if label not in self._colours and label != UNCERTAIN]
        if new:
            self._labels += new
            self._colours, self._letters = colours_of(self._labels), letters_of(self._labels)

    @property
    def labels(self) -> list[str]:
        """Those known, in order."""
        return self._labels

    def shown(self, name: str) -> str:
        """A name as this terminal can show it."""
        return shown(name, self._encoding)

    def style(self, label: str, more: str = "") -> str:
        """The style of an expression."""
        return style_of(self._colours.get(label, GREY), more)

    def bar(self, score: float, width: int) -> str:
        """A bar for a score from 0 to 1."""
        score = min(max(score, 0.0), 1.0)
        if not self.unicode:
            return "#" * round(score * width)
        eighths = round(score * width * 8)
        return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()

    def strip(self, cells: Sequence[Cell | None]) -> Line:
        """A cell for each time: coloured and as high as the confidence, or a letter; a dot for uncertain."""
        line: Line = []
        for cell in cells:
            text, style = self._mark(cell)
            if line and line[-1][1] == style:
                line[-1] = (line[-1][0] + text, style)
            else:
                line.append((text, style))
        return line

    def _mark(self, cell: Cell | None) -> Span:
        if cell is None:
            return " ", ""
        if cell.expression == UNCERTAIN:
            return "·" if self.unicode else ".", "dim"
        if self._by_colour:
            return _BLOCKS[min(6, max(0, int(cell.confidence * 7)))], self.style(cell.expression)
        return self._letters.get(cell.expression, "?"), self.style(cell.expression)

    def legend(self, expressions: Sequence[str]) -> list[Line]:
        """What the strips' cells mean, an entry for each of the expressions."""
        dot = "·" if self.unicode else "."
        entries: list[Line] = []
        for label in self._labels:
            if label in expressions:
                mark = "█" if self._by_colour else self._letters[label]
                entries.append([(f"{mark} ", self.style(label)), (label, "")])
        if UNCERTAIN in expressions:
            entries.append([(f"{dot} {UNCERTAIN}", "dim")])
        return entries
