"""A validation image as it is shown on the page."""

from dataclasses import dataclass

from pipeline.report.evidence import Evidence
from pipeline.report.sprites import Sprite, SpriteSheet


@dataclass(frozen=True)
class ShownDigit:
    """One validation image with what the network made of it.

    Attributes:
        sprite: Its place in the sheet.
        row: Its row in `train.csv`.
        label: The name of its label.
        read_as: The name of the most probable class.
        probs: Classes' names with their probabilities, the most probable first.
        label_prob: The probability of its label.
    """

    sprite: Sprite
    row: int
    label: str
    read_as: str
    probs: list[tuple[str, float]]
    label_prob: float

    @property
    def read_prob(self) -> float:
        """The probability of the most probable class."""
        return self.probs[0][1]


def show(evidence: Evidence, sheet: SpriteSheet, index: int) -> ShownDigit:
    """Put one of the validation images into the sheet.

    Args:
        evidence: Of the run.
        sheet: Gets the image.
        index: Which one, counted in `evidence.out_of_fold`.
    """
    row = int(evidence.out_of_fold.ids[index])
    probs = evidence.out_of_fold.probs[index]
    names = evidence.competition.class_names
    order = (-probs).argsort(kind="stable")
    label = int(evidence.train_labels[row])
    return ShownDigit(
        sprite=sheet.place(("train", row), evidence.train_images[row]),
        row=row,
        label=names[label],
        read_as=names[order[0]],
        probs=[(names[i], float(probs[i])) for i in order],
        label_prob=float(probs[label]),
    )
