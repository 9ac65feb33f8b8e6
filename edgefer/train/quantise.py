"""A float Keras network to full int8 TFLite."""

from __future__ import annotations

import tempfile

import numpy as np

from edgefer.errors import EdgeferError, UsageError
from edgefer.train.data.batches import SCALE, ZERO_POINT


def quantise(model, representative: np.ndarray) -> bytes:
    """Convert a network to TFLite, int8 throughout, input and output included; weights per channel.

    Args:
        model: Keras model, float32 (N, H, W, C) to logits (N, classes).
        representative: float32, shape (N, H, W, C), real-valued inputs that set the ranges of the
            activations.

    Returns:
        Bytes of the model; its input has scale 1/128 and zero point 0, whatever the images span.

    Raises:
        UsageError: Keras does not run on TensorFlow, through which alone it converts; or the network has a
            spatial transformer. EdgeferError: the converter gave the input another scale.
    """
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        raise UsageError(f"conversion needs KERAS_BACKEND=tensorflow, got {keras.backend.backend()}")
    # the converter takes it without a word, but 256 levels hold neither places in an image nor indices of
    # its pixels: the layer's output was then as far from what it should be as from an unrelated image
    if any(type(layer).__name__ == "SpatialTransformer" for layer in model.layers):
        raise UsageError(
            "quantise: a spatial transformer has no int8 form, since it samples at places that 256 levels "
            "cannot tell apart; such a network is for training and evaluation in float"
        )
    shape = (1, *representative.shape[1:])
    # both ends of the int8 range appear, so that the input's scale is exact and not a property of the images
    ends = np.resize(np.array([-128 - ZERO_POINT, 127 - ZERO_POINT], np.float32) * np.float32(SCALE), shape)
    with tempfile.TemporaryDirectory() as saved:
        model.export(saved, input_signature=[keras.InputSpec(shape=shape, dtype="float32")], verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(saved)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([x] for x in (ends, *representative[:, None]))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        content = converter.convert()
    scale, zero_point = quantisation(content)[0]
    if (np.float32(scale), zero_point) != (np.float32(SCALE), ZERO_POINT):
        raise EdgeferError(
            f"quantise: expected input scale {SCALE} and zero point {ZERO_POINT}, got {scale}, {zero_point}"
        )
    return content


def quantisation(content: bytes) -> tuple[tuple[float, int], tuple[float, int]]:
    """Scale and zero point of the input and of the output of a TFLite model."""
    from ai_edge_litert.interpreter import Interpreter

    runtime = Interpreter(model_content=content)
    details = runtime.get_input_details()[0], runtime.get_output_details()[0]
    return tuple((float(scale), int(zero)) for scale, zero in (d["quantization"] for d in details))
