"""Action units as Breuer and Kimmel read them (section 3.2): new output layers on their network, and transfer to them.

* `all`: occurrence of every unit at once, all against all. The loss also has the sum and the square of what the output
  layer says (L1 and L2), so that few units are named. `intensity`: the same for intensities 0 to 5.
* `one`: a detector for each unit by itself, as most work has it. The paper calls that leave-one-out.
* `transfer`: the network is first trained to name emotions; its convolutional layers are kept as they are, its output
  layers are replaced and learn occurrence. `untrained` keeps convolutional layers that learnt nothing: what the output
  layers can do alone.

The paper trains on CK+, whose peak frames people coded; its weights of L1 and L2 are not printed, ours are. Here made
faces stand for it: figures are synthetic and not comparable to the paper's, which stand beside them as what it printed.
Emotions are those that photographs of `faces.zip` are tagged with. Detectors of `one` share convolutional layers (those
of `all`), and each has layers of its own after them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from edgefer.labels import FERPLUS8
from edgefer.measure.agreement import SHOWN, Agreement, agreement, always_zero
from edgefer.support.atomic import write_bytes
from edgefer.train.data.synthetic.units import FULL, UNITS
from edgefer.train.units.material import Rows

SIDE = 48
NAMES = tuple(f"AU{unit}" for unit in UNITS)
#: What the paper prints for CK+: accuracies of occurrence and of intensity, percent, and the error of intensity.
PAPER_OCCURRENCE, PAPER_INTENSITY, PAPER_MSE = 97.54, 96.1, 0.2045
#: Of the stored crops, the square that holds the face from above the brows to the chin.
_SQUARE = slice(12, 100)


@dataclass(frozen=True)
class PaperTraining:
    """What decides the trainings; what the paper prints by default.

    Attributes:
        width: share of the paper's filters and hidden neurons, for small machines.
        rows: pictures to learn from, drawn by the seed; 0 for all.
        emotion_epochs: of the emotions, for `transfer`.
        l1, l2: weights of the sum and of the square of what the output layer says.
    """

    width: float = 1.0
    rows: int = 0
    epochs: int = 20
    emotion_epochs: int = 20
    batch: int = 64
    rate: float = 1e-3
    decay: float = 1e-5
    l1: float = 1e-3
    l2: float = 1e-3
    seed: int = 1


def faces(rows: Rows, chosen: np.ndarray | None = None) -> np.ndarray:
    """The crops as the paper's network takes them, float32 (N, SIDE, SIDE, 1), -1 to 1."""
    crops = rows.crops if chosen is None else rows.crops[np.sort(chosen)]
    small = [cv2.resize(crop[_SQUARE], (SIDE, SIDE), interpolation=cv2.INTER_AREA) for crop in crops]
    return (np.stack(small).astype(np.float32) / 128 - 1)[..., None]


def network(outputs: int, training: PaperTraining) -> Any:
    """The paper's network with so many outputs, which are logits or intensities."""
    from keras import Model, layers

    from edgefer.train.architectures import breuer

    given = layers.Input((SIDE, SIDE, 1), name="face")
    x = breuer.stem(given, training.width)
    return Model(given, breuer.body(x, outputs, breuer.DROPOUT, training.width), name="breuer")


def features(model: Any) -> Any:
    """What the convolutional layers say: the network up to its first fully connected layer."""
    from keras import Model

    return Model(model.input, model.get_layer("flat").output)


def head(inputs: int, outputs: int, training: PaperTraining) -> Any:
    """New output layers for convolutional layers that are kept."""
    from keras import Sequential, layers

    from edgefer.train.architectures import breuer

    hidden = layers.Dense(breuer.scaled(breuer.HIDDEN, training.width), activation="relu")
    return Sequential(
        [layers.Input((inputs,)), layers.Dropout(breuer.DROPOUT / 2), hidden, layers.Dropout(breuer.DROPOUT),
         layers.Dense(outputs)]
    )  # fmt: skip


def occurrence_loss(l1: float, l2: float) -> Any:
    """Cross-entropy of each unit, and what makes few of them named."""
    from keras import ops

    def loss(truth, logits):  # type: ignore[no-untyped-def]
        entropy = ops.maximum(logits, 0) - logits * truth + ops.log1p(ops.exp(-ops.abs(logits)))
        said = ops.sigmoid(logits)
        return ops.mean(entropy) + l1 * ops.mean(said) + l2 * ops.mean(ops.square(said))

    return loss


def intensity_loss(l1: float, l2: float) -> Any:
    """Squared error of each unit, and what makes few of them named."""
    from keras import ops

    def loss(truth, said):  # type: ignore[no-untyped-def]
        return ops.mean(ops.square(said - truth)) + l1 * ops.mean(ops.abs(said)) + l2 * ops.mean(ops.square(said))

    return loss


def learn(model: Any, x: np.ndarray, y: np.ndarray, loss: Any, training: PaperTraining, epochs: int) -> None:
    """The paper's training: Adam, rate and decay as printed, images mirrored and moved by small affine maps."""
    import keras

    schedule = keras.optimizers.schedules.InverseTimeDecay(training.rate, 1, training.decay)
    model.compile(keras.optimizers.Adam(schedule), loss)
    for epoch in range(epochs):
        rng = np.random.default_rng((training.seed, epoch))
        for rows in _batches(len(x), training.batch, rng):
            part = _moved(x[rows], rng) if x.ndim == 4 else x[rows]
            model.train_on_batch(part, y[rows])


