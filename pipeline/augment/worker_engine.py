"""Augmentation by albumentations itself, image by image, in worker processes."""

import itertools
import multiprocessing
import os
import queue
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

import numpy as np
import numpy.typing as npt
import torch

from pipeline.augment.checking import augment_image
from pipeline.augment.epochs import Batch, EpochPlan
from pipeline.augment.helper_process import HelperProcess
from pipeline.augment.registry import deserialise
from pipeline.errors import UserError


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
        the epochs' borders. Each makes every n-th batch.

        Raises:
            UserError: The recipe failed on an image, changed its shape or type, or a worker died.
        """
        first, num = first_epoch, num_epochs
        batches = self._from_workers(first, num) if self._num_workers else self._here(first, num)
        for arrays in batches:
            images, labels = (torch.from_numpy(array) for array in arrays)
            yield (images.pin_memory(), labels) if torch.cuda.is_available() else (images, labels)

    def _here(self, first_epoch: int, num_epochs: int) -> Iterator["_Arrays"]:
        return (
            self._batches.augment(*task) for task in self._batches.tasks(first_epoch, num_epochs)
        )

    def _from_workers(self, first_epoch: int, num_epochs: int) -> Iterator["_Arrays"]:
        # Not torch's DataLoader: its batches lie in /dev/shm, and where that is full (Docker gives
        # it 64 MB) it waits for ever. A pipe costs less CPU time than that, too: 4.4 and 6.2 s for
        # 1,000 batches of 128 images that are not augmented.
        workers: list[HelperProcess] = []
        try:
            for number in range(self._num_workers):
                share = (first_epoch, num_epochs, number, self._num_workers)
                workers.append(
                    HelperProcess.start(
                        multiprocessing.get_context(),
                        _work,
                        (self._batches, share),
                        what="a process that augments images",
                        advice="the same command goes on after the last finished epoch, with "
                        'SET="num_workers=1" by one such process',
                        daemon=True,
                    )
                )
            num_batches = (num_epochs - first_epoch) * self.steps_per_epoch
            for worker in itertools.islice(itertools.cycle(workers), num_batches):
                yield worker.hear()
        finally:
            for worker in workers:
                worker.process.kill()
                worker.process.join()

    def measure_speed(self, num_images: int = 64) -> float:
        """Return how many images per second all workers together can augment, about."""
        positions = np.arange(num_images) % len(self._plan.images)
        self._batches.augment(0, positions)  # the first call of each transform prepares it
        start = time.perf_counter()
        self._batches.augment(0, positions)
        return num_images / (time.perf_counter() - start) * max(1, self._num_workers)


_Arrays = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
"""Augmented images (B, C, H, W) and their labels (B,)."""


class _AugmentedBatches:
    """What is to be augmented, and how: the same in every process."""

    def __init__(self, plan: EpochPlan, recipe: str) -> None:
        self._plan = plan
        self._recipe = deserialise(recipe, num_channels=plan.images.images.shape[1])

    def tasks(
        self, first_epoch: int, num_epochs: int
    ) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
        """Yield each batch's epoch and the positions of its images, in order."""
        for epoch in range(first_epoch, num_epochs):
            for positions in torch.split(self._plan.order(epoch), self._plan.batch_size):
                yield epoch, positions.numpy()

    def augment(self, epoch: int, positions: npt.NDArray[np.int64]) -> _Arrays:
        """Return the batch of the images at those positions.

        Raises:
            UserError: The recipe failed on an image, or changed its shape or type.
        """
        images = self._plan.images.images[positions]
        for image, row in zip(images, self._plan.images.rows[positions], strict=True):
            seed = self._plan.augment_stream, epoch, int(row)
            # albumentations takes (H, W, C).
            augmented = augment_image(self._recipe, image.transpose(1, 2, 0), seed)
            image[:] = augmented.transpose(2, 0, 1)
        return images, self._plan.images.labels[positions].astype(np.int64)


_AHEAD = 8
"""Batches that a worker has ready; they last while the training validates."""


def _work(
    batches: _AugmentedBatches, share: tuple[int, int, int, int], results: Connection
) -> None:
    """Make a worker's share of the batches: its whole life.

    Args:
        batches: What to make.
        share: First epoch, number of epochs, this worker's number and the number of workers.
        results: Where to send them, and what went wrong.
    """
    ready: queue.Queue[_Arrays | UserError | None] = queue.Queue(_AHEAD)
    sending = threading.Thread(target=_send_all, args=(ready, results))
    sending.start()
    first_epoch, num_epochs, number, num_workers = share
    try:
        import cv2

        cv2.setNumThreads(0)  # one worker, one core
        torch.set_num_threads(1)
        tasks = batches.tasks(first_epoch, num_epochs)
        for epoch, positions in itertools.islice(tasks, number, None, num_workers):
            ready.put(batches.augment(epoch, positions))
    except UserError as error:
        ready.put(error)
    except Exception as error:
        ready.put(UserError(f"the augmentation failed: {type(error).__name__}: {error}."))
    ready.put(None)
    sending.join()


def _send_all(ready: "queue.Queue[_Arrays | UserError | None]", results: Connection) -> None:
    """Send what is ready, to the end; if that fails, as when nobody listens, end this process."""
    try:
        while (batch := ready.get()) is not None:
            results.send(batch)
    except BaseException:
        os._exit(1)


def choose_num_workers(asked: int | str) -> int:
    """Return the number of worker processes: as asked, or one per core up to 16."""
    return min(os.cpu_count() or 1, 16) if asked == "auto" else int(asked)
