"""How good predictions are, and how sure that is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Accuracy:
    """An accuracy with the images it was counted on.

    Attributes:
        correct: Images classified correctly.
        total: Images counted, at least 1.
    """

    correct: int
    total: int

    @property
    def value(self) -> float:
        """The share of correct images, in [0, 1]."""
        return self.correct / self.total

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval (low, high) of the accuracy on images like these.

        It is Wilson's score interval (E. B. Wilson, JASA 22, 1927), which keeps its coverage near
        100 % accuracy, where "± 1.96 standard errors" does not.
        """
        from scipy.stats import binomtest

        interval = binomtest(self.correct, self.total).proportion_ci(method="wilson")
        return float(interval.low), float(interval.high)

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.value:.4f} ({self.correct:,}/{self.total:,}, 95 % {low:.4f}-{high:.4f})"


def count_correct(probs: npt.NDArray[np.float32], labels: npt.NDArray[np.integer]) -> Accuracy:
    """Count the images whose most probable class is their label.

    Args:
        probs: (N, K), N ≥ 1.
        labels: (N,), in 0..K-1, in the same order.
    """
    assert len(probs) == len(labels) > 0
    return Accuracy(int((probs.argmax(axis=1) == labels).sum()), len(labels))
