"""The networks of the notebooks and papers that people start from, at their published sizes."""

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.networks.layers import Classifier, Dropout


class DropoutCNN(Classifier):
    """Two 5×5 convolutions and three linear layers, with dropout after each hidden one.

    340,138 parameters and 14.2 million multiply-adds per image at 1×28×28 with 10 classes.
    """

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, dropout: float) -> None:
        super().__init__()
        channels, height, width = image_shape
        # Each unpadded 5×5 convolution takes 4 pixels off, each pooling halves what is left.
        pooled_height, pooled_width = (((side - 4) // 2 - 4) // 2 for side in (height, width))
        self.conv1 = nn.Conv2d(channels, 64, 5)
        self.conv2 = nn.Conv2d(64, 128, 5)
        self.pool = nn.MaxPool2d(2)
        self.linear1 = nn.Linear(128 * pooled_height * pooled_width, 64)
        self.linear2 = nn.Linear(64, 32)
        self.linear3 = nn.Linear(32, num_classes)
        self.dropout = Dropout(dropout)

    def features(self, images: Tensor) -> Tensor:
        """Map float (B, C, H, W) to the 32 activations before the last layer, float (B, 32)."""
        # The design says ReLU, then pooling. A maximum commutes with ReLU, so pooling first is
        # the same network on a quarter of the activations: 1.2× training speed on two CPU cores.
        x = self.dropout(F.relu(self.pool(self.conv1(images))))
        x = self.dropout(F.relu(self.pool(self.conv2(x))))
        x = self.dropout(F.relu(self.linear1(x.flatten(1))))
        hidden: Tensor = self.dropout(F.relu(self.linear2(x)))
        return hidden

    def head(self, features: Tensor) -> Tensor:
        """Map features (B, 32) to logits (B, K)."""
        logits: Tensor = self.linear3(features)
        return logits


class PlainCNN(Classifier):
    """Two padded 5×5 convolutions, each with ReLU and pooling, and a linear layer.

    28,938 parameters at 1×28×28 with 10 classes. It has no dropout: `dropout` is not used.
    """

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, dropout: float) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, 16, 5, padding=2)
        self.conv2 = nn.Conv2d(16, 32, 5, padding=2)
        self.pool = nn.MaxPool2d(2)
        self.linear = nn.Linear(32 * (height // 4) * (width // 4), num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Map float (B, C, H, W) to the second pooling's output, float (B, 32·H/4·W/4)."""
        # Pooling before ReLU is the same function on fewer numbers, as in `dropout_cnn`.
        x = F.relu(self.pool(self.conv1(images)))
        x = F.relu(self.pool(self.conv2(x)))
        return x.flatten(1)

    def head(self, features: Tensor) -> Tensor:
        """Map features (B, F) to logits (B, K)."""
        logits: Tensor = self.linear(features)
        return logits


class BatchNormCNN(Classifier):
    """Two padded 5×5 convolutions, each with batch norm, ReLU and pooling, and a linear layer.

    29,034 parameters at 1×28×28 with 10 classes. It has no dropout: `dropout` is not used.
    """

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, dropout: float) -> None:
        super().__init__()
        channels, height, width = image_shape
        self.conv1 = nn.Conv2d(channels, 16, 5, padding=2)
        self.norm1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 5, padding=2)
        self.norm2 = nn.BatchNorm2d(32)
        self.pool = nn.MaxPool2d(2)
        self.linear = nn.Linear(32 * (height // 4) * (width // 4), num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Map float (B, C, H, W) to the second pooling's output, float (B, 32·H/4·W/4)."""
        # The norm cannot follow the pooling: its statistics are of all pixels.
        x = F.relu(self.pool(self.norm1(self.conv1(images))))
        x = F.relu(self.pool(self.norm2(self.conv2(x))))
        return x.flatten(1)

    def head(self, features: Tensor) -> Tensor:
        """Map features (B, F) to logits (B, K)."""
        logits: Tensor = self.linear(features)
        return logits


class TwoConvNet(Classifier):
    """A 5×5 and a 3×3 convolution, each with ReLU and pooling, and two linear layers.

    76,922 parameters at 3×32×32 with 10 classes. It has no dropout: `dropout` is not used.
    """

    def __init__(self, image_shape: tuple[int, int, int], num_classes: int, dropout: float) -> None:
        super().__init__()
        channels, height, width = image_shape
        # Unpadded, the convolutions take 4 and 2 pixels off; each pooling halves what is left.
        pooled_height, pooled_width = (((side - 4) // 2 - 2) // 2 for side in (height, width))
        self.conv1 = nn.Conv2d(channels, 8, 5)
        self.conv2 = nn.Conv2d(8, 16, 3)
        self.pool = nn.MaxPool2d(2)
        self.linear1 = nn.Linear(16 * pooled_height * pooled_width, 128)
        self.linear2 = nn.Linear(128, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Map float (B, C, H, W) to the hidden linear layer's activations, float (B, 128)."""
        # Pooling before ReLU is the same function on fewer numbers, as in `dropout_cnn`.
        x = F.relu(self.pool(self.conv1(images)))
        x = F.relu(self.pool(self.conv2(x)))
        return F.relu(self.linear1(x.flatten(1)))

    def head(self, features: Tensor) -> Tensor:
        """Map features (B, 128) to logits (B, K)."""
        logits: Tensor = self.linear2(features)
        return logits


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
