"""Images with their labels: what a network is trained or validated on."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class LabelledImages:
    """Some rows of `train.csv`."""

    images: npt.NDArray[np.uint8]  # (N, C, H, W)
    labels: npt.NDArray[np.integer]  # (N,), 0..K-1
    rows: npt.NDArray[np.int64]  # (N,), in `train.csv`: each image's identity in every fold

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, chosen: npt.NDArray[np.bool_]) -> "LabelledImages":
        """Return the images for which `chosen`, (N,), is true."""
        return LabelledImages(self.images[chosen], self.labels[chosen], self.rows[chosen])
