"""A progress bar for what takes long: shown on a terminal only, and only once two seconds have gone by."""

from __future__ import annotations

import sys
import time
from collections.abc import Generator, Iterable
from typing import Any, TypeVar

Item = TypeVar("Item")

#: Work shorter than this shows no bar, seconds.
PATIENCE_S = 2.0


def progress_bar(items: Iterable[Item], what: str, total: int | None = None) -> Generator[Item, None, None]:
    """Yield the items, and show how far they are on stderr.

    Args:
        items: the work, one item a step.
        what: words before the bar.
        total: number of items where it is known; without it the bar only shows that work goes on.
    """
    if not sys.stderr.isatty():
        yield from items
        return
    started = time.monotonic()
    bar: Any = None
    task: Any = None
    try:
        for done, item in enumerate(items, start=1):
            yield item
            if bar is not None and task is not None:
                bar.update(task, completed=done)
            elif time.monotonic() - started > PATIENCE_S:
                from rich.console import Console
                from rich.progress import Progress

                bar = Progress(console=Console(stderr=True), transient=True)
                task = bar.add_task(what, total=total, completed=done)
                bar.start()
    finally:
        if bar is not None:
            bar.stop()
