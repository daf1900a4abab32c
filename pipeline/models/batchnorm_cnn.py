"""`plain_cnn` with batch norm before each ReLU."""

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.classifier import Classifier


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
