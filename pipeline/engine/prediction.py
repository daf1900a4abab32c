"""Logits of many images, batch by batch."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pipeline.engine.device import Device
from pipeline.errors import UserError
from pipeline.models.classifier import Classifier
from pipeline.preprocessing import Preprocessing


def predict_logits(
    model: nn.Module,
    images: npt.NDArray[np.uint8],
    preprocessing: Preprocessing,
    device: Device,
    *,
    batch_size: int,
    on_batch: Callable[[int], None] = lambda num_images: None,
) -> npt.NDArray[np.float32]:
    """Return logits, float32 (N, K).

    Args:
        model: The network, on the device; left in evaluation mode.
        images: uint8 (N, C, H, W).
        preprocessing: The one the network was trained with.
        device: Where to compute.
        batch_size: Images per batch to begin with.
        on_batch: Called after each batch with its number of images.

    Raises:
        UserError: The device has no memory for a single image.
    """
    model.eval()
    return _by_batches(
        model, images, preprocessing, device, batch_size=batch_size, on_batch=on_batch
    )


def predict_features(
    model: Classifier,
    images: npt.NDArray[np.uint8],
    preprocessing: Preprocessing,
    device: Device,
    *,
    batch_size: int,
) -> npt.NDArray[np.float32]:
    """Return the activations of the last hidden layer, float32 (N, F).

    Arguments and errors are those of `predict_logits`.
    """
    model.eval()
    return _by_batches(model.features, images, preprocessing, device, batch_size=batch_size)


def _by_batches(
    forward: Callable[[Tensor], Tensor],
    images: npt.NDArray[np.uint8],
    preprocessing: Preprocessing,
    device: Device,
    *,
    batch_size: int,
    on_batch: Callable[[int], None] = lambda num_images: None,
) -> npt.NDArray[np.float32]:
    """What a network in evaluation mode makes of many images, float32 (N, …).

    Each batch's result goes to the host at once, so the device holds one batch whatever N is. A
    batch that the device has no memory for is halved, and so are those after it.
    """
    outputs: list[npt.NDArray[np.float32]] = []
    start = 0
    while start < len(images):
        batch = torch.from_numpy(images[start : start + batch_size])
        try:
            with torch.inference_mode(), device.autocast():
                inputs = preprocessing(batch.to(device.torch))
                output = forward(inputs.contiguous(memory_format=torch.channels_last))
                outputs.append(output.float().cpu().numpy())
        except torch.OutOfMemoryError:
            if batch_size == 1:
                raise UserError(
                    f"{device.name} has no memory left for a single image; free some, "
                    "or use DEVICE=cpu."
                ) from None
            batch_size = max(1, batch_size // 2)
            continue
        start += len(batch)
        on_batch(len(batch))
    return np.concatenate(outputs)


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return probabilities, float32 (N, K), of logits of that shape."""
    probs: npt.NDArray[np.float32] = torch.from_numpy(logits).double().softmax(1).float().numpy()
    return probs
