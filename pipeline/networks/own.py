"""Our own networks: what learns most of digits in a given time."""

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.networks.layers import Classifier, Dropout


class UnshuffleCNN(Classifier):
    """Each 2×2 block of pixels becomes four channels; convolutions follow, then a global maximum.

    The fold (`torch.nn.PixelUnshuffle`) costs nothing and quarters the area on which all work, so
    the arithmetic goes into wide convolutions, which processors do fast, and not into pooling,
    batch norm and ReLU on large planes. Only the first convolution is padded; the others shrink the
    plane. Kernels have an odd side; an odd side of the image is padded by one.
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


_WIDTHS = (16, 32, 64, 64, 96)
_POOLED = (False, True, False, True, False)


class PooledCNN(Classifier):
    """Five 3×3 convolutions with batch norm, two of them pooled, dropout, a global maximum.

    Narrow where the plane is large and wide where it is small: 7.8 million multiply-adds and
    116,858 parameters at 1×28×28 with 10 classes. Pooling comes before batch norm, which then
    works on a quarter of the numbers.
    """

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, dropout: float) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        num_in = image_shape[0]
        for i, (num_out, pooled) in enumerate(zip(_WIDTHS, _POOLED, strict=True)):
            last = i == len(_WIDTHS) - 1
            layers.append(nn.Conv2d(num_in, num_out, 3, padding=1 if last else 0, bias=False))
            if pooled:
                layers.append(nn.MaxPool2d(2))
            layers += [nn.BatchNorm2d(num_out), nn.ReLU()]
            num_in = num_out
        self.body = nn.Sequential(*layers)
        self.dropout = Dropout(dropout)
        self.linear = nn.Linear(num_in, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Map float (B, C, H, W) to each last channel's maximum, float (B, 96)."""
        x = self.dropout(self.body(images))
        # 40 times as fast forth and back as `amax` on a CPU (0.7 and 29 ms for (128, 96, 6, 6)).
        return F.adaptive_max_pool2d(x, 1).flatten(1)

    def head(self, features: Tensor) -> Tensor:
        """Map features (B, F) to logits (B, K)."""
        logits: Tensor = self.linear(features)
        return logits
