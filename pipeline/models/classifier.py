"""What all networks have in common."""

from abc import ABC, abstractmethod

from torch import Tensor, nn


class Classifier(nn.Module, ABC):
    """A network in two parts: from images to features, and from features to logits."""

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """Map float (B, C, H, W) to the activations of the last hidden layer, float (B, F)."""

    @abstractmethod
    def head(self, features: Tensor) -> Tensor:
        """Map features (B, F) to logits (B, K)."""

    def forward(self, images: Tensor) -> Tensor:
        """Map float (B, C, H, W) to logits (B, K)."""
        return self.head(self.features(images))
