"""Augmentation by albumentations itself, image by image, in worker processes."""

import os
import random
import signal
import time
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pipeline.augment.epochs import Batch, EpochPlan
from pipeline.augment.registry import deserialise


class WorkerEpochs:
    """Epochs of batches that worker processes prepare ahead (see `Epochs`)."""

    def __init__(self, plan: EpochPlan, recipe: str, num_workers: int) -> None:
        """Prepare; no process is started yet.

        Args:
            plan: Images, seed, batches.
            recipe: Serialised recipe (`registry.serialise`).
            num_workers: Processes; 0 augments in this one.
        """
        self._plan = plan
        self._batches = _AugmentedBatches(plan, recipe)
        self._num_workers = num_workers

    @property
    def steps_per_epoch(self) -> int:
        """Batches in an epoch."""
        return self._plan.steps_per_epoch

    def iterate(self, first_epoch: int, num_epochs: int) -> Iterator[Batch]:
        """Yield the batches of epochs `first_epoch` to `num_epochs` - 1, on the CPU.

        The workers live through all epochs and are ahead of the training by a few batches, across
        the epochs' borders.
        """
        tasks = [
            (epoch, positions)
            for epoch in range(first_epoch, num_epochs)
            for positions in torch.split(self._plan.order(epoch), self._plan.batch_size)
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

    def measure_speed(self, num_images: int = 64) -> float:
        """Return how many images per second all workers together can augment, about."""
        task = (0, torch.arange(num_images) % len(self._plan.images))
        self._batches[task]  # the first call of each transform prepares it
        start = time.perf_counter()
        self._batches[task]
        return num_images / (time.perf_counter() - start) * max(1, self._num_workers)


class _AugmentedBatches(Dataset[Batch]):
    """Maps (epoch, positions of the images) to an augmented batch."""

    def __init__(self, plan: EpochPlan, recipe: str) -> None:
        self._images = plan.images
        self._recipe = deserialise(recipe)
        self._stream = plan.augment_stream

    def __getitem__(self, task: tuple[int, Tensor]) -> Batch:
        epoch, positions = task[0], task[1].numpy()
        images = self._images.images[positions]
        for image, row in zip(images, self._images.rows[positions], strict=True):
            # Compose.set_random_seed would mix in the worker's number; the state does not.
            rng = np.random.default_rng((self._stream, epoch, int(row)))
            self._recipe.set_random_state(rng, random.Random(int(rng.integers(2**63))))
            # albumentations takes (H, W, C), and some transforms drop a C of 1.
            augmented = self._recipe(image=image.transpose(1, 2, 0))["image"]
            image[:] = augmented.reshape(*image.shape[1:], -1).transpose(2, 0, 1)
        labels = self._images.labels[positions].astype(np.int64)
        return torch.from_numpy(images), torch.from_numpy(labels)


def _start_worker(worker: int) -> None:
    import cv2

    cv2.setNumThreads(0)  # one worker, one core
    # Ctrl-C is the main process's to handle; it stops the workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def choose_num_workers(asked: int | str) -> int:
    """Return the number of worker processes: as asked, or one per core up to 16."""
    return min(os.cpu_count() or 1, 16) if asked == "auto" else int(asked)
