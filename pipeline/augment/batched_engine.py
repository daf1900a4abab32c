"""Augmentation by the compiled recipe, in whole batches, on the device that trains."""

from collections.abc import Iterator

import torch
from typing_extensions import override

from pipeline.augment.batched import BatchedRecipe, image_keys
from pipeline.augment.epochs import Batch, EpochPlan, Epochs

_BLOCK_IMAGES = 1024
"""Images augmented at a time: small batches are augmented several at once, since each tensor
operation has a cost of its own."""


class BatchedEpochs(Epochs):
    """Epochs of batches augmented on the device, where all images lie as uint8 (see `Epochs`)."""

    def __init__(self, plan: EpochPlan, recipe: BatchedRecipe, device: torch.device) -> None:
        super().__init__(plan)
        self._recipe = recipe
        self._device = device
        self._images = torch.from_numpy(plan.images.images).to(device)
        self._labels = torch.from_numpy(plan.images.labels).to(device, torch.int64)
        self._rows = torch.from_numpy(plan.images.rows).to(device)

    @override
    def iterate(self, first_epoch: int, num_epochs: int) -> Iterator[Batch]:
        """Yield the batches of epochs `first_epoch` to `num_epochs` - 1, float32, on the device."""
        batch_size = self.plan.batch_size
        block_size = batch_size * max(1, _BLOCK_IMAGES // batch_size)
        for epoch in range(first_epoch, num_epochs):
            for positions in torch.split(self.plan.order(epoch).to(self._device), block_size):
                keys = image_keys(self.plan.augment_stream, epoch, self._rows[positions])
                images = self._recipe(self._images[positions], keys, dtype=torch.float32)
                labels = self._labels[positions]
                yield from zip(
                    torch.split(images, batch_size), torch.split(labels, batch_size), strict=True
                )
