"""Our own network with pooling: the first convolutions see every pixel."""

import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.models.classifier import Classifier
from pipeline.models.layers import Dropout

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
