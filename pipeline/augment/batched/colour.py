"""The transforms of colours. Images are (B, 3, H, W): red, green, blue.

OpenCV's uint8 arithmetic is kept where it rounds in between: a hue has 180 steps of 2° only.
"""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from pipeline.augment.batched.transform import (
    UNIT,
    Draws,
    ImageTransform,
    Interval,
    Params,
    Size,
    device_constant,
    integers,
    per_image,
    selects_images,
)


def _gray(images: Tensor) -> Tensor:
    """Return (B, 1, H, W), rounded: OpenCV's `RGB2GRAY`, whose weights have 15 bits."""
    weights = device_constant(((9798, 19235, 3735),), images.device)
    sums = (weights @ images.flatten(2)).view(len(images), 1, *images.shape[2:])
    return sums.add_(1 << 14).div_(1 << 15).floor_()


def _to_hsv(images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return hue (0..179), saturation and value (0..255), whole float32 (B, H, W) each.

    Source: `RGB2HSV_b` in OpenCV's imgproc/src/color_hsv.simd.hpp: integers with 12 bits for
    fractions, and reciprocals from a table, which must be rounded as the table is.
    """
    red, green, blue = images.unbind(dim=1)
    value = torch.maximum(torch.maximum(red, green), blue)
    spread = value - torch.minimum(torch.minimum(red, green), blue)
    # Arithmetic on 0 and 1, in place: a choice by a mask (`torch.where`) takes ten times as long.
    is_red = red.clone().eq_(value)
    is_green = green.clone().eq_(value).mul_(1 - is_red)
    from_blue = (red - green).add_(spread, alpha=4)
    turned = (green - blue).sub_(from_blue).mul_(is_red).add_(from_blue)
    turned += (blue - red).add_(spread, alpha=2).sub_(from_blue).mul_(is_green)
    hue = _times_reciprocal(turned, (180 << 12) / 6, spread)
    return torch.remainder(hue, 180), _times_reciprocal(spread, 255 << 12, value), value


def _times_reciprocal(number: Tensor, one: float, divisor: Tensor) -> Tensor:
    reciprocal = divisor.clamp(min=1).reciprocal_().mul_(one).round_().int()
    return number.int().mul_(reciprocal).add_(1 << 11).bitwise_right_shift_(12).float()


def _from_hsv(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Return images (B, 3, H, W), as OpenCV's `HSV2RGB` makes them in float32.

    It rounds at the end, as is done here, or cuts: 32 pixels of a row at a time where the processor
    takes 32 at a time. So a third of the pixels may differ by one level.
    """
    offsets = device_constant((((5,),), ((3,),), ((1,),)), hue.device)
    turns = hue * (6 / 180)
    sector = turns.floor()
    share = (turns - sector)[:, None]
    sector = (sector[:, None] + offsets).remainder_(6)
    falling = (4 - sector).sub_(share)
    strength = torch.minimum(sector.add_(share), falling).clamp_(0, 1)
    strength *= (saturation * (1 / 255))[:, None]
    kept = strength.neg_().add_(1)
    return kept.mul_((value * (1 / 255))[:, None]).mul_(255).round_()


def _turned(hue: Tensor, shift: Tensor) -> Tensor:
    """Return hues shifted by float32 (B,) and cut to whole numbers 0..179.

    The shift is cut first, as hues are whole: in their sum float32 would lose a shift of -1e-6.
    """
    return (hue + shift.floor()[:, None, None]).remainder_(180)


class HueSaturationValue(ImageTransform):
    """`HueSaturationValue`; of grey images, which have a value only, pixel + shift.

    Source: `shift_hsv` in albumentations' pixel/functional.py. Shifts of saturation and value are
    cut to whole numbers, towards zero; what is grey stays so.
    """

    def __init__(self, given: Any) -> None:
        limits: dict[str, Interval] = {
            "hue": given.hue_shift_limit,
            "saturation": given.sat_shift_limit,
            "value": given.val_shift_limit,
        }
        self.intervals = {n: i for n, i in limits.items() if n == "value" or i != (0, 0)}
        self._nothing = set(limits.values()) == {(0, 0)}

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        if images.shape[1] == 1:
            return (images + per_image(params["value"].trunc())).clamp_(0, 255)
        if self._nothing:  # albumentations then spares the way to HSV and back, which rounds
            return images
        hue, saturation, value = _to_hsv(images)
        if "hue" in params:
            hue = _turned(hue, params["hue"])
        if "saturation" in params:
            shifted = saturation + params["saturation"].trunc()[:, None, None]
            saturation = shifted.clamp_(0, 255) * (saturation > 0)
        value = (value + params["value"].trunc()[:, None, None]).clamp_(0, 255)
        return _from_hsv(hue, saturation, value)


_ORDERS = tuple(permutations(range(4)))
"""The orders in which `ColorJitter` can do its four parts."""


class ColorJitter(ImageTransform):
    """`ColorJitter`: brightness, contrast, saturation and hue, in an order of their own each time.

    Source: the functions `adjust_…_torchvision` in albumentations' pixel/functional.py. A part that
    never changes anything is left out, with the rounding on its way.
    """

    def __init__(self, given: Any) -> None:
        names = "brightness", "contrast", "saturation", "hue"
        limits: dict[str, Interval] = {name: getattr(given, name) for name in names}
        self.intervals = {
            name: interval
            for name, interval in limits.items()
            if interval != ((0, 0) if name == "hue" else (1, 1))
        }
        self._parts: list[tuple[int, str, Callable[[Tensor, Tensor], Tensor]]] = [
            (number, name, part)
            for number, (name, part) in enumerate(
                zip(names, (_brighten, _contrast, _saturate, _turn_hue), strict=True)
            )
            if name in self.intervals
        ]
        self.intervals["order"] = UNIT

    @override
    def draw(self, draws: Draws, size: Size) -> Params:
        """Return the factors and "order", whole float32 (B, 4): which part comes at which place."""
        which = integers(draws.values["order"], 0, len(_ORDERS) - 1).long()
        order = device_constant(_ORDERS, which.device).index_select(0, which)
        return {**draws.values, "order": order}

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        for place in range(4):
            for number, name, part in self._parts:
                now = params["order"][:, place] == number
                if selects_images(images.device):
                    chosen = now.nonzero()[:, 0]
                    changed = part(images[chosen], params[name][chosen])
                    images = images.index_copy(0, chosen, changed)
                else:
                    images = torch.where(per_image(now), part(images, params[name]), images)
        return images


def _brighten(images: Tensor, factor: Tensor) -> Tensor:
    return (images * per_image(factor)).clamp_(0, 255).floor_()


def _contrast(images: Tensor, factor: Tensor) -> Tensor:
    mean = _gray(images).mean(dim=(1, 2, 3))
    # albumentations rounds where nothing but the mean is left, and cuts elsewhere.
    moved = torch.where(factor == 0, (mean + 0.5).floor(), mean * (1 - factor))
    return (images * per_image(factor) + per_image(moved)).clamp_(0, 255).floor_()


def _saturate(images: Tensor, factor: Tensor) -> Tensor:
    factor = per_image(factor)
    return (images * factor).add_(_gray(images) * (1 - factor)).round_().clamp_(0, 255)


def _turn_hue(images: Tensor, factor: Tensor) -> Tensor:
    hue, saturation, value = _to_hsv(images)
    return _from_hsv(_turned(hue, 180 * factor), saturation, value)


class ToGray(ImageTransform):
    """`ToGray`, the same number in all three channels."""

    def __init__(self, given: Any) -> None:
        self._method = given.method

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        if self._method == "weighted_average":
            gray = _gray(images)
        elif self._method == "max":
            gray = images.amax(dim=1, keepdim=True)
        elif self._method == "average":
            gray = (images.sum(dim=1, keepdim=True) / 3).floor_()
        else:
            assert self._method == "desaturation"
            extremes = images.amax(dim=1, keepdim=True) + images.amin(dim=1, keepdim=True)
            gray = (extremes / 2).floor_()
        return gray.expand_as(images)


class ToSepia(ImageTransform):
    """`ToSepia`: each channel becomes a weighted sum of all three."""

    def __init__(self, given: Any) -> None:
        self._weights = tuple(map(tuple, given.sepia_transformation_matrix.tolist()))

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        weights = device_constant(self._weights, images.device)
        return (weights @ images.flatten(2)).view_as(images).round_().clamp_(0, 255)


class RGBShift(ImageTransform):
    """`RGBShift`: a number of its own is added to each channel, then cut to a whole number.

    Source: `apply_lut` in albucore's functions.py.
    """

    def __init__(self, given: Any) -> None:
        ranges = given.noise_params["ranges"]  # in units of 255
        self.intervals = {
            name: (255 * low, 255 * high) for name, (low, high) in zip("rgb", ranges, strict=True)
        }

    @override
    def draw(self, draws: Draws, size: Size) -> Params:
        """Return "shift": float32 (B, 3), in pixel values."""
        return {"shift": torch.stack([draws.values[name] for name in "rgb"], dim=1)}

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        return (images + params["shift"][:, :, None, None]).clamp_(0, 255).floor_()


_SHUFFLES = tuple(permutations(range(3)))


class ChannelShuffle(ImageTransform):
    """`ChannelShuffle`: the channels in any order."""

    def __init__(self, given: Any) -> None:
        self.intervals = {"order": UNIT}

    @override
    def draw(self, draws: Draws, size: Size) -> Params:
        """Return "order": whole float32 (B, 3), which channel comes at which place."""
        which = integers(draws.values["order"], 0, len(_SHUFFLES) - 1).long()
        return {"order": device_constant(_SHUFFLES, which.device).index_select(0, which)}

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        return images.take_along_dim(params["order"].long()[:, :, None, None], dim=1)
