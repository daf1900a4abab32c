"""Accuracy by class, and the confusion matrix with the images behind each cell."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.figure import Figure

from pipeline.report.charts import FIRST, draw
from pipeline.report.evidence import Evidence
from pipeline.report.shown import show
from pipeline.report.sprites import SpriteSheet
from pipeline.report.templating import render
from pipeline.runs.scoring import Accuracy

_MOST_RIGHT, _MOST_WRONG = 16, 40
"""Images shown of one cell of the matrix: a page stays small however bad its network is."""


@dataclass(frozen=True)
class ClassRow:
    """How often a class's images were read right, and as which other class most often."""

    name: str
    accuracy: Accuracy
    mistaken_for: str
    times: int  # may be 0


def confusion_matrix(
    labels: npt.NDArray[np.integer], predictions: npt.NDArray[np.integer], num_classes: int
) -> npt.NDArray[np.int64]:
    """Return counts, int64 (K, K): labels down, predictions across."""
    matrix = np.zeros((num_classes, num_classes), dtype=np.int64)
    np.add.at(matrix, (labels, predictions), 1)
    return matrix


def class_rows(evidence: Evidence) -> list[ClassRow]:
    """Return what became of each class that has validation images, in their order."""
    names = evidence.competition.class_names
    matrix = confusion_matrix(evidence.valid_labels, evidence.predictions, len(names))
    mistakes = matrix - np.diag(np.diag(matrix))
    return [
        ClassRow(
            names[label],
            Accuracy(int(matrix[label, label]), int(matrix[label].sum())),
            names[mistakes[label].argmax()],
            int(mistakes[label].max()),
        )
        for label in range(len(names))
        if matrix[label].any()
    ]


def section(evidence: Evidence, sheet: SpriteSheet) -> Markup:
    """Return the section."""
    cells = _cells(evidence, sheet)
    wrong = [cell for row in cells for cell in row if cell["count"] and not cell["right"]]
    rows = class_rows(evidence)
    return render(
        "classes.html",
        names=evidence.competition.class_names,
        rows=rows,
        chart=_chart(rows),
        cells=cells,
        train_file=evidence.competition.train_file,
        commonest=max(wrong, key=lambda cell: cell["count"], default=None),
    )


def _cells(evidence: Evidence, sheet: SpriteSheet) -> list[list[dict[str, Any]]]:
    """What is shown of each pair of label and prediction, labels down."""
    names, labels = evidence.competition.class_names, evidence.valid_labels
    predictions = evidence.predictions
    matrix = confusion_matrix(labels, predictions, len(names))
    most = max(1, (matrix - np.diag(np.diag(matrix))).max())
    confidence = evidence.out_of_fold.probs.max(axis=1)

    def cell(label: int, read_as: int) -> dict[str, Any]:
        right = label == read_as
        behind = np.flatnonzero((labels == label) & (predictions == read_as))
        order = confidence[behind].argsort(kind="stable")
        # The least sure of the right ones, the surest of the mistakes.
        chosen = behind[order[:_MOST_RIGHT]] if right else behind[order[::-1][:_MOST_WRONG]]
        return {
            "label": names[label],
            "read_as": names[read_as],
            "right": right,
            "anchor": f"cell-{label}-{read_as}",
            "count": len(behind),
            "heat": 0.0 if right else len(behind) / most,  # 1 for the most frequent mistake
            "digits": [show(evidence, sheet, index) for index in chosen],
        }

    return [[cell(i, j) for j in range(len(names))] for i in range(len(names))]


def _chart(rows: list[ClassRow]) -> Markup:
    """Each class's accuracy with its interval."""
    values = np.array([row.accuracy.value for row in rows])
    ends = np.array([row.accuracy.interval() for row in rows]).T

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        places, error = np.arange(len(rows)), 100 * np.abs(ends - values)
        axes.errorbar(100 * values, places, xerr=error, fmt="o", color=FIRST, capsize=3)
        axes.set_yticks(places, [row.name for row in rows])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set(xlabel="validation accuracy, % (bars: 95 % interval)", ylabel="label")

    said = ", ".join(f"{row.name}: {100 * row.accuracy.value:.2f} %" for row in rows)
    return draw(f"Validation accuracy of each class. {said}.", paint)
