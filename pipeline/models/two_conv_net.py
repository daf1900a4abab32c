"""A small network for colour images: two convolutions, two linear layers."""

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.classifier import Classifier


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
