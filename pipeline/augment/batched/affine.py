"""The transforms whose sampling map is a matrix: the affine family, perspective and flips.

albumentations' matrices map input to output pixels and OpenCV inverts them; here the inverse is
built directly.
"""

from collections.abc import Mapping
from typing import Any

import albumentations as A
import torch
from torch import Tensor
from typing_extensions import override

from pipeline.augment.batched.grid import MatrixTransform
from pipeline.augment.batched.transform import (
    UNIT,
    Draws,
    Interval,
    Params,
    Size,
    device_constant,
    integers,
)


class Affine(MatrixTransform):
    """`Affine`, and `ShiftScaleRotate`, which albumentations builds from it.

    Source of the conventions: `create_affine_transformation_matrix` in albumentations'
    geometric/functional.py: about the centre (W/2 - 0.5, H/2 - 0.5), scale, then rotate
    counter-clockwise, then shear, then translate.
    """

    def __init__(self, given: Any) -> None:
        self._scale: Mapping[str, Interval] = given.scale
        self._keep_ratio = given.keep_ratio
        self._balanced = given.balanced_scale
        self._translate_px = {
            direction: (int(low), int(high))
            for direction, (low, high) in (given.translate_px or {}).items()
        }
        intervals = {"rotate": given.rotate}
        # A group that changes nothing is left out: no draws and no kernels for it.
        if set(given.scale.values()) != {(1.0, 1.0)}:
            drawn = dict.fromkeys("xy", UNIT) if self._balanced else given.scale
            intervals |= {f"scale_{d}": drawn[d] for d in ("x" if self._keep_ratio else "xy")}
        if set(given.shear.values()) != {(0.0, 0.0)}:
            intervals |= {f"shear_{d}": given.shear[d] for d in "xy"}
        if set(self._translate_px.values()) - {(0, 0)}:
            intervals |= {f"translate_{d}": UNIT for d in "xy"}
        elif given.translate_percent:
            intervals |= {f"translate_{d}": given.translate_percent[d] for d in "xy"}
        self.intervals = intervals
        drawn_from = {name.partition("_")[0] for name in intervals}
        self.whole_pixels = drawn_from <= {"rotate", "translate"} and given.rotate == (0, 0)

    @override
    def draw(self, draws: Draws, size: Size) -> Params:
        """Return "rotate" in degrees; and (x, y) of what else there is.

        "rotate" is float32 (B,); "scale" (factors), "shear" (degrees) and "translate" (whole
        pixels) are float32 (B, 2).
        """
        values = draws.values
        params = {"rotate": values["rotate"]}
        if "scale_x" in values:
            x = self._balance("x", values["scale_x"])
            y = x if self._keep_ratio else self._balance("y", values["scale_y"])
            params["scale"] = torch.stack((x, y), dim=1)
        if "shear_x" in values:
            params["shear"] = torch.stack((values["shear_x"], values["shear_y"]), dim=1)
        if "translate_x" in values:
            x = self._whole_pixels("x", values["translate_x"], size[1])
            y = self._whole_pixels("y", values["translate_y"], size[0])
            params["translate"] = torch.stack((x, y), dim=1)
        return params

    def _balance(self, direction: str, value: Tensor) -> Tensor:
        """Return the scale; with `balanced_scale` from a draw on [0, 1), see `_get_scale` there."""
        if not self._balanced:
            return value
        low, high = self._scale[direction]
        if low < 1 < high:
            below, above = low + (1 - low) * (2 * value), 1 + (high - 1) * (2 * value - 1)
            return torch.where(value < 0.5, below, above)
        if low < 1:
            return low + (1 - low) * value
        return 1 + (high - 1) * value  # and 1 where the range is (1, 1)

    def _whole_pixels(self, direction: str, value: Tensor, length: int) -> Tensor:
        if self._translate_px:
            return integers(value, *self._translate_px[direction])
        return torch.trunc(value * length)

    @override
    def matrix(self, params: Params, size: Size) -> Tensor:
        angle = torch.deg2rad(params["rotate"])
        cos, sin = angle.cos(), angle.sin()
        inverse = torch.stack((cos, -sin, sin, cos), dim=1).view(-1, 2, 2)
        if "shear" in params:
            # Times the inverse of ((1, tan x), (tan y, 1)), where albumentations takes -shear.
            tan = torch.deg2rad(-params["shear"]).tan()
            inverse = inverse - inverse.flip(2) * tan.flip(1)[:, None]
            inverse = inverse / (1 - tan.prod(dim=1))[:, None, None]
        if "scale" in params:
            inverse = inverse / params["scale"][:, :, None]
        center = device_constant(((size[1] / 2 - 0.5,), (size[0] / 2 - 0.5,)), angle.device)
        moved = center.expand(len(angle), 2, 1)
        if "translate" in params:
            moved = moved + params["translate"][:, :, None]
        translation = torch.baddbmm(center, inverse, moved, alpha=-1)
        last_row = device_constant(((0, 0, 1),), angle.device).expand(len(angle), 1, 3)
        return torch.cat((torch.cat((inverse, translation), dim=2), last_row), dim=1)


