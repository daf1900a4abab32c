"""The transforms that change each pixel by itself."""

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from pipeline.augment.batched.transform import Draws, ImageTransform, Interval, Params, Size


def _per_image(values: Tensor) -> Tensor:
    return values[:, None, None, None]


class BrightnessContrast(ImageTransform):
    """`RandomBrightnessContrast`: pixel · alpha + beta, cut to 0..255 and to a whole number.

    Source: `multiply_add_lut` in albucore's functions.py, and
    `get_safe_brightness_contrast_params` in albumentations' pixel/functional.py.
    """

    def __init__(
        self,
        *,
        brightness_limit: Interval,
        contrast_limit: Interval,
        brightness_by_max: bool,
        ensure_safe_range: bool,
    ) -> None:
        """Take albumentations' arguments."""
        self.intervals = {"brightness": brightness_limit, "contrast": contrast_limit}
        self._by_max = brightness_by_max
        self._safe = ensure_safe_range

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
        return (images * _per_image(alpha) + _per_image(beta)).clamp_(0, 255).floor_()


class Gamma(ImageTransform):
    """`RandomGamma`: (pixel / 255) ** gamma · 255, cut to a whole number.

    Source: `gamma_transform` in albumentations' pixel/functional.py.
    """

    def __init__(self, gamma_limit: Interval) -> None:
        """Take the range of gamma in percent."""
        self.intervals = {"gamma": (gamma_limit[0] / 100, gamma_limit[1] / 100)}

    @override
    def draw(self, draws: Draws, size: Size) -> Params:
        """Return "gamma": float32 (B,)."""
        return {"gamma": draws.values["gamma"]}

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        powers = (images / 255).pow(_per_image(params["gamma"])) * 255
        # float32 carries these powers to 1e-4 where albumentations' float64 table has whole
        # numbers to cut at, such as every pixel at gamma 1.
        return powers.add_(2e-4).floor_()


class ValueShift(ImageTransform):
    """`HueSaturationValue` on grey images, which have a value only: pixel + shift, cut to 0..255.

    Source: `shift_hsv` in albumentations' pixel/functional.py. The shift is cut to a whole number,
    towards zero.
    """

    def __init__(self, val_shift_limit: Interval) -> None:
        """Take the range of the shift, in pixel values."""
        self.intervals = {"value": val_shift_limit}

    @override
    def draw(self, draws: Draws, size: Size) -> Params:
        """Return "value": float32 (B,)."""
        return {"value": draws.values["value"]}

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        return (images + _per_image(params["value"].trunc())).clamp_(0, 255)


class Invert(ImageTransform):
    """`InvertImg`: 255 - pixel."""

    def __init__(self) -> None:
        """Take nothing."""
        self.intervals = {}

    @override
    def draw(self, draws: Draws, size: Size) -> Params:
        """Return nothing."""
        return {}

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        return 255 - images


class GaussNoise(ImageTransform):
    """`GaussNoise`: normal noise of random strength, cut to whole numbers and added.

    Source: `generate_noise` in albumentations' pixel/functional.py, `add_opencv` in albucore's
    functions.py. It seeds OpenCV's generator anew with 16 bits for each image, and the first number
    after that is always near 0. Of 784 numbers that is left out; of few, a large patch shows it.
    """

    def __init__(
        self, *, std_range: Interval, mean_range: Interval, noise_scale_factor: float
    ) -> None:
        """Take albumentations' arguments; standard deviation and mean in units of 255."""
        self.intervals = {"std": std_range, "mean": mean_range}
        self._factor = noise_scale_factor

    @override
    def draw(self, draws: Draws, size: Size) -> Params:
        """Return "noise": float32 (B, 1, H, W), in pixel values."""
        if self._factor == 1:
            noise = draws.normal(1, *size)
        else:  # drawn coarsely, then stretched
            coarse = [max(1, int(length * self._factor)) for length in size]
            numbers = draws.normal(1, *coarse)
            numbers[..., 0, 0] = 0
            noise = F.interpolate(numbers, size, mode="bilinear")
        std, mean = draws.values["std"], draws.values["mean"]
        return {"noise": 255 * (noise * _per_image(std) + _per_image(mean))}

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        # albucore cuts the noise to whole numbers, towards zero, before it adds.
        return (images + params["noise"].trunc()).clamp_(0, 255)
