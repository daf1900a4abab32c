"""The networks: images to logits. One registry; a new network is a file and a line here."""

from collections.abc import Callable

from torch import nn

from pipeline.errors import UserError
from pipeline.models.dropout_cnn import DropoutCNN

MODELS: dict[str, Callable[[tuple[int, int, int], int, float], nn.Module]] = {
    "dropout_cnn": DropoutCNN,
}


def check_model_name(name: str) -> None:
    """Refuse a network that is not in `MODELS`.

    Raises:
        UserError: There is no such network.
    """
    if name not in MODELS:
        raise UserError(f"MODEL={name!r} is not known; choose one of: {', '.join(MODELS)}.")


def create_model(
    name: str, image_shape: tuple[int, int, int], num_classes: int, dropout: float
) -> nn.Module:
    """Return a new network whose weights are drawn from torch's global generator.

    The network takes float (B, C, H, W) and returns logits (B, K).

    Args:
        name: Its name in `MODELS`.
        image_shape: (C, H, W).
        num_classes: K.
        dropout: Probability of dropping an activation, in [0, 1).

    Raises:
        UserError: There is no such network.
    """
    check_model_name(name)
    return MODELS[name](image_shape, num_classes, dropout)
