"""What bench/networks.py counts of a network, and how it keeps what was measured."""

import json

import networks
import numpy as np
import pytest
from networks import BASE

from edgefer.train.architectures import build
from edgefer.train.architectures.edgefer import Configuration, Stage

SMALL = Configuration(
    stem=(8, 2),
    stages=(Stage(8, 2, 1, 1, fused=True), Stage(12, 2, 2, 2, fused=True), Stage(16, 2, 2, 3)),
    head=32,
    size=48,
)


def test_new_figures_of_a_network_are_added_to_those_that_are_kept(tmp_path):
    record = tmp_path / "frontier.json"
    networks.remember({BASE: {"size": 64, "ms": 0.5}, "other": {}}, record, hardware="a processor")
    networks.remember({BASE: {"ms": 0.6}}, record)
    known = json.loads(record.read_text())
    assert known == {"hardware": "a processor", "networks": {BASE: {"size": 64, "ms": 0.6}, "other": {}}}


CASES = {
    "small": SMALL,
    "squeezed": Configuration(SMALL.stem, SMALL.stages, SMALL.head, size=37, squeeze=4),
    "stride-1": Configuration((8, 1), SMALL.stages, SMALL.head, size=64),
}


def deployed(model):
    """Weights, and one bias a channel, as after folding; multiply-adds of the convolutions from their shapes."""
    filters = [layer for layer in model.layers if hasattr(layer, "kernel")]
    weights = [int(np.prod(layer.kernel.shape)) for layer in filters]
    shapes = [layer.output.shape for layer in filters]
    macs = (count * shape[1] * shape[2] for count, shape in zip(weights, shapes, strict=True))
    return sum(weights) + sum(shape[3] for shape in shapes), sum(macs)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("channels", ["grey", "grey+sobel"])
def test_the_bench_counts_what_the_layers_hold_and_do(name, channels):
    pytest.importorskip("keras", reason="needs Keras (extra `train`)")
    model = build("edgefer-s", channels, classes=7, size=CASES[name].size, configuration=CASES[name])
    assert (networks.parameters(model), networks.macs(model)) == deployed(model)


def test_a_body_that_two_streams_share_costs_its_parameters_once_and_its_time_twice():
    pytest.importorskip("keras", reason="needs Keras (extra `train`)")
    parameters, macs = deployed(build("edgefer-s", "grey", size=48, configuration=SMALL))
    shared = build("edgefer-s", "grey+sobel", "shared", size=48, configuration=SMALL)
    sobel_stem = 8 * (9 * 2 + 1)
    assert networks.parameters(shared) == parameters + sobel_stem
    assert networks.macs(shared) == 2 * macs + 8 * 9 * 24 * 24
