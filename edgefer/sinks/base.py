"""What every sink is."""

from __future__ import annotations

from edgefer.values import Frame, Health, Reading


class Sink:
    """Takes readings, one a frame, in order.

    Attributes:
        name: what a message calls it.
        waits: True where a write may wait for somebody else for any time, as for the reader of a pipe; a call of any
            other sink that takes very long is taken for a hang, and the service is begun again.
        reopens: True where another reader may come after one that went away, as to a named pipe.
        end_asked: set once a person asks, through this sink, for the end of the run.
        rest_asked: set while a person wants, through this sink, that nothing is read.
    """

    name: str = ""
    waits: bool = False
    reopens: bool = False
    end_asked: bool = False
    rest_asked: bool = False

    def write(self, reading: Reading, frame: Frame | None = None) -> bool | None:
        """Takes one reading; the frame is there for outputs whose registry row needs "frames".

        Returns:
            False where nothing was to be written: that says nothing of an output that could not be written before.

        Raises:
            SinkClosed: the reader closed the pipe; the run ends cleanly.
            SinkError: the output cannot be written; what is in it is complete, and later readings are lost.
        """
        raise TypeError(f"{type(self).__name__} does not say how to write a reading")

    def report(self, health: Health) -> None:
        """Takes the state of the run, about once a second; most sinks have no use for it."""

    def close(self) -> None:
        """Finishes the output; a second call does nothing. Raises SinkError as write() does."""
