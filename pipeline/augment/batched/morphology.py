"""`Morphological`: erosion and dilation with an elliptic structuring element."""

import cv2
import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from pipeline.augment.batched.transform import Draws, ImageTransform, Params, Size


class Morphological(ImageTransform):
    """`Morphological`: each pixel becomes the largest, or the least, of those around it.

    Source: `Morphological.get_params` in albumentations' geometric/transforms.py: `scale` is not a
    range but the (width, height) of the ellipse. Outside the image there is nothing to choose.
    """

    def __init__(self, *, scale: tuple[int, int], dilation: bool) -> None:
        """Take the ellipse's (width, height) in pixels and the operation."""
        self.intervals = {}
        self._dilation = dilation
        element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, scale)
        self._height, self._width = element.shape
        self._taps = [(int(y), int(x)) for y, x in zip(*element.nonzero(), strict=True)]

    @override
    def draw(self, draws: Draws, size: Size) -> Params:
        """Return nothing."""
        return {}

    @override
    def apply(self, images: Tensor, params: Params) -> Tensor:
        height, width = images.shape[-2:]
        above, before = self._height // 2, self._width // 2  # OpenCV's anchor
        padding = (before, self._width - 1 - before, above, self._height - 1 - above)
        outside = -torch.inf if self._dilation else torch.inf
        padded = F.pad(images, padding, value=outside)
        choose = torch.maximum if self._dilation else torch.minimum
        result: Tensor | None = None
        for y, x in self._taps:
            shifted = padded[..., y : y + height, x : x + width]
            result = shifted if result is None else choose(result, shifted)
        assert result is not None
        return result.clone() if len(self._taps) == 1 else result
