"""Reading images at a sampling grid: interpolation and what lies outside the image."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.augment.batched.grid import SamplingGrid, normalise
from pipeline.augment.batched.transform import fill_value, per_channel

INTERPOLATIONS = {
    cv2.INTER_NEAREST: "nearest",
    cv2.INTER_LINEAR: "bilinear",
    cv2.INTER_CUBIC: "bicubic",  # the same kernel as OpenCV's, a = -0.75
    cv2.INTER_AREA: "bilinear",  # what OpenCV takes it for, but where it makes images smaller
}
"""OpenCV's flag → the mode of `torch.nn.functional.grid_sample` that gives the same pixels."""

BORDERS = {
    cv2.BORDER_CONSTANT: "constant",
    cv2.BORDER_REPLICATE: "replicate",
    cv2.BORDER_REFLECT: "reflect",
    cv2.BORDER_REFLECT_101: "reflect_101",
    cv2.BORDER_WRAP: "wrap",
}
"""OpenCV's flag → its name here."""


def channel_fill(fill: Any, num_channels: int, *, extends: bool) -> float | tuple[float, ...]:
    """Return one number for all channels, or one for each, as OpenCV takes a fill.

    What a tuple of numbers lacks for three channels is 0. One number alone is of the first channel,
    unless albumentations `extends` it to all of them.
    """
    if num_channels > 1 and (isinstance(fill, tuple) or not extends):
        given = fill if isinstance(fill, tuple) else (fill,)
        fill = (*given, *(0.0,) * (num_channels - len(given)))
    fill = fill_value(fill)
    return fill if isinstance(fill, tuple) else float(fill)


@dataclass(frozen=True)
class Sampler:
    """How pixels are read between and outside the pixels of an image.

    The fill, 0..255, is the pixel value outside where the border is "constant", one for all
    channels or one for each; else it is 0.
    """

    interpolation: str
    border: str
    fill: float | tuple[float, ...]

    def __call__(self, images: Tensor, grid: SamplingGrid) -> Tensor:
        """Return what each output pixel shows, rounded like OpenCV's uint8 images.

        Images are float32 (B, C, H, W), whole numbers 0..255.
        """
        if self.border == "constant":
            # grid_sample puts zeros outside, and interpolation is linear: shift the zero.
            fill = per_channel(self.fill, images.device)
            shifted = images - fill if self.fill else images
            sampled = self._sample(shifted, grid.normalised(), "zeros")
            if self.fill:
                sampled += fill
        elif self.border == "replicate":
            sampled = self._sample(images, grid.normalised(), "border")
        else:
            sampled = self._periodic(images, grid)
        sampled.round_()  # to even at .5, like cvRound
        # Only the cubic kernel has negative weights.
        return sampled.clamp_(0, 255) if self.interpolation == "bicubic" else sampled

    def _sample(self, images: Tensor, points: Tensor, padding: str) -> Tensor:
        return F.grid_sample(
            images, points, mode=self.interpolation, padding_mode=padding, align_corners=True
        )

    def _periodic(self, images: Tensor, grid: SamplingGrid) -> Tensor:
        """Sample with the image repeated in all directions, as it is or mirrored.

        The image is extended by the kernel's reach and each coordinate folded into one period, so
        that a kernel never has to reach past the extended image. For its cubic kernel OpenCV 5
        first moves what is further off than one whole image to there.
        """
        height, width = images.shape[-2:]
        margin = 2  # what a cubic kernel reaches; one is enough for the others
        extended = extend(images, (margin,) * 4, self.border)
        x, y = grid.coordinates().unbind(dim=-1)
        if self.interpolation == "bicubic":
            x, y = x.clamp(-width, 2 * width), y.clamp(-height, 2 * height)
        x, y = _fold(x, width, self.border), _fold(y, height, self.border)
        folded = torch.stack((x, y), dim=-1) + margin
        size = (height + 2 * margin, width + 2 * margin)
        return self._sample(extended, normalise(folded, size), "border")


def _fold(position: Tensor, length: int, border: str) -> Tensor:
    """Return the position within the image that shows the same as `position` outside it."""
    if border == "wrap":
        return torch.remainder(position, length)
    if border == "reflect":  # mirrored at the outer edge of the first pixel
        return length - 0.5 - (torch.remainder(position + 0.5, 2 * length) - length).abs()
    period = max(2 * (length - 1), 1)  # reflect_101: mirrored at the centre of the first pixel
    return length - 1 - (torch.remainder(position, period) - (length - 1)).abs()


def extend(images: Tensor, sides: tuple[int, int, int, int], border: str) -> Tensor:
    """Return images with so many more pixels above, below, left and right; not "constant"."""
    height, width = images.shape[-2:]
    above, below, left, right = sides
    rows = _border_index(height, above, below, border, images.device)
    columns = _border_index(width, left, right, border, images.device)
    return images.index_select(-2, rows).index_select(-1, columns)


@lru_cache(maxsize=64)
def _border_index(
    length: int, before: int, after: int, border: str, device: torch.device
) -> Tensor:
    margin = max(before, after)
    pixels = border_pixels(length, margin, border)
    return torch.tensor(pixels[margin - before : margin + length + after], device=device)


def border_pixels(length: int, margin: int, border: str) -> list[int]:
    """Return which pixel stands at each place of a line with `margin` more places at each end."""
    flag = next(each for each, name in BORDERS.items() if name == border)
    places = range(-margin, length + margin)
    return [cv2.borderInterpolate(place, length, flag) for place in places]
