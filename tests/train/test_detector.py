"""The detector's network and its loss: shapes, what cells are taught, and the file that ships."""

import json

import numpy as np
import pytest

keras = pytest.importorskip("keras", reason="needs Keras: pip install -e '.[train]'")
pytest.importorskip("tensorflow", reason="needs TensorFlow: pip install -e '.[train]'")

from ai_edge_litert.interpreter import Interpreter  # noqa: E402

from edgefer.train.detector import network, scenes  # noqa: E402
from edgefer.train.detector.export import slim  # noqa: E402
from edgefer.train.detector.fit import Run, loss, overlaps, rates  # noqa: E402
from edgefer.train.export.quantise import quantise  # noqa: E402


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return network.build()


def faces(*rows):
    """A table of squares."""
    table = np.zeros((1, scenes.MOST, 14), np.float32)
    table[..., 13] = -1
    for index, (x, y, side, kind) in enumerate(rows):
        five = np.array([(-0.2, -0.2), (0.2, -0.2), (0, 0), (-0.15, 0.25), (0.15, 0.25)]) * side + (x, y)
        table[0, index] = (x, y, side, *five.ravel(), kind)
    return table


def said(table):
    """Outputs that say of every cell the first face of a table."""
    cells, outputs, start = network.cells(), [], 0
    x, y, side = table[0, 0, :3]
    for rows, columns in network.grid_shapes():
        grid = cells[start : start + rows * columns]
        start += rows * columns
        stride = grid[:, 2:]
        square = np.concatenate([((x, y) - grid[:, :2]) / stride, np.log(side / stride)], axis=1)
        points = (table[0, 0, 3:13].reshape(5, 2) - grid[:, None, :2]) / stride[:, None]
        for values in (np.full((len(grid), 1), -9.0), square, points.reshape(-1, 10)):
            outputs.append(values.reshape(1, rows, columns, -1).astype(np.float32))
    return outputs


def test_blocks_hold_the_pixels_of_the_picture():
    image = np.random.default_rng(0).integers(0, 256, (1, scenes.HEIGHT, scenes.WIDTH), dtype=np.uint8)
    blocks = np.asarray(network.blocks(image))
    assert blocks.shape == (1, 30, 40, 16)
    assert blocks[0, 7, 11, 4 * 2 + 3] == (image[0, 7 * 4 + 2, 11 * 4 + 3] - 128.0) / 128


def test_overlaps_of_squares():
    a = np.float32([[10, 10, 10], [10, 10, 10], [10, 10, 10]])
    b = np.float32([[10, 10, 10], [15, 10, 10], [40, 10, 10]])
    assert np.allclose(overlaps(a, b), [1, 1 / 3, 0], atol=1e-4)


@pytest.mark.parametrize("side", [9, 16, 30, 60, 110])
def test_a_face_of_any_size_is_taught_to_some_cell(side):
    """Where cells say a face right and only their logits deny it, the loss is far above that of an empty scene."""
    table = faces((70, 55, side, 1))
    assert loss(said(table), (None, table))[0] > 1.5
    assert loss(said(table), (None, faces()))[0] < 0.01


def test_a_place_that_does_not_count_costs_nothing():
    table = faces((70, 55, 30, 1))
    outputs = said(table)
    for output in outputs[::3]:
        output[:] = 9  # every cell claims a face
    unsure = faces((80, 60, 500, 0))
    assert loss(outputs, (None, faces()))[0] > 100
    assert loss(outputs, (None, unsure))[0] < 0.01


def test_what_is_taken_for_a_face_is_told_only_away_from_faces():
    table = faces((70, 55, 30, 1))
    outputs = said(table)
    outputs[0][0, 7, 9] = 2  # in the middle of the face
    outputs[0][0, 1, 1] = -1
    assert float(loss(outputs, (None, table))[1]["taken"][0]) == pytest.approx(1 / (1 + np.exp(1)), abs=1e-4)


def test_networks_learn_side_by_side_and_go_on_from_what_they_left(tmp_path):
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (2, 4, scenes.HEIGHT, scenes.WIDTH), dtype=np.uint8)
    tables = np.repeat(faces((70, 55, 30, 1))[None], 2, axis=0).repeat(4, axis=1)
    run = Run(tmp_path, list(network.WIDTHS), None)
    told = run.step((images, tables), rates(0, 0.1, 1e-3)[:2])
    assert [each["taken"].shape for each in told] == [(2, 4)] * 2
    run.save({"scenes": 8, "commands": ["first"]})
    again = Run(tmp_path, list(network.WIDTHS), None)
    again.save({"scenes": 3, "commands": ["second"]})
    again.save({"scenes": 4, "commands": ["second"]})
    done = json.loads((tmp_path / next(iter(network.WIDTHS)) / "done.json").read_text())
    assert done == {"scenes": 12, "commands": ["first", "second"]}, "the card tells what the network has seen in all"
    assert np.array_equal(again.networks[1].get_weights()[0], run.networks[1].get_weights()[0])


def test_the_rate_rises_and_falls_to_nothing():
    assert rates(0, 0.0, 1.0)[0] < 0.01
    assert rates(1000, 0.01, 1.0)[0] == pytest.approx(1.0, abs=0.02)
    assert rates(10000, 1.0, 1.0)[0] < 0.01


def test_the_network_has_three_grids_and_fits_in_110_kb(model):
    images = np.random.default_rng(1).integers(0, 256, (4, scenes.HEIGHT, scenes.WIDTH), dtype=np.uint8)
    whole = quantise(model, np.asarray(network.blocks(images)))
    slimmer = slim(whole)
    assert len(slimmer) <= 110_000 < len(whole) * 1.1
    results = []
    for content in (whole, slimmer):
        interpreter = Interpreter(model_content=content)
        interpreter.allocate_tensors()
        entry = interpreter.get_input_details()[0]
        assert (tuple(entry["shape"]), entry["dtype"]) == ((1, 30, 40, 16), np.int8)
        interpreter.set_tensor(entry["index"], (np.asarray(network.blocks(images[:1])) * 128).astype(np.int8))
        interpreter.invoke()
        outputs = interpreter.get_output_details()
        results.append({tuple(each["shape"]): interpreter.get_tensor(each["index"]) for each in outputs})
    assert set(results[0]) == {(1, r, c, n) for r, c in network.grid_shapes() for n in network.TOLD.values()}
    assert all(np.array_equal(results[0][shape], results[1][shape]) for shape in results[0])
