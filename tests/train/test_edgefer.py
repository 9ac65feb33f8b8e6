"""Our own family: the two networks keep their bounds."""

import networks
import pytest

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")


from edgefer.errors import UsageError  # noqa: E402
from edgefer.train.architectures import ARCHITECTURES, build  # noqa: E402
from edgefer.train.architectures.edgefer import CONFIGURATIONS  # noqa: E402


@pytest.mark.parametrize(("name", "most"), [("edgefer-s", 700_000), ("edgefer-nano", 150_000)])
def test_a_network_keeps_its_bound_of_parameters(name, most):
    """As trained, with batch normalisation's four numbers a channel; and as exported."""
    model = build(name, "grey+sobel+laplacian", size=48)
    assert networks.parameters(model) < model.count_params() <= most


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_network_is_meant_for_the_size_its_configuration_says(name):
    assert ARCHITECTURES[name].size == CONFIGURATIONS[name].size


def test_an_unknown_configuration_is_refused():
    with pytest.raises(UsageError, match="unknown configuration 'edgefer-xl'; available: edgefer-s, edgefer-nano"):
        build("edgefer-s", configuration="edgefer-xl")
