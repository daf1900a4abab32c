"""A network's layers, parameters and multiply-adds."""

from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Work:
    """How large a network is."""

    num_parameters: int  # trained numbers
    mult_adds: int  # multiply-adds of one image's prediction, as torchinfo counts them


def summarise(model: nn.Module, image_shape: tuple[int, int, int]) -> str:
    """Return torchinfo's table for one image (C, H, W) of a network on the CPU."""
    # torchinfo prints an enumeration's name where it means millions.
    return str(_statistics(model, image_shape)).replace("Units.MEGABYTES", "million")


def count_work(model: nn.Module, image_shape: tuple[int, int, int]) -> Work:
    """Return the numbers at the foot of `summarise`'s table; it takes the same arguments."""
    statistics = _statistics(model, image_shape)
    return Work(statistics.trainable_params, statistics.total_mult_adds)


def _statistics(model: nn.Module, image_shape: tuple[int, int, int]) -> Any:
    import torchinfo

    # The leading 1 is a batch of one image. Without it torchinfo takes C for the batch and counts
    # the multiply-adds of convolutions many times over.
    return torchinfo.summary(
        model,
        input_size=(1, *image_shape),
        col_names=("output_size", "num_params", "mult_adds"),
        col_width=16,  # the table fits a terminal of 80 columns
        verbose=0,
        device="cpu",
    )
