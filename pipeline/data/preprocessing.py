"""From uint8 pixels to what a network sees: one way for training, validation and test."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor


@dataclass(frozen=True)
class Preprocessing:
    """Scaling to mean 0 and deviation 1, by the training images' pixels on the 0..255 scale."""

    mean: float
    std: float

    @classmethod
    def of(cls, images: npt.NDArray[np.uint8]) -> "Preprocessing":
        """Measure the training images: uint8 (N, C, H, W)."""
        # From the histogram, exactly, without a float copy of all pixels.
        counts = np.bincount(images.ravel(), minlength=256)
        share = counts / counts.sum()
        mean = float(share @ np.arange(256))
        std = float(np.sqrt(share @ (np.arange(256) - mean) ** 2))
        return cls(mean, max(std, 1.0))

    def __call__(self, images: Tensor) -> Tensor:
        """Turn pixels in 0..255, any dtype, into float32 of the same shape on the same device."""
        return (images.float() - self.mean) / self.std
