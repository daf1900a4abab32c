"""A network's layers, parameters and multiply-adds, as text."""

from torch import nn


def summarise(model: nn.Module, image_shape: tuple[int, int, int]) -> str:
    """Return torchinfo's table for one image.

    Args:
        model: A network on the CPU.
        image_shape: (C, H, W).
    """
    import torchinfo

    # The leading 1 is a batch of one image. Without it torchinfo takes C for the batch and counts
    # the multiply-adds of convolutions many times over.
    summary = torchinfo.summary(
        model,
        input_size=(1, *image_shape),
        col_names=("output_size", "num_params", "mult_adds"),
        col_width=16,  # the table fits a terminal of 80 columns
        verbose=0,
        device="cpu",
    )
    return str(summary)
