"""Chooses what runs a recipe: compiled on the device, or albumentations in worker processes."""

import os
from collections.abc import Iterator

import torch
from typing_extensions import override

from pipeline.augment.batched import BatchedRecipe, NotCompilable, compile_recipe, image_keys
from pipeline.augment.epochs import Batch, EpochPlan, Epochs
from pipeline.augment.registry import deserialise
from pipeline.augment.worker_engine import WorkerEpochs
from pipeline.errors import UserError

_BLOCK_IMAGES = 1024
"""Images augmented at a time: small batches are augmented several at once, since each tensor
operation has a cost of its own."""

_BLOCK_VALUES = 1024 * 28 * 28
"""Their pixels' values at most on a CPU, whose memory is slower than its caches: to pad and crop
3×32×32 pixels, 256 images at a time, is 6.5 times as fast as 1,024 at a time."""


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
        num_images = _BLOCK_IMAGES
        if self._device.type == "cpu":
            num_images = min(num_images, _BLOCK_VALUES // self._images[0].numel())
        block_size = batch_size * max(1, num_images // batch_size)
        for epoch in range(first_epoch, num_epochs):
            for positions in torch.split(self.plan.order(epoch).to(self._device), block_size):
                keys = image_keys(self.plan.augment_stream, epoch, self._rows[positions])
                images = self._recipe(self._images[positions], keys, dtype=torch.float32)
                labels = self._labels[positions]
                yield from zip(
                    torch.split(images, batch_size), torch.split(labels, batch_size), strict=True
                )


def augmented_epochs(
    plan: EpochPlan,
    recipe: str,
    *,
    engine: str,
    fuse: bool,
    device: torch.device,
    num_workers: int | str,
) -> tuple[Epochs, str]:
    """Return the epochs of a training, and in words what augments them.

    A recipe is never run with another meaning: the engine "auto" runs what cannot be compiled
    through albumentations, in `num_workers` processes ("auto": one per core, up to 16). To `fuse`
    is to let the batched engine resample once for geometric transforms in a row.

    Raises:
        UserError: Engine "batched" was asked for, and the recipe cannot be compiled.
    """
    why = "as asked"
    if engine != "albumentations":
        try:
            _, num_channels, height, width = plan.images.images.shape
            readable = deserialise(recipe, num_channels=num_channels)
            compiled = compile_recipe(
                readable, fuse=fuse, size=(height, width), num_channels=num_channels
            )
            return BatchedEpochs(plan, compiled, device), "batched on the training device"
        except NotCompilable as error:
            why = str(error)
            if engine == "batched":
                raise UserError(
                    f"AUGMENT_ENGINE=batched cannot run this recipe: {why}. Leave it at auto to "
                    "run it through albumentations."
                ) from None
    processes = min(os.cpu_count() or 1, 16) if num_workers == "auto" else int(num_workers)
    epochs = WorkerEpochs(plan, recipe, processes)
    return epochs, (
        f"albumentations in {processes} worker processes, at most about "
        f"{epochs.measure_speed():,.0f} images/s ({why})"
    )
