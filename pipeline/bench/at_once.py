"""Measures networks that train at once, as `make cv` trains folds."""

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

import torch

from pipeline.augment.helper_process import interrupts_ignored
from pipeline.bench.rates import TrainingRate
from pipeline.data.competition import Competition
from pipeline.data.folds import NUM_FOLDS
from pipeline.settings.fields import Settings
from pipeline.training.device import Device
from pipeline.training.processes import choose_num_jobs, share_threads

_ON_A_GPU = 4
"""Networks that are measured at once on a GPU, which one alone leaves mostly idle."""


def num_at_once(device: Device) -> int:
    """Return how many networks to measure at once: as many as `make cv` trains; a few on a GPU."""
    if device.torch.type == "cuda":
        return _ON_A_GPU
    return choose_num_jobs("auto", device, NUM_FOLDS)


@contextmanager
def training_rate_at_once(
    settings: Settings,
    recipe: str,
    device: Device,
    competition: Competition,
    *,
    seconds: float,
    num: int,
) -> Iterator[Callable[[], float]]:
    """Give what measures the images/s of `num` networks together; their processes end with it.

    Its first value is of no use, as one process is ready before another.

    Args:
        settings: Those of each network.
        recipe: The serialised augmentation recipe.
        device: Where all compute.
        competition: Decides the images' shape.
        seconds: How long a measurement takes at least.
        num: How many networks, each in a process with its share of the threads.
    """
    context = multiprocessing.get_context("spawn")
    task = _Task(settings, recipe, device, competition, seconds, share_threads(num))
    connections = []
    for _ in range(num):
        connection, theirs = context.Pipe()
        process = context.Process(target=_work, args=(task, theirs), daemon=True)
        with interrupts_ignored():
            process.start()
        theirs.close()
        connections.append(connection)

    def measure() -> float:
        for connection in connections:
            connection.send("measure")
        rates: list[float] = [connection.recv() for connection in connections]
        return sum(rates)

    try:
        yield measure
    finally:
        for connection in connections:
            connection.close()


@dataclass(frozen=True)
class _Task:
    """What a process is given: the arguments above, and its share of the threads."""

    settings: Settings
    recipe: str
    device: Device
    competition: Competition
    seconds: float
    num_threads: int


def _work(task: _Task, asked: Connection) -> None:
    """Measure as often as asked: the whole life of a process."""
    torch.set_num_threads(task.num_threads)
    rate = TrainingRate(
        task.settings, task.recipe, task.device, task.competition, seconds=task.seconds
    )
    try:
        while asked.recv():
            asked.send(rate())
    except (EOFError, ConnectionError):  # nobody asks any more
        return
