"""Runs written straight to disk: what training and prediction leave, without the training."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pipeline.data.digits_cache import load_digits
from pipeline.data.files import sha256, write_record
from pipeline.data.folds import ALL_DATA, read_folds
from pipeline.data.manifest import load_manifest
from pipeline.data.predictions_csv import write_submission
from pipeline.runs.history import EpochNumbers, write_history
from pipeline.runs.probs import Probs, load_probs, save_probs
from pipeline.runs.records import EnsembleConfig, EnsembleMember, RunConfig
from pipeline.runs.results import join_out_of_fold, name_networks, read_config
from pipeline.runs.spec import fingerprint
from pipeline.runs.weights import Network, save_network
from pipeline.runs.workspace import Workspace
from tests import tiny


def probs_of(labels: np.ndarray[Any, Any], wrong: int = 0) -> np.ndarray[Any, Any]:
    """Sure probabilities of these labels; the first `wrong` of them are of the next class."""
    shift = np.arange(len(labels)) < wrong
    return np.eye(10, dtype=np.float32)[(labels.astype(int) + shift) % 10]


def write_run(
    workspace: Workspace,
    name: str,
    *,
    trained: Sequence[int] = (0,),
    wrong: int = 1,
    predicted: np.ndarray[Any, Any] | None = None,
    **settings: Any,
) -> RunConfig:
    """A finished run on the synthetic competition.

    Args:
        workspace: Where its data and folds are.
        name: The run's name.
        trained: Its finished trainings.
        wrong: Errors in each fold.
        predicted: Predicted classes of the test images; by default all right.
        settings: Those that are not the synthetic competition's.
    """
    spec = tiny.spec(workspace, name, **settings)
    inputs, paths = workspace.input(tiny.COMPETITION), workspace.run(name)
    config = RunConfig(
        run=name,
        preset=spec.preset,
        code_version="0",
        digits_sha256=load_manifest(inputs).digits_sha256,
        folds_sha256=sha256(inputs.folds),
        libraries={},
        settings=spec.settings.model_dump(),
        recipe=spec.recipe,
    )
    write_record(paths.config, config)
    digits = load_digits(inputs)
    row_folds = read_folds(inputs.folds, digits.train_labels)
    for fold in trained:
        rows = np.flatnonzero(np.isin(row_folds, spec.settings.held_out(fold)))
        write_history(paths.fold(fold).history, [_epoch(1), _epoch(2)])
        mark = fingerprint(config)
        network = Network({"bias": torch.full((1,), float(fold))}, {"fingerprint": mark})
        save_network(paths.fold(fold).weights, network)
        valid = Probs(rows, probs_of(digits.train_labels[rows], wrong), mark)
        save_probs(paths.fold(fold).oof, valid)
    save_probs(paths.oof, join_out_of_fold(paths))
    ids = np.arange(1, len(digits.test_images) + 1)
    predicted = np.arange(len(ids)) % 10 if predicted is None else predicted
    made_from = name_networks(paths, trained, config.digits_sha256)
    save_probs(paths.test_probs, Probs(ids, probs_of(predicted), made_from))
    write_submission(workspace.submission(name), inputs, ids, predicted)
    return config


def write_run_on_all_data(workspace: Workspace, name: str, **settings: Any) -> RunConfig:
    """A finished run that held nothing out."""
    return write_run(workspace, name, trained=[ALL_DATA], folds="all-data", **settings)


def write_ensemble(workspace: Workspace, name: str, *members: str) -> None:
    """The mean of finished runs."""
    configs = [read_config(member, workspace) for member in members]
    runs = [workspace.run(member) for member in members]
    record = EnsembleConfig(
        run=name,
        competition=configs[0].competition,
        digits_sha256=configs[0].digits_sha256,
        folds_sha256=configs[0].folds_sha256,
        members=[
            EnsembleMember(
                run=config.run,
                fingerprint=fingerprint(config),
                oof_sha256=sha256(run.oof),
                test_sha256=sha256(run.test_probs),
            )
            for config, run in zip(configs, runs, strict=True)
        ],
    )
    paths = workspace.run(name)
    write_record(paths.ensemble, record)
    for kind in ("oof", "test_probs"):
        parts = [load_probs(getattr(run, kind)) for run in runs]
        mean = np.mean([part.probs for part in parts], axis=0)
        save_probs(getattr(paths, kind), Probs(parts[0].ids, mean))
    inputs, test = workspace.input(tiny.COMPETITION), load_probs(paths.test_probs)
    write_submission(workspace.submission(name), inputs, test.ids, test.probs.argmax(axis=1))


def _epoch(number: int) -> EpochNumbers:
    """An epoch of half a minute."""
    return EpochNumbers(number, 0.1, 0.1, 18, 20, 1e-3, elapsed_s=30.0, images_per_s=100.0)
