"""Several views of each image, whose mean predicts: test-time augmentation."""

import math
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.networks.layers import Classifier

_TURN, _ZOOM, _SHEAR = math.radians(6.0), 0.06, 0.1


class MeanOfViews(Classifier):
    """A network that predicts the mean probabilities of an image as it is and of other views.

    Each of `views` maps images (B, C, H, W) to as many, of that shape. The features are those of
    the image as it is. For prediction alone.
    """

    def __init__(self, model: Classifier, views: list[Callable[[Tensor], Tensor]]) -> None:
        super().__init__()
        self.model = model
        self.views = views

    def features(self, images: Tensor) -> Tensor:
        """Map float (B, C, H, W) to the network's own features (B, F)."""
        return self.model.features(images)

    def head(self, features: Tensor) -> Tensor:
        """Map features (B, F) to the network's own logits (B, K)."""
        return self.model.head(features)

    def forward(self, images: Tensor) -> Tensor:
        """Map float (B, C, H, W) to the logarithms of the mean probabilities, (B, K)."""
        views = [images, *(view(images) for view in self.views)]
        log_probs = torch.stack([self.model(view).float().log_softmax(1) for view in views])
        return log_probs.logsumexp(0) - math.log(len(views))


def with_views(model: Classifier, views: str) -> Classifier:
    """Return what predicts by "one" view, the network itself, by "mirrored" or by "seven"."""
    if views == "mirrored":
        return MeanOfViews(model, [_mirrored])
    if views == "seven":
        return MeanOfViews(model, [partial(_transformed, matrix=each) for each in _matrices()])
    return model


def _mirrored(images: Tensor) -> Tensor:
    """Left and right change places, as in `torch.flip`."""
    return images.flip(3).contiguous(memory_format=torch.channels_last)


def _matrices() -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Turned by 6° either way, made 6 % smaller and larger, sheared by a tenth either way."""
    cos, sin = math.cos(_TURN), math.sin(_TURN)
    turns = [((cos, -sign * sin), (sign * sin, cos)) for sign in (1, -1)]
    zooms = [((1 / zoom, 0.0), (0.0, 1 / zoom)) for zoom in (1 - _ZOOM, 1 + _ZOOM)]
    shears = [((1.0, sign * _SHEAR), (0.0, 1.0)) for sign in (1, -1)]
    return turns + zooms + shears


def _transformed(images: Tensor, matrix: tuple[tuple[float, float], tuple[float, float]]) -> Tensor:
    """Images sampled about their centre, bilinearly; beyond the border lies what is at it."""
    (a, b), (c, d) = matrix
    height, width = images.shape[2:]
    # Coordinates run from -1 to 1 along either side, however long that is.
    theta = torch.tensor([[a, b * height / width, 0.0], [c * width / height, d, 0.0]])
    size = [len(images), 1, height, width]
    grid = F.affine_grid(theta.expand(len(images), 2, 3), size, align_corners=False)
    seen = F.grid_sample(images, grid.to(images), padding_mode="border", align_corners=False)
    return seen.contiguous(memory_format=torch.channels_last)
