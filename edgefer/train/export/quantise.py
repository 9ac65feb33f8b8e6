"""A float Keras network to TFLite: full int8, weights in int8 alone (dynamic range), or float32."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass

import numpy as np

from edgefer.errors import EdgeferError, UsageError
from edgefer.train.data.batches import SCALE, ZERO_POINT


@dataclass(frozen=True)
class Budget:
    """How far a converted network may be from the one in Keras.

    Attributes:
        same_label: least share of val on which both choose alike, percent.
        error: greatest root mean square of the differences of their logits, as a part of the logits' standard
            deviation.
        loss: greatest loss of val accuracy, points. The differences are few and on the same rows, so the
            figure is less noisy than either accuracy; its 95 % interval stands in the model card. The figure
            itself is held against the budget: an upper end of the interval would refuse what loses nothing.
    """

    same_label: float
    error: float
    loss: float


#: What a network may be converted to.
PRECISIONS = {"int8": Budget(97.0, 0.2, 0.3), "dynamic": Budget(98.0, 0.1, 0.3), "float32": Budget(99.9, 0.001, 0.1)}


def quantise(model, representative: np.ndarray) -> bytes:
    """Convert a network to TFLite, int8 throughout, input and output included; weights per channel.

    Args:
        model: Keras model, float32 (N, H, W, C) to logits (N, classes); one of fake_quantise brings the
            ranges of its activations with it.
        representative: float32, shape (N, H, W, C), real-valued inputs that set the ranges of the
            activations of any other.

    Returns:
        Bytes of the model; its input has scale 1/128 and zero point 0, whatever the images span.

    Raises:
        UsageError: Keras does not run on TensorFlow, through which alone it converts; or the network has a
            spatial transformer. EdgeferError: the converter gave the input another scale.
    """
    # the converter takes it without a word, but 256 levels hold neither places in an image nor indices of
    # its pixels: the layer's output was then as far from what it should be as from an unrelated image
    if any(type(layer).__name__ == "SpatialTransformer" for layer in model.layers):
        raise UsageError(
            "quantise: a spatial transformer has no int8 form, since it samples at places that 256 levels "
            "cannot tell apart; export such a network with --precision float32"
        )
    # both ends of the int8 range appear, so that the input's scale is exact and not a property of the images
    shape = (1, *representative.shape[1:])
    ends = np.resize(np.array([-128 - ZERO_POINT, 127 - ZERO_POINT], np.float32) * np.float32(SCALE), shape)

    def settle(converter, tf):
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        if not any(type(layer).__name__ == "Rounded" for layer in model.layers):
            converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
            converter.representative_dataset = lambda: ([x] for x in (ends, *representative[:, None]))

    content = _convert(model, settle)
    scale, zero_point = quantisation(content)[0]
    if (np.float32(scale), zero_point) != (np.float32(SCALE), ZERO_POINT):
        raise EdgeferError(
            f"quantise: expected input scale {SCALE} and zero point {ZERO_POINT}, got {scale}, {zero_point}"
        )
    return content


def convert(model, precision: str) -> bytes:
    """Convert a network to TFLite with float32 input and output, for other programs than edgefer.

    Args:
        model: as for `quantise`.
        precision: "float32"; or "dynamic": large weights are int8 with a scale for each channel, activations
            float32, for some kernels rounded to int8 by the range they have at that moment.

    Raises:
        UsageError: Keras does not run on TensorFlow.
    """

    def settle(converter, tf):
        if precision == "dynamic":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]

    return _convert(model, settle)


def _convert(model, settle) -> bytes:
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        raise UsageError(f"conversion needs KERAS_BACKEND=tensorflow, got {keras.backend.backend()}")
    signature = [keras.InputSpec(shape=(1, *model.input_shape[1:]), dtype="float32")]
    with tempfile.TemporaryDirectory() as saved:
        model.export(saved, input_signature=signature, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(saved)
        settle(converter, tf)
        return converter.convert()


def quantisation(content: bytes) -> tuple[tuple[float, int], tuple[float, int]]:
    """Scale and zero point of the input and of the output of a TFLite model."""
    from ai_edge_litert.interpreter import Interpreter

    runtime = Interpreter(model_content=content)
    details = runtime.get_input_details()[0], runtime.get_output_details()[0]
    into, out = ((float(scale), int(zero)) for scale, zero in (d["quantization"] for d in details))
    return into, out
