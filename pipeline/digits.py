"""The digits of a competition as arrays."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Digits:
    """All images of a competition.

    Attributes:
        train_images: uint8 (N, C, H, W), in the order of `train.csv`.
        train_labels: uint8 (N,), 0..K-1.
        test_images: uint8 (M, C, H, W), in the order of `test.csv`; ids are 1..M.
    """

    train_images: npt.NDArray[np.uint8]
    train_labels: npt.NDArray[np.uint8]
    test_images: npt.NDArray[np.uint8]
