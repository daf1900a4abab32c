"""What every compiled transform is: a draw from the image's key, and an effect on a batch."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from pipeline.augment.batched import counter

Params = Mapping[str, Tensor]
"""A transform's drawn parameters, each with the batch as its first dimension."""

Size = tuple[int, int]
"""(H, W)."""

Shape = tuple[int, int, int]
"""(C, H, W); C is 1 or 3."""

Interval = tuple[float, float]
"""(low, high) of a uniform draw; equal where the parameter is constant."""

UNIT: Interval = (0.0, 1.0)


@dataclass(frozen=True)
class Draws:
    """The random numbers of one transform for a batch of images.

    Attributes:
        values: Name of a scalar in `Transform.intervals` → float32 (B,), uniform on its interval.
        keys: int64 (B,), for numbers by the pixel.
        counter: The first counter of `keys` that belongs to this transform's noise.
        num_channels: C of the images.
    """

    values: Mapping[str, Tensor]
    keys: Tensor
    counter: int
    num_channels: int = 1

    def uniform(self, *shape: int) -> Tensor:
        """Return float32 (B, *shape), uniform on (0, 1], from the noise counters."""
        return counter.uniform_noise(self.keys, self.counter, math.prod(shape)).reshape(-1, *shape)

    def normal(self, *shape: int) -> Tensor:
        """Return float32 (B, *shape), standard normal, from the noise counters."""
        return counter.normal_noise(self.keys, self.counter, math.prod(shape)).reshape(-1, *shape)


def integers(unit: Tensor, low: float, high: float | Tensor) -> Tensor:
    """Return float32 whole numbers, uniform on low … high inclusive, from `unit` on [0, 1)."""
    # The product can round up to a whole number that is one too many: 29·(1 - 2⁻²⁴) is 29.
    span = high - low
    steps = torch.floor(unit * (span + 1))
    if isinstance(span, Tensor):
        return low + torch.minimum(steps, span.to(steps.dtype))
    return low + steps.clamp_(max=span)


@lru_cache(maxsize=256)
def device_constant(values: tuple[Any, ...], device: torch.device) -> Tensor:
    """Return a float32 tensor of (nested) tuples of numbers, copied to the device only once.

    A copy at each call would make the host wait for a GPU and could not be captured in a graph.
    """
    return torch.tensor(values, dtype=torch.float32, device=device)


def fill_value(fill: Any) -> Any:
    """Return a fill of the same value for every channel as that one value; others as they are."""
    return fill[0] if isinstance(fill, tuple | list) and len(set(fill)) == 1 else fill


def per_channel(fill: float | tuple[float, ...], device: torch.device) -> float | Tensor:
    """Return one number for all channels as it is; one for each as float32 (1, C, 1, 1)."""
    if isinstance(fill, tuple):
        return device_constant(tuple(((value,),) for value in fill), device)[None]
    return fill


class Transform:
    """One albumentations transform, compiled: its constructor takes albumentations' own object.

    It is made of two halves, so that each can be compared with albumentations alone: `draw` turns
    random numbers into parameters, and what is done with the parameters is drawn from nothing.

    Attributes:
        intervals: The scalars drawn per image, each uniform on its interval. A width of zero is a
            constant.
    """

    intervals: Mapping[str, Interval] = MappingProxyType({})

    def __init__(self, given: Any) -> None:
        """Take what albumentations made of the user's arguments."""

    def draw(self, draws: Draws, size: Size) -> Params:
        """Return the parameters for images of `size`: the scalars, where nothing else is said."""
        return draws.values

    def output_size(self, size: Size) -> Size:
        """Return the size of what comes out for images of `size`: the same, as a rule."""
        return size


class ImageTransform(Transform, ABC):
    """A transform of the pixel values."""

    @abstractmethod
    def apply(self, images: Tensor, params: Params) -> Tensor:
        """Return the transformed images, with the parameters that `draw` returned.

        Images are float32 (B, C, H, W), whole numbers 0..255, rounded the way albumentations does;
        those that are given are not changed.
        """


def per_image(values: Tensor) -> Tensor:
    """Return (B,) as (B, 1, 1, 1), to go with images."""
    return values[:, None, None, None]


def selects_images(device: torch.device) -> bool:
    """Return whether to run a transform on the images alone that it fires for.

    To know how many these are, a GPU would have to be waited for; there all images are run.
    """
    return device.type == "cpu"
