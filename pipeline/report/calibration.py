"""Calibration: whether the network is right as often as it says."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from pipeline.data.randomness import derive_seed
from pipeline.report.charts import FIRST, MUTED, draw
from pipeline.report.evidence import Evidence
from pipeline.report.sprites import SpriteSheet
from pipeline.report.templating import render
from pipeline.runs.scoring import Accuracy

NUM_BINS = 15
"""As Guo et al. (2017) have it."""

_DRAWS = 1_000


@dataclass(frozen=True)
class Bin:
    """The images whose confidence lies above `low` and up to `high`, and its mean."""

    low: float
    high: float
    confidence: float
    accuracy: Accuracy


@dataclass(frozen=True)
class Calibration:
    """How far confidence and accuracy lie apart, over all images and in each bin with images.

    Attributes:
        bins: By confidence.
        error: The expected calibration error, in [0, 1].
        chance: What `error` would reach in 95 of 100 such sets of images for a network whose
            confidences are exactly its chances of being right.
        confidence: The mean.
        accuracy: Of all images.
    """

    bins: list[Bin]
    error: float
    chance: float
    confidence: float
    accuracy: Accuracy

    @property
    def verdict(self) -> str:
        """In words, whether the probabilities can be taken as they stand."""
        if self.error <= self.chance:
            return "well calibrated as far as so many images can tell"
        gap = self.confidence - self.accuracy.value
        word = "overconfident" if gap > 0 else "underconfident"
        return f"{word} by {100 * abs(gap):.2f} points on average"


def calibrate(confidence: npt.NDArray[np.floating], correct: npt.NDArray[np.bool_]) -> Calibration:
    """Measure calibration in `NUM_BINS` bins of equal width.

    Of N images, `confidence` (N,) is the probability of the predicted class, and `correct` (N,)
    whether that is right.

    The expected calibration error is the mean over the images of |accuracy - mean confidence| of
    their bin (Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML
    2017). Chance alone keeps it above zero. How far is found by drawing whether each image is
    right with its own confidence as the probability (consistency resampling: Bröcker and Smith,
    "Increasing the Reliability of Reliability Diagrams", Weather and Forecasting 22, 2007).
    """
    confidence = confidence.astype(np.float64)
    which = np.clip(np.ceil(confidence * NUM_BINS).astype(np.int64) - 1, 0, NUM_BINS - 1)
    counts = np.bincount(which, minlength=NUM_BINS)
    expected = np.bincount(which, confidence, NUM_BINS)

    def error(right: npt.NDArray[np.number]) -> float:
        return float(np.abs(right - expected).sum() / len(confidence))

    right = np.bincount(which, correct, NUM_BINS)
    rng = np.random.default_rng(derive_seed(0, "calibration"))
    by_chance = [
        error(np.bincount(which, rng.random(len(confidence)) < confidence, NUM_BINS))
        for _ in range(_DRAWS)
    ]
    return Calibration(
        bins=[
            Bin(
                low=index / NUM_BINS,
                high=(index + 1) / NUM_BINS,
                confidence=expected[index] / counts[index],
                accuracy=Accuracy(int(right[index]), int(counts[index])),
            )
            for index in np.flatnonzero(counts)
        ],
        error=error(right),
        chance=float(np.quantile(by_chance, 0.95)),
        confidence=float(confidence.mean()),
        accuracy=Accuracy(int(correct.sum()), len(correct)),
    )


def section(evidence: Evidence, sheet: SpriteSheet) -> Markup:
    """Return the section; it shows no digits."""
    found = of(evidence)
    return render("calibration.html", found=found, num_bins=NUM_BINS, chart=_chart(found))


def of(evidence: Evidence) -> Calibration:
    """Return the calibration of a run's out-of-fold probabilities."""
    probs = evidence.out_of_fold.probs
    return calibrate(probs.max(axis=1), evidence.predictions == evidence.valid_labels)


def _chart(found: Calibration) -> Markup:
    """The reliability curve, above the number of images in each bin."""
    confidences = np.array([each.confidence for each in found.bins])
    values = np.array([each.accuracy.value for each in found.bins])
    totals = [each.accuracy.total for each in found.bins]
    ends = np.array([each.accuracy.interval() for each in found.bins]).T

    def paint(figure: Figure) -> None:
        curve, histogram = figure.subplots(2, sharex=True, height_ratios=(3, 1))
        curve.plot([0, 1], [0, 1], color=MUTED, linestyle=":", label="perfectly calibrated")
        style = {"fmt": "o-", "color": FIRST, "capsize": 2, "label": "this run, 95 % interval"}
        curve.errorbar(confidences, values, yerr=np.abs(ends - values), **style)
        curve.set(ylabel="share read right", ylim=(-0.02, 1.04))
        curve.legend()
        lows = [each.low for each in found.bins]
        style = {"align": "edge", "color": FIRST, "edgecolor": "none"}
        histogram.bar(lows, totals, width=1 / NUM_BINS, **style)
        histogram.set(yscale="log", ylabel="images", xlim=(0, 1.01))
        histogram.set_xlabel("confidence: probability of the class predicted")
        histogram.yaxis.set_major_locator(LogLocator(numticks=4))
        histogram.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        histogram.yaxis.set_minor_locator(NullLocator())

    said = "; ".join(
        f"confidence {confidence:.2f}: {value:.2f} of {total:,}"
        for confidence, value, total in zip(confidences, values, totals, strict=True)
    )
    return draw(f"Reliability curve: share read right by confidence. {said}.", paint)
