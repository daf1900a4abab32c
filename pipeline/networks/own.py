"""Our own networks: what learns most of digits, and of photographs, in a given time."""

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


class FullSizeResNet(Classifier):
    """A residual network that keeps the whole plane for its first two convolutions.

    A 5×5 convolution, then four residual blocks at full, half, quarter and eighth size with
    `width`, `width`, 2·`width` and 4·`width` channels; a maximum over 2×2 halves the plane. The
    shape is that of [ttdoucet/mnist](https://github.com/ttdoucet/mnist), whose width was 128. At
    width 48, 1×28×28 and 10 classes: 47 million multiply-adds.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        dropout: float,
        *,
        width: int,
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(image_shape[0], width, 5, padding=2),
            nn.ReLU(),
            _Residual(width),
            nn.MaxPool2d(2, ceil_mode=True),
            _Residual(width),
            *_widened(width, 2 * width),
            _Residual(2 * width),
            *_widened(2 * width, 4 * width),
            _Residual(4 * width),
            nn.BatchNorm2d(4 * width),
        )
        self.dropout = Dropout(dropout)
        self.linear = nn.Linear(4 * width, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Map float (B, C, H, W) to each last channel's mean, float (B, 4·width)."""
        return F.adaptive_avg_pool2d(self.body(images), 1).flatten(1)

    def head(self, features: Tensor) -> Tensor:
        """Map features (B, F) to logits (B, K)."""
        logits: Tensor = self.linear(self.dropout(features))
        return logits


def _widened(num_in: int, num_out: int) -> list[nn.Module]:
    """Other channels on a quarter of the plane."""
    return [
        nn.BatchNorm2d(num_in),
        nn.Conv2d(num_in, num_out, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2, ceil_mode=True),
    ]


class _Residual(nn.Module):
    """x + ReLU(conv(norm(x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + F.relu(self.conv(self.norm(x)))


class PooledResNet(Classifier):
    """For photographs: stages that halve the plane, each with a convolution added to its input.

    A 2×2 convolution of the pixels, then for each width: a 3×3 convolution, a maximum over 2×2,
    batch norm and ReLU; another 3×3 convolution with norm and ReLU, which is added. To pool before
    the norm leaves a quarter of the plane to it. Stem, pooling and global maximum are those of
    K. Jordan's airbench (arXiv 2404.00498), whose stem is of whitening weights and not trained. At
    widths 128, 256 and 512, 3×32×32 and 10 classes: 243 million multiply-adds.
    """

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_classes: int,
        dropout: float,
        *,
        widths: tuple[int, ...],
    ) -> None:
        super().__init__()
        num_in = 32
        layers: list[nn.Module] = [nn.Conv2d(image_shape[0], num_in, 2), nn.ReLU()]
        for width in widths:
            layers += [
                nn.Conv2d(num_in, width, 3, padding=1, bias=False),
                nn.MaxPool2d(2),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                _NormedResidual(width),
            ]
            num_in = width
        self.body = nn.Sequential(*layers)
        self.dropout = Dropout(dropout)
        self.linear = nn.Linear(num_in, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Map float (B, C, H, W) to each last channel's maximum, float (B, widths[-1])."""
        return F.adaptive_max_pool2d(self.body(images), 1).flatten(1)

    def head(self, features: Tensor) -> Tensor:
        """Map features (B, F) to logits (B, K)."""
        logits: Tensor = self.linear(self.dropout(features))
        return logits


class _NormedResidual(nn.Module):
    """x + ReLU(norm(conv(x)))."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return x + F.relu(self.norm(self.conv(x)))