def _batches(count: int, batch: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    order = rng.permutation(count)
    for start in range(0, count, batch):
        if len(rows := order[start : start + batch]) > 1:
            yield rows


def _moved(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirrored, turned, shifted, scaled and sheared at random."""
    moved = np.empty_like(images)
    for i, image in enumerate(images[..., 0]):
        angle, shear, scale = rng.normal(0, 0.06), rng.normal(0, 0.04), float(np.exp(rng.normal(0, 0.04)))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        axes = scale * turn @ np.array([[rng.choice((-1, 1)), shear], [0, 1]])
        middle = np.full(2, (SIDE - 1) / 2)
        matrix = np.column_stack([axes, middle - axes @ middle + rng.normal(0, 0.8, 2)])
        moved[i, ..., 0] = cv2.warpAffine(image, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    return moved


def run(training: PaperTraining, made: Rows, test: Rows, real: Rows, tags: dict[str, str], out: Path) -> dict[str, Any]:
    """All trainings, and what they give on the test people; kept in `out/paper.json`.

    Args:
        made: faces to learn units from. test: other people's. real: photographs for emotions, by `tags`.
    """
    import keras

    keras.utils.set_random_seed(training.seed)
    count = training.rows or len(made.crops)
    chosen = np.random.default_rng(training.seed).choice(len(made.crops), min(count, len(made.crops)), replace=False)
    x, units = faces(made, chosen), made.units[np.sort(chosen)]
    shown = (units >= SHOWN).astype(np.float32)
    seen = faces(test)
    judged: dict[str, list[Agreement]] = {"always zero": always_zero(NAMES, test.units)}

    def judge(name: str, logits: np.ndarray, intensity: np.ndarray | None = None) -> None:
        # occurrence alone has no intensity: a unit that is named counts as its middle, C
        said = np.where(logits > 0, 3.0, 0.0) if intensity is None else np.clip(intensity, 0, FULL)
        judged[name] = agreement(NAMES, test.units, logits > 0, said)
        print(name, judged[name][-1], flush=True)

    sparse = occurrence_loss(training.l1, training.l2)
    model = network(len(UNITS), training)
    learn(model, x, shown, sparse, training, training.epochs)
    judge("all", _said(model, seen))
    kept = features(model)

    own, others = _said(kept, x), _said(kept, seen)
    single = np.empty((len(seen), len(UNITS)), np.float32)
    for column in range(len(UNITS)):
        one = head(own.shape[1], 1, training)
        learn(one, own, shown[:, column : column + 1], occurrence_loss(0.0, 0.0), training, training.epochs)
        single[:, column : column + 1] = _said(one, others)
    judge("one", single)

    strengths = network(len(UNITS), training)
    learn(strengths, x, units, intensity_loss(training.l1, training.l2), training, training.epochs)
    intensity = _said(strengths, seen)
    judge("intensity", intensity - SHOWN, intensity)

    emotions = network(len(FERPLUS8), training)
    for name in ("untrained", "transfer"):
        if name == "transfer":
            _learn_emotions(emotions, real, tags, training)
        kept = features(emotions)
        new = head(kept.output_shape[1], len(UNITS), training)
        learn(new, _said(kept, x), shown, sparse, training, training.epochs)
        judge(name, _said(new, _said(kept, seen)))
    done = {
        "training": asdict(training),
        "rows": {"train": len(x), "test": len(seen), "people": len(set(test.names.tolist()))},
        "parameters": model.count_params(),
        "judged": {name: [asdict(row) for row in rows] for name, rows in judged.items()},
    }
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(out / "paper.json", (json.dumps(done, indent=1) + "\n").encode())
    return done


def _said(model: Any, x: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict(x, 256, verbose=0))


def _learn_emotions(model: Any, real: Rows, tags: dict[str, str], training: PaperTraining) -> None:
    import keras

    rows = np.array([i for i, name in enumerate(real.names.tolist()) if tags.get(name) in FERPLUS8])
    if training.rows:
        rows = np.random.default_rng(training.seed).permutation(rows)[: training.rows]
    truth = np.array([FERPLUS8.index(tags[real.names[i]]) for i in np.sort(rows)])
    learn(
        model,
        faces(real, rows),
        truth,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        training,
        training.emotion_epochs,
    )


_FORMS = {
    "all": ("occurrence, all against all, L1 + L2", f"{PAPER_OCCURRENCE} %"),
    "intensity": ("intensity, all against all, L1 + L2", f"{PAPER_INTENSITY} %, MSE {PAPER_MSE}"),
    "one": ("occurrence, each unit by itself", "high with most units"),
    "transfer": ("occurrence, convolutions kept from emotions", ""),
    "untrained": ("occurrence, convolutions that learnt nothing", ""),
    "always zero": ("nothing is said", ""),
}


def table(done: dict[str, Any]) -> str:
    """What `run` gave, beside the paper's figures."""
    rows, training = done["rows"], done["training"]
    lines = [
        f"Synthetic: {rows['test']} pictures of {rows['people']} people, {rows['train']} to learn from; "
        f"{training['width']:g} of the paper's width, {done['parameters']:,} parameters, {training['epochs']} epochs.",
        "",
        "| form | paper, CK+ | accuracy of occurrence | F1 | accuracy of intensity | MSE | MAE | ICC(3,1) | PCC |",
        "|---|---|" + "---:|" * 7,
    ]
    for name, (words, printed) in _FORMS.items():
        mean = done["judged"][name][-1]
        lines.append(
            f"| {words} | {printed} | {100 * mean['accuracy']:.2f} % | {mean['f1']:.3f} | "
            + (
                f"{100 * mean['rounded']:.1f} % | {mean['mse']:.4f} | {mean['mae']:.3f} | {mean['icc']:.3f} | "
                f"{mean['pcc']:.3f} |"
                if name in ("intensity", "always zero")
                else "| | | | |"
            )
        )
    return "\n".join(lines)
