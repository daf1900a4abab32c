"""Everything that a report shows of a run, read from its files."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pipeline.augment.registry import deserialise
from pipeline.console import Silent
from pipeline.data.competition import get_competition
from pipeline.data.digits import Digits
from pipeline.data.files import read_record, sha256
from pipeline.data.manifest import load_manifest
from pipeline.errors import UserError
from pipeline.networks import create_model
from pipeline.networks.summary import summarise
from pipeline.report.embedding import choose_rows, lay_out
from pipeline.report.evidence import Evidence, Fold, Training
from pipeline.report.recipe_picture import draw_preview
from pipeline.runs.history import read_history
from pipeline.runs.probs import Probs, load_probs
from pipeline.runs.records import EnsembleConfig, FoldFacts, Receipt, RunConfig
from pipeline.runs.results import (
    join_out_of_fold,
    load_out_of_fold,
    load_run_digits,
    read_config,
    read_run,
)
from pipeline.runs.workspace import FoldPaths, Workspace
from pipeline.training.device import Device
from pipeline.training.fold import fold_name
from pipeline.training.inference import average_networks, predict_features, restore_network

_NUM_TEST_IMAGES = 60
_BATCH = 512


def gather(
    run: str, workspace: Workspace, device: Device, on_step: Callable[[int], None]
) -> Evidence:
    """Read what a run left, and let its networks look at the images that are shown.

    `on_step` is called three times, with 1.

    Raises:
        UserError: There is no such run, nothing of it is finished, its data are not those it was
            trained on, or a file is damaged.
    """
    record = read_run(run, workspace)
    digits = load_run_digits(record, workspace)
    trainings = [_read_training(name, workspace, digits) for name in record.member_names or [run]]
    out_of_fold = _load_out_of_fold(record, workspace)
    if not np.isfinite(out_of_fold.probs).all():
        raise UserError(
            f"the probabilities of run {run} are not numbers: its training diverged; train again "
            'with a lower rate, such as SET="learning_rate=0.001".'
        )
    on_step(1)
    shown = replace(digits, test_images=digits.test_images[:_NUM_TEST_IMAGES])
    probs = [
        average_networks(
            workspace.run(training.config.run),
            [fold.number for fold in training.folds],
            shown,
            Silent(),
            device=device,
            batch_size=_BATCH,
        )
        for training in trainings
    ]
    on_step(1)
    laid_out = _map(trainings[0], workspace, digits, device)
    on_step(1)
    inputs, receipt = workspace.input(get_competition(record.competition)), workspace.receipt(run)
    return Evidence(
        run=run,
        competition=inputs.competition,
        manifest=load_manifest(inputs),
        train_images=digits.train_images,
        train_labels=digits.train_labels,
        test_images=shown.test_images,
        test_probs=np.mean(probs, axis=0),
        num_test=len(digits.test_images),
        out_of_fold=out_of_fold,
        trainings=trainings,
        map=laid_out,
        receipt=read_record(receipt, Receipt) if receipt.exists() else None,
    )


def _load_out_of_fold(record: RunConfig | EnsembleConfig, workspace: Workspace) -> Probs:
    """The probabilities of all validation images: of a run, those of whatever is finished."""
    if isinstance(record, RunConfig):
        return join_out_of_fold(workspace.run(record.run))
    for member in record.members:
        oof = workspace.run(member.run).oof
        if not oof.exists() or sha256(oof) != member.oof_sha256:
            raise UserError(
                f"run {member.run} has changed since {record.run} was made of it; run "
                f"`make train RUN={record.run}`, which averages anew."
            )
    return load_out_of_fold(record.run, workspace)


def _read_training(run: str, workspace: Workspace, digits: Digits) -> Training:
    """What is known of one trained run."""
    config, paths = read_config(run, workspace), workspace.run(run)
    if not paths.finished_folds():
        raise UserError(
            f"run {run} has no finished fold yet; finish it with `make train RUN={run}`."
        )
    settings = config.settings
    competition = get_competition(config.competition)
    _, first_of_each_class = np.unique(digits.train_labels, return_index=True)
    network = create_model(
        settings["model"], competition.image_shape, competition.num_classes, settings["dropout"]
    )
    return Training(
        config=config,
        folds=[_read_fold(number, paths.fold(number)) for number in paths.finished_folds()],
        network=summarise(network, competition.image_shape),
        preview=draw_preview(
            digits.train_images[first_of_each_class],
            deserialise(config.recipe, num_channels=competition.image_shape[0]),
            title=f"Recipe {settings['augment']!r} on {competition.slug}",
            seed=settings["seed"],
        ),
    )


def _read_fold(number: int, paths: FoldPaths) -> Fold:
    facts = read_record(paths.facts, FoldFacts) if paths.facts.exists() else None
    history = read_history(paths.history)
    return Fold(number, fold_name(number), load_probs(paths.oof), history, facts)


def _map(
    training: Training, workspace: Workspace, digits: Digits, device: Device
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.floating]] | None:
    """Lay out validation images of the training's first fold by its network's features."""
    fold, seed = training.folds[0], training.config.settings["seed"]
    if not len(fold.valid.ids):
        return None
    rows = choose_rows(fold.valid, digits.train_labels, seed)
    paths = workspace.run(training.config.run).fold(fold.number)
    model, preprocessing = restore_network(paths, digits.train_images, device)
    features = predict_features(
        model, digits.train_images[rows], preprocessing, device, batch_size=_BATCH
    )
    return rows, lay_out(features, seed)
