"""What moves the weights, and how its learning rate goes."""

import math
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import nn

from pipeline.settings.fields import Settings


def create_optimizer(
    parameters: Iterable[nn.Parameter], settings: Settings
) -> torch.optim.Optimizer:
    """Return the optimiser that the settings name, at their peak rate.

    AdamW decays weights apart from the gradient (Loshchilov and Hutter, arXiv 1711.05101); in Adam
    and SGD, as PyTorch has them, `weight_decay` is part of it.
    """
    kinds: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "adamw": torch.optim.AdamW,
        "adam": torch.optim.Adam,
        "sgd": partial(torch.optim.SGD, momentum=settings.momentum),
    }
    return kinds[settings.optimizer](
        parameters, lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )


def learning_rate_at(step: int, steps_per_epoch: int, settings: Settings) -> float:
    """Return the learning rate of one step, counted from 0.

    It is a function of the step alone, so a resumed training needs no scheduler state. "one-cycle"
    is a straight climb to the peak, then half a cosine, as Smith and Topin's (arXiv 1708.07120);
    "steps" begins at the peak, and every `drop_every` epochs divides by `drop_factor`.
    """
    peak = settings.learning_rate
    if settings.schedule == "steps":
        drops = step // steps_per_epoch // settings.drop_every
        return peak / settings.drop_factor**drops
    num_steps = settings.epochs * steps_per_epoch
    num_warmup = round(settings.warmup * num_steps)
    if step < num_warmup:
        return peak * (step + 1) / num_warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (step - num_warmup) / (num_steps - num_warmup)))
