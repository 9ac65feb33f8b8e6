"""The runs that make each model, by name; and the models of the papers for which there are none yet."""

from __future__ import annotations

from edgefer.train.fit import Settings


def _small_to_full(name: str, channels: str) -> tuple[tuple[str, Settings], ...]:
    """Learn on small inputs, left off while the rate is high; then on full ones, down to zero."""
    small, full = f"runs/{name}-small", f"runs/{name}"
    return (
        (small, Settings(input=channels, stages=((32, 22), (48, 8), (64, 5)), stop=24)),
        (full, Settings(input=channels, stages=((64, 8),), rate=1.5e-3, average=0.995, start=small)),
    )


#: Run directories and settings, in order; the last run is the one that is exported.
RECIPES: dict[str, tuple[tuple[str, Settings], ...]] = {
    "ferplus-sobel": _small_to_full("ferplus-sobel", "grey+sobel"),
    "ferplus-grey": _small_to_full("ferplus-grey", "grey"),
    "ferplus-laplacian": _small_to_full("ferplus-laplacian", "grey+laplacian"),
}

#: Models of the papers without a recipe, and what they are.
OWED: dict[str, str] = {
    "pandey-vgg13": "Pandey et al., VGG13 with gradient or Laplacian input",
    "pandey-rtnn": "Pandey et al., RTNN (mini-Xception) with gradient or Laplacian streams",
    "khan": "Khan et al., MLP 12-12-7-7 on distances between 18 points",
    "breuer": "Breuer and Kimmel, 5x5 CNN, action unit heads, micro-expressions",
    "haddad": "Haddad et al., 3D-CNN over 10 frames",
    "costache": "Costache et al., CNN on the emotion sketch of 68 landmarks",
}
