"""Two sides with their predictions: what is compared, drawn and put into words."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from pipeline.judging.difference import Difference, Outcomes, measure_difference


@dataclass(frozen=True)
class Side:
    """One run or more that differ in the seed alone, on the images both sides were validated on."""

    runs: list[str]
    probs: npt.NDArray[np.float32]
    """(S, N, K), a run each."""
    trainings: npt.NDArray[np.integer]
    """(N,): which of a run's trainings held the image out."""

    @property
    def mean_probs(self) -> npt.NDArray[np.float32]:
        """Mean over the seeds, float32 (N, K)."""
        mean: npt.NDArray[np.float32] = self.probs.mean(axis=0)
        return mean


@dataclass(frozen=True)
class Comparison:
    """Two sides, baseline and change, on the same N validation images."""

    a: Side
    b: Side
    rows: npt.NDArray[np.int64]
    """The images' rows in `train.csv`, (N,), rising."""
    labels: npt.NDArray[np.integer]
    """(N,)."""
    changes: list[str]
    """What B trains differently from A, a text each."""
    num_train: int
    """Rows of `train.csv`."""
    num_test: int
    """Images of the leaderboard."""

    @cached_property
    def difference(self) -> Difference:
        """How much better B is, and how sure that is."""
        return measure_difference(self._outcomes(self.a), self._outcomes(self.b))

    def _outcomes(self, side: Side) -> Outcomes:
        return Outcomes(side.probs.argmax(axis=2) == self.labels, side.trainings)
