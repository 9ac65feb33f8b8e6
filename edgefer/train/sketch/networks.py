"""The networks that read emotion sketches: VGG11, ResNet50 and CapsNet of Costache and Popescu, and one of ours.

Each takes real-valued sketches, white 127/128 and black -1, of shape (N, side, side, 1); the paper's side is 250. The
three of the paper give probabilities, ours gives logits.

VGG11: configuration A of Simonyan and Zisserman, Very Deep Convolutional Networks, ICLR 2015, Table 1: eight 3x3
convolutions in five blocks with max pooling, and three dense layers of 4096, 4096 and the classes, the first two with
dropout of one half (their section 3.1). One input plane instead of three.

ResNet50: `keras.applications`, as the paper took it, with a mean over the last maps and one dense layer. One plane is
copied to the three that its weights are for. Its weights are random unless a file of them is given.

CapsNet: Sabour, Frosst and Hinton, Dynamic Routing between Capsules, 2017: a convolution, primary capsules of 8
numbers, class capsules of 16 with routing by agreement (procedure 1), squash (equation 1), margin loss (equation 4).
Costache and Popescu "used a 9x9 kernel for the convolutional layers with 16x16 strides for down-sampling", 128 filters
in the first. Both convolutions at stride 16 would give one place that sees the upper left quarter of the sketch alone
(250 -> 16 -> 1), so we read the stride as the first one's; the primary capsules keep the stride of 2 that the published
code they adapted has (250 -> 16 -> 4). Departures: no reconstruction of the image (at 250x250 it alone would have 64
million parameters, and the paper does not speak of it).
"Proportionally distributed" probabilities are the capsules' lengths divided by their sum.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from edgefer.train.sketch import OWN_SIDE, ROUTING_SKETCHES, SIDE

VGG11_BLOCKS = ((64,), (128,), (256, 256), (512, 512), (512, 512))
VGG11_DENSE, DROPOUT = 4096, 0.5
CAPSULE_KERNEL, CAPSULE_STRIDE, CAPSULE_FILTERS = 9, 16, 128
PRIMARY_MAPS, PRIMARY_SIZE, PRIMARY_STRIDE, CLASS_SIZE = 32, 8, 2, 16


def vgg11(classes: int, side: int = SIDE) -> keras.Model:
    """Configuration A, 32 to 250 pixels a side."""
    image = x = keras.Input((side, side, 1), name="sketch")
    for block, widths in enumerate(VGG11_BLOCKS, 1):
        for number, width in enumerate(widths, 1):
            name = f"conv{block}_{number}"
            x = layers.Conv2D(width, 3, padding="same", activation="relu", kernel_initializer="he_normal", name=name)(x)
        x = layers.MaxPooling2D(name=f"pool{block}")(x)
    x = layers.Flatten(name="flat")(x)
    for number in (6, 7):
        x = layers.Dense(VGG11_DENSE, activation="relu", kernel_initializer="he_normal", name=f"fc{number}")(x)
        x = layers.Dropout(DROPOUT, name=f"drop{number}")(x)
    return keras.Model(image, layers.Dense(classes, activation="softmax", name="classes")(x), name="vgg11")


def resnet50(classes: int, side: int = SIDE, weights: str | None = None) -> keras.Model:
    """ResNet50 without its top, 32 pixels a side at least.

    Args:
        weights: file with those of `keras.applications.ResNet50(include_top=False)`, as trained on ImageNet;
            None for random ones.
    """
    image = keras.Input((side, side, 1), name="sketch")
    planes = layers.Concatenate(name="planes")([image, image, image])
    body = keras.applications.ResNet50(include_top=False, weights=weights, input_shape=(side, side, 3), pooling="avg")
    return keras.Model(
        image, layers.Dense(classes, activation="softmax", name="classes")(body(planes)), name="resnet50"
    )


def squash(vectors: Any) -> Any:
    """Equation 1 of Sabour et al. along the last axis: the direction stays, the length becomes 0 to 1."""
    square = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * square / (1 + square) / ops.sqrt(square + keras.config.epsilon())


@keras.saving.register_keras_serializable("edgefer")
class ClassCapsules(layers.Layer):
    """One capsule a class, by routing from all capsules below: procedure 1 of Sabour et al."""

    def __init__(self, classes: int, size: int, rounds: int, **options: Any) -> None:
        super().__init__(**options)
        self.classes, self.size, self.rounds = classes, size, rounds

    def build(self, shape: tuple[int | None, ...]) -> None:
        _, below, length = shape
        self.kernel = self.add_weight(
            shape=(below, self.classes, length, self.size), initializer="glorot_uniform", name="kernel"
        )

    def call(self, below: Any) -> Any:
        said = ops.einsum("nil,ijls->nijs", below, self.kernel)
        held = ops.stop_gradient(said)  # as in the published code, gradients pass the last round alone
        agreement = ops.zeros_like(held[..., 0])
        for _ in range(self.rounds - 1):
            joint = squash(ops.einsum("nij,nijs->njs", ops.softmax(agreement, axis=-1), held))
            agreement = agreement + ops.einsum("nijs,njs->nij", held, joint)
        return squash(ops.einsum("nij,nijs->njs", ops.softmax(agreement, axis=-1), said))

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return shape[0], self.classes, self.size

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "classes": self.classes, "size": self.size, "rounds": self.rounds}


@keras.saving.register_keras_serializable("edgefer")
class Squash(layers.Layer):
    def call(self, vectors: Any) -> Any:
        return squash(vectors)


@keras.saving.register_keras_serializable("edgefer")
class Length(layers.Layer):
    """The length of each capsule: that its class is there, 0 to 1."""

    def call(self, vectors: Any) -> Any:
        return ops.sqrt(ops.sum(ops.square(vectors), axis=-1) + keras.config.epsilon())

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return shape[:-1]


def capsnet(classes: int, side: int = SIDE, rounds: int = ROUTING_SKETCHES) -> keras.Model:
    """Gives the lengths of the class capsules, which do not sum to one: see `proportions`."""
    image = keras.Input((side, side, 1), name="sketch")
    conv = {"kernel_size": CAPSULE_KERNEL, "padding": "valid"}
    x = layers.Conv2D(CAPSULE_FILTERS, strides=CAPSULE_STRIDE, activation="relu", name="conv1", **conv)(image)
    x = layers.Conv2D(PRIMARY_MAPS * PRIMARY_SIZE, strides=PRIMARY_STRIDE, name="primary", **conv)(x)
    x = Squash(name="primary_squash")(layers.Reshape((-1, PRIMARY_SIZE), name="primary_capsules")(x))
    x = ClassCapsules(classes, CLASS_SIZE, rounds, name="class_capsules")(x)
    return keras.Model(image, Length(name="classes")(x), name="capsnet")


def margin_loss(truth: Any, lengths: Any) -> Any:
    """Equation 4 of Sabour et al.: m+ = 0.9, m- = 0.1, lambda = 0.5; truth is one-hot."""
    there = truth * ops.square(ops.maximum(0.0, 0.9 - lengths))
    other = (1 - truth) * ops.square(ops.maximum(0.0, lengths - 0.1))
    return ops.sum(there + 0.5 * other, axis=-1)


def proportions(scores: Any) -> Any:
    """Scores of each row divided by their sum; probabilities stay as they are."""
    return scores / scores.sum(axis=-1, keepdims=True)


#: Of our own network: the filters of its 3x3 convolutions, each at stride 2.
OWN_WIDTHS = (12, 24, 48, 64)


def own(classes: int, side: int = OWN_SIDE, dropout: float = 0.0, normalisation: bool = True) -> keras.Model:
    """Ours: four 3x3 convolutions that halve the sketch, one more at its last size, a mean, one dense layer."""
    from edgefer.train.architectures.layers import normalised

    image = x = keras.Input((side, side, 1), name="sketch")
    for number, width in enumerate((*OWN_WIDTHS, OWN_WIDTHS[-1]), 1):
        strides = 2 if number <= len(OWN_WIDTHS) else 1
        name = f"conv{number}"
        x = layers.Conv2D(
            width,
            3,
            strides=strides,
            padding="same",
            use_bias=not normalisation,
            kernel_initializer="he_normal",
            name=name,
        )(x)
        x = normalised(x, name, "relu") if normalisation else layers.Activation("relu", name=f"{name}_relu")(x)
    x = layers.Flatten(name="flat")(x)
    if dropout:
        x = layers.Dropout(dropout, name="drop")(x)
    return keras.Model(image, layers.Dense(classes, name="classes")(x), name="own")


def build(
    name: str, classes: int, side: int = SIDE, weights: str | None = None, rounds: int = ROUTING_SKETCHES
) -> keras.Model:
    """One of the paper's networks by name, uncompiled."""
    if name == "resnet50":
        return resnet50(classes, side, weights)
    return vgg11(classes, side) if name == "vgg11" else capsnet(classes, side, rounds)
