"""What an int8 network computes, as a Keras model that learns on from it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from edgefer.errors import UsageError
from edgefer.models import store
from edgefer.models.directory import MANIFEST_NAME

_WEIGHING = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def is_model(name: str) -> bool:
    """Whether a run that starts from this starts from a model, shipped, installed or a directory, and from no run."""
    return name in store.available("frame") or (Path(name) / MANIFEST_NAME).exists()


def recover(model: Any, content: bytes, examples: np.ndarray) -> None:
    """Gives the model the weights of an int8 network, as fine as they were kept.

    Batch normalisation was folded into them. It gets the mean and deviation that examples have there, and takes them
    out again, so that the model computes the same as before while it learns, too. Where the last layer has another
    number of outputs it stays random.

    Args:
        model: a Keras model of the network's layers, each with a bias or with a normalisation behind it.
        content: of the TFLite file.
        examples: float32 (N, H, W, C), some of what it will learn from.

    Raises:
        UsageError: it is another network.
    """
    import keras

    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
    learnt = [each for each in model.layers if isinstance(each, kinds)]
    norms = [each for each in model.layers if isinstance(each, keras.layers.BatchNormalization)]
    kept = _weights(content)
    folded = [(layer, bias) for layer, (_, bias) in zip(learnt, kept, strict=False) if not layer.use_bias]
    if len(kept) != len(learnt) or len(norms) != len(folded):
        raise UsageError(f"expected an int8 network of {len(learnt)} layers with weights, got one of {len(kept)}")
    for layer, (kernel, bias) in zip(learnt, kept, strict=True):
        if layer is learnt[-1] and layer.kernel.shape[-1] != kernel.shape[0]:
            continue
        shaped = kernel.transpose(1, 2, 3, 0) if kernel.ndim == 4 else kernel.T
        if tuple(layer.kernel.shape) != shaped.shape:
            raise UsageError(f"{layer.name}: expected weights of shape {tuple(layer.kernel.shape)}, got {shaped.shape}")
        layer.kernel.assign(shaped)
        if layer.use_bias:
            layer.bias.assign(bias)
    for norm, (_, bias) in zip(norms, folded, strict=True):
        norm.set_weights([np.ones_like(bias), bias, np.zeros_like(bias), np.full_like(bias, 1 - norm.epsilon)])
    seen = keras.Model(model.input, [moments for layer, _ in folded for moments in _moments(layer.output)])
    told = [np.asarray(each, np.float64) for each in seen.predict(examples, len(examples), verbose=0)]
    for norm, (_, bias), mean, square in zip(norms, folded, told[::2], told[1::2], strict=True):
        mean, square = mean.mean(axis=0), square.mean(axis=0)
        variance = np.maximum(square - mean**2, 0.0)
        norm.set_weights([np.sqrt(variance + norm.epsilon), bias + mean, mean, variance])


def _moments(output: Any) -> tuple[Any, Any]:
    """Of each example the mean of a layer's values and of their squares, by channel."""
    from keras import ops

    values = ops.cast(output, "float32")
    return ops.mean(values, axis=(1, 2)), ops.mean(ops.square(values), axis=(1, 2))


def _weights(content: bytes) -> list[tuple[np.ndarray, np.ndarray]]:
    """Kernel and bias of each layer that has them, as real values, in the order in which they compute."""
    from ai_edge_litert.interpreter import Interpreter

    network = Interpreter(model_content=content)
    details = {each["index"]: each for each in network.get_tensor_details()}

    def real(index: int) -> np.ndarray:
        given = details[index]["quantization_parameters"]
        shape = [1] * len(details[index]["shape"])
        shape[given["quantized_dimension"]] = -1
        return network.get_tensor(index).astype(np.float32) * given["scales"].reshape(shape)

    ops = (op for op in network._get_ops_details() if op["op_name"] in _WEIGHING)
    return [(real(op["inputs"][1]), real(op["inputs"][2])) for op in ops]
