"""Batch normalisation in one operation where Keras composes it from several.

On TensorFlow Keras computes moments and the affine map as separate passes over memory; on a CPU that made
batch normalisation dearer than the convolutions it follows. The fused operation computes the same function.
"""

from __future__ import annotations

import keras
from keras import layers


@keras.saving.register_keras_serializable("edgefer")
class BatchNormalization(layers.BatchNormalization):
    """keras.layers.BatchNormalization over NHWC; fused in training on the TensorFlow backend.

    The moving variance is fed with the unbiased estimate (N - 1), as the fused operation gives it.
    """

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable) or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        moving_mean, moving_variance, scale, offset = (
            tf.convert_to_tensor(v) for v in (self.moving_mean, self.moving_variance, self.gamma, self.beta)
        )
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=scale,
            offset=offset,
            mean=moving_mean,
            variance=moving_variance,
            epsilon=self.epsilon,
            exponential_avg_factor=1.0,
            is_training=True,
        )
        self.moving_mean.assign(moving_mean * self.momentum + mean * (1.0 - self.momentum))
        self.moving_variance.assign(moving_variance * self.momentum + variance * (1.0 - self.momentum))
        return outputs
