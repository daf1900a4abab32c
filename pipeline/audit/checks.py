"""What an audit says, and where it draws the line."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.scoring import Accuracy

MOST_DUPLICATES = 0.001
"""Share of images that may lie on both sides before a score is called false.

The competition's own files have not one such image in 42,000 and 28,000, nor has the practice set.
One in a thousand, all of them known by heart, raises a score by less than 0.00001 where one image
in a hundred is misread; a training set that somebody mixed with the test images has thousands.
"""

MOST_PLAUSIBLE = 0.9985
"""An accuracy that an honest network does not surely exceed.

Of MNIST's 10,000 test labels, 15 are wrong (C. G. Northcutt, A. Athalye, J. Mueller: Pervasive
Label Errors in Test Sets Destabilize Machine Learning Benchmarks, NeurIPS 2021): who reads all
others right scores 0.9985, and more is luck or a leak. The best honest scores found on the
competition's full leaderboard are 0.9966 to 0.9970.
"""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        subject: What, in a word or two.
        text: What was seen.
        passed: False if it makes a score, or what is claimed of it, false.
    """

    subject: str
    text: str
    passed: bool = True


def findings(checks: Iterable[Check]) -> list[str]:
    """Return what was found, a text each."""
    return [f"{check.subject}: {check.text}" for check in checks if not check.passed]


def check_plausible(accuracy: Accuracy) -> Check:
    """Look whether a validation accuracy is better than honest ones can be."""
    low, _ = accuracy.interval()
    if low <= MOST_PLAUSIBLE:
        return Check("accuracy", f"{accuracy}, which is plausible")
    return Check(
        "accuracy",
        f"{accuracy} is surely above {MOST_PLAUSIBLE}, more than the labels themselves are right; "
        "has the network seen these images, or copies of them?",
        passed=False,
    )
