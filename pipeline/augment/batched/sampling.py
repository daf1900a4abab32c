"""Reading images at a sampling grid: interpolation and what lies outside the image."""

from dataclasses import dataclass

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.augment.batched.grid import SamplingGrid, normalise

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


@dataclass(frozen=True)
class Sampler:
    """How pixels are read between and outside the pixels of an image.

    The fill, 0..255, is the pixel value outside where the border is "constant"; else it is 0.
    """

    interpolation: str
    border: str
    fill: float

    def __call__(self, images: Tensor, grid: SamplingGrid) -> Tensor:
        """Return what each output pixel shows, rounded like OpenCV's uint8 images.

        Images are float32 (B, 1, H, W), whole numbers 0..255.
        """
        if self.border == "constant":
            # grid_sample puts zeros outside, and interpolation is linear: shift the zero.
            shifted = images - self.fill if self.fill else images
            sampled = self._sample(shifted, grid.normalised(), "zeros")
            if self.fill:
                sampled += self.fill
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
        rows = torch.tensor(border_pixels(height, margin, self.border), device=images.device)
        columns = torch.tensor(border_pixels(width, margin, self.border), device=images.device)
        extended = images.index_select(-2, rows).index_select(-1, columns)
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


def border_pixels(length: int, margin: int, border: str) -> list[int]:
    """Return which pixel stands at each place of a line with `margin` more places at each end."""
    flag = next(each for each, name in BORDERS.items() if name == border)
    places = range(-margin, length + margin)
    return [cv2.borderInterpolate(place, length, flag) for place in places]
