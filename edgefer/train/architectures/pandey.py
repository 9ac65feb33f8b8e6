"""The base network of Pandey et al., Improving Facial Emotion Recognition Systems Using Gradient and
Laplacian Images.

Table III: two convolutions, twelve inverted bottlenecks with expansion 6 (Fig. 3, from MobileNetV2), average
pooling and a 1x1 convolution to the classes; 645,472 parameters with one input channel. The paper's best
input is the image with its Sobel gradients as further channels (Table IV, `base + Sobel (input
concatenated)`).

Where the paper is silent or we depart from it:

* The table counts no batch normalisation, yet a network of this depth hardly trains without any. Every
  convolution but the last is followed by one, as in MobileNetV2; it is an affine map at inference and is
  folded into the convolution at export. The stem convolutions keep the bias the table counts, though
  normalisation makes it redundant.
* Activations are ReLU6, the projection is linear and equal shapes are joined by a residual, all from
  MobileNetV2.
* Dropout stands before the last convolution; it has no parameters and is absent at inference.
* The network returns logits. The paper's soft-max is applied by the loss and by the runtime, in float: int8
  logits keep more of the score than an int8 soft-max.
"""

from __future__ import annotations

from keras import layers

from edgefer.train.architectures.layers import normalised

STEM = ((48, 1), (32, 1))  # Table III, rows 1 and 2: channels, stride
BOTTLENECKS = (  # Table III, rows 3 to 14: channels, stride
    *((32, 2), (24, 2), (24, 1), (32, 2), (32, 1), (32, 1)),
    *((64, 1), (64, 1), (64, 1), (64, 1), (128, 1), (256, 1)),
)
EXPANSION = 6  # Table III, column t
PARAMETERS = 645_472  # Table III, total, one input channel


def stem(x, normalisation: bool = True):
    """Row 1 of Table III: the one layer whose weights depend on the planes of the input."""
    return _stem_row(x, 1, normalisation)


def body(x, classes: int, dropout: float = 0.0, normalisation: bool = True):
    """Rows 2 to 16 of Table III.

    Args:
        x: what `stem` gives.
        classes: number of labels.
        dropout: share of the pooled features dropped in training.
        normalisation: batch normalisation after every convolution but the last; False gives exactly the
            parameters the table counts.

    Returns:
        Logits (N, classes). The layers of a table row share the row's name as prefix: conv1, conv2,
        bottleneck1 .. bottleneck12, logits.
    """
    x = _stem_row(x, 2, normalisation)
    for row, (channels, stride) in enumerate(BOTTLENECKS, 1):
        x = _bottleneck(x, channels, stride, f"bottleneck{row}", normalisation)
    x = layers.GlobalAveragePooling2D(keepdims=True, name="avg_pool")(x)
    if dropout:
        x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Conv2D(classes, 1, use_bias=False, name="logits")(x)
    return layers.Reshape((classes,), dtype="float32", name="scores")(x)


def _relu6(x, name, normalisation):
    return normalised(x, name, "relu6") if normalisation else layers.Activation("relu6", name=f"{name}_relu6")(x)


def _stem_row(x, row, normalisation):
    channels, stride = STEM[row - 1]
    x = layers.Conv2D(channels, 3, strides=stride, padding="same", name=f"conv{row}")(x)
    return _relu6(x, f"conv{row}", normalisation)


def _bottleneck(x, channels, stride, name, normalisation):
    """Fig. 3: expand 1x1, filter each channel 3x3, project 1x1; no biases."""
    inside = x.shape[-1]
    y = layers.Conv2D(EXPANSION * inside, 1, use_bias=False, name=f"{name}_expand")(x)
    y = _relu6(y, f"{name}_expand", normalisation)
    filtered = layers.DepthwiseConv2D(3, strides=stride, padding="same", use_bias=False, name=f"{name}_filter")
    y = filtered(y)
    y = _relu6(y, f"{name}_filter", normalisation)
    y = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_project")(y)
    y = normalised(y, f"{name}_project") if normalisation else y
    return layers.Add(name=f"{name}_add")([x, y]) if stride == 1 and inside == channels else y
