"""How fast recipes run, on the batched engine and on others: uint8 images to normalised floats."""

import statistics
import time
from itertools import groupby
from operator import attrgetter

import albumentations as A
import cv2
import numpy as np
import torch
from rich.table import Table

from pipeline.bench.augment_engines import engines, wait
from pipeline.bench.figures import Conditions, Figures, Series
from pipeline.bench.tables import new_table
from pipeline.console import Reporter
from pipeline.training.device import Device

_BYTES_PER_IMAGE = 784 * (1 + 4)  # each pixel read once as uint8 and written once as float32


class EngineFigures(Figures):
    """One engine on one recipe.

    Attributes:
        recipe: The recipe's name.
        engine: The engine's name.
        images_per_s: Its rate.
    """

    recipe: str
    engine: str
    images_per_s: Series


class AugmentationFigures(Figures):
    """All engines on all recipes.

    Attributes:
        conditions: What the batched engine and its rivals ran on.
        num_workers: albumentations' worker processes.
        floor_images_per_s: How fast images could be read and written at the memory bandwidth
            measured in the same run, if nothing were computed.
        engines: One for each recipe and engine, in the order measured.
    """

    conditions: Conditions
    num_workers: int
    floor_images_per_s: float
    engines: tuple[EngineFigures, ...]


def bench_recipes() -> dict[str, list[A.BasicTransform]]:
    """Return the measured recipes' transforms, by name."""
    affine = A.Affine(
        rotate=(-15, 15), scale=(0.9, 1.1), translate_percent=(-0.1, 0.1), shear=(-10, 10), p=1
    )
    elastic = A.ElasticTransform(alpha=34, sigma=4, p=1)
    holes = A.CoarseDropout(p=1)
    return {
        "Affine": [affine],
        "Affine+Elastic": [affine, elastic],
        "Affine+Elastic+CoarseDropout": [affine, elastic, holes],
    }


def measure_augmentation(
    device: Device,
    reporter: Reporter,
    *,
    num_workers: int,
    num_rounds: int = 7,
    batch_sizes: tuple[int, ...] = (256, 1024),
    num_images: int = 4096,
    seconds: float = 0.4,
) -> AugmentationFigures:
    """Measure every recipe on every engine that is installed.

    Args:
        device: Where the batched engine runs.
        reporter: Shows the progress.
        num_workers: albumentations' processes.
        num_rounds: Times that each engine is measured.
        batch_sizes: Images per call of the batched engine. The others get the first.
        num_images: Images that albumentations' workers augment in each round.
        seconds: How long the others are measured in each round.
    """
    images = np.random.default_rng(0).integers(0, 256, (num_images, 28, 28, 1), dtype=np.uint8)
    recipes = bench_recipes()
    rates: dict[tuple[str, str], list[float]] = {}
    floors = []
    # glibc's allocator gives memory back to the system after each call, and every page of it has
    # to be mapped anew, until it has seen a large block come and go. In a training the first
    # step's activations are such blocks. Without one, 1024 images take three times as long.
    torch.empty(30_000_000, dtype=torch.uint8)
    cv2.setNumThreads(0)
    with reporter.bar("augmentation", (num_rounds + 1) * len(recipes)) as bar:
        for number in range(num_rounds + 1):
            floors.append(_bandwidth(device.torch) / _BYTES_PER_IMAGE)
            for recipe, transforms in recipes.items():
                for engine, measure in engines(
                    recipe,
                    transforms,
                    images,
                    device=device.torch,
                    num_workers=num_workers,
                    batch_sizes=batch_sizes,
                    seconds=seconds,
                ):
                    rate = measure()
                    if number > 0:  # the first round warms up
                        rates.setdefault((recipe, engine), []).append(rate)
                bar.advance()
    return AugmentationFigures(
        conditions=Conditions.of(device),
        num_workers=num_workers,
        floor_images_per_s=statistics.median(floors[1:]),
        engines=tuple(
            EngineFigures(recipe=recipe, engine=engine, images_per_s=Series(values=tuple(values)))
            for (recipe, engine), values in rates.items()
        ),
    )


def _bandwidth(device: torch.device) -> float:
    """Return bytes/s read and written by a copy of 256 MiB, far more than a cache holds."""
    source = torch.empty(1 << 26, dtype=torch.float32, device=device).fill_(1)
    target = torch.empty_like(source)
    times = []
    for _ in range(5):
        wait(device)
        start = time.perf_counter()
        target.copy_(source)
        wait(device)
        times.append(time.perf_counter() - start)
    return 2 * source.numel() * source.element_size() / min(times)


def augmentation_table(figures: AugmentationFigures) -> Table:
    """Return rates with their spread, ratios, and the distance to the floor."""
    table = new_table(
        f"Augmentation: uint8 28×28 to normalised float32, {figures.conditions}",
        "images/s: median of the rounds, ± half their range; ratio: to albumentations in worker "
        "processes; floor: share of what the memory bandwidth would allow, "
        f"{figures.floor_images_per_s:,.0f} images/s",
        ("engine",),
        ("images/s", "ratio", "floor"),
    )
    base = {e.recipe: e.images_per_s.median for e in figures.engines if "workers" in e.engine}
    for recipe, measured in groupby(figures.engines, key=attrgetter("recipe")):
        table.add_section()
        table.add_row(recipe, style="bold")
        for each in measured:
            rate = each.images_per_s.median
            table.add_row(
                f"  {each.engine}",
                each.images_per_s.show(),
                f"{rate / base[recipe]:.1f}",
                f"{rate / figures.floor_images_per_s:.2%}",
            )
    return table
