"""The transforms that give images another size: padding, random crops and resizing.

A recipe may change the size in between, as pad and crop do; the compiler follows it, and holds the
recipe to the size that it was given.
"""

from functools import lru_cache
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from pipeline.augment.batched.sampling import BORDERS, channel_fill, extend, taken
from pipeline.augment.batched.transform import (
    UNIT,
    Draws,
    ImageTransform,
    Params,
    Size,
    device_constant,
    integers,
    per_channel,
)

Sides = tuple[int, int, int, int]
"""Pixels to add above, below, left and right."""


def _padded(images: Tensor, sides: Sides, given: Any) -> Tensor:
    """Return larger images, by the border mode and the fill of an albumentations transform."""
    border = BORDERS[given.border_mode]
    if border != "constant":
        return extend(images, sides, border)
    above, below, left, right = sides
    fill = per_channel(channel_fill(given.fill, images.shape[1], extends=True), images.device)
    if isinstance(fill, float | int):
        return F.pad(images, (left, right, above, below), value=float(fill))
    return F.pad(images - fill, (left, right, above, below)) + fill


class Pad(ImageTransform):
    """`Pad` and `PadIfNeeded`: so many pixels more on each side."""

    def __init__(self, given: Any) -> None:
        self._given = given

    @override
    def output_size(self, size: Size) -> Size:
        above, below, left, right = self._sides(size)
        return size[0] + above + below, size[1] + left + right

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        return _padded(images, self._sides((images.shape[-2], images.shape[-1])), self._given)

    def _sides(self, size: Size) -> Sides:
        pads = self._given.get_params_dependent_on_data({"shape": size}, {})
        above, below, left, right = (
            pads[f"pad_{side}"] for side in ("top", "bottom", "left", "right")
        )
        return above, below, left, right


class RandomCrop(ImageTransform):
    """`RandomCrop`: a part of the image, or of the padded image where it is too small.

    Source: `get_crop_coords` in albumentations' crops/functional.py.
    """

    def __init__(self, given: Any) -> None:
        self._given = given
        self._size = given.height, given.width
        self.intervals = {"top": UNIT, "left": UNIT}

    @override
    def output_size(self, size: Size) -> Size:
        return self._size

    @override
    def draw(self, draws: Draws, size: Size) -> Params:
        """Return "top" and "left", the first row and column to keep: whole float32 (B,)."""
        whole = (max(pair) for pair in zip(size, self._size, strict=True))
        free = [length - kept for length, kept in zip(whole, self._size, strict=True)]
        top, left = draws.values["top"], draws.values["left"]
        return {"top": integers(top, 0, free[0]), "left": integers(left, 0, free[1])}

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        size = images.shape[-2:]
        if pads := self._given._get_pad_params(size, self._size):
            above, below, left, right = pads.values()
            images = _padded(images, (above, below, left, right), self._given)
        rows, columns = (
            first[:, None] + device_constant(tuple(range(length)), first.device)
            for first, length in zip((params["top"], params["left"]), self._size, strict=True)
        )
        return taken(images, rows, columns)


class Resize(ImageTransform):
    """`Resize`: stretched or shrunk to a size, by OpenCV's pixel centres.

    As filters are, it is two matrix products: left · image · right.
    """

    def __init__(self, given: Any) -> None:
        self._size = given.height, given.width
        self._interpolation = given.interpolation

    @override
    def output_size(self, size: Size) -> Size:
        return self._size

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        left, right = (
            _resizing_matrix(length, to, self._interpolation, images.device)
            for length, to in zip(images.shape[-2:], self._size, strict=True)
        )
        return (left @ images @ right.T).round_().clamp_(0, 255)


@lru_cache(maxsize=32)
def _resizing_matrix(length: int, to: int, interpolation: int, device: torch.device) -> Tensor:
    """Return float32 (to, length): a row of pixels resized, as a matrix.

    It is what OpenCV itself makes of rows that are black but for one white pixel.
    """
    unit = np.eye(length, dtype=np.float32)[None].transpose(1, 2, 0)  # (length, length, 1)
    rows = [cv2.resize(row.T, (to, 1), interpolation=interpolation)[0] for row in unit]
    return torch.from_numpy(np.stack(rows, axis=1)).to(device)
