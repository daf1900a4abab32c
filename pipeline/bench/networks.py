"""All networks side by side: their size, their work, their speed on this machine."""

from typing import Literal

import albumentations as A
from rich.table import Table

from pipeline.augment.registry import serialise
from pipeline.bench.figures import Conditions, Figures, Series
from pipeline.bench.rates import PredictionRate, TrainingRate, interleave
from pipeline.bench.tables import new_table
from pipeline.console import Reporter
from pipeline.data.competition import Competition
from pipeline.networks import MODELS, create_model, has_dropout
from pipeline.networks.summary import count_work
from pipeline.settings.fields import Settings
from pipeline.training.device import Device


class NetworkFigures(Figures):
    """One network.

    Attributes:
        name: Its name in the registry.
        num_parameters: Trained numbers.
        mult_adds: Multiply-adds of one image's prediction.
        has_dropout: Whether the setting `dropout` does anything.
        train_images_per_s: Training without augmentation.
        predict_images_per_s: Prediction.
    """

    name: str
    num_parameters: int
    mult_adds: int
    has_dropout: bool
    train_images_per_s: Series
    predict_images_per_s: Series


class NetworksFigures(Figures):
    """All networks on one device.

    Attributes:
        conditions: Device and precision.
        image_shape: (C, H, W).
        batch_size, predict_batch_size: Images at a time.
        networks: One for each, in the registry's order.
    """

    conditions: Conditions
    image_shape: tuple[int, int, int]
    batch_size: int
    predict_batch_size: int
    networks: tuple[NetworkFigures, ...]


def measure_networks(
    settings: Settings,
    competition: Competition,
    device: Device,
    reporter: Reporter,
    *,
    num_rounds: int = 5,
    seconds: float = 0.3,
) -> NetworksFigures:
    """Measure every network of the registry.

    Args:
        settings: All but the network: batch sizes, dropout, optimiser.
        competition: Decides the images' shape.
        device: Where to compute.
        reporter: Shows the progress.
        num_rounds: Times that each network is measured.
        seconds: How long each time.
    """
    no_augmentation = serialise(A.Compose([]), "none")
    measures: dict[tuple[str, Literal["train", "predict"]], TrainingRate | PredictionRate] = {}
    for name in MODELS:
        own = settings.model_copy(update={"model": name})
        measures[name, "train"] = TrainingRate(
            own, no_augmentation, device, competition, seconds=seconds
        )
        measures[name, "predict"] = PredictionRate(own, device, competition, seconds=seconds)
    with reporter.bar("measuring", (num_rounds + 1) * len(measures)) as bar:
        rates = interleave(measures, num_rounds, bar)
    networks = []
    for name in MODELS:
        model = create_model(
            name, competition.image_shape, competition.num_classes, settings.dropout
        )
        work = count_work(model, competition.image_shape)
        networks.append(
            NetworkFigures(
                name=name,
                num_parameters=work.num_parameters,
                mult_adds=work.mult_adds,
                has_dropout=has_dropout(model),
                train_images_per_s=rates[name, "train"],
                predict_images_per_s=rates[name, "predict"],
            )
        )
    return NetworksFigures(
        conditions=Conditions.of(device),
        image_shape=competition.image_shape,
        batch_size=settings.batch_size,
        predict_batch_size=settings.predict_batch_size,
        networks=tuple(networks),
    )


def networks_table(figures: NetworksFigures) -> Table:
    """Return the networks as a table."""
    shape = "×".join(map(str, figures.image_shape))
    first = figures.networks[0].train_images_per_s
    table = new_table(
        f"Networks at {shape}, {figures.conditions}",
        f"train/s and predict/s: images/s, median of {len(first.values)} interleaved rounds, "
        f"± half their range; training in batches of {figures.batch_size}, without "
        f"augmentation; prediction in batches of {figures.predict_batch_size:,}",
        ("network",),
        ("params", "mult-adds", "dropout", "train/s", "predict/s"),
    )
    for network in figures.networks:
        table.add_row(
            network.name,
            f"{network.num_parameters:,}",
            f"{network.mult_adds / 1e6:,.2f} M",
            "yes" if network.has_dropout else "none",
            network.train_images_per_s.show(),
            network.predict_images_per_s.show(),
        )
    return table
