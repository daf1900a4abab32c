"""How fast recipes run, on the batched engine and on others: uint8 images to normalised floats.

    python -m pipeline.augment.bench

All engines are measured in turn, several times over, in one run, so that whatever else the machine
does falls on all of them alike; ratios are of medians.
"""

import os
import statistics
import time
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any

import albumentations as A
import cv2
import numpy as np
import torch
from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.augment.bench_engines import engines, wait

_BYTES_PER_IMAGE = 784 * (1 + 4)  # each pixel read once as uint8 and written once as float32


@dataclass(frozen=True)
class Measurement:
    """One engine on one recipe.

    Attributes:
        recipe: The recipe's name.
        engine: The engine's name.
        images_per_s: One rate per repetition.
    """

    recipe: str
    engine: str
    images_per_s: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median rate."""
        return statistics.median(self.images_per_s)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest rate."""
        return min(self.images_per_s), max(self.images_per_s)


@dataclass(frozen=True)
class Report:
    """A benchmark's outcome.

    Attributes:
        device: What the batched engine and its rivals ran on, in words.
        num_cores: Cores that each engine could use.
        floor_images_per_s: How fast images could be read and written at the memory bandwidth
            measured in the same run, if nothing were computed.
        measurements: One for each recipe and engine, in the order measured.
    """

    device: str
    num_cores: int
    floor_images_per_s: float
    measurements: tuple[Measurement, ...]


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


def run_benchmark(
    device: torch.device | None = None,
    *,
    repetitions: int = 7,
    batch_sizes: tuple[int, ...] = (256, 1024),
    num_workers: int | None = None,
    num_images: int = 4096,
    seconds: float = 0.4,
) -> Report:
    """Measure every recipe on every engine that is installed.

    Args:
        device: Where the batched engine runs; the GPU if there is one.
        repetitions: Times that each engine is measured.
        batch_sizes: Images per call of the batched engine. The others get the first.
        num_workers: albumentations' processes; by default one per core.
        num_images: Images that albumentations' workers augment in each repetition.
        seconds: How long the others are measured in each repetition.
    """
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    num_cores = num_workers or os.cpu_count() or 1
    images = np.random.default_rng(0).integers(0, 256, (num_images, 28, 28, 1), dtype=np.uint8)
    options: dict[str, Any] = {
        "device": device,
        "num_cores": num_cores,
        "batch_sizes": batch_sizes,
        "seconds": seconds,
    }
    rates: dict[tuple[str, str], list[float]] = {}
    floors = []
    # glibc's allocator gives memory back to the system after each call, and every page of it has
    # to be mapped anew, until it has seen a large block come and go. In a training the first
    # step's activations are such blocks. Without one, 1024 images take three times as long.
    torch.empty(30_000_000, dtype=torch.uint8)
    cv2.setNumThreads(0)
    for repetition in range(repetitions + 1):
        floors.append(_bandwidth(device) / _BYTES_PER_IMAGE)
        for recipe, transforms in bench_recipes().items():
            for engine, measure in engines(recipe, transforms, images, **options):
                rate = measure()
                if repetition:  # the first round warms up
                    rates.setdefault((recipe, engine), []).append(rate)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return Report(
        device=name,
        num_cores=num_cores,
        floor_images_per_s=statistics.median(floors[1:]),
        measurements=tuple(Measurement(*key, tuple(values)) for key, values in rates.items()),
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


def print_report(report: Report, console: Console | None = None) -> None:
    """Print a table of a report: rates with their spread, ratios, and the distance to the floor."""
    table = Table(
        box=box.SIMPLE_HEAD,
        title=f"uint8 28×28 to normalised float, {report.device}, {report.num_cores} cores",
        caption=(
            "images/s: median of the repetitions, with their range; ratio: to albumentations in "
            "worker processes; floor: share of what the memory bandwidth would allow, "
            f"{report.floor_images_per_s:,.0f} images/s"
        ),
    )
    for heading in ("engine", "images/s", "range", "ratio", "floor"):
        table.add_column(heading, justify="left" if heading == "engine" else "right", no_wrap=True)
    base = {m.recipe: m.median for m in report.measurements if "workers" in m.engine}
    for recipe, measurements in groupby(report.measurements, key=attrgetter("recipe")):
        table.add_section()
        table.add_row(recipe, style="bold")
        for m in measurements:
            low, high = m.spread
            table.add_row(
                f"  {m.engine}",
                f"{m.median:,.0f}",
                f"{low / 1000:,.1f}k-{high / 1000:,.1f}k",
                f"{m.median / base[m.recipe]:.1f}",
                f"{m.median / report.floor_images_per_s:.2%}",
            )
    (console or Console()).print(table)


if __name__ == "__main__":
    print_report(run_benchmark())
