"""What the competition's images and labels say: copies, drift, counts."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.audit.checks import MOST_DUPLICATES, Check
from pipeline.audit.duplicates import Nearest, find_copies, find_copies_across
from pipeline.digits import Digits

NEAR = 0.1
"""Images nearer than this are nearly copies: the distance that noise of a tenth makes.

In the competition's files the nearest test image is 0.129 from a training image, two ones; the
median distance of two nearest digits is 0.46.
"""

MOST_DRIFT = 0.1
"""Difference of two means, in standard deviations, up to which they count as equal.

P. C. Austin, Statistics in Medicine 28 (2009), who compares groups that should be alike. The
competition's two sets differ by 0.006, those of the practice competition by 0.014.
"""


@dataclass(frozen=True)
class Neighbours:
    """The nearest images on the other side of a line that nothing should have crossed.

    Attributes:
        test: For each test image, the nearest training image.
        train: For each training image, the nearest one of another fold.
    """

    test: Nearest
    train: Nearest


def check_data(
    digits: Digits, folds: npt.NDArray[np.integer], neighbours: Neighbours | None
) -> list[Check]:
    """Look for what would make every run's accuracy or score false.

    Args:
        digits: All images.
        folds: (N,), the fold of each training image.
        neighbours: The nearest images, if they were looked for.
    """
    train, test = digits.train_images, digits.test_images
    checks = [
        _check_copies("test", find_copies(test, train), "in the training set"),
        _check_copies("training", find_copies_across(train, folds), "in another fold"),
    ]
    if neighbours:
        checks += [
            _check_near("test", neighbours.test, "in the training set"),
            _check_near("training", neighbours.train, "in another fold"),
        ]
    return [*checks, check_labels(digits.train_labels, folds), *check_drift(digits)]


def _check_copies(kind: str, copies: npt.NDArray[np.bool_], place: str) -> Check:
    text = f"{copies.sum():,} of {len(copies):,} {kind} images are also {place}"
    return Check("copies", text, passed=_are_few(copies))


def _check_near(kind: str, nearest: Nearest, place: str) -> Check:
    near = nearest.distance < NEAR
    text = (
        f"{near.sum():,} of {len(near):,} {kind} images differ by less than {100 * NEAR:.0f} % "
        f"from one {place}; the nearest by {100 * nearest.distance.min():.1f} %"
    )
    return Check("near copies", text, passed=_are_few(near))


def _are_few(shared: npt.NDArray[np.bool_]) -> bool:
    return int(shared.sum()) <= MOST_DUPLICATES * len(shared)


def check_labels(labels: npt.NDArray[np.integer], folds: npt.NDArray[np.integer]) -> Check:
    """Count the labels, and how evenly they are spread over the folds.

    Args:
        labels: (N,), 0..K-1.
        folds: (N,), 0..9.
    """
    counts = np.zeros((folds.max() + 1, labels.max() + 1), dtype=np.int64)
    np.add.at(counts, (folds, labels), 1)
    total = counts.sum(axis=0)
    least, most = total.argmin(), total.argmax()
    text = f"{total[least]:,} of {least} to {total[most]:,} of {most}"
    if total[least] == total[most]:
        text = f"{total[least]:,} of each"
    uneven = (counts.max(axis=0) - counts.min(axis=0)).max()
    return Check("labels", f"{text}; of each, folds have the same number up to {uneven}")


def check_drift(digits: Digits) -> list[Check]:
    """Compare training and test pixels: their range, the ink of an image, its inked area."""
    train, test = digits.train_images, digits.test_images
    low, high = sorted((int(train.max()), int(test.max())))
    text = f"{train.min()} to {train.max()} in training, {test.min()} to {test.max()} in test"
    checks = [Check("pixel range", text, passed=2 * low >= high)]  # 0..1 beside 0..255 is the fault
    for subject, unit, measure in (("ink", "levels", _ink), ("inked area", "%", _area)):
        a, b = measure(train), measure(test)
        text = f"{a.mean():.2f} {unit} a training image, {b.mean():.2f} a test image"
        spread = np.sqrt((a.var() + b.var()) / 2)
        chance = 3 * np.sqrt(1 / len(a) + 1 / len(b))  # three standard errors
        drift = abs(a.mean() - b.mean()) / spread if spread else float(a.mean() != b.mean())
        text += f": {drift:.3f} standard deviations apart"
        checks.append(Check(subject, text, passed=drift <= MOST_DRIFT + chance))
    return checks


def _ink(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """The mean level of each image, (N,)."""
    ink: npt.NDArray[np.float64] = images.mean(axis=(1, 2, 3))
    return ink


def _area(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """The share of pixels of each image that are not empty, in percent, (N,)."""
    area: npt.NDArray[np.float64] = 100 * (images > 0).mean(axis=(1, 2, 3))
    return area
