"""Images as they are shown: the worst mistakes, labels that look wrong, the first test images."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from pipeline.report.evidence import Evidence
from pipeline.report.sprites import Sprite, SpriteSheet
from pipeline.report.templating import render

_MOST_MISTAKES = 24
_MOST_SUSPECTS = 24


@dataclass(frozen=True)
class ShownDigit:
    """One validation image with what the network made of it.

    Attributes:
        sprite: Its place in the sheet.
        row: Its row in `train.csv`.
        label: The name of its label.
        probs: Classes' names with their probabilities, the most probable first.
    """

    sprite: Sprite
    row: int
    label: str
    probs: list[tuple[str, float]]

    @property
    def read_as(self) -> str:
        """The name of the most probable class."""
        return self.probs[0][0]

    @property
    def read_prob(self) -> float:
        """The probability of the most probable class."""
        return self.probs[0][1]

    @property
    def wrong(self) -> bool:
        """Whether it was misread."""
        return self.label != self.read_as


def show(evidence: Evidence, sheet: SpriteSheet, index: int) -> ShownDigit:
    """Put a validation image into the sheet, the `index`-th of `evidence.out_of_fold`."""
    row = int(evidence.out_of_fold.ids[index])
    probs = evidence.out_of_fold.probs[index]
    names = evidence.competition.class_names
    return ShownDigit(
        sprite=sheet.place(("train", row), evidence.train_images[row]),
        row=row,
        label=names[evidence.train_labels[row]],
        probs=[(names[i], float(probs[i])) for i in (-probs).argsort(kind="stable")],
    )


def mistakes(evidence: Evidence, sheet: SpriteSheet) -> Markup:
    """Return the section on the worst mistakes: by their cross-entropy, the largest first."""
    wrong = np.flatnonzero(evidence.predictions != evidence.valid_labels)
    label_probs = evidence.out_of_fold.probs[wrong, evidence.valid_labels[wrong]]
    worst = wrong[label_probs.argsort(kind="stable")[:_MOST_MISTAKES]]
    return render(
        "mistakes.html",
        digits=[show(evidence, sheet, index) for index in worst],
        num_wrong=len(wrong),
        total=len(evidence.out_of_fold.ids),
    )


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


def suspects(evidence: Evidence, sheet: SpriteSheet) -> Markup:
    """Return the section on labels that look wrong, the most suspicious first."""
    found = suspicious_labels(evidence.out_of_fold.probs, evidence.valid_labels)
    return render(
        "suspects.html",
        digits=[show(evidence, sheet, index) for index in found[:_MOST_SUSPECTS]],
        num_found=len(found),
        total=len(evidence.out_of_fold.ids),
        num_train=len(evidence.train_labels),
        competition=evidence.competition,
    )


def first_test_images(evidence: Evidence, sheet: SpriteSheet) -> Markup:
    """Return the section on the first test images, with what was predicted for them."""
    names = evidence.competition.class_names
    images = zip(evidence.test_images, evidence.test_probs, strict=True)
    digits = [
        (number, sheet.place(("test", number), image), names[probs.argmax()], float(probs.max()))
        for number, (image, probs) in enumerate(images, evidence.competition.first_id)
    ]
    return render("testset.html", digits=digits, num_test=evidence.num_test)
