"""Prediction: logits batch by batch, and a run's probabilities of the test images."""

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from pipeline.console import Reporter
from pipeline.data.competition import get_competition
from pipeline.data.digits import Digits
from pipeline.data.files import locked
from pipeline.data.predictions_csv import write_submission
from pipeline.data.preprocessing import Preprocessing
from pipeline.errors import UserError
from pipeline.networks import create_model
from pipeline.networks.layers import Classifier
from pipeline.networks.views import with_views
from pipeline.runs.kept import MOST_APART, NUM_KEPT, apart, load_kept
from pipeline.runs.probs import Probs, load_probs, save_probs
from pipeline.runs.results import load_run_digits, name_networks, read_config, read_run
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
    forward: Callable[[Tensor], Tensor] | None = None,
) -> npt.NDArray[np.float32]:
    """Return logits, float32 (N, K), of images uint8 (N, C, H, W).

    Each batch's result goes to the host at once, so the device holds one batch whatever N is. A
    batch that the device has no memory for is halved, and so are those after it; if a single image
    has none, a UserError says so.

    Args:
        model: The network, on the device; left in evaluation mode.
        on_batch: Called after each batch with its number of images.
        forward: What is called in place of the network, if not all of it is wanted.
    """
    model.eval()
    outputs: list[npt.NDArray[np.float32]] = []
    start = 0
    while start < len(images):
        batch = torch.from_numpy(images[start : start + batch_size])
        try:
            with torch.inference_mode(), device.autocast():
                inputs = preprocessing(batch.to(device.torch))
                output = (forward or model)(inputs.contiguous(memory_format=torch.channels_last))
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


def predict_features(
    model: Classifier,
    images: npt.NDArray[np.uint8],
    preprocessing: Preprocessing,
    device: Device,
    *,
    batch_size: int,
) -> npt.NDArray[np.float32]:
    """Return the activations of the last hidden layer, float32 (N, F); see `predict_logits`."""
    forward = model.features
    return predict_logits(
        model, images, preprocessing, device, batch_size=batch_size, forward=forward
    )


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return probabilities, float32 (N, K), of logits of that shape."""
    probs: npt.NDArray[np.float32] = torch.from_numpy(logits).double().softmax(1).float().numpy()
    return probs


def predict_run(run: str, settings: Settings, workspace: Workspace, reporter: Reporter) -> Probs:
    """Return the mean probabilities of the test images by every finished fold of a run.

    They are predicted unless they lie in `test.npz` already. Only the device, precision and batch
    size of the settings are used; all else is the run's own.

    Raises:
        UserError: The run has no finished fold or belongs to another competition, its data or
            networks are others now, a file is damaged, or the device is not there.
    """
    paths = workspace.run(run)
    config = read_config(run, workspace)
    if config.competition != settings.competition:
        raise UserError(
            f"run {run} belongs to the competition {config.competition}, "
            f"not to {settings.competition}."
        )
    with locked(paths.lock, f"run {run}"), advising_on_memory(_FREE_SOME):
        folds = paths.finished_folds()
        if not folds:
            raise UserError(
                f"run {run} has no finished fold; finish it with `make train RUN={run}`."
            )
        digits = load_run_digits(config, workspace)
        made_from = name_networks(paths, folds, config.digits_sha256)
        with contextlib.suppress(FileNotFoundError, UserError):  # a damaged one is predicted anew
            probs = load_probs(paths.test_probs)
            if probs.made_from == made_from:
                return probs
        mean = average_networks(
            paths,
            folds,
            digits,
            reporter,
            device=choose_device(settings.device, settings.precision),
            batch_size=settings.predict_batch_size,
        )
        probs = Probs(get_competition(config.competition).test_ids(len(mean)), mean, made_from)
        save_probs(paths.test_probs, probs)
        return probs


def write_predictions(run: str, made_by: str, workspace: Workspace, reporter: Reporter) -> None:
    """Write `submissions/<run>.csv`: the most probable class of every test image.

    The `test.npz` of the run or ensemble is there; `made_by` says in words what predicted it.
    """
    path = workspace.submission(run)
    probs = load_probs(workspace.run(run).test_probs)
    inputs = workspace.input(get_competition(read_run(run, workspace).competition))
    write_submission(path, inputs, probs.ids, probs.probs.argmax(axis=1))
    reporter.line(
        f"{run}: {len(probs.ids):,} test images predicted by {made_by} → "
        f"{path.relative_to(workspace.root)}"
    )


def restore_network(
    paths: FoldPaths, train_images: npt.NDArray[np.uint8], device: Device
) -> tuple[Classifier, Preprocessing]:
    """Return the network of a finished fold, on the device, and the preprocessing it expects.

    The training images, uint8 (N, C, H, W), are all of the run's. A network that does not predict
    what it did when it was trained raises a UserError.
    """
    network = load_network(paths.weights)
    facts = network.facts
    shape = tuple(facts["image_shape"])
    model = create_model(facts["model"], shape, facts["num_classes"], dropout=0.0)
    run = paths.folder.parent
    try:
        model.load_state_dict(network.weights)
    except RuntimeError:
        raise UserError(
            f"{paths.weights} does not fit the network {facts['model']} as it is now; bring its "
            f"code back, or train the run again: `make train RUN={run.name} FORCE=1`."
        ) from None
    model = with_views(model.to(device.torch), facts.get("views", "one"))
    preprocessing = Preprocessing(**facts["preprocessing"])
    kept = load_kept(paths)
    if len(kept.ids):
        images = train_images[kept.ids]
        logits = predict_logits(model, images, preprocessing, device, batch_size=NUM_KEPT)
        if not (distance := apart(softmax(logits), kept.probs)) <= MOST_APART:
            raise UserError(
                f"the network of {paths.folder} no longer predicts what it did when it was "
                f"trained: its logits of {len(images)} training images are {100 * distance:.1f} % "
                f"apart from those, where rounding makes less than {100 * MOST_APART:g} %; bring "
                f"back its code and the libraries that {run / 'config.toml'} names, or train the "
                f"run again: `make train RUN={run.name} FORCE=1`."
            )
    return model, preprocessing


def average_networks(
    paths: RunPaths,
    folds: list[int],
    digits: Digits,
    reporter: Reporter,
    *,
    device: Device,
    batch_size: int,
) -> npt.NDArray[np.float32]:
    """Return a run's mean probabilities of the test images, float32 (N, K), by finished folds."""
    total: Any = 0.0
    with reporter.bar("predicting", len(digits.test_images) * len(folds)) as bar:
        for fold in folds:
            model, preprocessing = restore_network(paths.fold(fold), digits.train_images, device)
            logits = predict_logits(
                model,
                digits.test_images,
                preprocessing,
                device,
                batch_size=batch_size,
                on_batch=bar.advance,
            )
            total = total + softmax(logits).astype(np.float64)
    mean: npt.NDArray[np.float32] = (total / len(folds)).astype(np.float32)
    return mean
