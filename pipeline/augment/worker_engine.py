"""Augmentation by albumentations itself, image by image, in worker processes."""

import itertools
import multiprocessing
import os
import queue
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection

import cv2
import numpy as np
import numpy.typing as npt
import torch
from typing_extensions import override

from pipeline.augment.checking import augment_image
from pipeline.augment.epochs import Batch, EpochPlan, Epochs
from pipeline.augment.helper_process import HelperProcess
from pipeline.augment.registry import deserialise
from pipeline.errors import UserError

_Arrays = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]
"""Augmented images (B, C, H, W) and their labels (B,)."""

_AHEAD = 8
"""Batches that a worker has ready; they last while the training validates."""


class WorkerEpochs(Epochs):
    """Epochs of batches that worker processes prepare ahead; without workers, this one does."""

    def __init__(self, plan: EpochPlan, recipe: str, num_workers: int) -> None:
        super().__init__(plan)
        self._recipe = deserialise(recipe, num_channels=plan.images.images.shape[1])
        self._num_workers = num_workers

    @override
    def iterate(self, first_epoch: int, num_epochs: int) -> Iterator[Batch]:
        """Yield the batches of epochs `first_epoch` to `num_epochs` - 1, on the CPU.

        The workers live through all epochs and are ahead of the training by a few batches, across
        the epochs' borders. Each makes every n-th batch.

        Raises:
            UserError: The recipe failed on an image, changed its shape or type, or a worker died.
        """
        if self._num_workers:
            batches = self._from_workers(first_epoch, num_epochs)
        else:
            batches = self._augmented(first_epoch, num_epochs)
        for arrays in batches:
            images, labels = (torch.from_numpy(array) for array in arrays)
            yield (images.pin_memory(), labels) if torch.cuda.is_available() else (images, labels)

    def _from_workers(self, first_epoch: int, num_epochs: int) -> Iterator[_Arrays]:
        # Not torch's DataLoader: where a worker dies it raises in whatever line this process is in,
        # and where tensors find /dev/shm full (Docker gives it 64 MB) it waits for ever. Arrays do
        # not lie there, but 1,000 batches of 128 cost it 0.22 s of CPU time, and 0.15 s here.
        workers: list[HelperProcess] = []
        try:
            for number in range(self._num_workers):
                workers.append(
                    HelperProcess.start(
                        multiprocessing.get_context(),
                        self._work,
                        (number, first_epoch, num_epochs),
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

    def _work(self, number: int, first_epoch: int, num_epochs: int, results: Connection) -> None:
        """Send every n-th batch from that number on, and what went wrong: a worker's whole life."""
        ready: queue.Queue[_Arrays | UserError | None] = queue.Queue(_AHEAD)
        sending = threading.Thread(target=_send_all, args=(ready, results))
        sending.start()
        try:
            cv2.setNumThreads(0)  # one worker, one core
            torch.set_num_threads(1)
            for batch in self._augmented(first_epoch, num_epochs, number, self._num_workers):
                ready.put(batch)
        except UserError as error:
            ready.put(error)
        except Exception as error:
            ready.put(UserError(f"the augmentation failed: {type(error).__name__}: {error}."))
        ready.put(None)
        sending.join()

    def _augmented(
        self, first_epoch: int, num_epochs: int, first_batch: int = 0, step: int = 1
    ) -> Iterator[_Arrays]:
        """Yield every `step`-th batch of all epochs."""
        batches = (
            (epoch, positions.numpy())
            for epoch in range(first_epoch, num_epochs)
            for positions in torch.split(self.plan.order(epoch), self.plan.batch_size)
        )
        return itertools.starmap(self._augment, itertools.islice(batches, first_batch, None, step))

    def _augment(self, epoch: int, positions: npt.NDArray[np.int64]) -> _Arrays:
        images = self.plan.images.images[positions]
        for image, row in zip(images, self.plan.images.rows[positions], strict=True):
            seed = self.plan.augment_stream, epoch, int(row)
            # albumentations takes (H, W, C).
            augmented = augment_image(self._recipe, image.transpose(1, 2, 0), seed)
            image[:] = augmented.transpose(2, 0, 1)
        return images, self.plan.images.labels[positions].astype(np.int64)

    def measure_speed(self, num_images: int = 64) -> float:
        """Return how many images per second all workers together can augment, about."""
        positions = np.arange(num_images) % len(self.plan.images)
        self._augment(0, positions)  # the first call of each transform prepares it
        start = time.perf_counter()
        self._augment(0, positions)
        return num_images / (time.perf_counter() - start) * max(1, self._num_workers)


def _send_all(ready: "queue.Queue[_Arrays | UserError | None]", results: Connection) -> None:
    """Send what is ready, to the end; if that fails, as when nobody listens, end this process."""
    try:
        while (batch := ready.get()) is not None:
            results.send(batch)
    except BaseException:
        os._exit(1)
