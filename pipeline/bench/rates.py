"""Measures that can be repeated: how fast one network trains, how fast it predicts."""

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TypeVar

from pipeline.augment.engines import augmented_epochs
from pipeline.augment.epochs import Batch, EpochPlan, Epochs
from pipeline.bench.figures import Series
from pipeline.bench.synthetic import synthetic_images
from pipeline.console import Bar
from pipeline.data.competition import Competition
from pipeline.data.labelled_images import LabelledImages
from pipeline.data.preprocessing import Preprocessing
from pipeline.networks import create_model
from pipeline.settings.fields import Settings
from pipeline.training.device import Device
from pipeline.training.inference import predict_logits
from pipeline.training.trainer import Trainer

_NUM_IMAGES = 4096
_NEVER = 10_000
"""Epochs that no measurement comes to the end of."""

_Name = TypeVar("_Name")


def interleave(
    measures: Mapping[_Name, Callable[[], float]], num_rounds: int, bar: Bar
) -> dict[_Name, Series]:
    """Call all measures in turn, round after round, and return each one's values.

    Args:
        measures: What to call, by name.
        num_rounds: Rounds that count; one more before them warms up.
        bar: Advanced by each call: `(num_rounds + 1) * len(measures)` in all.
    """
    values: dict[_Name, list[float]] = {name: [] for name in measures}
    for number in range(num_rounds + 1):
        for name, measure in measures.items():
            value = measure()
            if number > 0:
                values[name].append(value)
            bar.advance()
    return {name: Series(values=tuple(found)) for name, found in values.items()}


def new_trainer(
    settings: Settings,
    recipe: str,
    images: LabelledImages,
    competition: Competition,
    device: Device,
) -> tuple[Trainer, Epochs]:
    """Return a network in training and its batches, as a run of these settings has them.

    Args:
        settings: Network, batch size and all else that a run has; the seed is not used.
        recipe: The serialised augmentation recipe.
        images: The training images.
        competition: Decides the images' shape and the number of classes.
        device: Where to compute.
    """
    epochs, _ = augmented_epochs(
        EpochPlan(images, seed=0, fold=0, batch_size=settings.batch_size),
        recipe,
        engine=settings.augment_engine,
        fuse=settings.fuse,
        device=device.torch,
        num_workers=settings.num_workers,
    )
    model = create_model(
        settings.model, competition.image_shape, competition.num_classes, settings.dropout
    )
    trainer = Trainer(
        model,
        Preprocessing.of(images.images),
        settings,
        device,
        steps_per_epoch=epochs.steps_per_epoch,
        stream=0,
    )
    return trainer, epochs


class TrainingRate:
    """Measures one network in training, images/s: the pipeline's own batches and steps.

    Validation, checkpoints and the start are not in it.
    """

    def __init__(
        self,
        settings: Settings,
        recipe: str,
        device: Device,
        competition: Competition,
        *,
        seconds: float,
    ) -> None:
        """Prepare to measure.

        Args:
            settings: Network, batch size and all else that a run has.
            recipe: The serialised augmentation recipe.
            device: Where to compute.
            competition: Decides the images' shape.
            seconds: How long a measurement takes at least.
        """
        images = synthetic_images(_NUM_IMAGES, competition)
        endless = settings.model_copy(update={"epochs": _NEVER})
        self._trainer, epochs = new_trainer(endless, recipe, images, competition, device)
        self._batches = epochs.iterate(0, _NEVER)
        self._one_image = images.take(images.rows == 0)
        self._seconds = seconds

    def __call__(self) -> float:
        """Train for a while and return images/s; the trainer waits for the device at the end."""
        batches = _for_a_while(self._batches, self._seconds)
        return self._trainer.run_epoch(batches, self._one_image).images_per_s


class PredictionRate:
    """Measures one network in prediction, images/s, from uint8 in memory to logits in memory."""

    def __init__(
        self, settings: Settings, device: Device, competition: Competition, *, seconds: float
    ) -> None:
        """Prepare to measure; the arguments are those of `TrainingRate`."""
        self._batch = synthetic_images(settings.predict_batch_size, competition).images
        self._predict = partial(
            predict_logits,
            create_model(
                settings.model, competition.image_shape, competition.num_classes, dropout=0.0
            ).to(device.torch),
            self._batch,
            Preprocessing.of(self._batch),
            device,
            batch_size=settings.predict_batch_size,
        )
        self._seconds = seconds

    def __call__(self) -> float:
        """Predict for a while and return images/s; logits end on the host, so all is waited for."""
        calls, start = 0, time.perf_counter()
        while (elapsed := time.perf_counter() - start) < self._seconds or calls == 0:
            self._predict()
            calls += 1
        return calls * len(self._batch) / elapsed


def _for_a_while(batches: Iterator[Batch], seconds: float) -> Iterator[Batch]:
    """Yield batches until the time is over, at least one."""
    deadline = time.perf_counter() + seconds
    for batch in batches:
        yield batch
        if time.perf_counter() > deadline:
            return
