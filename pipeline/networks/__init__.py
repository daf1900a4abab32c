"""The networks: images to logits. One registry; a new network is a class and a line here."""

import warnings
from collections.abc import Callable
from functools import cache, partial

import torch
from torch import nn

from pipeline.errors import UserError
from pipeline.networks.layers import Classifier, Dropout
from pipeline.networks.own import FullSizeResNet, PooledResNet, UnshuffleCNN
from pipeline.networks.reference import BatchNormCNN, DropoutCNN, PlainCNN, ResNet, TwoConvNet

MODELS: dict[str, Callable[[tuple[int, int, int], int, float], Classifier]] = {
    "unshuffle_cnn3": partial(UnshuffleCNN, kernel_size=3, widths=(48, 64, 64, 96, 96)),
    "fullsize_resnet": partial(FullSizeResNet, width=48),
    "pooled_resnet": partial(PooledResNet, widths=(128, 256, 512)),
    "dropout_cnn": DropoutCNN,
    "plain_cnn": PlainCNN,
    "batchnorm_cnn": BatchNormCNN,
    "two_conv_net": TwoConvNet,
    "resnet": ResNet,
}


def check_model_name(name: str) -> None:
    """Refuse a network that is not in `MODELS`."""
    if name not in MODELS:
        raise UserError(f"MODEL={name!r} is not known; choose one of: {', '.join(MODELS)}.")


def create_model(
    name: str, image_shape: tuple[int, int, int], num_classes: int, dropout: float
) -> Classifier:
    """Return a new network whose weights are drawn from torch's global generator.

    It takes float (B, C, H, W), as `image_shape` says, and returns logits (B, K). An activation is
    dropped with the probability `dropout`, in [0, 1), by networks that have it (`has_dropout`).
    Images that it cannot take, as they are too small, raise a UserError.
    """
    check_model_name(name)
    if fault := _fault(name, image_shape):
        channels, height, width = image_shape
        raise UserError(
            f"MODEL={name} cannot take images of {channels}×{height}×{width} pixels: {fault} "
            f"Of those there are, these can: {', '.join(fitting_models(image_shape))}."
        )
    return MODELS[name](image_shape, num_classes, dropout)


def fitting_models(image_shape: tuple[int, int, int]) -> list[str]:
    """Return the names of the networks that take images (C, H, W) of this size."""
    return [name for name in MODELS if not _fault(name, image_shape)]


@cache
def _fault(name: str, image_shape: tuple[int, int, int]) -> str:
    """Why the network does not get to the end with images of this shape; empty if it does.

    Nothing is computed on the device "meta"; a network that cannot be there is tried on the CPU.
    """
    fault = ""
    for device in ("meta", "cpu"):
        try:
            with torch.device(device), torch.random.fork_rng([]), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about weights of no size
                MODELS[name](image_shape, 2, 0.0).eval()(torch.zeros(1, *image_shape))
            return ""
        except RuntimeError as error:
            fault = str(error).partition("\n")[0].rstrip(".") + "."
    return fault


def has_dropout(model: nn.Module) -> bool:
    """Return whether the setting `dropout` does anything in this network."""
    return any(isinstance(module, Dropout) for module in model.modules())
