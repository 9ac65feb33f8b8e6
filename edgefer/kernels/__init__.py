"""The compiled kernels, typed and documented.

Each operation has a scalar variant and, where it wins, variants for an instruction set (`median_flow` alone, on a few
points, has none). The best one this
processor can run is chosen at the first call. The environment variable EDGEFER_ISA (scalar, sse41, avx2,
avx512bw, avx512vnni, neon, neon_dotprod) forces one for the whole process; an operation without that variant
then runs its best one that needs less. A name that is unknown, or that this processor lacks, makes every
function here raise errors.UsageError.

Nothing is converted silently: another dtype, rank or layout is an error, never a copy. The GIL is released
around work of about 20 us or more; several threads may call everything here at once.

Results of 32 KiB or more give their memory to the next ones when nothing refers to them any more; at most
8 MiB of it is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edgefer import _kernels
from edgefer.kernels.dense import Mlp, MlpInt8, fully_connected, fully_connected_int8
from edgefer.kernels.images import (
    Cascade,
    cascade,
    crop_resize,
    flow,
    good_corners,
    gradients,
    laplacian,
    luma,
    median_flow,
    shi_tomasi,
    sobel,
    stack,
)

__all__ = [
    "Cascade",
    "Mlp",
    "MlpInt8",
    "active",
    "call",
    "cascade",
    "crop_resize",
    "flow",
    "forced",
    "fully_connected",
    "fully_connected_int8",
    "good_corners",
    "gradients",
    "laplacian",
    "luma",
    "median_flow",
    "operations",
    "shi_tomasi",
    "sobel",
    "stack",
    "variants",
]


def operations() -> list[str]:
    """Names of the operations that have variants."""
    return _kernels.operations()


def variants(op: str) -> list[str]:
    """The variants of an operation that this processor can run, best first.

    Raises:
        ValueError: the operation is not known. UsageError: EDGEFER_ISA is wrong.
    """
    return _kernels.variants(op)


def active(op: str) -> str:
    """The variant of an operation that runs in this process. Raises as `variants`."""
    return _kernels.active(op)


@contextmanager
def forced(variant: str | None) -> Iterator[None]:
    """Within the block this thread runs one named variant of every operation; None changes nothing.

    An operation that has no such variant here raises ValueError when it is called. For tests and benches.
    """
    _kernels.use_variant(variant)
    try:
        yield
    finally:
        _kernels.use_variant(None)


def call(op: str, variant: str, *args: Any, **kwargs: Any) -> Any:
    """Run the function `op` of this module with one named variant, on this thread; for tests and benches.

    Raises:
        ValueError: this processor has no such variant of the operation; else as the operation itself.
    """
    with forced(variant):
        _kernels.active(op)
        return globals()[op](*args, **kwargs)
