"""How cost grows: with the number of networks, and with the amount of data."""

import tempfile
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from rich.table import Table

from pipeline.bench.figures import Conditions, Figures, Series
from pipeline.bench.rates import interleave, new_trainer
from pipeline.bench.synthetic import synthetic_images, write_synthetic_data
from pipeline.bench.tables import new_table
from pipeline.console import Reporter, Silent
from pipeline.data.competition import Competition
from pipeline.data.labelled_images import LabelledImages
from pipeline.runs.spec import RunSpec
from pipeline.runs.workspace import Workspace
from pipeline.training.device import Device
from pipeline.training.inference import predict_run
from pipeline.training.run import train_run


class Growth(Figures):
    """The cost of one thing at several sizes.

    Attributes:
        what: The thing, in words.
        sizes: Networks or images, in rising order.
        seconds: At each size.
    """

    what: str
    sizes: tuple[int, ...]
    seconds: tuple[Series, ...]

    def exponent(self) -> Series:
        """Return e of "seconds grow as sizeᵉ", fitted by least squares on logarithms, per round."""
        from scipy.stats import linregress

        rounds = zip(*(series.values for series in self.seconds), strict=True)
        sizes = np.log(self.sizes)
        return Series(
            values=tuple(float(linregress(sizes, np.log(times)).slope) for times in rounds)
        )


class ScalingFigures(Figures):
    """Growth with networks and with data.

    Attributes:
        conditions: Device and precision.
        growths: One for each thing that grows.
    """

    conditions: Conditions
    growths: tuple[Growth, ...]


def measure_scaling(
    spec: RunSpec,
    competition: Competition,
    device: Device,
    reporter: Reporter,
    *,
    num_rounds: int = 3,
    num_networks: tuple[int, ...] = (1, 2, 5, 10),
    num_images: int = 1_000,
    data_sizes: tuple[int, ...] = (4_200, 42_000, 420_000),
    num_steps: int = 33,
) -> ScalingFigures:
    """Measure short trainings, their averaged predictions, and an epoch's start and steps.

    Args:
        spec: The network, the recipe and all other settings.
        competition: Decides the images' shape.
        device: Where to compute.
        reporter: Shows the progress.
        num_rounds: Times that each size is measured.
        num_networks: Networks of an ensemble; each is a fold, so at most ten.
        num_images: Training images, and test images, of the ensemble.
        data_sizes: Training images of an epoch.
        num_steps: Steps that are timed of an epoch; the others are assumed to take as long.
    """
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder))
        write_synthetic_data(workspace, competition, num_train=num_images, num_test=num_images)
        measures: dict[tuple[str, int], Callable[[], float]] = {}
        for size in num_networks:
            own = _ensemble(spec, size)
            measures["train", size] = partial(_time_training, own, workspace)
            measures["predict", size] = partial(_time_prediction, own, workspace)
        most = synthetic_images(max(data_sizes), competition)
        for size in data_sizes:
            images = most.take(most.rows < size)
            measures["epoch", size] = partial(
                _time_epoch, spec, images, competition, device, num_steps=num_steps
            )
        with reporter.bar("scaling", (num_rounds + 1) * len(measures)) as bar:
            seconds = interleave(measures, num_rounds, bar)
    words = {
        "train": f"networks, trained on {num_images * 9 // 10:,} images each",
        "predict": f"networks, predicting {num_images:,} images",
        "epoch": "images of an epoch",
    }
    sizes = {"train": num_networks, "predict": num_networks, "epoch": data_sizes}
    return ScalingFigures(
        conditions=Conditions.of(device),
        growths=tuple(
            Growth(
                what=words[kind],
                sizes=sizes[kind],
                seconds=tuple(seconds[kind, size] for size in sizes[kind]),
            )
            for kind in words
        ),
    )


def _ensemble(spec: RunSpec, num_networks: int) -> RunSpec:
    """A run of one epoch with a fold for each network.

    One after another: the start of processes would take longer than trainings as short as these.
    """
    folds = ",".join(map(str, range(num_networks)))
    settings = spec.settings.model_copy(
        update={"epochs": 1, "valid": 0.1, "folds": folds, "jobs": 1}
    )
    return RunSpec(f"networks{num_networks}", spec.preset, settings, spec.recipe)


def _time_training(spec: RunSpec, workspace: Workspace) -> float:
    start = time.perf_counter()
    train_run(spec, workspace, Silent(), force=True)
    return time.perf_counter() - start


def _time_prediction(spec: RunSpec, workspace: Workspace) -> float:
    workspace.run(spec.name).test_probs.unlink(missing_ok=True)  # it would be taken as it is
    start = time.perf_counter()
    predict_run(spec.name, spec.settings, workspace, Silent())
    return time.perf_counter() - start


def _time_epoch(
    spec: RunSpec,
    images: LabelledImages,
    competition: Competition,
    device: Device,
    *,
    num_steps: int,
) -> float:
    """Seconds of an epoch without its validation: its start, and its steps at the pace of some."""
    start = time.perf_counter()
    trainer, epochs = new_trainer(spec.settings, spec.recipe, images, competition, device)
    started = time.perf_counter() - start
    num_steps = min(num_steps, epochs.steps_per_epoch)
    one_image = images.take(images.rows == 0)
    numbers = trainer.run_epoch(islice(epochs.iterate(0, 1), num_steps), one_image)
    return started + len(images) / numbers.images_per_s


def scaling_table(figures: ScalingFigures) -> Table:
    """Return seconds at each size, and the exponent with which they grow."""
    rounds = len(figures.growths[0].seconds[0].values)
    table = new_table(
        f"How cost grows, {figures.conditions}",
        f"median of {rounds} rounds, ± half their range; exponent: 1 is twice the cost for twice "
        "the size; networks are trained one after another for an epoch, with files and "
        "validation; of an epoch of images, the start and a few steps were timed",
        ("size", "of"),
        ("seconds", "exponent"),
    )
    for growth in figures.growths:
        table.add_section()
        for number, (size, seconds) in enumerate(zip(growth.sizes, growth.seconds, strict=True)):
            first = number == 0
            table.add_row(
                f"{size:,}",
                growth.what if first else "",
                seconds.show(".2f"),
                growth.exponent().show(".2f") if first else "",
            )
    return table
