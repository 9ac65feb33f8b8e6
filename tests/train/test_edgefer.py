"""Our own family: what a configuration costs, and that the two networks keep their bounds."""

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")

from keras import layers  # noqa: E402

from edgefer.errors import UsageError  # noqa: E402
from edgefer.train.architectures import ARCHITECTURES, build  # noqa: E402
from edgefer.train.architectures.edgefer import CONFIGURATIONS, Configuration, Stage  # noqa: E402

SMALL = Configuration(
    stem=(8, 2),
    stages=(Stage(8, 2, 1, 1, fused=True), Stage(12, 2, 2, 2, fused=True), Stage(16, 2, 2, 3)),
    head=32,
    size=48,
)
CASES = {
    **CONFIGURATIONS,
    "squeezed": Configuration(SMALL.stem, SMALL.stages, SMALL.head, size=37, squeeze=4),
    "stride-1": Configuration((8, 1), SMALL.stages, SMALL.head, size=64),
}


def deployed(model):
    """Weights, and one bias a channel, as after folding; multiply-adds from the shapes Keras computed."""
    parameters = macs = 0
    for layer in model.layers:
        if isinstance(layer, (layers.Conv2D, layers.DepthwiseConv2D)):
            weights, outputs = int(np.prod(layer.kernel.shape)), layer.output.shape
            parameters += weights + outputs[3]
            macs += weights * outputs[1] * outputs[2]
        if isinstance(layer, layers.Multiply):
            macs += int(np.prod(layer.output.shape[1:]))
    return parameters, macs


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("channels", ["grey", "grey+sobel"])
def test_the_cost_of_a_configuration_is_that_of_its_network(name, channels):
    planes = 1 if channels == "grey" else 3
    model = build("edgefer-s", channels, classes=7, size=CASES[name].size, configuration=CASES[name])
    cost = CASES[name].cost(planes, 7)
    assert (cost.parameters, cost.macs) == deployed(model)


@pytest.mark.parametrize(("name", "most"), [("edgefer-s", 700_000), ("edgefer-nano", 150_000)])
def test_a_network_keeps_its_bound_of_parameters(name, most):
    """As trained, with batch normalisation's four numbers a channel; and as exported."""
    assert CONFIGURATIONS[name].cost(4).parameters <= most
    assert build(name, "grey+sobel+laplacian", size=48).count_params() <= most


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_network_is_meant_for_the_size_its_configuration_says(name):
    assert ARCHITECTURES[name].size == CONFIGURATIONS[name].size


def test_an_unknown_configuration_is_refused():
    with pytest.raises(UsageError, match="unknown configuration 'edgefer-xl'; available: edgefer-s, edgefer-nano"):
        build("edgefer-s", configuration="edgefer-xl")
