"""How fast recipes run, on the batched engine and on others: uint8 images to normalised floats."""

import importlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby
from typing import Any

import albumentations as A
import cv2
import numpy as np
import numpy.typing as npt
import torch
from rich.table import Table
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pipeline.augment.batched import compile_recipe, image_keys
from pipeline.augment.registry import build_recipe
from pipeline.bench.figures import Figures, new_table
from pipeline.bench.rates import Measure, calls_per_s, interleave
from pipeline.console import Reporter
from pipeline.training.device import Device

RECIPES = (("Affine",), ("Affine", "Elastic"), ("Affine", "Elastic", "CoarseDropout"))
"""Of 28×28 grey pixels, which kornia has too."""

IN_COLOUR = ("crop_flip", "photo", "Pad+Flip+RandomCrop", "Resize+Flip+RandomCrop")
"""Of 32×32 coloured pixels: two of `recipes.py`, and two that are usual for CIFAR-10."""

_MEAN, _STD = 0.1307, 0.3081  # of MNIST's training pixels on [0, 1]; any two numbers cost the same


def measure_augmentation(
    device: Device,
    reporter: Reporter,
    *,
    num_workers: int,
    num_rounds: int = 7,
    batch_sizes: Sequence[int] = (256, 1024),
    num_images: int = 4096,
    seconds: float = 0.4,
) -> Figures:
    """Measure every recipe on every engine that is installed, in images/s.

    In each round albumentations' processes augment `num_images`; the batched engine and kornia run
    for that many seconds at least on the device, on batches of these sizes, kornia on the first.
    """
    rng = np.random.default_rng(0)
    # glibc's allocator gives memory back to the system after each call, and every page of it has
    # to be mapped anew, until it has seen a large block come and go. In a training the first
    # step's activations are such blocks. Without one, 1024 images take three times as long.
    torch.empty(30_000_000, dtype=torch.uint8)
    cv2.setNumThreads(0)
    measures = []
    for name, recipe in _recipes().items():
        shape = (32, 32, 3) if name in IN_COLOUR else (28, 28, 1)
        images = rng.integers(0, 256, (num_images, *shape), dtype=np.uint8)
        on_device = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(device.torch)
        compiled = _batched(recipe, shape, device.torch)
        kornia = None if name in IN_COLOUR else _kornia(name.split("+"))
        workers = f"albumentations, {num_workers} workers"
        engines = {
            "albumentations, 1 process": partial(_loader_rate, recipe, images[::4], 0),
            workers: partial(_loader_rate, recipe, images, num_workers),
        }
        if kornia is not None:
            engines["kornia"] = partial(_device_rate, kornia, on_device[: batch_sizes[0]], seconds)
        for size in batch_sizes:
            engine = f"batched, {size} a call"
            engines[engine] = partial(_device_rate, compiled, on_device[:size], seconds)
        for engine, rate in engines.items():
            what = {"recipe": name, "engine": engine}
            measures.append(Measure(what, "images/s", rate))
    return interleave(measures, num_rounds, device, "augmentation", reporter)


def _recipes() -> dict[str, A.Compose]:
    """Return all recipes by their names."""
    transforms = {
        "Affine": A.Affine(
            rotate=(-15, 15), scale=(0.9, 1.1), translate_percent=(-0.1, 0.1), shear=(-10, 10), p=1
        ),
        "Elastic": A.ElasticTransform(alpha=34, sigma=4, p=1),
        "CoarseDropout": A.CoarseDropout(p=1),
        "Pad": A.Pad(4),
        "Resize": A.Resize(40, 40),
        "Flip": A.HorizontalFlip(),
        "RandomCrop": A.RandomCrop(32, 32),
    }
    named = ["+".join(names) for names in RECIPES]
    named += [name for name in IN_COLOUR if "+" in name]
    made = {name: A.Compose([transforms[part] for part in name.split("+")]) for name in named}
    return made | {name: build_recipe(name) for name in IN_COLOUR if name not in made}