class Rotate(Affine):
    """`Rotate`: of all that `Affine` draws the angle alone."""

    def __init__(self, given: Any) -> None:
        self.intervals = {"rotate": given.limit}


class Perspective(MatrixTransform):
    """`Perspective` with `keep_size`: the image seen from a slanted view, scaled back.

    Source: `generate_perspective_points` and `compute_perspective_params` in albumentations'
    geometric/functional.py. Its four points never change their order, as none moves further than
    0.32 of a side. The map from the unit square to four points is Heckbert's, "Fundamentals of
    Texture Mapping and Image Warping" (1989), section 2.2.3.
    """

    projective = True
    _CORNERS = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))

    def __init__(self, given: Any) -> None:
        # Of the standard deviation of a corner's move, in sides of the image.
        self.intervals = {"scale": given.scale}

    @override
    def draw(self, draws: Draws, size: Size) -> Params:
        """Return "corners": (B, 4, 2), the input point shown at each corner, in pixels."""
        moves = draws.normal(4, 2) * draws.values["scale"][:, None, None]
        moves = torch.remainder(moves.abs(), 0.32)
        points = (device_constant(self._CORNERS, moves.device) - moves).abs()
        return {"corners": points * device_constant((size[1], size[0]), moves.device)}

    @override
    def matrix(self, params: Params, size: Size) -> Tensor:
        height, width = size
        p0, p1, p2, p3 = params["corners"].unbind(dim=1)
        # Heckbert: (x, y) = ((a + g·p1)u + (b + h·p3)v + p0) / (gu + hv + 1) on the unit square.
        side_1, side_2, excess = p1 - p2, p3 - p2, p0 - p1 + p2 - p3
        area = _cross(side_1, side_2)
        g, h = _cross(excess, side_2) / area, _cross(side_1, excess) / area
        across = p1 - p0 + g[:, None] * p1
        down = p3 - p0 + h[:, None] * p3
        one = torch.ones_like(g)
        top = torch.stack((across, down, p0), dim=2)
        bottom = torch.stack((g, h, one), dim=1)
        square_to_points = torch.cat((top, bottom[:, None]), dim=1)
        # albumentations measures the sides of the quadrilateral, cuts them to whole pixels, and
        # stretches the already full-size result by W/side once more: a zoom that it has since
        # version 2.0, kept here because the pixels are to be the same.
        zoomed_width = torch.maximum(_length(p1 - p0), _length(p2 - p3)).floor()
        zoomed_height = torch.maximum(_length(p2 - p1), _length(p3 - p0)).floor()
        to_square = torch.stack((zoomed_width / width**2, zoomed_height / height**2, one), dim=1)
        return square_to_points * to_square[:, None, :]


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _length(v: Tensor) -> Tensor:
    return v.square().sum(dim=1).sqrt()


class Flip(MatrixTransform):
    """`HorizontalFlip` (left and right swapped) and `VerticalFlip`."""

    whole_pixels = True

    def __init__(self, given: Any) -> None:
        self._horizontal = isinstance(given, A.HorizontalFlip)

    @override
    def draw(self, draws: Draws, size: Size) -> Params:
        """Return "matrix": (B, 3, 3), the same for every image."""
        height, width = size
        if self._horizontal:
            rows = ((-1, 0, width - 1), (0, 1, 0), (0, 0, 1))
        else:
            rows = ((1, 0, 0), (0, -1, height - 1), (0, 0, 1))
        return {"matrix": device_constant(rows, draws.keys.device).expand(len(draws.keys), 3, 3)}

    @override
    def matrix(self, params: Params, size: Size) -> Tensor:
        return params["matrix"]
