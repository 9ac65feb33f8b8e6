"""What bench/networks.py counts of a network, and how it keeps what was measured."""

import json

import networks
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


def test_the_bench_counts_what_the_configuration_counts():
    """Nested models too: a body that two streams share costs its parameters once and its time twice."""
    pytest.importorskip("keras", reason="needs Keras (extra `train`)")
    cost = SMALL.cost(3)
    model = build("edgefer-s", "grey+sobel", size=SMALL.size, configuration=SMALL)
    assert (networks.parameters(model), networks.macs(model)) == (cost.parameters, cost.macs)
    one, shared = SMALL.cost(1), build("edgefer-s", "grey+sobel", "shared", size=48, configuration=SMALL)
    sobel_stem = 8 * (9 * 2 + 1)
    assert networks.parameters(shared) == one.parameters + sobel_stem
    assert networks.macs(shared) == 2 * one.macs + 8 * 9 * 24 * 24
