"""The augmented batches of a training's epochs, from either engine."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.data.labelled_images import LabelledImages
from pipeline.data.randomness import derive_seed

Batch = tuple[Tensor, Tensor]
"""Augmented images, uint8 or float32 (B, C, H, W) in 0..255, and their labels, int64 (B,)."""


@dataclass(frozen=True)
class EpochPlan:
    """What both engines need to know; the last batch of an epoch may be smaller than the others."""

    images: LabelledImages
    seed: int
    fold: int
    batch_size: int

    @property
    def augment_stream(self) -> int:
        """The seed of the augmentation; the same in every fold, as an image is the same."""
        return derive_seed(self.seed, "augment")

    def order(self, epoch: int) -> Tensor:
        """Return the positions of the images in the order of that epoch, int64 (N,)."""
        stream = derive_seed(self.seed, "order", self.fold, epoch)
        return torch.randperm(len(self.images), generator=torch.Generator().manual_seed(stream))


class Epochs(ABC):
    """The batches of all epochs of one training.

    An image's augmentation depends on (seed, epoch, row) alone, and the order of an epoch on
    (seed, fold, epoch): not on the number of workers, the batch size or where a training was
    resumed.
    """

    def __init__(self, plan: EpochPlan) -> None:
        self.plan = plan

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.plan.images) // self.plan.batch_size)

    @abstractmethod
    def iterate(self, first_epoch: int, num_epochs: int) -> Iterator[Batch]:
        """Yield the batches of epochs `first_epoch` to `num_epochs` - 1, one after another."""
