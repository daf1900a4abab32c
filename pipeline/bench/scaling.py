"""How cost grows: with the number of networks, and with the amount of data."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby, islice

import numpy as np
from rich.table import Table

from pipeline.bench.figures import Figure, Figures, new_table, show_spread
from pipeline.bench.rates import Measure, interleave, seconds_of
from pipeline.bench.synthetic import synthetic_training, synthetic_workspace
from pipeline.console import Reporter, Silent
from pipeline.data.competition import get_competition
from pipeline.runs.spec import RunSpec
from pipeline.training.device import choose_device
from pipeline.training.fold import FoldTraining
from pipeline.training.inference import predict_run
from pipeline.training.run import train_run


def measure_scaling(
    spec: RunSpec,
    reporter: Reporter,
    *,
    num_rounds: int = 3,
    num_networks: Sequence[int] = (1, 2, 5, 10),
    num_images: int = 1_000,
    data_sizes: Sequence[int] = (4_200, 42_000, 420_000),
    num_steps: int = 33,
) -> Figures:
    """Measure short trainings of so many networks, their predictions, and an epoch, in seconds.

    Each network of an ensemble is a fold, so there are at most ten. Of an epoch its start and
    `num_steps` steps are timed; the others are assumed to take as long.
    """
    measures = []

    def add(what: str, size: int, seconds: Callable[[], float]) -> None:
        measures.append(Measure({"what": what}, "s", seconds, {"size": size}))

    competition = get_competition(spec.settings.competition)
    with synthetic_workspace(competition, num_images, num_images) as workspace:
        ensembles = {size: _ensemble(spec, size) for size in num_networks}
        for size, each in ensembles.items():
            what = f"networks, trained on {num_images * 9 // 10:,} images each"
            # Trained anew in every round, so that the next prediction is none that lies ready.
            train = partial(train_run, each, workspace, Silent(), force=True)
            add(what, size, partial(seconds_of, train))
        for size, each in ensembles.items():
            what = f"networks, predicting {num_images:,} images"
            predict = partial(predict_run, each.name, each.settings, workspace, Silent())
            add(what, size, partial(seconds_of, predict))
        for size in data_sizes:
            training = synthetic_training(spec, size)
            add("images of an epoch", size, partial(_time_epoch, training, num_steps))
        device = choose_device(spec.settings.device, spec.settings.precision)
        return interleave(measures, num_rounds, device, "scaling", reporter)


def _ensemble(spec: RunSpec, num_networks: int) -> RunSpec:
    """A run of one epoch with a fold for each network.

    One after another: the start of processes would take longer than trainings as short as these.
    """
    folds = ",".join(map(str, range(num_networks)))
    settings = spec.settings.model_copy(
        update={"epochs": 1, "valid": 0.1, "folds": folds, "jobs": 1}
    )
    return RunSpec(f"networks{num_networks}", spec.preset, settings, spec.recipe)


def _time_epoch(training: FoldTraining, num_steps: int) -> float:
    """Seconds of an epoch without its validation: its start, and its steps at the pace of some."""
    start = time.perf_counter()
    trainer, epochs = training.new_trainer(0, training.images)
    started = time.perf_counter() - start
    num_steps = min(num_steps, epochs.steps_per_epoch)
    nothing = training.images.take(training.images.rows < 0)
    numbers = trainer.run_epoch(islice(epochs.iterate(0, 1), num_steps), nothing)
    return started + len(training.images) / numbers.images_per_s


def scaling_table(figures: Figures) -> Table:
    """Return seconds at each size, and the exponent with which they grow."""
    table = new_table(
        f"How cost grows, {figures.conditions}",
        f"median of {len(figures.figures[0].values)} rounds, ± half their range; exponent: 1 is "
        "twice the cost for twice the size; networks are trained one after another for an epoch, "
        "with files and validation; of an epoch of images, the start and a few steps were timed",
        ("size", "of"),
        ("seconds", "exponent"),
    )
    for what, group in groupby(figures.figures, key=lambda each: each.what["what"]):
        growth = list(group)
        exponent = show_spread(exponents(growth), ".2f")
        table.add_section()
        for each in growth:
            first = each is growth[0]
            row = (f"{each.facts['size']:,}", what * first, each.show(".2f"), exponent * first)
            table.add_row(*row)
    return table


def exponents(growth: Sequence[Figure]) -> list[float]:
    """Return e of "seconds grow as sizeᵉ", fitted by least squares on logarithms, per round."""
    from scipy.stats import linregress

    sizes = np.log([each.facts["size"] for each in growth])
    rounds = zip(*(each.values for each in growth), strict=True)
    return [float(linregress(sizes, np.log(times)).slope) for times in rounds]
