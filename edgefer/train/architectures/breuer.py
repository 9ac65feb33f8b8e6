"""The still-image network of Breuer and Kimmel, A Deep Learning Perspective on the Origin of Facial
Expressions, 2017, section 2.1.

Three blocks of a 5x5 convolution (64, 128, 256 filters), ReLU and a 2x2 max-pool; a layer of 512; a layer to
the classes. Dropout stands after the last convolution and between the two layers, 0.25 and 0.5. The paper
prints no count of parameters; with one plane of 48x48 pixels and seven classes there are 5,748,743.

Where the paper is silent or we depart from it:

* It gives no size of input. Ours is that of FER-2013, 48x48.
* It gives no padding. Ours keeps the size (same), so that the layer of 512 sees 6x6 places; without padding
  there would be 2x2, and 1,554,439 parameters.
* Dropout is one number, that between the two layers; after the last convolution it is half of it.
* The input may have further planes, as for the networks of Pandey et al.
* The network returns logits; the loss and the runtime apply the soft-max.
"""

from __future__ import annotations

from keras import layers

BLOCKS = (64, 128, 256)
HIDDEN = 512
DROPOUT = 0.5  # the paper's, between the two layers; half of it after the last convolution
PARAMETERS = 5_748_743  # one plane of 48x48, seven classes


def stem(x, width: float = 1.0):
    """The first convolution; width: share of the paper's filters, for small machines."""
    return _convolution(x, 1, width)


def body(x, classes: int, dropout: float = 0.0, width: float = 1.0):
    """From the first max-pool on; logits (N, classes). Blocks are conv1 to conv3 and pool1 to pool3."""
    for block in range(1, len(BLOCKS) + 1):
        if block > 1:
            x = _convolution(x, block, width)
        x = layers.MaxPooling2D(2, name=f"pool{block}")(x)
    if dropout:
        x = layers.Dropout(dropout / 2, name="drop_conv")(x)
    x = layers.Flatten(name="flat")(x)
    x = layers.Dense(scaled(HIDDEN, width), activation="relu", name="hidden")(x)
    if dropout:
        x = layers.Dropout(dropout, name="drop_hidden")(x)
    return layers.Dense(classes, dtype="float32", name="logits")(x)


def scaled(count: int, width: float) -> int:
    """So many filters or neurons at a share of the paper's width."""
    return max(1, round(count * width))


def _convolution(x, block, width):
    return layers.Conv2D(scaled(BLOCKS[block - 1], width), 5, padding="same", activation="relu", name=f"conv{block}")(x)
