"""Labels of the training set that look wrong."""

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from pipeline.report.evidence import Evidence
from pipeline.report.shown import show
from pipeline.report.sprites import SpriteSheet
from pipeline.report.templating import render

_SHOWN = 24


def suspicious_labels(
    probs: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]
) -> npt.NDArray[np.intp]:
    """Return the indices of labels that are probably wrong, the most suspicious first.

    `probs` (N, K) are out of fold, `labels` (N,) lie in 0..K-1. It is confident learning
    (Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels",
    JAIR 70, 2021): an image is suspicious if a network that never saw it gives another class at
    least the probability which that class's own images get on average. Ordered by normalised
    margin, the label's probability minus the other class's.
    """
    every = np.arange(len(labels))
    thresholds = np.full(probs.shape[1], np.inf)  # nothing is sure to be of a class never seen
    for label in np.unique(labels):
        thresholds[label] = probs[labels == label, label].mean()
    confident = np.where(probs >= thresholds, probs, 0)
    believed = confident.argmax(axis=1)
    suspicious = (confident[every, believed] > 0) & (believed != labels)
    margin = probs[every, labels] - probs[every, believed]
    found = np.flatnonzero(suspicious)
    order: npt.NDArray[np.intp] = found[margin[found].argsort(kind="stable")]
    return order


def section(evidence: Evidence, sheet: SpriteSheet) -> Markup:
    """Return the section."""
    found = suspicious_labels(evidence.out_of_fold.probs, evidence.valid_labels)
    return render(
        "suspects.html",
        digits=[show(evidence, sheet, index) for index in found[:_SHOWN]],
        num_found=len(found),
        total=len(evidence.out_of_fold.ids),
        num_train=len(evidence.train_labels),
        train_csv=evidence.competition.train_csv,
    )
