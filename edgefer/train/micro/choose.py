"""Choices made on films of val: how sure the network has to be, and which way spots by default."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgefer.recognize.micro import spot
from edgefer.recognize.micro.fields import CELLS
from edgefer.recognize.micro.learned import DELAY, Decoding, LearnedSpotter, Network, spans
from edgefer.recognize.micro.quiet import Quiet, Quieter, smoothed
from edgefer.recognize.micro.spot import Found
from edgefer.train.data.synthetic.script import Event
from edgefer.train.micro import scores
from edgefer.train.micro.material import Strip

BEGINS, SURES = (0.3, 0.4, 0.5, 0.6), (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
#: What a false event a minute costs, in F1.
COST = 0.02


@dataclass
class Watched:
    """A strip of val, quiet, with the events that nothing else overlays."""

    ticks: list[Quiet]
    events: list[Event]
    beside: list[Event]
    seconds: float


def watched(strip: Strip) -> Watched:
    quieter, ticks = Quieter(), []
    for t, steps in zip(strip.t_s.tolist(), strip.steps.astype(np.float32), strict=True):
        tick = quieter.add(t, steps.reshape(CELLS, 2))
        ticks += [tick] if tick is not None else []
    clear = [
        event
        for event in strip.events
        if not any(o.onset_s - 0.1 < event.offset_s and event.onset_s < o.offset_s + 0.1 for o in strip.others)
    ]
    beside = [event for event in strip.events if event not in clear]
    return Watched(ticks + quieter.rest(), clear, beside, float(strip.t_s[-1]))


def tallied(films: Sequence[Watched], found: Callable[[Watched], Sequence[Found]]) -> scores.Tally:
    """Figures of one way; an event that a blink or a word overlays neither counts nor spoils."""
    tally = scores.Tally()
    for film in films:
        told = [each for each in found(film) if not any(scores.overlap(each, event) > 0 for event in film.beside)]
        tally.add(film.events, told, film.seconds)
    return tally


def by_flow(film: Watched) -> list[Found]:
    return _told(spot.Spotter(), film)


def by_network(network: Network, how: Decoding, labels: tuple[str, ...]) -> Callable[[Watched], list[Found]]:
    return lambda film: _told(LearnedSpotter(network, how, labels), film)


def _told(spotter: spot.Spotter | LearnedSpotter, film: Watched) -> list[Found]:
    found = []
    for tick in film.ticks:
        found += spotter.add(tick)
    return found + spotter.finish()


def decoding(network: Network, films: Sequence[Watched]) -> tuple[Decoding, list[tuple[float, Decoding]]]:
    """The decoding with the best F1 at an overlap of a half, less COST a false event and minute; and all tried."""
    said = []
    for film in films:
        state, phases = network.begin(), []
        for tick in film.ticks:
            chances, _, state = network.step(network.tensor(smoothed(tick)), state)
            phases.append(chances)
        said.append((np.array([tick.t_s for tick in film.ticks])[: len(phases) - DELAY], np.array(phases)[DELAY:]))
    tried = []
    for begin in BEGINS:
        for sure in SURES:
            how = replace(Decoding(), begin=begin, sure=max(sure, begin))
            of = dict(zip(map(id, films), said, strict=True))

            def found(film: Watched, how: Decoding = how, of: dict = of) -> list[Found]:
                t_s, phases = of[id(film)]
                spanned = spans(t_s, phases, how)
                return [Found(onset, apex, offset, sure, sure) for onset, apex, offset, sure in spanned]

            tally = tallied(films, found)
            tried.append((tally.f1(0.5) - COST * tally.false_a_minute, how))
    best = max(tried, key=lambda pair: pair[0])[1]
    return best, tried
