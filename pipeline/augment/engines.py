"""Chooses what runs a recipe: compiled on the device, or albumentations in worker processes."""

import os

import torch

from pipeline.augment.batched import NotCompilable, compile_recipe
from pipeline.augment.batched_engine import BatchedEpochs
from pipeline.augment.epochs import EpochPlan, Epochs
from pipeline.augment.registry import deserialise
from pipeline.augment.worker_engine import WorkerEpochs
from pipeline.errors import UserError


def augmented_epochs(
    plan: EpochPlan,
    recipe: str,
    *,
    engine: str,
    fuse: bool,
    device: torch.device,
    num_workers: int | str,
) -> tuple[Epochs, str]:
    """Return the epochs of a training, and in words what augments them.

    A recipe is never run with another meaning: what cannot be compiled makes the whole recipe run
    through albumentations.

    Args:
        plan: Images, seed, batches.
        recipe: Serialised recipe (`registry.serialise`).
        engine: "batched", "albumentations", or "auto" for the first of them that can.
        fuse: Let the batched engine resample once for geometric transforms in a row; else once
            for each, as albumentations does.
        device: Where the training computes.
        num_workers: Processes for albumentations; "auto" for one per core, up to 16.

    Raises:
        UserError: Engine "batched" was asked for, and the recipe cannot be compiled.
    """
    why = "as asked"
    if engine != "albumentations":
        try:
            _, num_channels, *size = plan.images.images.shape
            readable = deserialise(recipe, num_channels=num_channels)
            compiled = compile_recipe(readable, fuse=fuse, size=(size[0], size[1]))
            return BatchedEpochs(plan, compiled, device), "batched on the training device"
        except NotCompilable as error:
            why = "; ".join(error.reasons)
            if engine == "batched":
                raise UserError(
                    f"AUGMENT_ENGINE=batched cannot run this recipe: {why}. Leave it at auto to "
                    "run it through albumentations."
                ) from None
    processes = min(os.cpu_count() or 1, 16) if num_workers == "auto" else int(num_workers)
    epochs = WorkerEpochs(plan, recipe, processes)
    return epochs, (
        f"albumentations in {processes} worker processes, at most about "
        f"{epochs.measure_speed():,.0f} images/s ({why})"
    )
