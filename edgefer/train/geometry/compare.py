"""Models of the kind geometry beside a network of face crops, on the same rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from edgefer import recognize
from edgefer.errors import UsageError
from edgefer.labels import BASIC7, label_set, translate
from edgefer.measure import datasets
from edgefer.recognize.frame import FrameRecognizer
from edgefer.recognize.geometry import GeometryRecognizer
from edgefer.train.geometry import rows
from edgefer.train.settings import find_data


def compared(data: str, landmarks: Path, classic: Path, models: list[str], beside: str) -> str:
    """The table: for each source of points its val rows, the models on them, and chance.

    Raises:
        UsageError: a model is of another kind.
    """
    marks = rows.read_marks(landmarks)
    crops = recognize.open(beside)
    if not isinstance(crops, FrameRecognizer):
        raise UsageError(f"{beside}: does not judge single face crops")
    loaded = datasets.load(find_data(data), "val", labels="ferplus8")
    place = {int(row): index for index, row in enumerate(loaded.tags["row"].astype(np.int64))}
    lines = [f"{'points':<11}{'rows':>6}  {'model':<16}{'FER+ majority':>14}{'FER-2013':>10}{'mean recall':>13}"]
    for source in rows.SOURCES:
        val = rows.load_rows(data, "val", marks, classic if source == "classic" else None)
        most = int(np.bincount(val.truth).argmax())
        judged = {f"always {BASIC7[most]}": np.full(len(val.truth), most)}
        for model in models:
            recognizer = recognize.open(f"{model},points={source}")
            if not isinstance(recognizer, GeometryRecognizer):
                raise UsageError(f"{model}: expected a model of the kind geometry")
            judged[model] = recognizer.judge(val.points).argmax(axis=1)
        known = crops.manifest.output.labels
        scores = np.empty((len(val.truth), len(label_set(known))), np.float32)
        for index, row in enumerate(val.row):
            crops.prepare_crop(loaded.images[place[int(row)]])
            scores[index] = crops.infer()
        judged[beside] = translate(scores, known, "basic7").argmax(axis=1)
        for name, chosen in judged.items():
            recall = np.mean([(chosen[val.truth == label] == label).mean() for label in np.unique(val.truth)])
            lines.append(
                f"{source:<11}{len(val.truth):>6}  {name:<16}{100 * (chosen == val.truth).mean():>12.2f} %"
                f"{100 * (chosen == val.emotion).mean():>8.2f} %{100 * recall:>11.1f} %"
            )
        lines.append(f"{'':<11}{val.counts}")
    return "\n".join(lines)
