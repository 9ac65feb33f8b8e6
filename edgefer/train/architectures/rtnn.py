"""RTNN, the real-time network of Pandey et al. (section IV.1, Table I): mini-Xception of Arriaga et al.,
Real-time Convolutional Neural Networks for Emotion and Gender Classification, 2017.

Two 3x3 convolutions of 8 filters; four modules of 16, 32, 64 and 128 channels, each two depthwise separable
convolutions and a 3x3 max-pool of stride 2, joined by addition with a 1x1 convolution of stride 2; a 3x3
convolution to the classes and the mean over the image. Arriaga et al. print "approximately 60,000"
parameters; Pandey et al. print none. With one plane and seven classes there are 58,423, of which 1,472 are
the moving moments of batch normalisation.

Where the papers are silent or we depart from them:

* The paper has the modules in words and a figure; widths, padding and biases are those of its authors'
  published code: the two convolutions at the start lose a pixel at each side (valid), all others none.
* That code adds an L2 penalty of 0.01 to the weights; here the optimiser's weight decay takes its place.
* Dropout before the last convolution is ours, and zero unless it is asked for.
* Batch normalisation has epsilon 1e-3 and momentum 0.99, as the code leaves them.
* The network returns logits; the loss and the runtime apply the soft-max.
"""

from __future__ import annotations

from keras import layers

from edgefer.train.architectures.layers import normalised

STEM = (8, 8)
MODULES = (16, 32, 64, 128)
MOMENTUM = 0.99
PARAMETERS = 58_423  # one plane, seven classes


def stem(x):
    """The first convolution."""
    return _stem_row(x, 1)


def body(x, classes: int, dropout: float = 0.0):
    """The second convolution, the four modules, and the mean of the class maps; logits (N, classes)."""
    x = _stem_row(x, 2)
    for number, channels in enumerate(MODULES, 1):
        x = _module(x, channels, f"module{number}")
    if dropout:
        x = layers.SpatialDropout2D(dropout, name="dropout")(x)
    x = layers.Conv2D(classes, 3, padding="same", name="logits")(x)
    return layers.GlobalAveragePooling2D(dtype="float32", name="scores")(x)


def _stem_row(x, row):
    x = layers.Conv2D(STEM[row - 1], 3, use_bias=False, name=f"conv{row}")(x)
    return normalised(x, f"conv{row}", "relu", MOMENTUM)


def _module(x, channels, name):
    # every second pixel, then 1x1: TensorFlow 2.21 on a CPU crashes in the gradient of both in one
    shortcut = layers.MaxPooling2D(1, strides=2, padding="same", name=f"{name}_halved")(x)
    shortcut = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_beside")(shortcut)
    shortcut = normalised(shortcut, f"{name}_beside", None, MOMENTUM)
    for number in (1, 2):
        separable = layers.SeparableConv2D(
            channels, 3, padding="same", use_bias=False, name=f"{name}_separable{number}"
        )
        x = separable(x)
        x = normalised(x, f"{name}_separable{number}", "relu" if number == 1 else None, MOMENTUM)
    x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"{name}_pool")(x)
    return layers.Add(name=f"{name}_add")([x, shortcut])
