"""`edgefer explain`: what the filters of a trained network respond to.

The one command that needs the training side.
"""

from __future__ import annotations

from pathlib import Path

from edgefer.errors import UsageError
from edgefer.measure import datasets
from edgefer.models import manifest, store
from edgefer.support.quiet import native_stderr


def execute(args) -> int:
    """Writes the pictures and prints the report.

    Raises:
        UsageError: among others, Keras is not installed.
    """
    try:
        with native_stderr("Keras"):
            import keras  # noqa: F401
    except ImportError as error:
        raise UsageError(
            f"explain needs Keras with a backend, and {error.name} is missing; install the train extra: "
            "pip install 'edgefer[train]'"
        ) from None
    from edgefer.train.data.action_units import read_action_units
    from edgefer.train.explain.network import Network
    from edgefer.train.explain.report import explain

    if (args.units is None) == (args.method == "units"):
        raise UsageError("--method units and --units FILE go together")
    coded = read_action_units(Path(args.units)) if args.units else None
    network = Network.open(Path(args.run))
    data = datasets.load(
        args.data,
        args.split,
        network.settings.labels,
        keep_duplicates=args.keep_duplicates,
        layout=args.layout,
        where=dict(args.where),
        # a run has no manifest yet; all of them learn from the crops of FER-2013, as the shipped model did
        margin=manifest.load(store.find(store.DEFAULT_MODEL)).input.crop_margin,
    )
    found = explain(network, data, args.method, args.out, args.layer, args.top, args.filters, coded)
    print(found.json() if args.json else found.text())
    return 0
