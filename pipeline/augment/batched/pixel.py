"""The transforms that change each pixel by itself."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from pipeline.augment.batched.transform import Draws, ImageTransform, Params, Size, per_image


class BrightnessContrast(ImageTransform):
    """`RandomBrightnessContrast`: pixel · alpha + beta, cut to 0..255 and to a whole number.

    Source: `multiply_add_lut` in albucore's functions.py, and
    `get_safe_brightness_contrast_params` in albumentations' pixel/functional.py.
    """

    def __init__(self, given: Any) -> None:
        self.intervals = {"brightness": given.brightness_limit, "contrast": given.contrast_limit}
        self._by_max = given.brightness_by_max
        self._safe = given.ensure_safe_range

    @override
    def draw(self, draws: Draws, size: Size) -> Params:
        """Return "alpha" and "beta": float32 (B,).

        Beta is in pixel values; in means of the image unless `brightness_by_max`.
        """
        beta = draws.values["brightness"]
        return {"alpha": 1 + draws.values["contrast"], "beta": 255 * beta if self._by_max else beta}

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        alpha, beta = params["alpha"], params["beta"]
        if not self._by_max:
            beta = beta * images.mean(dim=(1, 2, 3))
        if self._safe:
            positive = beta.clamp(0, 255), beta.clamp(max=255)
            safe_alpha = torch.where(
                alpha > 0,
                torch.minimum(alpha, (255 - positive[0]) / 255),
                torch.maximum(alpha, -positive[1] / 255),
            )
            alpha, beta = safe_alpha, torch.where(alpha > 0, *positive)
        return (images * per_image(alpha) + per_image(beta)).clamp_(0, 255).floor_()


class Gamma(ImageTransform):
    """`RandomGamma`: (pixel / 255) ** gamma · 255, cut to a whole number.

    Source: `gamma_transform` in albumentations' pixel/functional.py.
    """

    def __init__(self, given: Any) -> None:
        low, high = given.gamma_limit  # in percent
        self.intervals = {"gamma": (low / 100, high / 100)}

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        powers = (images / 255).pow(per_image(params["gamma"])) * 255
        # float32 carries these powers to 1e-4 where albumentations' float64 table has whole
        # numbers to cut at, such as every pixel at gamma 1.
        return powers.add_(2e-4).floor_()


class Invert(ImageTransform):
    """`InvertImg`: 255 - pixel."""

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        return 255 - images


class GaussNoise(ImageTransform):
    """`GaussNoise`: normal noise of random strength, cut to whole numbers and added.

    Source: `generate_noise` in albumentations' pixel/functional.py, `add_opencv` in albucore's
    functions.py. It seeds OpenCV's generator anew with 16 bits for each image, and the first number
    after that is always near 0. Of 784 numbers that is left out; of few, a large patch shows it.
    """

    def __init__(self, given: Any) -> None:
        self.intervals = {"std": given.std_range, "mean": given.mean_range}  # in units of 255
        self._factor = given.noise_scale_factor
        self._per_channel = given.per_channel  # else one noise for all of them

    @override
    def draw(self, draws: Draws, size: Size) -> Params:
        """Return "noise": float32 (B, C, H, W), or (B, 1, H, W) for all, in pixel values."""
        num_channels = draws.num_channels if self._per_channel else 1
        if self._factor == 1:
            noise = draws.normal(num_channels, *size)
        else:  # drawn coarsely, then stretched
            coarse = [max(1, int(length * self._factor)) for length in size]
            numbers = draws.normal(num_channels, *coarse)
            numbers[:, 0, 0, 0] = 0
            noise = F.interpolate(numbers, size, mode="bilinear")
        std, mean = draws.values["std"], draws.values["mean"]
        return {"noise": 255 * (noise * per_image(std) + per_image(mean))}

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        # albucore cuts the noise to whole numbers, towards zero, before it adds.
        return (images + params["noise"].trunc()).clamp_(0, 255)
