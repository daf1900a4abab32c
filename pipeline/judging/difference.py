"""How much better B is than A: paired over images, over seeds where there are several."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.judging.evidence import DECISIVE, log_evidence
from pipeline.judging.intervals import Z_95, paired_interval


@dataclass(frozen=True)
class Outcomes:
    """What the networks of one side got right."""

    correct: npt.NDArray[np.bool_]
    """(S, N): a row for each of S seeds, a column for each image."""
    trainings: npt.NDArray[np.integer]
    """(N,): which training held the image out. Images of one training were classified by one
    network per seed, so its luck is theirs in common."""


@dataclass(frozen=True)
class Luck:
    """How much the luck of training moves one network's accuracy, beyond the images' chance."""

    variance: float
    """Of a network's accuracy on endless images, over seeds; 0 or more."""
    mean_square: float
    """Variance over seeds of a training's accuracy on its own images: luck and chance together."""
    dof: int
    """Degrees of freedom behind both."""


@dataclass(frozen=True)
class Difference:
    r"""The difference between two sides' accuracy, B - A, and everything said about it.

    An image's difference d is the share of B's networks that got it right minus the share of
    A's: -1, 0 or 1 with one seed each, finer with several. The model is that of a crossed study
    of cases and readers (Gallas, Pennello and Myers, JOSA A 24 (2007), B70): images are a sample,
    seeds are a sample, and each seed's network errs on images of its own:

        Var(mean d) = sum of d² / N²  +  luck · (1/S_A + 1/S_B) · sum of (training's share of N)²

    The first term holds the images and what each network errs on by itself; it shrinks as seeds
    are averaged. The second is what the images of one training have in common; `Luck` is
    estimated from the seeds. With one seed each it cannot be and is left out: the result is then
    about these two networks. The training images are taken as given.

    Everything else is that of one network each, with counts divided by their design effect
    (Rao and Scott, Biometrics 48 (1992), 577): `weight` is the number by which the decisive
    images, and all images, are multiplied so that they have the variance above. With one seed it
    is exactly 1 and all counts are whole. The luck's uncertainty, from so few seeds, enters by
    Satterthwaite's degrees of freedom (Biometrics Bulletin 2 (1946), 110), taken from the whole
    mean square over seeds as Hillis does (Statistics in Medicine 26 (2007), 596); with two seeds
    of one fold that makes intervals twice as wide, from three folds on it costs little.
    """

    num_images: int
    """N."""
    num_seeds: tuple[int, int]
    """(S_A, S_B)."""
    only_a: float
    """Sum of A's leads: with one seed each, the images that only A got right."""
    only_b: float
    weight: float
    """What an image counts; see above."""
    dof: float
    """Degrees of freedom of the variance; infinite with one seed each."""
    mean_square: float
    """Mean of d². With one seed each, the share of decisive images."""
    luck: float | None
    """Variance of a network's accuracy over seeds; None with one seed each."""

    @property
    def value(self) -> float:
        """B's accuracy minus A's, both on the N images."""
        return (self.only_b - self.only_a) / self.num_images

    @property
    def is_of_single_networks(self) -> bool:
        """Whether each side has one seed, so that the luck of training is left out."""
        return self.luck is None

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval (low, high) of the difference, for a single look."""
        from scipy.special import stdtrit  # the quantile of Student's t

        critical = Z_95 if self.dof == np.inf else float(stdtrit(self.dof, 0.975))
        return self._interval(self.weight, critical)

    def leaderboard_interval(self, num_test: int) -> tuple[float, float]:
        """Return where the difference of the scores, on so many images, will lie with 95 %.

        It is that of these very networks (the mean over the seeds), so their luck, which the
        images have seen, is no uncertainty here; to the validation images' sampling comes that of
        the test images, squared and added on either side.
        """
        num_decisive = self.only_a + self.only_b
        of_images = self.num_images * self.mean_square
        low, high = self._interval(num_decisive / of_images if num_decisive else 1.0, Z_95)
        further = Z_95 * ((self.mean_square - self.value**2) / num_test) ** 0.5
        return (
            self.value - float(np.hypot(self.value - low, further)),
            self.value + float(np.hypot(high - self.value, further)),
        )

    def _interval(self, weight: float, critical: float) -> tuple[float, float]:
        """The interval if an image counts `weight`."""
        counts = (self.only_b, self.only_a, self.num_images)
        only_b, only_a, total = (weight * count for count in counts)
        return paired_interval(only_b, only_a, total, critical)

    def p_value(self) -> float:
        """Return how often sides that are equally good differ this much, in a single look.

        With one network each it is McNemar's test in its exact form (Psychometrika 12 (1947),
        153): the decisive images against a fair coin. With several seeds, a t test with the
        variance of the model.
        """
        from scipy.special import stdtr
        from scipy.stats import binomtest

        num_decisive = self.only_a + self.only_b
        if num_decisive == 0:
            return 1.0
        if self.is_of_single_networks:
            return float(binomtest(round(self.only_b), round(num_decisive)).pvalue)
        return float(2 * stdtr(self.dof, -self._deviations))

    @property
    def evidence(self) -> float:
        """How strongly the images speak for a difference, however often one has looked.

        See `log_evidence`. With several seeds, the decisive images are counted by their weight.
        """
        return math.exp(min(700.0, float(log_evidence(*self.evidence_counts))))

    @property
    def verdict(self) -> Literal["better", "worse", "cannot tell"]:
        """What may be said of B; wrong in at most 5 of 100 comparisons of equals, ever."""
        if self.evidence < DECISIVE:
            return "cannot tell"
        return "better" if self.value > 0 else "worse"

    @cached_property
    def evidence_counts(self) -> tuple[float, float]:
        """A's and B's decisive images as the evidence counts them; may be fractions.

        Where the variance has few degrees of freedom, so much is taken off that the split lies
        as many normal standard deviations from one half as it lies in those of Student's t.
        """
        from scipy.special import ndtri, stdtr

        weight = self.weight
        if self._deviations > 0 and self.dof != np.inf:
            tail = max(float(stdtr(self.dof, -self._deviations)), 1e-300)
            weight *= float(ndtri(tail) / self._deviations) ** 2
        return weight * self.only_a, weight * self.only_b

    @property
    def _deviations(self) -> float:
        """The difference in standard deviations, as they are if A and B are equally good."""
        num_decisive = self.weight * (self.only_a + self.only_b)
        lead = self.weight * abs(self.only_b - self.only_a)
        return lead / num_decisive**0.5 if num_decisive else 0.0


def measure_difference(a: Outcomes, b: Outcomes) -> Difference:
    """Return the difference between two sides that classified the same images, in one order."""
    assert a.correct.shape[1] == b.correct.shape[1] > 0
    num_images = a.correct.shape[1]
    share_a, share_b = a.correct.mean(axis=0), b.correct.mean(axis=0)
    d = share_b - share_a
    of_images = float((d**2).sum())
    luck = measure_luck([a, b])
    weight, dof = 1.0, np.inf
    if of_images > 0 and luck is not None:
        spread = num_images**2 * sum(_concentration(side) / len(side.correct) for side in (a, b))
        variance = of_images + luck.variance * spread
        weight = float(np.abs(d).sum()) / variance
        if luck.mean_square > 0:
            dof = luck.dof * (variance / (luck.mean_square * spread)) ** 2
    return Difference(
        num_images=num_images,
        num_seeds=(len(a.correct), len(b.correct)),
        only_a=float(-d[d < 0].sum()),
        only_b=float(d[d > 0].sum()),
        weight=weight,
        dof=dof,
        mean_square=of_images / num_images,
        luck=None if luck is None else luck.variance,
    )


def measure_luck(sides: list[Outcomes]) -> Luck | None:
    """Return the luck of training, pooled over sides and trainings; None without a second seed.

    Seeds' accuracies differ on n images even if their networks are equally good, because each
    errs on images of its own. What is left beyond that is the luck: Jordan's unbiased estimate
    (Calibrated chaos, arXiv 2304.01910, 2023), n/(n-1) · (variance of the accuracy - mean
    variance of an image / n). Where it comes out negative, it is 0.
    """
    excess = mean_square = 0.0
    dof = 0
    for side in sides:
        free = len(side.correct) - 1
        if not free:
            continue
        for training in np.unique(side.trainings):
            correct = side.correct[:, side.trainings == training]
            n = correct.shape[1]
            between = float(correct.mean(axis=1).var(ddof=1))
            of_an_image = float(correct.var(axis=0, ddof=1).mean())
            excess += free * (n * between - of_an_image) / (n - 1)
            mean_square += free * between
            dof += free
    if not dof:
        return None
    return Luck(max(0.0, excess / dof), mean_square / dof, dof)


def _concentration(side: Outcomes) -> float:
    """The sum over trainings of the squared share of the images that they held out."""
    _, sizes = np.unique(side.trainings, return_counts=True)
    return float(((sizes / sizes.sum()) ** 2).sum())
