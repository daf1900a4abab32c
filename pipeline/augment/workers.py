"""Training batches, augmented by albumentations in worker processes."""

import os
import random
import signal
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pipeline.augment.registry import deserialise
from pipeline.labelled_images import LabelledImages
from pipeline.randomness import derive_seed

Batch = tuple[Tensor, Tensor]


class AugmentedEpochs:
    """The batches of all epochs of one training.

    An image's augmentation depends on (seed, epoch, row) alone, and the order of an epoch on
    (seed, fold, epoch): not on the number of workers, the batch size or where a training was
    resumed.
    """

    def __init__(
        self,
        training_set: LabelledImages,
        recipe: str,
        *,
        seed: int,
        fold: int,
        batch_size: int,
        num_workers: int,
    ) -> None:
        """Prepare; nothing is started yet.

        Args:
            training_set: The images.
            recipe: Serialised recipe (`registry.serialise`).
            seed: The run's seed.
            fold: The training's number.
            batch_size: Images per batch; the last batch of an epoch may be smaller.
            num_workers: Processes; 0 augments in this one.
        """
        self._num_images = len(training_set)
        self._batches = _AugmentedBatches(training_set, recipe, derive_seed(seed, "augment"))
        self._seed, self._fold = seed, fold
        self._batch_size = batch_size
        self._num_workers = num_workers

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return -(-self._num_images // self._batch_size)

    def iterate(self, first_epoch: int, num_epochs: int) -> Iterator[Batch]:
        """Yield the batches of epochs `first_epoch` to `num_epochs` - 1, one after another.

        Each is uint8 (B, C, H, W) and int64 (B,). The workers live through all epochs and are
        ahead of the training by a few batches, across the epochs' borders.
        """
        tasks = [
            (epoch, positions)
            for epoch in range(first_epoch, num_epochs)
            for positions in torch.split(self._order(epoch), self._batch_size)
        ]
        loader: DataLoader[Batch] = DataLoader(
            self._batches,
            sampler=tasks,  # any sized iterable of keys will do
            batch_size=None,
            num_workers=self._num_workers,
            worker_init_fn=_start_worker,
            prefetch_factor=8 if self._num_workers else None,
            pin_memory=torch.cuda.is_available(),
            # Without one of its own the loader draws from the global generator, and a resumed
            # training would go on with other dropout than an undisturbed one.
            generator=torch.Generator(),
        )
        return iter(loader)

    def _order(self, epoch: int) -> Tensor:
        generator = torch.Generator().manual_seed(
            derive_seed(self._seed, "order", self._fold, epoch)
        )
        return torch.randperm(self._num_images, generator=generator)


class _AugmentedBatches(Dataset[Batch]):
    """Maps (epoch, positions of the images) to an augmented batch."""

    def __init__(self, training_set: LabelledImages, recipe: str, stream: int) -> None:
        self._set = training_set
        self._recipe = deserialise(recipe)
        self._stream = stream

    def __getitem__(self, task: tuple[int, Tensor]) -> Batch:
        epoch, positions = task[0], task[1].numpy()
        images = self._set.images[positions]
        for image, row in zip(images, self._set.rows[positions], strict=True):
            # Compose.set_random_seed would mix in the worker's number; the state does not.
            rng = np.random.default_rng((self._stream, epoch, int(row)))
            self._recipe.set_random_state(rng, random.Random(int(rng.integers(2**63))))
            # albumentations takes (H, W, C).
            image[:] = self._recipe(image=image.transpose(1, 2, 0))["image"].transpose(2, 0, 1)
        labels = self._set.labels[positions].astype(np.int64)
        return torch.from_numpy(images), torch.from_numpy(labels)


def _start_worker(worker: int) -> None:
    import cv2

    cv2.setNumThreads(0)  # one worker, one core
    # Ctrl-C is the main process's to handle; it stops the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def choose_num_workers(asked: int | str) -> int:
    """Return the number of worker processes: as asked, or one per core up to 16."""
    return min(os.cpu_count() or 1, 16) if asked == "auto" else int(asked)
