"""From uint8 pixels to what a network sees: one way for training, validation and test."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


@dataclass(frozen=True)
class Preprocessing:
    """Scaling each channel to mean 0 and deviation 1, by the training images' pixels in 0..255.

    Of one channel both are a number, of several C numbers.
    """

    mean: float | list[float]
    std: float | list[float]

    @classmethod
    def of(cls, images: npt.NDArray[np.uint8]) -> "Preprocessing":
        """Measure the training images: uint8 (N, C, H, W)."""
        measured = [_measure(images[:, channel]) for channel in range(images.shape[1])]
        if len(measured) == 1:
            return cls(*measured[0])
        means, stds = zip(*measured, strict=True)
        return cls(list(means), list(stds))

    def __call__(self, images: Tensor) -> Tensor:
        """Turn pixels in 0..255, any dtype, into float32 of the same shape on the same device."""
        return (images.float() - _on(images, self.mean)) / _on(images, self.std)


def _measure(channel: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """Mean and deviation of a channel, (N, H, W); that of an empty one is 1."""
    # From the histogram, exactly, without a float copy of all pixels.
    counts = np.bincount(channel.ravel(), minlength=256)
    share = counts / counts.sum()
    mean = float(share @ np.arange(256))
    std = float(np.sqrt(share @ (np.arange(256) - mean) ** 2))
    return mean, max(std, 1.0)


def _on(images: Tensor, value: float | list[float]) -> float | Tensor:
    """A number as it is, and numbers as (C, 1, 1) beside the images."""
    if isinstance(value, float):
        return value
    return _column(tuple(value), images.device)


@cache
def _column(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Numbers as (C, 1, 1); kept, as a GPU would wait for them in every batch."""
    return torch.tensor(values, device=device)[:, None, None]
