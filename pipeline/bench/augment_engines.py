"""The engines that the benchmark measures: uint8 images in, normalised floats out."""

import importlib
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import albumentations as A
import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pipeline.augment.batched import compile_recipe, image_keys

MEAN, STD = 0.1307, 0.3081  # of MNIST's training pixels on [0, 1]; any two numbers cost the same


def engines(
    recipe: str,
    transforms: list[A.BasicTransform],
    images: npt.NDArray[np.uint8],
    *,
    device: torch.device,
    num_workers: int,
    batch_sizes: tuple[int, ...],
    seconds: float,
) -> Iterator[tuple[str, Callable[[], float]]]:
    """Yield each installed engine's name and what measures its images/s once.

    Args:
        recipe: The recipe's name.
        transforms: Its transforms.
        images: uint8 (N, H, W, 1).
        device: Where the batched engine and kornia run.
        num_workers: albumentations' worker processes.
        batch_sizes: Images per call of the batched engine; kornia gets the first.
        seconds: How long the engines on the device are measured.
    """
    composed = A.Compose(transforms)
    yield (
        "albumentations, 1 process",
        partial(_albumentations, composed, images[: len(images) // 4]),
    )
    workers = partial(_albumentations_workers, composed, images, num_workers)
    yield f"albumentations, {num_workers} workers", workers
    on_device = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(device)
    kornia = _kornia(recipe)
    if kornia is not None:
        yield "kornia", partial(_calls_per_s, kornia, on_device[: batch_sizes[0]], seconds)
    for batch_size in batch_sizes:
        run = _batched(composed, batch_size, device)
        yield (
            f"batched, {batch_size} a call",
            partial(_calls_per_s, run, on_device[:batch_size], seconds),
        )


def _batched(
    composed: A.Compose, batch_size: int, device: torch.device
) -> Callable[[Tensor], Tensor]:
    recipe = compile_recipe(composed)
    bias = torch.tensor(-MEAN / STD, device=device)

    def run(images: Tensor) -> Tensor:
        keys = image_keys(0, 0, torch.arange(batch_size, device=images.device))
        pixels = recipe(images, keys, dtype=torch.float32)
        return torch.add(bias, pixels, alpha=1 / (255 * STD), out=pixels)

    return run


def _kornia(recipe: str) -> Callable[[Tensor], Tensor] | None:
    """Return kornia's nearest equivalent of a recipe; None where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            kornia: Any = importlib.import_module("kornia.augmentation")
    except ImportError:
        return None
    parts: list[Any] = [
        kornia.RandomAffine(15, translate=(0.1, 0.1), scale=(0.9, 1.1), shear=10, p=1.0)
    ]
    if "Elastic" in recipe:
        # The same smoothing; kornia takes alpha in half image sides and does not divide the noise.
        parts.append(
            kornia.RandomElasticTransform((33, 33), sigma=(4.0, 4.0), alpha=(0.7, 0.7), p=1.0)
        )
    if "Dropout" in recipe:
        parts.append(kornia.RandomErasing(scale=(0.01, 0.04), ratio=(0.5, 2.0), p=1.0))
    augment = torch.nn.Sequential(*parts)

    def run(images: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pixels: Tensor = augment(images.to(torch.float32) / 255)
        return pixels.sub_(MEAN).div_(STD)

    return run


def _calls_per_s(run: Callable[[Tensor], Tensor], images: Tensor, seconds: float) -> float:
    """Return images/s of calls on a batch, the device waited for at the end."""
    wait(images.device)
    run(images)
    wait(images.device)
    calls, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in range(5):  # a GPU is kept busy while the host prepares the next calls
            run(images)
        calls += 5
        wait(images.device)
    return calls * len(images) / (time.perf_counter() - start)


def wait(device: torch.device) -> None:
    """Return when a GPU has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _normalised(images: npt.NDArray[np.uint8]) -> Tensor:
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).to(torch.float32)
    return pixels.mul_(1 / (255 * STD)).sub_(MEAN / STD)


def _albumentations(composed: A.Compose, images: npt.NDArray[np.uint8]) -> float:
    start = time.perf_counter()
    _normalised(np.stack([composed(image=image)["image"] for image in images]))
    return len(images) / (time.perf_counter() - start)


class _Batches(Dataset[Tensor]):
    """Maps positions of images to an augmented batch, in a worker."""

    def __init__(self, composed: A.Compose, images: npt.NDArray[np.uint8]) -> None:
        self._composed = composed
        self._images = images

    def __getitem__(self, positions: npt.NDArray[np.int64]) -> Tensor:
        augmented = [self._composed(image=image)["image"] for image in self._images[positions]]
        return _normalised(np.stack(augmented))


def _start_worker(_: int) -> None:
    cv2.setNumThreads(0)  # one worker, one core: OpenCV's own threads only get in the way
    torch.set_num_threads(1)


def _albumentations_workers(
    composed: A.Compose, images: npt.NDArray[np.uint8], num_workers: int
) -> float:
    """Return images/s of worker processes, once they are running.

    Whole batches are made in a worker, which is albumentations' best way here: a batch passes
    between processes in one piece.
    """
    batches = np.array_split(np.arange(len(images)), len(images) // 128)
    loader: DataLoader[Tensor] = DataLoader(
        _Batches(composed, images),
        sampler=batches,  # any sized iterable of keys will do
        batch_size=None,
        num_workers=num_workers,
        worker_init_fn=_start_worker,
    )
    # The first batches are waited for and not counted: the processes' start, and what they had
    # done ahead by then.
    ahead = 3 * num_workers
    done, start = 0, 0.0
    for number, batch in enumerate(loader):
        done += len(batch) if number >= ahead else 0
        if number == ahead - 1:
            start = time.perf_counter()
    return done / (time.perf_counter() - start)
