"""Images as they are shown on the page; among them the worst mistakes and the first test images."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from pipeline.report.evidence import Evidence
from pipeline.report.sprites import Sprite, SpriteSheet
from pipeline.report.templating import render

_MOST_MISTAKES = 24


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


def first_test_images(evidence: Evidence, sheet: SpriteSheet) -> Markup:
    """Return the section on the first test images, with what was predicted for them."""
    names = evidence.competition.class_names
    images = zip(evidence.test_images, evidence.test_probs, strict=True)
    digits = [
        (number, sheet.place(("test", number), image), names[probs.argmax()], float(probs.max()))
        for number, (image, probs) in enumerate(images, 1)
    ]
    return render("testset.html", digits=digits, num_test=evidence.num_test)
