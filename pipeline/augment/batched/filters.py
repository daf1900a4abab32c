"""The transforms that change each pixel by its neighbours: blurring, sharpening, morphology.

At 28×28 a separable filter is two matrix products, left · image · right, with the border mode
folded into the matrices: any kernel width costs the same.
"""

from functools import lru_cache, reduce
from typing import Any

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from pipeline.augment.batched.sampling import border_pixels
from pipeline.augment.batched.transform import (
    UNIT,
    Draws,
    ImageTransform,
    Params,
    Size,
    integers,
    per_image,
)

_BORDER = "reflect_101"  # what OpenCV's filters assume unless told otherwise


def smoothing_matrix(kernel: Tensor, length: int, border: str) -> Tensor:
    """Return float64 (length, length): a row of pixels filtered by `kernel`, as a matrix.

    The kernel is float64 (k,), k odd; the border any of `sampling.BORDERS` other than "constant".
    """
    reach = len(kernel) // 2
    matrix = torch.zeros(length, length + 2 * reach, dtype=torch.float64)
    for row in range(length):
        matrix[row, row : row + len(kernel)] = kernel
    return matrix @ _fold_matrix(length, reach, border)


def _fold_matrix(length: int, reach: int, border: str) -> Tensor:
    """Return float64 (length + 2·reach, length): 1 where a place shows a pixel."""
    pixels = torch.tensor(border_pixels(length, reach, reach, border))
    return F.one_hot(pixels, length).to(torch.float64)


@lru_cache(maxsize=64)
def _constant_matrix(kernel: tuple[float, ...], length: int, device: torch.device) -> Tensor:
    weights = torch.tensor(kernel, dtype=torch.float64)
    return smoothing_matrix(weights, length, _BORDER).to(torch.float32).to(device)