def _kornia(names: Sequence[str]) -> Callable[[Tensor], Tensor] | None:
    """Return kornia's nearest equivalent of a recipe; None where it is not installed."""
    try:
        kornia: Any = importlib.import_module("kornia.augmentation")
    except ImportError:
        return None
    equivalents = {
        "Affine": kornia.RandomAffine(15, translate=(0.1, 0.1), scale=(0.9, 1.1), shear=10, p=1.0),
        # The same smoothing; kornia takes alpha in half image sides and does not divide the noise.
        "Elastic": kornia.RandomElasticTransform(
            (33, 33), sigma=(4.0, 4.0), alpha=(0.7, 0.7), p=1.0
        ),
        "CoarseDropout": kornia.RandomErasing(scale=(0.01, 0.04), ratio=(0.5, 2.0), p=1.0),
    }
    augment = torch.nn.Sequential(*(equivalents[name] for name in names))

    def run(images: Tensor) -> Tensor:
        pixels: Tensor = augment(images.to(torch.float32) / 255)
        return pixels.sub_(_MEAN).div_(_STD)

    return run


def _batched(
    recipe: A.Compose, shape: tuple[int, int, int], device: torch.device
) -> Callable[[Tensor], Tensor]:
    height, width, num_channels = shape
    compiled = compile_recipe(recipe, size=(height, width), num_channels=num_channels)
    bias = torch.tensor(-_MEAN / _STD, device=device)

    def run(images: Tensor) -> Tensor:
        keys = image_keys(0, 0, torch.arange(len(images), device=device))
        pixels = compiled(images, keys, dtype=torch.float32)
        return torch.add(bias, pixels, alpha=1 / (255 * _STD), out=pixels)

    return run


def _device_rate(run: Callable[[Tensor], Tensor], images: Tensor, seconds: float) -> float:
    """Return images/s of an engine that takes a batch a call."""
    return len(images) * calls_per_s(partial(run, images), seconds)


class _Batches(Dataset[Tensor]):
    """Maps positions of images to a batch that albumentations made."""

    def __init__(self, recipe: A.Compose, images: npt.NDArray[np.uint8]) -> None:
        self._recipe, self._images = recipe, images

    def __getitem__(self, positions: npt.NDArray[np.int64]) -> Tensor:
        augmented = [self._recipe(image=image)["image"] for image in self._images[positions]]
        pixels = torch.from_numpy(np.stack(augmented)).permute(0, 3, 1, 2)
        return pixels.to(torch.float32).mul_(1 / (255 * _STD)).sub_(_MEAN / _STD)


def _start_worker(_: int) -> None:
    cv2.setNumThreads(0)  # one worker, one core: OpenCV's own threads only get in the way
    torch.set_num_threads(1)


def _loader_rate(recipe: A.Compose, images: npt.NDArray[np.uint8], num_workers: int) -> float:
    """Return images/s of albumentations in worker processes, once they run; with 0, in this one.

    Whole batches are made in a worker, which is albumentations' best way here: a batch passes
    between processes in one piece.
    """
    loader: DataLoader[Tensor] = DataLoader(
        _Batches(recipe, images),
        sampler=np.array_split(np.arange(len(images)), len(images) // 128),  # any keys will do
        batch_size=None,
        num_workers=num_workers,
        worker_init_fn=_start_worker,
    )
    # The first batches are waited for and not counted: the processes' start, and what they had
    # done ahead by then.
    batches = iter(loader)
    for _ in range(3 * num_workers):
        next(batches)
    start = time.perf_counter()
    num_images = sum(len(batch) for batch in batches)
    return num_images / (time.perf_counter() - start)


def augmentation_table(figures: Figures) -> Table:
    """Return rates with their spread, and ratios."""
    table = new_table(
        f"Augmentation: uint8, 28×28 or {', '.join(IN_COLOUR)} in colour on 32×32, to normalised "
        f"float32, {figures.conditions}",
        "images/s: median of the rounds, ± half their range; ratio: to albumentations in worker "
        "processes",
        ("engine",),
        ("images/s", "ratio"),
    )
    for recipe, group in groupby(figures.figures, key=lambda each: each.what["recipe"]):
        table.add_section()
        table.add_row(recipe, style="bold")
        engines = {each.what["engine"]: each for each in group}
        (workers,) = (each.median for name, each in engines.items() if "workers" in name)
        for engine, each in engines.items():
            table.add_row(f"  {engine}", each.show(), f"{each.median / workers:.1f}")
    return table
