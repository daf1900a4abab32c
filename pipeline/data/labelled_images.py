"""Images with their labels: what a network is trained or validated on."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class LabelledImages:
    """Some rows of `train.csv`.

    Attributes:
        images: uint8 (N, C, H, W).
        labels: (N,), 0..K-1.
        rows: int64 (N,), each image's row in `train.csv`: its identity in every fold.
    """

    images: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.integer]
    rows: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: npt.NDArray[np.bool_]) -> "LabelledImages":
        """Return the images for which `chosen`, (N,), is true."""
        return LabelledImages(self.images[chosen], self.labels[chosen], self.rows[chosen])
