"""The training that the competition's notebooks do, as plainly as they do it.

It is what the presets are timed against, so nothing here is tuned, and nothing is held back: the
images lie on the device and batches are cut from them by index, which is faster than the notebooks'
`DataLoader`.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.data.competition import Competition
from pipeline.data.labelled_images import LabelledImages
from pipeline.data.preprocessing import Preprocessing
from pipeline.runs.scoring import Accuracy
from pipeline.training.device import Device

EPOCHS = 15
_BATCH_SIZE = 100
_DROPOUT = 0.25
_LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class NotebookEpoch:
    """One epoch's end.

    Attributes:
        seconds: Training so far, validations left out.
        valid: The accuracy on the validation images.
    """

    seconds: float
    valid: Accuracy


def train_notebook(
    train: LabelledImages,
    valid: LabelledImages,
    competition: Competition,
    device: Device,
    *,
    seed: int,
    num_epochs: int = EPOCHS,
    on_batch: Callable[[int], None] = lambda num_images: None,
) -> Iterator[NotebookEpoch]:
    """Train the notebook's network in float32 with Adam, without augmentation.

    Args:
        train: The training images.
        valid: The validation images.
        competition: Decides the images' shape.
        device: Where to compute; its precision is not used.
        seed: Of weights, order and dropout.
        num_epochs: Passes over the training images.
        on_batch: Called after each step with its number of images.

    Yields:
        Every epoch's end. Time stands still between them.
    """
    start = time.perf_counter()
    torch.manual_seed(seed)
    preprocessing = Preprocessing.of(train.images)
    images = preprocessing(torch.from_numpy(train.images).to(device.torch))
    labels = torch.from_numpy(train.labels).to(device.torch, torch.int64)
    network = notebook_network(competition).to(device.torch)
    optimizer = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
    seconds = time.perf_counter() - start
    for _ in range(num_epochs):
        start = time.perf_counter()
        network.train()
        loss = torch.zeros(())
        order = torch.randperm(len(labels)).to(device.torch)
        for chosen in torch.split(order, _BATCH_SIZE):
            loss = F.cross_entropy(network(images[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            on_batch(len(chosen))
        loss.item()  # the device has done what it was given
        seconds += time.perf_counter() - start
        yield NotebookEpoch(seconds, _validate(network, preprocessing, valid, device))


def notebook_network(competition: Competition) -> nn.Sequential:
    """Return `dropout_cnn` as the notebooks write it: PyTorch's own layers, ReLU before pooling."""
    channels, height, width = competition.image_shape
    pooled = [((side - 4) // 2 - 4) // 2 for side in (height, width)]
    return nn.Sequential(
        *(nn.Conv2d(channels, 64, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(_DROPOUT)),
        *(nn.Conv2d(64, 128, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(_DROPOUT)),
        nn.Flatten(),
        *(nn.Linear(128 * pooled[0] * pooled[1], 64), nn.ReLU(), nn.Dropout(_DROPOUT)),
        *(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(_DROPOUT)),
        nn.Linear(32, competition.num_classes),
    )


@torch.inference_mode()
def _validate(
    network: nn.Module, preprocessing: Preprocessing, valid: LabelledImages, device: Device
) -> Accuracy:
    network.eval()
    correct = 0
    labels = torch.from_numpy(valid.labels)
    images_by_batch = torch.split(torch.from_numpy(valid.images), 1000)
    for images, truth in zip(images_by_batch, torch.split(labels, 1000), strict=True):
        predicted: Tensor = network(preprocessing(images.to(device.torch))).argmax(1)
        correct += int((predicted.cpu() == truth).sum())
    return Accuracy(correct, len(valid))
