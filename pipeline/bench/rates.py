"""What can be measured again and again, in turn with whatever it is compared with."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import albumentations as A
import numpy as np
import numpy.typing as npt
import torch
from torch.utils.benchmark import Timer

from pipeline.augment.epochs import Batch
from pipeline.augment.registry import serialise
from pipeline.bench.figures import Figure, Figures
from pipeline.bench.synthetic import synthetic_training
from pipeline.console import Reporter
from pipeline.runs.spec import RunSpec
from pipeline.training.device import Device

_NUM_IMAGES = 4096
_NEVER = 10_000
"""Epochs that no measurement comes to the end of."""


@dataclass(frozen=True)
class Measure:
    """Something to measure: the call that gives a value, and what its `Figure` will say."""

    what: Mapping[str, str]
    unit: str
    run: Callable[[], float]
    facts: Mapping[str, int | float] = field(default_factory=dict)


def interleave(
    measures: Sequence[Measure], num_rounds: int, device: Device, label: str, reporter: Reporter
) -> Figures:
    """Measure all in turn, round after round; one more round before those that count warms up."""
    values: list[list[float]] = [[] for _ in measures]
    with reporter.bar(label, (num_rounds + 1) * len(measures)) as bar:
        for number in range(num_rounds + 1):
            for measure, found in zip(measures, values, strict=True):
                value = measure.run()
                if number > 0:
                    found.append(value)
                bar.advance()
    figures = tuple(
        Figure(what=dict(each.what), unit=each.unit, values=tuple(found), facts=dict(each.facts))
        for each, found in zip(measures, values, strict=True)
    )
    return Figures(device=str(device), figures=figures)


def calls_per_s(work: Callable[[], object], seconds: float) -> float:
    """Call it for that long at least, and return how often a second; a GPU is waited for."""
    timer = Timer("work()", globals={"work": work}, num_threads=torch.get_num_threads())
    return 1 / timer.blocked_autorange(min_run_time=seconds).mean


def alone(spec: RunSpec, model: str) -> RunSpec:
    """Return the training of a network under a run's settings, without augmentation."""
    settings = spec.settings.model_copy(update={"model": model, "augment": "none"})
    return RunSpec(model, spec.preset, settings, serialise(A.Compose([]), "none"))


def training_rate(spec: RunSpec, seconds: float) -> Callable[[], float]:
    """Return what measures a run's training, images/s: the pipeline's own batches and steps.

    Validation, checkpoints and the start are not in it. A measurement takes that long at least, and
    the trainer waits for the device at its end.
    """
    endless = spec.settings.model_copy(update={"epochs": _NEVER})
    training = synthetic_training(replace(spec, settings=endless), _NUM_IMAGES)
    trainer, epochs = training.new_trainer(0, training.images)
    batches = epochs.iterate(0, _NEVER)
    nothing = training.images.take(training.images.rows < 0)

    def measure() -> float:
        return trainer.run_epoch(_for_a_while(batches, seconds), nothing).images_per_s

    return measure


def _for_a_while(batches: Iterator[Batch], seconds: float) -> Iterator[Batch]:
    """Yield batches until the time is over, at least one."""
    deadline = time.perf_counter() + seconds
    for batch in batches:
        yield batch
        if time.perf_counter() > deadline:
            return


def prediction(spec: RunSpec, num_images: int) -> Callable[[], npt.NDArray[np.float32]]:
    """Return what predicts images of noise: uint8 in memory to logits in memory."""
    training = synthetic_training(spec, num_images)
    trainer, _ = training.new_trainer(0, training.images)
    return partial(trainer.predict_logits, training.images.images)
