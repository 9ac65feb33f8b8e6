"""The options that Haddad et al. search (Table 1), the best ones they found (Tables 2 and 3), and their augmentations.

Haddad, Lézoray, Hamel: 3D-CNN for Facial Emotion Recognition in Videos, ISVC 2020. Nothing here needs Keras.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from edgefer.errors import UsageError

#: Values of each option, in the paper's order; dropout is any from 0 to 1.
OPTIONS: dict[str, tuple[Any, ...]] = {
    "optimizer": ("lookahead+adam", "adam"),
    "clahe": (True, False),
    "normalization": (True, False),
    "activation": ("relu", "elu", "prelu", "leaky_relu", "mish"),
    "loss_weights": (True, False),
    "temporal_size": (1, 3, 5, 7, 9),
    "initializer": ("xavier_uniform", "xavier_normal", "none"),
    "pooling": ("average", "max"),
    "second_convolution": (True, False),
}


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """One configuration.

    Attributes:
        optimizer: Adam, or Lookahead(5, 0.5) round it.
        clahe: contrast limited histogram equalization of each frame, limit 2, 8 x 8 tiles.
        normalization: levels from -1 to 1; else from 0 to 1.
        loss_weights: rarer classes count more in the loss.
        temporal_size: of the kernels, frames; padded so that the number of frames stays.
        initializer: "none" (Table 3) is taken as what PyTorch does unasked.
        second_convolution: in each of the first two groups.
        dropout: between the fully connected layers.
    """

    optimizer: str
    clahe: bool
    normalization: bool
    activation: str
    loss_weights: bool
    temporal_size: int
    initializer: str
    pooling: str
    second_convolution: bool
    dropout: float

    def __post_init__(self) -> None:
        for name, known in OPTIONS.items():
            value = getattr(self, name)
            if value not in known or isinstance(value, bool) != isinstance(known[0], bool):
                raise UsageError(f"{name}: expected one of {', '.join(map(str, known))}, got {value!r}")
        if not 0 <= self.dropout <= 1:
            raise UsageError(f"dropout: expected 0 to 1, got {self.dropout!r}")

    def words(self) -> dict[str, Any]:
        """The options by name, for a file or a table."""
        return {option.name: getattr(self, option.name) for option in fields(self)}


#: The best trials: LOSO on CK+ (Table 2), ten folds on Oulu-CASIA (Table 3).
PRESETS: dict[str, Parameters] = {
    "ckplus": Parameters(
        optimizer="adam",
        clahe=True,
        normalization=False,
        activation="relu",
        loss_weights=False,
        temporal_size=3,
        initializer="xavier_uniform",
        pooling="average",
        second_convolution=False,
        dropout=0.2511,
    ),
    "oulu-casia": Parameters(
        optimizer="lookahead+adam",
        clahe=False,
        normalization=True,
        activation="leaky_relu",
        loss_weights=False,
        temporal_size=3,
        initializer="none",
        pooling="max",
        second_convolution=False,
        dropout=0.4233,
    ),
}

#: What does not vary (section 3.1).
FRAMES, SIDE, RATE, EPOCHS, BATCH = 10, 112, 1e-4, 16, 30


def preset(name: str) -> Parameters:
    """Raises: UsageError: the name is not known; the message lists those that are."""
    if name not in PRESETS:
        raise UsageError(f"unknown preset {name!r}; available: {', '.join(PRESETS)}")
    return PRESETS[name]


@dataclass(frozen=True)
class Copies:
    """How many altered copies of a clip are added: flipped, rotated, with another contrast."""

    flips: int
    rotations: int
    contrasts: int

    def __int__(self) -> int:
        return self.flips + self.rotations + self.contrasts


#: Of each class (sections 4.1 and 4.2), so that classes come out about equally often.
AUGMENTATIONS: dict[str, dict[str, Copies]] = {
    "ckplus": {
        "contempt": Copies(1, 7, 4),
        "fear": Copies(1, 4, 4),
        "sadness": Copies(1, 4, 3),
        "anger": Copies(1, 2, 1),
        "happiness": Copies(1, 1, 1),
        "disgust": Copies(1, 1, 1),
        "surprise": Copies(1, 1, 0),
    },
    "oulu-casia": dict.fromkeys(("anger", "disgust", "fear", "happiness", "sadness", "surprise"), Copies(1, 5, 2)),
}