@lru_cache(maxsize=16)
def _distances_and_fold(length: int, reach: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return float32 distances (length, length + 2·reach) from pixel to place, and the fold."""
    places = torch.arange(-reach, length + reach, dtype=torch.float32)
    distances = (places - torch.arange(length)[:, None]).abs()
    fold = _fold_matrix(length, reach, _BORDER).to(torch.float32)
    return distances.to(device), fold.to(device)


def _gaussian_matrices(sigma: Tensor, reach: Tensor, most: int, length: int) -> Tensor:
    """Return float32 (B, length, length): a Gaussian filter for each image.

    Sigma, positive, and reach, half the kernel's width, are float32 (B,); no reach is above `most`.
    """
    distances, fold = _distances_and_fold(length, most, sigma.device)
    weights = torch.exp(-0.5 * (distances / sigma[:, None, None]).square())
    weights = weights * (distances <= reach[:, None, None])
    return (weights / weights.sum(dim=2, keepdim=True)) @ fold


class GaussianBlur(ImageTransform):
    """`GaussianBlur` with a random sigma, and a kernel as wide as it needs or of random width.

    Source: `create_gaussian_kernel_1d` in albumentations' blur/functional.py: where the drawn size
    is 0, the kernel reaches 3.5 sigma; an even size counts as the odd one above.
    """

    def __init__(self, given: Any) -> None:
        self._sizes = given.blur_limit
        self.intervals = {"sigma": given.sigma_limit, "size": UNIT}
        self._most = self._sizes[1] // 2
        if self._sizes[0] == 0:
            self._most = max(self._most, int(given.sigma_limit[1] * 3.5))

    @override
    def draw(self, draws: Draws, size: Size) -> Params:
        """Return "sigma" and "reach" in pixels: float32 (B,)."""
        sigma = draws.values["sigma"]
        kernel_size = integers(draws.values["size"], *self._sizes)
        by_sigma = torch.floor(sigma * 3.5)
        reach = torch.where(kernel_size == 0, by_sigma, torch.floor(kernel_size / 2))
        return {"sigma": sigma, "reach": reach}

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        height, width = images.shape[-2:]
        sigma, reach = params["sigma"], params["reach"]
        left = _gaussian_matrices(sigma, reach, self._most, height)
        right = left if width == height else _gaussian_matrices(sigma, reach, self._most, width)
        return (left[:, None] @ images @ right[:, None].mT).round_()


class Sharpen(ImageTransform):
    """`Sharpen` with its 3×3 kernel: the image less what its neighbours have.

    Source: `Sharpen.get_params` in albumentations' pixel/transforms.py. The kernel, -1 around
    8 + lightness, is (9 + lightness) times the pixel less the sum of all nine.
    """

    def __init__(self, given: Any) -> None:
        # Of the effect's visibility and of the centre's extra weight.
        self.intervals = {"alpha": given.alpha, "lightness": given.lightness}

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        alpha, lightness = per_image(params["alpha"]), per_image(params["lightness"])
        ones, device = (1.0, 1.0, 1.0), images.device
        rows, columns = (_constant_matrix(ones, side, device) for side in images.shape[-2:])
        nine = rows @ images @ columns.T
        effect = images * (9 + lightness) - nine
        return (images + alpha * (effect - images)).round_().clamp_(0, 255)


class UnsharpMask(ImageTransform):
    """`UnsharpMask`: what a blur takes away, added again where it is more than a threshold.

    Source: `unsharp_mask` in albumentations' pixel/functional.py. The mask of where it is more is
    blurred itself.
    """

    def __init__(self, given: Any) -> None:
        least, most = given.blur_limit
        self._sizes = range(least, most + 1, 2)
        self._sigma_given = given.sigma_limit != (0.0, 0.0)
        self._threshold: float = given.threshold
        self.intervals = {"sigma": given.sigma_limit, "alpha": given.alpha, "size": UNIT}

    @override
    def draw(self, draws: Draws, size: Size) -> Params:
        """Return "sigma" and "alpha", float32 (B,); "size", the index of the kernel size."""
        which = integers(draws.values["size"], 0, len(self._sizes) - 1)
        return {**draws.values, "size": which}

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        left = self._matrices(params, images.shape[-2])[:, None]
        right = self._matrices(params, images.shape[-1])[:, None].mT
        unit = images / 255
        residual = unit - left @ unit @ right
        sharp = (unit + per_image(params["alpha"]) * residual).clamp_(0, 1)
        over = (residual.abs() * 255 > self._threshold).to(images.dtype)
        visible = left @ over @ right
        mixed = sharp * visible + unit * (1 - visible)
        return mixed.clamp_(0, 1).mul_(255).round_()

    def _matrices(self, params: Params, length: int) -> Tensor:
        if self._sigma_given:
            reach = self._sizes[0] // 2 + params["size"]
            return _gaussian_matrices(params["sigma"], reach, self._sizes[-1] // 2, length)
        kernels = [tuple(cv2.getGaussianKernel(s, 0)[:, 0].tolist()) for s in self._sizes]
        by_size = [_constant_matrix(k, length, params["size"].device) for k in kernels]
        return torch.stack(by_size).index_select(0, params["size"].to(torch.int64))


class Morphological(ImageTransform):
    """`Morphological`: each pixel becomes the largest, or the least, of those in an ellipse.

    Source: `Morphological.get_params` in albumentations' geometric/transforms.py: `scale` is not a
    range but the (width, height) of the ellipse. Outside the image there is nothing to choose.
    """

    def __init__(self, given: Any) -> None:
        self._dilation = given.operation == "dilation"
        element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, given.scale)
        self._height, self._width = element.shape
        self._taps = [(int(y), int(x)) for y, x in zip(*element.nonzero(), strict=True)]

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        height, width = images.shape[-2:]
        above, before = self._height // 2, self._width // 2  # OpenCV's anchor
        padding = (before, self._width - 1 - before, above, self._height - 1 - above)
        outside = -torch.inf if self._dilation else torch.inf
        padded = F.pad(images, padding, value=outside)
        choose = torch.maximum if self._dilation else torch.minimum
        shifted = [padded[..., y : y + height, x : x + width] for y, x in self._taps]
        result: Tensor = reduce(choose, shifted)
        return result
