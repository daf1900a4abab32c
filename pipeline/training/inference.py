"""Prediction: logits batch by batch, and a run's probabilities of the test images."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pipeline.console import Reporter
from pipeline.data.competition import get_competition
from pipeline.data.digits_cache import load_digits
from pipeline.data.files import locked
from pipeline.data.predictions_csv import write_submission
from pipeline.data.preprocessing import Preprocessing
from pipeline.errors import UserError
from pipeline.networks import create_model
from pipeline.networks.layers import Classifier
from pipeline.runs.probs import Probs, load_probs, save_probs
from pipeline.runs.results import name_networks, read_config, read_run
from pipeline.runs.weights import load_network
from pipeline.runs.workspace import FoldPaths, RunPaths, Workspace
from pipeline.settings.fields import Settings
from pipeline.training.device import Device, choose_device
from pipeline.training.memory import advising_on_memory, is_out_of_memory

_FREE_SOME = "end other programs that use it, or try DEVICE=cpu"


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
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if batch_size == 1:
                raise UserError(
                    f"{device.name} has no memory left for a single image; {_FREE_SOME}."
                ) from None
            batch_size = max(1, batch_size // 2)
            if device.torch.type != "cpu":  # cuBLAS and cuDNN take theirs beside PyTorch's
                torch.accelerator.empty_cache()
            continue
        start += len(batch)
        on_batch(len(batch))
    return np.concatenate(outputs)


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return probabilities, float32 (N, K), of logits of that shape."""
    probs: npt.NDArray[np.float32] = torch.from_numpy(logits).double().softmax(1).float().numpy()
    return probs


def predict_run(run: str, settings: Settings, workspace: Workspace, reporter: Reporter) -> Probs:
    """Predict the test images with every finished fold of a run, unless that is done already.

    Args:
        run: The run's name.
        settings: Only the device, precision and batch size are used; all else is the run's own.
        workspace: Where everything lies.
        reporter: Shows the progress.

    Returns:
        The mean probabilities of the test images, as they lie in `test.npz`.

    Raises:
        UserError: The run has no finished fold or belongs to another competition, a file is
            damaged, or the device is not there.
    """
    paths = workspace.run(run)
    config = read_config(run, workspace)
    if config.competition != settings.competition:
        raise UserError(
            f"run {run} belongs to the competition {config.competition}, "
            f"not to {settings.competition}."
        )
    inputs = workspace.input(get_competition(settings.competition))
    with locked(paths.lock, f"run {run}"), advising_on_memory(_FREE_SOME):
        folds = paths.finished_folds()
        if not folds:
            raise UserError(
                f"run {run} has no finished fold; finish it with `make train RUN={run}`."
            )
        images = load_digits(inputs).test_images
        made_from = name_networks(paths, folds, config.digits_sha256)
        probs = _load_if_whole(paths.test_probs)
        if probs is None or probs.made_from != made_from:
            mean = average_networks(
                paths,
                folds,
                images,
                reporter,
                device=choose_device(settings.device, settings.precision),
                batch_size=settings.predict_batch_size,
            )
            probs = Probs(np.arange(1, len(images) + 1), mean, made_from)
            save_probs(paths.test_probs, probs)
        return probs


def _load_if_whole(path: Path) -> Probs | None:
    try:
        return load_probs(path)
    except (FileNotFoundError, UserError):  # predicted anew
        return None


def write_predictions(run: str, made_by: str, workspace: Workspace, reporter: Reporter) -> None:
    """Write `submissions/<run>.csv`: the most probable class of every test image.

    Args:
        run: A run or an ensemble whose `test.npz` is there.
        made_by: What predicted them, in words.
        workspace: Where everything lies.
        reporter: Told what was written, and where.

    Raises:
        UserError: The ids are not those of the sample submission.
    """
    path = workspace.submission(run)
    probs = load_probs(workspace.run(run).test_probs)
    inputs = workspace.input(get_competition(read_run(run, workspace).competition))
    write_submission(path, inputs, probs.ids, probs.probs.argmax(axis=1))
    reporter.line(
        f"{run}: {len(probs.ids):,} test images predicted by {made_by} → "
        f"{path.relative_to(workspace.root)}"
    )


def restore_network(paths: FoldPaths) -> tuple[Classifier, Preprocessing]:
    """Return the network of a finished fold, on the CPU, and the preprocessing it expects.

    Raises:
        UserError: Its file is damaged, or the network's code is another now.
    """
    network = load_network(paths.weights)
    facts = network.facts
    shape = tuple(facts["image_shape"])
    model = create_model(facts["model"], shape, facts["num_classes"], dropout=0.0)
    try:
        model.load_state_dict(network.weights)
    except RuntimeError:
        run = paths.folder.parent.name
        raise UserError(
            f"{paths.weights} does not fit the network {facts['model']} as it is now; bring its "
            f"code back, or train the run again: `make train RUN={run} FORCE=1`."
        ) from None
    return model, Preprocessing(**facts["preprocessing"])


def average_networks(
    paths: RunPaths,
    folds: list[int],
    images: npt.NDArray[np.uint8],
    reporter: Reporter,
    *,
    device: Device,
    batch_size: int,
) -> npt.NDArray[np.float32]:
    """Return the mean probabilities, float32 (N, K), of a run's networks.

    Args:
        paths: The run.
        folds: Which of its finished folds.
        images: uint8 (N, C, H, W).
        reporter: Shows the progress.
        device: Where to compute.
        batch_size: Images per batch.

    Raises:
        UserError: A network's file is damaged, or the device has no memory.
    """
    total: Any = 0.0
    with reporter.bar("predicting", len(images) * len(folds)) as bar:
        for fold in folds:
            model, preprocessing = restore_network(paths.fold(fold))
            logits = predict_logits(
                model.to(device.torch),
                images,
                preprocessing,
                device,
                batch_size=batch_size,
                on_batch=bar.advance,
            )
            total = total + softmax(logits).astype(np.float64)
    mean: npt.NDArray[np.float32] = (total / len(folds)).astype(np.float32)
    return mean
