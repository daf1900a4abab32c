"""The checks of an audit: what makes a score false, and where the lines are drawn."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.data.digits import Digits
from pipeline.judging.neighbours import Neighbours, find_copies, find_copies_across
from pipeline.runs.probs import Probs
from pipeline.runs.scoring import Accuracy
from pipeline.settings.fields import Settings

MOST_DUPLICATES = 0.001
"""Share of images that may lie on both sides before a score is called false.

The competition's own files have not one such image in 42,000 and 28,000, nor has the practice set.
One in a thousand, all of them known by heart, raises a score by less than 0.00001 where one image
in a hundred is misread; a training set that somebody mixed with the test images has thousands.
"""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at, and what was seen."""

    subject: str
    text: str
    passed: bool = True
    """False if it makes a score, or what is claimed of it, false."""


def findings(checks: Iterable[Check]) -> list[str]:
    """Return what was found, a text each."""
    return [f"{check.subject}: {check.text}" for check in checks if not check.passed]


def check_plausible(accuracy: Accuracy, most: float | None) -> Check:
    """Look whether a validation accuracy is better than honest ones can be, if that is known."""
    if most is None:
        return Check("accuracy", f"{accuracy}; what would be too good to be true is not known here")
    low, _ = accuracy.interval()
    if low <= most:
        return Check("accuracy", f"{accuracy}, which is plausible")
    return Check(
        "accuracy",
        f"{accuracy} is surely above {most:g}, more than the labels themselves are right; "
        "has the network seen these images, or copies of them?",
        passed=False,
    )


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


def check_data(
    digits: Digits,
    folds: npt.NDArray[np.integer],
    neighbours: Neighbours | None,
    class_names: Sequence[str],
) -> list[Check]:
    """Look for what would make every run's accuracy or score false.

    `folds` are (N,), of the training images. The nearest images count if they were looked for.
    """
    train, test = digits.train_images, digits.test_images
    sets = (("test", "in the training set"), ("training", "in another fold"))
    copied = (find_copies(test, train), find_copies_across(train, folds))
    checks = [
        _check_few("copies", copies, f"{kind} images are also {place}")
        for (kind, place), copies in zip(sets, copied, strict=True)
    ]
    if neighbours:
        pairs = (neighbours.test.distance, neighbours.train.distance)
        checks += [
            _check_few(
                "near copies",
                distance < NEAR,
                f"{kind} images differ by less than {100 * NEAR:.0f} % from one {place}; the "
                f"nearest by {100 * distance.min():.1f} %",
            )
            for (kind, place), distance in zip(sets, pairs, strict=True)
        ]
    return [*checks, _check_labels(digits.train_labels, folds, class_names), *_check_drift(digits)]


def _check_few(subject: str, shared: npt.NDArray[np.bool_], text: str) -> Check:
    passed = int(shared.sum()) <= MOST_DUPLICATES * len(shared)
    return Check(subject, f"{shared.sum():,} of {len(shared):,} {text}", passed)


def _check_labels(
    labels: npt.NDArray[np.integer], folds: npt.NDArray[np.integer], class_names: Sequence[str]
) -> Check:
    """Count the labels, and how evenly they are spread over the folds."""
    counts = np.zeros((folds.max() + 1, labels.max() + 1), dtype=np.int64)
    np.add.at(counts, (folds, labels), 1)
    total = counts.sum(axis=0)
    least, most = total.argmin(), total.argmax()
    text = f"{total[least]:,} of {class_names[least]} to {total[most]:,} of {class_names[most]}"
    if total[least] == total[most]:
        text = f"{total[least]:,} of each"
    uneven = (counts.max(axis=0) - counts.min(axis=0)).max()
    return Check("labels", f"{text}; of each, folds have the same number up to {uneven}")


def _check_drift(digits: Digits) -> list[Check]:
    """Compare training and test pixels: their range, the ink of an image, its inked area.

    Of three channels it is how bright an image is, and how much of its value is not 0.
    """
    train, test = digits.train_images, digits.test_images
    low, high = sorted((int(train.max()), int(test.max())))
    text = f"{train.min()} to {train.max()} in training, {test.min()} to {test.max()} in test"
    checks = [Check("pixel range", text, passed=2 * low >= high)]  # 0..1 beside 0..255 is the fault
    pixels = (1, 2, 3)
    ink, area = ("brightness", "not black") if train.shape[1] == 3 else ("ink", "inked area")
    for subject, unit, a, b in (
        (ink, "levels", train.mean(axis=pixels), test.mean(axis=pixels)),
        (area, "%", *(100 * (each > 0).mean(axis=pixels) for each in (train, test))),
    ):
        text = f"{a.mean():.2f} {unit} a training image, {b.mean():.2f} a test image"
        spread = np.sqrt((a.var() + b.var()) / 2)
        chance = 3 * np.sqrt(1 / len(a) + 1 / len(b))  # three standard errors
        drift = abs(a.mean() - b.mean()) / spread if spread else float(a.mean() != b.mean())
        text += f": {drift:.3f} standard deviations apart"
        checks.append(Check(subject, text, passed=drift <= MOST_DRIFT + chance))
    return checks


def check_held_out(
    claimed: Mapping[int, npt.NDArray[np.int64]],
    row_folds: npt.NDArray[np.integer],
    settings: Settings,
) -> Check:
    """Look whether each training is scored on the rows it held out, on all of them and no others.

    A row too many was trained on; a row too few may have been left out because it was wrong.
    Claimed are the rows that each finished training is scored on; `row_folds` are (N,), of the rows
    of `train.csv`, and the run's settings say which of them a training held out.
    """
    subject = "validation rows"
    for fold, rows in claimed.items():
        held_out = np.flatnonzero(np.isin(row_folds, settings.held_out(fold)))
        name = f"fold {fold}" if held_out.size else "the training on all data"
        if (seen := np.setdiff1d(rows, held_out)).size:
            text = f"{seen.size:,} of the {rows.size:,} rows that score {name} were trained on"
            return Check(subject, f"{text} (the first is row {seen[0]})", passed=False)
        if (missing := np.setdiff1d(held_out, rows)).size:
            text = f"{missing.size:,} of the {held_out.size:,} rows that {name} held out"
            return Check(subject, f"{text} are left out of its score", passed=False)
        if rows.size > held_out.size:
            return Check(subject, f"{name} is scored on some rows twice", passed=False)
    number = sum(rows.size for rows in claimed.values())
    if not number:
        return Check(subject, "none, so no accuracy is claimed")
    return Check(subject, f"{number:,}, each held out from the training it scores")


def check_mean(whole: Probs, parts: Sequence[Probs], what: str) -> Check:
    """Look whether probabilities are the mean of their parts', all of them sorted by id."""
    if any(not np.array_equal(part.ids, whole.ids) for part in parts):
        return Check("ensemble", f"its {what} are of other images than its members'", passed=False)
    mean = np.mean([part.probs.astype(np.float64) for part in parts], axis=0)
    # float32 keeps seven digits of a probability.
    if not np.allclose(whole.probs, mean, rtol=0, atol=1e-6):
        return Check("ensemble", f"its {what} are not the mean of its members'", passed=False)
    return Check("ensemble", f"its {what} are the mean of its {len(parts)} members'")
