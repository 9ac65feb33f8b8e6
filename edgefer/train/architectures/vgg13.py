"""VGG13 of Barsoum et al., Training Deep Networks for Facial Expression Recognition with Crowd-Sourced Label
Distribution, ICMI 2016 (the network of FER+), which Pandey et al. reimplement (section IV.2, Table II).

Ten 3x3 convolutions in four blocks, each closed by a 2x2 max-pool and dropout, two layers of 1024 and one to
the classes. Pandey et al. print 8.75 million parameters for every input: with 64x64 pixels and eight classes
these are 8,757,704 for the image alone, 8,758,280 with the Laplacian and 8,758,856 with both Sobel gradients,
cut, not rounded, to two places.

Where the papers are silent or we depart from them:

* The authors' published code, not the paper's text, gives padding (same) and biases (in every layer).
* Dropout is 0.25 after each block and 0.5 after each of the two layers in the paper. Here one number, that of
  the two layers, sets both: the blocks have half of it.
* The papers do not say how weights begin, and no batch normalisation keeps the signal up: with Keras's own
  start its deviation falls two hundredfold over the depth. On 512 images, 16 a step and without dropout, the
  loss fell to 1.70 in 200 steps with that start, and to 1.45 with this one.
* The network returns logits; the loss and the runtime apply the soft-max.
"""

from __future__ import annotations

from keras import layers

BLOCKS = ((64, 2), (128, 2), (256, 3), (256, 3))  # channels, convolutions
HIDDEN = (1024, 1024)
DROPOUT = 0.5  # the paper's, of the hidden layers; half of it after each block
START = "he_normal"  # weights before a ReLU: He et al., Delving Deep into Rectifiers, ICCV 2015, equation 10
PARAMETERS = 8_757_704  # one plane of 64x64, eight classes


def stem(x):
    """The first convolution."""
    return _convolution(x, BLOCKS[0][0], "conv1_1")


def body(x, classes: int, dropout: float = 0.0):
    """The rest of the four blocks, and the layers after them; logits (N, classes)."""
    for block, (channels, convolutions) in enumerate(BLOCKS, 1):
        for number in range(2 if block == 1 else 1, convolutions + 1):
            x = _convolution(x, channels, f"conv{block}_{number}")
        x = layers.MaxPooling2D(2, name=f"pool{block}")(x)
        if dropout:
            x = layers.Dropout(dropout / 2, name=f"drop{block}")(x)
    x = layers.Flatten(name="flat")(x)
    for number, units in enumerate(HIDDEN, len(BLOCKS) + 1):
        x = layers.Dense(units, activation="relu", kernel_initializer=START, name=f"fc{number}")(x)
        if dropout:
            x = layers.Dropout(dropout, name=f"drop{number}")(x)
    return layers.Dense(classes, dtype="float32", name="logits")(x)


def _convolution(x, channels, name):
    options = {"padding": "same", "activation": "relu", "kernel_initializer": START}
    return layers.Conv2D(channels, 3, name=name, **options)(x)
