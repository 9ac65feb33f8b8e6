"""What every sink is."""

from __future__ import annotations

from edgefer.values import Frame, Reading


class Sink:
    """Takes readings, one a frame, in order.

    Attributes:
        name: what a message calls it.
        needs_frame: whether write() looks at the frame; others may be given None.
    """

    name: str = ""
    needs_frame: bool = False

    def write(self, reading: Reading, frame: Frame | None = None) -> None:
        """Takes one reading.

        Raises:
            SinkClosed: whoever read the output has gone; a clean end.
            SinkError: the output cannot be written; what it holds is whole, and later readings are lost.
        """
        raise TypeError(f"{type(self).__name__} does not say how to write a reading")

    def close(self) -> None:
        """Finishes the output; a second call does nothing. Raises SinkError as write() does."""
