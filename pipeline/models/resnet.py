"""A small residual network."""

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.classifier import Classifier


class ResNet(Classifier):
    """A 3×3 stem, three stages of two residual blocks with 16, 32 and 64 channels, a mean.

    195,738 parameters at 3×32×32 with 10 classes. It has no dropout: `dropout` is not used.

    Source: He, Zhang, Ren and Sun, "Deep Residual Learning" (arXiv 1512.03385), section 4.2. Where
    a stage begins, the shortcut is a 3×3 convolution with batch norm.
    """

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, dropout: float) -> None:
        super().__init__()
        channels = image_shape[0]
        self.stem = nn.Sequential(_conv3x3(channels, 16), nn.BatchNorm2d(16), nn.ReLU())
        self.stages = nn.Sequential(
            *(_ResidualBlock(16, 16), _ResidualBlock(16, 16)),
            *(_ResidualBlock(16, 32, stride=2), _ResidualBlock(32, 32)),
            *(_ResidualBlock(32, 64, stride=2), _ResidualBlock(64, 64)),
        )
        self.linear = nn.Linear(64, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Map float (B, C, H, W) to each channel's mean over the last stage, float (B, 64)."""
        maps: Tensor = self.stages(self.stem(images))
        return maps.mean((2, 3))

    def head(self, features: Tensor) -> Tensor:
        """Map features (B, 64) to logits (B, K)."""
        logits: Tensor = self.linear(features)
        return logits


class _ResidualBlock(nn.Module):
    """Two 3×3 convolutions with batch norm, added to what came in; a stride shrinks both."""

    def __init__(self, num_in: int, num_out: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = _conv3x3(num_in, num_out, stride)
        self.norm1 = nn.BatchNorm2d(num_out)
        self.conv2 = _conv3x3(num_out, num_out)
        self.norm2 = nn.BatchNorm2d(num_out)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or num_in != num_out:
            self.shortcut = nn.Sequential(
                _conv3x3(num_in, num_out, stride), nn.BatchNorm2d(num_out)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return F.relu(y + self.shortcut(x))


def _conv3x3(num_in: int, num_out: int, stride: int = 1) -> nn.Conv2d:
    # The batch norm behind it has a bias of its own.
    return nn.Conv2d(num_in, num_out, 3, stride, padding=1, bias=False)
