"""One connection to the page: how long it may take to ask, and to take its answer."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

#: A request that is not complete after so long is dropped, and so is an answer that nobody takes, s. It is looked at
#: that often, so that it may be twice as long.
REQUEST_S = 10.0
#: Connections at a time that get an answer; as many again are told that there are too many.
CONNECTIONS = 96


class Connection(H11Protocol):
    """Uvicorn's connection, which by itself waits for a request, and for the end of an answer, for ever."""

    _looking: asyncio.TimerHandle | None = None
    _before: tuple[Any, ...] = ()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > 2 * CONNECTIONS:
            transport.abort()
            return
        self._looking = self.loop.call_later(REQUEST_S, self._look)

    def _look(self) -> None:
        asks = self.conn.their_state in (h11.IDLE, h11.SEND_BODY)
        state = self.cycle, asks, self.transport.is_closing()
        if state == self._before and (asks or self.transport.is_closing()):
            self.transport.abort()
            return
        self._before = state
        self._looking = self.loop.call_later(REQUEST_S, self._look)

    def data_received(self, data: bytes) -> None:
        try:
            super().data_received(data)
        except h11.LocalProtocolError:  # nonsense behind a request that was answered before its end
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._looking is not None:
            self._looking.cancel()
        super().connection_lost(exc)
