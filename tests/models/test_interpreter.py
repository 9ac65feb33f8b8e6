"""The network behind its class: what it computes, what it checks, what it turns away."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import numpy as np
import pytest
import tiny_model

from edgefer import labels
from edgefer.errors import ModelError
from edgefer.models import interpreter as interpreters
from edgefer.models.interpreter import Interpreter
from edgefer.models.manifest import SELF_TEST_TOLERANCE, self_test_input

MODEL = tiny_model.FIXTURE.read_bytes()


@pytest.fixture(scope="module")
def network():
    return Interpreter(MODEL, tiny_model.manifest())


@pytest.mark.parametrize("seed", range(10))
def test_it_computes_what_the_arithmetic_says(network, seed):
    """Pooling rounds to the next level (half a level off, times 192 weights at most), the layer once more."""
    tensor = self_test_input(seed, network.input_shape)
    kernel, _ = tiny_model.weights()
    bound = 0.5 + 0.5 * np.abs(kernel.astype(float)).sum(axis=1) * tiny_model.INPUT_SCALE / 128 / 0.125
    got = network.run(tensor)[0]
    assert got.dtype == np.int8
    assert (np.abs(got - tiny_model.expected(tensor)) <= bound).all()


def test_results_stay_valid_when_it_runs_again(network):
    first_input, second_input = (self_test_input(seed, network.input_shape) for seed in (3, 4))
    first = network.run(first_input)
    kept = first.copy()
    second = network.run(second_input)
    assert not np.array_equal(kept, second)
    assert np.array_equal(first, kept)
    assert np.array_equal(network.run(first_input), kept)


def test_two_threads_give_what_one_gives(network):
    two = Interpreter(MODEL, tiny_model.manifest(), threads=2)
    for seed in range(5):
        tensor = self_test_input(seed, network.input_shape)
        assert np.array_equal(network.run(tensor), two.run(tensor))


def test_less_than_one_thread_is_an_error():
    with pytest.raises(ValueError, match="threads: expected at least 1, got 0"):
        Interpreter(MODEL, tiny_model.manifest(), threads=0)


@pytest.mark.parametrize(
    "tensor",
    [np.zeros((1, 64, 64, 3), np.uint8), np.zeros((64, 64, 3), np.int8), np.zeros((1, 64, 64, 1), np.int8)],
    ids=["dtype", "rank", "channels"],
)
def test_a_tensor_of_another_kind_is_not_converted(network, tensor):
    with pytest.raises(ValueError, match=r"run: expected int8 \(1, 64, 64, 3\), got"):
        network.run(tensor)


@pytest.mark.parametrize(
    ("side", "change", "words"),
    [
        ("input", {"height": 48}, "input shape: model.toml says (1, 48, 64, 3), model.tflite has (1, 64, 64, 3)"),
        ("input", {"channels": "grey"}, "input shape: model.toml says (1, 64, 64, 1)"),
        ("input", {"channels": "grey+laplacian"}, "input shape: model.toml says (1, 64, 64, 2)"),
        ("input", {"channels": "grey+sobel+laplacian"}, "input shape: model.toml says (1, 64, 64, 4)"),
        ("input", {"scale": 1 / 127}, "input scale: model.toml says 0.00787"),
        ("input", {"zero_point": -1}, "input zero_point: model.toml says -1, model.tflite has 0"),
        ("output", {"labels": "basic7"}, "output shape: model.toml says (1, 7), model.tflite has (1, 8)"),
        ("output", {"scale": 0.1}, "output scale"),
        ("output", {"zero_point": 5}, "output zero_point"),
    ],
)
def test_a_network_that_is_not_what_the_manifest_says_is_refused(side, change, words):
    manifest = tiny_model.manifest()
    manifest = msgspec.structs.replace(manifest, **{side: msgspec.structs.replace(getattr(manifest, side), **change)})
    with pytest.raises(ModelError) as caught:
        Interpreter(MODEL, manifest)
    assert words in str(caught.value)


@pytest.mark.skipif(
    interpreters.runtime.NAME == "tflite-runtime",
    reason="tflite-runtime does not verify bytes and may crash; the hashes of manifest.read stand before it",
)
@pytest.mark.parametrize(
    "content", [b"", b"not a model", MODEL[:1000], b"\0" * 2464], ids=["empty", "text", "cut", "zero"]
)
def test_bytes_the_runtime_refuses_are_a_model_error(content):
    with pytest.raises(ModelError) as caught:
        Interpreter(content, tiny_model.manifest())
    assert "refuses model.tflite" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_the_self_test_finds_a_network_that_computes_something_else(network):
    manifest = tiny_model.manifest()
    assert interpreters.self_test(network, manifest) <= 1
    vector = manifest.self_test[1]
    for off, refused in ((SELF_TEST_TOLERANCE, False), (SELF_TEST_TOLERANCE + 2, True)):
        output = (*vector.output[:3], vector.output[3] + off, *vector.output[4:])
        changed = msgspec.structs.replace(
            manifest, self_test=(manifest.self_test[0], msgspec.structs.replace(vector, output=output))
        )
        if refused:
            with pytest.raises(ModelError, match="self-test 3 failed"):
                interpreters.self_test(network, changed)
        else:
            assert abs(interpreters.self_test(network, changed) - off) <= 1


def test_scores_of_logits_are_the_softmax_at_the_temperature():
    levels = np.array([-128, 127, 0, 5, 100, 126, -3, 64], np.int8)
    for temperature in (1.0, 2.5):
        manifest = tiny_model.manifest()
        manifest = msgspec.structs.replace(
            manifest, output=msgspec.structs.replace(manifest.output, temperature=temperature)
        )
        logits = levels.astype(np.float64) * 0.125 / temperature
        expected = np.exp(logits) / np.exp(logits).sum()
        got = interpreters.scores(levels, manifest)
        assert got.dtype == np.float32
        # an exponent of at most 32 gives the exponential a relative error of 32 epsilon, the sum adds 8
        np.testing.assert_allclose(got, expected, rtol=64 * np.finfo(np.float32).eps)


def test_offsets_are_added_after_the_temperature():
    levels = np.array([-128, 127, 0, 5, 100, 126, -3, 64], np.int8)
    offsets = (0.5, -0.25, 0.0, 1.0, 0.0, 0.0, -3.0, 0.0)
    spec = msgspec.structs.replace(tiny_model.manifest().output, temperature=2.0, offsets=offsets)
    weights = np.exp(levels.astype(np.float64) * 0.125 / 2 + np.array(offsets))
    got = interpreters.scores(levels, tiny_model.manifest(output=spec))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, weights / weights.sum(), rtol=64 * np.finfo(np.float32).eps)
    chances = msgspec.structs.replace(spec, values="probabilities", scale=1 / 256, zero_point=-128)
    weights = np.sqrt((levels.astype(np.float64) + 128) / 256) * np.exp(np.array(offsets))
    got = interpreters.scores(levels, tiny_model.manifest(output=chances))
    np.testing.assert_allclose(got, weights / weights.sum(), rtol=64 * np.finfo(np.float32).eps)


def test_scores_of_probabilities_sum_to_one_even_when_all_are_zero():
    spec = msgspec.structs.replace(tiny_model.manifest().output, values="probabilities", scale=1 / 256, zero_point=-128)
    manifest = tiny_model.manifest(output=spec)
    levels = np.full(8, -128, np.int8)
    assert interpreters.scores(levels, manifest).tolist() == [0.125] * 8
    levels[2], levels[5] = 64, -64
    np.testing.assert_allclose(interpreters.scores(levels, manifest), [0, 0, 0.75, 0, 0, 0.25, 0, 0])
    cooled = tiny_model.manifest(output=msgspec.structs.replace(spec, temperature=2.0))
    root = np.sqrt([0.75, 0.25])
    np.testing.assert_allclose(interpreters.scores(levels, cooled)[[2, 5]], root / root.sum(), rtol=1e-6)
    assert len(labels.FERPLUS8) == len(levels)


def test_the_runtime_does_not_talk_on_stderr():
    """In a process of its own: the greeting comes from C++, once, at the first network."""
    program = (
        "import tiny_model, logging; logging.disable(); from edgefer.models.interpreter import Interpreter;"
        "Interpreter(tiny_model.FIXTURE.read_bytes(), tiny_model.manifest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tiny_model.FIXTURE.parent.parent
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
