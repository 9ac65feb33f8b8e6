"""What a training computes on, for the record and for its choices."""

from __future__ import annotations

import os

from edgefer.support.cpu import model_name


def accelerator() -> str:
    """Name of the GPU that Keras computes on; empty on a CPU."""
    import keras

    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else ""
    if backend == "jax":
        import jax

        return jax.devices()[0].device_kind if jax.default_backend() != "cpu" else ""
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(devices[0]).get("device_name", "GPU") if devices else ""


def hardware() -> str:
    """Processor and number of threads, for the record."""
    return f"{model_name()}, {os.cpu_count()} threads"
