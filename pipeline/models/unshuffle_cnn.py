"""Our own networks: batch-norm convolutions on the image folded to half its size."""

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.classifier import Classifier
from pipeline.models.layers import Dropout


class UnshuffleCNN(Classifier):
    """Each 2×2 block of pixels becomes four channels; convolutions follow, then a global maximum.

    The fold (space-to-depth, `torch.nn.PixelUnshuffle`) costs nothing and quarters the area on
    which all convolutions work, so the arithmetic goes into wide convolutions, which processors
    do fast, and not into pooling, batch norm and ReLU on large planes, which they do slowly. Only
    the first convolution is padded; the others shrink the plane instead of pooling it.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        dropout: float,
        *,
        kernel_size: int,
        widths: tuple[int, ...],
    ) -> None:
        """Make the network.

        Args:
            image_shape: (C, H, W); an odd side is padded by one row or column.
            num_classes: K.
            dropout: Probability of dropping one of the last features.
            kernel_size: Side of all kernels, odd.
            widths: Output channels of each convolution.
        """
        super().__init__()
        channels, _, _ = image_shape
        layers: list[nn.Module] = [nn.PixelUnshuffle(2)]
        num_in = 4 * channels
        for i, num_out in enumerate(widths):
            padding = kernel_size // 2 if i == 0 else 0
            layers += [
                nn.Conv2d(num_in, num_out, kernel_size, padding=padding, bias=False),
                nn.BatchNorm2d(num_out),
                nn.ReLU(),
            ]
            num_in = num_out
        self.body = nn.Sequential(*layers)
        self.dropout = Dropout(dropout)
        self.linear = nn.Linear(num_in, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Map float (B, C, H, W) to each last channel's maximum, float (B, widths[-1])."""
        height, width = images.shape[2:]
        if height % 2 or width % 2:
            images = F.pad(images, (0, width % 2, 0, height % 2))
        return F.adaptive_max_pool2d(self.body(images), 1).flatten(1)

    def head(self, features: Tensor) -> Tensor:
        """Map features (B, F) to logits (B, K)."""
        logits: Tensor = self.linear(self.dropout(features))
        return logits
