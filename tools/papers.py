"""What the papers print about still images, typed here alone, and our own networks' aims, each with its recipe.

Rows of others, which the papers quote, name no recipe.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of a table: the name and the figures as printed, and the recipe that repeats it."""

    name: str
    printed: tuple[str, ...]
    recipe: str = ""


@dataclass(frozen=True)
class Table:
    """A table of a paper.

    Attributes:
        title: paper, number and content.
        about: the data and the protocol the figures are for, in the paper's words where it gives any.
        columns: heads of the printed figures.
        ours: what our figures are for, by the words before the recipe in the names of runs: ("", data) for
            runs of the recipe itself.
        base: recipe of the row that the gains of the others are counted from; "" for none.
    """

    title: str
    about: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    ours: tuple[tuple[str, str], ...]
    base: str = ""


FERPLUS = (("", "FER+, val"),)
FER2013 = (("", "FER-2013, 7 classes, val"),)

TABLES = (
    Table(
        "Pandey et al., Table I: RTNN with streams of gradients",
        "KDEF, 7 classes; the division is not stated",
        ("paper: accuracy %",),
        (
            Row("Original RTNN by Arriaga et al.", ("83.16",), "rtnn-grey"),
            Row("STL + RTNN", ("84.08",), "rtnn-stl"),
            Row("RTNN + Laplacian RTNN", ("84.39",), "rtnn-laplacian"),
            Row("STL with RTNN + Gradient RTNN", ("85.10",), "rtnn-stl-sobel"),
            Row("STL with RTNN + Laplacian RTNN", ("85.51",), "rtnn-stl-laplacian"),
            Row("STL with Original, Gradient and Laplacian RTNN", ("88.16",), "rtnn-stl-all"),
        ),
        (("kdef-", "KDEF, 90:10"), ("kdef-subjects-", "KDEF, 90:10 by person"), *FER2013),
        "rtnn-grey",
    ),
    Table(
        "Pandey et al., Table II: VGG13",
        "FER+, 8 classes, majority voting, test; four runs each",
        ("paper: avg", "min", "max", "million parameters"),
        (
            Row("VGG13 (their implementation)", ("83.56", "82.99", "84.08", "8.75"), "vgg13-grey"),
            Row("VGG13 + Laplacian (concatenated)", ("86.22", "85.94", "86.56", "8.75"), "vgg13-laplacian"),
            Row("VGG13 + Sobel (concatenated)", ("86.42", "86.08", "86.55", "8.75"), "vgg13-sobel"),
            Row("VGG13 (reported by Barsoum et al.)", ("83.85", "83.15", "84.89", "8.75")),
        ),
        FERPLUS,
        "vgg13-grey",
    ),
    Table(
        "Pandey et al., Table IV: the base network",
        "FER+, 8 classes, majority voting, test; four runs each",
        ("paper: avg", "min", "max", "million parameters"),
        (
            Row("base model", ("80.37", "79.99", "80.61", "0.65"), "ferplus-grey"),
            Row("base + Laplacian (concatenated)", ("82.83", "82.38", "83.33", "0.65"), "ferplus-laplacian"),
            Row("base + Sobel (concatenated)", ("83.3", "82.71", "83.99", "0.65"), "ferplus-sobel"),
            Row("base + Laplacian (parallel)", ("82.71", "81.96", "83.15", "0.65"), "ferplus-laplacian-parallel"),
            Row("base + Sobel (parallel)", ("82.57", "82.34", "82.89", "0.65"), "ferplus-sobel-parallel"),
        ),
        FERPLUS,
        "ferplus-grey",
    ),
    Table(
        "Breuer and Kimmel, Table 1: CK+",
        "CK+, 10-fold cross-validation",
        ("paper: accuracy %",),
        (
            Row("Gabor+SVM", ("89.8",)),
            Row("LBPSVM", ("95.1",)),
            Row("AUDN", ("93.70",)),
            Row("BDBN", ("96.7",)),
            Row("5x5 CNN", ("98.62 ± 0.11",), "breuer-grey"),
        ),
        (("ckplus-", "CK+, ten folds"),),
    ),
    Table(
        "Breuer and Kimmel, Table 2: FER-2013",
        "FER-2013, 10-fold cross-validation",
        ("paper: accuracy %",),
        (
            Row("Human accuracy", ("68 ± 5",)),
            Row("RBM", ("71.162",)),
            Row("VGG CNN", ("72.7",)),
            Row("ResNet CNN", ("72.4",)),
            Row("5x5 CNN", ("72.1 ± 0.5",), "breuer-grey"),
        ),
        (("folds-", "FER-2013 train, ten folds"), *FER2013),
    ),
)

#: Our own, which no paper prints, with what they are to reach in int8.
OWN = Table(
    "Our own networks",
    "",
    ("aim: FER+, int8", "aim: FER-2013, int8"),
    (
        Row("edgefer-s, as it ships", ("88.6", "71"), "edgefer-s"),
        Row("edgefer-s, by lessons: of five, of three for FER-2013", ("", ""), "edgefer-s-lessons"),
        Row("edgefer-s, on a CPU", ("87", ""), "edgefer-s-quick"),
        Row("edgefer-nano, as it ships", ("86.8", ""), "edgefer-nano"),
        Row("edgefer-nano, by lessons of three", ("", ""), "edgefer-nano-lessons"),
        Row("edgefer-nano, on a CPU", ("84", ""), "edgefer-nano-quick"),
        Row("edgefer-l: a wide teacher", ("", ""), "edgefer-l"),
    ),
    (*FERPLUS, ("fer2013-", "FER-2013, 7 classes, val")),
)

#: Breuer and Kimmel, Table 3: accuracy % by trained on, then tested on; NovaEmotions is not available.
CROSS_SETS = {"ckplus": "CK+", "fer2013": "FER2013", "novaemotions": "NovaEmotions"}
#: The recipe that learns from a set; where it is divided, all folds of it are the set tested on itself.
CROSS_RECIPES = {"ckplus": "ckplus-breuer-grey", "fer2013": "breuer-grey"}
CROSS_ITSELF = {"ckplus": "ckplus-breuer-grey", "fer2013": "folds-breuer-grey"}
CROSS = {
    "ckplus": {"ckplus": "98.62", "fer2013": "69.3", "novaemotions": "67.2"},
    "fer2013": {"ckplus": "92.0", "fer2013": "72.1", "novaemotions": "78.0"},
    "novaemotions": {"ckplus": "93.75", "fer2013": "71.8", "novaemotions": "81.3"},
}
